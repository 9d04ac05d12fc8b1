package kafkawire

import (
	"context"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/segmentio/kafka-go/protocol"

	"cdcbridge/internal/fault"
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
	ID          TopicID // of the topic, from Metadata: one that was created again answers UnknownTopicID
	Offset      int64
	LeaderEpoch int32 // from Metadata, so that whoever is not the leader of that epoch refuses
	LastEpoch   int32 // leader epoch of the batch before Offset, so that the leader sees whether it has the same one; -1: not known
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

	// The partition does not have what was before Offset in LastEpoch: it is the same up to DivergedAt at most. -1: it has.
	DivergedAt int64
}

// AbortedTxn is an aborted transaction of a partition: from its first offset to the next abort marker of the producer.
type AbortedTxn struct {
	ProducerID  int64
	FirstOffset int64
}

// fetchVersion has topic ids, and the epochs of what was read (KIP-320, KIP-516).
const fetchVersion = 13

// Fetch reads from broker, which must lead the partitions. In these versions a broker also answers for partitions that it merely
// follows, with an end of its own and OffsetOutOfRange beyond it: LeaderEpoch must be of the Metadata that named the leader, for
// then a follower of that epoch is not asked, and one of another epoch refuses. The answers are in the order of r.Parts. What
// ReadCommitted answers still has aborted records and control batches in it: CommittedRecords leaves them out.
func (c *Client) Fetch(ctx context.Context, broker int32, r *FetchRequest) ([]Fetched, error) {
	req := newEncoder(protocol.Fetch, fetchVersion, true, c.cfg.ClientID)
	req.int32(-1) // replica id: a client
	req.int32(int32(r.MaxWait.Milliseconds()))
	req.int32(r.MinBytes)
	req.int32(r.MaxBytes)
	req.int8(int8(r.Isolation))
	req.int32(0)  // no session:
	req.int32(-1) // each request names all of its partitions
	topics := groupByTopic(len(r.Parts), func(i int) string { return r.Parts[i].Topic })
	req.array(len(topics))
	for _, group := range topics {
		req.uuid(r.Parts[group[0]].ID)
		req.array(len(group))
		for _, i := range group {
			appendFetchPart(req, &r.Parts[i])
		}
		req.tags()
	}
	req.array(0)   // forgotten topics: sessions only
	req.string("") // no rack: only leaders are asked
	req.tags()
	answer, err := c.call(ctx, broker, req)
	if err != nil {
		return nil, err
	}
	fetched, code, err := parseFetch(answer, r.Parts)
	if err == nil && code != OK {
		err = ReadFault("fetching records", code)
	}
	return fetched, err
}

func appendFetchPart(req *encoder, p *FetchPart) {
	req.int32(p.Partition)
	req.int32(p.LeaderEpoch)
	req.int64(p.Offset)
	req.int32(p.LastEpoch)
	req.int64(-1) // log start offset: a replica's business
	req.int32(p.MaxBytes)
	req.tags()
}

func parseFetch(r *reader, parts []FetchPart) ([]Fetched, Code, error) {
	fetched := make([]Fetched, len(parts))
	for i := range fetched {
		fetched[i].Code = UnknownServerError // until the answer mentions it
	}
	r.int32() // throttle time
	code := r.code()
	r.int32() // session id
	find := finder{n: len(parts)}
	for n := r.array(18); n > 0 && r.err == nil; n-- {
		id := r.uuid()
		for m := r.array(37); m > 0 && r.err == nil; m-- {
			partition := r.int32()
			f := parseFetched(r)
			if i := find.index(func(i int) bool { return parts[i].Partition == partition && parts[i].ID == id }); i >= 0 {
				fetched[i] = f
			}
		}
		r.tags()
	}
	r.tags()
	return fetched, code, finish(r, "Fetch")
}

func parseFetched(r *reader) Fetched {
	f := Fetched{Code: r.code(), HighWatermark: r.int64(), LastStable: r.int64(), LogStart: r.int64(), DivergedAt: -1}
	if n := r.array(17); n > 0 {
		f.Aborted = make([]AbortedTxn, n)
		for i := range f.Aborted {
			f.Aborted[i] = AbortedTxn{ProducerID: r.int64(), FirstOffset: r.int64()}
			r.tags()
		}
	}
	r.int32() // preferred replica: none without a rack
	f.Records = r.bytes()
	r.eachTag(func(tag int, field *reader) {
		if tag == 0 {
			field.int32() // the greatest epoch that both have
			f.DivergedAt = field.int64()
			field.tags()
		}
	})
	return f
}

// diverged is the fault of an answer with DivergedAt, for a reader at offset.
func (f *Fetched) diverged(at TopicPartition, offset int64) error {
	return fault.NewFinal(fault.TopicTruncated, "reading "+at.String(), fmt.Errorf("records up to offset %d were read, and the partition has others from offset %d on", offset, f.DivergedAt),
		"A leader without all records was elected, or the topic was restored from an older copy.")
}

// Next says where reading goes on behind the whole batches of the answer, and the leader epoch of the last of them: offset and
// epoch themselves when there is none.
func (f *Fetched) Next(offset int64, epoch int32) (int64, int32) {
	for data := f.Records; len(data) > posLastDelta+4; {
		length := int64(int32(binary.BigEndian.Uint32(data[posLength:]))) + posLeaderEpoch
		base := int64(binary.BigEndian.Uint64(data))
		if length < BatchHeaderSize || length > int64(len(data)) || base >= f.LastStable {
			break // what is wrong with it is found when it is read
		}
		if next := base + int64(int32(binary.BigEndian.Uint32(data[posLastDelta:]))) + 1; next > offset {
			offset, epoch = next, int32(binary.BigEndian.Uint32(data[posLeaderEpoch:]))
		}
		data = data[length:]
	}
	return offset, epoch
}
