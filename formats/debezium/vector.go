package debezium

import (
	"bytes"
	"math"
	"strconv"
	"strings"

	"cdcbridge/changelog"
)

// Of pgvector's types, vector is numbers to us, and halfvec and sparsevec are texts, which Debezium takes apart. Record keys have
// the texts: PostgreSQL prints equal ones alike.

// vectorText chooses for pgvector's texts; false: the column is something else.
func (k compiler) vectorText(c *column, in *changelog.Column) bool {
	if k.origin != postgres || k.key {
		return false
	}
	switch {
	case isHalfvec(in):
		c.write(appendHalfvec, arraySchema(floatSchema).named("io.debezium.data.FloatVector"))
	case isSparsevec(in):
		s := structSchema("io.debezium.data.SparseDoubleVector", 1, int16Schema.as("dimensions"), mapSchema(int16Schema, doubleSchema).as("vector"))
		s.doc = "Sparse double vector"
		c.write(appendSparsevec, s)
	default:
		return false
	}
	return true
}

func isHalfvec(in *changelog.Column) bool { return bareType(in.SourceType) == "halfvec" }

// isSparsevec tells whether the column's vectors have Debezium's form: it has no numbers for more dimensions than these.
func isSparsevec(in *changelog.Column) bool {
	if bareType(in.SourceType) != "sparsevec" {
		return false
	}
	_, rest, _ := strings.Cut(in.SourceType, "(")
	n := number(strings.TrimSuffix(rest, ")"))
	return n != unset && n <= math.MaxInt16
}

// appendHalfvec writes "[1,2.5]" as an array of numbers.
func appendHalfvec(dst []byte, c *column, v *changelog.Value) ([]byte, error) {
	text, ok := between(v.Bytes(), '[', ']')
	dst = append(dst, '[')
	for more := ok && len(text) > 0; more; {
		var number []byte
		number, text, more = bytes.Cut(text, []byte{','})
		var buf [32]byte // keeps the text off the heap
		f, err := strconv.ParseFloat(string(append(buf[:0], number...)), 32)
		if err != nil {
			return dst, malformed("%.100q is no vector", v.Bytes())
		}
		n := changelog.Float32(float32(f))
		if dst, _ = appendFloat(dst, c, &n); more {
			dst = append(dst, ',')
		}
	}
	if !ok {
		return dst, malformed("%.100q is no vector", v.Bytes())
	}
	return append(dst, ']'), nil
}

// appendSparsevec writes "{1:1.5,3:2}/5" as its dimensions, and a map that is written in pairs because its keys are no texts.
func appendSparsevec(dst []byte, _ *column, v *changelog.Value) ([]byte, error) {
	text, dimensions, ok := bytes.Cut(v.Bytes(), []byte{'/'})
	n, err := smallNumber(dimensions)
	if err != nil || !ok {
		return dst, malformed("%.100q is no sparse vector", v.Bytes())
	}
	if text, ok = between(text, '{', '}'); !ok {
		return dst, malformed("%.100q is no sparse vector", v.Bytes())
	}
	dst = append(strconv.AppendInt(append(dst, `{"dimensions":`...), n, 10), `,"vector":[`...)
	for more := len(text) > 0; more; {
		var pair []byte
		pair, text, more = bytes.Cut(text, []byte{','})
		index, number, _ := bytes.Cut(pair, []byte{':'})
		i, errIndex := smallNumber(index)
		var buf [32]byte
		f, errNumber := strconv.ParseFloat(string(append(buf[:0], number...)), 64)
		if errIndex != nil || errNumber != nil {
			return dst, malformed("%.100q is no sparse vector", v.Bytes())
		}
		dst = append(strconv.AppendInt(append(dst, '['), i, 10), ',')
		if dst = append(appendJavaDouble(dst, f), ']'); more {
			dst = append(dst, ',')
		}
	}
	return append(dst, ']', '}'), nil
}

// between takes the brackets off a text.
func between(text []byte, first, last byte) ([]byte, bool) {
	if len(text) < 2 || text[0] != first || text[len(text)-1] != last {
		return nil, false
	}
	return text[1 : len(text)-1], true
}

func smallNumber(text []byte) (int64, error) {
	var buf [8]byte
	return strconv.ParseInt(string(append(buf[:0], text...)), 10, 16)
}
