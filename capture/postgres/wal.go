package postgres

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"cdcbridge/changelog"
	"cdcbridge/internal/fault"
)

const readBuffer = 256 << 10

// firstMessage is how long a server may look for the start position before its first message.
const firstMessage = 10 * time.Minute

// tick is how often whoever waits looks up, to report what has been committed meanwhile.
const tick = 200 * time.Millisecond

// errNothing says that nothing came until the given time.
var errNothing = errors.New("nothing came")

// walReader owns a replication connection that streams: it takes messages from it and tells the server what has been
// committed, also while nobody reads. Small messages lie in its buffer, large ones are read to where the caller wants them.
// One goroutine uses it, but for interrupt and nudge.
type walReader struct {
	wire    net.Conn
	arrival arrival
	buf     []byte // buf[r:w] is read and not used
	r, w    int
	left    int    // bytes of the current frame's body not used
	bytes   uint64 // of all frames

	flushed  *atomic.Uint64 // up to where everything is durable in the target
	beat     time.Duration  // how often the server hears from us
	patience time.Duration  // how long the server may be silent in spite of our questions
	live     bool           // the stream stands: status messages may be sent
	reported uint64         // last position that the server was told
	told     time.Time      // when
	asked    time.Time      // when it was last asked for a keepalive
	heard    time.Time      // when it last said something
	owed     bool           // it waits for an answer
	status   [34 + frameHead]byte

	broken  bool        // the connection failed: there is nobody to say goodbye to
	stopped atomic.Bool // by interrupt
	nudged  atomic.Bool // by nudge, and nobody has noticed it yet
}

// newWALReader takes the connection over from pgconn. Nothing may be under way on it.
func newWALReader(pg *pgconn.PgConn, flushed *atomic.Uint64, beat, patience time.Duration) (*walReader, error) {
	h, err := pg.Hijack()
	if err != nil {
		return nil, fmt.Errorf("taking the connection over: %w", err)
	}
	if err := settle(h); err != nil {
		return nil, fmt.Errorf("taking the connection over: %w", err)
	}
	return &walReader{wire: h.Conn, arrival: arrivalOn(h.Conn), buf: make([]byte, readBuffer), flushed: flushed, beat: beat, patience: patience}, nil
}

// start sends START_REPLICATION and waits until the stream stands.
func (d *walReader) start(command string) error {
	now := time.Now()
	d.heard, d.told, d.asked = now, now, now
	if err := d.wire.SetWriteDeadline(now.Add(writeTimeout)); err != nil {
		return err
	}
	q, err := (&pgproto3.Query{String: command}).Encode(nil)
	if err != nil {
		return err
	}
	if _, err := d.wire.Write(q); err != nil {
		return err
	}
	for {
		if err := d.need(frameHead); err != nil {
			return err
		}
		switch kind := d.buf[d.r]; kind {
		case 'W': // CopyBothResponse
			d.live = true
			return d.drop()
		case 'N', 'S':
			if err := d.drop(); err != nil {
				return err
			}
		case 'E':
			return d.refused()
		default:
			return protocolFault("a message of type %q answered START_REPLICATION", kind)
		}
	}
}

// peek gives up to n first bytes of the body. They are valid until the next call.
func (d *walReader) peek(n int) ([]byte, error) {
	n = min(n, d.left)
	if err := d.need(n); err != nil {
		return nil, err
	}
	return d.buf[d.r : d.r+n], nil
}

// body gives the body of the current frame. It is valid until the next call; it lies in the buffer unless it is larger.
func (d *walReader) body() ([]byte, error) {
	if d.left > len(d.buf) {
		p := make([]byte, d.left)
		return p, d.into(p)
	}
	if err := d.need(d.left); err != nil {
		return nil, err
	}
	p := d.buf[d.r : d.r+d.left : d.r+d.left]
	d.r += d.left
	d.left = 0
	return p, nil
}

// keep reads the body to the batch's memory.
func (d *walReader) keep(b *changelog.Batch) ([]byte, error) {
	p := b.Grab(d.left)
	return p, d.into(p)
}

// skip uses the body up.
func (d *walReader) skip() error {
	for d.left > 0 {
		if err := d.need(1); err != nil {
			return err
		}
		n := min(d.left, d.w-d.r)
		d.r += n
		d.left -= n
	}
	return nil
}

// into fills dst, which has the size of the body, from the buffer or, when much is missing, straight from the connection.
func (d *walReader) into(dst []byte) error {
	n := copy(dst, d.buf[d.r:d.w])
	d.r += n
	for n < len(dst) {
		if len(dst)-n < len(d.buf) {
			if err := d.need(len(dst) - n); err != nil {
				return err
			}
			m := copy(dst[n:], d.buf[d.r:d.w])
			d.r += m
			n += m
			continue
		}
		m, err := d.read(dst[n:], time.Time{})
		if err != nil {
			return err
		}
		n += m
	}
	d.left = 0
	return nil
}

// need makes n bytes, at most the buffer's size, available in the buffer.
func (d *walReader) need(n int) error {
	for d.w-d.r < n {
		if err := d.fill(time.Time{}); err != nil {
			return err
		}
	}
	return nil
}

// fill waits for bytes in the buffer until then; the zero time stands for as long as patience lasts.
func (d *walReader) fill(until time.Time) error {
	d.compact()
	n, err := d.read(d.buf[d.w:], until)
	d.w += n
	return err
}

// compact makes room behind what is in the buffer.
func (d *walReader) compact() {
	if d.r == d.w {
		d.r, d.w = 0, 0
	} else if d.r > 0 && len(d.buf)-d.w < len(d.buf)/4 {
		d.w = copy(d.buf, d.buf[d.r:d.w])
		d.r = 0
	}
}

// read waits for at least one byte and keeps the server informed meanwhile.
func (d *walReader) read(p []byte, until time.Time) (int, error) {
	d.arrival.wakeAt(1)
	now := time.Now()
	for {
		wake := d.nextUpkeep(now)
		if !until.IsZero() && until.Before(wake) {
			wake = until
		}
		if err := d.wire.SetReadDeadline(wake); err != nil {
			return 0, err
		}
		if d.stopped.Load() {
			return 0, context.Canceled
		}
		if !until.IsZero() && d.nudged.Swap(false) {
			return 0, errNothing
		}
		n, err := d.wire.Read(p)
		now = time.Now()
		if n > 0 {
			d.heard = now
			return n, d.upkeep(now)
		}
		switch {
		case err == nil:
			return 0, io.ErrNoProgress
		case d.stopped.Load():
			return 0, context.Canceled
		case !errors.Is(err, os.ErrDeadlineExceeded):
			d.broken = true
			return 0, err
		}
		if err := d.upkeep(now); err != nil {
			return 0, err
		}
		if limit := d.limit(); now.Sub(d.heard) >= limit {
			return 0, fault.New(fault.Unreachable, "reading the WAL stream", fmt.Errorf("the server said nothing for %v", limit),
				"The server hangs or the network drops packets. The source connects again by itself.")
		}
		if !until.IsZero() && !now.Before(until) {
			return 0, errNothing
		}
	}
}

// limit is how long the server may be silent. To find where to begin it may have to read much of its log first.
func (d *walReader) limit() time.Duration {
	if d.bytes == 0 {
		return max(firstMessage, d.patience)
	}
	return d.patience
}

// arrived reports whether there is a next message, or a part of it. It does not wait for one; when more is on its way, it lets some of
// that gather.
func (d *walReader) arrived(more bool) (bool, error) {
	if d.r < d.w {
		return true, nil
	}
	switch {
	case !more:
		d.arrival.rest()
	case d.w < enough:
		d.arrival.gather()
	}
	d.compact()
	if err := d.wire.SetReadDeadline(time.Time{}); err != nil {
		return false, err
	}
	if d.stopped.Load() {
		return false, context.Canceled
	}
	n, err := d.arrival.read(d.buf)
	if n > 0 {
		d.w = n
		d.heard = time.Now()
		return true, d.upkeep(d.heard)
	}
	if errors.Is(err, errNothing) {
		return false, nil
	}
	if errors.Is(err, os.ErrDeadlineExceeded) { // there was none: it was an interrupt or a nudge
		if d.stopped.Load() {
			return false, context.Canceled
		}
		return false, nil
	}
	d.broken = true
	return false, err
}

// nudge ends a wait for the next message. Any goroutine may call it.
func (d *walReader) nudge() {
	d.nudged.Store(true)
	_ = d.wire.SetReadDeadline(time.Unix(1, 0))
}

// interrupt ends a read or a wait of the reader at once. Any goroutine may call it.
func (d *walReader) interrupt() {
	d.stopped.Store(true)
	_ = d.wire.SetReadDeadline(time.Unix(1, 0))
}
