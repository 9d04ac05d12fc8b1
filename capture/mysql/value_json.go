package mysql

import (
	"encoding/binary"
	"errors"

	"cdcbridge/changelog"
)

// Types of values in MySQL's binary JSON.
const (
	jsonSmallObject = 0
	jsonLargeObject = 1
	jsonSmallArray  = 2
	jsonLargeArray  = 3
	jsonLiteral     = 4
	jsonInt16       = 5
	jsonUint16      = 6
	jsonInt32       = 7
	jsonUint32      = 8
	jsonInt64       = 9
	jsonUint64      = 10
	jsonDouble      = 11
	jsonString      = 12
	jsonOpaque      = 15
)

// maxJSONDepth is the server's own limit.
const maxJSONDepth = 100

// json prepares a JSON column.
func (d columnDef) json(col *changelog.Column, dec *column) error {
	if err := d.blobPrefix(col, dec, ""); err != nil {
		return err
	}
	col.Type.Kind, col.SourceType = changelog.KindJSON, "json"
	dec.decode = decodeJSON
	if d.bare {
		dec.decode = decodeBareJSON
	}
	return nil
}

// decodeJSON renders a document exactly as SELECT prints it.
func decodeJSON(_ *column, p []byte, dst *changelog.Value, b *changelog.Batch) error {
	return renderJSON(p, dst, b, false)
}

// decodeBareJSON is decodeJSON for a server that prints 1.0 as 1.
func decodeBareJSON(_ *column, p []byte, dst *changelog.Value, b *changelog.Batch) error {
	return renderJSON(p, dst, b, true)
}

func renderJSON(p []byte, dst *changelog.Value, b *changelog.Batch, bare bool) error {
	if len(p) == 0 { // what the server stores when IGNORE let a missing value in; it reads it as null
		*dst = changelog.JSON(b.Copy([]byte("null")))
		return nil
	}
	scratch := jsonScratch.Get().(*[]byte)
	defer jsonScratch.Put(scratch)
	w := jsonWriter{dst: (*scratch)[:0], budget: len(p), bare: bare}
	err := w.value(p[0], p[1:], 0)
	if cap(w.dst) <= maxJSONScratch {
		*scratch = w.dst
	}
	if err != nil {
		return err
	}
	*dst = changelog.JSON(b.Copy(w.dst))
	return nil
}

var (
	errJSONCut     = errors.New("a JSON document is cut short")
	errJSONType    = errors.New("a JSON document has a value of an unknown type")
	errJSONDepth   = errors.New("a JSON document is nested too deeply")
	errJSONText    = errors.New("a JSON document has text that is not UTF-8")
	errJSONOverlap = errors.New("a JSON document refers to the same bytes again and again")
)

// jsonWriter appends text. Values lie at offsets, so a hostile document could refer to one place from many: budget is how
// many bytes are left to be read, and a true document reads none of its bytes twice.
type jsonWriter struct {
	dst    []byte
	budget int
	bare   bool // whole doubles have no point
}

func (w *jsonWriter) spend(n int) error {
	if w.budget -= n; w.budget < 0 {
		return errJSONOverlap
	}
	return nil
}

// value appends the value of the type that begins at p and does not end beyond it.
func (w *jsonWriter) value(typ byte, p []byte, depth int) error {
	switch typ {
	case jsonSmallObject, jsonLargeObject, jsonSmallArray, jsonLargeArray:
		if depth >= maxJSONDepth {
			return errJSONDepth
		}
		return w.container(typ, p, depth)
	case jsonString:
		text, err := w.sized(p)
		if err != nil {
			return err
		}
		return w.string(text)
	case jsonOpaque:
		if len(p) == 0 {
			return errJSONCut
		}
		data, err := w.sized(p[1:])
		if err != nil {
			return err
		}
		return w.opaque(columnType(p[0]), data)
	}
	return w.scalar(typ, p)
}

// sized reads a length in groups of seven bits, lowest first, and that many bytes.
func (w *jsonWriter) sized(p []byte) ([]byte, error) {
	var n uint64
	for i := 0; i < 5 && i < len(p); i++ {
		n |= uint64(p[i]&0x7f) << (7 * i)
		if p[i]&0x80 != 0 {
			continue
		}
		if n > uint64(len(p)-i-1) {
			return nil, errJSONCut
		}
		return p[i+1 : i+1+int(n)], w.spend(i + 1 + int(n))
	}
	return nil, errJSONCut
}

// jsonContainer is an object or array: a count, a size, entries of keys, entries of values, then what those point at.
type jsonContainer struct {
	data        []byte // the whole container; offsets count from its begin
	word        int    // bytes of an offset: 2 in a small one, 4 in a large one
	count       int
	object      bool
	firstValue  int // offset of the first value entry
	valueStride int
}

func (w *jsonWriter) open(typ byte, p []byte) (jsonContainer, error) {
	c := jsonContainer{word: 2, object: typ == jsonSmallObject || typ == jsonLargeObject}
	if typ == jsonLargeObject || typ == jsonLargeArray {
		c.word = 4
	}
	if len(p) < 2*c.word {
		return c, errJSONCut
	}
	count, size := littleEndian(p[:c.word]), littleEndian(p[c.word:2*c.word])
	c.firstValue, c.valueStride = 2*c.word, 1+c.word
	keyStride := 0
	if c.object {
		keyStride = c.word + 2
	}
	entries := count * uint64(keyStride+c.valueStride)
	if size > uint64(len(p)) || uint64(2*c.word)+entries > size {
		return c, errJSONCut
	}
	c.count, c.data = int(count), p[:size]
	c.firstValue += c.count * keyStride
	return c, w.spend(2*c.word + int(entries))
}

func (w *jsonWriter) container(typ byte, p []byte, depth int) error {
	c, err := w.open(typ, p)
	if err != nil {
		return err
	}
	open, end := byte('['), byte(']')
	if c.object {
		open, end = '{', '}'
	}
	w.dst = append(w.dst, open)
	for i := range c.count {
		if i > 0 {
			w.dst = append(w.dst, ", "...)
		}
		if c.object {
			if err := w.key(c, i); err != nil {
				return err
			}
		}
		if err := w.member(c, i, depth); err != nil {
			return err
		}
	}
	w.dst = append(w.dst, end)
	return nil
}

func (w *jsonWriter) key(c jsonContainer, i int) error {
	entry := c.data[2*c.word+i*(c.word+2):]
	at := littleEndian(entry[:c.word])
	n := uint64(binary.LittleEndian.Uint16(entry[c.word:]))
	if at+n > uint64(len(c.data)) {
		return errJSONCut
	}
	if err := w.spend(int(n)); err != nil {
		return err
	}
	if err := w.string(c.data[at : at+n]); err != nil {
		return err
	}
	w.dst = append(w.dst, ": "...)
	return nil
}

// member appends value i. Small values stand in their entry, in place of an offset.
func (w *jsonWriter) member(c jsonContainer, i, depth int) error {
	entry := c.data[c.firstValue+i*c.valueStride:][:c.valueStride]
	typ := entry[0]
	inlined := typ == jsonLiteral || typ == jsonInt16 || typ == jsonUint16 || c.word == 4 && (typ == jsonInt32 || typ == jsonUint32)
	if inlined {
		w.budget += c.valueStride // scalar spends what open has spent already
		return w.scalar(typ, entry[1:])
	}
	at := littleEndian(entry[1:])
	if at > uint64(len(c.data)) {
		return errJSONCut
	}
	return w.value(typ, c.data[at:], depth+1)
}
