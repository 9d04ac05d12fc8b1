package debezium

import (
	"errors"
	"fmt"
	"unicode/utf8"

	"cdcbridge/changelog"
	"cdcbridge/formats/internal/jsonx"
	"cdcbridge/internal/fault"
)

// keyColumn is a column as the record key has it. It differs from the column of the rows where that would write two keys
// alike, or one in two ways.
type keyColumn struct {
	column
	index int // of the column
}

// compileKey prepares the columns of the record key.
func (e *encoder) compileKey(k compiler) error {
	k.key = true
	for n, i := range e.options.Key {
		if i < 0 || i >= len(e.columns) {
			return fault.NewFinal(fault.Internal, "preparing debezium-json for "+e.table.FullName(),
				fmt.Errorf("key column %d of %d", i, len(e.columns)), "Report this with the table's definition.")
		}
		in := &e.table.Columns[i]
		c := keyColumn{index: i}
		err := k.column(&c.column, in)
		if err == nil && e.options.Upsert {
			err = k.checkKey(&in.Type)
		}
		if err != nil {
			return e.locate("preparing", in.Name, err)
		}
		c.prefix = jsonx.NewMember(n == 0, e.fieldName(in.Name))
		e.key = append(e.key, c)
	}
	return nil
}

// checkKey refuses options under which two different values of a key column would be written alike: compaction would then
// keep one of two rows.
func (k compiler) checkKey(t *changelog.Type) error {
	switch t.Kind {
	case changelog.KindDecimal:
		if p := t.Precision; k.cfg.DecimalHandlingMode == decimalDouble && (p == 0 || p > 15) {
			return refuse(fault.Config, "Set decimal_handling_mode to precise or string.", "decimal_handling_mode double cannot tell all keys apart")
		}
	case changelog.KindTime, changelog.KindDateTime:
		if k.cfg.TimePrecisionMode == timeConnect && t.FSP > 3 {
			return refuse(fault.Config, "Choose another time_precision_mode.", "time_precision_mode connect cannot tell all keys apart")
		}
	case changelog.KindArray:
		return k.checkKey(&t.Elem.Type)
	}
	return nil
}

// AppendKey appends the JSON object of the key columns, in key order.
func (e *encoder) AppendKey(dst []byte, row changelog.Row) ([]byte, error) {
	if len(row) != len(e.columns) || len(e.key) == 0 {
		return dst, e.broken("the row or the key does not have the table's columns")
	}
	w := e.keyWrapping(row)
	dst, err := e.appendKeyColumns(w.open(dst), row, true)
	return w.close(dst), err
}

// appendKeyColumns appends the key's columns as the record key has them, or as the rows have them.
func (e *encoder) appendKeyColumns(dst []byte, row changelog.Row, asKey bool) ([]byte, error) {
	var err error
	for i := range e.key {
		k := &e.key[i]
		c, v := &k.column, &row[k.index]
		if !asKey {
			c = &e.columns[k.index]
		}
		dst = k.prefix.Append(dst)
		switch v.Kind() {
		case c.kind:
			if err = e.checkKeyValue(v); err == nil {
				dst, err = c.append(dst, c, v)
			}
		case changelog.KindNull:
			dst = append(dst, "null"...)
		case changelog.KindUnchanged:
			err = refuse(fault.SourceSettings, e.wholeRows(), "the log does not carry a key column")
		default:
			err = malformed("a value of kind %d in a column of kind %d", v.Kind(), c.kind)
		}
		if err != nil {
			return dst, e.locate("encoding key", e.table.Columns[k.index].Name, err)
		}
	}
	return append(dst, '}'), nil
}

var (
	errZeroDate = errors.New("a zero date in a key is written like 1970-01-01 and would replace that row")
	errNotUTF8  = errors.New("a text in a key is not UTF-8 and cannot be told from others")
)

// checkKeyValue refuses values that are not written one to one.
func (e *encoder) checkKeyValue(v *changelog.Value) error {
	if !e.options.Upsert {
		return nil
	}
	switch v.Kind() {
	case changelog.KindDate, changelog.KindDateTime, changelog.KindTimestamp:
		if v.Form() == changelog.FormZeroParts {
			return fault.NewFinal(fault.UnsupportedType, "", errZeroDate, "Correct the row, exclude the table, or write it with another format.")
		}
	case changelog.KindString, changelog.KindEnum, changelog.KindSet, changelog.KindJSON:
		if !utf8.Valid(v.Bytes()) {
			return fault.NewFinal(fault.Decode, "", errNotUTF8, "Correct the row or the column's character set.")
		}
	case changelog.KindArray, changelog.KindMap:
		elems := v.Elems()
		for i := range elems {
			if err := e.checkKeyValue(&elems[i]); err != nil {
				return err
			}
		}
	}
	return nil
}
