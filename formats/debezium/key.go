package debezium

import (
	"errors"
	"unicode/utf8"

	"cdcbridge/changelog"
	"cdcbridge/formats"
	"cdcbridge/internal/fault"
)

type keyColumn struct {
	index  int    // of the column
	prefix []byte // brace or comma, name, colon
}

// checkKeyColumn refuses options under which two different values of a key column would be written alike: compaction
// would then keep one of two rows.
func (f *format) checkKeyColumn(c *changelog.Column, o formats.Options) error {
	if !o.Upsert {
		return nil
	}
	switch c.Type.Kind {
	case changelog.KindDecimal:
		if p := c.Type.Precision; f.cfg.DecimalHandlingMode == decimalDouble && (p == 0 || p > 15) {
			return refuse(fault.Config, "Set decimal_handling_mode to precise or string.", "decimal_handling_mode double cannot tell all keys apart")
		}
	case changelog.KindTime, changelog.KindDateTime:
		if f.cfg.TimePrecisionMode == timeConnect && c.Type.FSP > 3 {
			return refuse(fault.Config, "Choose another time_precision_mode.", "time_precision_mode connect cannot tell all keys apart")
		}
	}
	return nil
}

// AppendKey appends the JSON object of the key columns, in key order.
func (e *encoder) AppendKey(dst []byte, row changelog.Row) ([]byte, error) {
	if len(row) != len(e.columns) || len(e.key) == 0 {
		return dst, e.broken("the row or the key does not have the table's columns")
	}
	var err error
	for i := range e.key {
		k := &e.key[i]
		c, v := &e.columns[k.index], &row[k.index]
		dst = append(dst, k.prefix...)
		switch v.Kind() {
		case c.kind:
			if err = e.checkKeyValue(v); err == nil {
				dst, err = c.append(dst, c, v)
			}
		case changelog.KindNull:
			dst = append(dst, "null"...)
		case changelog.KindUnchanged:
			err = refuse(fault.SourceSettings, "Set binlog_row_image=FULL on the server, for every session.", "the log does not carry a key column")
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
	case changelog.KindString, changelog.KindEnum, changelog.KindSet:
		if !utf8.Valid(v.Bytes()) {
			return fault.NewFinal(fault.Decode, "", errNotUTF8, "Correct the row or the column's character set.")
		}
	}
	return nil
}
