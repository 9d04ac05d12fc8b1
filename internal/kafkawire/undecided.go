package kafkawire

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"

	"cdcbridge/internal/fault"
)

// UndecidedReader reads one partition to its very end, past the last stable offset, and tells committed records from others
// by the control batches of each record's own producer id, whatever their epoch. Somebody else's open transaction hides
// nothing from it, and it needs no knowledge of which producer ids were ours: KIP-890 changes them now and then.
//
// A control batch decides all earlier pending records of its producer id. Records outside transactions count at once. What
// is undecided at the end is not committed yet; a later call may emit it. It is for one goroutine.
type UndecidedReader struct {
	poller  poller
	keep    func(key []byte) bool
	pending map[int64][]heldRecord // by producer id, in the order of their offsets
	scratch []byte
	started bool

	committed int64 // producer id of the newest committed records; -1: there are none
}

// heldRecord is a copy of a record whose transaction is undecided.
type heldRecord struct {
	offset, timestamp int64
	key, value        []byte
	headers           []byte
	headerCount       int
}

// undecidedFetchBytes is the size of a fetch: the whole partition is read at each start, and memory is counted.
const undecidedFetchBytes = 4 << 20

// NewUndecidedReader makes a reader of the whole partition. Records whose key keep refuses are dropped at once, so that
// other pipelines' records take no memory; keep may be nil.
func (c *Client) NewUndecidedReader(at TopicPartition, keep func(key []byte) bool) *UndecidedReader {
	return &UndecidedReader{
		poller: poller{
			client:    c,
			isolation: ReadUncommitted,
			wait:      defaultFetchWait,
			maxBytes:  undecidedFetchBytes,
			partBytes: undecidedFetchBytes,
			cursors:   []cursor{newCursor(at, 0)},
		},
		keep:      keep,
		pending:   map[int64][]heldRecord{},
		committed: -1,
	}
}

// From makes a reader that has read nothing yet begin at an offset, from which on it must know everything that it is to decide.
func (u *UndecidedReader) From(offset int64) *UndecidedReader {
	u.poller.cursors[0].Offset, u.started = offset, true
	return u
}

// Offset is the next offset to read.
func (u *UndecidedReader) Offset() int64 { return u.poller.cursors[0].Offset }

// Pending is the number of records that wait for their control batch.
func (u *UndecidedReader) Pending() int {
	n := 0
	for _, held := range u.pending {
		n += len(held)
	}
	return n
}

// Producers returns the producer ids of the records that wait for their control batch, and of those that were committed last.
func (u *UndecidedReader) Producers() []int64 {
	ids := slices.Collect(maps.Keys(u.pending))
	if u.committed >= 0 && !slices.Contains(ids, u.committed) {
		ids = append(ids, u.committed)
	}
	return ids
}

// ReadToEnd reads up to where the partition ends now (asked of its leader, never taken from a fetch, whose high watermark
// can be stale after a change of leaders) and emits every record that is committed by then, in the order in which they were
// decided. Of two records with one key the one with the higher offset counts. The bytes of a record are valid until emit
// returns. Call it after InitProducerID, which waits until all markers of the former holder are written.
func (u *UndecidedReader) ReadToEnd(ctx context.Context, emit func(*FetchedRecord) error) error {
	if err := u.start(ctx); err != nil {
		return err
	}
	cur := &u.poller.cursors[0]
	ends, err := u.poller.client.ListOffsets(ctx, []TopicPartition{cur.TopicPartition}, ReadUncommitted, LatestOffset)
	if err != nil {
		return err
	}
	end := ends[0].Offset
	if end < cur.Offset {
		return fault.NewFinal(fault.Kafka, "reading "+cur.String(), fmt.Errorf("the partition ends at %d, %d was read before", end, cur.Offset),
			"The partition lost records: it was re-created, or a leader without all records was elected.")
	}
	for cur.Offset < end {
		if err := u.Poll(ctx, emit); err != nil {
			return err
		}
	}
	return nil
}

// Poll reads on for one round and emits what it decides, waiting a moment if there is nothing new: this is how the partition
// is followed after ReadToEnd.
func (u *UndecidedReader) Poll(ctx context.Context, emit func(*FetchedRecord) error) error {
	if err := u.start(ctx); err != nil {
		return err
	}
	return u.poller.poll(ctx, func(cur *cursor, got *Fetched) error {
		return u.decide(cur, got, emit)
	})
}

// start begins at the first offset that the partition still has.
func (u *UndecidedReader) start(ctx context.Context) error {
	if u.started {
		return nil
	}
	cur := &u.poller.cursors[0]
	first, err := u.poller.client.ListOffsets(ctx, []TopicPartition{cur.TopicPartition}, ReadUncommitted, EarliestOffset)
	if err != nil {
		return err
	}
	cur.Offset, u.started = first[0].Offset, true
	return nil
}

func (u *UndecidedReader) decide(cur *cursor, got *Fetched, emit func(*FetchedRecord) error) error {
	for data := got.Records; ; {
		b, rest, ok, err := NextBatch(data)
		if err != nil || !ok {
			return err
		}
		data = rest
		if b.LastOffset() < cur.Offset {
			continue
		}
		switch {
		case b.Control:
			err = u.mark(cur, &b, emit)
		case b.Transactional:
			u.scratch, err = emitRecords(cur, &b, u.scratch, func(r *FetchedRecord) error {
				u.hold(b.Producer.ID, r)
				return nil
			})
		default:
			u.scratch, err = emitRecords(cur, &b, u.scratch, func(r *FetchedRecord) error {
				if u.keep != nil && !u.keep(r.Key) {
					return nil
				}
				return emit(r)
			})
		}
		if err != nil {
			return err
		}
		cur.Offset, cur.lastEpoch = b.LastOffset()+1, b.LeaderEpoch
	}
}

func (u *UndecidedReader) hold(producer int64, r *FetchedRecord) {
	if u.keep != nil && !u.keep(r.Key) {
		return
	}
	u.pending[producer] = append(u.pending[producer], heldRecord{
		offset:      r.Offset,
		timestamp:   r.Timestamp,
		key:         bytes.Clone(r.Key),
		value:       bytes.Clone(r.Value),
		headers:     bytes.Clone(r.Headers.raw),
		headerCount: r.Headers.count,
	})
}

// mark carries out a control batch. An error of emit leaves the records that it has not had pending.
func (u *UndecidedReader) mark(cur *cursor, b *Batch, emit func(*FetchedRecord) error) error {
	marker, err := b.Marker()
	if err != nil {
		return err
	}
	id := b.Producer.ID
	if marker == CommitMarker {
		if len(u.pending[id]) > 0 {
			u.committed = id
		}
		for held := u.pending[id]; len(held) > 0; held = u.pending[id] {
			h := &held[0]
			r := FetchedRecord{
				Topic: cur.Topic, Partition: cur.Partition, Offset: h.offset, Timestamp: h.timestamp,
				Key: h.key, Value: h.value, Headers: Headers{raw: h.headers, count: h.headerCount},
			}
			if err := emit(&r); err != nil {
				return err
			}
			u.pending[id] = held[1:]
		}
	}
	if marker != NotMarker {
		delete(u.pending, id)
	}
	return nil
}
