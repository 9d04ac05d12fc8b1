package kafkawire

import (
	"cmp"
	"context"
	"time"
)

// Progress is how far a reader is in one partition.
type Progress struct {
	TopicPartition
	Offset        int64 // the next offset to read
	HighWatermark int64 // end of the partition at the last answer, -1 before it
	LastStable    int64 // what a read_committed reader can reach of it
	LogStart      int64 // the first offset that is retained
}

// CaughtUp reports whether all that was committed at the last answer has been read.
func (p *Progress) CaughtUp() bool { return p.LastStable >= 0 && p.Offset >= p.LastStable }

// FetcherConfig tunes a Fetcher; zero values mean the defaults.
type FetcherConfig struct {
	MaxWait        time.Duration // how long a broker waits for the first byte: 500 ms
	MaxBytes       int32         // of one answer: 16 MiB
	PartitionBytes int32         // of one partition in it: 2 MiB
}

// Fetcher reads the committed data records of some partitions, each in the order of its offsets: no record of an aborted
// transaction, no marker, nothing at or after the last stable offset. It is for one goroutine.
type Fetcher struct {
	poller  poller
	scratch []byte
}

// NewFetcher makes a fetcher that begins at the Offset of each start; the other fields of a start are ignored.
func (c *Client) NewFetcher(cfg FetcherConfig, starts ...Progress) *Fetcher {
	f := &Fetcher{poller: poller{
		client:    c,
		isolation: ReadCommitted,
		wait:      cmp.Or(cfg.MaxWait, defaultFetchWait),
		maxBytes:  cmp.Or(cfg.MaxBytes, defaultFetchBytes),
		partBytes: cmp.Or(cfg.PartitionBytes, defaultPartitionBytes),
	}}
	for _, s := range starts {
		f.poller.cursors = append(f.poller.cursors, newCursor(s.TopicPartition, s.Offset))
	}
	return f
}

func newCursor(at TopicPartition, offset int64) cursor {
	return cursor{Progress: Progress{TopicPartition: at, Offset: offset, HighWatermark: -1, LastStable: -1, LogStart: -1}, leader: -1, epoch: -1, lastEpoch: -1}
}

// Progress returns where each partition stands, in the order of the starts.
func (f *Fetcher) Progress() []Progress {
	all := make([]Progress, len(f.poller.cursors))
	for i := range all {
		all[i] = f.poller.cursors[i].Progress
	}
	return all
}

// Poll makes one round of requests and hands each committed record to emit, waiting up to MaxWait if there is none. The
// record's bytes are valid until emit returns. An error of emit ends the round; the next one begins with the same record.
// Passing trouble such as moving leaders is waited out; OffsetOutOfRange is an error at once.
func (f *Fetcher) Poll(ctx context.Context, emit func(*FetchedRecord) error) error {
	return f.poller.poll(ctx, func(cur *cursor, got *Fetched) error {
		return f.emitCommitted(cur, got, emit)
	})
}

// emitCommitted hands over the committed records of an answer, moving the cursor after each.
func (f *Fetcher) emitCommitted(cur *cursor, got *Fetched, emit func(*FetchedRecord) error) error {
	var records CommittedRecords
	records.Begin(got, cur.Offset, cur.lastEpoch, f.scratch)
	defer func() { f.scratch = records.End() }()
	r := FetchedRecord{Topic: cur.Topic, Partition: cur.Partition}
	for {
		more, err := records.Next(&r)
		if err != nil {
			return err
		}
		if more {
			if err := emit(&r); err != nil {
				return err
			}
		}
		if cur.Offset, cur.lastEpoch = records.Offset(), records.Epoch(); !more {
			return nil
		}
	}
}

// emitRecords hands over the records of b from the cursor on, moving the cursor after each.
func emitRecords(cur *cursor, b *Batch, scratch []byte, emit func(*FetchedRecord) error) ([]byte, error) {
	it, scratch, err := b.Records(scratch)
	if err != nil {
		return scratch, err
	}
	r := FetchedRecord{Topic: cur.Topic, Partition: cur.Partition}
	for it.Next(&r) {
		if r.Offset < cur.Offset {
			continue // batches are answered whole, also when reading begins in their middle
		}
		if err := emit(&r); err != nil {
			return scratch, err
		}
		cur.Offset = r.Offset + 1
	}
	return scratch, it.Err()
}
