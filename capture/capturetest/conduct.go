package capturetest

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"sync"
	"time"

	"cdcbridge/capture"
	"cdcbridge/changelog"
)

// promptly is how long a call may take that has nothing to wait for.
const promptly = 3 * time.Second

// goroutines are the stacks of all goroutines by their ids.
func goroutines() map[string]string {
	buf := make([]byte, 4<<20)
	all := map[string]string{}
	for _, stack := range strings.Split(string(buf[:runtime.Stack(buf, true)]), "\n\n") {
		id, _, _ := strings.Cut(strings.TrimPrefix(stack, "goroutine "), " ")
		all[id] = stack
	}
	return all
}

// leftOver waits until no goroutine is there that was not there before.
func (b *bench) leftOver(what string, before map[string]string) {
	b.Helper()
	for begun := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		left := ""
		for id, stack := range goroutines() {
			if _, ok := before[id]; !ok {
				left = stack
			}
		}
		if left == "" {
			return
		}
		if time.Since(begun) > promptly {
			b.Fatalf("%s left a goroutine behind:\n%s", what, left)
		}
	}
}

// within fails when what does not return promptly.
func (b *bench) within(what string, do func()) {
	b.Helper()
	begun := time.Now()
	do()
	if took := time.Since(begun); took > promptly {
		b.Errorf("%s took %v", what, took)
	}
}

// cancelAtAnyTime cancels while the source opens, connects, reads, waits for its reader and waits for the server. Stream
// returns the context's error, keeps nothing running, and leaves its channel open; Close works after everything.
func cancelAtAnyTime(b *bench) {
	o := b.small()
	start := b.start(o)
	b.workload()
	ended, cancel := context.WithCancel(b.Context())
	cancel()
	before := goroutines()
	b.within("Open with a context that has ended", func() {
		src := b.source(o)
		if _, err := src.Open(ended, start); err == nil {
			b.Error("Open with a context that has ended succeeded")
		}
		if err := src.Close(); err != nil {
			b.Errorf("closing: %v", err)
		}
	})
	b.leftOver("an Open that was cancelled", before)
	b.mustOpen(o, start).close()
	b.leftOver("a source that did not stream", before)
	for what, c := range map[string]struct {
		read  int // batches
		delay time.Duration
	}{
		"at once": {0, 0}, "after 1 ms": {0, time.Millisecond}, "after 5 ms": {0, 5 * time.Millisecond}, "while a batch waits for its reader": {0, 300 * time.Millisecond},
		"between two batches": {1, 0}, "while a part waits for its reader": {3, 100 * time.Millisecond}, "in the next part": {4, time.Millisecond}, "while idle": {1 << 20, 100 * time.Millisecond},
	} {
		b.cancelled(what, b.mustOpen(o, start), c.read, c.delay)
		b.leftOver("a stream that was cancelled "+what, before)
	}
	// A deadline is another way to end a context.
	a := b.mustOpen(o, start)
	late, cancel := context.WithTimeout(b.Context(), 50*time.Millisecond)
	defer cancel()
	if err := a.src.Stream(late, make(chan *changelog.Batch)); !errors.Is(err, context.DeadlineExceeded) {
		b.Errorf("a stream whose deadline has passed ended with %v", err)
	}
	a.close()
	b.leftOver("a stream whose deadline has passed", before)
	b.sameChanges("after all that", b.record(o, start), b.record(o, start).changes)
}

// cancelled reads some batches, or all, and cancels after a delay.
func (b *bench) cancelled(what string, a *attempt, read int, delay time.Duration) {
	b.Helper()
	r := a.run()
	defer r.cancel()
	got := newRecording(b.name+"_", a.from)
	for got.batches < read && !b.complete(got) {
		select {
		case batch := <-r.out:
			if err := got.add(batch); err != nil {
				b.Fatal(err)
			}
			batch.Release()
		case err := <-r.failed:
			b.Fatalf("before it was cancelled %s: %v", what, err)
		}
	}
	time.Sleep(delay)
	b.within("the end of a stream that was cancelled "+what, r.stop)
	select {
	case batch, open := <-r.out:
		b.Errorf("after a stream that was cancelled %s its channel gave %v, %v", what, batch, open)
	default:
	}
	a.close()
}

// acksAtAnyTime acknowledges every position, while the stream runs and after it, old ones, ones within a transaction, ones
// again and again, from several goroutines. That never blocks, and what was not acknowledged is still there.
func acksAtAnyTime(b *bench) {
	o := b.small()
	start := b.start(o)
	b.workload()
	ref := b.record(o, start)
	middle := ref.middles()[len(ref.middles())/2]
	a := b.mustOpen(o, start)
	ack := func(pos changelog.Position) {
		begun := time.Now()
		a.src.Ack(pos)
		if took := time.Since(begun); took > time.Second {
			b.Errorf("Ack took %v", took)
		}
	}
	ack(start.Pos)
	stop := make(chan struct{})
	var others sync.WaitGroup
	for range 2 {
		others.Go(func() {
			for {
				select {
				case <-stop:
					return
				case <-time.After(time.Millisecond):
					ack(start.Pos)
				}
			}
		})
	}
	got, err := a.stream(func(r *recording) bool {
		ack(r.last().Pos)
		if len(r.changes) <= ref.after[middle] || !r.within {
			return false
		}
		time.Sleep(time.Second) // in which the server learns it
		return true
	})
	if err != nil {
		b.Fatal(err)
	}
	ack(got.last().Pos)
	close(stop)
	others.Wait()
	ack(start.Pos)
	a.close()
	b.sameChanges("after acknowledging a part", b.record(o, got.last()), ref.changes[len(got.changes):])
	// The server has the time to learn it while the rest comes.
	a = b.mustOpen(o, got.last())
	ack(got.last().Pos)
	whole, err := a.stream(func(r *recording) bool {
		ack(r.last().Pos)
		return b.complete(r)
	})
	if err != nil {
		b.Fatal(err)
	}
	a.close()
	b.exec("INSERT INTO " + b.table("a") + " VALUES (9000,'after')")
	b.finish()
	b.wantTransactions(b.record(o, whole.last()), [][]string{{"insert a 9000,after"}})
}

// statsAtAnyTime asks for the counters before, during and after everything, from another goroutine too. They never fall, and
// in the end they say what came.
func statsAtAnyTime(b *bench) {
	o := b.small()
	start := b.start(o)
	b.workload()
	src := b.source(o)
	if st := src.Stats(); st.Connected || st.Changes != 0 {
		b.Errorf("before Open: %+v", st)
	}
	cp, err := src.Open(b.Context(), start)
	if err != nil {
		b.Fatal(err)
	}
	a := &attempt{b: b, src: src, from: cp}
	b.Cleanup(a.close)
	if st := src.Stats(); !st.Connected || st.Position == "" {
		b.Errorf("after Open: %+v", st)
	}
	stop, watched := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(watched)
		b.watchStats(src, stop)
	}()
	got, err := a.stream(b.complete)
	if err != nil {
		b.Fatal(err)
	}
	close(stop)
	<-watched
	end := src.Stats()
	if int(end.Changes) != len(got.changes) || int(end.Transactions) < len(got.txns) || end.Events < end.Transactions || end.Bytes < 1000 || end.Position == "" {
		b.Errorf("%d changes and %d transactions came, the source says %+v", len(got.changes), len(got.txns), end)
	}
	for what, micros := range map[string]int64{"EventTime": end.EventTime, "LastEvent": end.LastEvent} {
		if age := time.Since(time.UnixMicro(micros)); age < -time.Minute || age > time.Hour {
			b.Errorf("%s is %v ago", what, age)
		}
	}
	a.close()
	if st := src.Stats(); st.Changes != end.Changes {
		b.Errorf("after Close: %+v, before %+v", st, end)
	}
	b.caughtUp(o, got.last())
}

// watchStats checks that counters never fall.
func (b *bench) watchStats(src capture.Source, stop <-chan struct{}) {
	var last capture.Stats
	for {
		st := src.Stats()
		if st.Changes < last.Changes || st.Transactions < last.Transactions || st.Events < last.Events || st.Bytes < last.Bytes || st.EventTime < last.EventTime {
			b.Errorf("the counters fell from %+v to %+v", last, st)
		}
		last = st
		select {
		case <-stop:
			return
		case <-time.After(200 * time.Microsecond):
		}
	}
}

// caughtUp waits on an idle server until the source says so, and that it hears from the server.
func (b *bench) caughtUp(o Options, at changelog.Checkpoint) {
	b.Helper()
	a := b.mustOpen(o, at)
	defer a.close()
	r := a.run()
	defer r.cancel()
	for begun := time.Now(); ; {
		st := a.src.Stats()
		if st.CaughtUp && st.LastEvent > begun.Add(time.Second).UnixMicro() {
			r.stop() // it heard of a server that has had nothing to say for a second
			return
		}
		select {
		case batch := <-r.out:
			batch.Release()
		case err := <-r.failed:
			b.Fatalf("an idle stream ended with %v", err)
		case <-time.After(20 * time.Millisecond):
			if time.Since(begun) > patience/2 {
				b.Fatalf("on an idle server for %v: %+v", time.Since(begun), st)
			}
		}
	}
}
