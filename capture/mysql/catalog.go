package mysql

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"cdcbridge/capture"
	"cdcbridge/internal/fault"
)

// tableFacts is what the catalogue knows of a table now. It decorates what the log says and never decodes.
type tableFacts struct {
	told   []columnFacts // what the history tells of the columns; what the catalogue does is among the words: see described
	words  *tableWords   // nil: it was asked for no more than the log needs
	engine string
	key    []string // columns of the primary key, or of a unique one over whole columns that are not nullable
}

// transactional reports an engine whose rows a rollback takes back.
func (f *tableFacts) transactional() bool {
	return strings.EqualFold(f.engine, "InnoDB") || strings.EqualFold(f.engine, "ndbcluster")
}

// described gives what is known of the columns beyond the log. A nil receiver knows nothing.
func (f *tableFacts) described() []columnFacts {
	switch {
	case f == nil:
		return nil
	case f.words == nil:
		return f.told
	}
	columns := make([]columnFacts, len(f.words.columns))
	for i, w := range f.words.columns {
		columns[i] = columnFacts{Name: w.name, ColumnType: w.columnType, Generated: w.generated}
	}
	return columns
}

// cascade is a captured table whose rows a foreign key changes by itself.
type cascade struct {
	table      tableName
	constraint string
	rules      string
}

// systemSchemas hold no table that can be captured. Each question leaves them out: MariaDB would open their views, all of them
// every time, and has been seen to crash after some thousands.
const systemSchemas = "('mysql','information_schema','performance_schema','sys')"

// catalog reads information_schema over a connection.
type catalog struct {
	conn   *conn
	filter *capture.Filter
}

// tables reads the facts of all captured tables, or of one.
func (c catalog) tables(ctx context.Context, only *tableName) (out map[tableName]*tableFacts, err error) {
	err = c.conn.during(ctx, func() error {
		out, err = c.read(only)
		return err
	})
	return out, err
}

func (c catalog) read(only *tableName) (map[tableName]*tableFacts, error) {
	where := " WHERE t.TABLE_SCHEMA NOT IN " + systemSchemas
	if only != nil {
		where = " WHERE t.TABLE_SCHEMA=" + quote(only.database) + " AND t.TABLE_NAME=" + quote(only.name)
	}
	out := map[tableName]*tableFacts{}
	same := texts{}
	err := c.conn.each("SELECT t.TABLE_SCHEMA, t.TABLE_NAME, t.ENGINE, (SELECT GROUP_CONCAT(s.COLUMN_NAME ORDER BY s.SEQ_IN_INDEX SEPARATOR '\\0') "+
		"FROM information_schema.STATISTICS s WHERE s.TABLE_SCHEMA=t.TABLE_SCHEMA AND s.TABLE_NAME=t.TABLE_NAME AND s.NON_UNIQUE=0 GROUP BY s.INDEX_NAME "+
		"HAVING SUM(s.NULLABLE='YES' OR s.COLUMN_NAME IS NULL OR s.SUB_PART IS NOT NULL AND s.INDEX_NAME<>'PRIMARY')=0 ORDER BY s.INDEX_NAME<>'PRIMARY' LIMIT 1), "+
		"t.TABLE_COLLATION, t.TABLE_COMMENT FROM information_schema.TABLES t"+where+" AND t.TABLE_TYPE='BASE TABLE'", func(r []string) {
		if c.filter.Match(r[0], r[1]) {
			f := &tableFacts{engine: same.keep(r[2]), words: &tableWords{charset: same.keep(charsetOfCollation(r[4])), comment: same.keep(r[5])}}
			if r[3] != "" {
				f.key = strings.Split(same.keep(r[3]), "\x00")
			}
			out[tableName{same.keep(r[0]), strings.Clone(r[1])}] = f
		}
	})
	if err != nil {
		return nil, err
	}
	if len(out) == 0 {
		return out, nil
	}
	return out, c.columns(where, same, out)
}

// columns reads the columns of tables of which the rest is known.
func (c catalog) columns(where string, same texts, tables map[tableName]*tableFacts) error {
	var alike lists[columnWords]
	var last *tableFacts // whose columns are being read
	var columns []columnWords
	turn := func(f *tableFacts) {
		if last != nil {
			last.words.columns = alike.share(columns)
		}
		if last, columns = f, columns[:0]; f != nil {
			columns = append(columns, f.words.columns...) // some, where names differ in their case and the order does not
		}
	}
	err := c.conn.each("SELECT t.TABLE_SCHEMA, t.TABLE_NAME, "+wordColumns+" FROM information_schema.COLUMNS t"+where+" ORDER BY t.TABLE_SCHEMA, t.TABLE_NAME, t.ORDINAL_POSITION", func(r []string) {
		if f := tables[tableName{r[0], r[1]}]; f != nil {
			if f != last {
				turn(f)
			}
			columns = append(columns, newColumnWords(r[2:], same))
		}
	})
	if err != nil {
		return err
	}
	turn(nil)
	for _, name := range sortedNames(tables) {
		if err := c.conn.show(name, tables[name].words); err != nil {
			return err
		}
	}
	return nil
}

// cascades reads the foreign keys that change rows of captured tables.
func (c catalog) cascades(ctx context.Context) ([]cascade, error) {
	var out []cascade
	err := c.conn.during(ctx, func() error {
		rows, err := c.conn.query("SELECT CONSTRAINT_SCHEMA, TABLE_NAME, CONSTRAINT_NAME, DELETE_RULE, UPDATE_RULE FROM information_schema.REFERENTIAL_CONSTRAINTS " +
			"WHERE CONSTRAINT_SCHEMA NOT IN " + systemSchemas + " AND (DELETE_RULE IN ('CASCADE','SET NULL','SET DEFAULT') OR UPDATE_RULE IN ('CASCADE','SET NULL','SET DEFAULT')) ORDER BY 1, 2, 3")
		for _, r := range rows {
			if c.filter.Match(r[0], r[1]) {
				out = append(out, cascade{tableName{r[0], r[1]}, r[2], "ON DELETE " + r[3] + " ON UPDATE " + r[4]})
			}
		}
		return err
	})
	return out, err
}

// unaccepted leaves the cascades of tables that nobody has accepted.
func unaccepted(cascades []cascade, accept []string) ([]cascade, error) {
	f, err := capture.NewFilter(accept, nil)
	if err != nil {
		return nil, fault.NewFinal(fault.Config, "reading accept_fk_cascade", err, "")
	}
	return slices.DeleteFunc(cascades, func(c cascade) bool { return f.Match(c.table.database, c.table.name) }), nil
}

const cascadeHint = "The server does not log rows that a foreign key changes. Use MySQL 9.7 or later with innodb_native_foreign_keys=OFF, drop the rule and change the rows in the application, " +
	"leave the table out, or name it in accept_fk_cascade if its rows may go stale."

// fault is the error for cascades that stop the stream.
func cascadeFault(cs []cascade) error {
	return fault.NewFinal(fault.FKCascade, "checking foreign keys", fmt.Errorf("%s", describeCascades(cs)), cascadeHint)
}

func describeCascades(cs []cascade) string {
	var parts []string
	for _, c := range cs {
		parts = append(parts, fmt.Sprintf("%s.%s: %s %s", c.table.database, c.table.name, c.constraint, c.rules))
	}
	return strings.Join(parts, "; ")
}

func (t tableName) String() string { return t.database + "." + t.name }
