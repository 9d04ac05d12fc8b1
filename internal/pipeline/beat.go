package pipeline

import (
	"time"

	"cdcbridge/changelog"
)

// beat puts a Heartbeat note into the stream of batches as often as the outputs want one, in a batch of its own when no other
// comes. It belongs to the feeder.
type beat struct {
	every time.Duration // 0: never
	timer *time.Timer
	due   bool
	pos   changelog.Position // of the last batch
	inTxn bool               // that ends within a transaction
}

// newBeat begins with the position at which the attempt starts.
func newBeat(every time.Duration, start changelog.Position) *beat {
	b := &beat{every: every, pos: start}
	if every > 0 {
		b.timer = time.NewTimer(every)
	}
	return b
}

func (b *beat) stop() {
	if b.timer != nil {
		b.timer.Stop()
	}
}

// wait fires when the next note is due; nil: never.
func (b *beat) wait() <-chan time.Time {
	if b.timer == nil || b.due {
		return nil
	}
	return b.timer.C
}

// passes looks at a batch on its way and adds a note to it when one is due.
func (b *beat) passes(batch *changelog.Batch) {
	b.pos, b.inTxn = batch.Next.Pos, batch.InTxn()
	if b.timer == nil {
		return
	}
	select {
	case <-b.timer.C:
		b.due = true
	default:
	}
	if b.due {
		b.add(batch)
	}
}

// alone makes a batch that holds nothing but the note that is due; nil within a transaction, whose next batch has to take it.
func (b *beat) alone() *changelog.Batch {
	b.due = true
	if b.inTxn {
		return nil
	}
	batch := changelog.NewBatch()
	batch.Next.Pos, batch.Drained = b.pos, true
	b.add(batch)
	return batch
}

func (b *beat) add(batch *changelog.Batch) {
	batch.Notes = append(batch.Notes, changelog.Note{Kind: changelog.Heartbeat, At: len(batch.Changes), Txn: -1})
	b.due = false
	b.timer.Reset(b.every)
}
