package jsonx

import (
	"errors"
	"fmt"
)

// maxDepth bounds nesting, so that hostile input cannot exhaust the stack.
const maxDepth = 1000

var errDepth = fmt.Errorf("nested deeper than %d levels", maxDepth)

// EachField calls fn for every field of the JSON object doc, in order. The name is unescaped; the value is the raw text
// of the field's value without surrounding white space. Both may be parts of doc. An error of fn ends the walk and is
// returned as it is. The document is checked to be valid JSON as far as the walk gets. A name that occurs twice is given
// twice.
func EachField(doc []byte, fn func(name, value []byte) error) error {
	s := scanner{doc: doc}
	s.space()
	if !s.take('{') {
		return s.unexpected("an object")
	}
	if err := s.fields(fn, 1); err != nil {
		return err
	}
	return s.end()
}

// EachElement calls fn for every element of the JSON array doc, in order, as EachField does for fields.
func EachElement(doc []byte, fn func(value []byte) error) error {
	s := scanner{doc: doc}
	s.space()
	if !s.take('[') {
		return s.unexpected("an array")
	}
	if err := s.elements(fn, 1); err != nil {
		return err
	}
	return s.end()
}

// Check reports the first place at which doc is not one valid JSON value.
func Check(doc []byte) error {
	s := scanner{doc: doc}
	s.space()
	if _, err := s.value(0); err != nil {
		return err
	}
	return s.end()
}

// IsNull reports that a raw value is the literal null.
func IsNull(raw []byte) bool { return string(raw) == "null" }

// IsObject reports that a raw value, free of leading white space, is an object.
func IsObject(raw []byte) bool { return len(raw) > 0 && raw[0] == '{' }

// IsString reports that a raw value, free of leading white space, is a string literal.
func IsString(raw []byte) bool { return len(raw) > 0 && raw[0] == '"' }

type scanner struct {
	doc  []byte
	pos  int
	slow bool // something is wrong from here on, which is to be found without looking at each level twice
}

func (s *scanner) space() {
	for s.pos < len(s.doc) {
		switch s.doc[s.pos] {
		case ' ', '\n', '\t', '\r':
			s.pos++
		default:
			return
		}
	}
}

func (s *scanner) peek() byte {
	if s.pos < len(s.doc) {
		return s.doc[s.pos]
	}
	return 0
}

func (s *scanner) take(c byte) bool {
	if s.pos < len(s.doc) && s.doc[s.pos] == c {
		s.pos++
		return true
	}
	return false
}

func (s *scanner) end() error {
	s.space()
	if s.pos != len(s.doc) {
		return s.unexpected("the end")
	}
	return nil
}

func (s *scanner) unexpected(want string) error {
	if s.pos >= len(s.doc) {
		return fmt.Errorf("JSON ends at byte %d where %s is expected", s.pos, want)
	}
	return fmt.Errorf("JSON has %q at byte %d where %s is expected", s.doc[s.pos], s.pos, want)
}

// fields walks an object whose opening brace is read.
func (s *scanner) fields(fn func(name, value []byte) error, depth int) error {
	s.space()
	if s.take('}') {
		return nil
	}
	for {
		s.space()
		raw, err := s.str()
		if err != nil {
			return err
		}
		s.space()
		if !s.take(':') {
			return s.unexpected("a colon")
		}
		s.space()
		v, err := s.value(depth)
		if err != nil {
			return err
		}
		if fn != nil {
			name, err := Unquote(raw)
			if err != nil {
				return err
			}
			if err := fn(name, v); err != nil {
				return err
			}
		}
		s.space()
		if s.take('}') {
			return nil
		}
		if !s.take(',') {
			return s.unexpected("a comma or a brace")
		}
	}
}

// elements walks an array whose opening bracket is read.
func (s *scanner) elements(fn func(value []byte) error, depth int) error {
	s.space()
	if s.take(']') {
		return nil
	}
	for {
		s.space()
		v, err := s.value(depth)
		if err != nil {
			return err
		}
		if fn != nil {
			if err := fn(v); err != nil {
				return err
			}
		}
		s.space()
		if s.take(']') {
			return nil
		}
		if !s.take(',') {
			return s.unexpected("a comma or a bracket")
		}
	}
}

// value reads one value and gives its raw text.
func (s *scanner) value(depth int) ([]byte, error) {
	if depth >= maxDepth {
		return nil, errDepth
	}
	from := s.pos
	if !s.slow {
		if to := skipValue(s.doc, from, depth); to >= 0 {
			s.pos = to
			return s.doc[from:to], nil
		}
		s.slow = true
	}
	var err error
	switch c := s.peek(); {
	case c == '{':
		s.pos++
		err = s.fields(nil, depth+1)
	case c == '[':
		s.pos++
		err = s.elements(nil, depth+1)
	case c == '"':
		_, err = s.str()
	case c == '-' || c >= '0' && c <= '9':
		err = s.number()
	default:
		err = s.literal()
	}
	return s.doc[from:s.pos], err
}

func (s *scanner) literal() error {
	for _, word := range [...]string{"null", "true", "false"} {
		if n := s.pos + len(word); n <= len(s.doc) && string(s.doc[s.pos:n]) == word {
			s.pos = n
			return nil
		}
	}
	return s.unexpected("a value")
}

func (s *scanner) number() error {
	s.take('-')
	if !s.take('0') && !s.digits() {
		return s.unexpected("a digit")
	}
	if s.take('.') && !s.digits() {
		return s.unexpected("a digit")
	}
	if s.take('e') || s.take('E') {
		if !s.take('+') {
			s.take('-')
		}
		if !s.digits() {
			return s.unexpected("a digit")
		}
	}
	return nil
}

func (s *scanner) digits() bool {
	from := s.pos
	for s.pos < len(s.doc) && s.doc[s.pos] >= '0' && s.doc[s.pos] <= '9' {
		s.pos++
	}
	return s.pos > from
}

var errControl = errors.New("JSON string has a raw control character")

// str reads a string literal and gives it with its quotes.
func (s *scanner) str() ([]byte, error) {
	from := s.pos
	if !s.take('"') {
		return nil, s.unexpected("a string")
	}
	if to := skipString(s.doc, s.pos); to >= 0 {
		s.pos = to
		return s.doc[from:to], nil
	}
	for s.pos < len(s.doc) {
		s.pos += plainPrefix(s.doc[s.pos:])
		switch c := s.peek(); {
		case s.pos >= len(s.doc):
		case c == '"':
			s.pos++
			return s.doc[from:s.pos], nil
		case c == '\\':
			if err := s.escape(); err != nil {
				return nil, err
			}
		case c < 0x20:
			return nil, errControl
		default:
			s.pos++
		}
	}
	return nil, s.unexpected("a closing quote")
}

func (s *scanner) escape() error {
	s.pos++
	switch s.peek() {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		s.pos++
		return nil
	case 'u':
		s.pos++
		for range 4 {
			if hexValue(s.peek()) < 0 {
				return s.unexpected("a hex digit")
			}
			s.pos++
		}
		return nil
	}
	return s.unexpected("an escape")
}
