package mysql

import (
	"bytes"
	"fmt"
	"io"
	"strconv"
	"sync"

	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/zlib"

	"cdcbridge/changelog"
)

// This file is about columns that MariaDB stores compressed (COLUMN_FORMAT COMPRESSED). The log has their values as they are
// stored: a byte that says how, the length of the original value, highest byte first, and deflate's stream; or the byte 0 and the
// value itself.

// compressed prepares a column whose values are compressed one by one. The length in its metadata counts the byte in front.
func (d columnDef) compressed(col *changelog.Column, dec *column) error {
	plain := d
	if d.layout.typ == typeVarcharCompressed {
		if d.layout.meta == 0 {
			return d.bad("a length of 0 bytes")
		}
		plain.layout.typ, plain.layout.meta = typeVarchar, d.layout.meta-1
	} else {
		plain.layout.typ = typeBlob
	}
	prepare := plain.text
	if d.collation == collationBinary {
		prepare = plain.bytes
	}
	if err := prepare(col, dec); err != nil {
		return err
	}
	if d.layout.typ == typeVarcharCompressed {
		dec.prefix = lengthPrefix(int(d.layout.meta))
	}
	inner := dec.decode
	dec.fast, dec.decode = fastNone, func(c *column, p []byte, dst *changelog.Value, b *changelog.Batch) error {
		p, err := expand(p, b)
		if err != nil {
			return err
		}
		return inner(c, p, dst, b)
	}
	return nil
}

// Bits of the byte in front of a compressed value.
const (
	storedMethod = 0xf0 // 0x80 is deflate
	storedRaw    = 0x08 // without zlib's head and checksum
	storedLength = 0x07 // bytes of the length
)

// expand gives the original value, in memory of the batch unless it was stored as it is.
func expand(p []byte, b *changelog.Batch) ([]byte, error) {
	if len(p) == 0 || p[0] == 0 {
		return p[min(1, len(p)):], nil
	}
	c := cursor{b: p}
	head, size := c.u8(), 0
	for range head & storedLength {
		size = size<<8 | int(c.u8())
	}
	if head&storedMethod != 0x80 || head&storedLength > 4 || c.short || size > mostInflated*len(c.b) {
		return nil, fmt.Errorf("a compressed value that begins with %s", strconv.QuoteToASCII(string(p[:min(len(p), 8)])))
	}
	out := b.Grab(size)
	return out, deflated.into(out, c.b, head&storedRaw != 0)
}

// deflated keeps decompressors between values.
var deflated decompressors

type decompressors struct{ raw, wrapped sync.Pool }

func (d *decompressors) into(dst, src []byte, raw bool) error {
	pool := &d.wrapped
	if raw {
		pool = &d.raw
	}
	r, _ := pool.Get().(*decompressor)
	if r == nil {
		r = &decompressor{}
	}
	defer pool.Put(r)
	r.src.Reset(src)
	var err error
	switch {
	case r.z != nil && raw:
		err = r.z.(flate.Resetter).Reset(&r.src, nil)
	case r.z != nil:
		err = r.z.(zlib.Resetter).Reset(&r.src, nil)
	case raw:
		r.z = flate.NewReader(&r.src)
	default:
		r.z, err = zlib.NewReader(&r.src)
	}
	if err == nil {
		_, err = io.ReadFull(r.z, dst)
	}
	if err != nil {
		return fmt.Errorf("decompressing a value: %w", err)
	}
	if n, _ := r.z.Read(r.more[:]); n > 0 {
		return fmt.Errorf("decompressing a value: it has more than the %d bytes that it says", len(dst))
	}
	return nil
}

type decompressor struct {
	src  bytes.Reader
	z    io.ReadCloser
	more [1]byte
}
