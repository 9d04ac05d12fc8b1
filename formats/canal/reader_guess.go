package canal

import (
	"bytes"
	"errors"
	"fmt"

	"cdcbridge/changelog"
	"cdcbridge/internal/fault"
)

// guess is what the values of a column have shown of it: nothing yet, or a kind. Of messages that do not describe their tables, as
// Flink, Flink CDC and SeaTunnel write them, JSON is all that tells. What is sometimes this and sometimes that is a document.
type guess uint8

const (
	guessNothing guess = iota
	guessBool
	guessInt
	guessNumber
	guessText
	guessDocument
)

var guessed = map[guess]changelog.Type{
	guessNothing: {Kind: changelog.KindString}, guessBool: {Kind: changelog.KindBool}, guessInt: {Kind: changelog.KindInt, Bits: 64},
	guessNumber: {Kind: changelog.KindDecimal}, guessText: {Kind: changelog.KindString}, guessDocument: {Kind: changelog.KindJSON},
}

// names of the kinds, for want of a database that has others.
var guessNames = map[guess]string{guessNothing: "text", guessBool: "boolean", guessInt: "bigint", guessNumber: "numeric", guessText: "text", guessDocument: "json"}

func guessOf(raw []byte) guess {
	switch raw[0] {
	case 'n':
		return guessNothing
	case 't', 'f':
		return guessBool
	case '"':
		return guessText
	case '{', '[':
		return guessDocument
	}
	if len(raw) <= len("-999999999999999999") && !bytes.ContainsAny(raw, ".eE") {
		return guessInt
	}
	return guessNumber
}

// with gives what a column is that has shown g and now shows h.
func (g guess) with(h guess) guess {
	switch {
	case g == guessNothing || g == h:
		return h
	case h == guessNothing:
		return g
	case g == guessInt && h == guessNumber || g == guessNumber && h == guessInt:
		return guessNumber
	}
	return guessDocument
}

// infer finds the version of a table that has the columns and values of the message, and all that came before.
func (r *reader) infer(s *shape) (*shape, error) {
	if r.opts.Described {
		return nil, fault.NewFinal(fault.SchemaUnknown, fmt.Sprintf("%s of table %q", reading, r.msg.table), errors.New("nothing says what its columns are"),
			"Read messages that have mysqlType, or name a pipeline whose source describes the table (--tables); --guess-types takes values as JSON has them.")
	}
	if s == nil || s.inferred == nil {
		s = nil
	}
	if s != nil && bytes.Equal(s.keys, r.msg.keys) && r.holds(s) {
		return s, nil
	}
	t := &changelog.Table{Origin: "mysql", Inferred: true}
	var kinds []guess
	if s != nil {
		kinds = append(kinds, s.inferred...)
		t.Columns = append(t.Columns, s.table.Columns...)
	}
	at := make(map[string]int, len(t.Columns))
	for i := range t.Columns {
		at[t.Columns[i].Name] = i
	}
	for _, im := range []*rowset{&r.data, &r.old} {
		for _, f := range im.fields {
			i, known := at[string(f.name)]
			if !known {
				i = len(kinds)
				at[string(f.name)] = i
				kinds = append(kinds, guessNothing)
				t.Columns = append(t.Columns, changelog.Column{Name: string(f.name)})
			}
			kinds[i] = kinds[i].with(guessOf(f.raw))
		}
	}
	if len(kinds) == 0 {
		return nil, errNoColumns
	}
	for i, k := range kinds {
		t.Columns[i].Type, t.Columns[i].SourceType, t.Columns[i].Nullable = guessed[k], guessNames[k], true
	}
	if err := r.identify(t); err != nil {
		return nil, err
	}
	s = newShape(r.intern(t), string(r.msg.database), string(r.msg.table))
	s.given, s.inferred, s.keys = false, kinds, bytes.Clone(r.msg.keys)
	for i := range s.cells {
		s.cells[i].guessed = true
	}
	r.shapes[r.shapeKey(r.msg.database, r.msg.table)] = s
	return s, nil
}

// holds reports that the table has every column of the message and a type for every value.
func (r *reader) holds(s *shape) bool {
	for _, im := range []*rowset{&r.data, &r.old} {
		for row := range im.rows {
			for n, f := range im.of(row) {
				i := s.find(f.name, n)
				if i < 0 || s.inferred[i].with(guessOf(f.raw)) != s.inferred[i] {
					return false
				}
			}
		}
	}
	return true
}
