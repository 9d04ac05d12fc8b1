package postgres

import (
	"bytes"
	"errors"
	"fmt"

	"cdcbridge/changelog"
)

// maxDimensions is the server's own limit.
const maxDimensions = 6

// arrayOf makes the decoder of arrays of elem, of any number of dimensions: the type does not say how many.
func arrayOf(elem columnType, delim byte) columnType {
	return columnType{
		typ: changelog.Type{
			Kind: changelog.KindArray,
			Elem: &changelog.Column{Type: elem.typ, SourceType: elem.source, Nullable: true},
		},
		source: elem.source + "[]", decode: decodeArray, elem: &elem, delim: delim,
	}
}

var (
	errArraySyntax = errors.New("braces, quotes and separators do not fit together")
	errArrayShape  = errors.New("the parts of one dimension differ in length")
)

// decodeArray reads "{1,NULL,\"a b\"}", or "{{1,2},{3,4}}" as an array of arrays. Bounds before it ("[0:1]={…}") say where
// the subscripts start; they are checked and dropped. Memory for the elements is taken in one piece for each brace.
func decodeArray(c *columnType, text []byte, dst *changelog.Value, b *changelog.Batch) error {
	p, bounds, ok := cutBounds(text)
	if !ok {
		return fmt.Errorf("%w: %w", malformed(text, c.source), errArraySyntax)
	}
	r := arrayReader{columnType: c, b: b, rest: p}
	for r.depth < len(p) && p[r.depth] == '{' {
		r.depth++
	}
	if r.depth < 1 || r.depth > maxDimensions || bounds > 0 && bounds != r.depth {
		return fmt.Errorf("%w: %w", malformed(text, c.source), errArraySyntax)
	}
	if string(p) == "{}" {
		*dst = changelog.Array(nil)
		return nil
	}
	if err := r.level(1, dst); err != nil {
		return fmt.Errorf("reading a %s: %w", c.source, err)
	}
	if len(r.rest) > 0 {
		return fmt.Errorf("%w: %w", malformed(text, c.source), errArraySyntax)
	}
	return nil
}

// cutBounds takes "[l:u][l:u]=" off the front of an array and counts the pairs.
func cutBounds(p []byte) (rest []byte, pairs int, ok bool) {
	for len(p) > 0 && p[0] == '[' {
		end := bytes.IndexByte(p, ']')
		if end < 0 {
			return nil, 0, false
		}
		low, high, two := bytes.Cut(p[1:end], []byte(":"))
		if !two || !isBound(low) || !isBound(high) {
			return nil, 0, false
		}
		p = p[end+1:]
		pairs++
	}
	if pairs == 0 {
		return p, 0, true
	}
	return p[min(1, len(p)):], pairs, len(p) > 0 && p[0] == '='
}

func isBound(p []byte) bool {
	p, _ = cutMinus(p)
	return len(p) > 0 && countDigits(p) == len(p)
}

// arrayReader reads one array from the front of rest.
type arrayReader struct {
	*columnType
	b       *changelog.Batch
	rest    []byte
	depth   int                // dimensions
	lengths [maxDimensions]int // of each dimension, 0 until its first part is read
}

// level reads one brace of the dimension dim, counted from 1, and all that is in it.
func (r *arrayReader) level(dim int, dst *changelog.Value) error {
	n, err := r.count()
	if err != nil {
		return err
	}
	if length := &r.lengths[dim-1]; *length == 0 {
		*length = n
	} else if *length != n {
		return errArrayShape
	}
	elems := []changelog.Value(r.b.NewRow(n))
	for i := range elems {
		r.rest = r.rest[1:] // the brace or the delimiter before it, of which count has made sure
		if dim < r.depth {
			if len(r.rest) == 0 || r.rest[0] != '{' {
				return errArrayShape
			}
			err = r.level(dim+1, &elems[i])
		} else {
			err = r.element(&elems[i])
		}
		if err != nil {
			return err
		}
		if want := r.delim; len(r.rest) == 0 || i < n-1 && r.rest[0] != want || i == n-1 && r.rest[0] != '}' {
			return errArraySyntax
		}
	}
	r.rest = r.rest[1:]
	*dst = changelog.Array(elems)
	return nil
}

// count looks ahead for the number of elements within the brace at the front of rest.
func (r *arrayReader) count() (int, error) {
	n, depth := 1, 0
	for i := 0; i < len(r.rest); i++ {
		switch ch := r.rest[i]; {
		case ch == '"':
			end := endOfQuoted(r.rest[i:])
			if end < 0 {
				return 0, errArraySyntax
			}
			i += end
		case ch == '\\': // the server quotes whatever has one
			return 0, errArraySyntax
		case ch == '{':
			depth++
		case ch == '}':
			if depth--; depth == 0 {
				return n, nil
			}
		case ch == r.delim && depth == 1:
			n++
		}
	}
	return 0, errArraySyntax
}

// element reads one element at the front of rest, which ends at a delimiter or brace.
func (r *arrayReader) element(dst *changelog.Value) error {
	if len(r.rest) > 0 && r.rest[0] == '"' {
		end := endOfQuoted(r.rest)
		if end < 0 {
			return errArraySyntax
		}
		text := unescape(r.rest[1:end], r.b)
		r.rest = r.rest[end+1:]
		return r.elem.decode(r.elem, text, dst, r.b)
	}
	end := 0
	for end < len(r.rest) && r.rest[end] != r.delim && r.rest[end] != '}' {
		if ch := r.rest[end]; ch == '{' || ch == '"' {
			return errArraySyntax
		}
		end++
	}
	text := r.rest[:end:end]
	r.rest = r.rest[end:]
	switch {
	case end == 0: // an empty text would be quoted
		return errArraySyntax
	case string(text) == "NULL":
		*dst = changelog.Null()
		return nil
	}
	return r.elem.decode(r.elem, text, dst, r.b)
}

// endOfQuoted finds the closing quote of the quoted text at the front of p, or returns -1.
func endOfQuoted(p []byte) int {
	for i := 1; i < len(p); i++ {
		switch p[i] {
		case '\\':
			i++
		case '"':
			return i
		}
	}
	return -1
}

// unescape takes the backslashes out. Text without any is itself, else its copy is in the batch.
func unescape(p []byte, b *changelog.Batch) []byte {
	at := bytes.IndexByte(p, '\\')
	if at < 0 {
		return p[:len(p):len(p)]
	}
	out := append(b.Grab(len(p))[:0], p[:at]...)
	for i := at; i < len(p); i++ {
		if p[i] == '\\' {
			i++ // endOfQuoted has made sure that something follows
		}
		out = append(out, p[i])
	}
	return out
}
