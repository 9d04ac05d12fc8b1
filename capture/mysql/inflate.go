package mysql

import (
	"bytes"
	"errors"
	"io"

	"github.com/klauspost/compress/zlib"

	"cdcbridge/changelog"
)

// inflater uncompresses what MariaDB logs with log_bin_compress=ON: the statement of a QUERY_COMPRESSED event, and the row images
// of *_ROWS_COMPRESSED events, of which the head stays as it is. As an eventBody it gives the event as it was before.
//
// A compressed record is a byte whose highest bit is set, with the algorithm in the next three (0: zlib) and the count of the
// bytes of a length in the lowest three; that length of the uncompressed bytes, highest byte first; then zlib's stream.
type inflater struct {
	in      eventBody
	typ     eventType // of the uncompressed event
	z       io.ReadCloser
	src     bytes.Reader
	scratch []byte
}

var _ eventBody = (*inflater)(nil)

const opInflate = "uncompressing an event"

// mostInflated is how many times its size zlib can make of a record.
const mostInflated = 1032

// uncompressedType is the type of the event as it is without compression.
func uncompressedType(t eventType) eventType {
	if t < eventWriteRowsCompressed {
		return t - eventWriteRowsCompressedV1 + eventWriteRowsV1
	}
	return t - eventWriteRowsCompressed + eventWriteRows
}

// of sets what the next calls of eventBody's methods are about.
func (i *inflater) of(t eventType, in eventBody) { i.typ, i.in = t, in }

func (i *inflater) tableID() (uint64, error) { return i.in.tableID() }

// bodySize is that of the compressed event: the other is known only when it has been read.
func (i *inflater) bodySize() int { return i.in.bodySize() }

func (i *inflater) discard() error { return i.in.discard() }

func (i *inflater) body() ([]byte, error) {
	return i.rows(func(n int) []byte {
		if cap(i.scratch) < n {
			i.scratch = make([]byte, n)
		}
		p := i.scratch[:n]
		if n > readBuffer {
			i.scratch = nil // an exception that is not worth keeping
		}
		return p
	})
}

func (i *inflater) keep(b *changelog.Batch) ([]byte, error) { return i.rows(b.Grab) }

// rows makes the uncompressed event in memory from grab.
func (i *inflater) rows(grab func(n int) []byte) ([]byte, error) {
	packed, err := i.in.body()
	if err != nil {
		return nil, err
	}
	head, err := rowsHead(i.typ, packed)
	if err != nil {
		return nil, err
	}
	size, data, err := recordHead(packed[head:])
	if err != nil {
		return nil, err
	}
	out := grab(head + size)
	copy(out, packed[:head])
	return out, i.into(out[head:], data)
}

// record uncompresses a record by itself. The result is valid until the next call.
func (i *inflater) record(packed []byte) ([]byte, error) {
	size, data, err := recordHead(packed)
	if err != nil {
		return nil, err
	}
	if cap(i.scratch) < size {
		i.scratch = make([]byte, size)
	}
	out := i.scratch[:size]
	return out, i.into(out, data)
}

// recordHead reads the head of a compressed record and gives the size of what is in it.
func recordHead(packed []byte) (size int, data []byte, err error) {
	c := cursor{b: packed}
	head := c.u8()
	for range head & 7 {
		size = size<<8 | int(c.u8())
	}
	switch {
	case c.short || head&0x80 == 0 || head&7 > 4:
		return 0, nil, badEvent(opInflate, "its %d bytes hold no compressed record", len(packed))
	case head&0x70 != 0:
		return 0, nil, badEvent(opInflate, "the compression %d is unknown", head>>4&7)
	case size > maxEvent || size > mostInflated*len(c.b):
		return 0, nil, badEvent(opInflate, "%d bytes cannot come out of %d", size, len(c.b))
	}
	return size, c.b, nil
}

// into fills dst with all that data holds.
func (i *inflater) into(dst, data []byte) error {
	i.src.Reset(data)
	var err error
	if i.z == nil {
		i.z, err = zlib.NewReader(&i.src)
	} else {
		err = i.z.(zlib.Resetter).Reset(&i.src, nil)
	}
	if err == nil {
		_, err = io.ReadFull(i.z, dst)
	}
	if err != nil {
		return badEvent(opInflate, "%w", err)
	}
	var more [1]byte
	if n, err := i.z.Read(more[:]); n > 0 || !errors.Is(err, io.EOF) { // the end is where zlib compares its checksum
		return badEvent(opInflate, "it has more than the %d bytes that it says, or they are damaged", len(dst))
	}
	return nil
}

// rowsHead is the length of all that stands before the row images of an event.
func rowsHead(t eventType, body []byte) (int, error) {
	c := cursor{b: body}
	c.bytes(6 + 2)
	if t >= eventWriteRows {
		c.bytes(int(c.u16()) - 2)
	}
	columns := c.packedInt()
	c.bytes((columns + 7) / 8)
	if t == eventUpdateRows || t == eventUpdateRowsV1 {
		c.bytes((columns + 7) / 8)
	}
	if c.short {
		return 0, badEvent("reading a ROWS event", "its %d bytes do not hold the bits of %d columns", len(body), columns)
	}
	return len(body) - len(c.b), nil
}
