package kafka

import (
	"fmt"
	"testing"

	"cdcbridge/changelog"
	"cdcbridge/internal/fault"
	"cdcbridge/internal/kafkawire"
)

func keyed(name string) *changelog.Table {
	return &changelog.Table{Database: "d", Name: name, Key: []int{0}, Columns: []changelog.Column{
		{Name: "id", Type: changelog.Type{Kind: changelog.KindInt, Bits: 64}}, {Name: "v", Type: changelog.Type{Kind: changelog.KindString}, Nullable: true},
	}}
}

func rowOf(id int64, v string) changelog.Row {
	return changelog.Row{changelog.Int(id), changelog.String([]byte(v))}
}

// batchOf makes a batch of one run for each list of changes.
func batchOf(t *changelog.Table, runs ...[]changelog.Change) *changelog.Batch {
	b := new(changelog.Batch)
	for _, changes := range runs {
		b.Txns = append(b.Txns, changelog.Txn{First: true, Last: true})
		from := len(b.Changes)
		b.Changes = append(b.Changes, changes...)
		b.Runs = append(b.Runs, changelog.Run{Table: t, Txn: len(b.Txns) - 1, From: from, To: len(b.Changes)})
	}
	return b
}

func TestCheckMoved(t *testing.T) {
	moves := changelog.Change{Op: changelog.Update, Before: rowOf(1, "a"), After: rowOf(2, "a")}
	stays := changelog.Change{Op: changelog.Update, Before: rowOf(1, "a"), After: rowOf(1, "b")}
	partly := changelog.Change{Op: changelog.Update, Before: changelog.Row{changelog.Unchanged(), changelog.Null()}, After: rowOf(1, "b")}
	keyless := *keyed("t")
	keyless.Key = nil
	for _, c := range []struct {
		name   string
		count  int
		merged bool
		table  *changelog.Table
		change changelog.Change
		stops  bool
	}{
		{"a key changes", 2, false, keyed("t"), moves, true},
		{"in a topic of one partition", 1, false, keyed("t"), moves, false},
		{"in partitions that are merged", 2, true, keyed("t"), moves, false},
		{"in partitions that are merged, where the message says no place", 2, true, keyed("t"), moves, true},
		{"no key changes", 2, false, keyed("t"), stays, false},
		{"an old row that does not say the key", 2, false, keyed("t"), partly, false},
		{"a table without a key", 2, false, &keyless, moves, false},
		{"a delete and an insert", 2, false, keyed("t"), changelog.Change{Op: changelog.Delete, Before: rowOf(1, "a")}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := &stream{topics: map[string]*topicParts{"t": {count: c.count}}}
			p := partitionAt(0)
			if c.merged {
				s.merger = &merger{stream: s}
				p.order.said = !c.stops
			}
			err := s.checkMoved(p, batchOf(c.table, []changelog.Change{c.change}), mark{})
			if got := fault.Is(err, fault.KeyMoved) && fault.IsFinal(err); got != c.stops {
				t.Errorf("got %v", err)
			}
		})
	}
}

func partitionAt(number int32) *partition {
	return newPartition(kafkawire.TopicPartition{Topic: "t", Partition: number}, kafkawire.TopicID{})
}

// TestScatteredRows: without record keys the changes of a row in two partitions have no order, wherever the writer took them.
func TestScatteredRows(t *testing.T) {
	s := &stream{topics: map[string]*topicParts{"t": {count: 3}}}
	parts := []*partition{partitionAt(0), partitionAt(1)}
	read := func(p *partition, id int64, name string) error {
		b := batchOf(keyed(name), []changelog.Change{{Op: changelog.Update, Before: rowOf(id, "a"), After: rowOf(id, "b")}})
		return s.checkMoved(p, b, mark{})
	}
	for id := range int64(10_000) {
		if err := read(parts[id%2], id, "t"); err != nil {
			t.Fatal(err)
		}
	}
	if err := read(parts[0], 7777, "other"); err != nil {
		t.Errorf("the same key in another table: %v", err)
	}
	if err := read(parts[0], 9999, "t"); !fault.Is(err, fault.KeyMoved) {
		t.Errorf("a row in two partitions: %v", err)
	}
	parts[0].head.Key = []byte("k")
	if err := read(parts[0], 9997, "t"); err != nil {
		t.Errorf("a record with a key is where its key belongs: %v", err)
	}
}

func TestArrange(t *testing.T) {
	changes := func(from, to int64) (list []changelog.Change) {
		for i := from; i < to; i++ {
			list = append(list, changelog.Change{Op: changelog.Insert, After: rowOf(i, "")})
		}
		return list
	}
	show := func(b *changelog.Batch) string {
		text := ""
		for _, run := range b.Runs {
			text += fmt.Sprintf("[%d:", run.Txn)
			for i := run.From; i < run.To; i++ {
				text += fmt.Sprint(" ", b.Changes[i].After[0].Int())
			}
			text += "]"
		}
		for _, n := range b.Notes {
			text += fmt.Sprintf(" note@%d", n.At)
		}
		return text + fmt.Sprintf(" %d txns", len(b.Txns))
	}
	for _, c := range []struct {
		order []int
		want  string
	}{
		{[]int{1, 2, 3, 4, 5}, "[0: 0][1: 1 2 3][2: 4 5] note@4 3 txns"},
		{[]int{1, 4, 2, 3, 5}, "[0: 0][1: 1][2: 4][1: 2 3][2: 5] note@2 3 txns"},
		{[]int{1, 3}, "[0: 0][1: 1 3] note@3 3 txns"},
		{[]int{5}, "[0: 0][2: 5] note@1 3 txns"},
		{nil, "[0: 0] note@1 3 txns"},
	} {
		b := batchOf(keyed("t"), changes(0, 1), changes(1, 4), changes(4, 6))
		b.Notes = []changelog.Note{{At: 4}}
		arrange(b, mark{txns: 1, runs: 1, changes: 1}, c.order)
		if got := show(b); got != c.want {
			t.Errorf("%v: %s, want %s", c.order, got, c.want)
		}
	}
	b := batchOf(keyed("t"), changes(0, 1), changes(1, 4))
	if arrange(b, mark{txns: 1, runs: 1, changes: 1}, nil); show(b) != "[0: 0] 1 txns" {
		t.Errorf("nothing left: %s", show(b))
	}
}
