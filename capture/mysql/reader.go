package mysql

import (
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"net"
	"os"
	"time"

	"encoding/binary"

	gomysql "github.com/go-mysql-org/go-mysql/mysql"

	"cdcbridge/internal/fault"
)

const (
	readBuffer = 256 << 10
	// maxPacket is the size at which a packet is followed by another one that continues it.
	maxPacket = 1<<24 - 1
	// maxEvent is above the server's own limit (1 GiB) and keeps a corrupt size from becoming an allocation.
	maxEvent = 1<<30 + 1<<20
)

// eventReader takes binlog events from the packets of a dump. Small events lie in its buffer, large ones are read to where
// the caller wants them, without a copy in between.
//
//	next → eventHeader, peek → the body's first bytes; then exactly one of body, into, discard
type eventReader struct {
	wire net.Conn  // what is read, TLS or not
	raw  *pollConn // the socket below it
	buf  []byte    // buf[r:w] is read and not used
	r, w int

	seq       uint8 // number of the next packet
	left      int   // bytes of the current packet not used
	more      bool  // another packet continues the current one
	checksums bool  // events end in a CRC32
	checked   bool  // that of the current event was compared, or is being by who reads the body

	event    eventHeader
	head     [headerSize]byte // the same as bytes
	front    int              // where it lies in the buffer; -1: not there any more
	size     int              // of the current event's body and checksum
	bytes    uint64           // of all events
	deadline time.Time        // of a read between two events
	patience time.Duration    // of a read within an event
	watches  *watches         // what ends a wait between two events early
}

// newEventReader reads what comes after a dump command. A server that stops in the middle of an event for longer than
// patience is given up.
func newEventReader(c *conn, seq uint8, patience time.Duration) *eventReader {
	return &eventReader{wire: c.wire(), raw: c.raw, buf: make([]byte, readBuffer), seq: seq, checksums: true, patience: patience}
}

// arrived reports whether there is a next event, or a part of it, without waiting.
func (e *eventReader) arrived() (bool, error) {
	if e.r < e.w {
		return true, nil
	}
	if err := e.raw.SetReadDeadline(time.Time{}); err != nil {
		return false, err
	}
	e.raw.poll = true
	err := e.receive()
	e.raw.poll = false
	if errors.Is(err, errNothing) {
		return false, nil
	}
	return err == nil, err
}

// headed reports that the header of the next event lies in the buffer.
func (e *eventReader) headed() bool { return e.w-e.r >= 4+1+headerSize && !e.more }

// next waits for an event until the deadline, or until a place is watched, and gives its header. errNothing says that none
// came: call it again. The header is valid until then.
func (e *eventReader) next(deadline time.Time) (*eventHeader, error) {
	if !e.headed() {
		e.deadline = deadline
		err := e.awaitHeader()
		e.deadline = time.Time{}
		e.watches.awake()
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return nil, errNothing
		}
		if err != nil {
			return nil, err
		}
	}
	size := e.packetSize()
	if e.buf[e.r+3] != e.seq {
		return nil, protocolFault("packet %d came instead of %d", e.buf[e.r+3], e.seq)
	}
	if size == 0 || e.buf[e.r+4] != 0 {
		return nil, e.endOfStream(size)
	}
	if size < 1+headerSize {
		return nil, protocolFault("a packet of %d bytes holds no event", size)
	}
	e.startPacket()
	e.take(1)
	e.front = e.r
	raw := e.take(headerSize)
	copy(e.head[:], raw)
	h := &e.event
	if err := h.read(raw); err != nil {
		return nil, protocolFault("%w", err)
	}
	e.checked = false
	e.size = int(h.Size) - headerSize
	if h.Size > maxEvent || e.size < e.left || e.size > e.left && !e.more || e.checksums && e.size < checksumSize {
		return nil, protocolFault("an event of %d bytes came in a packet of %d", h.Size, size)
	}
	e.bytes += uint64(h.Size)
	return h, nil
}

// awaitHeader makes a packet's and an event's header available in the buffer, or a whole packet that is shorter.
func (e *eventReader) awaitHeader() error {
	for e.more { // an event that filled its last packet exactly is followed by an empty one
		if err := e.need(4); err != nil {
			return err
		}
		if e.buf[e.r+3] != e.seq || e.packetSize() != 0 {
			return protocolFault("an event is shorter than its packets")
		}
		e.startPacket()
	}
	if err := e.need(4); err != nil {
		return err
	}
	return e.need(4 + min(e.packetSize(), 1+headerSize))
}

func (e *eventReader) packetSize() int {
	return int(e.buf[e.r]) | int(e.buf[e.r+1])<<8 | int(e.buf[e.r+2])<<16
}

// startPacket uses up the packet header at the front of the buffer.
func (e *eventReader) startPacket() {
	e.left = e.packetSize()
	e.more = e.left == maxPacket
	e.r += 4
	e.seq++
}

// take gives n bytes of the current packet that are in the buffer.
func (e *eventReader) take(n int) []byte {
	p := e.buf[e.r : e.r+n]
	e.r += n
	e.left -= n
	return p
}

// endOfStream reads the packet that is no event: the server's error, or its end of file, which a dump that waits for more
// never gets.
func (e *eventReader) endOfStream(size int) error {
	size = min(size, len(e.buf)-4)
	if err := e.need(4 + size); err != nil {
		return err
	}
	p := e.buf[e.r+4 : e.r+4+size]
	if size < 3 || p[0] != gomysql.ERR_HEADER {
		return fault.New(fault.Source, "reading the binlog stream", errors.New("the server ended the stream"), "It may be shutting down, or another replica took over our server_id.")
	}
	return dumpFault(serverError(p))
}

// peek gives up to n first bytes of the body. They are valid until the next call.
func (e *eventReader) peek(n int) ([]byte, error) {
	n = min(n, e.left)
	if err := e.need(n); err != nil {
		return nil, err
	}
	return e.buf[e.r : e.r+n], nil
}

// bodySize is the size of the current event's body, without checksum.
func (e *eventReader) bodySize() int {
	if e.checksums {
		return e.size - checksumSize
	}
	return e.size
}

// body gives the body of the current event. It is valid until the next call of next; it lies in the buffer unless it is
// larger than that.
func (e *eventReader) body() ([]byte, error) {
	if e.size > e.left || e.size > len(e.buf) {
		return e.into(make([]byte, e.size))
	}
	if err := e.need(e.size); err != nil {
		return nil, err
	}
	p := e.take(e.size)
	if !e.checksums || e.front < 0 {
		return e.verified(p)
	}
	e.checked = true
	n := len(p) - checksumSize
	if err := e.confirm(p[n:], crc32.ChecksumIEEE(e.buf[e.front:e.r-checksumSize])); err != nil {
		return nil, err
	}
	return p[:n:n], nil
}

// into reads the body to dst, which has e.size bytes: the body and the checksum.
func (e *eventReader) into(dst []byte) ([]byte, error) {
	if err := e.readAll(dst); err != nil {
		return nil, err
	}
	return e.verified(dst)
}

// discard uses the body up. Its checksum is verified all the same: a damaged event that is not ours may have been ours.
func (e *eventReader) discard() error {
	if e.size <= e.left && e.size <= len(e.buf) {
		_, err := e.body()
		return err
	}
	sum := crc32.ChecksumIEEE(e.head[:])
	left := e.bodySize()
	for left > 0 {
		if err := e.ready(); err != nil {
			return err
		}
		p := e.take(min(left, e.left, e.w-e.r))
		sum = crc32.Update(sum, crc32.IEEETable, p)
		left -= len(p)
	}
	return e.endsWith(sum)
}

// endsWith reads the checksum at the event's end, if there is one, and compares it with that of the bytes before it.
func (e *eventReader) endsWith(sum uint32) error {
	if !e.checksums {
		return nil
	}
	var tail [checksumSize]byte
	if err := e.readAll(tail[:]); err != nil {
		return err
	}
	e.checked = true
	return e.confirm(tail[:], sum)
}

// blame finds out whether an event that cannot be understood is damaged: its bytes are then not to be believed, and may be
// right at the next attempt.
func (e *eventReader) blame(err error) error {
	if !fault.IsFinal(err) || e.checked {
		return err
	}
	if damaged := e.discard(); fault.Is(damaged, fault.Corrupt) {
		return damaged
	}
	return err
}

// verified takes the checksum off, after a look at it.
func (e *eventReader) verified(p []byte) ([]byte, error) {
	e.checked = true
	if !e.checksums {
		return p, nil
	}
	if err := e.compare(p); err != nil {
		return nil, err
	}
	n := len(p) - checksumSize
	return p[:n:n], nil
}

// compare compares the current event's checksum, which ends its body, with what the header and the body give.
func (e *eventReader) compare(body []byte) error {
	n := len(body) - checksumSize
	if n < 0 {
		return protocolFault("an event of %d bytes has no checksum", headerSize+len(body))
	}
	return e.confirm(body[n:], crc32.Update(crc32.ChecksumIEEE(e.head[:]), crc32.IEEETable, body[:n]))
}

// confirm compares the checksum that the current event has with what its bytes give.
func (e *eventReader) confirm(tail []byte, sum uint32) error {
	if want := binary.LittleEndian.Uint32(tail); want != sum {
		return checksumFault(e.head[4], want, sum)
	}
	return nil
}

// readAll fills dst from the event.
func (e *eventReader) readAll(dst []byte) error {
	for len(dst) > 0 {
		n, err := e.read(dst)
		if err != nil {
			return err
		}
		dst = dst[n:]
	}
	return nil
}

// read gives at least one byte of the event to dst, from the buffer or, when much is missing, straight from the connection.
func (e *eventReader) read(dst []byte) (int, error) {
	if e.r == e.w && e.left >= len(e.buf) && len(dst) >= len(e.buf) {
		if err := e.raw.SetReadDeadline(time.Now().Add(e.patience)); err != nil {
			return 0, err
		}
		n, err := e.wire.Read(dst[:min(len(dst), e.left)])
		e.left -= n
		if n > 0 {
			return n, nil
		}
		return 0, err
	}
	if err := e.ready(); err != nil {
		return 0, err
	}
	return copy(dst, e.take(min(len(dst), e.left, e.w-e.r))), nil
}

// ready makes at least one byte of the event available in the buffer and steps over the headers of continuing packets.
func (e *eventReader) ready() error {
	for e.left == 0 {
		if !e.more {
			return protocolFault("an event is longer than its packets")
		}
		if err := e.need(4); err != nil {
			return err
		}
		if e.buf[e.r+3] != e.seq {
			return protocolFault("packet %d came instead of %d", e.buf[e.r+3], e.seq)
		}
		e.startPacket()
	}
	return e.need(1)
}

// need makes n bytes, at most the buffer's size, available in the buffer.
func (e *eventReader) need(n int) error {
	for e.w-e.r < n {
		if err := e.fill(); err != nil {
			return err
		}
	}
	return nil
}

// fill waits for bytes.
func (e *eventReader) fill() error {
	var err error
	if e.deadline.IsZero() {
		err = e.raw.SetReadDeadline(time.Now().Add(e.patience))
	} else {
		err = e.watches.sleep(e.raw, e.deadline)
	}
	if err != nil {
		return err
	}
	return e.receive()
}

// receive reads once to the end of the buffer.
func (e *eventReader) receive() error {
	if e.r == e.w {
		e.r, e.w, e.front = 0, 0, -1
	} else if e.r > 0 && len(e.buf)-e.w < len(e.buf)/4 {
		e.w = copy(e.buf, e.buf[e.r:e.w])
		e.r, e.front = 0, -1
	}
	n, err := e.wire.Read(e.buf[e.w:])
	e.w += n
	if n > 0 {
		return nil
	}
	if err == nil {
		err = io.ErrNoProgress
	}
	return err
}

func protocolFault(format string, args ...any) error {
	return fault.New(fault.Source, "reading the binlog stream", fmt.Errorf(format, args...), "The bytes are not the protocol's: check what stands between us and the server.")
}
