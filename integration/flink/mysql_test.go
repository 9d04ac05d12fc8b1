package flink

import (
	"database/sql"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math"
	"os"
	"strconv"
	"strings"
	"testing"

	"cdcbridge/integration/servers"
)

// mysqlTypes is the database "types" of a MySQL or MariaDB server.
type mysqlTypes struct {
	server *servers.MySQL
	db     *sql.DB
	topics string // what the names of its topics begin with
	name   string // and version
}

// newMySQLTypes runs the script with which the decoder of MySQL's log was made: a table of every family of types, with inserts, updates,
// deletes and changed keys.
func newMySQLTypes(t *testing.T, g *rig) *mysqlTypes {
	t.Helper()
	script, err := os.ReadFile("../mysqltypes/generate/sql/types.sql")
	if err != nil {
		t.Fatal(err)
	}
	m := &mysqlTypes{server: g.my, topics: "my", name: "MySQL 9.7"}
	m.fill(t, string(script)+`
CREATE TABLE vectors (id INT PRIMARY KEY, v VECTOR(3), big VECTOR);
INSERT INTO vectors VALUES (1, STRING_TO_VECTOR('[1,2.5,-3]'), STRING_TO_VECTOR('[0.1]')), (2, NULL, NULL), (3, STRING_TO_VECTOR('[123456789,-0.000001,0]'), STRING_TO_VECTOR('[16777217,0.1]'));
`)
	return m
}

// newMariaDBTypes has the types that MySQL has not, and those that MariaDB shows otherwise.
func newMariaDBTypes(t *testing.T, g *rig) *mysqlTypes {
	t.Helper()
	m := &mysqlTypes{server: g.maria, topics: "maria", name: "MariaDB 11.8"}
	m.fill(t, `
CREATE TABLE own (id INT(11) PRIMARY KEY, u UUID, i4 INET4, i6 INET6, j JSON, b BIGINT(20) UNSIGNED, c VARCHAR(100) COMPRESSED, x BLOB COMPRESSED, t TIMESTAMP(6) NULL, d DATETIME(6), k TIME(6), v VECTOR(3));
INSERT INTO own VALUES (1, '123e4567-e89b-12d3-a456-426655440000', '10.0.0.1', '2001:db8::ff00:42:8329', '{"b": 1.0, "a": [1, null]}', 18446744073709551615, REPEAT('é', 90), REPEAT(x'00ff', 90), '2024-05-06 07:08:09.123456', '2024-05-06 07:08:09.5', '-12:34:56.000001', VEC_FromText('[1,2.5,-3]'));
INSERT INTO own VALUES (2, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL), (3, 'ffffffff-ffff-ffff-ffff-ffffffffffff', '255.255.255.255', '::', '"é"', 0, '', '', '1970-01-01 00:00:01', '0000-00-00', '838:59:59', VEC_FromText('[0.1,16777217,-1e-7]'));
UPDATE own SET j = '[]' WHERE id = 1;
UPDATE own SET id = 4 WHERE id = 3;
`)
	return m
}

// fill runs a script, after which the table done tells that all is in the log.
func (m *mysqlTypes) fill(t *testing.T, script string) {
	t.Helper()
	db, err := m.server.DB("types")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	m.db = db
	conn, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for _, s := range statements("SET time_zone = '+00:00';\nSET sql_mode = '';\n" + script + "CREATE TABLE done (id INT PRIMARY KEY);\nINSERT INTO done VALUES (1)") {
		if _, err := conn.ExecContext(t.Context(), s); err != nil {
			t.Fatalf("%.300s: %v", s, err)
		}
	}
}

// statements splits a script whose statements end with a semicolon at the end of a line.
func statements(script string) []string {
	var out []string
	for _, s := range strings.Split(script, ";\n") {
		if s = strings.TrimSpace(s); s != "" {
			out = append(out, s)
		}
	}
	return out
}

func (m *mysqlTypes) prefix() string           { return m.topics }
func (m *mysqlTypes) full(table string) string { return "types." + table }
func (m *mysqlTypes) title() string            { return m.name }
func (m *mysqlTypes) quote(name string) string {
	return "`" + strings.ReplaceAll(name, "`", "``") + "`"
}

func (m *mysqlTypes) config() string {
	return fmt.Sprintf("source: {type: mysql, host: %s, port: %d, user: %s, password: %s, tables: [types.*], start: earliest}\n    snapshot: {mode: never}",
		m.server.Host(), m.server.Port(), m.server.User(), m.server.Password())
}

func (m *mysqlTypes) tables(t *testing.T) []string {
	return texts(t, m.db, "SELECT table_name FROM information_schema.tables WHERE table_schema = 'types' AND table_name <> 'done' ORDER BY table_name")
}

func texts(t *testing.T, db *sql.DB, text string) []string {
	t.Helper()
	rows, err := query(t.Context(), db, text)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, r := range rows {
		out = append(out, *r[0])
	}
	return out
}

func (m *mysqlTypes) columns(t *testing.T, table string) []column {
	t.Helper()
	rows, err := query(t.Context(), m.db, "SELECT column_name, column_type, data_type FROM information_schema.columns WHERE table_schema = 'types' AND table_name = '"+table+"' ORDER BY ordinal_position")
	if err != nil {
		t.Fatal(err)
	}
	var out []column
	for _, r := range rows {
		out = append(out, column{*r[0], *r[1], *r[2]})
	}
	return out
}

func (m *mysqlTypes) rows(t *testing.T, table string, tell []string) [][]*string {
	t.Helper()
	out, err := query(t.Context(), m.db, "SELECT "+strings.Join(tell, ", ")+" FROM "+m.quote(table)+" ORDER BY id")
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func (m *mysqlTypes) tell(c *column, flink, _ string) string {
	switch {
	case strings.HasPrefix(flink, "ROW"):
		return "CONCAT(HEX(ST_AsBinary($, 'axis-order=long-lat')), ' ', ST_SRID($))"
	case c.base == "vector": // the text has six digits
		return "HEX($)"
	case flink == "BOOLEAN" && c.base == "bit":
		return "IF($ = 1, 'true', IF($ = 0, 'false', NULL))"
	case flink == "BYTES" && c.base == "bit":
		return "BIN($)"
	case flink == "BYTES":
		return "HEX($)"
	case c.base == "bit":
		return "CAST($ AS UNSIGNED)"
	case c.base == "float" && !strings.Contains(c.typ, ","):
		return "$ + 0e0" // the text of a FLOAT has six digits
	}
	return "$"
}

func (m *mysqlTypes) want(c *column, flink, _, text string) (string, error) {
	switch {
	case c.base == "vector" && flink != "BYTES":
		if strings.HasPrefix(text, "[") { // Flink's
			return vector(text)
		}
		b, err := hex.DecodeString(text)
		if err != nil {
			return "", err
		}
		floats := make([]float32, len(b)/4)
		_, err = binary.Decode(b, binary.LittleEndian, floats)
		return strings.NewReplacer(" ", "|").Replace(fmt.Sprintf("%08x", bits(floats))), err
	case strings.HasPrefix(flink, "ROW"):
		wkb, srid, _ := strings.Cut(text, " ")
		b, err := hex.DecodeString(wkb)
		if err != nil {
			return "", err
		}
		return shape(strings.Contains(flink, "`x`"), b, srid)
	case flink == "BYTES" && c.base == "bit":
		n, err := strconv.Atoi(strings.Trim(c.typ, "bit()"))
		return bitBytes(text, (n+7)/8), err
	case c.base == "json":
		return document(text), nil
	case c.base == "time":
		return moment(text), nil
	}
	return scalar(flink, text)
}

func bits(floats []float32) []uint32 {
	out := make([]uint32, len(floats))
	for i, f := range floats {
		out[i] = math.Float32bits(f)
	}
	return out
}

func (m *mysqlTypes) leaf(c *column) *column { return c }

func (m *mysqlTypes) loss(c *column, flink, want, got string) string {
	if strings.HasPrefix(flink, "ROW") && strings.ReplaceAll(want, "|0]", "|"+null+"]") == got {
		return "SRID 0 is null"
	}
	switch c.base {
	case "date", "datetime", "timestamp":
		if got == null {
			return "dates that no calendar has (`0000-00-00`, `2024-00-00`, `2023-02-31`) are null"
		}
	}
	return ""
}
