package mysql

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	gomysql "github.com/go-mysql-org/go-mysql/mysql"

	"cdcbridge/changelog"
	"cdcbridge/internal/fault"
)

// This file reads the rows of a statement straight from the connection and decodes them, the hot path of a snapshot: rows of
// the text protocol are strings with their lengths, one for each column. go-mysql would make a value of each.

const (
	rowBuffer = 128 << 10
	// keptRow is how large a buffer for rows that do not fit the other one is kept.
	keptRow = 4 << 20
	// rowPatience is how long the server may be silent while it reads.
	rowPatience = 2 * time.Minute
)

// rowPackets reads the packets of one result.
type rowPackets struct {
	wire     net.Conn
	raw      *pollConn
	buf      []byte // buf[r:w] is read and not used
	r, w     int
	seq      uint8
	long     []byte // a packet that does not fit buf, or more of them that are one
	columns  int
	finished bool
}

var errResult = errors.New("the result is not what the protocol allows")

// run sends a statement whose rows are then read with next.
func (p *rowPackets) run(c *conn, sql string) error {
	p.wire, p.raw, p.r, p.w, p.finished = c.wire(), c.raw, 0, 0, false
	if p.buf == nil {
		p.buf = make([]byte, rowBuffer)
	}
	command := append(make([]byte, 4, 5+len(sql)), gomysql.COM_QUERY)
	if err := c.raw.SetDeadline(time.Now().Add(c.timeout)); err != nil {
		return err
	}
	c.ResetSequence()
	if err := c.WritePacket(append(command, sql...)); err != nil {
		return err
	}
	p.seq = c.Sequence
	return p.head()
}

// head reads what comes before the rows.
func (p *rowPackets) head() error {
	first, err := p.packet()
	if err != nil {
		return err
	}
	c := cursor{b: first}
	if len(first) > 0 && first[0] == gomysql.ERR_HEADER {
		return serverError(first)
	}
	p.columns = c.packedInt()
	if c.short || len(c.b) > 0 || p.columns == 0 {
		return errResult
	}
	for range p.columns { // their descriptions; the catalogue has described them
		if _, err := p.packet(); err != nil {
			return err
		}
	}
	mark, err := p.packet()
	if err == nil && !endsResult(mark) {
		err = errResult
	}
	return err
}

// next gives the next row, which is valid until the next call; nil after the last one.
func (p *rowPackets) next() ([]byte, error) {
	if p.finished {
		return nil, nil
	}
	row, err := p.packet()
	switch {
	case err != nil:
		return nil, err
	case len(row) == 0:
		return nil, errResult
	case endsResult(row):
		p.finished = true
		return nil, nil
	case row[0] == gomysql.ERR_HEADER:
		p.finished = true
		return nil, serverError(row)
	}
	return row, nil
}

// endsResult tells the last packet from a row that begins with a value of 16 MiB or more.
func endsResult(p []byte) bool { return len(p) > 0 && p[0] == gomysql.EOF_HEADER && len(p) < maxPacket }

// serverError reads an ERR packet.
func serverError(p []byte) *gomysql.MyError {
	if len(p) < 3 {
		return &gomysql.MyError{Message: "an error without a number"}
	}
	err := &gomysql.MyError{Code: binary.LittleEndian.Uint16(p[1:])}
	if msg := p[3:]; len(msg) >= 6 && msg[0] == '#' {
		err.State, err.Message = string(msg[1:6]), string(msg[6:])
	} else {
		err.Message = string(msg)
	}
	return err
}

// packet reads one packet and those that continue it.
func (p *rowPackets) packet() ([]byte, error) {
	size, err := p.header()
	if err != nil {
		return nil, err
	}
	if size < maxPacket && size <= len(p.buf)-4 {
		if err := p.need(size); err != nil {
			return nil, err
		}
		p.r += size
		return p.buf[p.r-size : p.r : p.r], nil
	}
	p.long = p.long[:0]
	for {
		if err := p.lengthen(size); err != nil {
			return nil, err
		}
		if size < maxPacket {
			return p.long, nil
		}
		if size, err = p.header(); err != nil {
			return nil, err
		}
	}
}

func (p *rowPackets) header() (int, error) {
	if err := p.need(4); err != nil {
		return 0, err
	}
	h := p.buf[p.r : p.r+4]
	if h[3] != p.seq {
		return 0, fmt.Errorf("%w: packet %d came instead of %d", errResult, h[3], p.seq)
	}
	p.seq++
	p.r += 4
	return int(h[0]) | int(h[1])<<8 | int(h[2])<<16, nil
}

// lengthen reads size bytes to the end of long.
func (p *rowPackets) lengthen(size int) error {
	from := len(p.long)
	if cap(p.long)-from < size {
		p.long = append(make([]byte, 0, max(2*cap(p.long), from+size)), p.long...)
	}
	p.long = p.long[:from+size]
	n := copy(p.long[from:], p.buf[p.r:p.w])
	p.r += n
	if err := p.raw.SetReadDeadline(time.Now().Add(rowPatience)); err != nil {
		return err
	}
	_, err := io.ReadFull(p.wire, p.long[from+n:])
	return err
}

// need makes n bytes, at most the buffer's size, available in the buffer.
func (p *rowPackets) need(n int) error {
	if p.w-p.r >= n {
		return nil
	}
	if len(p.buf)-p.r < n || p.r == p.w {
		p.w = copy(p.buf, p.buf[p.r:p.w])
		p.r = 0
	}
	if err := p.raw.SetReadDeadline(time.Now().Add(rowPatience)); err != nil {
		return err
	}
	for p.w-p.r < n {
		got, err := p.wire.Read(p.buf[p.w:])
		p.w += got
		if got == 0 {
			if err == nil {
				err = io.ErrNoProgress
			}
			return err
		}
	}
	return nil
}

// shrink lets a large buffer go.
func (p *rowPackets) shrink() {
	if cap(p.long) > keptRow {
		p.long = nil
	}
}

const nullLength = 0xfb

// row decodes a row of the text protocol into the batch and keeps the text of its key in key, which has a buffer for each
// part. It keeps nothing of p.
func (t *scanTable) row(b *changelog.Batch, p []byte, key [][]byte) (changelog.Row, error) {
	row := b.NewRow(len(t.columns))
	for i := range t.columns {
		c := &t.columns[i]
		if len(p) == 0 {
			return nil, t.badRow("it ends before the column %q", c.name)
		}
		n, size := uint64(p[0]), 1
		switch {
		case n == nullLength:
			p = p[1:]
			continue
		case n > nullLength:
			if n, size = longLength(p); size == 0 {
				return nil, t.badRow("it ends within the length of the column %q", c.name)
			}
		}
		if n > uint64(len(p)-size) {
			return nil, t.badRow("it ends within the column %q", c.name)
		}
		end := size + int(n)
		text := p[size:end:end]
		p = p[end:]
		if c.part >= 0 {
			key[c.part] = append(key[c.part][:0], text...)
		}
		if err := c.decode(&c.column, text, &row[i], b); err != nil {
			return nil, fault.NewFinal(fault.Decode, "reading rows of "+t.name.String(), fmt.Errorf("column %q: %w", c.name, err),
				"Nothing was skipped. Look at the row on the server; if it is fine, report this with the column's definition.")
		}
	}
	if len(p) > 0 {
		return nil, t.badRow("it has more than %d columns", len(t.columns))
	}
	return row, nil
}

// longLength reads a length of two, three or eight bytes; size 0 says that p is too short or begins with no length.
func longLength(p []byte) (n uint64, size int) {
	switch p[0] {
	case 0xfc:
		size = 3
	case 0xfd:
		size = 4
	case 0xfe:
		size = 9
	}
	if size == 0 || len(p) < size {
		return 0, 0
	}
	return littleEndian(p[1:size]), size
}

func (t *scanTable) badRow(format string, args ...any) error {
	return fault.New(fault.Source, "reading rows of "+t.name.String(), fmt.Errorf("a row is damaged: "+format, args...), "The bytes are not the protocol's: check what stands between us and the server.")
}
