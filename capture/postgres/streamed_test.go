package postgres

import (
	"encoding/binary"
	"fmt"
	"math/rand"
	"slices"
	"strconv"
	"strings"
	"testing"

	"cdcbridge/changelog"
	"cdcbridge/internal/fault"
)

// list says all that there is about each change.
func list(batches []*changelog.Batch) []string {
	var out []string
	for _, b := range batches {
		for _, r := range b.Runs {
			for _, c := range b.Changes[r.From:r.To] {
				x := b.Txns[r.Txn]
				out = append(out, fmt.Sprintf("%s %d %d #%d %s/%d at %d: %d", x.ID, x.Commit, x.Origin.LastCommit, c.Index, r.Table.Name, c.TableIndex, c.Pos, c.After[0].Int()))
			}
		}
	}
	return out
}

// streaming lets a stream keep little in memory.
func streaming(s *stream, _ *memCatalog) {
	s.cfg.Streaming = true
	s.spool.limit = 16 << 10
}

// interleaved has four transactions with savepoints, of which three commit, in another order than they began.
func interleaved() *script {
	c := newScript()
	c.rows(1, 0, 300, 100, 3)
	c.rows(2, 1, 300, 200, 5) // the first rows of 2 are in a subtransaction
	c.keepalive()
	c.rows(1, 1, 300, 110, 20)
	c.row(1, 2, itemsOID, 300, 130) // 2 is within 1
	c.rows(3, 0, 10, 300, 4)
	c.abort(2, 1)
	c.rows(1, 1, 300, 131, 4)
	c.abort(1, 2) // the one within first
	c.abort(1, 1)
	c.rows(1, 3, 300, 140, 20)
	c.rows(2, 2, 300, 210, 20)
	c.rows(4, 0, 300, 400, 20)
	c.row(4, 0, otherOID, 300, 420)
	c.keepalive()
	c.commit(3)
	c.rows(2, 2, 300, 230, 10)
	c.row(2, 0, itemsOID, 300, 240)
	c.commit(2)
	c.rollback(4)
	c.keepalive()
	c.row(1, 0, itemsOID, 300, 160)
	c.rows(1, 0, 300, 161, 3)
	c.commit(1)
	c.rows(5, 1, 10, 500, 3)
	c.abort(5, 1)
	c.commit(5) // nothing is left of it
	c.rows(6, 0, 10, 600, 1)
	c.commit(6)
	c.keepalive()
	return c
}

// TestStreamedLikeOrdinary sends the same log with streaming and without: the changes are the same, and after every batch
// either goes on where the other one was.
func TestStreamedLikeOrdinary(t *testing.T) {
	c := interleaved()
	ordinary, err := play(t, c.send(0, 0), nil, 1<<20, 0)
	if err != nil {
		t.Fatal(err)
	}
	want := list(ordinary)
	if len(want) != 4+30+1+3+20+4+1 {
		t.Fatalf("%d changes", len(want))
	}
	for _, size := range []int{minBatchBytes, 10 << 10, 1 << 20} {
		for _, block := range []int{0, 1, 2, 7, 100} {
			batches, err := play(t, c.send(0, block), nil, size, 50*block, streaming)
			if err != nil || !slices.Equal(list(batches), want) {
				t.Fatalf("size %d, blocks of %d: %v, got\n%s\nwant\n%s", size, block, err, strings.Join(list(batches), "\n"), strings.Join(want, "\n"))
			}
			ordinals(t, batches)
			resumable(t, c, batches, want)
		}
	}
}

// resumable goes on from every position, with streaming and without.
func resumable(t *testing.T, c *script, batches []*changelog.Batch, want []string) {
	t.Helper()
	done, parts := 0, 0
	for _, b := range batches {
		done += len(b.Changes)
		p, err := parsePosition(b.Next.Pos)
		if err != nil {
			t.Fatal(err)
		}
		if p.txn != nil {
			parts++
		}
		for _, block := range []int{0, 3, 100} {
			again, err := play(t, c.send(p.lsn, block), p, 8<<10, 0, streaming)
			got := list(again)
			for i := range got { // what was committed before the start is not known then
				got[i] = withoutLast(got[i])
			}
			rest := slices.Clone(want[done:])
			for i := range rest {
				rest[i] = withoutLast(rest[i])
			}
			if err != nil || !slices.Equal(got, rest) {
				t.Fatalf("blocks of %d from %s: %v, got\n%s\nwant\n%s", block, b.Next.Pos, err, strings.Join(got, "\n"), strings.Join(rest, "\n"))
			}
		}
	}
	if len(batches) > 10 && parts == 0 {
		t.Error("no transaction left in parts")
	}
}

func withoutLast(change string) string {
	f := strings.Fields(change)
	return strings.Join(slices.Delete(f, 2, 3), " ")
}

// TestStreamedAtRandom does the same to transactions, savepoints and rollbacks as they fall.
func TestStreamedAtRandom(t *testing.T) {
	for seed := range int64(60) {
		rnd := rand.New(rand.NewSource(seed))
		c, id := newScript(), int64(0)
		type state struct {
			stack []uint32 // open subtransactions
			last  uint32
			under map[uint32][]uint32 // subtransaction → those within it
			ended bool
		}
		txns := map[uint32]*state{}
		for range 300 {
			n := uint32(1 + rnd.Intn(6) + 6*(len(c.steps)/80))
			x := txns[n]
			if x == nil {
				x = &state{stack: []uint32{0}, under: map[uint32][]uint32{}}
				txns[n] = x
			}
			top := x.stack[len(x.stack)-1]
			switch what := rnd.Intn(20); {
			case x.ended:
			case what < 12:
				for range 1 + rnd.Intn(6) {
					id++
					c.row(n, top, []uint32{ordersOID, ordersOID, itemsOID, otherOID}[rnd.Intn(4)], rnd.Intn(400), id)
				}
			case what < 15:
				x.last++
				for _, open := range x.stack[1:] {
					x.under[open] = append(x.under[open], x.last)
				}
				x.stack = append(x.stack, x.last)
			case what < 18 && len(x.stack) > 1:
				if x.stack = x.stack[:len(x.stack)-1]; what > 15 {
					for _, sub := range append(x.under[top], top) {
						c.abort(n, sub)
					}
				}
			case what == 18:
				c.keepalive()
			case what == 19 && rnd.Intn(4) == 0:
				c.rollback(n)
				x.ended = true
			case what == 19:
				c.commit(n)
				x.ended = true
			}
		}
		ordinary, err := play(t, c.send(0, 0), nil, 1<<20, 0)
		if err != nil {
			t.Fatal(err)
		}
		batches, err := play(t, c.send(0, 1+rnd.Intn(5)), nil, 4<<10+rnd.Intn(8<<10), rnd.Intn(500), streaming)
		if err != nil || !slices.Equal(list(batches), list(ordinary)) {
			t.Fatalf("seed %d: %v, %d changes, want %d", seed, err, len(list(batches)), len(list(ordinary)))
		}
		ordinals(t, batches)
		if seed%10 == 0 {
			resumable(t, c, batches, list(ordinary))
		}
	}
}

// block writes a stream block.
func (w *walLog) block(xid uint32, first byte, messages ...[]byte) {
	w.frame(append(u32s('S', xid), first))
	for _, m := range messages {
		w.frame(m)
	}
	w.frame([]byte{'E'})
}

// streamCommit ends a streamed transaction.
func (w *walLog) streamCommit(xid uint32) {
	w.lsn += 8
	w.frame(commitMessage(u32s('c', xid), w.lsn))
	w.lsn += commitSize
}

func orderRow(id int64) []byte {
	return rowMessage('I', ordersOID, 'N', tuple(strconv.FormatInt(id, 10), "v", "7"))
}

// widened describes orders with one column more.
func widened() []byte {
	b := describe(ordersOID)
	b[len(b)-35]++ // the number of columns
	return append(append(b, 0, 'm', 0), 0, 0, 0, 23, 0xff, 0xff, 0xff, 0xff)
}

func wideRow(id int64) []byte {
	return rowMessage('I', ordersOID, 'N', tuple(strconv.FormatInt(id, 10), "v", "7", "8"))
}

// TestStreamedRelations describes tables within transactions that commit late, or in part, or not at all.
func TestStreamedRelations(t *testing.T) {
	if _, err := parseRelation(widened()); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		write func(*walLog)
		want  []int64
		asked int32 // how often the catalogue was
	}{
		"by a subtransaction that is rolled back": {func(w *walLog) {
			w.block(10, 1, tagged(11, widened()), tagged(11, wideRow(1)))
			w.frame(u32s('A', 10, 11))
			w.block(10, 0, tagged(10, describe(ordersOID)), tagged(10, orderRow(2)))
			w.streamCommit(10)
			w.begin()
			w.frame(orderRow(3))
			w.end()
		}, []int64{2, 3}, 1},
		"by a transaction that is rolled back": {func(w *walLog) {
			w.begin()
			w.frame(describe(ordersOID))
			w.frame(orderRow(1))
			w.end()
			w.block(10, 1, tagged(10, widened()), tagged(10, wideRow(2)))
			w.frame(u32s('A', 10, 10))
			w.begin()
			w.frame(orderRow(3))
			w.end()
		}, []int64{1, 3}, 1},
		"before the words of a transaction that commits first": {func(w *walLog) {
			w.block(10, 1, tagged(10, describe(ordersOID)), tagged(10, orderRow(2)))
			w.begin()
			w.frame(widened())
			w.frame(wideRow(1))
			w.end()
			w.streamCommit(10)
			w.begin()
			w.frame(wideRow(3))
			w.end()
		}, []int64{1, 2, 3}, 2},
		"after the words of a transaction that commits first": {func(w *walLog) {
			w.begin()
			w.frame(describe(ordersOID))
			w.frame(orderRow(1))
			w.end()
			w.block(10, 1, tagged(10, describe(ordersOID)), tagged(10, orderRow(2)), tagged(10, widened()), tagged(10, wideRow(3)))
			w.begin()
			w.frame(orderRow(4))
			w.end()
			w.streamCommit(10)
			w.begin()
			w.frame(wideRow(5))
			w.end()
		}, []int64{1, 4, 2, 3, 5}, 3},
		"by two streamed ones": {func(w *walLog) {
			w.block(10, 1, tagged(10, describe(ordersOID)), tagged(10, orderRow(2)))
			w.block(20, 1, tagged(20, widened()), tagged(20, wideRow(1)))
			w.streamCommit(20)
			w.block(10, 0, tagged(10, orderRow(3)))
			w.streamCommit(10)
			w.begin()
			w.frame(wideRow(4))
			w.end()
		}, []int64{1, 2, 3, 4}, 2},
		"in every block": {func(w *walLog) {
			w.block(10, 1, tagged(10, describe(ordersOID)), tagged(10, orderRow(1)))
			w.block(10, 0, tagged(11, describe(ordersOID)), tagged(11, orderRow(2)))
			w.block(10, 0, tagged(12, describe(ordersOID)), tagged(12, orderRow(3)))
			w.frame(u32s('A', 10, 11))
			w.streamCommit(10)
		}, []int64{1, 3}, 1},
	} {
		w := newLog()
		c.write(w)
		var catalog *memCatalog
		batches, err := play(t, w.out, nil, 1<<20, 0, streaming, func(_ *stream, m *memCatalog) { catalog = m })
		if err != nil || !slices.Equal(ids(batches), c.want) {
			t.Errorf("%s: %v, %v", name, err, ids(batches))
		}
		if asked := catalog.asked.Load(); asked != c.asked {
			t.Errorf("%s: the catalogue was asked %d times", name, asked)
		}
	}
}

// TestStreamedTruncateAndOrigin sends what is neither a row nor a Relation.
func TestStreamedTruncateAndOrigin(t *testing.T) {
	w := newLog()
	truncate := u32s('T', 1, 0)[:6]
	truncate = binary.BigEndian.AppendUint32(truncate, ordersOID)
	named := append(u32s('Y', 77777), "public\x00mood\x00"...)
	w.block(10, 1, append(make([]byte, 0, 16), "O\x00\x00\x00\x00\x00\x00\x00\x00eu\x00"...), tagged(10, named), tagged(10, describe(ordersOID)), tagged(11, truncate), tagged(12, truncate), tagged(10, orderRow(1)))
	w.frame(u32s('A', 10, 11))
	w.streamCommit(10)
	batches, err := play(t, w.out, nil, 1<<20, 0, streaming, func(s *stream, _ *memCatalog) { s.cfg.OnTruncate = truncateNote })
	if err != nil || !slices.Equal(ids(batches), []int64{1}) {
		t.Fatal(err, ids(batches))
	}
	if b := batches[0]; len(b.Notes) != 1 || b.Notes[0].At != 0 || b.Txns[0].Origin.Replica != "eu" {
		t.Errorf("%+v, %+v", b.Notes, b.Txns)
	}
	_, err = play(t, w.out, nil, 1<<20, 0, streaming)
	if !fault.Is(err, fault.Diverged) {
		t.Error(err)
	}
}

func TestStreamedRefuses(t *testing.T) {
	first := []byte{'S', 0, 0, 0, 10, 1}
	for name, write := range map[string]func(*walLog){
		"block in a block":       func(w *walLog) { w.frame(first); w.frame([]byte{'S', 0, 0, 0, 11, 1}) },
		"block in a transaction": func(w *walLog) { w.begin(); w.frame(first) },
		"transaction in a block": func(w *walLog) { w.frame(first); w.begin() },
		"no block":               func(w *walLog) { w.frame([]byte{'E'}) },
		"two first blocks":       func(w *walLog) { w.block(10, 1); w.block(10, 1) },
		"no first block":         func(w *walLog) { w.block(10, 0) },
		"block of nobody":        func(w *walLog) { w.block(0, 1) },
		"long stop":              func(w *walLog) { w.frame(first); w.frame([]byte{'E', 0}) },
		"commit of nobody":       func(w *walLog) { w.streamCommit(10) },
		"two commits":            func(w *walLog) { w.block(10, 1); w.streamCommit(10); w.streamCommit(10) },
		"commit in a block":      func(w *walLog) { w.frame(first); w.streamCommit(10) },
		"commit of the past":     func(w *walLog) { w.block(10, 1); w.keepalive(w.lsn+1000, 0); w.streamCommit(10) },
		"commit behind an abort": func(w *walLog) { w.frame(u32s('A', 10, 10)); w.streamCommit(10) },
		"abort in a block":       func(w *walLog) { w.frame(first); w.frame(u32s('A', 10, 10)) },
		"commit after an abort":  func(w *walLog) { w.block(10, 1); w.frame(u32s('A', 10, 10)); w.streamCommit(10) },
		"row without number":     func(w *walLog) { w.frame(first); w.frame([]byte{'I', 0, 0, 0}) },
		"unknown message":        func(w *walLog) { w.frame(first); w.frame([]byte{'x', 0, 0, 0, 10}) },
		"row of an unknown table": func(w *walLog) {
			w.block(10, 1, tagged(10, orderRow(1)))
			w.streamCommit(10)
		},
		"short row": func(w *walLog) {
			w.block(10, 1, tagged(10, describe(ordersOID)), tagged(10, orderRow(1)[:9]))
			w.streamCommit(10)
		},
		"empty row": func(w *walLog) {
			w.block(10, 1, tagged(10, []byte{'I'}))
			w.streamCommit(10)
		},
		"short relation": func(w *walLog) {
			w.block(10, 1, tagged(10, []byte{'R'}))
			w.streamCommit(10)
		},
		"relation of nothing": func(w *walLog) {
			w.block(10, 1, tagged(10, describe(ordersOID)[:7]))
			w.streamCommit(10)
		},
	} {
		w := newLog()
		write(w)
		if _, err := play(t, w.out, nil, 1<<20, 0, streaming); !fault.Is(err, fault.Decode) || !fault.IsFinal(err) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// An abort of what was never sent is no news, and what follows is read.
func TestStreamedAbortWithoutBlocks(t *testing.T) {
	w := newLog()
	w.frame(u32s('A', 10, 11))
	w.frame(u32s('A', 10, 10))
	w.block(20, 1, tagged(20, describe(ordersOID)), tagged(20, orderRow(1)))
	w.streamCommit(20)
	batches, err := play(t, w.out, nil, 1<<20, 0, streaming)
	if err != nil {
		t.Fatal(err)
	}
	if got := ids(batches); !slices.Equal(got, []int64{1}) {
		t.Errorf("rows %v, want 1", got)
	}
	w = newLog()
	w.frame(u32s('A', 10, 11))
	w.begin()
	w.relation(ordersOID, "public", "orders")
	w.insert(ordersOID, 10, 1)
	w.end()
	if batches, err = play(t, w.out, nil, 1<<20, 0); err != nil || !slices.Equal(ids(batches), []int64{1}) {
		t.Errorf("without streaming: rows %v, want 1: %v", ids(batches), err)
	}
}

func FuzzStreamed(f *testing.F) {
	f.Add(interleaved().send(0, 7))
	f.Add(interleaved().send(0, 1)[:3000])
	w := newLog()
	w.block(10, 1, tagged(10, describe(ordersOID)), tagged(11, orderRow(1)), tagged(10, rowMessage('U', ordersOID, 'K', tuple("1", nil, nil), 'N', tuple("2", "v", "\x00"))))
	w.frame(u32s('A', 10, 11))
	w.block(10, 0, tagged(10, widened()), tagged(10, wideRow(1)), tagged(12, append([]byte{'M', 1, 0, 0, 0, 0, 0, 0, 0, 1, 'q', 0}, 0, 0, 0, 0)))
	w.streamCommit(10)
	f.Add(w.out)
	// Whatever comes, the stream ends with an error, without a panic, and leaves nothing open.
	f.Fuzz(func(t *testing.T, log []byte) {
		if len(log) > 128<<10 {
			return
		}
		s, _, _ := memStream(t, &memConn{data: log}, nil, minBatchBytes)
		streaming(s, nil)
		s.cfg.OnTruncate, s.cfg.Messages = truncateNote, true
		s.spool.create = func(string) (spoolFile, error) { return &memFile{}, nil }
		out := make(chan *changelog.Batch, 8192) // more than fit: nobody reads while the stream runs
		s.out = out
		if err := s.run(t.Context()); err == nil {
			t.Error("the stream ended by itself")
		}
		held := 0
		for _, x := range s.spool.open {
			held += openSize + x.aborted.size()
		}
		if s.spool.used+len(s.spool.free)*lastChunk > max(s.spool.limit, held+firstChunk) {
			t.Errorf("%d bytes are in memory", s.spool.used)
		}
		s.close()
		if s.spool.used != 0 || len(s.spool.open) > 0 {
			t.Errorf("%d bytes of %d transactions are kept", s.spool.used, len(s.spool.open))
		}
		for len(out) > 0 {
			(<-out).Release()
		}
	})
}
