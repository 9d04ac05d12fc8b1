package upsert

import (
	"errors"
	"testing"

	"cdcbridge/capture"
	"cdcbridge/changelog"
	"cdcbridge/formats"
	"cdcbridge/internal/fault"
	"cdcbridge/internal/shape"
)

// endingFormat is textFormat with a record for the delete of a truncated row; of a table without columns it knows nothing.
type endingFormat struct{}

func (endingFormat) Compile(t *changelog.Table, o formats.Options) (formats.Encoder, error) {
	if len(t.Columns) == 0 {
		return nil, fault.NewFinal(fault.SchemaUnknown, "compiling", errors.New("no columns"), "None.")
	}
	return endingEncoder{textEncoder{o.Key}}, nil
}

type endingEncoder struct{ textEncoder }

func (endingEncoder) AppendEnd(dst []byte, _ *formats.Context, last []byte) ([]byte, bool, error) {
	return append(append(dst, "end of "...), last...), true, nil
}

// TestTruncationsOfCompactedTopics: each output that keeps a topic of the table's rows has its keys ended, a log of changes has
// none; a table of which only the name is known is found by it.
func TestTruncationsOfCompactedTopics(t *testing.T) {
	others, err := capture.NewFilter([]string{"shop.other"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	outputs := []Output{
		{Name: "a", Mode: Upsert, Topic: "a.{table}", Format: endingFormat{}},
		{Name: "b", Mode: Changelog, Topic: "b.{table}", Format: endingFormat{}},
		{Name: "c", Mode: Upsert, Topic: "c.{table}", Format: bareFormat{}, KeyPrefix: "p", Metadata: []shape.Metadata{{Name: "p", From: shape.Database, As: shape.Field}}},
		{Name: "d", Mode: Upsert, Topic: "d.{table}", Format: textFormat{}, Tables: others},
	}
	bare := &changelog.Table{ID: 1, Origin: "mysql", Database: "shop", Name: "orders"}
	for name, table := range map[string]*changelog.Table{"known": testTable(), "bare": bare} {
		open, _ := openAll(1)
		b := &changelog.Batch{Records: []changelog.Record{{Topic: "in", Offset: 3}}, Txns: []changelog.Txn{{ID: "t", Commit: 5}}, Notes: []changelog.Note{
			{Kind: changelog.Truncate, Table: table, Policy: PolicyTombstone, Record: 1},
			{Kind: changelog.Truncate, Table: table}, {Kind: changelog.Heartbeat, Txn: -1, Policy: PolicyTombstone},
		}}
		p := NewPlanner("p", outputs, nil, open)
		list, err := p.Truncations(t.Context(), b, 7)
		if err != nil || len(list) != 2 {
			t.Fatalf("%s: %d, %v", name, len(list), err)
		}
		one, two := &list[0], &list[1]
		if one.plan.Topic.Name != "a.orders" || (one.ender != nil) != (name == "known") || one.plan.sharded || one.ctx.Seq != 7 || one.ctx.Txn.Commit != 5 || one.deletes.count != 4 {
			t.Errorf("%s: first %+v", name, one)
		}
		if two.plan.Topic.Name != "c.orders" || two.ender != nil || !two.plan.sharded || two.shard != "shop" || two.tombstones.count != 5 {
			t.Errorf("%s: second %+v", name, two)
		}
		b.Notes[0].At = 1
		if _, err := p.Truncations(t.Context(), b, 7); !fault.Is(err, fault.Internal) {
			t.Errorf("behind a change: %v", err)
		}
		b.Notes[0].At, b.Notes[0].Table = 0, nil
		if _, err := p.Truncations(t.Context(), b, 7); !fault.Is(err, fault.Internal) {
			t.Errorf("of no table: %v", err)
		}
	}
	outputs[0].NoTombstones = true
	open, _ := openAll(1)
	b := &changelog.Batch{Notes: []changelog.Note{{Kind: changelog.Truncate, Txn: -1, Table: bare, Policy: PolicyTombstone}}}
	if _, err := NewPlanner("p", outputs[:1], nil, open).Truncations(t.Context(), b, 1); !fault.Is(err, fault.SchemaUnknown) {
		t.Errorf("neither a delete nor a tombstone: %v", err)
	}
}
