package capturetest

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"time"

	"cdcbridge/changelog"
)

// drainedWhenIdle writes one change at a time: each comes soon, and its batch says that there is nothing more to wait for.
func drainedWhenIdle(b *bench) {
	a := b.mustOpen(b.options(), changelog.Checkpoint{})
	s := b.session()
	defer s.Close()
	n, written := 0, time.Now()
	write := func() {
		n, written = n+1, time.Now()
		b.run(s, fmt.Sprintf("INSERT INTO %s VALUES (%d,'x')", b.table("a"), n))
	}
	var waits []time.Duration
	write()
	_, err := a.stream(func(r *recording) bool {
		if len(r.changes) < n || !r.drained {
			return false
		}
		waits = append(waits, time.Since(written))
		if n == 20 {
			return true
		}
		write()
		return false
	})
	if err != nil {
		b.Fatal(err)
	}
	slices.Sort(waits)
	b.Logf("a lone change is drained after %v (median), %v (worst)", waits[len(waits)/2], waits[len(waits)-1])
	if waits[len(waits)/2] > time.Second {
		b.Error("that is not soon")
	}
}

// idlePositionsMove writes to a table that is not captured. The checkpoint follows, without a batch for each transaction, so
// that neither a restart reads it all again nor the server keeps it for us; resuming there misses nothing.
func idlePositionsMove(b *bench) {
	a := b.mustOpen(b.options(), changelog.Checkpoint{})
	wrote, stop := make(chan error, 1), make(chan struct{})
	s := b.session()
	defer s.Close()
	go func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				wrote <- nil
				return
			case <-time.After(20 * time.Millisecond):
			}
			if err := s.Exec(b.Context(), fmt.Sprintf("INSERT INTO %s VALUES (%d,'foreign')", b.foreign("a"), i)); err != nil {
				wrote <- err
				return
			}
		}
	}()
	begun := time.Now()
	got, err := a.stream(func(r *recording) bool { return r.moves() >= 2 && time.Since(begun) > 1500*time.Millisecond })
	close(stop)
	if err := errors.Join(err, <-wrote); err != nil {
		b.Fatal(err)
	}
	took := time.Since(begun)
	b.Logf("%d batches in %v of other tables' traffic", got.batches, took)
	if got.batches > 5+int(took/(100*time.Millisecond)) || len(got.changes) > 0 {
		b.Errorf("%d batches with %d changes", got.batches, len(got.changes))
	}
	a.close()
	b.exec("INSERT INTO " + b.table("a") + " VALUES (1,'after')")
	b.finish()
	for _, cp := range got.checkpoints {
		b.wantTransactions(b.record(b.options(), cp), [][]string{{"insert a 1,after"}})
	}
}

// moves counts how often the position changed.
func (r *recording) moves() (n int) {
	for i := range r.checkpoints {
		if i > 0 && r.checkpoints[i].Pos != r.checkpoints[i-1].Pos {
			n++
		}
	}
	return n
}

// backPressure does not read for longer than the server and the source wait for each other, while much is written. Memory
// stays small, the connection lives, and everything comes.
func backPressure(b *bench) {
	const txns, rows, width = 12, 1000, 2000 // 24 MB, more than sockets hold
	o := b.options()
	o.Batch = 256 << 10
	a := b.mustOpen(o, changelog.Checkpoint{})
	r := a.run()
	defer r.cancel()
	before := liveHeap()
	for i := range txns {
		b.exec(fill(b.table("a"), i*rows, rows, width))
	}
	b.finish()
	for range 10 {
		time.Sleep(500 * time.Millisecond)
		if grown := int64(liveHeap()) - int64(before); grown > 8<<20 {
			b.Fatalf("the heap grew by %d MiB where a batch has %d KiB", grown>>20, o.Batch>>10)
		}
	}
	got := newRecording(b.name+"_", a.from)
	for !b.complete(got) {
		select {
		case batch := <-r.out:
			err := got.add(batch)
			batch.Release()
			if err != nil {
				b.Fatalf("batch %d: %v", got.batches, err)
			}
		case err := <-r.failed:
			b.Fatalf("back-pressure ended the stream after %d changes: %v", len(got.changes), err)
		}
	}
	r.stop()
	if got.largest > 2*o.Batch || len(got.changes) != txns*rows+1 {
		b.Errorf("%d changes, the largest batch has %d bytes", len(got.changes), got.largest)
	}
	for i, c := range got.changes[:txns*rows] {
		if !strings.HasPrefix(c.brief, fmt.Sprintf("insert a %d,%s…(%d)", i, strings.Repeat(string(rune('a'+i%rows%26)), 8), width)) {
			b.Fatalf("change %d is %q", i, c.brief)
		}
	}
}

// liveHeap is what lives on the heap, bytes.
func liveHeap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// batchesKeepTheirMemory holds every second batch and releases the others: what is held never changes, whatever the source
// does next, and a checkpoint outlives its batch.
func batchesKeepTheirMemory(b *bench) {
	o := b.small()
	start := b.start(o)
	b.workload()
	ref := b.record(o, start)
	type held struct {
		batch *changelog.Batch
		from  int // its first change among all
	}
	var all []held
	var positions []changelog.Position // as they came
	a := b.mustOpen(o, start)
	r := a.run()
	defer r.cancel()
	got := newRecording(b.name+"_", a.from)
	for !b.complete(got) {
		select {
		case batch := <-r.out:
			from := len(got.changes)
			if err := got.add(batch); err != nil {
				b.Fatal(err)
			}
			if positions = append(positions, batch.Next.Pos); got.batches%2 == 0 {
				batch.Release()
			} else {
				all = append(all, held{batch, from})
			}
		case err := <-r.failed:
			b.Fatal(err)
		}
	}
	r.stop()
	a.close()
	for _, h := range all {
		again := newRecording(b.name+"_", start)
		if err := again.add(h.batch); err != nil {
			b.Fatalf("a batch that was held: %v", err)
		}
		b.sameChanges("a batch that was held", again, ref.changes[h.from:h.from+len(again.changes)])
		h.batch.Release()
	}
	if len(all) < 5 {
		b.Errorf("%d batches were held", len(all))
	}
	for i, pos := range positions {
		if pos != got.checkpoints[i].Pos {
			b.Errorf("the position %s became %s", got.checkpoints[i].Pos, pos)
		}
	}
}
