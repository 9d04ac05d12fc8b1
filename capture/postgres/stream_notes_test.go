package postgres

import (
	"fmt"
	"slices"
	"testing"

	"cdcbridge/capture/capturetest"
	"cdcbridge/changelog"
)

func TestTruncateAndMessagesAsNotes(t *testing.T) {
	w := newLog()
	w.frame([]byte{'M', 0, 0, 0, 0, 0, 0, 0, 0, 1, 'p', 0, 0, 0, 0, 2, 'h', 'i'})
	w.begin()
	w.relation(ordersOID, "public", "orders")
	w.relation(otherOID, "public", "other")
	w.frame([]byte{'O', 0, 0, 0, 0, 0, 0, 0, 9, 'e', 'u', 0})
	w.insert(ordersOID, 3000, 1)
	w.frame([]byte{'T', 0, 0, 0, 2, 3, 0, 0, 0x40, 0x10, 0, 0, 0x40, 0xd8})
	w.frame([]byte{'M', 1, 0, 0, 0, 0, 0, 0, 0, 1, 'q', 0, 0, 0, 0, 0})
	w.insert(ordersOID, 3000, 2)
	w.insert(ordersOID, 3000, 3)
	w.end()
	notes := func(batches []*changelog.Batch) (out []string) {
		rows := 0
		for _, b := range batches {
			for _, n := range b.Notes {
				name := ""
				if n.Table != nil {
					name = n.Table.Name
				}
				out = append(out, fmt.Sprintf("%d %s %s %s before %d in %d", n.Kind, name, n.Prefix, n.Text, rows+n.At, n.Txn))
				if inside := n.Txn >= 0; n.Pos == 0 || inside != (n.Time != 0) || inside && n.Time != b.Txns[n.Txn].Commit || (n.Kind == changelog.Message && inside) != n.Transactional || n.Database != "shop" {
					t.Errorf("%+v", n)
				}
			}
			rows += len(b.Changes)
		}
		return out
	}
	want := []string{"3  p hi before 0 in -1", `1 orders  TRUNCATE TABLE "public"."orders" RESTART IDENTITY CASCADE before 1 in 0`, "3  q  before 1 in 0"}
	setup := func(s *stream, _ *memCatalog) { s.cfg.OnTruncate, s.cfg.Messages = truncateNote, true }
	for _, size := range []int{minBatchBytes, 8 << 10, 1 << 20} {
		batches, err := play(t, w.out, nil, size, 0, setup)
		if err != nil || !slices.Equal(notes(batches), want) || !slices.Equal(ids(batches), span(1, 3)) {
			t.Errorf("size %d: %v, %q", size, err, notes(batches))
		}
		ordinals(t, batches)
		rows, told := 0, 0
		for _, b := range batches {
			rows, told = rows+len(b.Changes), told+len(b.Notes)
			for _, x := range b.Txns {
				if x.Origin.Replica != "eu" || x.Origin.ReplicaLSN != 9 {
					t.Errorf("%+v", x)
				}
			}
			p, _ := parsePosition(b.Next.Pos)
			if p.txn == nil {
				continue
			}
			again, err := play(t, w.out[w.places[0].at:], p, size, 0, setup)
			if err != nil || !slices.Equal(ids(again), span(int64(rows+1), int64(3-rows))) || len(notes(again)) != 3-told {
				t.Errorf("size %d, from %s: %v, %v, %q", size, b.Next.Pos, err, ids(again), notes(again))
			}
			for _, b := range again {
				if err := capturetest.CheckDone(b); err != nil {
					t.Error(err)
				}
			}
		}
	}
}

// TestMessageBetweenTransactionsIsPassed: the position behind a message outside of transactions is one from which the server does
// not send it again.
func TestMessageBetweenTransactionsIsPassed(t *testing.T) {
	w := newLog()
	w.begin()
	w.relation(ordersOID, "public", "orders")
	w.insert(ordersOID, 10, 1)
	w.end()
	at := w.lsn
	w.frame([]byte{'M', 0, 0, 0, 0, 0, 0, 0, 0, 1, 'p', 0, 0, 0, 0, 2, 'h', 'i'})
	batches, err := play(t, w.out, nil, 1<<20, 0, func(s *stream, _ *memCatalog) { s.cfg.Messages = true })
	if err != nil || len(batches) == 0 {
		t.Fatal(err, len(batches))
	}
	last := batches[len(batches)-1]
	p, err := parsePosition(last.Next.Pos)
	if err != nil || len(last.Notes) != 1 || last.Notes[0].Pos < at || uint64(p.lsn) != last.Notes[0].Pos || last.Notes[0].LastCommit != at || last.Notes[0].Time != last.Txns[0].Commit {
		t.Errorf("%v: from %v the message at %v comes again", err, p.lsn, last.Notes)
	}
}
