package mysqlsource

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"cdcbridge/changelog"
	"cdcbridge/integration/servers"
)

// wordyTable has a constant of every type as default, each form that servers have for one, and what they compute.
const wordyTable = "CREATE TABLE w (id INT PRIMARY KEY AUTO_INCREMENT COMMENT 'it''s', ti TINYINT(1) DEFAULT -1, z INT(5) ZEROFILL DEFAULT 7, bu BIGINT UNSIGNED DEFAULT 18446744073709551615, n DECIMAL(10,2) DEFAULT 1.5, " +
	"n0 DECIMAL(10,2) NOT NULL DEFAULT -0.00, n5 DECIMAL(5,0) DEFAULT -7, f FLOAT DEFAULT 1.1, fs FLOAT DEFAULT 1e-30, d DOUBLE DEFAULT 0.1, dm DOUBLE(10,2) DEFAULT 2.005, d3 DOUBLE DEFAULT 1e300, b1 BIT DEFAULT 1, b9 BIT(9) DEFAULT b'100000001', " +
	"y YEAR DEFAULT 1999, y0 YEAR DEFAULT 0, da DATE DEFAULT '2020-02-29', dz DATE NOT NULL DEFAULT '0000-00-00', dp DATE DEFAULT '2020-00-01', t TIME DEFAULT '-838:59:59', t3 TIME(3) DEFAULT '01:02:03.1239', dt DATETIME DEFAULT '2020-01-01', dt6 DATETIME(6) DEFAULT '2020-01-01 00:00:00.5', " +
	"ts TIMESTAMP NULL DEFAULT '2020-06-01 12:00:00', `ts``3` TIMESTAMP(3) NULL DEFAULT '2020-06-01 12:00:00.123', tsz TIMESTAMP NOT NULL DEFAULT '0000-00-00 00:00:00', now TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP, now6 DATETIME(6) DEFAULT CURRENT_TIMESTAMP(6), " +
	"c CHAR(5) DEFAULT 'ab ', cn CHAR(5) NOT NULL, v VARCHAR(10) DEFAULT 'it''s\\\\ \\n', ve VARCHAR(10) DEFAULT '', vn VARCHAR(10) DEFAULT NULL COMMENT 'ü', vq VARCHAR(10) CHARACTER SET utf8mb4 DEFAULT '?', q1 VARCHAR(10) CHARACTER SET latin1 DEFAULT '?', ve4 VARCHAR(10) CHARACTER SET utf8mb4 DEFAULT '😀', " +
	"vnul VARCHAR(10) DEFAULT 'a\\0b', vstr VARCHAR(10) DEFAULT 'NULL', vcur VARCHAR(30) DEFAULT 'CURRENT_TIMESTAMP', l1 VARCHAR(10) CHARACTER SET latin1 DEFAULT 'é€', u16 CHAR(5) CHARACTER SET utf16 DEFAULT 'ж', bq VARBINARY(10) DEFAULT 'a?é''\\\\', bi BINARY(4) DEFAULT 'ab', bf BINARY(2) DEFAULT 'ab', bx BINARY(4) DEFAULT X'FF00', vb VARBINARY(10) DEFAULT X'61FF62', vb2 VARBINARY(10) DEFAULT 'abc', " +
	"vb3 VARBINARY(10) DEFAULT X'6100', vbe VARBINARY(10) DEFAULT '', v0x VARBINARY(10) DEFAULT '0x61', e ENUM('a','b','it''s') DEFAULT 'it''s', en ENUM('1','0') DEFAULT '1', s SET('x','y','z') DEFAULT 'x,z', s1 SET('x','y','z') DEFAULT 'y', se SET('x','y') NOT NULL DEFAULT '', tx TEXT, txn TEXT NOT NULL, g INT GENERATED ALWAYS AS (ti+1) STORED) CHARACTER SET utf8mb4 COMMENT 'table''s ü'"

// computed and unknown are the columns of the table whose defaults are no constants, and those whose constants the servers do not
// show. Columns that have none are in neither.
var (
	computed = map[string]string{"": "now now6", "80": "e1 e5 eu", "97": "e1 e5 eu", "maria": "e1 eu"}
	unknown  = map[string]string{"57": "vq ve4", "80": "vq ve4", "maria": "vq ve4"}
	without  = "id cn txn g"
)

func expected(of map[string]string, v string) []string {
	all := of[""] + " " + of[v]
	if strings.HasPrefix(v, "maria") {
		all += " " + of["maria"]
	}
	names := strings.Fields(all)
	slices.Sort(names)
	return names
}

// TestDefaults: the default of a column is what a row gets that does not name the column, or it says that it is computed, or it is
// not told. Stream and reader describe the table alike.
func TestDefaults(t *testing.T) {
	t.Parallel()
	for _, v := range append([]string{"97 MINIMAL"}, servers.MySQLVersions...) {
		t.Run(v, func(t *testing.T) {
			v, metadata, _ := strings.Cut(v, " ")
			b := newBench(t, servers.MySQLOptions{Version: v, Metadata: metadata, Extra: []string{"--default-time-zone=-07:00"}})
			more := ""
			switch {
			case b.m.MariaDB():
				more = ", e1 INT DEFAULT (1+1), e5 INT DEFAULT (5), eu VARCHAR(50) DEFAULT uuid(), mt TEXT DEFAULT 'lit', mb BLOB DEFAULT X'00ff', mu UUID DEFAULT '123e4567-e89b-12d3-a456-426655440000', mi INET6 DEFAULT '::1', g"
			case v != "57":
				more = ", e1 INT DEFAULT (1+1), e5 INT DEFAULT (5), eu VARCHAR(50) DEFAULT (uuid()), g"
			}
			sql := wordyTable
			if more != "" {
				sql = strings.Replace(sql, ", g", more, 1)
			}
			b.session("SET NAMES utf8mb4", "SET sql_mode='', time_zone='+03:00'", "USE shop", sql, "INSERT INTO w () VALUES ()")
			cfg := b.config()
			cfg.Start = "earliest"
			s := scan(t, cfg, true)
			page := s.read(s.reader(), s.chunk(s.table("w")))
			s.watch(page.chunks[len(page.chunks)-1].End)
			s.stop()
			var table *changelog.Table
			var row changelog.Row
			for _, batch := range s.kept {
				for _, r := range batch.Runs {
					table, row = r.Table, batch.Changes[r.From].After
				}
			}
			if len(page.tables) != 1 || page.tables[0] != table {
				t.Fatalf("%+v\n%+v", page.tables, table)
			}
			if table.Charset != "utf8mb4" || table.Comment != "table's ü" {
				t.Errorf("charset %q, comment %q", table.Charset, table.Comment)
			}
			var isComputed, isUnknown, has []string
			for i, c := range table.Columns {
				if want := map[string]string{"id": "it's", "vn": "ü"}[c.Name]; c.Comment != want || c.AutoIncrement != (c.Name == "id") {
					t.Errorf("%s: comment %q, numbered %v", c.Name, c.Comment, c.AutoIncrement)
				}
				switch d := c.Default; {
				case d == nil && !slices.Contains(strings.Fields(without), c.Name):
					isUnknown = append(isUnknown, c.Name)
				case d == nil:
				case d.Value.IsUnchanged():
					isComputed = append(isComputed, c.Name)
				case !d.Value.Equal(row[i]):
					t.Errorf("%s: default %v of %q, the row has %v", c.Name, d.Value, d.Text, row[i])
				default:
					has = append(has, fmt.Sprintf("%s=%q", c.Name, d.Text))
				}
			}
			slices.Sort(isComputed)
			slices.Sort(isUnknown)
			wantComputed, wantUnknown := expected(computed, v), expected(unknown, v)
			if !slices.Equal(isComputed, wantComputed) || !slices.Equal(isUnknown, wantUnknown) || len(has) < 30 {
				t.Errorf("computed %q, want %q; unknown %q, want %q; right %q", isComputed, wantComputed, isUnknown, wantUnknown, has)
			}
		})
	}
}
