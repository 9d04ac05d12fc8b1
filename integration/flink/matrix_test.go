package flink

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"cdcbridge/integration/servers"
)

// outputs are the formats, under the name that topics have them by. All are read under preset flink.
var outputs = []struct{ name, format string }{{"dbz", "debezium-json"}, {"can", "canal-json"}, {"row", "plain-json"}}

// column is one of a table in a database.
type column struct {
	name string
	typ  string // as the database writes it
	base string // what it is made of: for a domain the type beneath
}

// product is a database whose tables of every type are read back.
type product interface {
	// prefix is what the names of topics and the pipeline begin with.
	prefix() string

	// title names it and its version.
	title() string

	// full is a table's name in the configuration.
	full(table string) string

	// quote makes an identifier of the database.
	quote(name string) string

	// columns are those of a table, its key first.
	columns(t *testing.T, table string) []column

	// rows are the table's, ordered by key, each value in the words that tell chooses for its column.
	rows(t *testing.T, table string, tell []string) [][]*string

	// tell is the expression, over $, whose text want takes for a column that Flink has as a type.
	tell(c *column, flink, format string) string

	// want is that text in canonical form. A text that Flink has as a STRING is put into it too: a JSON document, or a time.
	want(c *column, flink, format, text string) (string, error)

	// leaf is the column's elements' elements, as far as it has some.
	leaf(c *column) *column

	// loss tells why Flink cannot have the value, "" when it can. got is what it has: canonical, as want.
	loss(c *column, flink, want, got string) string
}

// result is what became of a column of one type in one format.
type result struct {
	flink  string   // type
	note   string   // why it is that one; "": it is the obvious one
	losses []string // what it cannot have
	values int      // how many were compared
}

// results are those of a product: by type of the column, by format.
type results struct {
	types []string // in the order of their first columns
	cells map[string]map[string]*result
}

// readBack compares a table, in one format, with what Flink makes of its topic.
func (g *rig) readBack(t *testing.T, p product, table, format string, ddl statement, out *results) {
	t.Helper()
	columns := p.columns(t, table)
	names := make([]string, len(columns))
	for i, c := range columns {
		names[i] = quoteName(c.name)
	}
	got, err := g.ask(t, ddl.Statement+";\nSELECT "+strings.Join(names, ", ")+" FROM "+ddl.bounded()+";")
	if err != nil {
		t.Errorf("%s in %s: %v\n%s", table, format, err, ddl.Statement)
		return
	}
	tells := make([]string, len(columns))
	for i := range columns {
		tells[i] = strings.ReplaceAll(p.tell(&columns[i], got.Types[i], format), "$", p.quote(columns[i].name))
	}
	rows := fold(t, table+" in "+format, got.Rows)
	want := p.rows(t, table, tells)
	if len(rows) != len(want) {
		t.Errorf("%s in %s: %d rows, want %d", table, format, len(rows), len(want))
		return
	}
	notes := ddl.notes()
	for i := range columns {
		note := notes[columns[i].name]
		if columns[i].base == "vector" && got.Types[i] == "BYTES" { // of MariaDB, whose log does not tell it from VARBINARY
			note = "four bytes a number, little-endian"
		}
		r := out.cell(&columns[i], format, got.Types[i], note)
		for _, w := range want {
			compareValue(t, p, &columns[i], format, w, rows[*w[0]], i, r)
		}
	}
}

// compareValue compares one value, of a row that was told by its key.
func compareValue(t *testing.T, p product, c *column, format string, want []*string, row []json.RawMessage, i int, r *result) {
	t.Helper()
	if row == nil {
		t.Errorf("%s: no row %s", format, *want[0])
		return
	}
	got, err := read(r.flink, row[i], func(s string) (string, error) {
		if strings.HasPrefix(r.flink, "ARRAY<") {
			return p.want(p.leaf(c), "STRING", format, s)
		}
		return p.want(c, "STRING", format, s)
	})
	if err != nil {
		t.Errorf("%s, %s in row %s: %v", c.typ, format, *want[0], err)
		return
	}
	expected := null
	if want[i] != nil {
		if expected, err = p.want(c, r.flink, format, *want[i]); err != nil {
			t.Errorf("%s, %s in row %s: %v: %.200q", c.typ, format, *want[0], err, *want[i])
			return
		}
	}
	r.values++
	if got == expected {
		return
	}
	why := p.loss(c, r.flink, expected, got)
	if why == "" {
		t.Errorf("%s, %s as %s in row %s: Flink has %.300q (%.300s), the database %.300q (%.300s)", c.typ, format, r.flink, *want[0], got, row[i], expected, *cmp.Or(want[i], new(string)))
		why = "**wrong**"
	}
	if !slices.Contains(r.losses, why) {
		r.losses = append(r.losses, why)
	}
}

// fold applies a changelog and gives the rows by key. A row that is taken back must be the one that is there: so the old rows
// of the messages are compared too.
func fold(t *testing.T, name string, changes []servers.FlinkRow) map[string][]json.RawMessage {
	t.Helper()
	rows := map[string][]json.RawMessage{}
	for _, c := range changes {
		var key string
		if err := json.Unmarshal(c.Values[0], &key); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		old, there := rows[key]
		switch {
		case c.Kind == "+I" && there, c.Kind == "+U" && there:
			t.Errorf("%s: row %s comes twice", name, key)
		case (c.Kind == "-U" || c.Kind == "-D") && !slices.EqualFunc(old, c.Values, func(a, b json.RawMessage) bool { return string(a) == string(b) }):
			t.Errorf("%s: %s takes back %.500s, there is %.500s", name, c.Kind, c.Values, old)
		}
		if c.Kind == "+I" || c.Kind == "+U" {
			rows[key] = c.Values
		} else {
			delete(rows, key)
		}
	}
	return rows
}

func (r *results) cell(c *column, format, flink, note string) *result {
	if r.cells == nil {
		r.cells = map[string]map[string]*result{}
	}
	if r.cells[c.typ] == nil {
		r.types = append(r.types, c.typ)
		r.cells[c.typ] = map[string]*result{}
	}
	if r.cells[c.typ][format] == nil {
		r.cells[c.typ][format] = &result{flink: strings.TrimSuffix(flink, " NOT NULL"), note: note}
	}
	return r.cells[c.typ][format]
}

// TestFlink is all that is to be seen of what Flink makes of our topics, over one of each server.
func TestFlink(t *testing.T) {
	g := newRig(t)
	t.Run("Types", g.testTypes)
	s := newShop(t, g)
	t.Run("Statements", s.testStatements)
	t.Run("Metadata", s.testMetadata)
	t.Run("Schemas", s.testSchemas)
	t.Run("UpsertWriter", s.testUpsertWriter)
	t.Run("Join", s.testJoin)
	t.Run("IdlePartition", s.testIdle)
	t.Run("Aborted", s.testAborted)
	t.Run("Unreadable", s.testUnreadable)
	t.Run("BrokenRecord", s.testBroken)
}

// testTypes reads every type of all databases back, in every format.
func (g *rig) testTypes(t *testing.T) {
	my, maria, pg := newMySQLTypes(t, g), newMariaDBTypes(t, g), newPostgresTypes(t, g)
	var all strings.Builder
	for _, o := range outputs {
		fmt.Fprintf(&all, "      - {name: %s, format: %s, preset: flink, topic: \"{pipeline}.%[1]s.{table}\"}\n", o.name, o.format)
	}
	config := "pipelines:\n"
	for name, source := range map[string]string{"my": my.config(), "maria": maria.config(), "pg": pg.config(g)} {
		config += fmt.Sprintf("  - name: %s\n    %s\n    outputs:\n%s", name, source, all.String())
	}
	d := g.start(t, config)
	g.read(t, d, "pg")
	pg.change(t)
	g.wait(t, d, "pg.row.done", "my.row.done", "maria.row.done")
	g.stop(t, d)
	ddl := statementsOf(t, d.Config())
	var text strings.Builder
	for _, side := range []struct {
		product
		names []string
	}{{my, my.tables(t)}, {maria, maria.tables(t)}, {pg, pg.tables()}} {
		var r results
		for _, table := range side.names {
			for _, o := range outputs {
				s, ok := ddl[side.prefix()+" "+o.name+" "+side.full(table)]
				if !ok {
					t.Errorf("no statement for %s in %s", table, o.format)
					continue
				}
				g.readBack(t, side, table, o.format, s, &r)
			}
		}
		r.print(&text, side.title())
	}
	if !t.Failed() {
		checkTable(t, text.String())
	}
}
