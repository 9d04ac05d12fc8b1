package kafkawire

import "encoding/binary"

// Headers are the headers of a record as they were read.
type Headers struct {
	raw   []byte
	count int
}

// Len is the number of headers.
func (h Headers) Len() int { return h.count }

// Raw returns the headers in the form that Record.Headers takes.
func (h Headers) Raw() []byte { return h.raw }

// Each hands over each header in order until do returns false. A nil value is a null value.
func (h Headers) Each(do func(name, value []byte) bool) {
	raw := h.raw
	for range h.count {
		name, rest, err := takeVar(raw)
		if err != nil {
			return // cannot be: the record's reader has checked them
		}
		value, rest, err := takeVar(rest)
		if err != nil || !do(name, value) {
			return
		}
		raw = rest
	}
}

// Get returns the value of the last header with this name, as consumers do, and whether there is one.
func (h Headers) Get(name string) (value []byte, ok bool) {
	h.Each(func(n, v []byte) bool {
		if string(n) == name {
			value, ok = v, true
		}
		return true
	})
	return value, ok
}

// check makes sure that the headers fill the rest of their record exactly and that all names are there.
func (h Headers) check() error {
	raw := h.raw
	for range h.count {
		if n, k := binary.Varint(raw); k <= 0 || n < 0 {
			return errRecord
		}
		_, rest, err := takeVar(raw)
		if err == nil {
			_, rest, err = takeVar(rest)
		}
		if err != nil {
			return err
		}
		raw = rest
	}
	if len(raw) != 0 {
		return errRecord
	}
	return nil
}
