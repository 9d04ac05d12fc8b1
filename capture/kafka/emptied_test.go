package kafka

import (
	"slices"
	"strings"
	"testing"

	"cdcbridge/changelog"
	"cdcbridge/formats"
	"cdcbridge/internal/fault"
)

// emptyingOf is a batch that has a truncation of a table, or a change of it.
func emptyingOf(t *changelog.Table, truncated bool) *changelog.Batch {
	b := changelog.NewBatch()
	if truncated {
		b.Notes = append(b.Notes, changelog.Note{Kind: changelog.Truncate, Table: t, Policy: truncateTombstone})
	} else {
		b.Runs = append(b.Runs, changelog.Run{Table: t, To: 1})
	}
	return b
}

// TestChangesBeforeATruncation: a change that comes behind a truncation in another partition and was before it stops the pipeline, also
// after a restart; one behind it, of its own partition, or of another table does not.
func TestChangesBeforeATruncation(t *testing.T) {
	orders, others := &changelog.Table{Database: "shop", Name: "orders"}, &changelog.Table{Database: "crm", Name: "orders"}
	at := func(n uint64) formats.Place { return formats.Place{Log: "l", Major: n} }
	m := newMerging(2, nil, nil)
	place := func(lane int, n uint64) *partition {
		p := m.parts[lane]
		p.order.at, p.order.said = at(n), true
		return p
	}
	check := func(lane int, n uint64, table *changelog.Table, truncated bool) error {
		b := emptyingOf(table, truncated)
		defer b.Release()
		return m.checkEmptied(place(lane, n), b, mark{})
	}
	if err := check(0, 10, orders, true); err != nil {
		t.Fatal(err)
	}
	for round := range 2 {
		for _, c := range []struct {
			lane  int
			at    uint64
			table *changelog.Table
			code  fault.Code
		}{{1, 9, orders, fault.KeyMoved}, {1, 11, orders, ""}, {0, 9, orders, ""}, {1, 9, others, ""}} {
			if err := check(c.lane, c.at, c.table, false); fault.CodeOf(err) != c.code {
				t.Errorf("round %d, partition %d at %d: %v", round, c.lane, c.at, err)
			}
		}
		states, err := m.emptied.appendState(nil)
		if err != nil || len(states) != 1-round {
			t.Fatalf("round %d: %v, %v", round, states, err)
		}
		if round == 0 {
			src := newSource(NewConfig().(*Config), m.src.env)
			if err := src.restoreEmptied(states); err != nil || !slices.Equal(src.emptied, m.emptied.tables) {
				t.Fatalf("%+v, %v", src.emptied, err)
			}
			m.emptied = emptied{tables: src.emptied}
		}
	}
	if err := check(1, 20, orders, true); err != nil || len(m.emptied.tables) != 1 || check(0, 19, orders, false) == nil {
		t.Errorf("a later truncation: %v, %+v", err, m.emptied.tables)
	}
}

// TestTruncationsThatNothingOrders: in a topic of several partitions a truncation needs an order.
func TestTruncationsThatNothingOrders(t *testing.T) {
	orders := &changelog.Table{Database: "shop", Name: "orders"}
	m := newMerging(2, nil, nil)
	b := emptyingOf(orders, true)
	if err := m.checkEmptied(m.parts[0], b, mark{}); !fault.Is(err, fault.KeyMoved) {
		t.Errorf("a message without its place: %v", err)
	}
	m.merger = nil
	if err := m.checkEmptied(m.parts[0], b, mark{}); !fault.Is(err, fault.Diverged) || !strings.Contains(err.Error(), "order: source") {
		t.Errorf("partitions as they come: %v", err)
	}
	m.topics["t"].count = 1
	if err := m.checkEmptied(m.parts[0], b, mark{}); err != nil {
		t.Errorf("a topic of one partition: %v", err)
	}
	if err := newSource(NewConfig().(*Config), m.src.env).restoreEmptied([]changelog.State{{Key: emptiedKey, Value: []byte(`{"version":1,"min_reader":1,"tables":[{"place":"x"}]}`)}}); err == nil {
		t.Error("a damaged state is taken")
	}
}

// TestRepeatedTruncations: a truncation that a writer repeats would take the rows away that came since, whose repetitions are dropped.
// Where nothing tells that it is one, neither are they.
func TestRepeatedTruncations(t *testing.T) {
	table := keyed("t")
	for name, c := range map[string]struct {
		origin changelog.Origin
		again  bool // what is repeated is read again
	}{"places": {changelog.Origin{File: "binlog.000001"}, false}, "batches": {changelog.Origin{Built: 7, Batch: 1}, true}} {
		p := partitionAt(0)
		s := &stream{topics: map[string]*topicParts{"t": {count: 1}}}
		read := func(pos uint64, truncates bool) bool {
			b := new(changelog.Batch)
			b.Txns = append(b.Txns, changelog.Txn{Commit: int64(pos) * 1000, Origin: c.origin, First: true, Last: true})
			if truncates {
				b.Notes = append(b.Notes, changelog.Note{Kind: changelog.Truncate, Policy: truncateTombstone, Table: table, File: c.origin.File, Pos: pos, Time: int64(pos) * 1000})
			} else {
				b.Changes = append(b.Changes, changelog.Change{Op: changelog.Insert, After: rowOf(1, "a")})
				b.Runs = append(b.Runs, changelog.Run{Table: table, To: 1, File: c.origin.File, Pos: pos, Time: int64(pos) * 1000})
			}
			s.dropRepeated(p, b, mark{})
			s.dropRepeatedTruncations(p, b, mark{})
			return len(b.Changes)+len(b.Notes) > 0
		}
		for round, want := range []bool{true, c.again, c.again} {
			for pos, truncates := range []bool{false, true, false} {
				if got := read(uint64(pos+1), truncates); got != want && (round == 0 || pos > 0) {
					t.Errorf("%s: message %d, the %d. time: read %v, want %v", name, pos, round+1, got, want)
				}
			}
			var again repeats
			if err := again.restore(p.repeats.state()); err != nil {
				t.Fatal(err)
			}
			p.repeats = again
		}
		if name == "places" && !read(4, true) {
			t.Error("a new truncation is taken for the old one")
		}
	}
}

// TestARepeatedTruncationLeavesNothing: the batch has no transaction for it, and none is counted.
func TestARepeatedTruncationLeavesNothing(t *testing.T) {
	s := newStage(t, func(c *Config) { c.OnTruncate, c.Deduplicate = truncateTombstone, true }, nil, onePartition())
	for range 2 {
		s.batch = changelog.NewBatch()
		s.batch.Txns = append(s.batch.Txns, changelog.Txn{Commit: 1000, Origin: changelog.Origin{File: "binlog.000001"}})
		s.batch.Notes = append(s.batch.Notes, changelog.Note{Kind: changelog.Truncate, Table: keyed("t"), File: "binlog.000001", Pos: 4})
		if err := s.take(s.parts[0], &s.parts[0].head, mark{}); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(s.batch.Txns) + len(s.batch.Notes) + len(s.batch.Records); n != 0 || s.stats.txns != 1 || s.stats.repeated != 1 {
		t.Errorf("%d things are left, %+v", n, s.stats)
	}
}
