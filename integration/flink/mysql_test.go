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
)

// mysqlTypes is the database "types" of the scripts with which the decoder of MySQL's log was made.
type mysqlTypes struct {
	db *sql.DB
}

// newMySQLTypes runs the script that makes a table of every family of types, with inserts, updates, deletes and changed keys.
func newMySQLTypes(t *testing.T, g *rig) *mysqlTypes {
	t.Helper()
	db, err := g.my.DB("types")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	script, err := os.ReadFile("../mysqltypes/generate/sql/types.sql")
	if err != nil {
		t.Fatal(err)
	}
	conn, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	more := `
CREATE TABLE vectors (id INT PRIMARY KEY, v VECTOR(3), big VECTOR);
INSERT INTO vectors VALUES (1, STRING_TO_VECTOR('[1,2.5,-3]'), STRING_TO_VECTOR('[0.1]')), (2, NULL, NULL), (3, STRING_TO_VECTOR('[123456789,-0.000001,0]'), STRING_TO_VECTOR('[16777217,0.1]'));
CREATE TABLE done (id INT PRIMARY KEY);
INSERT INTO done VALUES (1)`
	for _, s := range statements("SET time_zone = '+00:00'; SET sql_mode = ''; SET cte_max_recursion_depth = 1000000;" + string(script) + more) {
		if _, err := conn.ExecContext(t.Context(), s); err != nil {
			t.Fatalf("%.300s: %v", s, err)
		}
	}
	return &mysqlTypes{db}
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

func (m *mysqlTypes) prefix() string           { return "my" }
func (m *mysqlTypes) full(table string) string { return "types." + table }
func (m *mysqlTypes) title() string            { return "MySQL 9.7" }
func (m *mysqlTypes) quote(name string) string {
	return "`" + strings.ReplaceAll(name, "`", "``") + "`"
}

func (m *mysqlTypes) config(g *rig) string {
	return fmt.Sprintf("source: {type: mysql, host: %s, port: %d, user: %s, password: %s, tables: [types.*], start: earliest}\n    snapshot: {mode: never}", g.my.Host(), g.my.Port(), g.my.User(), g.my.Password())
}

func (m *mysqlTypes) tables(t *testing.T) []string {
	return texts(t, m.db, "SELECT table_name FROM information_schema.tables WHERE table_schema = 'types' AND table_name <> 'done' ORDER BY create_time, table_name")
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

func isShape(base string) bool {
	switch base {
	case "geometry", "point", "linestring", "polygon", "multipoint", "multilinestring", "multipolygon", "geomcollection", "geometrycollection":
		return true
	}
	return false
}

func (m *mysqlTypes) tell(c *column, flink, _ string) string {
	switch {
	case strings.HasPrefix(flink, "ROW"):
		return "CONCAT(HEX(ST_AsBinary($, 'axis-order=long-lat')), ' ', ST_SRID($))"
	case c.base == "vector":
		return "HEX($)" // the text has six digits
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
	case c.base == "vector":
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
