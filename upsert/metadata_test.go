package upsert

import (
	"slices"
	"strings"
	"testing"

	"cdcbridge/capture"
	"cdcbridge/changelog"
	"cdcbridge/formats"
	"cdcbridge/internal/fault"
	"cdcbridge/internal/kafkawire"
	"cdcbridge/internal/shape"
)

// metadataOutput merges shards: what tells them apart is the first column of the key.
func metadataOutput(mode Mode) Output {
	return Output{Name: "out", Mode: mode, Topic: "{table}", Format: textFormat{}, KeyPrefix: "db", Metadata: []shape.Metadata{
		{Name: "op", From: shape.Op, As: shape.Field}, {Name: "db", From: shape.Database, As: shape.Field}, {Name: "pos", From: shape.Position, As: shape.Field},
		{Name: "src", From: shape.Topic, As: shape.Header}, {Name: "what", From: shape.Op, As: shape.Header},
	}}
}

// prefixed is textFormat with a key of any columns.
type prefixed struct{}

func (prefixed) Compile(_ *changelog.Table, o formats.Options) (formats.Encoder, error) {
	return prefixedEncoder{textEncoder{o.Key}}, nil
}

type prefixedEncoder struct{ textEncoder }

func (e prefixedEncoder) AppendKey(dst []byte, row changelog.Row) ([]byte, error) {
	for _, k := range e.key {
		dst = append(append(dst, rowText(row[k:k+1])...), ';')
	}
	return dst, nil
}

// TestMetadataInRowsAndHeaders: a row that moves to another key is a delete and an insert to its readers, tombstones have the
// headers too, and two shards with equal keys have different record keys.
func TestMetadataInRowsAndHeaders(t *testing.T) {
	open, _ := openAll(1)
	out := metadataOutput(Upsert)
	out.Format = prefixed{}
	p := NewPlanner("p", []Output{out}, nil, open)
	one, two := testTable(), testTable()
	one.Database, two.Database, two.ID = "shop1", "shop2", 1
	first, err := p.Plans(t.Context(), one)
	if err != nil {
		t.Fatal(err)
	}
	second, err := p.Plans(t.Context(), two)
	if err != nil {
		t.Fatal(err)
	}
	b := changelog.NewBatch()
	b.Txns = []changelog.Txn{{ID: "gtid:1", Commit: 5_000_000, First: true, Last: true}}
	b.Changes = append(b.Changes, changelog.Change{Op: changelog.Update, Before: row(b, 1, "a"), After: row(b, 2, "a")},
		changelog.Change{Op: changelog.Insert, After: row(b, 1, "b"), Index: 1})
	b.Runs = []changelog.Run{{Table: one, To: 1, Record: 1}, {Table: two, From: 1, To: 2, File: "f", Pos: 4}}
	b.Records = []changelog.Record{{Topic: "in", Offset: 5}}
	c, err := NewMaterializer(kafkawire.None).Chunk(9_000_000, Planned{b, Plans{Runs: [][]*Plan{first, second}}, 1})
	if err != nil {
		t.Fatal(err)
	}
	head := " @5000 pipeline=p table=shop1.orders shard=shop1 pos=in/0@5 txn=gtid:1 ord=0 "
	want := []string{
		"shop1;1; = delete 1,a,d,shop1,in/0@5 - split=true" + head + "op=d new=shop1;2; src=in what=d",
		"shop1;1; = null" + head + "op=x new=shop1;2; src=in what=x",
		"shop1;2; = insert - 2,a,c,shop1,in/0@5 split=true" + head + "op=c old=shop1;1; src=in what=c",
		"shop2;1; = insert - 1,b,c,shop2,f:4 split=false @5000 pipeline=p table=shop2.orders shard=shop2 pos=f:4 txn=gtid:1 ord=1 op=c what=c",
	}
	if got := records(t, c.Parts[0]); !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// TestPositionsOfPostgreSQLInRows: each change has its own there.
func TestPositionsOfPostgreSQLInRows(t *testing.T) {
	open, _ := openAll(1)
	p := NewPlanner("p", []Output{metadataOutput(Changelog)}, nil, open)
	table := testTable()
	table.Origin, table.Schema, table.Database = "postgresql", "public", "db"
	plans, err := p.Plans(t.Context(), table)
	if err != nil {
		t.Fatal(err)
	}
	b, _ := testBatch(plans[0], func(b *changelog.Batch) {
		b.Changes = append(b.Changes, changelog.Change{Op: changelog.Insert, After: row(b, 1, "a"), Pos: 1}, changelog.Change{Op: changelog.Insert, After: row(b, 2, "a"), Pos: 2})
	})
	b.Txns[0].Origin.Pos = 3
	c, err := NewMaterializer(kafkawire.None).Chunk(9_000_000, Planned{b, Plans{Runs: [][]*Plan{plans}}, 1})
	if err != nil {
		t.Fatal(err)
	}
	got := strings.Join(records(t, c.Parts[0]), "\n")
	for _, want := range []string{"1,a,c,db,00000000/00000003:00000000/00000001 ", "2,a,c,db,00000000/00000003:00000000/00000002 "} {
		if !strings.Contains(got, want) {
			t.Errorf("no %s in\n%s", want, got)
		}
	}
}

// TestTablesThatMeetInATopic: without what tells them apart two tables never meet in a compacted topic.
func TestTablesThatMeetInATopic(t *testing.T) {
	table := func(origin, db, schema string) *changelog.Table {
		t := testTable()
		t.Origin, t.Database, t.Schema = origin, db, schema
		return t
	}
	by := func(from shape.From) Output {
		return Output{Name: "out", Mode: Upsert, Topic: "{table}", Format: textFormat{}, KeyPrefix: "p", Metadata: []shape.Metadata{{Name: "p", From: from, As: shape.Field}}}
	}
	plain := by(shape.Topic)
	plain.KeyPrefix = ""
	for name, c := range map[string]struct {
		out  Output
		a, b *changelog.Table
		code fault.Code
	}{
		"databases":                       {by(shape.Database), table("mysql", "a", ""), table("mysql", "b", ""), ""},
		"databases of PostgreSQL":         {by(shape.Database), table("postgresql", "a", "public"), table("postgresql", "b", "public"), ""},
		"schemas":                         {by(shape.Schema), table("postgresql", "a", "s1"), table("postgresql", "a", "s2"), ""},
		"schemas of several databases":    {by(shape.Schema), table("postgresql", "a", "s"), table("postgresql", "b", "s"), fault.Config},
		"no schemas":                      {by(shape.Schema), table("mysql", "a", ""), table("mysql", "b", ""), fault.NoKey},
		"names that are the same":         {by(shape.Table), table("mysql", "a", ""), table("mysql", "b", ""), fault.Config},
		"no prefix":                       {plain, table("mysql", "a", ""), table("mysql", "b", ""), fault.Config},
		"no prefix, databases":            {plain, table("postgresql", "a", "s"), table("postgresql", "b", "s"), fault.Config},
		"two tables of topics":            {by(shape.Topic), table("mysql", "a", ""), table("mysql", "b", ""), fault.Config},
		"one table that two topics hold":  {by(shape.Topic), table("mysql", "a", ""), table("mysql", "a", ""), ""},
		"one table, of which it is known": {plain, table("mysql", "a", ""), table("mysql", "a", ""), ""},
	} {
		c.b.ID = 1
		open, _ := openAll(1)
		p := NewPlanner("p", []Output{c.out}, nil, open)
		_, err := p.Plans(t.Context(), c.a)
		if err == nil {
			_, err = p.Plans(t.Context(), c.b)
		}
		if fault.CodeOf(err) != c.code {
			t.Errorf("%s: %v, want code %q", name, err, c.code)
		}
		found := Unwritable("p", []Output{c.out}, nil, []changelog.Table{*c.a, *c.b})
		if (len(found) > 0) != (c.code != "") || len(found) > 0 && found[0].Severity != capture.Problem {
			t.Errorf("%s: %+v", name, found)
		}
	}
}

// TestTargetsHaveTheAddedColumns: what describes a topic to its readers sees what is in its rows.
func TestTargetsHaveTheAddedColumns(t *testing.T) {
	targets, err := Targets("p", []Output{metadataOutput(Upsert)}, nil, []*changelog.Table{testTable()})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, c := range targets[0].Table.Columns {
		names = append(names, c.Name)
	}
	if !slices.Equal(names, []string{"id", "note", "op", "db", "pos"}) || !slices.Equal(targets[0].Options.Key, []int{3, 0}) {
		t.Errorf("%q, key %v", names, targets[0].Options.Key)
	}
}

// TestVersionsInTurn: a source that reads several topics may have versions of one table in turn, each of which is planned once.
func TestVersionsInTurn(t *testing.T) {
	open, _ := openAll(1)
	p := NewPlanner("p", []Output{{Name: "out", Mode: Upsert, Topic: "{table}", Format: textFormat{}}}, nil, open)
	var first []*Plan
	versions := make([]*changelog.Table, keptVersions+1)
	for i := range versions {
		versions[i] = testTable()
		plans, err := p.Plans(t.Context(), versions[i])
		if err != nil {
			t.Fatal(err)
		}
		first = append(first, plans...)
	}
	for i := 1; i <= keptVersions; i++ {
		plans, err := p.Plans(t.Context(), versions[i])
		if err != nil || plans[0] != first[i] {
			t.Errorf("version %d is planned anew: %v", i, err)
		}
	}
	if plans, err := p.Plans(t.Context(), versions[0]); err != nil || plans[0] == first[0] {
		t.Errorf("more than %d versions are kept: %v", keptVersions, err)
	}
}

func TestMetadataAllocateNothing(t *testing.T) {
	open, _ := openAll(1)
	out := metadataOutput(Upsert)
	p := NewPlanner("p", []Output{out}, nil, open)
	plans, err := p.Plans(t.Context(), testTable())
	if err != nil {
		t.Fatal(err)
	}
	plans[0].encoder = constEncoder{}
	b := changelog.NewBatch()
	b.Txns = []changelog.Txn{{ID: "gtid:1", Commit: 5_000_000, First: true, Last: true}}
	for i := range 1000 {
		b.Changes = append(b.Changes, changelog.Change{Op: changelog.Insert, After: row(b, int64(i), "some text")})
		b.Runs = append(b.Runs, changelog.Run{Table: testTable(), From: i, To: i + 1, Record: i + 1})
		b.Records = append(b.Records, changelog.Record{Topic: "in", Offset: int64(i)})
	}
	runs := make([][]*Plan, 1000)
	for i := range runs {
		runs[i] = plans
	}
	m := NewMaterializer(kafkawire.LZ4)
	if n := testing.AllocsPerRun(20, func() {
		if _, err := m.Chunk(9_000_000, Planned{b, Plans{Runs: runs}, 1}); err != nil {
			t.Fatal(err)
		}
	}); n > 20 {
		t.Errorf("%v allocations for 1000 rows", n)
	}
}
