package kafkawire

import (
	"encoding/binary"
	"slices"

	"github.com/segmentio/kafka-go/protocol"
)

// ownedChunk is the size from which a byte field is written to the socket as it is, instead of being copied first.
const ownedChunk = 32 << 10

// encoder builds one request. flex selects the flexible forms (compact lengths and tagged fields, KIP-482).
type encoder struct {
	key     protocol.ApiKey
	version int16
	flex    bool
	buf     []byte
	chunks  []chunk // large fields, in order of their place
	extra   int     // their bytes
}

// chunk is a field that stays in the caller's memory; it belongs at offset at of the encoder's buffer.
type chunk struct {
	at   int
	data []byte
}

// newEncoder begins a request: room for its size, then the header. The correlation id is set when it is sent.
func newEncoder(key protocol.ApiKey, version int16, flex bool, clientID string) *encoder {
	e := &encoder{key: key, version: version, flex: flex, buf: make([]byte, 4, 256)}
	e.int16(int16(key))
	e.int16(version)
	e.int32(0)
	// The client id has its classic form in every header version; only the tags after it are new in flexible ones.
	e.buf = binary.BigEndian.AppendUint16(e.buf, uint16(len(clientID)))
	e.buf = append(e.buf, clientID...)
	e.tags()
	return e
}

// finish sets size and correlation id.
func (e *encoder) finish(correlation int32) {
	binary.BigEndian.PutUint32(e.buf, uint32(len(e.buf)-4+e.extra))
	binary.BigEndian.PutUint32(e.buf[8:], uint32(correlation))
}

func (e *encoder) int8(v int8)   { e.buf = append(e.buf, byte(v)) }
func (e *encoder) int16(v int16) { e.buf = binary.BigEndian.AppendUint16(e.buf, uint16(v)) }
func (e *encoder) int32(v int32) { e.buf = binary.BigEndian.AppendUint32(e.buf, uint32(v)) }
func (e *encoder) int64(v int64) { e.buf = binary.BigEndian.AppendUint64(e.buf, uint64(v)) }

func (e *encoder) bool(v bool) {
	if v {
		e.int8(1)
	} else {
		e.int8(0)
	}
}

func (e *encoder) uuid(id TopicID) { e.buf = append(e.buf, id[:]...) }

func (e *encoder) string(s string) {
	if e.flex {
		e.buf = binary.AppendUvarint(e.buf, uint64(len(s))+1)
	} else {
		e.int16(int16(len(s)))
	}
	e.buf = append(e.buf, s...)
}

// optional writes "" as null.
func (e *encoder) optional(s string) {
	switch {
	case s != "":
		e.string(s)
	case e.flex:
		e.buf = append(e.buf, 0)
	default:
		e.int16(-1)
	}
}

func (e *encoder) array(n int) {
	if e.flex {
		e.buf = binary.AppendUvarint(e.buf, uint64(n)+1)
	} else {
		e.int32(int32(n))
	}
}

func (e *encoder) nullArray() {
	if e.flex {
		e.buf = append(e.buf, 0)
	} else {
		e.int32(-1)
	}
}

// bytes writes a byte field. Large ones are not copied: they must not change until the exchange is over.
func (e *encoder) bytes(b []byte) {
	e.array(len(b)) // both length forms are those of an array
	if len(b) < ownedChunk {
		e.buf = append(e.buf, b...)
		return
	}
	e.chunks = append(e.chunks, chunk{at: len(e.buf), data: b})
	e.extra += len(b)
}

// reserve makes room for n byte fields that are to come, each in a list entry of a topic: requests with many small ones are long.
func (e *encoder) reserve(n int, field func(i int) []byte) {
	const around = 100 // a topic's name, mostly
	size := n * around
	for i := range n {
		if b := field(i); len(b) < ownedChunk {
			size += len(b)
		}
	}
	e.buf = slices.Grow(e.buf, size)
}

// tags ends a structure; flexible versions have a section of tagged fields there, of which we send none.
func (e *encoder) tags() {
	if e.flex {
		e.buf = append(e.buf, 0)
	}
}

// partitions writes the list of topics and their partitions in which most requests come, for n partitions of these topics,
// each topic where it occurs first. one writes the i-th: its number and what follows that.
func (e *encoder) partitions(n int, topic func(i int) string, one func(i int)) {
	topics := groupByTopic(n, topic)
	e.array(len(topics))
	for _, group := range topics {
		e.string(topic(group[0]))
		e.array(len(group))
		for _, i := range group {
			one(i)
		}
		e.tags()
	}
}
