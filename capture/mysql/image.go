package mysql

import (
	"encoding/binary"

	"cdcbridge/changelog"
)

// This file is the row-image decoder, the hot path of the source: one NULL bitmap, then the values that are not NULL, one
// after the other, without types, names or lengths of the whole. Everything that can be decided per table was decided when
// the shape was made; here remains one bounds check and one indirect call a value.

// column decodes one column of a row image.
type column struct {
	decode  decodeFunc
	width   int // bytes of every value; unused when prefix is set
	prefix  int // bytes of the length before the value, 0-4
	scale   int // decimal: fraction digits; temporal types: fraction digits
	digits  int // decimal: digits before the point
	charset *charset
	labels  [][]byte // UTF-8
	name    string
}

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
		skip, n := c.span(p)
		if n < 0 {
			return nil, nil, s.mismatch("a row image ends within column %q", c.name)
		}
		if err := c.decode(c, p[skip:n:n], &row[i], b); err != nil {
			return nil, nil, s.valueFault(c, err)
		}
		p = p[n:]
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

// span finds the value at the front of p: it is p[from:to]. A negative to means that p is too short.
func (c *column) span(p []byte) (from, to int) {
	if len(p) < c.prefix {
		return 0, -1
	}
	switch c.prefix {
	case 0:
		to = c.width
	case 1:
		to = 1 + int(p[0])
	case 2:
		to = 2 + int(binary.LittleEndian.Uint16(p))
	case 3:
		to = 3 + (int(p[0]) | int(p[1])<<8 | int(p[2])<<16)
	default:
		to = 4 + int(binary.LittleEndian.Uint32(p))
	}
	if to > len(p) {
		return 0, -1
	}
	return c.prefix, to
}
