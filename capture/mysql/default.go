package mysql

import (
	"bytes"
	"encoding/hex"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"cdcbridge/changelog"
)

// This file reads defaults as the catalogue writes them. Releases and products differ:
//
//	MySQL 5.7          text without quotes
//	MySQL 8.0 on       text without quotes, bytes as 0x6162, DEFAULT_GENERATED beside an expression
//	MariaDB            'text' with escapes, from 11 on bytes as x'6162', NULL, expressions as they are
//	SHOW CREATE TABLE  'text' with escapes; MySQL 9.7 and MariaDB 11 have 0x6162 for some (conn.show)
//
// A constant that is not in the form in which the server writes values of the column, or of which the server shows a part only,
// gives no value: what a row would get is not certain.

// defaultReader reads the default of one column.
type defaultReader struct {
	facts *serverFacts
	words *columnWords
	col   *changelog.Column
	dec   *column
}

// read gives the default, nil when there is none or when nobody can tell.
func (r defaultReader) read() *changelog.Default {
	w := r.words
	switch {
	case w.generated || w.numbered:
		return nil
	case !w.defaults && w.nullable && !r.facts.mariadb, w.defaults && w.text == "NULL" && r.facts.mariadb:
		return &changelog.Default{Value: changelog.Null(), Text: "NULL"}
	case !w.defaults:
		return nil
	}
	computed := &changelog.Default{Value: changelog.Unchanged(), Text: w.text}
	if !w.constant || currentTime(w.text) && r.temporal() {
		return computed
	}
	l := r.constant()
	if l.form == expression {
		return computed
	}
	v, ok := r.value(l)
	switch {
	case ok:
		return &changelog.Default{Value: v, Text: w.text}
	case r.facts.mariadb && l.form == plainText && !r.lossy(l.text): // an expression that is no more than a constant, of another form
		return computed
	}
	return nil
}

// constant is one in a form that all servers have in common.
type constant struct {
	form constantForm
	text string // raw bytes of a hexText
}

type constantForm uint8

const (
	unknownText constantForm = iota
	plainText
	hexText
	expression
)

// currentTime reports a default that is the time of the statement.
func currentTime(text string) bool {
	const name = "CURRENT_TIMESTAMP"
	return len(text) >= len(name) && strings.EqualFold(text[:len(name)], name)
}

func (r defaultReader) temporal() bool {
	return r.col.Type.Kind == changelog.KindDateTime || r.col.Type.Kind == changelog.KindTimestamp
}

// constant finds the constant.
func (r defaultReader) constant() constant {
	w := r.words
	switch {
	case w.doubtful:
		return constantOf(w.shown, unknownText)
	case !r.facts.mariadb:
		return constant{plainText, w.text}
	}
	switch r.col.Type.Kind {
	case changelog.KindInt, changelog.KindUint, changelog.KindFloat32, changelog.KindFloat64, changelog.KindDecimal, changelog.KindBits:
		if strings.HasPrefix(w.text, "'") {
			return constant{form: expression}
		}
		return constant{plainText, w.text}
	}
	return constantOf(w.text, expression)
}

// constantOf reads a literal with quotes, or a hexadecimal one, and nothing behind it but other clauses of the column if what is not
// a literal is not an expression.
func constantOf(s string, otherwise constantForm) constant {
	if text, rest, ok := unquote(s); ok && (rest == "" || otherwise == unknownText) {
		return constant{plainText, string(text)}
	}
	if otherwise == unknownText {
		s, _, _ = strings.Cut(strings.TrimSuffix(s, ","), " ")
	}
	if raw, ok := hexLiteral(s); ok {
		return constant{hexText, string(raw)}
	}
	return constant{form: otherwise}
}

// lossy reports text in which the server may have put question marks for characters that it cannot show.
func (r defaultReader) lossy(text string) bool {
	if !strings.Contains(text, "?") || r.dec.charset == nil || r.words.doubtful && r.facts.number >= 90700 { // which shows those as 0x6162
		return false
	}
	return slices.Contains(beyondBMP, r.dec.charset.name)
}

// value makes the value that a row gets; false: the text is not what the server writes for one, or not all of it.
func (r defaultReader) value(l constant) (v changelog.Value, ok bool) {
	t, text, p := &r.col.Type, l.text, []byte(l.text)
	switch {
	case t.Kind == changelog.KindBytes:
		return r.bytes(l)
	case l.form == hexText:
		return r.encoded(p)
	case l.form != plainText:
		return v, false
	}
	switch t.Kind {
	case changelog.KindDate, changelog.KindTime, changelog.KindDateTime, changelog.KindTimestamp:
		return r.moment(text)
	case changelog.KindString:
		if t.Fixed {
			p = bytes.TrimRight(p, " ")
		}
		return changelog.String(p), utf8.Valid(p) && !r.lossy(text) && (t.Length == 0 || utf8.RuneCount(p) <= t.Length)
	case changelog.KindEnum:
		return r.enum(p)
	case changelog.KindSet:
		return r.set(text)
	}
	return r.number(text) // of JSON, geometries and vectors only expressions are defaults
}

// number makes a number.
func (r defaultReader) number(text string) (v changelog.Value, ok bool) {
	switch t := &r.col.Type; t.Kind {
	case changelog.KindInt:
		n, err := strconv.ParseInt(text, 10, t.Bits)
		return changelog.Int(n), err == nil && (!t.Year || len(text) == 4)
	case changelog.KindUint:
		n, err := strconv.ParseUint(text, 10, t.Bits)
		return changelog.Uint(n), err == nil
	case changelog.KindBits:
		digits, _ := strings.CutPrefix(text, "b'")
		n, err := strconv.ParseUint(strings.TrimSuffix(digits, "'"), 2, t.Bits)
		return changelog.Bits(n), err == nil
	case changelog.KindFloat32:
		n, err := strconv.ParseFloat(text, 32)
		return changelog.Float32(float32(n)), err == nil && r.rounded(text)
	case changelog.KindFloat64:
		err := scanDouble(r.dec, []byte(text), &v, nil)
		return v, err == nil && r.rounded(text)
	case changelog.KindDecimal:
		_, fraction, _ := strings.Cut(text, ".")
		p, plain := plainDecimal([]byte(text))
		return changelog.Decimal(p), plain && len(fraction) == t.Scale
	}
	return v, false
}

// moment makes a date or a time.
func (r defaultReader) moment(text string) (v changelog.Value, ok bool) {
	var err error
	switch p := []byte(text); r.col.Type.Kind {
	case changelog.KindDate:
		err = scanDate(r.dec, p, &v, nil)
		return v, err == nil
	case changelog.KindTime:
		err = scanTime(r.dec, p, &v, nil)
	case changelog.KindDateTime:
		err = scanDateTime(r.dec, p, &v, nil)
	default:
		err = scanTimestamp(r.dec, p, &v, nil)
	}
	return v, err == nil && r.precise(text)
}

// rounded reports as many digits behind the point as a FLOAT(M,D) or DOUBLE(M,D) keeps.
func (r defaultReader) rounded(text string) bool {
	_, args, limited := strings.Cut(r.words.columnType, "(")
	if !limited {
		return true
	}
	_, args, _ = strings.Cut(args, ",")
	args, _, _ = strings.Cut(args, ")")
	digits, err := strconv.Atoi(args)
	_, fraction, _ := strings.Cut(text, ".")
	return err == nil && len(fraction) == digits
}

// precise reports as many digits behind the point as the column keeps.
func (r defaultReader) precise(text string) bool {
	_, fraction, _ := strings.Cut(text, ".")
	return len(fraction) == r.col.Type.FSP
}

func hexLiteral(text string) ([]byte, bool) {
	digits, ok := strings.CutPrefix(text, "0x")
	if !ok {
		if len(text) < 3 || text[0]|0x20 != 'x' || text[1] != '\'' || text[len(text)-1] != '\'' {
			return nil, false
		}
		digits = text[2 : len(text)-1]
	}
	raw, err := hex.DecodeString(digits)
	return raw, err == nil
}

// bytes makes a value of BINARY, VARBINARY or BLOB.
func (r defaultReader) bytes(l constant) (v changelog.Value, ok bool) {
	t, raw := &r.col.Type, []byte(l.text)
	if l.form == unknownText || t.Length > 0 && len(raw) > t.Length {
		return v, false
	}
	if t.Fixed {
		raw = append(raw, make([]byte, t.Length-len(raw))...)
	}
	return changelog.Bytes(raw), true
}

// encoded makes text of its bytes in the column's own character set.
func (r defaultReader) encoded(raw []byte) (v changelog.Value, ok bool) {
	if r.col.Type.Kind != changelog.KindString || r.dec.charset == nil {
		return v, false
	}
	b := changelog.NewBatch()
	defer b.Release()
	text, err := r.dec.charset.text(b, raw)
	return changelog.String(bytes.Clone(text)), err == nil
}

func (r defaultReader) enum(label []byte) (v changelog.Value, ok bool) {
	if r.lossy(string(label)) {
		return v, false
	}
	at := slices.IndexFunc(r.dec.labels, func(l []byte) bool { return bytes.Equal(l, label) })
	return v, at >= 0 && r.dec.enum(uint64(at+1), &v) == nil
}

// set finds the labels, which come in the order of the type.
func (r defaultReader) set(text string) (v changelog.Value, ok bool) {
	if r.lossy(text) {
		return v, false
	}
	if text == "" {
		return changelog.Set(0, []byte{}), true
	}
	mask, from := uint64(0), 0
	for label := range strings.SplitSeq(text, ",") {
		at := slices.IndexFunc(r.dec.labels[from:], func(l []byte) bool { return string(l) == label })
		if at < 0 {
			return v, false
		}
		mask |= 1 << (from + at)
		from += at + 1
	}
	return changelog.Set(mask, []byte(text)), true
}

// unquote reads a text in single quotes at the front of s, with the escapes that the catalogue uses, and gives what follows.
func unquote(s string) (text []byte, rest string, ok bool) {
	if s == "" || s[0] != '\'' {
		return nil, s, false
	}
	text = []byte{}
	for i := 1; i < len(s); i++ {
		b := s[i]
		if b == '\'' {
			if i+1 >= len(s) || s[i+1] != '\'' {
				return text, s[i+1:], true
			}
			i++
		} else if b == '\\' && i+1 < len(s) {
			i++
			b = s[i]
			if at := strings.IndexByte("0nrZ", b); at >= 0 {
				b = "\x00\n\r\x1a"[at]
			}
		}
		text = append(text, b)
	}
	return nil, s, false
}
