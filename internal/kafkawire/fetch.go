package kafkawire

import (
	"context"
	"time"

	"github.com/segmentio/kafka-go/protocol"
)

// FetchRequest is one Fetch call to the leader of some partitions.
type FetchRequest struct {
	Isolation Isolation
	MaxWait   time.Duration // how long the broker waits for MinBytes
	MinBytes  int32
	MaxBytes  int32 // of the whole answer; one batch is answered even if it is larger
	Parts     []FetchPart
}

// FetchPart is where to read a partition.
type FetchPart struct {
	TopicPartition
	Offset      int64
	LeaderEpoch int32 // from Metadata, so that an old leader refuses; -1 = any
	MaxBytes    int32
}

// Fetched is the answer for one partition.
type Fetched struct {
	Code          Code
	HighWatermark int64
	LastStable    int64 // no transaction that began before it is open
	LogStart      int64
	Aborted       []AbortedTxn // with ReadCommitted: the aborted transactions that touch Records
	Records       []byte       // batches, the last one perhaps cut; see NextBatch. Aliases the answer: the caller's for good
}

// AbortedTxn is an aborted transaction of a partition: from its first offset to the next abort marker of the producer.
type AbortedTxn struct {
	ProducerID  int64
	FirstOffset int64
}

// Fetch reads from broker, which must lead the partitions. It speaks v10: from v11 on a broker also answers for partitions
// that it merely follows, with an end of its own and OffsetOutOfRange beyond it. The answers are in the order of r.Parts.
// What ReadCommitted answers still has aborted records and control batches in it: Fetcher filters them.
func (c *Client) Fetch(ctx context.Context, broker int32, r *FetchRequest) ([]Fetched, error) {
	req := newEncoder(protocol.Fetch, 10, false, c.cfg.ClientID)
	req.int32(-1) // replica id: a client
	req.int32(int32(r.MaxWait.Milliseconds()))
	req.int32(r.MinBytes)
	req.int32(r.MaxBytes)
	req.int8(int8(r.Isolation))
	req.int32(0)  // no session:
	req.int32(-1) // each request names all of its partitions
	req.partitions(len(r.Parts), func(i int) string { return r.Parts[i].Topic }, func(i int) { appendFetchPart(req, &r.Parts[i]) })
	req.array(0) // forgotten topics: sessions only
	answer, err := c.call(ctx, broker, req)
	if err != nil {
		return nil, err
	}
	fetched, code, err := parseFetch(answer, r.Parts)
	if err == nil && code != OK {
		err = readFault("fetching records", code)
	}
	return fetched, err
}

func appendFetchPart(req *encoder, p *FetchPart) {
	req.int32(p.Partition)
	req.int32(p.LeaderEpoch)
	req.int64(p.Offset)
	req.int64(-1) // log start offset: a replica's business
	req.int32(p.MaxBytes)
}

func parseFetch(r *reader, parts []FetchPart) ([]Fetched, Code, error) {
	fetched := make([]Fetched, len(parts))
	for i := range fetched {
		fetched[i].Code = UnknownServerError // until the answer mentions it
	}
	r.int32() // throttle time
	code := r.code()
	r.int32() // session id
	r.eachPartition(38, func(at TopicPartition) {
		f := parseFetched(r)
		for i := range parts {
			if parts[i].TopicPartition == at {
				fetched[i] = f
			}
		}
	})
	return fetched, code, finish(r, "Fetch")
}

func parseFetched(r *reader) Fetched {
	f := Fetched{Code: r.code(), HighWatermark: r.int64(), LastStable: r.int64(), LogStart: r.int64()}
	if n := r.array(16); n > 0 {
		f.Aborted = make([]AbortedTxn, n)
		for i := range f.Aborted {
			f.Aborted[i] = AbortedTxn{ProducerID: r.int64(), FirstOffset: r.int64()}
		}
	}
	f.Records = r.bytes()
	return f
}
