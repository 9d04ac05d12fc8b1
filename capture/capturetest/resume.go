package capturetest

import (
	"fmt"

	"cdcbridge/changelog"
	"cdcbridge/internal/fault"
)

// sameChanges compares what a replay brought with what came the first time, bit for bit.
func (b *bench) sameChanges(what string, got *recording, want []change) {
	b.Helper()
	for i := range min(len(got.changes), len(want)) {
		if got.changes[i].full != want[i].full {
			b.Fatalf("%s, change %d:\ngot  %s\nwant %s", what, i, got.changes[i].full, want[i].full)
		}
	}
	if len(got.changes) != len(want) {
		b.Fatalf("%s: %d changes, want %d", what, len(got.changes), len(want))
	}
}

// resumes opens the stream at every checkpoint of a complete recording, in their order: what comes is exactly what came after
// it. A checkpoint is durable when a source is opened at it, so the server need not keep the log before it any more.
func (b *bench) resumes(o Options, ref *recording) {
	b.Helper()
	for i, cp := range ref.checkpoints {
		if ref.after[i] == len(ref.changes) {
			break
		}
		b.sameChanges(fmt.Sprintf("resuming at %s", cp.Pos), b.record(o, cp), ref.changes[ref.after[i]:])
	}
}

// startIsResolved opens without a checkpoint and at the answer, which reads nothing; changes after it come, all of them.
func startIsResolved(b *bench) {
	first := b.mustOpen(b.options(), changelog.Checkpoint{})
	if first.from.Pos == "" {
		b.Fatal("Open did not resolve the start")
	}
	if st := first.src.Stats(); st.Changes != 0 || st.Transactions != 0 || !st.Connected {
		b.Errorf("Open has read: %+v", st)
	}
	first.close()
	b.exec("INSERT INTO " + b.table("a") + " VALUES (1,'after the first open')")
	second := b.mustOpen(b.options(), first.from)
	if second.from.Pos != first.from.Pos {
		b.Errorf("Open at %s answered %s", first.from.Pos, second.from.Pos)
	}
	b.exec("INSERT INTO " + b.table("a") + " VALUES (2,'while it is open')")
	b.finish()
	got, err := second.stream(b.complete)
	if err != nil {
		b.Fatal(err)
	}
	b.wantTransactions(got, [][]string{{"insert a 1,after the first open"}, {"insert a 2,while it is open"}})
}

// workload is small transactions around a large one over captured tables and one that is not, which changes rows of its own.
func (b *bench) workload() {
	b.Helper()
	t, u, x := b.table("a"), b.table("b"), b.foreign("a")
	b.exec("INSERT INTO "+t+" VALUES (-1,'first')", "INSERT INTO "+u+" VALUES (-1,'first')")
	b.exec("BEGIN", fill(t, 0, 400, 60), fill(u, 0, 300, 80), fill(x, 0, 200, 50), "UPDATE "+t+" SET v=CONCAT(v,'!') WHERE id < 200", "SAVEPOINT s", fill(u, 5000, 50, 80),
		"ROLLBACK TO SAVEPOINT s", "DELETE FROM "+u+" WHERE id < 50", "UPDATE "+u+" SET id=id+2000 WHERE id < 100", fill(u, 1000, 100, 40), "COMMIT")
	b.exec("INSERT INTO "+t+" VALUES (-2,'between')", "INSERT INTO "+x+" VALUES (5000,'z')")
	b.exec("BEGIN", fill(u, 3000, 200, 100), "DELETE FROM "+t+" WHERE id >= 300", "COMMIT")
	b.exec("INSERT INTO " + u + " VALUES (-2,'last')")
	b.finish()
}

// wantOutcome compares the workload's changes with what it did.
func (b *bench) wantOutcome(got *recording) {
	b.Helper()
	all := got.transactions()
	counts := make([]int, len(all))
	for i := range all {
		counts[i] = len(all[i])
	}
	if want := []int{1, 1, 400 + 300 + 201 + 51 + 50 + 100, 1, 200 + 100, 1}; fmt.Sprint(counts) != fmt.Sprint(want) {
		b.Fatalf("transactions of %v changes, want %v", counts, want)
	}
}

// sameStreamAgain streams twice from one checkpoint, with batches of other sizes too: changes and ordinals are the same.
func sameStreamAgain(b *bench) {
	start := b.start(b.options())
	b.workload()
	ref := b.record(b.options(), start)
	b.wantOutcome(ref)
	b.sameChanges("a second time", b.record(b.options(), start), ref.changes)
	b.sameChanges("in small batches", b.record(b.small(), start), ref.changes)
}

// resumeEverywhere opens the stream at every checkpoint that it gave, between transactions and within one.
func resumeEverywhere(b *bench) {
	o := b.small()
	start := b.start(o)
	b.workload()
	ref := b.record(o, start)
	b.wantOutcome(ref)
	if len(ref.middles()) < 5 {
		b.Fatalf("%d of %d batches are parts: the large transaction was not split", len(ref.middles()), ref.batches)
	}
	if ref.largest > 3*o.Batch {
		b.Errorf("a batch has %d bytes where %d are enough", ref.largest, o.Batch)
	}
	b.resumes(o, ref)
}

// batchSizesAreFree resumes within a transaction with batches of other sizes than those that the checkpoint comes from.
func batchSizesAreFree(b *bench) {
	o := b.small()
	start := b.start(o)
	b.workload()
	ref := b.record(o, start)
	middle := ref.middles()[len(ref.middles())/2]
	for _, size := range []int{o.Batch / 2, 4 * o.Batch, 0} {
		o.Batch = size
		b.sameChanges(fmt.Sprintf("with batches of %d bytes", size), b.record(o, ref.checkpoints[middle]), ref.changes[ref.after[middle]:])
	}
}

// oneBatchAnAttempt ends every attempt after its first batch with changes: checkpoints of resumed streams are as good as the
// first stream's.
func oneBatchAnAttempt(b *bench) {
	o := b.options()
	o.Batch = 48 << 10
	start := b.start(o)
	b.workload()
	ref := b.record(o, start)
	var all []change
	at, attempts := start, 0
	for ; len(all) < len(ref.changes) && attempts < 3*ref.batches; attempts++ {
		got, err := b.collect(o, at, func(r *recording) bool { return len(r.changes) > 0 })
		if err != nil {
			b.Fatalf("attempt %d at %s: %v", attempts, at.Pos, err)
		}
		all, at = append(all, got.changes...), got.last()
	}
	b.sameChanges(fmt.Sprintf("%d attempts", attempts), &recording{changes: all}, ref.changes)
	if attempts < 8 {
		b.Errorf("all came in %d batches", attempts)
	}
}

// largeRows has rows that are larger than a batch should be: each leaves by itself and can be resumed after.
func largeRows(b *bench) {
	o := b.options()
	o.Batch = 8 << 10
	start := b.start(o)
	t := b.table("a")
	b.exec("BEGIN", fill(t, 0, 3, 16000), "UPDATE "+t+" SET id=id+10", fill(t, 0, 1, 10), "COMMIT")
	b.exec(fill(t, 100, 2, 16000), "DELETE FROM "+t+" WHERE id >= 100")
	b.finish()
	ref := b.record(o, start)
	if got := ref.transactions(); len(got) != 3 || len(got[0]) != 7 || len(got[1]) != 2 || len(got[2]) != 2 {
		b.Fatalf("got %q", got)
	}
	if len(ref.middles()) < 4 {
		b.Errorf("%d parts", len(ref.middles()))
	}
	b.resumes(o, ref)
}

// replayDiffers resumes within a transaction whose rows are other ones than the checkpoint says.
func replayDiffers(b *bench) {
	o := b.small()
	start := b.start(o)
	b.workload()
	ref := b.record(o, start)
	middle := ref.checkpoints[ref.middles()[2]]
	tampered := b.db.Tampered(middle.Pos)
	if len(tampered) == 0 {
		b.Fatalf("there is no position that differs from %s", middle.Pos)
	}
	for _, pos := range tampered {
		if f := b.refused("resuming at "+string(pos), b.endOf(o, changelog.Checkpoint{Pos: pos, State: middle.State}), fault.ReplayDiffers); !f.Final {
			b.Errorf("at %s: %v is not final", pos, f)
		}
	}
}

// endOf opens at a checkpoint and reads whatever comes, right or not, until the stream ends.
func (b *bench) endOf(o Options, at changelog.Checkpoint) error {
	b.Helper()
	a, err := b.open(o, at)
	if err != nil {
		return err
	}
	defer a.close()
	r := a.run()
	defer r.cancel()
	for {
		select {
		case batch := <-r.out:
			batch.Release()
		case err := <-r.failed:
			return err
		}
	}
}
