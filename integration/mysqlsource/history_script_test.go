package mysqlsource

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// mixture is statements that change tables and rows of the same tables, in turn. %s in an INSERT stands for a text that fills a
// batch of the smallest size, so that positions come often.
func mixture(v, how string) []string {
	maria := strings.HasPrefix(v, "maria")
	s := []string{
		"CREATE TABLE a (id INT PRIMARY KEY, x INT, pad TEXT) DEFAULT CHARSET latin1", "INSERT INTO a VALUES (1,10,'%s')",
		"ALTER TABLE a ADD COLUMN y VARCHAR(20) AFTER id", "INSERT INTO a VALUES (2,'é',20,'%s')", "UPDATE a SET x=x+1",
		"ALTER TABLE a CHANGE x z BIGINT UNSIGNED, ADD COLUMN w INT FIRST", "INSERT INTO a VALUES (1,3,'b',18446744073709551615,'%s')",
		"ALTER TABLE a MODIFY COLUMN w INT AFTER z, DROP COLUMN y", "INSERT INTO a VALUES (4,5,6,'%s')", "DELETE FROM a WHERE id=1",
		"ALTER TABLE a CONVERT TO CHARACTER SET utf8mb4", "INSERT INTO a VALUES (5,5,6,'%s')",
		"ALTER TABLE a ADD COLUMN e ENUM('one','two') NOT NULL DEFAULT 'two', ADD COLUMN s SET('x','y','z')", "INSERT INTO a VALUES (6,5,6,'%s','one','x,z')",
		"ALTER TABLE a MODIFY COLUMN e ENUM('zero','one','two','three')", "INSERT INTO a VALUES (7,5,6,'%s','three','y')",
		"ALTER TABLE a DROP PRIMARY KEY, ADD PRIMARY KEY (z, id)", "INSERT INTO a VALUES (8,9,6,'%s','one','')", "UPDATE a SET id=80 WHERE id=8",
		"ALTER TABLE a ADD COLUMN g INT AS (id*2) STORED, ADD COLUMN d DECIMAL(10,3), ADD COLUMN t TIMESTAMP(3) NULL", "INSERT INTO a (id,z,pad,d,t) VALUES (9,9,'%s',1.5,'2024-01-02 03:04:05.678')",
		"CREATE INDEX i ON a (w)", "DROP INDEX i ON a", "ALTER TABLE a COMMENT='it''s \\'a\\' table', ALTER COLUMN w SET DEFAULT 7", "INSERT INTO a (id,z,pad) VALUES (10,10,'%s')",
		"RENAME TABLE a TO b", "INSERT INTO b (id,z,pad) VALUES (11,10,'%s')", "ALTER TABLE b RENAME TO a", "INSERT INTO a (id,z,pad) VALUES (12,10,'%s')",
		"CREATE TABLE c LIKE a", "INSERT INTO c (id,z,pad) VALUES (1,1,'%s')", "ALTER TABLE c DROP COLUMN g, DROP COLUMN s", "INSERT INTO c (id,z,pad) VALUES (2,1,'%s')",
		"RENAME TABLE a TO tmp, c TO a, tmp TO c", "INSERT INTO a (id,z,pad) VALUES (20,1,'%s')", "INSERT INTO c (id,z,pad) VALUES (21,1,'%s')",
		"DROP TABLE c", "CREATE TABLE IF NOT EXISTS c (k VARCHAR(10) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin PRIMARY KEY, v DOUBLE)", "INSERT INTO c VALUES ('k',1.5)", "CREATE TABLE IF NOT EXISTS c (id INT)", "INSERT INTO c VALUES ('l',2.5)",
		"TRUNCATE TABLE c", "INSERT INTO c VALUES ('k',3.5)",
		"CREATE TEMPORARY TABLE a (other INT)", "INSERT INTO a VALUES (1)", "ALTER TABLE a ADD COLUMN more INT", "DROP TEMPORARY TABLE a", "INSERT INTO a (id,z,pad) VALUES (22,1,'%s')",
		"CREATE TABLE p (id INT, v INT, pad TEXT, PRIMARY KEY (id)) PARTITION BY RANGE (id) (PARTITION p0 VALUES LESS THAN (10), PARTITION p1 VALUES LESS THAN (20))", "INSERT INTO p VALUES (1,1,'%s'),(11,1,'%s')",
		"ALTER TABLE p DROP PARTITION p0", "ALTER TABLE p ADD PARTITION (PARTITION p2 VALUES LESS THAN (30))", "INSERT INTO p VALUES (21,1,'%s')", "ALTER TABLE p REMOVE PARTITIONING", "INSERT INTO p VALUES (22,1,'%s')",
		"CREATE TABLE q (id INT PRIMARY KEY, v INT, pad TEXT)", "INSERT INTO q SELECT id, v, pad FROM p", "CREATE VIEW vw AS SELECT * FROM q", "DROP VIEW vw", "CREATE TRIGGER tr BEFORE INSERT ON q FOR EACH ROW SET NEW.v=NEW.v+1", "INSERT INTO q VALUES (50,1,'%s')", "DROP TRIGGER tr",
		// gh-ost and pt-online-schema-change.
		"CREATE TABLE _q_gho LIKE q", "ALTER TABLE _q_gho ADD COLUMN extra INT NULL, DROP COLUMN v", "INSERT INTO _q_gho (id,pad) SELECT id,pad FROM q", "RENAME TABLE q TO _q_del, _q_gho TO q", "DROP TABLE _q_del", "INSERT INTO q (id,extra) VALUES (60,1)",
		"CREATE TABLE `shop`.`_q_new` (`id` int NOT NULL, `pad` text, `extra` int DEFAULT NULL, PRIMARY KEY (`id`)) ENGINE=InnoDB", "ALTER TABLE `shop`.`_q_new` CHANGE extra named INT", "INSERT LOW_PRIORITY IGNORE INTO `shop`.`_q_new` (`id`,`pad`) SELECT id,pad FROM q LOCK IN SHARE MODE",
		"RENAME TABLE `shop`.`q` TO `shop`.`_q_old`, `shop`.`_q_new` TO `shop`.`q`", "DROP TABLE IF EXISTS `shop`.`_q_old`", "INSERT INTO q VALUES (61,'%s',5)",
		"BEGIN", "INSERT INTO q VALUES (62,'%s',5)", "INSERT INTO q VALUES (63,'%s',5),(64,'%s',6)", "UPDATE q SET named=9", "DELETE FROM q WHERE id=62", "COMMIT",
		"CREATE DATABASE other DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin", "CREATE TABLE other.o (id INT PRIMARY KEY, v VARCHAR(10), pad TEXT)", "INSERT INTO other.o VALUES (1,'ü','%s')", "ALTER DATABASE other CHARACTER SET latin1", "CREATE TABLE other.n (id INT PRIMARY KEY, v VARCHAR(10), pad TEXT)", "INSERT INTO other.n VALUES (1,'ü','%s')",
		"RENAME TABLE other.n TO moved", "INSERT INTO moved VALUES (2,'ß','%s')", "DROP DATABASE other", "CREATE TABLE keyless (v INT, w INT, pad TEXT)", "INSERT INTO keyless VALUES (1,2,'%s')", "ALTER TABLE keyless ADD UNIQUE KEY (w), MODIFY w INT NOT NULL", "INSERT INTO keyless VALUES (3,4,'%s')", "UPDATE keyless SET v=7 WHERE w=4",
	}
	if v != "57" {
		s = append(s, "ALTER TABLE a RENAME COLUMN d TO dd", "INSERT INTO a (id,z,pad,dd) VALUES (30,1,'%s',2)", "ALTER TABLE a MODIFY dd DECIMAL(10,3) INVISIBLE", "INSERT INTO a (id,z,pad,dd) VALUES (31,1,'%s',2)")
	}
	if !maria {
		s = append(s, "CREATE TABLE j (id INT PRIMARY KEY, doc JSON, pt POINT, pad TEXT)", "INSERT INTO j VALUES (1,'{\"a\":1}',NULL,'%s')", "ALTER TABLE j DROP COLUMN pt, ADD COLUMN b BIT(9) FIRST", "INSERT INTO j VALUES (5,2,'[1]','%s')")
	}
	if how == "FILES" && v == "57" {
		s = append(s, "CREATE TABLE ctas (PRIMARY KEY (id)) SELECT id, named, pad FROM q", "INSERT INTO ctas VALUES (1000,1,'%s')")
	}
	if v == "80" || v == "97" {
		s = append(s, "CREATE TABLE ctas (PRIMARY KEY (id)) SELECT id, named, CAST(id AS CHAR(10)) AS txt, pad FROM q", "INSERT INTO ctas VALUES (1000,1,'x','%s')")
	}
	if maria {
		s = append(s, "CREATE OR REPLACE TABLE c (id INT PRIMARY KEY, v INT)", "INSERT INTO c VALUES (1,2)", "ALTER TABLE IF EXISTS c ADD COLUMN IF NOT EXISTS n INT", "ALTER TABLE c ADD COLUMN IF NOT EXISTS n BIGINT", "INSERT INTO c VALUES (2,2,3)",
			"SET STATEMENT max_statement_time=60 FOR ALTER TABLE c ADD COLUMN m INT", "INSERT INTO c VALUES (3,2,3,4)", "CREATE TABLE ctas (PRIMARY KEY (id)) SELECT id, named, pad FROM q", "INSERT INTO ctas VALUES (1000,1,'%s')",
			"CREATE SEQUENCE seq START WITH 5", "INSERT INTO c VALUES (NEXTVAL(seq),2,3,4)", "SELECT SETVAL(seq,100)", "INSERT INTO c VALUES (NEXTVAL(seq),2,3,4)", "DROP SEQUENCE seq")
	}
	pad := strings.Repeat("p", 5000)
	for i := range s {
		s[i] = strings.ReplaceAll(s[i], "%s", pad)
	}
	return append(s, "CREATE TABLE done (id INT PRIMARY KEY)", "INSERT INTO done VALUES (1)")
}

// TestHistory mixes DDL and rows of the same tables in a log that does not describe them, and begins again at every position
// with the state as of there: what comes is what the run without a break gave. Where the server can describe tables, that
// run is also compared with one over a log that does.
func TestHistory(t *testing.T) {
	t.Parallel()
	for _, v := range everyServer {
		t.Run(v, func(t *testing.T) {
			t.Parallel()
			whole := mixed(t, v, "MINIMAL", true)
			more := []string{"FULL", "SWITCHED", "COMPRESSED"}
			switch {
			case v == "57":
				mixed(t, v, "FILES", true)
				return
			case v == "80":
				more = append(more, "FILES")
			case strings.HasPrefix(v, "maria"):
				more = append(more, "TWO PHASES")
			}
			for _, how := range more {
				full := mixed(t, v, how, false)
				for i := range max(len(full), len(whole)) {
					if i >= len(full) || i >= len(whole) || full[i] != whole[i] {
						t.Fatalf("line %d\n%s  %s\nknown   %s", i, how, at(full, i), at(whole, i))
					}
				}
			}
		})
	}
}

func at(lines []string, i int) string {
	if i < len(lines) {
		return fmt.Sprintf("%.600s", lines[i])
	}
	return "nothing"
}

// switched lets the server describe tables now and then.
func switched(script []string) []string {
	var out []string
	for i, sql := range script {
		if i%5 == 0 && !slices.Contains(script[max(0, i-5):i+1], "BEGIN") {
			out = append(out, "SET GLOBAL binlog_row_metadata="+[]string{"FULL", "MINIMAL"}[i/5%2])
		}
		out = append(out, sql)
	}
	return out
}

// mixed runs the mixture on a fresh server and gives what came out.
func mixed(t *testing.T, v, how string, resume bool) []string {
	o := undescribing(v)
	script := mixture(v, how)
	switch how {
	case "FULL":
		o.Metadata = how
	case "COMPRESSED":
		o.Extra = compressing(v)
	case "FILES":
		o.Extra = []string{"--gtid-mode=OFF", "--enforce-gtid-consistency=OFF"}
	case "TWO PHASES":
		o.Extra = []string{"--binlog-alter-two-phase=ON"}
	case "SWITCHED":
		script = switched(script)
	}
	b := newBench(t, o)
	cfg := b.config()
	cfg.Tables, cfg.OnTruncate, cfg.BatchBytes = []string{"shop.*", "other.*"}, "note", 4096
	cfg.Start = "earliest"
	b.session(append([]string{"SET sql_mode='', NAMES utf8mb4"}, script...)...)
	whole, err := tell(t, cfg, resumable{})
	if err != nil {
		t.Fatalf("%s: %v\nafter %s", how, err, tail(whole.lines))
	}
	if !resume {
		return whole.lines
	}
	inside := 0
	for i, p := range whole.points[:len(whole.points)-1] {
		got, err := tell(t, cfg, p)
		if err != nil {
			t.Fatalf("from point %d, after %s: %v", i, at(whole.lines, p.lines-1), err)
		}
		if want := whole.lines[p.lines:]; !slices.Equal(got.lines, want) {
			for j := range max(len(want), len(got.lines)) {
				if j >= len(want) || j >= len(got.lines) || want[j] != got.lines[j] {
					t.Fatalf("from point %d (%s), line %d of %d\ngot  %s\nwant %s", i, p.pos, j, len(want), at(got.lines, j), at(want, j))
				}
			}
		}
		if strings.Contains(string(p.pos), `"txn"`) {
			inside++
		}
	}
	t.Logf("%d lines, begun again at %d positions, %d of them within a transaction", len(whole.lines), len(whole.points)-1, inside)
	if len(whole.points) < 60 || inside < 3 {
		t.Errorf("only %d positions, %d of them within a transaction", len(whole.points), inside)
	}
	return whole.lines
}
