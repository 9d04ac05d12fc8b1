package postgres

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pglogrepl"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"cdcbridge/internal/fault"
)

const (
	// maxFrame is above the server's own limit (1 GiB) and keeps a corrupt size from becoming an allocation.
	maxFrame = 1<<30 + 1<<20
	// maxControl is the size of the largest frame that is not part of the stream: errors, notices.
	maxControl = 64 << 10

	frameHead     = 5           // type and length
	dataHead      = 1 + 3*8     // XLogData: start, end, clock
	keepaliveSize = 1 + 2*8 + 1 // end, clock, whether an answer is wanted
)

// frame is one message of the walsender. Its body is read by exactly one of body, keep and skip.
type frame struct {
	kind  byte          // 'w' WAL data, 'k' a keepalive, 'N' a notice
	start pglogrepl.LSN // 'w': of the record that the message is about; never a position to resume from
	end   pglogrepl.LSN // 'k': everything before was sent
	reply bool          // 'k': an answer is wanted at once
	size  int           // of the body
}

// next waits for a frame and gives its head. errNothing says that none came for that long: call it again.
func (d *walReader) next(wait time.Duration) (frame, error) {
	if d.w-d.r < frameHead+dataHead {
		if err := d.await(time.Now().Add(wait)); err != nil {
			return frame{}, err
		}
	}
	size := d.frameSize()
	if size < 4 || size > maxFrame {
		return frame{}, protocolFault("a message of %d bytes", size)
	}
	kind := d.buf[d.r]
	if kind != 'd' {
		return d.control(kind, size)
	}
	p := d.buf[d.r+frameHead : d.w]
	size -= 4
	d.bytes += uint64(size)
	switch {
	case size > dataHead && p[0] == 'w':
		d.left = size - dataHead
		d.r += frameHead + dataHead
		return frame{kind: 'w', start: pglogrepl.LSN(binary.BigEndian.Uint64(p[1:])), size: d.left}, nil
	case size == keepaliveSize && p[0] == 'k':
		f := frame{kind: 'k', end: pglogrepl.LSN(binary.BigEndian.Uint64(p[1:])), reply: p[17] != 0}
		d.r += frameHead + keepaliveSize
		d.owed = d.owed || f.reply
		return f, d.upkeep(d.heard)
	}
	return frame{}, protocolFault("a replication message of %d bytes that begins with %q", size, p[:min(size, 1)])
}

// await makes the head of a frame available in the buffer.
func (d *walReader) await(until time.Time) error {
	for d.w-d.r < frameHead {
		if err := d.fill(until); err != nil {
			return err
		}
	}
	for {
		n := d.frameSize()
		if n < 4 || n > maxFrame || d.w-d.r >= frameHead+min(n-4, dataHead) {
			return nil
		}
		if err := d.fill(until); err != nil {
			return err
		}
	}
}

func (d *walReader) frameSize() int { return int(binary.BigEndian.Uint32(d.buf[d.r+1:])) }

// control handles a frame that is no part of the stream.
func (d *walReader) control(kind byte, size int) (frame, error) {
	if size > maxControl {
		return frame{}, protocolFault("a message of type %q and %d bytes", kind, size)
	}
	switch kind {
	case 'E':
		return frame{}, d.refused()
	case 'N':
		if err := d.need(1 + size); err != nil {
			return frame{}, err
		}
		d.r += frameHead
		d.left = size - 4
		return frame{kind: kind, size: d.left}, nil
	case 'S': // a setting changed
		if err := d.drop(); err != nil {
			return frame{}, err
		}
		return frame{}, errNothing
	case 'c', 'C', 'Z':
		return frame{}, fault.New(fault.Unreachable, "reading the WAL stream", errors.New("the server ended the stream"), "It is shutting down, or its walsender was told to end.")
	}
	return frame{}, protocolFault("a message of type %q", kind)
}

// drop uses up a small frame.
func (d *walReader) drop() error {
	size := d.frameSize()
	if size < 4 || size > maxControl {
		return protocolFault("a message of type %q and %d bytes", d.buf[d.r], size)
	}
	if err := d.need(1 + size); err != nil {
		return err
	}
	d.r += 1 + size
	return nil
}

// refused reads the server's error.
func (d *walReader) refused() error {
	size := d.frameSize()
	if size < 4 || size > maxControl {
		return protocolFault("an error message of %d bytes", size)
	}
	if err := d.need(1 + size); err != nil {
		return err
	}
	var e pgproto3.ErrorResponse
	if err := e.Decode(d.buf[d.r+frameHead : d.r+1+size]); err != nil {
		return protocolFault("an error message that cannot be read: %w", err)
	}
	return pgconn.ErrorResponseToPgError(&e)
}

func protocolFault(format string, args ...any) error {
	return fault.New(fault.Source, "reading the WAL stream", fmt.Errorf(format, args...), "The bytes are not the protocol's: check what stands between us and the server.")
}
