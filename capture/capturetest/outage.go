package capturetest

import (
	"context"
	"fmt"
	"time"
)

// connectionCut cuts the connection while the source reads, waits for its reader, and waits for the server. Each time the
// stream ends with an error after which a new source goes on exactly.
func connectionCut(b *bench) {
	b.interrupted("a cut connection", b.db.Server.Disconnect)
}

// serverRestart is the same with a server that goes away and comes back.
func serverRestart(b *bench) {
	b.interrupted("a restart", b.db.Server.Restart)
}

func (b *bench) interrupted(what string, interrupt func(context.Context) error) {
	b.Helper()
	o := b.small()
	start := b.start(o)
	b.workload()
	ref := b.record(o, start)
	var all []change
	at := start
	// Among the parts of the large transaction, and when all is read and nothing comes.
	for _, changes := range []int{500, len(ref.changes)} {
		got := b.interruptedAt(what, b.mustOpen(o, at), changes-len(all), interrupt)
		if all = append(all, got.changes...); got.batches > 0 {
			at = got.last()
		}
	}
	b.sameChanges("over "+what, &recording{changes: all}, ref.changes)
	b.exec("INSERT INTO " + b.table("a") + " VALUES (9000,'after')")
	b.finish()
	b.wantTransactions(b.record(o, at), [][]string{{"insert a 9000,after"}})
}

// interruptedAt streams, acknowledging as a pipeline does, interrupts after some changes, and goes on reading until the stream
// ends.
func (b *bench) interruptedAt(what string, a *attempt, changes int, interrupt func(context.Context) error) *recording {
	b.Helper()
	defer a.close()
	r := a.run()
	defer r.cancel()
	got := newRecording(b.name+"_", a.from)
	interrupted := make(chan error, 1)
	begun := false
	for {
		if len(got.changes) >= changes {
			if !begun {
				begun = true
				go func() { interrupted <- interrupt(b.Context()) }()
			}
			time.Sleep(20 * time.Millisecond) // some parts are still to come when it happens
		}
		select {
		case batch := <-r.out:
			err := got.add(batch)
			batch.Release()
			if err != nil {
				b.Fatalf("batch %d: %v", got.batches, err)
			}
			a.src.Ack(got.last().Pos)
		case err := <-r.failed:
			if !begun {
				b.Fatalf("before %s: %v", what, err)
			}
			b.retried(fmt.Sprintf("the end of a stream by %s", what), err)
			if err := <-interrupted; err != nil {
				b.Fatalf("%s: %v", what, err)
			}
			return got
		}
	}
}
