package mysql

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"cdcbridge/capture/capturetest"
	"cdcbridge/changelog"
	"cdcbridge/internal/fault"
)

// oneRowTransactions is n transactions of one row, as OLTP traffic is: five events each.
func oneRowTransactions(n int) []byte {
	w := newLog()
	for i := range n {
		w.begin()
		w.tableMap("shop", "orders")
		w.insert("orders", 40, int64(i))
		w.xid()
	}
	return w.out
}

func TestStreamWholeTransactions(t *testing.T) {
	log := oneRowTransactions(1000)
	for _, chunk := range []int{0, 1, 7, 100, 4096} {
		batches, err := play(t, log, nil, 16<<10, chunk)
		if err != nil {
			t.Fatal(err)
		}
		if got := ids(batches); !slices.Equal(got, span(0, 1000)) {
			t.Fatalf("chunks of %d: %d rows", chunk, len(got))
		}
		for i, b := range batches {
			if b.Size() > 20<<10 || b.InTxn() || b.Drained != (i == len(batches)-1) {
				t.Errorf("batch %d has %d bytes, drained %v", i, b.Size(), b.Drained)
			}
			last := b.Txns[len(b.Txns)-1]
			if want := fmt.Sprintf(`"gtids":"%s:1-%d"`, uuidA, b.Changes[len(b.Changes)-1].After[0].Int()+1); !strings.Contains(string(b.Next.Pos), want[:len(want)-1]) && !strings.HasSuffix(last.ID, ":1") {
				t.Errorf("%s lacks %s", b.Next.Pos, want)
			}
			for j, x := range b.Txns {
				if !x.First || !x.Last || x.Commit != 1_700_000_000_000_005 || x.Origin.ServerID != 77 || x.Origin.Thread != 9 || x.Origin.GTID != x.ID || b.Runs[j].Txn != j || b.Runs[j].Time != 1_700_000_000_000_000 {
					t.Fatalf("%+v, %+v", x, b.Runs[j])
				}
			}
		}
	}
}

// TestStreamParts cuts a transaction at every size and replays it from every position.
func TestStreamParts(t *testing.T) {
	w := newLog()
	w.begin()
	w.tableMap("shop", "a")
	w.insert("a", 10, 1)
	w.xid()
	w.begin()
	w.tableMap("shop", "a")
	w.tableMap("shop", "b")
	w.tableMap("shop", "not")
	for i := range int64(60) {
		w.insert([]string{"a", "b", "not"}[i%3], 200, 1000*i, 1000*i+1, 1000*i+2)
	}
	w.xid()
	w.begin()
	w.tableMap("shop", "b")
	w.insert("b", 10, 99)
	w.xid()
	for _, size := range []int{minBatchBytes, 8 << 10, 20 << 10, 1 << 20} {
		batches, err := play(t, w.out, nil, size, 0)
		if err != nil {
			t.Fatal(err)
		}
		all := ids(batches)
		if len(all) != 122 {
			t.Fatalf("%d rows", len(all))
		}
		index := map[string]uint64{}
		for _, b := range batches {
			if err := capturetest.CheckDone(b); err != nil {
				t.Fatal(err)
			}
			if len(b.Txns) > 1 && slices.ContainsFunc(b.Txns, func(x changelog.Txn) bool { return !x.First || !x.Last }) {
				t.Errorf("a part shares its batch: %+v", b.Txns)
			}
			for _, r := range b.Runs {
				for _, c := range b.Changes[r.From:r.To] {
					id := b.Txns[r.Txn].ID
					if c.Index != index[id] || c.TableIndex != index[id+r.Table.Name] {
						t.Fatalf("%s: ordinal %d, %d after %d, %d", id, c.Index, c.TableIndex, index[id], index[id+r.Table.Name])
					}
					index[id]++
					index[id+r.Table.Name]++
				}
			}
		}
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
			// A server sends what the set lacks.
			if done > 0 && done < len(all) {
				again, err := play(t, without(w.out, p.gtids.(*gtidSet)), p, 10<<10, 0)
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

// without leaves out the transactions that are in the set, as a server does.
func without(log []byte, set *gtidSet) []byte {
	var out []byte
	skip, seq := false, uint8(1)
	for p := log; len(p) > 0; {
		n := 4 + (int(p[0]) | int(p[1])<<8 | int(p[2])<<16)
		e := p[5:n]
		p = p[n:]
		if eventType(e[4]) == eventGTID {
			g, _ := parseGTID(e[headerSize : len(e)-checksumSize])
			skip = set.contains(gtidSource{uuid: g.UUID}, g.GNO)
		}
		if !skip {
			out = append(out, byte(n-4), byte((n-4)>>8), byte((n-4)>>16), seq, 0)
			out = append(out, e...)
			seq++
		}
	}
	return out
}

func TestStreamRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		write func(*logWriter)
		code  fault.Code
	}{
		"unknown event":     {func(w *logWriter) { w.begin(); w.event(99, []byte("x")) }, fault.Decode},
		"unknown statement": {func(w *logWriter) { w.gtid(); w.query("FROBNICATE t") }, fault.Decode},
		"incident":          {func(w *logWriter) { w.event(eventIncident, []byte{1, 0, 0}) }, fault.Incident},
		"rows alone":        {func(w *logWriter) { w.tables["a"] = 5; w.insert("a", 1, 1) }, fault.Decode},
		"no table map":      {func(w *logWriter) { w.begin(); w.tables["a"] = 5; w.insert("a", 1, 1) }, fault.Decode},
		"no end":            {func(w *logWriter) { w.begin(); w.begin() }, fault.Decode},
		"dml":               {func(w *logWriter) { w.begin(); w.query("UPDATE t SET a=1") }, fault.StatementDML},
		"dml by function":   {func(w *logWriter) { w.gtid(); w.query("SELECT f()") }, fault.StatementDML},
		"load data": {func(w *logWriter) {
			w.begin()
			w.event(eventExecuteLoadQuery, append(make([]byte, 26), "\x00LOAD DATA INFILE 'x' INTO TABLE shop.t"...))
		}, fault.StatementDML},
		"partial rows": {func(w *logWriter) {
			w.begin()
			w.tableMap("shop", "a")
			w.event(eventPartialUpdateRows, []byte{100, 0, 0, 0, 0, 0, 1, 0, 2, 0, 2, 0xff, 0xff})
		}, fault.SourceSettings},
		"xid alone":      {func(w *logWriter) { w.xid() }, fault.Decode},
		"lost savepoint": {func(w *logWriter) { w.begin(); w.query("ROLLBACK TO s") }, fault.Decode},
		"unknown engine": {func(w *logWriter) { w.begin(); w.tableMap("shop", "a"); w.insert("a", 1, 1); w.query("ROLLBACK") }, fault.SchemaUnknown},
		"xa from before": {func(w *logWriter) { w.gtid(); w.query("XA COMMIT X'31',X'',1") }, fault.Diverged},
		"sequence":       {func(w *logWriter) { w.seq++; w.begin() }, fault.Source},
		"server's error": {func(w *logWriter) {
			w.out = append(w.out, 19, 0, 0, w.seq, 0xff, 0xd4, 0x04, '#')
			w.out = append(w.out, "HY000some error"...)
		}, fault.Source},
		"anonymous": {func(w *logWriter) { w.event(eventAnonymousGTID, make([]byte, 25)) }, fault.SourceSettings},
		"file within a transaction": {func(w *logWriter) {
			w.begin()
			w.event(eventRotate, append([]byte{4, 0, 0, 0, 0, 0, 0, 0}, "binlog.000002"...))
		}, fault.Decode},
	} {
		w := newLog()
		c.write(w)
		_, err := play(t, w.out, nil, 1<<20, 0)
		if !fault.Is(err, c.code) {
			t.Errorf("%s: %v, want %s", name, err, c.code)
		}
	}
	// A flag says which unknown events may be passed over.
	w := newLog()
	w.begin()
	w.pos += headerSize + 1 + checksumSize
	w.packet(w.raw(99, []byte("x"), w.pos, flagIgnorable))
	w.tableMap("shop", "a")
	w.insert("a", 1, 7)
	w.xid()
	batches, err := play(t, w.out, nil, 1<<20, 0)
	if err != nil || !slices.Equal(ids(batches), []int64{7}) {
		t.Error(err, ids(batches))
	}
}

// TestStreamDamage flips every byte of a small log: the stream ends with a fault, or the byte was not part of an event.
func TestStreamDamage(t *testing.T) {
	w := newLog()
	w.begin()
	w.tableMap("shop", "a")
	w.insert("a", 30, 1, 2)
	w.xid()
	first := bytes.Index(w.out, []byte("a\x00\x02"))
	for i := first; i < len(w.out); i++ {
		log := bytes.Clone(w.out)
		log[i] ^= 0x10
		batches, err := play(t, log, nil, 1<<20, 0)
		if err == nil && len(ids(batches)) > 0 {
			t.Fatalf("byte %d: nothing was noticed", i)
		}
	}
}

func TestStreamBigFiles(t *testing.T) {
	w := newLog()
	w.pos = 1<<32 - 60 // the server left out what we have
	for i := range int64(3) {
		w.begin()
		w.tableMap("shop", "a")
		w.insert("a", 30, i)
		w.xid()
	}
	batches, err := play(t, w.out, nil, 1<<20, 0)
	if err != nil {
		t.Fatal(err)
	}
	p, err := parsePosition(batches[0].Next.Pos)
	if err != nil || p.pos != 1<<32|uint64(w.pos) || batches[0].Runs[2].Pos < 1<<32 {
		t.Errorf("%s, runs %+v", batches[0].Next.Pos, batches[0].Runs)
	}
}

func TestSteadyStateAllocatesNothingPerRow(t *testing.T) {
	const n = 20000
	log := oneRowTransactions(n)
	allocs := testing.Benchmark(func(b *testing.B) {
		for range b.N {
			streamAll(b, log)
		}
	}).AllocsPerOp()
	t.Logf("%.4f allocations a transaction", float64(allocs)/n)
	if allocs > n/20 {
		t.Errorf("%d allocations for %d transactions", allocs, n)
	}
}

func streamAll(tb testing.TB, log []byte) {
	s, out := memStream(tb, log, nil, 256<<10, 0)
	done := make(chan int)
	go func() {
		n := 0
		for b := range out {
			n += len(b.Changes)
			b.Release()
		}
		done <- n
	}()
	_ = s.run(context.Background())
	close(out)
	s.close()
	if n := <-done; n == 0 {
		tb.Fatal("no rows")
	}
}

func BenchmarkOneRowTransactions(b *testing.B) {
	const n = 50000
	log := oneRowTransactions(n)
	b.SetBytes(int64(len(log)))
	b.ReportAllocs()
	for b.Loop() {
		streamAll(b, log)
	}
	b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "txn/s")
}

func BenchmarkForeignTransactions(b *testing.B) {
	w := newLog()
	const n = 50000
	for i := range int64(n) {
		w.begin()
		w.tableMap("other", "t")
		w.insert("t", 40, i)
		w.xid()
	}
	w.begin()
	w.tableMap("shop", "t2")
	w.insert("t2", 4, 1)
	w.xid()
	b.ReportAllocs()
	for b.Loop() {
		streamAll(b, w.out)
	}
	b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "txn/s")
}

func FuzzStream(f *testing.F) {
	f.Add(oneRowTransactions(2))
	w := newLog()
	w.gtid()
	w.query("XA START X'31',X'',1")
	w.tableMap("shop", "a")
	w.insert("a", 5, 1)
	w.query("XA END X'31',X'',1")
	w.event(eventXAPrepare, []byte{0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, '1'})
	w.gtid()
	w.query("XA COMMIT X'31',X'',1")
	f.Add(w.out)
	// Whatever comes, the stream ends with an error and without a panic. Checksums are right, or nothing would be reached.
	f.Fuzz(func(t *testing.T, log []byte) {
		done := make(chan struct{})
		time.AfterFunc(10*time.Second, func() {
			select {
			case <-done:
			default:
				panic("the stream hangs")
			}
		})
		_, _ = play(t, resummed(log), nil, minBatchBytes, 0)
		close(done)
	})
}

// resummed mends sequence numbers, sizes and checksums.
func resummed(log []byte) []byte {
	w := &logWriter{seq: 1}
	for p := log; len(p) >= 5; {
		n := min(len(p), 4+(int(p[0])|int(p[1])<<8|int(p[2])<<16))
		if n >= 5+headerSize+checksumSize {
			e := p[5:n]
			w.ticks = 1
			w.pos = 0
			w.packet(w.raw(eventType(e[4]), e[headerSize:len(e)-checksumSize], 0, 0))
		}
		p = p[max(n, 1):]
	}
	return w.out
}
