package upsert

import (
	"fmt"
	"slices"
	"testing"
	"unsafe"

	"cdcbridge/changelog"
	"cdcbridge/formats"
	"cdcbridge/internal/fault"
	"cdcbridge/internal/kafkawire"
)

// numberingFormat writes the number of a change in its transaction, and in that of its table; beside the rows what sideFormat does.
type numberingFormat struct{ sideFormat }

func (numberingFormat) Compile(_ *changelog.Table, o formats.Options) (formats.Encoder, error) {
	return numberingEncoder{textEncoder{o.Key}}, nil
}

type numberingEncoder struct{ textEncoder }

func (numberingEncoder) CountsMoves() bool { return true }

func (numberingEncoder) AppendValue(dst []byte, c *formats.Context, ch *changelog.Change) ([]byte, error) {
	return fmt.Appendf(dst, "%s %d %d", ch.Op, ch.Index+c.Moves.Total, ch.TableIndex+c.Moves.Table), nil
}

// movesBatches are two transactions in three batches: the first one moves keys of two tables, and goes on in the second batch.
func movesBatches(orders, items *changelog.Table) []*changelog.Batch {
	var index uint64
	tableIndex := map[*changelog.Table]uint64{}
	batch := func(txn string, first, last bool, runs ...func(b *changelog.Batch)) *changelog.Batch {
		b := changelog.NewBatch()
		if first {
			index, tableIndex = 0, map[*changelog.Table]uint64{}
		}
		b.Txns = []changelog.Txn{{ID: b.String([]byte(txn)), Commit: 5_000_000, First: first, Last: last}}
		if !first {
			b.Txns[0].Done = []changelog.Count{{Table: "shop.items", Changes: tableIndex[items]}, {Table: "shop.orders", Changes: tableIndex[orders]}}
		}
		for _, fill := range runs {
			fill(b)
		}
		return b
	}
	run := func(t *changelog.Table, ids ...[2]int64) func(b *changelog.Batch) {
		return func(b *changelog.Batch) {
			from := len(b.Changes)
			for _, id := range ids {
				b.Changes = append(b.Changes, changelog.Change{Op: changelog.Update, Before: row(b, id[0], "a"), After: row(b, id[1], "b"), Index: index, TableIndex: tableIndex[t]})
				index++
				tableIndex[t]++
			}
			b.Runs = append(b.Runs, changelog.Run{Table: t, From: from, To: len(b.Changes), File: "f", Pos: 7})
		}
	}
	return []*changelog.Batch{
		batch("one", true, false, run(orders, [2]int64{1, 2}, [2]int64{3, 3}), run(items, [2]int64{1, 1}, [2]int64{2, 4}, [2]int64{5, 5})),
		batch("one", false, true, run(orders, [2]int64{4, 4}, [2]int64{5, 6}, [2]int64{7, 8}), run(items, [2]int64{6, 6})),
		batch("two", true, true, run(orders, [2]int64{1, 1})),
	}
}

// numbered writes movesBatches by rules, and tells the numbers that are in each topic, by the batch at which the pipeline was started anew.
func numbered(t *testing.T, rules []TableRule) map[int]map[string][]string {
	all := map[int]map[string][]string{}
	for restartAt := range 4 {
		orders, items := sideTables()
		outputs := []Output{{Name: "o", Mode: Upsert, Topic: "{table}", Format: numberingFormat{}}, {Name: "log", Mode: Changelog, Topic: "log-{table}", Format: numberingFormat{sideFormat{prefix: "log"}}}}
		open, _ := openAll(1)
		p := NewPlanner("p", outputs, rules, open)
		state := map[string][]byte{}
		got := map[string][]string{}
		for i, b := range movesBatches(orders, items) {
			if i == restartAt {
				p = NewPlanner("p", outputs, rules, open)
				if e := state[MovesKey]; e != nil {
					if err := p.RestoreMoves(changelog.State{Key: MovesKey, Value: e}); err != nil {
						t.Fatal(err)
					}
				}
			}
			plans := Plans{Runs: make([][]*Plan, len(b.Runs))}
			var err error
			for k := range b.Runs {
				if plans.Runs[k], err = p.Plans(t.Context(), b.Runs[k].Table); err != nil {
					t.Fatal(err)
				}
			}
			if plans.Moves, err = p.Moves(b, plans.Runs); err != nil {
				t.Fatal(err)
			}
			if plans.Sides, err = p.Sides(t.Context(), b); err != nil {
				t.Fatal(err)
			}
			c, err := NewMaterializer(kafkawire.None).Chunk(9_000_000, Planned{b, plans, 1})
			if err != nil {
				t.Fatal(err)
			}
			copy(unsafe.Slice(unsafe.StringData(b.Txns[0].ID), len(b.Txns[0].ID)), "new") // as the next user of the batch's memory does
			for _, s := range c.Next[0].State {
				if state[s.Key] = s.Value; (s.Value == nil) != (i == 1) {
					t.Errorf("batch %d: state %q", i, s.Value)
				}
			}
			for _, part := range c.Parts {
				for _, r := range records(t, part) {
					var key, op string
					var all, table uint64
					if n, _ := fmt.Sscanf(r, "%s = %s %d %d", &key, &op, &all, &table); n == 4 {
						got[part.Topic.Name] = append(got[part.Topic.Name], fmt.Sprintf("%s %d %d", op, all, table))
					} else if part.Topic.Name == "p_end" {
						got["p_end"] = append(got["p_end"], r[:len(r)-len(" @5000 pipeline=p txn=one op=end")])
					}
				}
			}
		}
		all[restartAt] = got
	}
	return all
}

// TestMovesAreNumbered: the halves of a key change have numbers of their own, whatever batch they are in, and wherever the pipeline was
// started anew; the end of the transaction counts both.
func TestMovesAreNumbered(t *testing.T) {
	want := map[string][]string{
		"orders": {"delete 0 0", "insert 1 1", "update 2 2", "update 7 3", "delete 8 4", "insert 9 5", "delete 10 6", "insert 11 7", "update 0 0"},
		"items":  {"update 3 0", "delete 4 1", "insert 5 2", "update 6 3", "update 12 4"},
		"p_end":  {"k = end [{shop.items 5} {shop.orders 8}]", "k = end [{shop.orders 1}]"},

		"log-orders": {"update 0 0", "update 1 1", "update 5 2", "update 6 3", "update 7 4", "update 0 0"},
	}
	sameNumbers(t, numbered(t, nil), want)
}

func sameNumbers(t *testing.T, got map[int]map[string][]string, want map[string][]string) {
	t.Helper()
	for restartAt, topics := range got {
		for topic, records := range want {
			if !slices.Equal(topics[topic], records) {
				t.Errorf("started anew at %d: %s:\n got %q\nwant %q", restartAt, topic, topics[topic], records)
			}
		}
	}
}

func TestMovesOfAnotherRelease(t *testing.T) {
	for text, code := range map[string]fault.Code{"": fault.Decode, "{}": fault.Decode, `{"v":2}`: fault.StateNewer} {
		err := NewPlanner("p", nil, nil, nil).RestoreMoves(changelog.State{Key: MovesKey, Value: []byte(text)})
		if !fault.Is(err, code) || !fault.IsFinal(err) {
			t.Errorf("%q: %v", text, err)
		}
	}
}
