package mysql

import (
	"errors"
	"fmt"
	"io"

	"cdcbridge/internal/fault"

	"github.com/klauspost/compress/zstd"
)

// payloadReader reads the events within a TRANSACTION_PAYLOAD event (binlog_transaction_compression) one at a time, while
// the event itself still arrives: neither the compressed nor the uncompressed transaction is ever whole in memory. What it
// holds is bounded by zstd's window, which is 2 MiB at the server's default level.
//
// Inner events have a header, no checksum and NextPos 0. The outer checksum covers the compressed bytes, so nothing of the
// transaction may be committed before the caller has compared it.
type payloadReader struct {
	z        *zstd.Decoder
	in       faultReader // the event's body as it arrives
	src      io.Reader   // in, or what decompresses it
	expect   uint64      // uncompressed bytes that the head announces
	read     uint64
	left     int // bytes of the current event's body not read yet
	event    eventHeader
	small    [headerSize]byte
	skipping []byte
}

// Fields at the head of a TRANSACTION_PAYLOAD.
const (
	payloadEnd          = 0
	payloadSize         = 1
	payloadCompression  = 2
	payloadUncompressed = 3

	compressionZSTD = 0
	compressionNone = 255
)

const (
	opPayload = "reading a TRANSACTION_PAYLOAD event"

	// maxWindow is the largest window of zstd's levels (22 has 128 MiB).
	maxWindow = 128 << 20
)

// open begins a payload. body gives the event's body (no header, no checksum) and io.EOF at its end.
func (p *payloadReader) open(body io.Reader) error {
	p.in = faultReader{r: body}
	compression, uncompressed, size := uint64(compressionNone), uint64(0), uint64(0)
	for {
		field, err := p.packed()
		if err != nil {
			return p.fault(err)
		}
		if field == payloadEnd {
			break
		}
		length, err := p.packed()
		if err != nil {
			return p.fault(err)
		}
		if length > 9 { // all fields that there are hold a number
			return badEvent(opPayload, "field %d of its head has %d bytes", field, length)
		}
		value := cursor{b: p.small[:length]}
		if _, err := io.ReadFull(&p.in, value.b); err != nil {
			return p.fault(err)
		}
		switch field {
		case payloadSize:
			size = value.packed()
		case payloadCompression:
			compression = value.packed()
		case payloadUncompressed:
			uncompressed = value.packed()
		}
		if value.short {
			return badEvent(opPayload, "field %d of its head is cut short", field)
		}
	}
	return p.start(compression, uncompressed, size)
}

func (p *payloadReader) start(compression, uncompressed, size uint64) error {
	p.expect, p.read, p.left = uncompressed, 0, 0
	switch compression {
	case compressionNone:
		p.src = &p.in
		p.expect = size
		return nil
	case compressionZSTD:
	default:
		return badEvent(opPayload, "the compression %d is unknown", compression)
	}
	if p.z == nil {
		// One goroutine, the caller's own: the decoder then works only when it is read.
		z, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxWindow))
		if err != nil {
			return fmt.Errorf("making a zstd decoder: %w", err)
		}
		p.z = z
	}
	if err := p.z.Reset(&p.in); err != nil {
		return p.fault(err)
	}
	p.src = p.z
	return nil
}

// next steps to the next event, over what was not read of the one before, and gives its header. It returns io.EOF, not
// wrapped, after the last event when all bytes that the head announced have come.
func (p *payloadReader) next() (*eventHeader, error) {
	if err := p.skip(); err != nil {
		return nil, err
	}
	n, ended := io.ReadFull(p.src, p.small[:])
	p.read += uint64(n)
	switch {
	case ended == io.EOF && p.read == p.expect:
		return nil, io.EOF
	case ended == io.EOF && p.in.err == nil:
		return nil, badEvent(opPayload, "it has %d bytes, and its head says %d", p.read, p.expect)
	case ended != nil:
		return nil, p.fault(ended)
	}
	h := &p.event
	if err := h.read(p.small[:]); err != nil {
		return nil, err
	}
	if uint64(h.Size-headerSize) > p.expect-min(p.read, p.expect) {
		return nil, badEvent(opPayload, "an event of %d bytes does not fit in it", h.Size)
	}
	p.left = int(h.Size) - headerSize
	return h, nil
}

// bodySize is how many bytes of the current event's body are left to read.
func (p *payloadReader) bodySize() int { return p.left }

// body reads the current event's body into dst, which has bodySize bytes.
func (p *payloadReader) body(dst []byte) error {
	n, err := io.ReadFull(p.src, dst)
	p.read += uint64(n)
	p.left -= n
	return p.fault(err)
}

// skip reads the rest of the current event and forgets it.
func (p *payloadReader) skip() error {
	if p.left > 0 && p.skipping == nil {
		p.skipping = make([]byte, 16<<10)
	}
	for p.left > 0 {
		if err := p.body(p.skipping[:min(p.left, len(p.skipping))]); err != nil {
			return err
		}
	}
	return nil
}

// close gives the decoder's memory back.
func (p *payloadReader) close() {
	if p.z != nil {
		p.z.Close()
		p.z = nil
	}
}

// fault keeps errors of the connection as they are: only bytes that are there and wrong are a bad event.
func (p *payloadReader) fault(err error) error {
	switch {
	case err == nil || fault.As(err) != nil:
		return err
	case p.in.err != nil:
		return fmt.Errorf("%s: %w", opPayload, p.in.err)
	case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
		return badEvent(opPayload, "it ends within an event")
	}
	return badEvent(opPayload, "decompressing it: %w", err)
}

// faultReader remembers the error of the connection below, which a decompressor may hide or rename.
type faultReader struct {
	r   io.Reader
	err error
}

func (f *faultReader) Read(p []byte) (int, error) {
	n, err := f.r.Read(p)
	if err != nil && err != io.EOF {
		f.err = err
	}
	return n, err
}

// packed reads a length-encoded integer of the head.
func (p *payloadReader) packed() (uint64, error) {
	b := p.small[:9]
	if _, err := io.ReadFull(&p.in, b[:1]); err != nil {
		return 0, err
	}
	more := 0
	switch b[0] {
	case 252:
		more = 2
	case 253:
		more = 3
	case 254:
		more = 8
	}
	if _, err := io.ReadFull(&p.in, b[1:1+more]); err != nil {
		return 0, err
	}
	c := cursor{b: b[:1+more]}
	v := c.packed()
	if c.short {
		return 0, badEvent(opPayload, "a number in its head begins with %d", b[0])
	}
	return v, nil
}
