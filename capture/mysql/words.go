package mysql

import (
	"slices"
	"strings"
	"sync"

	"cdcbridge/changelog"
)

// This file keeps what only the catalogue says of tables: defaults, comments, who numbers a column. No log has these words and
// no value depends on them; they are for schemas of messages and for people. Stream and readers take them from the same book, so
// that they describe a table alike:
//
//	Open, and each statement about a table that the stream meets ─┐
//	a reader that finds a table changed ──────────────────────────┴─▶ wordBook ─▶ Table.Default, Comment, AutoIncrement, Charset
//
// The catalogue shows the present and the log may be older: words about a column that has another type now are left out.

// tableWords is what the catalogue says of one table.
type tableWords struct {
	charset string
	comment string
	columns []columnWords
}

// columnWords is what it says of one column.
type columnWords struct {
	name       string
	columnType string
	nullable   bool
	generated  bool
	constant   bool   // text is that of a constant, or of NULL, in the form that the product writes it in
	defaults   bool   // the catalogue has a default
	text       string // that default
	doubtful   bool   // text does not tell the constant, or not all of it
	shown      string // then: the literal in the statement that would make the table; "": not known
	numbered   bool   // AUTO_INCREMENT
	comment    string
}

// wordBook is the words about all tables, by the newest look into the catalogue.
type wordBook struct {
	mu     sync.Mutex
	tables map[tableName]*tableWords
	alike  lists[columnWords]
}

// put takes the words over; what others say alike is kept once.
func (b *wordBook) put(name tableName, w *tableWords) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.tables == nil {
		b.tables = map[tableName]*tableWords{}
	}
	w.columns = b.alike.share(w.columns)
	b.tables[name] = w
}

func (b *wordBook) of(name tableName) *tableWords {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.tables[name]
}

// version gives the shape's table its words and makes it the version that it is.
func (s *source) version(name tableName, sh *shape) *changelog.Table {
	s.words.of(name).describe(sh, s.facts)
	return s.shapes.Intern(sh.table)
}

// describe decorates a table that is not in use yet. A nil receiver says nothing.
func (w *tableWords) describe(sh *shape, f *serverFacts) {
	if w == nil {
		return
	}
	t := sh.table
	w.entitle(t)
	for i := range t.Columns {
		col := &t.Columns[i]
		c := w.column(i, col.Name)
		if c == nil || plainType(c.columnType) != plainType(col.SourceType) {
			continue
		}
		col.Comment, col.AutoIncrement = c.comment, c.numbered
		col.Default = defaultReader{facts: f, words: c, col: col, dec: &sh.columns[i]}.read()
	}
}

// entitle gives a table what is said of it as a whole. A nil receiver says nothing.
func (w *tableWords) entitle(t *changelog.Table) {
	if w != nil {
		t.Charset, t.Comment = w.charset, w.comment
	}
}

// first is the first column's words, nil where there are none.
func (w *tableWords) first() *columnWords {
	if w == nil {
		return nil
	}
	return first(w.columns)
}

// column finds a column, which is nearly always where it is in the table.
func (w *tableWords) column(at int, name string) *columnWords {
	if at < len(w.columns) && w.columns[at].name == name {
		return &w.columns[at]
	}
	for i := range w.columns {
		if w.columns[i].name == name {
			return &w.columns[i]
		}
	}
	return nil
}

// wordColumns are what newColumnWords reads, of information_schema.COLUMNS t.
const wordColumns = "t.COLUMN_NAME, t.COLUMN_TYPE, t.GENERATION_EXPRESSION<>'', t.IS_NULLABLE, t.COLUMN_DEFAULT IS NOT NULL, t.COLUMN_DEFAULT, t.EXTRA, t.COLUMN_COMMENT"

func newColumnWords(r []string, same texts) columnWords {
	return columnWords{
		name: same.keep(r[0]), columnType: same.keep(r[1]), generated: r[2] == "1", nullable: r[3] == "YES", defaults: r[4] == "1", text: same.keep(r[5]),
		constant: !strings.Contains(r[6], "DEFAULT_GENERATED"), numbered: strings.Contains(r[6], "auto_increment"), comment: same.keep(r[7]),
	}
}

// charsetOfCollation is the character set that a collation belongs to, which its name begins with.
func charsetOfCollation(name string) string {
	charset, _, _ := strings.Cut(name, "_")
	return charset
}

// show finds the constants that information_schema does not tell: it writes a TIMESTAMP in the time zone of the session that made the
// column (MySQL 8), cuts bytes off or puts question marks in their place, and has no characters beyond Unicode's first plane. The
// statement that would make the table has the time in our zone, all bytes when nothing is converted, and from MySQL 9.7 on all characters.
func (c *conn) show(name tableName, w *tableWords) error {
	if !slices.ContainsFunc(w.columns, func(d columnWords) bool { return d.doubt(c.mariadb) }) {
		return nil
	}
	w.columns = slices.Clone(w.columns) // others may have the same list
	var doubtful []*columnWords
	for i := range w.columns {
		if d := &w.columns[i]; d.doubt(c.mariadb) {
			d.doubtful = true
			doubtful = append(doubtful, d)
		}
	}
	if _, err := c.query("SET @r=@@SESSION.character_set_results, SESSION character_set_results=NULL"); err != nil {
		return err
	}
	rows, err := c.query("SHOW CREATE TABLE " + name.sql())
	switch errorCode(err) {
	case 1146, 1049, 1044, 1142, 1143: // gone meanwhile, or not ours to see: the constants are not known
		rows, err = [][]string{{"", ""}}, nil
	}
	if err != nil {
		return err
	}
	for line := range strings.SplitSeq(rows[0][1], "\n") {
		for _, d := range doubtful {
			if rest, ok := strings.CutPrefix(strings.TrimSpace(line), quoteName(d.name)+" "); ok {
				_, d.shown, _ = strings.Cut(rest, " DEFAULT ")
			}
		}
	}
	_, err = c.query("SET SESSION character_set_results=@r")
	return err
}

// doubt reports a constant that information_schema may not tell.
func (w *columnWords) doubt(mariadb bool) bool {
	if !w.defaults || !w.constant || mariadb && constantOf(w.text, expression).form != plainText {
		return false
	}
	switch name, _, _ := strings.Cut(w.columnType, "("); name {
	case "timestamp":
		return !mariadb && !currentTime(w.text)
	case "binary", "varbinary":
		return true
	case "char", "varchar":
		return !mariadb && strings.Contains(w.text, "?")
	}
	return false
}
