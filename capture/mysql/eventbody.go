package mysql

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"hash/crc32"
	"io"

	"cdcbridge/changelog"
	"cdcbridge/internal/fault"
)

// eventBody is where the body of the current event comes from: the stream itself or a payload. Exactly one of body, keep and
// discard is called for each event; the body that they give has no checksum.
type eventBody interface {
	// tableID gives the first six bytes as a number, which in TABLE_MAP and ROWS events is the table's.
	tableID() (uint64, error)
	// bodySize is how long it is, with a checksum or without.
	bodySize() int
	// body is valid until the next event.
	body() ([]byte, error)
	// keep puts the body into the batch's memory.
	keep(b *changelog.Batch) ([]byte, error)
	discard() error
}

var _ eventBody = (*eventReader)(nil)
var _ eventBody = (*innerBody)(nil)

func (e *eventReader) tableID() (uint64, error) {
	p, err := e.peek(6)
	if err != nil {
		return 0, err
	}
	c := cursor{b: p}
	id := c.uint(6)
	if c.short {
		return 0, badEvent("reading a table's number", "the event has only %d bytes", e.size)
	}
	return id, nil
}

func (e *eventReader) keep(b *changelog.Batch) ([]byte, error) {
	if e.size > e.left || e.size > e.w-e.r {
		return e.into(b.Grab(e.size))
	}
	p, err := e.body()
	if err != nil {
		return nil, err
	}
	return b.Copy(p), nil
}

// plain gives the body with its checksum, not verified.
func (e *eventReader) plain() ([]byte, error) {
	had := e.checksums
	e.checksums = false
	b, err := e.body()
	e.checksums = had
	return b, err
}

// innerBody is the body of an event within a payload.
type innerBody struct {
	p       *payloadReader
	head    [6]byte
	headed  bool // head was read already
	scratch []byte
}

func (i *innerBody) tableID() (uint64, error) {
	if i.p.bodySize() < len(i.head) {
		return 0, badEvent("reading a table's number", "the event has only %d bytes", i.p.bodySize())
	}
	if err := i.p.body(i.head[:]); err != nil {
		return 0, err
	}
	i.headed = true
	c := cursor{b: i.head[:]}
	return c.uint(6), nil
}

func (i *innerBody) body() ([]byte, error) {
	n := i.bodySize()
	if cap(i.scratch) < n {
		i.scratch = make([]byte, max(n, 4<<10))
	}
	p := i.scratch[:n]
	if n > readBuffer {
		i.scratch = nil // an exception that is not worth keeping
	}
	return p, i.read(p)
}

func (i *innerBody) keep(b *changelog.Batch) ([]byte, error) {
	p := b.Grab(i.bodySize())
	return p, i.read(p)
}

func (i *innerBody) discard() error { i.headed = false; return i.p.skip() }

func (i *innerBody) bodySize() int {
	if i.headed {
		return i.p.bodySize() + len(i.head)
	}
	return i.p.bodySize()
}

func (i *innerBody) read(p []byte) error {
	if i.headed {
		p = p[copy(p, i.head[:]):]
	}
	i.headed = false
	return i.p.body(p)
}

// heldPayload is the size up to which a compressed transaction is read whole, so that its checksum is known before any of it
// is used. A larger one is used as it arrives and fails before its end goes out: a replay then finds that rows differ.
const heldPayload = 16 << 20

// payload applies the events of a compressed transaction.
func (s *stream) payload(ctx context.Context) error {
	var in io.Reader
	if s.r.size <= heldPayload {
		body, err := s.r.body()
		if err != nil {
			return err
		}
		in = bytes.NewReader(body)
	} else {
		in = &bodyReader{e: s.r, left: s.r.bodySize(), sum: crc32.ChecksumIEEE(s.r.head[:])}
		s.r.checked = true
	}
	err := s.inside(ctx, in)
	if err != nil && !fault.IsFinal(err) {
		return err
	}
	if _, end := io.Copy(io.Discard, in); end != nil { // to the checksum, which decides about all errors before
		return end
	}
	return err
}

// inside applies the events within a payload.
func (s *stream) inside(ctx context.Context, in io.Reader) error {
	if err := s.pay.open(in); err != nil {
		return err
	}
	s.inner.p = &s.pay
	for {
		h, err := s.pay.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if s.txn.ended {
			return badEvent(opPayload, "events follow the transaction's end")
		}
		if h.Type == eventTransactionPayload {
			return badEvent(opPayload, "it holds another one")
		}
		if err := s.apply(ctx, h, &s.inner); err != nil {
			return err
		}
	}
}

// bodyReader gives the body of a large event as it arrives and compares the checksum at its end.
type bodyReader struct {
	e    *eventReader
	left int
	sum  uint32
	end  error // what follows the body: io.EOF, or why it is not to be trusted
}

func (b *bodyReader) Read(p []byte) (int, error) {
	if b.left == 0 {
		if b.end == nil {
			b.end = cmp.Or(unfinished(b.e.endsWith(b.sum)), io.EOF)
		}
		return 0, b.end
	}
	n, err := b.e.read(p[:min(len(p), b.left)])
	b.left -= n
	b.sum = crc32.Update(b.sum, crc32.IEEETable, p[:n])
	return n, unfinished(err)
}

// unfinished renames the connection's end, which is not the body's: a server that goes away leaves the event unfinished.
func unfinished(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
