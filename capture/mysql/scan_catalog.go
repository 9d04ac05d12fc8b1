package mysql

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"cdcbridge/capture"
	"cdcbridge/internal/fault"
)

// description is what the catalogue says of one table, as text.
type description struct {
	engine  string
	columns []describedColumn // in the order of the table
	keys    []describedPart   // of all unique indexes, by index and sequence
	order   []string          // names of the unique indexes in the server's order; nil when it does not matter
}

// describedColumn is a row of information_schema.COLUMNS, NULL as "".
type describedColumn struct {
	ordinal, name, dataType, columnType, nullable, octets, precision, scale, fsp, collation, extra string
	generated                                                                                      bool
}

// describedPart is a row of information_schema.STATISTICS.
type describedPart struct {
	index, seq, column, direction, prefix, nullable string
}

// hold keeps everybody from changing the definition of a table until the end of the transaction, and gives the server's clock
// and the statement that would make the table. It fails with ErrTableGone, a permission fault or NotYet. It names all columns,
// because an account with rights on some of them would be shown these only.
func (r *reader) hold(name tableName) (clock, create string, err error) {
	rows, err := r.conn.query("SELECT NOW(6), (SELECT 1 FROM (SELECT * FROM " + name.sql() + ") x WHERE FALSE)")
	if err != nil {
		return "", "", r.tableFault(name, err)
	}
	clock = rows[0][0]
	if rows, err = r.conn.query("SHOW CREATE TABLE " + name.sql()); err != nil {
		return "", "", r.tableFault(name, err)
	}
	return clock, withoutCounter(rows[0][1]), nil
}

var counter = regexp.MustCompile(` AUTO_INCREMENT=\d+`)

// withoutCounter takes out of the options of a table what each new row changes.
func withoutCounter(create string) string {
	options := strings.LastIndex(create, "\n)")
	if options < 0 {
		return create
	}
	return create[:options] + counter.ReplaceAllString(create[options:], "")
}

// describe reads the description of a table that is held.
func (r *reader) describe(name tableName) (*description, error) {
	at := " WHERE TABLE_SCHEMA=" + quote(name.database) + " AND TABLE_NAME=" + quote(name.name)
	rows, err := r.conn.query("SELECT 't' AS k, ENGINE AS a, '' AS b, '' AS c, '' AS d, '' AS e, '' AS f, '' AS g, '' AS h, '' AS i, '' AS j, '' AS l, '' AS m " +
		"FROM information_schema.TABLES" + at + " AND TABLE_TYPE='BASE TABLE' UNION ALL " +
		"SELECT 'c', ORDINAL_POSITION, COLUMN_NAME, DATA_TYPE, COLUMN_TYPE, IS_NULLABLE, CHARACTER_OCTET_LENGTH, NUMERIC_PRECISION, NUMERIC_SCALE, DATETIME_PRECISION, COLLATION_NAME, EXTRA, GENERATION_EXPRESSION<>'' " +
		"FROM information_schema.COLUMNS" + at + " UNION ALL " +
		"SELECT 'k', INDEX_NAME, SEQ_IN_INDEX, COLUMN_NAME, COLLATION, SUB_PART, NULLABLE, '', '', '', '', '', '' FROM information_schema.STATISTICS" + at + " AND NON_UNIQUE=0")
	if err != nil {
		return nil, r.tableFault(name, err)
	}
	d := &description{}
	for _, f := range rows {
		switch f[0] {
		case "t":
			d.engine = f[1]
		case "c":
			d.columns = append(d.columns, describedColumn{f[1], f[2], f[3], f[4], f[5], f[6], f[7], f[8], f[9], f[10], f[11], f[12] == "1"})
		case "k":
			d.keys = append(d.keys, describedPart{f[1], f[2], f[3], f[4], f[5], f[6]})
		}
	}
	if d.engine == "" || len(d.columns) == 0 {
		return nil, capture.ErrTableGone // a view has no engine
	}
	numeric := func(a, b string) int { return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b)) }
	slices.SortFunc(d.columns, func(a, b describedColumn) int { return numeric(a.ordinal, b.ordinal) })
	slices.SortFunc(d.keys, func(a, b describedPart) int { return cmp.Or(cmp.Compare(a.index, b.index), numeric(a.seq, b.seq)) })
	if d.ambiguous() {
		if d.order, err = r.conn.indexOrder(name); err != nil {
			return nil, r.tableFault(name, err)
		}
	}
	return d, nil
}

func (p describedPart) primary() bool { return p.index == "PRIMARY" }

// ambiguous reports a table of which order must tell the key.
func (d *description) ambiguous() bool {
	return len(wholeKeys(d.keys)) > 1 && !slices.ContainsFunc(d.keys, describedPart.primary)
}

// readableKey gives the columns of the key that chunks can be read by, nil when there is none.
func (d *description) readableKey() []string {
	var columns []string
	if key := d.key(); readable(key) {
		for _, p := range key {
			columns = append(columns, p.column)
		}
	}
	return columns
}

// wholeKeys are the unique indexes over whole columns that are not nullable.
func wholeKeys(parts []describedPart) map[string][]describedPart {
	out, bad := map[string][]describedPart{}, map[string]bool{}
	for _, p := range parts {
		out[p.index] = append(out[p.index], p)
		bad[p.index] = bad[p.index] || p.column == "" || p.prefix != "" || p.nullable == "YES"
	}
	for name := range bad {
		if bad[name] {
			delete(out, name)
		}
	}
	return out
}

// indexOrder gives the names of a table's indexes in the server's own order, which information_schema does not tell. It
// decides which unique index the server takes for the primary key that a table does not have.
func (c *conn) indexOrder(name tableName) ([]string, error) {
	rows, err := c.query("SHOW INDEX FROM " + name.sql())
	var names []string
	for _, f := range rows {
		if !slices.Contains(names, f[2]) {
			names = append(names, f[2])
		}
	}
	return names, err
}

// key gives the parts of the index that is the key of the table, as the log has it: the primary key, which may be over
// prefixes of columns, or else the server's first unique index over whole columns that are not nullable.
func (d *description) key() []describedPart {
	whole := wholeKeys(d.keys)
	var primary []describedPart
	for _, p := range d.keys {
		if p.primary() {
			primary = append(primary, p)
		}
	}
	if primary != nil {
		return primary
	}
	for _, name := range d.order {
		if k := whole[name]; k != nil {
			return k
		}
	}
	for _, k := range whole { // the only one
		return k
	}
	return nil
}

// readable reports a key that chunks can be read by: over whole columns. All types that such a key can have are compared
// exactly; a FLOAT is, by the double that it widens to.
func readable(key []describedPart) bool {
	return len(key) > 0 && !slices.ContainsFunc(key, func(p describedPart) bool { return p.column == "" || p.prefix != "" })
}

// tableFault gives an error of a statement about one table its meaning.
func (r *reader) tableFault(name tableName, err error) error {
	switch errorCode(err) {
	case 1146, 1049, 1109, 1347: // no such table, no such database, unknown table, not a base table
		return capture.ErrTableGone
	case 1044, 1142, 1143, 1370:
		return fault.NewFinal(fault.Permission, "reading "+name.String(), err, fmt.Sprintf("Run GRANT SELECT ON %s TO %s.", name.sql(), account(r.src.cfg.User)))
	case 1205: // lock_wait_timeout
		return capture.NotYet{Why: "a statement that changes the definition of " + name.String() + " is running or waiting"}
	}
	return err
}

func account(user string) string { return quote(user) + "@'%'" }

func (t tableName) sql() string { return quoteName(t.database) + "." + quoteName(t.name) }

func quoteName(s string) string { return "`" + strings.ReplaceAll(s, "`", "``") + "`" }
