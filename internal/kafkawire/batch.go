package kafkawire

import (
	"encoding/binary"
	"hash/crc32"
	"math/bits"
)

// This file is the one place that encodes record batches (Kafka's message format v2). A worker makes the records section,
// compressed or not, behind a reserved header; producer id, epoch and first sequence are known only when the batch is sent,
// and the CRC covers them, so the committer seals the header then.

// BatchHeaderSize is the size in bytes of the header of a record batch.
const BatchHeaderSize = 61

// Bits of a batch's attributes.
const (
	attrCodecMask     = 0x07
	attrLogAppendTime = 0x08
	attrTransactional = 0x10
	attrControl       = 0x20
)

// crcTable is CRC32C, which covers a batch from its attributes to its end.
var crcTable = crc32.MakeTable(crc32.Castagnoli)

// Positions within a batch header.
const (
	posLength      = 8
	posLeaderEpoch = 12
	posMagic       = 16
	posCRC         = 17
	posAttributes  = 21
	posLastDelta   = 23
	posBaseTime    = 27
	posMaxTime     = 35
	posProducerID  = 43
	posEpoch       = 51
	posSequence    = 53
	posCount       = 57
)

// Record is one record to encode. Key nil is a null key, Value nil a tombstone; an empty non-nil slice is an empty value.
// Header names are never null.
type Record struct {
	OffsetDelta    int32  // index of the record in its batch
	TimestampDelta int64  // milliseconds after BatchHeader.BaseTimestamp, may be negative
	Key, Value     []byte // nil = null
	Headers        []byte // what AppendRecordHeader made, one after the other
	HeaderCount    int    // how many
}

// AppendRecord appends r in its wire form to dst, the records section of a batch.
func AppendRecord(dst []byte, r *Record) []byte {
	body := recordBodySize(r)
	dst = binary.AppendVarint(dst, int64(body))
	dst = append(dst, 0)
	dst = binary.AppendVarint(dst, r.TimestampDelta)
	dst = binary.AppendVarint(dst, int64(r.OffsetDelta))
	dst = appendNullableVar(dst, r.Key)
	dst = appendNullableVar(dst, r.Value)
	dst = binary.AppendVarint(dst, int64(r.HeaderCount))
	return append(dst, r.Headers...)
}

// RecordSize returns the number of bytes that AppendRecord will append for r.
func RecordSize(r *Record) int {
	body := recordBodySize(r)
	return varintSize(int64(body)) + body
}

// AppendRecordHeader appends one record header to dst; such bytes are a Record's Headers. value nil is a null value.
func AppendRecordHeader(dst []byte, name string, value []byte) []byte {
	dst = binary.AppendVarint(dst, int64(len(name)))
	dst = append(dst, name...)
	return appendNullableVar(dst, value)
}

// BatchHeader is what the header of a batch says, apart from lengths, CRC and the base offset, which the broker assigns.
type BatchHeader struct {
	Count         int32 // records in the batch, at least 1
	BaseTimestamp int64 // milliseconds since 1970; record timestamps are relative to it
	MaxTimestamp  int64 // the largest record timestamp
	Codec         Codec // how the records section is compressed
	Transactional bool
	Producer      ProducerID // NoProducer for a batch without idempotence
	Sequence      int32      // sequence number of the first record, -1 without idempotence
}

// ReserveBatchHeader appends room for a batch header to dst. The records section follows it directly; SealBatch fills it.
func ReserveBatchHeader(dst []byte) []byte {
	var zero [BatchHeaderSize]byte
	return append(dst, zero[:]...)
}

// SealBatch writes header and CRC into batch, which is a reserved header followed by the whole records section. It may be
// called again with another producer or sequence: only the header's bytes change.
func SealBatch(batch []byte, h *BatchHeader) {
	attributes := uint16(h.Codec) & attrCodecMask
	if h.Transactional {
		attributes |= attrTransactional
	}
	head := batch[:BatchHeaderSize]
	binary.BigEndian.PutUint64(head, 0)
	binary.BigEndian.PutUint32(head[posLength:], uint32(len(batch)-posLeaderEpoch))
	binary.BigEndian.PutUint32(head[posLeaderEpoch:], 0xffffffff)
	head[posMagic] = 2
	binary.BigEndian.PutUint16(head[posAttributes:], attributes)
	binary.BigEndian.PutUint32(head[posLastDelta:], uint32(h.Count-1))
	binary.BigEndian.PutUint64(head[posBaseTime:], uint64(h.BaseTimestamp))
	binary.BigEndian.PutUint64(head[posMaxTime:], uint64(h.MaxTimestamp))
	binary.BigEndian.PutUint64(head[posProducerID:], uint64(h.Producer.ID))
	binary.BigEndian.PutUint16(head[posEpoch:], uint16(h.Producer.Epoch))
	binary.BigEndian.PutUint32(head[posSequence:], uint32(h.Sequence))
	binary.BigEndian.PutUint32(head[posCount:], uint32(h.Count))
	binary.BigEndian.PutUint32(head[posCRC:], crc32.Checksum(batch[posAttributes:], crcTable))
}

// NextSequence returns the sequence number after n records that began at seq. Sequences wrap at 2^31: the broker refuses an
// overflowing one and accepts the wrapped one.
func NextSequence(seq, n int32) int32 {
	return int32((uint32(seq) + uint32(n)) & 0x7fffffff)
}

func appendNullableVar(dst, b []byte) []byte {
	if b == nil {
		return append(dst, 1) // varint of -1
	}
	dst = binary.AppendVarint(dst, int64(len(b)))
	return append(dst, b...)
}

func recordBodySize(r *Record) int {
	return 1 + varintSize(r.TimestampDelta) + varintSize(int64(r.OffsetDelta)) +
		nullableVarSize(r.Key) + nullableVarSize(r.Value) + varintSize(int64(r.HeaderCount)) + len(r.Headers)
}

func nullableVarSize(b []byte) int {
	if b == nil {
		return 1
	}
	return varintSize(int64(len(b))) + len(b)
}

// varintSize is the length of v as a zigzag varint.
func varintSize(v int64) int {
	u := uint64(v)<<1 ^ uint64(v>>63)
	return (bits.Len64(u|1) + 6) / 7
}
