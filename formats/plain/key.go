package plain

import (
	"errors"
	"unicode/utf8"

	"cdcbridge/changelog"
	"cdcbridge/formats/internal/jsonx"
	"cdcbridge/internal/fault"
)

// keyColumn is a column as the record key has it: where values that are not the same are one key to the database, they have one
// form.
type keyColumn struct {
	column
	index int // of the column
}

func (e *encoder) compileKey() error {
	k := compiler{cfg: &e.cfg, key: true}
	if e.cfg.KeyFormat == keyRaw && len(e.options.Key) > 1 {
		return fault.NewFinal(fault.Config, "preparing plain-json for "+e.table.FullName(), errors.New("a key of several columns has no raw form"),
			"Set key_format to json, or name one key column in the pipeline's tables section.")
	}
	for n, i := range e.options.Key {
		in := &e.table.Columns[i]
		c := keyColumn{index: i}
		if err := k.column(&c.column, in); err != nil {
			return e.locate("preparing", in.Name, err)
		}
		if e.cfg.KeyFormat == keyRaw {
			c.raw()
		} else {
			c.prefix = jsonx.NewMember(n == 0, in.Name)
		}
		e.key = append(e.key, c)
	}
	return nil
}

// raw makes the column write its text without quotes: text and bytes as they are, everything else as it stands in JSON.
func (c *keyColumn) raw() {
	switch c.kind {
	case changelog.KindString, changelog.KindEnum, changelog.KindSet, changelog.KindBytes, changelog.KindJSON:
		c.append = appendRaw
	default:
		c.inner, c.append = c.append, appendUnquoted
	}
}

func appendRaw(dst []byte, _ *column, v *changelog.Value) ([]byte, error) {
	return append(dst, v.Bytes()...), nil
}

// appendUnquoted takes the quotes off a text that has no escapes.
func appendUnquoted(dst []byte, c *column, v *changelog.Value) ([]byte, error) {
	from := len(dst)
	dst, err := c.inner(dst, c, v)
	if n := len(dst); err == nil && n > from+1 && dst[from] == '"' {
		copy(dst[from:], dst[from+1:n-1])
		dst = dst[:n-2]
	}
	return dst, err
}

// AppendKey appends the JSON object of the key columns in key order, or the text of the only one.
func (e *encoder) AppendKey(dst []byte, row changelog.Row) ([]byte, error) {
	if len(row) != len(e.columns) || len(e.key) == 0 {
		return dst, e.broken("the row or the key does not have the table's columns")
	}
	raw := e.cfg.KeyFormat == keyRaw
	var err error
	for i := range e.key {
		k := &e.key[i]
		v := &row[k.index]
		dst = k.prefix.Append(dst)
		switch v.Kind() {
		case k.kind:
			if err = e.checkKeyValue(v, raw); err == nil {
				dst, err = k.append(dst, &k.column, v)
			}
		case changelog.KindNull:
			if dst = append(dst, "null"...); raw {
				err = refuse(fault.NoKey, "Set key_format to json, or choose a key column that is never NULL.", "NULL has no raw form as a key")
			}
		case changelog.KindUnchanged:
			err = refuse(fault.SourceSettings, e.wholeRows(), "the log does not carry a key column")
		default:
			err = malformed("a value of kind %d in a column of kind %d", v.Kind(), k.kind)
		}
		if err != nil {
			return dst, e.locate("encoding key", e.table.Columns[k.index].Name, err)
		}
	}
	if raw {
		if dst == nil {
			dst = []byte{} // an empty key is one
		}
		return dst, nil
	}
	return append(dst, '}'), nil
}

var errNotUTF8 = errors.New("a text in a key is not UTF-8 and cannot be told from others")

// checkKeyValue refuses text that JSON cannot write one to one.
func (e *encoder) checkKeyValue(v *changelog.Value, raw bool) error {
	if !e.options.Upsert || raw {
		return nil
	}
	switch v.Kind() {
	case changelog.KindString, changelog.KindEnum, changelog.KindSet, changelog.KindJSON:
		if !utf8.Valid(v.Bytes()) {
			return fault.NewFinal(fault.Decode, "", errNotUTF8, "Correct the row or the column's character set.")
		}
	case changelog.KindArray, changelog.KindMap:
		elems := v.Elems()
		for i := range elems {
			if err := e.checkKeyValue(&elems[i], raw); err != nil {
				return err
			}
		}
	}
	return nil
}
