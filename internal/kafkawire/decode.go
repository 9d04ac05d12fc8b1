package kafkawire

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"

	"cdcbridge/internal/fault"
)

// Batch is a record batch that was read. Its bytes alias what it was read from.
type Batch struct {
	BaseOffset      int64
	LeaderEpoch     int32
	LastOffsetDelta int32
	BaseTimestamp   int64
	MaxTimestamp    int64
	Producer        ProducerID
	Sequence        int32
	Count           int32 // records left in it, may be 0: compaction keeps the shell of an emptied batch
	Codec           Codec
	Transactional   bool
	Control         bool // its record is a commit or abort marker
	LogAppendTime   bool // the timestamp of all records is MaxTimestamp, set by the broker

	records []byte // compressed by Codec
}

// LastOffset is the offset of the last record that was in the batch when it was written; reading goes on after it.
func (b *Batch) LastOffset() int64 { return b.BaseOffset + int64(b.LastOffsetDelta) }

var errNoBatch = errors.New("not a record batch of Kafka 0.11 or later")

// NextBatch takes the first batch off data. ok is false when data holds no whole batch: brokers cut the last one off where
// the answer is full. The CRC is verified.
func NextBatch(data []byte) (b Batch, rest []byte, ok bool, err error) {
	if len(data) < posMagic+1 {
		return b, nil, false, nil
	}
	if magic := data[posMagic]; magic != 2 {
		return b, nil, false, decodeFault(fmt.Errorf("%w: magic %d", errNoBatch, magic))
	}
	length := int64(int32(binary.BigEndian.Uint32(data[posLength:]))) + posLeaderEpoch
	if length < BatchHeaderSize {
		return b, nil, false, decodeFault(fmt.Errorf("a batch of %d bytes is shorter than its header", length))
	}
	if length > int64(len(data)) {
		return b, nil, false, nil
	}
	batch := data[:length]
	if sum := crc32.Checksum(batch[posAttributes:], crcTable); sum != binary.BigEndian.Uint32(batch[posCRC:]) {
		return b, nil, false, fault.New(fault.Corrupt, "reading a record batch", fmt.Errorf("the CRC of the batch at offset %d does not match",
			int64(binary.BigEndian.Uint64(batch))), "The batch was damaged on the broker's disk or on its way: check both, or read from another replica.")
	}
	if b, err = parseBatch(batch); err != nil {
		return b, nil, false, err
	}
	return b, data[length:], true, nil
}

func parseBatch(batch []byte) (Batch, error) {
	attributes := binary.BigEndian.Uint16(batch[posAttributes:])
	b := Batch{
		BaseOffset:      int64(binary.BigEndian.Uint64(batch)),
		LeaderEpoch:     int32(binary.BigEndian.Uint32(batch[posLeaderEpoch:])),
		LastOffsetDelta: int32(binary.BigEndian.Uint32(batch[posLastDelta:])),
		BaseTimestamp:   int64(binary.BigEndian.Uint64(batch[posBaseTime:])),
		MaxTimestamp:    int64(binary.BigEndian.Uint64(batch[posMaxTime:])),
		Producer: ProducerID{
			ID:    int64(binary.BigEndian.Uint64(batch[posProducerID:])),
			Epoch: int16(binary.BigEndian.Uint16(batch[posEpoch:])),
		},
		Sequence:      int32(binary.BigEndian.Uint32(batch[posSequence:])),
		Count:         int32(binary.BigEndian.Uint32(batch[posCount:])),
		Codec:         Codec(attributes & attrCodecMask),
		Transactional: attributes&attrTransactional != 0,
		Control:       attributes&attrControl != 0,
		LogAppendTime: attributes&attrLogAppendTime != 0,
		records:       batch[BatchHeaderSize:],
	}
	if b.Count < 0 || b.LastOffsetDelta < 0 || b.BaseOffset < 0 || b.BaseOffset+int64(b.LastOffsetDelta) < 0 {
		return b, decodeFault(fmt.Errorf("batch at offset %d: %d records, last delta %d", b.BaseOffset, b.Count, b.LastOffsetDelta))
	}
	return b, nil
}

// FetchedRecord is a record that was read. Key, Value and Headers are valid as long as what the batch was read from and the
// scratch buffer are.
type FetchedRecord struct {
	Topic      string // set by the readers, not by Records
	Partition  int32
	Offset     int64
	Timestamp  int64  // milliseconds since 1970
	LogAppend  bool   // Timestamp is when the broker got it
	Key, Value []byte // nil = null
	Headers    Headers
}

// Records is an iterator over the records of a batch.
type Records struct {
	batch *Batch
	rest  []byte
	left  int32
	last  int32
	err   error
}

// Records begins to read b's records. scratch takes the unpacked records of a compressed batch; it is returned, perhaps
// larger, for the next batch, when the records of this one are no longer needed.
func (b *Batch) Records(scratch []byte) (Records, []byte, error) {
	it := Records{batch: b, rest: b.records, left: b.Count, last: -1}
	if b.Codec != None && b.Count > 0 {
		unpacked, err := appendDecompressed(scratch[:0], b.Codec, b.records)
		if err != nil {
			return it, scratch, decodeFault(fmt.Errorf("batch at offset %d: %w", b.BaseOffset, err))
		}
		it.rest, scratch = unpacked, unpacked
	}
	return it, scratch, nil
}

// Next reads the next record into r; false at the end, or at an error that Err tells.
func (it *Records) Next(r *FetchedRecord) bool {
	if it.left == 0 || it.err != nil {
		return false
	}
	if err := it.read(r); err != nil {
		it.err = decodeFault(fmt.Errorf("batch at offset %d, record %d of %d: %w", it.batch.BaseOffset, it.batch.Count-it.left, it.batch.Count, err))
		return false
	}
	it.left--
	return true
}

// Err is why Next ended early, or nil.
func (it *Records) Err() error { return it.err }

var errRecord = errors.New("record is malformed")

func (it *Records) read(r *FetchedRecord) error {
	body, rest, err := takeVar(it.rest)
	if err != nil || len(body) == 0 {
		return errRecord
	}
	body = body[1:] // attributes: none are defined
	timeDelta, n := binary.Varint(body)
	if n <= 0 {
		return errRecord
	}
	body = body[n:]
	delta, n := binary.Varint(body)
	// Deltas grow, with gaps where compaction removed records, and never pass the batch's own end.
	if n <= 0 || delta <= int64(it.last) || delta > int64(it.batch.LastOffsetDelta) {
		return errRecord
	}
	if r.Key, body, err = takeVar(body[n:]); err != nil {
		return err
	}
	if r.Value, body, err = takeVar(body); err != nil {
		return err
	}
	count, n := binary.Varint(body)
	if n <= 0 || count < 0 || count > int64(len(body)) {
		return errRecord
	}
	r.Headers = Headers{raw: body[n:], count: int(count)}
	if err := r.Headers.check(); err != nil {
		return err
	}
	r.Offset = it.batch.BaseOffset + delta
	r.Timestamp, r.LogAppend = it.batch.BaseTimestamp+timeDelta, it.batch.LogAppendTime
	if r.LogAppend {
		r.Timestamp = it.batch.MaxTimestamp
	}
	it.rest, it.last = rest, int32(delta)
	return nil
}

// takeVar takes a byte string with a varint length off b; nil for null, never nil otherwise.
func takeVar(b []byte) (field, rest []byte, err error) {
	size, n := binary.Varint(b)
	if n <= 0 || size < -1 || size > int64(len(b)-n) {
		return nil, nil, errRecord
	}
	if size < 0 {
		return nil, b[n:], nil
	}
	end := n + int(size)
	return b[n:end:end], b[end:], nil
}

// Marker is what the record of a control batch says.
type Marker int8

// The markers that end a transaction in a partition.
const (
	NotMarker Marker = iota // a control record of another kind, which readers skip
	AbortMarker
	CommitMarker
)

// Marker reads the record of a control batch. An empty one (compaction) is NotMarker: its transaction's records are gone.
func (b *Batch) Marker() (Marker, error) {
	it, _, err := b.Records(nil)
	if err != nil {
		return NotMarker, err
	}
	var r FetchedRecord
	if !it.Next(&r) {
		return NotMarker, it.Err()
	}
	if len(r.Key) < 4 {
		return NotMarker, decodeFault(fmt.Errorf("control batch at offset %d: %w", b.BaseOffset, errRecord))
	}
	switch binary.BigEndian.Uint16(r.Key[2:]) { // after the version
	case 0:
		return AbortMarker, nil
	case 1:
		return CommitMarker, nil
	}
	return NotMarker, nil
}

func decodeFault(err error) error {
	return fault.NewFinal(fault.Decode, "reading a record batch", err, "Look at the topic with Kafka's kafka-dump-log; if the batch is sound, report this.")
}
