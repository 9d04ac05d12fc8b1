package upsert

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/segmentio/kafka-go/protocol"

	"cdcbridge/changelog"
	"cdcbridge/formats"
	"cdcbridge/internal/fault"
	"cdcbridge/internal/kafkawire"
)

// textFormat writes "op before after" so that a test can read what became of a change.
type textFormat struct{}

func (textFormat) Compile(_ *changelog.Table, o formats.Options) (formats.Encoder, error) {
	return textEncoder{o.Key}, nil
}

type textEncoder struct{ key []int }

func (e textEncoder) AppendKey(dst []byte, row changelog.Row) ([]byte, error) {
	for _, k := range e.key {
		dst = append(strconv.AppendInt(dst, row[k].Int(), 10), ';')
	}
	return dst, nil
}

func (e textEncoder) AppendValue(dst []byte, c *formats.Context, ch *changelog.Change) ([]byte, error) {
	return fmt.Appendf(dst, "%s %s %s split=%v", ch.Op, rowText(ch.Before), rowText(ch.After), c.Split), nil
}

func (textEncoder) KeyLinkHeaders() (newKey, oldKey string) { return "new", "old" }
func (textEncoder) AppendKeyLink(dst, key []byte) []byte    { return append(dst, key...) }

func rowText(r changelog.Row) string {
	if r == nil {
		return "-"
	}
	var s []string
	for _, v := range r {
		if v.Kind() == changelog.KindString {
			s = append(s, string(v.Bytes()))
		} else {
			s = append(s, strconv.FormatInt(v.Int(), 10))
		}
	}
	return strings.Join(s, ",")
}

func testTable() *changelog.Table {
	return &changelog.Table{Origin: "mysql", Database: "shop", Name: "orders", Key: []int{0}, Columns: []changelog.Column{
		{Name: "id", Type: changelog.Type{Kind: changelog.KindInt, Bits: 64}}, {Name: "note", Type: changelog.Type{Kind: changelog.KindString}}}}
}

func testPlan(t *testing.T, mode Mode, topic *Topic) *Plan {
	t.Helper()
	o := []Output{{Name: "out", Mode: mode, Topic: "{pipeline}.{schema}.{table}", Format: textFormat{}}}
	p := NewPlanner("p", o, nil, func(_ context.Context, name string, _ *Output) (*Topic, error) {
		if name != "p.shop.orders" {
			t.Errorf("topic %s", name)
		}
		return topic, nil
	})
	plans, err := p.Plans(t.Context(), testTable())
	if err != nil {
		t.Fatal(err)
	}
	return plans[0]
}

func row(b *changelog.Batch, id int64, note string) changelog.Row {
	r := b.NewRow(2)
	r[0], r[1] = changelog.Int(id), changelog.String([]byte(note))
	return r
}

func testBatch(plan *Plan, fill func(b *changelog.Batch)) (*changelog.Batch, [][]*Plan) {
	b := changelog.NewBatch()
	fill(b)
	for i := range b.Changes {
		b.Changes[i].Index = uint64(i)
	}
	b.Txns = []changelog.Txn{{ID: "gtid:1", Commit: 5_000_000, First: true, Last: true}}
	b.Runs = []changelog.Run{{Table: plan.Table, From: 0, To: len(b.Changes), File: "binlog.000001", Pos: 42}}
	return b, [][]*Plan{{plan}}
}

// records reads a part with kafka-go's decoder, which is not ours.
func records(t *testing.T, p Part) []string {
	t.Helper()
	kafkawire.SealBatch(p.Batch, &p.Header)
	var set protocol.RecordSet
	framed := append([]byte{byte(len(p.Batch) >> 24), byte(len(p.Batch) >> 16), byte(len(p.Batch) >> 8), byte(len(p.Batch))}, p.Batch...)
	if _, err := set.ReadFrom(strings.NewReader(string(framed))); err != nil {
		t.Fatal(err)
	}
	var out []string
	for {
		r, err := set.Records.ReadRecord()
		if err != nil {
			return out
		}
		s := fmt.Sprintf("%s = %s @%d", bytesText(t, r.Key), bytesText(t, r.Value), r.Time.UnixMilli())
		for _, h := range r.Headers {
			s += fmt.Sprintf(" %s=%s", strings.TrimPrefix(h.Key, "cdc."), h.Value)
		}
		out = append(out, s)
	}
}

func bytesText(t *testing.T, b protocol.Bytes) string {
	if b == nil {
		return "null"
	}
	all, err := protocol.ReadAll(b)
	if err != nil {
		t.Fatal(err)
	}
	return string(all)
}

// TestSnapshotRowsBelongToNoTransaction: rows that were read have a position that sorts behind earlier records of their keys and
// before later ones, no transaction, no number, and are counted apart.
func TestSnapshotRowsBelongToNoTransaction(t *testing.T) {
	plan := testPlan(t, Upsert, &Topic{Name: "p.shop.orders", Partitions: 1, MaxBatch: 1 << 20})
	for origin, want := range map[string]string{
		"mysql":      `1; = read - 1,a split=false @5000 pipeline=p table=shop.orders pos=binlog.000002:77 op=r`,
		"postgresql": `1; = read - 1,a split=false @5000 pipeline=p table=shop.orders pos=00000000/0000004D:00000000/00000000 op=r`,
	} {
		plan.Table.Origin, plan.lsns = origin, origin == "postgresql"
		b, plans := testBatch(plan, func(b *changelog.Batch) {
			b.Changes = append(b.Changes, changelog.Change{Op: changelog.Read, After: row(b, 1, "a"), Pos: 99}, changelog.Change{Op: changelog.Read, After: row(b, 2, "b")})
		})
		b.Txns = []changelog.Txn{{Commit: 5_000_000, First: true, Last: true, Snapshot: true, Origin: changelog.Origin{File: "binlog.000002", Pos: 77}}}
		b.Runs[0].Snapshot, b.Runs[0].File, b.Runs[0].Pos = changelog.SnapshotRow, "", 0
		c, err := NewMaterializer(kafkawire.None).Chunk(9_000_000, Planned{b, Plans{Runs: plans}, 1})
		if err != nil {
			t.Fatal(err)
		}
		if got := records(t, c.Parts[0]); len(got) != 2 || got[0] != want {
			t.Errorf("%s: %q, want %q", origin, got, want)
		}
		if c.Txns != 0 || c.Changes != 2 || c.Read != 2 || c.Commit != 0 {
			t.Errorf("%s: %d transactions, %d changes, %d of them read, commit %d", origin, c.Txns, c.Changes, c.Read, c.Commit)
		}
	}
}

// TestRowsThatTheLogDoesNotCarryWhole: values that were read later are marked, and a row that was gone by then is left to its
// delete.
func TestRowsThatTheLogDoesNotCarryWhole(t *testing.T) {
	plan := testPlan(t, Upsert, &Topic{Name: "p.shop.orders", Partitions: 1, MaxBatch: 1 << 20})
	b, plans := testBatch(plan, func(b *changelog.Batch) {
		b.Changes = append(b.Changes,
			changelog.Change{Op: changelog.Update, After: row(b, 1, "a"), Fill: changelog.Reread},
			changelog.Change{Op: changelog.Update, Before: row(b, 1, "a"), After: row(b, 2, "a"), Fill: changelog.Reread},
			changelog.Change{Op: changelog.Update, After: row(b, 2, "?"), Fill: changelog.Gone},
			changelog.Change{Op: changelog.Update, Before: row(b, 2, "a"), After: row(b, 3, "?"), Fill: changelog.Gone},
			changelog.Change{Op: changelog.Insert, After: row(b, 4, "?"), Fill: changelog.Gone})
	})
	c, err := NewMaterializer(kafkawire.None).Chunk(9_000_000, Planned{b, Plans{Runs: plans}, 1})
	if err != nil {
		t.Fatal(err)
	}
	head := " @5000 pipeline=p table=shop.orders pos=binlog.000001:42 txn=gtid:1"
	want := []string{
		"1; = update - 1,a split=false" + head + " ord=0 op=u fill=reread",
		"1; = delete 1,a - split=true" + head + " ord=1 op=d new=2;",
		"1; = null" + head + " ord=1 op=x new=2;",
		"2; = insert - 2,a split=true" + head + " ord=1 op=c old=1; fill=reread",
		"2; = delete 2,a - split=true" + head + " ord=3 op=d new=3;",
		"2; = null" + head + " ord=3 op=x new=3;",
	}
	if got := records(t, c.Parts[0]); !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// TestPositionsOfPostgreSQL: each change has an LSN of its own, and one key in two forms is no key change.
func TestPositionsOfPostgreSQL(t *testing.T) {
	plan := testPlan(t, Upsert, &Topic{Name: "p.shop.orders", Partitions: 1, MaxBatch: 1 << 20})
	table := *plan.Table
	table.Origin, table.Schema, table.Database = "postgresql", "shop", "db"
	plan = &Plan{Output: plan.Output, Table: &table, Topic: plan.Topic, Key: plan.Key, encoder: plan.encoder, headers: tableHeaders("p", &table), lsns: hasLSNs(&table)}
	b, plans := testBatch(plan, func(b *changelog.Batch) {
		one := row(b, 1, "a")
		one[0] = changelog.Uint(1) // another value, and the same key
		b.Changes = append(b.Changes,
			changelog.Change{Op: changelog.Insert, After: row(b, 1, "a"), Pos: 0x1_0338_FE20},
			changelog.Change{Op: changelog.Update, Before: one, After: row(b, 1, "b"), Pos: 0x1_0338_FE90})
	})
	b.Txns[0].ID, b.Txns[0].Origin.Pos = "1305:4349034256", 0x1_0338_FF10
	b.Runs[0].File = ""
	c, err := NewMaterializer(kafkawire.None).Chunk(9_000_000, Planned{b, Plans{Runs: plans}, 1})
	if err != nil {
		t.Fatal(err)
	}
	head := " @5000 pipeline=p table=shop.orders txn=1305:4349034256 pos=00000001/0338FF10:00000001/0338FE"
	want := []string{"1; = insert - 1,a split=false" + head + "20 ord=0 op=c", "1; = update 1,a 1,b split=false" + head + "90 ord=1 op=u"}
	if got := records(t, c.Parts[0]); !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	b.Changes[1].Before[0] = changelog.Unchanged()
	_, err = NewMaterializer(kafkawire.None).Chunk(9_000_000, Planned{b, Plans{Runs: plans}, 1})
	if !fault.Is(err, fault.NoKey) || !strings.Contains(err.Error(), "at 00000001/0338FE90 of transaction 1305:4349034256 for output out") {
		t.Errorf("a key that the log does not have: %v", err)
	}
}

func TestWhatBecomesOfAChange(t *testing.T) {
	changes := func(b *changelog.Batch) {
		b.Changes = append(b.Changes,
			changelog.Change{Op: changelog.Insert, After: row(b, 1, "a")},
			changelog.Change{Op: changelog.Update, Before: row(b, 1, "a"), After: row(b, 1, "b")},
			changelog.Change{Op: changelog.Update, Before: row(b, 1, "b"), After: row(b, 2, "b")},
			changelog.Change{Op: changelog.Delete, Before: row(b, 2, "b")})
	}
	head := " pipeline=p table=shop.orders pos=binlog.000001:42 txn=gtid:1"
	for mode, want := range map[Mode][]string{
		Upsert: {
			"1; = insert - 1,a split=false @5000" + head + " ord=0 op=c",
			"1; = update 1,a 1,b split=false @5000" + head + " ord=1 op=u",
			"1; = delete 1,b - split=true @5000" + head + " ord=2 op=d new=2;",
			"1; = null @5000" + head + " ord=2 op=x new=2;",
			"2; = insert - 2,b split=true @5000" + head + " ord=2 op=c old=1;",
			"2; = delete 2,b - split=false @5000" + head + " ord=3 op=d",
			"2; = null @5000" + head + " ord=3 op=x",
		},
		Changelog: {
			"1; = insert - 1,a split=false @5000" + head + " ord=0 op=c",
			"1; = update 1,a 1,b split=false @5000" + head + " ord=1 op=u",
			"2; = update 1,b 2,b split=false @5000" + head + " ord=2 op=u",
			"2; = delete 2,b - split=false @5000" + head + " ord=3 op=d",
		},
	} {
		plan := testPlan(t, mode, &Topic{Name: "p.shop.orders", Partitions: 1, MaxBatch: 1 << 20})
		b, plans := testBatch(plan, changes)
		c, err := NewMaterializer(kafkawire.LZ4).Chunk(9_000_000, Planned{b, Plans{Runs: plans}, 1})
		if err != nil {
			t.Fatal(err)
		}
		if len(c.Parts) != 1 || c.Changes != 4 || c.Txns != 1 {
			t.Fatalf("%s: %d parts, %d changes, %d transactions", mode, len(c.Parts), c.Changes, c.Txns)
		}
		if got := records(t, c.Parts[0]); strings.Join(got, "\n") != strings.Join(want, "\n") {
			t.Errorf("%s:\n%s\nwant\n%s", mode, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
}

// bareFormat says a delete by the tombstone alone.
type bareFormat struct{}

func (bareFormat) Compile(_ *changelog.Table, o formats.Options) (formats.Encoder, error) {
	return bareEncoder{textEncoder{o.Key}}, nil
}

type bareEncoder struct{ textEncoder }

func (bareEncoder) TombstoneOnly() {}

// TestTombstonesAlone: where a format has no record for a delete, a compacted topic gets the tombstone alone, for a delete and
// for the old key of a row that moves; a log of changes has no tombstones and gets the record.
func TestTombstonesAlone(t *testing.T) {
	head := " @5000 pipeline=p table=shop.orders pos=binlog.000001:42 txn=gtid:1"
	for mode, want := range map[Mode][]string{
		Upsert: {
			"1; = null" + head + " ord=0 op=x new=2;",
			"2; = insert - 2,b split=true" + head + " ord=0 op=c old=1;",
			"2; = null" + head + " ord=1 op=x",
		},
		Changelog: {
			"2; = update 1,b 2,b split=false" + head + " ord=0 op=u",
			"2; = delete 2,b - split=false" + head + " ord=1 op=d",
		},
	} {
		o := []Output{{Name: "out", Mode: mode, Topic: "{table}", Format: bareFormat{}}}
		plan, err := NewPlanner("p", o, nil, func(context.Context, string, *Output) (*Topic, error) {
			return &Topic{Name: "orders", Partitions: 1, MaxBatch: 1 << 20}, nil
		}).Plans(t.Context(), testTable())
		if err != nil {
			t.Fatal(err)
		}
		b, plans := testBatch(plan[0], func(b *changelog.Batch) {
			b.Changes = append(b.Changes, changelog.Change{Op: changelog.Update, Before: row(b, 1, "b"), After: row(b, 2, "b")},
				changelog.Change{Op: changelog.Delete, Before: row(b, 2, "b")})
		})
		c, err := NewMaterializer(kafkawire.None).Chunk(9_000_000, Planned{b, Plans{Runs: plans}, 1})
		if err != nil {
			t.Fatal(err)
		}
		if got := records(t, c.Parts[0]); !slices.Equal(got, want) {
			t.Errorf("%s: got\n%s\nwant\n%s", mode, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
}

func TestPartsRespectTheTopicsLimit(t *testing.T) {
	const limit = 4000
	plan := testPlan(t, Upsert, &Topic{Name: "p.shop.orders", Partitions: 3, MaxBatch: limit})
	b, plans := testBatch(plan, func(b *changelog.Batch) {
		for i := range 500 {
			b.Changes = append(b.Changes, changelog.Change{Op: changelog.Insert, After: row(b, int64(i), strings.Repeat("x", i%700))})
		}
	})
	c, err := NewMaterializer(kafkawire.None).Chunk(9_000_000, Planned{b, Plans{Runs: plans}, 1})
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for _, p := range c.Parts {
		if len(p.Batch) > limit {
			t.Errorf("a batch of %d bytes", len(p.Batch))
		}
		for _, r := range records(t, p) {
			key, _, _ := strings.Cut(r, " = ")
			if kafkawire.PartitionOf([]byte(key), 3) != p.Partition {
				t.Errorf("key %s in partition %d", key, p.Partition)
			}
			seen++
		}
	}
	if seen != 500 || c.Records != 500 {
		t.Errorf("%d records, %d counted", seen, c.Records)
	}
}

func TestRowLargerThanTheTopicAccepts(t *testing.T) {
	plan := testPlan(t, Upsert, &Topic{Name: "p.shop.orders", Partitions: 1, MaxBatch: 1000})
	b, plans := testBatch(plan, func(b *changelog.Batch) {
		b.Changes = append(b.Changes, changelog.Change{Op: changelog.Insert, After: row(b, 1, strings.Repeat("x", 2000))})
	})
	m := NewMaterializer(kafkawire.None)
	if _, err := m.Chunk(9_000_000, Planned{b, Plans{Runs: plans}, 1}); !fault.Is(err, fault.RecordTooLarge) || !fault.IsFinal(err) {
		t.Errorf("got %v", err)
	}
	small, plans := testBatch(plan, func(b *changelog.Batch) {
		b.Changes = append(b.Changes, changelog.Change{Op: changelog.Insert, After: row(b, 1, "x")})
	})
	if c, err := m.Chunk(9_000_000, Planned{small, Plans{Runs: plans}, 2}); err != nil || c.Records != 1 || len(c.Parts) != 1 {
		t.Errorf("after a refused chunk: %v, %+v", err, c)
	}
}

func TestTablesThatCannotBeWritten(t *testing.T) {
	keyless := testTable()
	keyless.Key = nil
	other := testTable()
	other.ID, other.Name = 1, "o rders"
	same := testTable()
	same.Name = "o_rders"
	topic := func(context.Context, string, *Output) (*Topic, error) {
		return &Topic{Partitions: 1, MaxBatch: 1 << 20}, nil
	}
	outputs := []Output{{Name: "out", Mode: Upsert, Topic: "{table}", Format: textFormat{}}}
	for name, tc := range map[string]struct {
		tables []*changelog.Table
		rules  []TableRule
		code   fault.Code
	}{
		"no key":             {[]*changelog.Table{keyless}, nil, fault.NoKey},
		"unknown key column": {[]*changelog.Table{keyless}, []TableRule{{Name: "shop.orders", Key: []string{"nope"}}}, fault.Config},
		"key by rule":        {[]*changelog.Table{keyless}, []TableRule{{Name: "shop.orders", Key: []string{"note"}}}, ""},
		"two in one topic":   {[]*changelog.Table{same, other}, nil, fault.Config},
	} {
		p := NewPlanner("p", outputs, tc.rules, topic)
		var err error
		for _, table := range tc.tables {
			if _, err = p.Plans(t.Context(), table); err != nil {
				break
			}
		}
		if fault.CodeOf(err) != tc.code {
			t.Errorf("%s: %v, want code %q", name, err, tc.code)
		}
	}
}

func TestTopicNamesAreMadeLegalAsDebeziumDoes(t *testing.T) {
	for table, want := range map[string]string{
		"t ☃ é.$-x": "dbz.lab.t____._-x", "t 😀 é.$-x": "dbz.lab.t_____._-x", strings.Repeat("n", 300): "dbz.lab." + strings.Repeat("n", 241),
	} {
		if got := TopicName("{pipeline}.{schema}.{table}", "dbz", &changelog.Table{Database: "lab", Name: table}); got != want {
			t.Errorf("%s: %s, want %s", table, got, want)
		}
	}
	if got := TopicName("{table}", "", &changelog.Table{Name: ".."}); got != "__" {
		t.Errorf("got %s", got)
	}
}

func TestMaterializingAllocatesPerPartNotPerRow(t *testing.T) {
	plan := testPlan(t, Upsert, &Topic{Name: "p.shop.orders", Partitions: 1, MaxBatch: 1 << 20})
	plan.encoder = constEncoder{}
	b, plans := testBatch(plan, func(b *changelog.Batch) {
		for i := range 1000 {
			b.Changes = append(b.Changes, changelog.Change{Op: changelog.Insert, After: row(b, int64(i), "some text")})
		}
	})
	m := NewMaterializer(kafkawire.LZ4)
	n := testing.AllocsPerRun(20, func() {
		if _, err := m.Chunk(9_000_000, Planned{b, Plans{Runs: plans}, 1}); err != nil {
			t.Fatal(err)
		}
	})
	if n > 20 {
		t.Errorf("%v allocations for 1000 rows", n)
	}
}

type constEncoder struct{}

func (constEncoder) AppendKey(dst []byte, _ changelog.Row) ([]byte, error) {
	return append(dst, "key"...), nil
}

func (constEncoder) AppendValue(dst []byte, _ *formats.Context, _ *changelog.Change) ([]byte, error) {
	return append(dst, "a value of some length"...), nil
}

func TestChunkSaysWhatTheSourceAsksFor(t *testing.T) {
	for _, b := range []*changelog.Batch{{Drained: true}, {Soon: true}, {Next: changelog.Checkpoint{Pos: "p"}}} {
		c, err := NewMaterializer(kafkawire.LZ4).Chunk(0, Planned{b, Plans{}, 1})
		if err != nil || c.Drained != b.Drained || c.Soon != b.Soon || c.Next[0].Pos != b.Next.Pos {
			t.Errorf("%+v became %+v, %v", b, c, err)
		}
	}
}
