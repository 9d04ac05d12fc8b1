package mysql

import "encoding/binary"

// cursor reads little-endian fields from the front of an event's body. A read beyond the end sets short and gives zeroes,
// and so does every read after it: a parser checks short once, at its end, and before it trusts a count.
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
		return binary.LittleEndian.Uint16(p)
	}
	return 0
}

func (c *cursor) u32() uint32 {
	if p := c.bytes(4); p != nil {
		return binary.LittleEndian.Uint32(p)
	}
	return 0
}

func (c *cursor) u64() uint64 {
	if p := c.bytes(8); p != nil {
		return binary.LittleEndian.Uint64(p)
	}
	return 0
}

// uint reads an unsigned integer of n (at most 8) bytes.
func (c *cursor) uint(n int) uint64 {
	p := c.bytes(n)
	var v uint64
	for i := len(p) - 1; i >= 0; i-- {
		v = v<<8 | uint64(p[i])
	}
	return v
}

// packed reads MySQL's length-encoded integer.
func (c *cursor) packed() uint64 {
	switch first := c.u8(); {
	case first < 251:
		return uint64(first)
	case first == 252:
		return c.uint(2)
	case first == 253:
		return c.uint(3)
	case first == 254:
		return c.uint(8)
	}
	c.b, c.short = nil, true // 251 is the protocol's NULL and 255 its error mark: neither is a number
	return 0
}

// packedInt reads a length-encoded integer that counts or indexes something in this event, so that it fits an int.
func (c *cursor) packedInt() int {
	n := c.packed()
	if n > 1<<31-1 {
		c.b, c.short = nil, true
		return 0
	}
	return int(n)
}

// packedBytes reads a byte string with a length-encoded length.
func (c *cursor) packedBytes() []byte { return c.bytes(c.packedInt()) }

// terminated reads n bytes that are followed by a zero byte.
func (c *cursor) terminated(n int) []byte {
	p := c.bytes(n)
	if c.u8() != 0 {
		c.b, c.short = nil, true
	}
	return p
}
