package kafkawire

import (
	"cmp"
	"slices"
)

// CommittedRecords goes through the committed data records that Fetch with ReadCommitted answered for a partition: no record of an
// aborted transaction, no marker, nothing at or after the last stable offset. The zero one has no records.
type CommittedRecords struct {
	data       []byte
	lastStable int64
	offset     int64
	epoch      int32
	upcoming   []AbortedTxn // by offset
	aborting   map[int64]bool
	batch      Batch
	records    Records
	open       bool // records is in the middle of batch
	scratch    []byte
}

// Begin goes through an answer, beginning at offset, before which there is a batch of the leader epoch. scratch may be what End gave.
func (c *CommittedRecords) Begin(got *Fetched, offset int64, epoch int32, scratch []byte) {
	*c = CommittedRecords{data: got.Records, lastStable: got.LastStable, offset: offset, epoch: epoch, scratch: scratch}
	if len(got.Aborted) > 0 {
		c.upcoming = slices.Clone(got.Aborted)
		slices.SortFunc(c.upcoming, func(a, b AbortedTxn) int { return cmp.Compare(a.FirstOffset, b.FirstOffset) })
		c.aborting = map[int64]bool{}
	}
}

// End forgets the answer and gives the memory that another one can use.
func (c *CommittedRecords) End() (scratch []byte) {
	scratch = c.scratch
	*c = CommittedRecords{offset: c.offset, epoch: c.epoch}
	return scratch
}

// Offset is where reading goes on: behind the last record that Next gave, or behind everything once it has given no more.
func (c *CommittedRecords) Offset() int64 { return c.offset }

// Epoch is the leader epoch of the batch before Offset.
func (c *CommittedRecords) Epoch() int32 { return c.epoch }

// Next reads the next record but for its topic and partition; false at the end. Its bytes are valid until the next call.
func (c *CommittedRecords) Next(r *FetchedRecord) (bool, error) {
	for {
		for c.open && c.records.Next(r) {
			if r.Offset < c.offset {
				continue // batches are answered whole, also when reading begins in their middle
			}
			c.offset, c.epoch = r.Offset+1, c.batch.LeaderEpoch
			return true, nil
		}
		if c.open {
			if err := c.records.Err(); err != nil {
				return false, err
			}
			c.passed()
		}
		if more, err := c.openBatch(); err != nil || !more {
			return false, err
		}
	}
}

func (c *CommittedRecords) passed() {
	c.open = false
	c.offset, c.epoch = c.batch.LastOffset()+1, c.batch.LeaderEpoch
}

// openBatch finds the next batch with committed data.
func (c *CommittedRecords) openBatch() (bool, error) {
	for {
		b, rest, ok, err := NextBatch(c.data)
		if err != nil || !ok || b.BaseOffset >= c.lastStable {
			return false, err
		}
		c.data = rest
		if b.LastOffset() < c.offset {
			continue
		}
		c.batch = b
		for len(c.upcoming) > 0 && c.upcoming[0].FirstOffset <= b.LastOffset() {
			c.aborting[c.upcoming[0].ProducerID] = true
			c.upcoming = c.upcoming[1:]
		}
		switch {
		case b.Control:
			marker, err := b.Marker()
			if err != nil {
				return false, err
			}
			if marker == AbortMarker {
				delete(c.aborting, b.Producer.ID)
			}
			c.passed()
		case b.Transactional && c.aborting[b.Producer.ID]:
			c.passed()
		default:
			if c.records, c.scratch, err = c.batch.Records(c.scratch); err != nil {
				return false, err
			}
			c.open = true
			return true, nil
		}
	}
}
