package mysql

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"cdcbridge/capture"
	"cdcbridge/capture/mysql/schema"
	"cdcbridge/internal/fault"
)

// This file reads a table's schema out of information_schema.

// describe reads what a table looks like. It must be held, or what comes is from several moments. No table, or a view, is
// ErrTableGone.
func (c *conn) describe(name tableName) (*schema.Table, error) {
	at := " WHERE TABLE_SCHEMA=" + quote(name.database) + " AND TABLE_NAME=" + quote(name.name)
	rows, err := c.query("SELECT 't' AS k, ENGINE AS a, TABLE_COLLATION AS b, '' AS c, '' AS d, '' AS e, '' AS f, '' AS g, '' AS h, '' AS i, '' AS j, '' AS l, '' AS m " +
		"FROM information_schema.TABLES" + at + " AND TABLE_TYPE IN ('BASE TABLE','SYSTEM VERSIONED') UNION ALL " +
		"SELECT 'c', ORDINAL_POSITION, COLUMN_NAME, DATA_TYPE, COLUMN_TYPE, IS_NULLABLE, CHARACTER_OCTET_LENGTH, NUMERIC_PRECISION, NUMERIC_SCALE, DATETIME_PRECISION, COLLATION_NAME, EXTRA, GENERATION_EXPRESSION<>'' " +
		"FROM information_schema.COLUMNS" + at + " UNION ALL " +
		"SELECT 'k', INDEX_NAME, SEQ_IN_INDEX, COLUMN_NAME, COLLATION, SUB_PART, NON_UNIQUE, INDEX_TYPE, '', '', '', '', '' FROM information_schema.STATISTICS" + at)
	if err != nil {
		return nil, err
	}
	t := &schema.Table{Name: schema.Name{Database: name.database, Table: name.name}}
	numeric := func(a, b string) int { return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b)) }
	slices.SortFunc(rows, func(a, b []string) int {
		if a[0] == "k" && b[0] == "k" {
			return cmp.Or(cmp.Compare(a[1], b[1]), numeric(a[2], b[2]))
		}
		return cmp.Or(cmp.Compare(strings.Index("tck", a[0]), strings.Index("tck", b[0])), numeric(a[1], b[1]))
	})
	var parts, others []uniquePart
	for _, f := range rows {
		switch f[0] {
		case "t":
			t.Engine, t.Collation = f[1], f[2]
		case "c":
			column, err := describeColumn(f)
			if err != nil {
				return nil, fault.New(fault.Source, "reading the columns of "+name.String(), err, "")
			}
			t.Columns = append(t.Columns, column)
		case "k":
			p := uniquePart{index: f[1], column: f[3], direction: f[4], prefix: f[5], hash: f[7] == "HASH" && !strings.EqualFold(t.Engine, "MEMORY")}
			if f[6] == "0" {
				parts = append(parts, p)
			} else {
				others = append(others, p)
			}
		}
	}
	if t.Engine == "" || len(t.Columns) == 0 {
		return nil, capture.ErrTableGone // a view has no engine
	}
	t.Unique, t.Other = uniqueIndexes(parts), uniqueIndexes(others)
	if len(t.Unique) > 2 || len(t.Unique) == 2 && t.Unique[0].Name != primary {
		return t, c.order(name, t.Unique)
	}
	return t, nil
}

// describeColumn makes a column of a row of information_schema.COLUMNS as describe asks for it.
func describeColumn(f []string) (schema.Column, error) {
	c := schema.Column{
		Name: f[2], DataType: f[3], ColumnType: f[4], Nullable: f[5] == "YES", Collation: f[10], Generated: f[12] == "1",
		Virtual: strings.Contains(f[11], "VIRTUAL GENERATED"), Invisible: strings.Contains(f[11], "INVISIBLE"), Compressed: strings.Contains(f[4], " COMPRESSED"),
	}
	var err error
	number := func(text string) (n int) {
		if text != "" && err == nil {
			n, err = strconv.Atoi(text)
		}
		return n
	}
	switch c.DataType {
	case "char", "varchar", "binary", "varbinary":
		c.Octets = number(f[6])
	case "decimal":
		c.Precision, c.Scale = number(f[7]), number(f[8])
	case "bit":
		c.Precision = number(f[7])
	case "time", "datetime", "timestamp":
		c.FSP = number(f[9])
	case "enum", "set":
		c.Labels, err = parseLabels(c.ColumnType)
	}
	if err != nil {
		return c, fmt.Errorf("column %q: %w", c.Name, err)
	}
	return c, nil
}

// primary is the name of every primary key.
const primary = "PRIMARY"

// uniquePart is a row of information_schema.STATISTICS about a unique index, NULL as "".
type uniquePart struct {
	index, column, direction, prefix string
	hash                             bool
}

// uniqueIndexes puts parts together that come by index and sequence. The primary key is the first.
func uniqueIndexes(parts []uniquePart) []schema.Index {
	var out []schema.Index
	for _, p := range parts {
		if n := len(out); n == 0 || out[n-1].Name != p.index {
			out = append(out, schema.Index{Name: p.index, Hash: p.hash})
		}
		prefix, _ := strconv.Atoi(p.prefix) // a number, or nothing
		last := &out[len(out)-1]
		last.Parts = append(last.Parts, schema.Part{Column: p.column, Prefix: prefix, Descending: p.direction == "D"})
	}
	slices.SortStableFunc(out, func(a, b schema.Index) int { return b2i(b.Name == primary) - b2i(a.Name == primary) })
	return out
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

// order brings unique indexes into the server's own order, which information_schema does not tell. It decides which of them
// the server takes for the primary key that a table does not have.
func (c *conn) order(name tableName, unique []schema.Index) error {
	rows, err := c.query("SHOW INDEX FROM " + name.sql())
	if err != nil {
		return err
	}
	place := map[string]int{}
	for i, f := range rows {
		if _, seen := place[f[2]]; !seen {
			place[f[2]] = i
		}
	}
	slices.SortStableFunc(unique, func(a, b schema.Index) int { return place[a.Name] - place[b.Name] })
	return nil
}

// keyOf gives the index that is the key of the table, as the log has it: the primary key, which may be over prefixes of
// columns, or else the server's first unique index over whole columns that are not nullable. Without one it has no parts.
func keyOf(t *schema.Table) schema.Index {
	for _, x := range t.Unique {
		if x.Name == primary || wholeKey(t, x) {
			return x
		}
	}
	return schema.Index{}
}

// wholeKey reports an index over whole columns that are not nullable.
func wholeKey(t *schema.Table, x schema.Index) bool {
	for _, p := range x.Parts {
		i := slices.IndexFunc(t.Columns, func(c schema.Column) bool { return c.Name == p.Column })
		if i < 0 || t.Columns[i].Nullable || p.Prefix != 0 {
			return false
		}
	}
	return true
}

// ambiguous reports a table of which order must tell the key.
func ambiguous(t *schema.Table) bool {
	whole := 0
	for _, x := range t.Unique {
		if x.Name == primary {
			return false
		}
		whole += b2i(wholeKey(t, x))
	}
	return whole > 1
}

// readable reports a key that chunks can be read by: over whole columns. All types that such a key can have are compared
// exactly; a FLOAT is, by the double that it widens to.
func readable(key schema.Index) bool {
	return len(key.Parts) > 0 && !slices.ContainsFunc(key.Parts, func(p schema.Part) bool { return p.Column == "" || p.Prefix != 0 })
}

// readableKey gives the columns of the key that chunks can be read by, nil when there is none.
func readableKey(t *schema.Table) []string {
	key := keyOf(t)
	if !readable(key) {
		return nil
	}
	var columns []string
	for _, p := range key.Parts {
		columns = append(columns, p.Column)
	}
	return columns
}

// parseLabels reads "enum('small','it”s')" with the catalogue's escapes.
func parseLabels(columnType string) ([]string, error) {
	_, rest, _ := strings.Cut(columnType, "(")
	var labels []string
	for rest != "" && rest[0] == '\'' {
		label, after, ok := unquote(rest)
		if !ok || after == "" {
			break
		}
		labels, rest = append(labels, string(label)), strings.TrimPrefix(after, ",")
	}
	if rest != ")" || len(labels) == 0 {
		return nil, fmt.Errorf("the type %q has no list of labels", abbreviate(columnType, 80))
	}
	return labels, nil
}
