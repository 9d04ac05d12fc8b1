package postgres

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pglogrepl"

	"cdcbridge/capture/capturetest"
	"cdcbridge/changelog"
	"cdcbridge/internal/fault"
)

// oneRowTransactions is n transactions of one row, as OLTP traffic is: three messages each.
func oneRowTransactions(n int) *walLog {
	w := newLog()
	w.gap = 1 << 10
	for i := range n {
		w.begin()
		if i == 0 {
			w.relation(ordersOID, "public", "orders")
		}
		w.insert(ordersOID, 40, int64(i))
		w.end()
	}
	return w
}

func TestStreamWholeTransactions(t *testing.T) {
	w := oneRowTransactions(1000)
	for _, chunk := range []int{0, 1, 7, 100, 4096} {
		batches, err := play(t, w.out, nil, 16<<10, chunk)
		if err != nil {
			t.Fatal(err)
		}
		if got := ids(batches); !slices.Equal(got, span(0, 1000)) {
			t.Fatalf("chunks of %d: %d rows", chunk, len(got))
		}
		last := uint64(0)
		for i, b := range batches {
			if b.Size() > 20<<10 || b.InTxn() || b.Drained != (i == len(batches)-1) {
				t.Errorf("batch %d has %d bytes, drained %v", i, b.Size(), b.Drained)
			}
			x := b.Txns[len(b.Txns)-1]
			if want := fmt.Sprintf(`"lsn":"%s"`, pglogrepl.LSN(x.Origin.Pos+48)); !strings.Contains(string(b.Next.Pos), want) {
				t.Errorf("%s lacks %s", b.Next.Pos, want)
			}
			for j, x := range b.Txns {
				r := b.Runs[j]
				if x.ID != fmt.Sprintf("%d:%d", x.Origin.XID, x.Origin.Pos) || x.Origin.LastCommit != last || x.Commit != postgresEpoch+int64(x.Origin.XID)*1000 {
					t.Fatalf("%+v after %d", x, last)
				}
				if !x.First || !x.Last || r.Txn != j || r.Time != x.Commit || r.Pos != b.Changes[j].Pos || r.Pos == 0 || r.Pos >= x.Origin.Pos {
					t.Fatalf("%+v, %+v", x, r)
				}
				last = x.Origin.Pos + 48 // behind the commit record
			}
		}
	}
}

// bigLog has a transaction of 180 captured rows of two tables and 60 of another, between two small ones.
func bigLog() *walLog {
	w := newLog()
	w.begin()
	w.relation(ordersOID, "public", "orders")
	w.insert(ordersOID, 10, 1)
	w.end()
	w.begin()
	w.relation(itemsOID, "public", "items")
	w.relation(otherOID, "public", "other")
	for i := range int64(240) {
		w.insert([]uint32{ordersOID, ordersOID, itemsOID, otherOID}[i%4], 200, 1000+i)
	}
	w.end()
	w.begin()
	w.insert(itemsOID, 10, 99)
	w.end()
	return w
}

// TestStreamParts cuts a transaction at every size and replays it from every position.
func TestStreamParts(t *testing.T) {
	w := bigLog()
	for _, size := range []int{minBatchBytes, 8 << 10, 20 << 10, 1 << 20} {
		batches, err := play(t, w.out, nil, size, 0)
		if err != nil {
			t.Fatal(err)
		}
		all := ids(batches)
		if len(all) != 182 {
			t.Fatalf("%d rows", len(all))
		}
		ordinals(t, batches)
		done := 0
		for _, b := range batches {
			done += len(b.Changes)
			p, err := parsePosition(b.Next.Pos)
			if err != nil {
				t.Fatal(err)
			}
			if b.InTxn() != (p.txn != nil) {
				t.Fatalf("%s after %+v", b.Next.Pos, b.Txns)
			}
			if done == 0 || done == len(all) {
				continue
			}
			for _, smaller := range []int{minBatchBytes, 10 << 10} {
				again, err := play(t, w.resumed(p), p, smaller, 0)
				if err != nil || !slices.Equal(ids(again), all[done:]) {
					t.Fatalf("size %d, from %s: %v, %d rows, want %d", size, b.Next.Pos, err, len(ids(again)), len(all)-done)
				}
				for _, b := range again {
					if err := capturetest.CheckDone(b); err != nil {
						t.Fatal(err)
					}
				}
			}
		}
	}
}

// resumed is the log from a position with the relations that a new walsender sends again.
func (w *walLog) resumed(p *position) []byte {
	rest := w.from(p.lsn)
	if len(rest) == len(w.out) {
		return rest
	}
	again := newLog()
	begin := frameHead + int(binary.BigEndian.Uint32(rest[1:])) - 4
	again.out = append(again.out, rest[:begin]...)
	again.relation(ordersOID, "public", "orders")
	again.relation(itemsOID, "public", "items")
	return append(again.out, rest[begin:]...)
}

// ordinals checks that changes are numbered within their transactions and tables, and that parts are alone.
func ordinals(t *testing.T, batches []*changelog.Batch) {
	t.Helper()
	index := map[string]uint64{}
	for _, b := range batches {
		if len(b.Txns) > 1 && slices.ContainsFunc(b.Txns, func(x changelog.Txn) bool { return !x.First || !x.Last }) {
			t.Errorf("a part shares its batch: %+v", b.Txns)
		}
		if err := capturetest.CheckDone(b); err != nil {
			t.Fatal(err)
		}
		covered := 0
		for _, r := range b.Runs {
			if r.From != covered || r.To <= r.From {
				t.Fatalf("run %d-%d after change %d", r.From, r.To, covered)
			}
			covered = r.To
			for _, c := range b.Changes[r.From:r.To] {
				id := b.Txns[r.Txn].ID
				if c.Index != index[id] || c.TableIndex != index[id+r.Table.Name] {
					t.Fatalf("%s: ordinal %d, %d after %d, %d", id, c.Index, c.TableIndex, index[id], index[id+r.Table.Name])
				}
				index[id]++
				index[id+r.Table.Name]++
			}
		}
		if covered != len(b.Changes) {
			t.Fatalf("runs cover %d of %d changes", covered, len(b.Changes))
		}
	}
}

// TestReplayDiffers changes what a begun transaction holds before it is read again.
func TestReplayDiffers(t *testing.T) {
	w := bigLog()
	batches, err := play(t, w.out, nil, 8<<10, 0)
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(batches, func(b *changelog.Batch) bool { return b.InTxn() })
	p, err := parsePosition(batches[i+2].Next.Pos)
	if err != nil || p.txn == nil {
		t.Fatal(p, err)
	}
	log := w.resumed(p)
	row := bytes.Index(log, []byte("1001"))
	other := bytes.Clone(log)
	other[row+3] = '9'
	later := newLog()
	later.lsn = uint64(p.txn.commit) + 100
	later.begin()
	lost := newLog()
	lost.keepalive(uint64(p.txn.commit)+1, 0)
	fewer := newLog()
	fewer.lsn, fewer.xid = w.places[1].commit-1<<20, 701
	fewer.begin()
	fewer.end()
	for name, log := range map[string][]byte{"another row": other, "another transaction": later.out, "none": lost.out, "fewer rows": fewer.out} {
		if _, err := play(t, log, p, 8<<10, 0); !fault.Is(err, fault.ReplayDiffers) || !fault.IsFinal(err) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := play(t, log, p, 8<<10, 0); err != nil {
		t.Error(err)
	}
}

func TestStreamRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		write func(*walLog)
		code  fault.Code
	}{
		"unknown message":      {func(w *walLog) { w.frame([]byte("xyz")) }, fault.Decode},
		"streamed transaction": {func(w *walLog) { w.frame([]byte{'S', 0, 0, 0, 1, 1}) }, fault.Decode},
		"two-phase slot":       {func(w *walLog) { w.frame([]byte{'b', 0, 0}) }, fault.SourceSettings},
		"row alone":            {func(w *walLog) { w.relation(ordersOID, "public", "orders"); w.insert(ordersOID, 1, 1) }, fault.Decode},
		"no relation":          {func(w *walLog) { w.begin(); w.insert(ordersOID, 1, 1) }, fault.Decode},
		"short row":            {func(w *walLog) { w.begin(); w.frame([]byte{'I', 0, 0}) }, fault.Decode},
		"no end":               {func(w *walLog) { w.begin(); w.begin() }, fault.Decode},
		"no begin":             {func(w *walLog) { w.begin(); w.end(); w.end() }, fault.Decode},
		"another end":          {func(w *walLog) { w.begin(); w.commit++; w.end() }, fault.Decode},
		"from the past":        {func(w *walLog) { w.lsn -= 2 << 20; w.begin() }, fault.Decode},
		"another column count": {func(w *walLog) {
			w.begin()
			w.relation(ordersOID, "public", "orders")
			w.frame(rowMessage('I', ordersOID, 'N', tuple("1")))
		}, fault.Decode},
		"truncate": {func(w *walLog) {
			w.begin()
			w.relation(ordersOID, "public", "orders")
			w.frame([]byte{'T', 0, 0, 0, 1, 0, 0, 0, 0x40, 0x10})
		}, fault.Diverged},
		"value": {func(w *walLog) {
			w.begin()
			w.relation(ordersOID, "public", "orders")
			w.frame(rowMessage('I', ordersOID, 'N', tuple("one", "v", "1")))
		}, fault.Decode},
		"binary value": {func(w *walLog) {
			w.begin()
			w.relation(ordersOID, "public", "orders")
			w.frame(rowMessage('I', ordersOID, 'N', []byte{0, 3, 'b', 0, 0, 0, 0}))
		}, fault.Decode},
		"delete without row": {func(w *walLog) {
			w.begin()
			w.relation(ordersOID, "public", "orders")
			w.frame(rowMessage('D', ordersOID, 'N', tuple("1", "v", "1")))
		}, fault.Decode},
		"full without catalog": {func(w *walLog) {
			w.begin()
			w.frame(relationMessage(ordersOID, "public", "orders", 'f'))
			w.insert(ordersOID, 1, 1)
		}, fault.SchemaUnknown},
		"unknown type": {func(w *walLog) {
			w.begin()
			w.frame(append(relationMessage(ordersOID, "public", "orders", 'd')[:len(relationMessage(ordersOID, "public", "orders", 'd'))-8], 0, 1, 0x11, 0x11, 0xff, 0xff, 0xff, 0xff))
			w.insert(ordersOID, 1, 1)
		}, fault.SchemaUnknown},
		"message outside":   {func(w *walLog) { w.frame(append([]byte{'M', 1, 0, 0, 0, 0, 0, 0, 0, 1, 'p', 0, 0, 0, 0, 1}, 'x')) }, fault.Decode},
		"another protocol":  {func(w *walLog) { w.out = append(w.out, "HTTP/1.1 400 Bad Request"...) }, fault.Source},
		"huge frame":        {func(w *walLog) { w.out = append(w.out, 'd', 0x7f, 0xff, 0xff, 0xff, 'w') }, fault.Source},
		"huge error":        {func(w *walLog) { w.out = append(w.out, 'E', 0x7f, 0xff, 0xff, 0xff, 'w') }, fault.Source},
		"short keepalive":   {func(w *walLog) { w.out = append(w.out, 'd', 0, 0, 0, 6, 'k', 0) }, fault.Source},
		"end of the stream": {func(w *walLog) { w.out = append(w.out, 'c', 0, 0, 0, 4) }, fault.Unreachable},
		"the server's shutdown": {func(w *walLog) {
			w.out = append(w.out, errorResponse("FATAL", "57P01", "terminating connection due to administrator command")...)
		}, fault.Unreachable},
	} {
		w := newLog()
		c.write(w)
		_, err := play(t, w.out, nil, 1<<20, 0, func(s *stream, _ *memCatalog) { s.cfg.Messages = true })
		if f := fault.As(err); f == nil || f.Code != c.code || f.Hint == "" {
			t.Errorf("%s: %v, want %s", name, err, c.code)
		}
	}
}

func errorResponse(severity, code, message string) []byte {
	b := append([]byte("S"+severity), 0)
	b = append(append(b, "V"+severity...), 0)
	b = append(append(b, "C"+code...), 0)
	b = append(append(b, "M"+message...), 0, 0)
	return append(binary.BigEndian.AppendUint32([]byte{'E'}, uint32(len(b)+4)), b...)
}

func TestKeepalivesMoveThePosition(t *testing.T) {
	w := newLog()
	w.keepalive(logStart-5, 0) // the server reads again what we have
	w.begin()
	w.keepalive(1<<40, 0) // not between two transactions
	w.relation(ordersOID, "public", "orders")
	w.insert(ordersOID, 10, 1)
	w.end()
	end := w.lsn
	batches, err := play(t, w.out, nil, 1<<20, 0)
	if err != nil || len(batches) != 1 {
		t.Fatal(len(batches), err)
	}
	if p, _ := parsePosition(batches[0].Next.Pos); uint64(p.lsn) != end || batches[0].Soon {
		t.Errorf("%s, want %s", batches[0].Next.Pos, pglogrepl.LSN(end))
	}
	w.keepalive(end+100, 0)
	if batches, err = play(t, w.out, nil, 1<<20, 0); err != nil || len(batches) != 1 {
		t.Fatal(len(batches), err)
	}
	if p, _ := parsePosition(batches[0].Next.Pos); uint64(p.lsn) != end+100 {
		t.Errorf("%s, want %s", batches[0].Next.Pos, pglogrepl.LSN(end+100))
	}
	// A server that shuts down waits for us, and one that keeps much log should not have to.
	for _, c := range []struct {
		end   uint64
		reply byte
		want  bool
	}{{100, 1, true}, {100, 0, false}, {idleGrowth, 0, true}, {0, 1, false}} {
		idle := newLog()
		idle.keepalive(logStart+c.end, c.reply)
		batches, err := play(t, idle.out, nil, 1<<20, 0)
		if err != nil || len(batches) > 1 || (len(batches) == 1) != c.want {
			t.Fatalf("%+v: %d batches, %v", c, len(batches), err)
		}
		for _, b := range batches {
			if p, _ := parsePosition(b.Next.Pos); !b.Empty() || !b.Drained || !b.Soon || uint64(p.lsn) != logStart+c.end {
				t.Errorf("%+v: %s, soon %v", c, b.Next.Pos, b.Soon)
			}
		}
	}
}

func TestBusyStreamMovesThePosition(t *testing.T) {
	w := newLog()
	for i := range int64(100) { // a MiB of log each
		w.begin()
		if i == 0 {
			w.relation(otherOID, "public", "other")
		}
		w.insert(otherOID, 10, i)
		w.end()
	}
	batches, err := play(t, w.out, nil, 1<<20, 0)
	if err != nil || len(batches) != 7 || !batches[0].Soon || !batches[0].Empty() || batches[5].Drained || !batches[6].Drained {
		t.Error(len(batches), err)
	}
}

func TestNoticeChecksPublications(t *testing.T) {
	w := newLog()
	b := errorResponse("WARNING", "55000", `skipped loading publication "p"`)
	b[0] = 'N'
	w.out = append(w.out, b...)
	gone := fault.NewFinal(fault.SourceSettings, "looking at the publications", nil, "make it again")
	var catalog *memCatalog
	if _, err := play(t, w.out, nil, 1<<20, 0, func(_ *stream, c *memCatalog) { catalog = c }); err != nil || catalog.looked.Load() != 1 {
		t.Error(err, catalog.looked.Load())
	}
	if _, err := play(t, w.out, nil, 1<<20, 0, func(_ *stream, c *memCatalog) { c.err = gone }); !fault.IsFinal(err) {
		t.Error(err)
	}
}

func FuzzStream(f *testing.F) {
	f.Add(oneRowTransactions(2).out)
	f.Add(bigLog().out[:4000])
	w := newLog()
	w.begin()
	w.relation(ordersOID, "public", "orders")
	w.frame(rowMessage('U', ordersOID, 'K', tuple("1", nil, nil), 'N', tuple("2", "v", "\x00")))
	w.frame(rowMessage('D', ordersOID, 'O', tuple("1", nil, nil)))
	w.frame([]byte{'T', 0, 0, 0, 1, 0, 0, 0, 0x40, 0x10})
	w.frame([]byte{'M', 1, 0, 0, 0, 0, 0, 0, 0, 1, 'q', 0, 0, 0, 0, 0})
	w.end()
	w.keepalive(w.lsn, 1)
	f.Add(append(w.out, errorResponse("FATAL", "57P01", "bye")...))
	// Whatever comes, the stream ends with an error and without a panic.
	f.Fuzz(func(t *testing.T, log []byte) {
		if len(log) > 128<<10 {
			return
		}
		s, _, _ := memStream(t, &memConn{data: log}, nil, minBatchBytes)
		defer s.close()
		s.cfg.OnTruncate, s.cfg.Messages = truncateNote, true
		out := make(chan *changelog.Batch, 4096) // more than fit: nobody reads while the stream runs
		s.out = out
		if err := s.run(context.Background()); err == nil {
			t.Error("the stream ended by itself")
		}
		for len(out) > 0 {
			(<-out).Release()
		}
	})
}
