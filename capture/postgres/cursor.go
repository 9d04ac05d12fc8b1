package postgres

import (
	"bytes"
	"encoding/binary"
)

// cursor reads big-endian fields from the front of a message. A read beyond the end sets short and gives zeroes, and so does
// every read after it: a parser checks short once, at its end, and before it trusts a count.
type cursor struct {
	b     []byte
	short bool
}

func (c *cursor) bytes(n int) []byte {
	if n < 0 || n > len(c.b) {
		c.b, c.short = nil, true
		return nil
	}
	p := c.b[:n:n]
	c.b = c.b[n:]
	return p
}

func (c *cursor) u8() uint8 {
	if p := c.bytes(1); p != nil {
		return p[0]
	}
	return 0
}

func (c *cursor) u16() uint16 {
	if p := c.bytes(2); p != nil {
		return binary.BigEndian.Uint16(p)
	}
	return 0
}

func (c *cursor) u32() uint32 {
	if p := c.bytes(4); p != nil {
		return binary.BigEndian.Uint32(p)
	}
	return 0
}

func (c *cursor) u64() uint64 {
	if p := c.bytes(8); p != nil {
		return binary.BigEndian.Uint64(p)
	}
	return 0
}

// text reads up to a zero byte and past it.
func (c *cursor) text() []byte {
	i := bytes.IndexByte(c.b, 0)
	if i < 0 {
		c.b, c.short = nil, true
		return nil
	}
	p := c.b[:i:i]
	c.b = c.b[i+1:]
	return p
}

// done reports that the message had all fields and nothing after them.
func (c *cursor) done() bool { return !c.short && len(c.b) == 0 }
