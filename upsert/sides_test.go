package upsert

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"cdcbridge/capture"
	"cdcbridge/changelog"
	"cdcbridge/formats"
	"cdcbridge/internal/fault"
	"cdcbridge/internal/kafkawire"
)

// sideFormat is textFormat with a topic for each kind of record beside the rows but truncations, which go to their table's.
type sideFormat struct {
	textFormat
	prefix string
}

func (f sideFormat) Side(o formats.SideOptions) formats.SideEncoder {
	if f.prefix == "" {
		f.prefix = o.Prefix
	}
	return sideText{f.prefix, o.Upsert}
}

type sideText struct {
	prefix string
	upsert bool
}

func (s sideText) Topic(a formats.About) string {
	if a == formats.AboutTruncate {
		if s.upsert {
			return ""
		}
		return formats.TableTopic
	}
	return s.prefix + " " + aboutNames[a]
}

func (s sideText) Partition(a formats.About) int32 {
	if a == formats.AboutHeartbeat {
		return 0
	}
	return -1
}

func (s sideText) SideHeaders(b *formats.Beside) []formats.Header {
	if b.About == formats.AboutStatement {
		return []formats.Header{{Name: "more", Value: []byte("m")}}
	}
	return nil
}

func (s sideText) AppendSide(key, value []byte, b *formats.Beside) (k, v []byte, ok bool, err error) {
	a, n, counts := b.About, b.Note, b.Counts
	if n != nil && n.Text == "nothing" {
		return key, value, false, nil
	}
	value = fmt.Appendf(value, "%s %v", aboutNames[a], counts)
	if n != nil {
		value = append(append(value, ' '), n.Text...)
	}
	if n != nil {
		for _, d := range n.Changed {
			value = append(append(value, ' '), d.Name...)
		}
	}
	if a == formats.AboutTruncate {
		return nil, value, true, nil
	}
	return append(key, 'k'), value, true, nil
}

// wholeFormat has one record for a statement.
type wholeFormat struct{ sideFormat }

func (f wholeFormat) Side(o formats.SideOptions) formats.SideEncoder {
	return wholeText{f.sideFormat.Side(o).(sideText)}
}

type wholeText struct{ sideText }

func (wholeText) OneForStatement() {}

// openAll makes topics of any name, as Sink.Topic does.
func openAll(partitions int32) (TopicFunc, *[]string) {
	var opened []string
	topics := map[string]*Topic{}
	return func(_ context.Context, name string, o *Output) (*Topic, error) {
		if topics[name] == nil {
			topics[name] = &Topic{Index: len(topics), Name: name, Partitions: partitions, MaxBatch: 1 << 20}
			opened = append(opened, name+" "+string(o.Mode))
		}
		return topics[name], nil
	}, &opened
}

// sideBatch is whatever can stand beside rows: a whole transaction with a truncation between two inserts of one run, one of a
// statement alone, the end of a large one, a message between two transactions, rows of a snapshot, the begin of a large one, and a
// heartbeat.
func sideBatch(orders, items *changelog.Table) *changelog.Batch {
	b := changelog.NewBatch()
	insert := func(n int) {
		for range n {
			b.Changes = append(b.Changes, changelog.Change{Op: changelog.Insert, After: row(b, int64(len(b.Changes)), "x")})
		}
	}
	txn := func(id string, first, last bool) int {
		b.Txns = append(b.Txns, changelog.Txn{ID: id, Commit: 5_000_000, First: first, Last: last})
		return len(b.Txns) - 1
	}
	run := func(t *changelog.Table, txn, n int) {
		b.Runs = append(b.Runs, changelog.Run{Table: t, Txn: txn, From: len(b.Changes), To: len(b.Changes) + n, File: "f", Pos: 9})
		insert(n)
	}
	note := func(n changelog.Note) {
		n.At = len(b.Changes)
		b.Notes = append(b.Notes, n)
	}
	whole := txn("whole", true, true)
	run(orders, whole, 2)
	note(changelog.Note{Kind: changelog.Truncate, Txn: whole, Table: orders, Text: "truncate orders", File: "f", Pos: 77})
	b.Notes[0].At = 1
	run(items, whole, 1)
	ddl := txn("ddl", true, true)
	for _, text := range []string{"ALTER TABLE t", "ALTER TABLE t", "ALTER TABLE t", "nothing", "TRUNCATE TABLE ignored"} {
		n := changelog.Note{Kind: changelog.DDL, Txn: ddl, Text: text, Pos: 78, File: "f"}
		if text == "ALTER TABLE t" {
			n.Changed = []changelog.Definition{{Kind: changelog.Dropped, Name: "both"}, {Kind: changelog.Dropped, Name: string('a' + rune(len(b.Notes)))}}
		}
		note(n)
	}
	tail := txn("tail", false, true)
	b.Txns[tail].Done = []changelog.Count{{Table: "shop.items", Changes: 10}, {Table: "shop.other", Changes: 3}}
	note(changelog.Note{Kind: changelog.Message, Txn: -1, Text: "between", Pos: 79})
	snap := txn("", true, true)
	b.Txns[snap].Snapshot = true
	run(orders, snap, 1)
	head := txn("head", true, false)
	note(changelog.Note{Kind: changelog.Message, Txn: head, Text: "within", Pos: 80})
	run(items, head, 1)
	note(changelog.Note{Kind: changelog.Heartbeat, Txn: -1})
	return b
}

func sideTables() (orders, items *changelog.Table) {
	orders, items = testTable(), testTable()
	items.Name, items.ID = "items", 1
	return orders, items
}

// encodeSides encodes the batch for the outputs and gives the records of each topic, in order.
func encodeSides(t *testing.T, outputs []Output, b *changelog.Batch) (map[string][]string, []string) {
	t.Helper()
	open, opened := openAll(1)
	p := NewPlanner("p", outputs, nil, open)
	plans := Plans{Runs: make([][]*Plan, len(b.Runs))}
	for i := range b.Runs {
		var err error
		if plans.Runs[i], err = p.Plans(t.Context(), b.Runs[i].Table); err != nil {
			t.Fatal(err)
		}
	}
	var err error
	if plans.Sides, err = p.Sides(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	c, err := NewMaterializer(kafkawire.None).Chunk(9_000_000, Planned{b, plans, 1})
	if err != nil {
		t.Fatal(err)
	}
	got := map[string][]string{}
	for _, part := range c.Parts {
		got[part.Topic.Name] = append(got[part.Topic.Name], records(t, part)...)
	}
	return got, *opened
}

func TestSides(t *testing.T) {
	orders, items := sideTables()
	got, opened := encodeSides(t, []Output{{Name: "o", Mode: Changelog, Topic: "{table}", Format: sideFormat{}}}, sideBatch(orders, items))
	const txn, ddl = " txn=", " pipeline=p pos=f:78 txn=ddl op=ddl more=m"
	want := map[string][]string{
		"p_begin": {"k = begin [] @5000 pipeline=p" + txn + "whole op=begin", "k = begin [] @5000 pipeline=p" + txn + "head op=begin"},
		"p_end": {"k = end [{shop.orders 2} {shop.items 1}] @5000 pipeline=p" + txn + "whole op=end",
			"k = end [{shop.items 10} {shop.other 3}] @5000 pipeline=p" + txn + "tail op=end"},
		"p_ddl": {"k = ddl [] ALTER TABLE t both b @5000" + ddl, "k = ddl [] ALTER TABLE t both c @5000" + ddl, "k = ddl [] ALTER TABLE t both d @5000" + ddl},
		"p_message": {"k = message [] between @9000 pipeline=p pos=00000000/0000004F:00000000/0000004F op=message",
			"k = message [] within @5000 pipeline=p pos=00000000/00000000:00000000/00000050" + txn + "head op=message"},
		"p_heartbeat": {"k = heartbeat []  @9000 pipeline=p op=heartbeat"},
	}
	for topic, records := range want {
		if !slices.Equal(got[topic], records) {
			t.Errorf("%s:\n got %q\nwant %q", topic, got[topic], records)
		}
	}
	whole, _ := encodeSides(t, []Output{{Name: "o", Mode: Changelog, Topic: "{table}", Format: wholeFormat{}}}, sideBatch(orders, items))
	if want := []string{"k = ddl [] ALTER TABLE t both b c d @5000" + ddl}; !slices.Equal(whole["p_ddl"], want) {
		t.Errorf("one record for a statement: %q", whole["p_ddl"])
	}
	var kinds []string
	for _, r := range got["orders"] {
		kinds = append(kinds, r[strings.LastIndex(r, "op=")+3:])
	}
	if !slices.Equal(kinds, []string{"c", "truncate", "c", "c"}) {
		t.Errorf("orders: %q", got["orders"])
	}
	if r := got["orders"][1]; r != "null = truncate [] truncate orders @5000 pipeline=p table=shop.orders pos=f:77 txn=whole op=truncate" {
		t.Errorf("truncation: %s", r)
	}
	if len(opened) != 7 || slices.ContainsFunc(opened, func(s string) bool { return !strings.HasSuffix(s, " changelog") }) {
		t.Errorf("opened %q", opened)
	}
}

// TestSidesOfCompactedOutputs: their topics beside the rows are not compacted, and counts are those of the output's own tables.
func TestSidesOfCompactedOutputs(t *testing.T) {
	orders, items := sideTables()
	only, err := capture.NewFilter([]string{"shop.items"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	outputs := []Output{{Name: "o", Mode: Upsert, Topic: "{table}", Format: sideFormat{}, Tables: only}, {Name: "plain", Mode: Upsert, Topic: "all-{table}", Format: textFormat{}}}
	got, opened := encodeSides(t, outputs, sideBatch(orders, items))
	if want := []string{"k = end [{shop.items 1}] @5000 pipeline=p txn=whole op=end", "k = end [{shop.items 10}] @5000 pipeline=p txn=tail op=end"}; !slices.Equal(got["p_end"], want) {
		t.Errorf("got %q", got["p_end"])
	}
	for _, name := range []string{"items upsert", "p_begin changelog", "p_heartbeat changelog", "all-orders upsert"} {
		if !slices.Contains(opened, name) {
			t.Errorf("%s is not among %q", name, opened)
		}
	}
	if n := len(got["orders"]) + len(got["all-orders"]); n != 3 {
		t.Errorf("%d records of orders", n)
	}
}

// TestSidesKeepApart: rows and other records never meet in a topic, nor do equal records of two outputs.
func TestSidesKeepApart(t *testing.T) {
	orders, items := sideTables()
	for name, outputs := range map[string][]Output{
		"two outputs":  {{Name: "a", Topic: "a.{table}", Format: sideFormat{}}, {Name: "b", Topic: "b.{table}", Format: sideFormat{}}},
		"rows first":   {{Name: "a", Topic: "p_end", Format: sideFormat{}}},
		"of any table": {{Name: "a", Topic: "x.{table}", Format: sideFormat{prefix: "y"}}, {Name: "b", Topic: "y_begin", Format: textFormat{}}},
	} {
		open, _ := openAll(1)
		p := NewPlanner("p", outputs, nil, open)
		b := sideBatch(orders, items)
		_, err := p.Plans(t.Context(), orders)
		if err == nil {
			_, err = p.Sides(t.Context(), b)
		}
		if !fault.Is(err, fault.Config) || !fault.IsFinal(err) {
			t.Errorf("%s: %v", name, err)
		}
	}
	open, _ := openAll(1)
	p := NewPlanner("p", []Output{{Name: "a", Topic: "{table}", Format: sideFormat{prefix: "it"}}}, nil, open)
	if _, err := p.Sides(t.Context(), sideBatch(orders, items)); err != nil {
		t.Fatal(err)
	}
	late := testTable()
	late.Name, late.ID = "it_end", 2
	if _, err := p.Plans(t.Context(), late); !fault.Is(err, fault.Config) {
		t.Errorf("a table whose topic holds other records: %v", err)
	}
}

// TestTransactionsOfStatements: what MySQL logs as a statement is no transaction that begins; PostgreSQL's truncation is in one.
func TestTransactionsOfStatements(t *testing.T) {
	for file, want := range map[string]int{"binlog.000001": 0, "": 2} {
		b := changelog.NewBatch()
		b.Txns = []changelog.Txn{{ID: "t", First: true, Last: true}}
		b.Notes = []changelog.Note{{Kind: changelog.Truncate, Text: "TRUNCATE TABLE t", File: file, Pos: 1}}
		if got := len(cuesOf(b)) - 1; got != want {
			t.Errorf("file %q: %d records of the transaction, want %d", file, got, want)
		}
		b.Notes[0].Kind, b.Notes[0].Text = changelog.DDL, "CREATE TABLE t"
		if got := len(cuesOf(b)); got != 1 {
			t.Errorf("file %q: %d records of a statement", file, got)
		}
		b.Release()
	}
}

func TestTruncation(t *testing.T) {
	for text, want := range map[string]bool{
		"TRUNCATE TABLE t": true, "truncate t": true, " /* by hand */ -- why\n TRUNCATE t": true, "/*!50000 TRUNCATE TABLE t */": true, "# a\nTRUNCATE t": true,
		"ALTER TABLE t TRUNCATE PARTITION p": false, "DROP TABLE truncate": false, "/* TRUNCATE t": false, "": false, "TRUNCATE": false, "-- TRUNCATE t": false,
	} {
		if got := truncation(&changelog.Note{Text: text}); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
	if truncation(&changelog.Note{Text: "TRUNCATE t", Changed: make([]changelog.Definition, 1)}) {
		t.Error("what changes a definition is more than a truncation")
	}
	if got := aboutNote(&changelog.Note{Kind: changelog.Truncate}); got != formats.AboutTruncate {
		t.Errorf("a truncation that no statement tells of is about %d", got)
	}
}

// TestTruncationOfAnUnknownTable: a table of which no row was seen yet has a topic all the same.
func TestTruncationOfAnUnknownTable(t *testing.T) {
	b := changelog.NewBatch()
	b.Txns = []changelog.Txn{{ID: "t", First: true, Last: true}}
	b.Notes = []changelog.Note{{Kind: changelog.Truncate, Text: "TRUNCATE TABLE new", Table: &changelog.Table{Origin: "mysql", Database: "shop", Name: "new"}, File: "f", Pos: 1}}
	only, err := capture.NewFilter([]string{"shop.other"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	got, _ := encodeSides(t, []Output{
		{Name: "o", Mode: Changelog, Topic: "{table}", Format: sideFormat{}}, {Name: "other", Mode: Changelog, Topic: "x-{table}", Format: sideFormat{prefix: "x"}, Tables: only},
	}, b)
	if len(got["new"]) != 1 || len(got["x-new"]) != 0 {
		t.Errorf("%q", got)
	}
}
