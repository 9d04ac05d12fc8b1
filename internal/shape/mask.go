package shape

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
	"unicode/utf8"

	"cdcbridge/changelog"
)

// Hiding is what is written instead of a value.
type Hiding string

// What there is. NULL stays NULL in all of them.
const (
	WithNull     Hiding = "null"     // NULL
	WithStars    Hiding = "redact"   // three stars
	WithHash     Hiding = "hash"     // SHA-256 of salt and text, in hex: equal values stay equal, so that they can be joined
	WithTruncate Hiding = "truncate" // the first characters of a text
)

// Mask hides the values of columns.
type Mask struct {
	Columns []string
	With    Hiding
	Length  int    // of WithTruncate: how many characters are left
	Salt    string // of WithHash; never to be shown
}

// maxTruncated is how many characters a VARCHAR of MySQL has at most.
const maxTruncated = 16383

func (m *Mask) validate() []error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if len(m.Columns) == 0 {
		bad("columns: is required")
	}
	switch m.With {
	case WithNull, WithStars, WithHash, WithTruncate:
	default:
		bad("with: %q is none of null, redact, hash and truncate", m.With)
		return errs
	}
	if m.With == WithTruncate && (m.Length < 1 || m.Length > maxTruncated) {
		bad("length: must be from 1 to %d characters", maxTruncated)
	}
	if m.With != WithTruncate && m.Length != 0 {
		bad("length: belongs to truncate")
	}
	if m.With == WithHash && m.Salt == "" {
		bad("salt: is required: without one, the values of anything that can be guessed can be found by trying")
	}
	if m.With != WithHash && m.Salt != "" {
		bad("salt: belongs to hash")
	}
	return errs
}

// stars are what WithStars writes.
var stars = []byte("***")

// column is a column as it is when it is masked.
func (m *Mask) column(c changelog.Column, t *changelog.Table) (changelog.Column, error) {
	c.Default, c.AutoIncrement = nil, false
	switch m.With {
	case WithNull:
		c.Nullable = true
		return c, nil
	case WithHash:
		if !hasText(c.Type.Kind) {
			return c, fmt.Errorf("column %q of type %s has no single text that could be hashed", c.Name, c.SourceType)
		}
		return shortText(c, t, hex.EncodedLen(sha256.Size)), nil
	case WithTruncate:
		if c.Type.Kind != changelog.KindString {
			return c, fmt.Errorf("column %q of type %s is no text that could be cut", c.Name, c.SourceType)
		}
		return shortText(c, t, m.Length), nil
	}
	return shortText(c, t, maxText), nil
}

// shortText makes the column one of short texts.
func shortText(c changelog.Column, t *changelog.Table, length int) changelog.Column {
	c.Type, c.SourceType = changelog.Type{Kind: changelog.KindString, Length: length, Charset: charset(t)}, "varchar"
	if t.Origin == "postgresql" {
		c.SourceType = "character varying"
	}
	c.SourceType += "(" + strconv.Itoa(length) + ")"
	return c
}

// hide gives what is written instead of a value. after says that the value is of an after image, where what the log lacks is known to
// be hidden all the same; in a before image it tells that the log has only a part of it. The value may borrow from the scratch space.
func (s *Shaper) hide(m *Mask, v changelog.Value, after bool) changelog.Value {
	switch {
	case m.With == WithNull && (after || !v.IsUnchanged()):
		return changelog.Null()
	case v.IsNull() || v.IsUnchanged():
		return v
	case m.With == WithHash:
		s.plain = appendValue(append(s.plain[:0], m.Salt...), &v)
		sum := sha256.Sum256(s.plain)
		at := len(s.masked)
		s.masked = hex.AppendEncode(s.masked, sum[:])
		return changelog.String(s.masked[at:])
	case m.With == WithTruncate:
		return changelog.String(firstRunes(v.Bytes(), m.Length))
	}
	return changelog.String(stars)
}

// firstRunes cuts a text behind n characters.
func firstRunes(text []byte, n int) []byte {
	if len(text) <= n {
		return text
	}
	at := 0
	for ; n > 0 && at < len(text); n-- {
		_, size := utf8.DecodeRune(text[at:])
		at += size
	}
	return text[:at]
}
