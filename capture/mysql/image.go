package mysql

import (
	"encoding/binary"

	"cdcbridge/changelog"
)

// This file is the row-image decoder, the hot path of the source: one NULL bitmap, then the values that are not NULL, one
// after the other, without types, names or lengths of the whole. Everything that can be decided per table was decided when
// the shape was made; here remains one bounds check a value and one indirect call, which the most frequent types do without.

// column decodes one column of a row image.
type column struct {
	decode  decodeFunc
	fast    fast
	width   int // bytes of every value; unused when prefix is set
	prefix  int // bytes of the length before the value, 0-4
	scale   int // decimal: fraction digits; temporal types: fraction digits
	digits  int // decimal: digits before the point
	charset *charset
	labels  [][]byte // UTF-8
	name    string
}

// fast is what image decodes without the column's decode, which says the same.
type fast uint8

const (
	fastNone fast = iota
	fastInt8
	fastInt16
	fastInt32
	fastInt64
	fastText // of a character set whose ASCII text needs no work
)

// decodeFunc turns the bytes of one value, of which the length is right for fixed-width types, into dst. It may let dst
// borrow from val, and takes memory for anything else from the batch.
type decodeFunc func(c *column, val []byte, dst *changelog.Value, b *changelog.Batch) error

// image decodes the row image at the front of p and returns what follows it.
func (s *shape) image(b *changelog.Batch, p []byte) (changelog.Row, []byte, error) {
	if len(p) < s.nullBytes {
		return nil, nil, s.mismatch("a row image ends within its NULL bits")
	}
	nulls := p[:s.nullBytes]
	p = p[s.nullBytes:]
	row := b.NewRow(len(s.columns))
	for i := range s.columns {
		if nulls[i>>3]>>(i&7)&1 == 1 {
			continue
		}
		c := &s.columns[i]
		from, to := c.prefix, c.width
		if from > 0 {
			to = c.endAfterLength(p)
		}
		if to > len(p) {
			return nil, nil, s.mismatch("a row image ends within column %q", c.name)
		}
		val := p[from:to:to]
		p = p[to:]
		switch c.fast {
		case fastInt8:
			row[i] = changelog.Int(int64(int8(val[0])))
			continue
		case fastInt16:
			row[i] = changelog.Int(int64(int16(binary.LittleEndian.Uint16(val))))
			continue
		case fastInt32:
			row[i] = changelog.Int(int64(int32(binary.LittleEndian.Uint32(val))))
			continue
		case fastInt64:
			row[i] = changelog.Int(int64(binary.LittleEndian.Uint64(val)))
			continue
		case fastText:
			if isASCII(val) {
				row[i] = changelog.String(val)
				continue
			}
		}
		if err := c.decode(c, val, &row[i], b); err != nil {
			return nil, nil, s.valueFault(c, err)
		}
	}
	return row, p, nil
}

// skipImage steps over the row image at the front of p.
func (s *shape) skipImage(p []byte) ([]byte, error) {
	if len(p) < s.nullBytes {
		return nil, s.mismatch("a row image ends within its NULL bits")
	}
	nulls := p[:s.nullBytes]
	p = p[s.nullBytes:]
	for i := range s.columns {
		if nulls[i>>3]>>(i&7)&1 == 1 {
			continue
		}
		_, n := s.columns[i].span(p)
		if n < 0 {
			return nil, s.mismatch("a row image ends within column %q", s.columns[i].name)
		}
		p = p[n:]
	}
	return p, nil
}

// span finds the value at the front of p: it is p[from:to]. A negative to means that p is too short. image has it in place.
func (c *column) span(p []byte) (from, to int) {
	from, to = c.prefix, c.width
	if from > 0 {
		to = c.endAfterLength(p)
	}
	if to > len(p) {
		return 0, -1
	}
	return from, to
}

// endAfterLength is where a value ends that comes after its length: beyond p if not even that is there.
func (c *column) endAfterLength(p []byte) int {
	if len(p) < c.prefix {
		return c.prefix
	}
	switch c.prefix {
	case 1:
		return 1 + int(p[0])
	case 2:
		return 2 + int(binary.LittleEndian.Uint16(p))
	case 3:
		return 3 + (int(p[0]) | int(p[1])<<8 | int(p[2])<<16)
	}
	return 4 + int(binary.LittleEndian.Uint32(p))
}
