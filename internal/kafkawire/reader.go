package kafkawire

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

var errTruncated = errors.New("answer is cut short")

// reader takes a response apart. Every read is checked against what is left; after the first error all reads give zero
// values and err stays, so that a parser checks once at its end. Byte fields alias the response.
type reader struct {
	b    []byte
	flex bool
	err  error
}

func (r *reader) fail(err error) {
	if r.err == nil {
		r.err = err
		r.b = nil
	}
}

// take returns the next n bytes, nil after an error.
func (r *reader) take(n int) []byte {
	if n < 0 || n > len(r.b) {
		r.fail(errTruncated)
		return nil
	}
	b := r.b[:n:n]
	r.b = r.b[n:]
	return b
}

func (r *reader) int8() int8 {
	if b := r.take(1); b != nil {
		return int8(b[0])
	}
	return 0
}

func (r *reader) int16() int16 {
	if b := r.take(2); b != nil {
		return int16(binary.BigEndian.Uint16(b))
	}
	return 0
}

func (r *reader) int32() int32 {
	if b := r.take(4); b != nil {
		return int32(binary.BigEndian.Uint32(b))
	}
	return 0
}

func (r *reader) int64() int64 {
	if b := r.take(8); b != nil {
		return int64(binary.BigEndian.Uint64(b))
	}
	return 0
}

func (r *reader) bool() bool { return r.int8() != 0 }

func (r *reader) code() Code { return Code(r.int16()) }

func (r *reader) uuid() (id TopicID) {
	copy(id[:], r.take(len(id)))
	return id
}

func (r *reader) uvarint() int {
	v, n := binary.Uvarint(r.b)
	if n <= 0 || v > math.MaxInt32 {
		r.fail(errTruncated)
		return 0
	}
	r.b = r.b[n:]
	return int(v)
}

// length reads the length of a string (or, wide, of bytes or an array), -1 for null.
func (r *reader) length(wide bool) int {
	switch {
	case r.flex:
		return r.uvarint() - 1
	case wide:
		return int(r.int32())
	default:
		return int(r.int16())
	}
}

// string reads a string, null as "".
func (r *reader) string() string {
	n := r.length(false)
	if n <= 0 {
		return ""
	}
	return string(r.take(n))
}

// oneOf is string for texts that come again and again: each is kept in known once.
func (r *reader) oneOf(known map[string]string) string {
	n := r.length(false)
	if n <= 0 {
		return ""
	}
	b := r.take(n)
	s, ok := known[string(b)]
	if !ok {
		s = string(b)
		known[s] = s
	}
	return s
}

// bytes reads a byte field, null as nil.
func (r *reader) bytes() []byte {
	n := r.length(true)
	if n < 0 {
		return nil
	}
	return r.take(n)
}

// array reads the length of an array whose elements take at least size bytes each, null as 0. A length that cannot be true
// is refused here, before anything is allocated for it.
func (r *reader) array(size int) int {
	n := r.length(true)
	if n <= 0 {
		return 0
	}
	if n > len(r.b)/size {
		r.fail(fmt.Errorf("answer claims %d elements in %d bytes", n, len(r.b)))
		return 0
	}
	return n
}

func (r *reader) int32s() []int32 {
	n := r.array(4)
	if n == 0 {
		return nil
	}
	s := make([]int32, n)
	for i := range s {
		s[i] = r.int32()
	}
	return s
}

// tags skips the tagged fields that end a structure of a flexible version.
func (r *reader) tags() { r.eachTag(nil) }

// eachPartition goes through a list of topics and their partitions, in which most answers come. rest reads what follows a
// partition's number, which takes size bytes or more together with it.
func (r *reader) eachPartition(size int, rest func(at TopicPartition)) {
	for n := r.array(3); n > 0 && r.err == nil; n-- {
		topic := r.string()
		for m := r.array(size); m > 0 && r.err == nil; m-- {
			rest(TopicPartition{topic, r.int32()})
		}
		r.tags()
	}
}

// eachTag hands each tagged field to do, which may be nil.
func (r *reader) eachTag(do func(tag int, field *reader)) {
	if !r.flex {
		return
	}
	for n := r.uvarint(); n > 0 && r.err == nil; n-- {
		tag := r.uvarint()
		field := &reader{b: r.take(r.uvarint()), flex: true}
		if do != nil && r.err == nil {
			if do(tag, field); field.err != nil {
				r.fail(field.err)
			}
		}
	}
}

// finder finds elements of a list of n that are looked for in the list's own order, or nearly so, as answers have what was asked.
type finder struct {
	n, next int
}

// index is the first element from the one behind the last find on that is what is looked for, -1 when none is.
func (f *finder) index(is func(i int) bool) int {
	for k := range f.n {
		i := f.next + k
		if i >= f.n {
			i -= f.n
		}
		if is(i) {
			f.next = i + 1
			return i
		}
	}
	return -1
}
