package endtoend

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// shape is a table's columns in order.
type shape []stormColumn

// stormColumn is a column of a storm's table. Its name ends in its number and its kind, "price12_i":
//
//	i  numbers that end in the two last digits of the column's own
//	s  texts that begin with kind and number, "s12:"
//	b  the same as bytes
//	e  enumerations with such labels
//	t  times with the number's rest as the second
//	j  documents with such a key
//	g  generated: n * 100 + number
type stormColumn struct {
	name, full, extra string // column_name, column_type, extra
	nullable          bool
	kind              string // "" of the columns that every table keeps: id, n, shape
	number            int
}

var tagged = regexp.MustCompile(`(\d+)_([a-z])$`)

func tagOf(name string) (kind string, number int) {
	m := tagged.FindStringSubmatch(name)
	if m == nil {
		return "", 0
	}
	number, _ = strconv.Atoi(m[1])
	return m[2], number
}

func quoted(name string) string { return "`" + strings.ReplaceAll(name, "`", "``") + "`" }

// literal is the shape as the rows have it.
func (s shape) literal() string { return "'" + strings.ReplaceAll(s.text(), "'", "''") + "'" }

func (s shape) text() string {
	var names []string
	for _, c := range s {
		names = append(names, c.name)
	}
	return strings.Join(names, "|")
}

// of are the columns of the kinds.
func (s shape) of(kinds string) (out shape) {
	for _, c := range s {
		if c.kind != "" && strings.Contains(kinds, c.kind) {
			out = append(out, c)
		}
	}
	return out
}

// one is a column of the kinds, or none.
func (s shape) one(r *rand.Rand, kinds string) *stormColumn {
	if out := s.of(kinds); len(out) > 0 {
		return &out[r.IntN(len(out))]
	}
	return nil
}

// names are the columns that may be written, between commas.
func (s shape) names(prefix string) string {
	var out []string
	for _, c := range s {
		if c.kind != "g" {
			out = append(out, prefix+quoted(c.name))
		}
	}
	return strings.Join(out, ", ")
}

// write makes a statement that changes rows of the table.
func (s shape) write(r *rand.Rand, table string) string {
	const ids = 80
	if r.IntN(7) == 0 {
		return fmt.Sprintf("DELETE FROM %s WHERE id BETWEEN %d AND %d", table, r.IntN(ids), r.IntN(ids))
	}
	names, values, set := []string{"id", "n", "shape"}, []string{fmt.Sprint(r.IntN(ids)), fmt.Sprint(r.IntN(1000)), s.literal()}, []string{"n = n + 1", "shape = " + s.literal()}
	for _, c := range s {
		if v := c.value(r); v != "" && r.IntN(3) > 0 {
			names, values, set = append(names, quoted(c.name)), append(values, v), append(set, quoted(c.name)+" = "+v)
		}
	}
	switch r.IntN(4) {
	case 0:
		return fmt.Sprintf("UPDATE %s SET %s WHERE id BETWEEN %d AND %d", table, strings.Join(set, ", "), r.IntN(ids), r.IntN(ids))
	case 1:
		return fmt.Sprintf("UPDATE IGNORE %s SET id = id + %d, shape = %s WHERE id = %d", table, 1+r.IntN(200), s.literal(), r.IntN(ids))
	case 2:
		return fmt.Sprintf("INSERT INTO %s (%s) VALUES (%s) ON DUPLICATE KEY UPDATE %s", table, strings.Join(names, ", "), strings.Join(values, ", "), strings.Join(set, ", "))
	}
	return fmt.Sprintf("REPLACE INTO %s (%s) VALUES (%s)", table, strings.Join(names, ", "), strings.Join(values, ", "))
}

// value is a random one, as an SQL expression; "" if the column is not written.
func (c *stormColumn) value(r *rand.Rand) string {
	if c.kind != "" && c.kind != "g" && r.IntN(6) == 0 && c.nullable {
		return "NULL"
	}
	switch c.kind {
	case "i":
		return fmt.Sprint(r.IntN(300)*100 + c.number%100)
	case "s", "b":
		return fmt.Sprintf("'%s%d:%s'", c.kind, c.number, letters(r, 20, "abcXYZ äöü"))
	case "e":
		return fmt.Sprintf("'e%d:%s'", c.number, oneOf("a", "b")(r))
	case "t":
		return fmt.Sprintf("'%04d-%02d-%02d %02d:%02d:%02d'", 1990+r.IntN(40), 1+r.IntN(12), 1+r.IntN(28), r.IntN(24), r.IntN(60), c.number%60)
	case "j":
		return fmt.Sprintf(`'{"j%d": %d}'`, c.number, r.IntN(1000))
	}
	return ""
}

// typeOf is one of the types that a column of the kind can have.
func typeOf(r *rand.Rand, kind string, number int) string {
	switch kind {
	case "i":
		return oneOf("INT", "BIGINT", "MEDIUMINT", "SMALLINT", "INT UNSIGNED", "BIGINT UNSIGNED", "DECIMAL(20,0)", "INTEGER(9)", "MEDIUMINT UNSIGNED")(r)
	case "s":
		return oneOf("VARCHAR(60)", "VARCHAR(255)", "VARCHAR(300)", "TEXT", "MEDIUMTEXT", "CHAR(60)", "TINYTEXT", "NATIONAL VARCHAR(60)", "LONGTEXT")(r)
	case "b":
		return oneOf("VARBINARY(80)", "VARBINARY(500)", "BLOB", "MEDIUMBLOB", "TINYBLOB")(r)
	case "e":
		labels := oneOf("'e#:a','e#:b'", "'e#:a','e#:b','e#:c, \"x\"'", "'e#:b','e#:it''s','e#:a'", "'e#:a','e#:(','e#:b'")(r)
		return "ENUM(" + strings.ReplaceAll(labels, "#", strconv.Itoa(number)) + ")"
	case "t":
		return oneOf("DATETIME", "DATETIME(3)", "DATETIME(6)", "TIMESTAMP", "TIMESTAMP(2)")(r)
	case "j":
		return "JSON"
	}
	return ""
}

// definition is a type with what may stand behind it.
func definition(r *rand.Rand, kind string, number int) string {
	d := typeOf(r, kind, number)
	if kind == "s" && !strings.HasPrefix(d, "NATIONAL") {
		d += oneOf("", "", " CHARACTER SET latin1", " CHARACTER SET utf8mb4", " CHARSET utf16", " COLLATE utf8mb4_bin", " COLLATE latin1_german1_ci", " CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci")(r)
	}
	return d + oneOf(" NULL", " NULL", " NULL DEFAULT NULL", " NULL COMMENT 'it''s \"NOT NULL\", (a `b`'")(r)
}

// filled is a definition that gives rows that are there already a value other than NULL.
func filled(r *rand.Rand, kind string, number int) string {
	d := typeOf(r, kind, number)
	switch kind {
	case "i":
		return fmt.Sprintf("%s NOT NULL DEFAULT %d", d, number%100)
	case "e":
		return fmt.Sprintf("%s DEFAULT 'e%d:b'", d, number)
	case "t": // zero would be NULL or the beginning of 1970 in debezium-json
		return fmt.Sprintf("%s NOT NULL DEFAULT '2001-02-03 04:05:%02d'", d, number%60)
	case "j": // MariaDB would fill in what is no document
		return d + " NULL"
	case "s":
		if strings.Contains(d, "CHAR") {
			return fmt.Sprintf("%s NULL DEFAULT 's%d:default'", d, number)
		}
	}
	return d + " NOT NULL"
}

// create makes a table of a few random columns.
func (s *storm) create(table string) string {
	columns := []string{"id INT PRIMARY KEY", "n INT", "shape TEXT CHARACTER SET utf8mb4"}
	for range 2 + s.r.IntN(4) {
		kind := oneOf("i", "s", "b", "e", "t", "j")(s.r)
		name, number := s.column(kind)
		columns = append(columns, quoted(name)+" "+definition(s.r, kind, number))
	}
	at := 1 + s.r.IntN(len(columns)) // the key is not always the first
	columns = append(slices.Clone(columns[1:at]), append([]string{columns[0]}, columns[at:]...)...)
	return fmt.Sprintf("CREATE TABLE %s (%s)%s", table, strings.Join(columns, ", "), oneOf("", " CHARACTER SET utf8mb4", " DEFAULT CHARSET=latin1", " COMMENT='x; y'")(s.r))
}

// column makes a name that no column had.
func (s *storm) column(kind string) (name string, number int) {
	s.numbers++
	return fmt.Sprintf("%s%d_%s", oneOf("a", "B", "ö", "select", "per%c ", "q`t", "x.y")(s.r), s.numbers, kind), s.numbers
}
