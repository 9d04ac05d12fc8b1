// Package flinksql knows the types of Flink SQL and what its JSON formats (json, debezium-json, canal-json share one
// converter) read into them without loss.
package flinksql

import (
	"fmt"
	"strings"

	"cdcbridge/changelog"
)

// MaxDecimal is the number of digits that Flink's DECIMAL can have.
const MaxDecimal = 38

// Int is the type of integers, which fits all of them, and of Type.Year.
func Int(t *changelog.Type) string {
	bits := t.Bits
	if t.Kind == changelog.KindUint {
		bits++
	}
	switch {
	case bits <= 8:
		return "TINYINT"
	case bits <= 16:
		return "SMALLINT"
	case bits <= 32:
		return "INT"
	case bits <= 64:
		return "BIGINT"
	}
	return "DECIMAL(20, 0)"
}

// Decimal is the type of a decimal that is written as text or as a number with all its digits. The note says why it is no DECIMAL.
func Decimal(t *changelog.Type) (typ, note string) {
	precision, scale := t.Precision, t.Scale
	switch {
	case precision == 0:
		return "STRING", "the column has no limit, and Flink's DECIMAL needs one; CAST it"
	case scale < 0: // zeros before the point
		precision, scale = precision-scale, 0
	case scale > precision: // zeros behind it
		precision = scale
	}
	if precision > MaxDecimal {
		return "STRING", fmt.Sprintf("Flink's DECIMAL has %d digits, the column %d", MaxDecimal, precision)
	}
	return fmt.Sprintf("DECIMAL(%d, %d)", precision, scale), ""
}

// Time is the type of a time that is written as hh:mm:ss with the column's fraction digits.
func Time(origin string, t *changelog.Type) (typ, note string) {
	switch {
	case origin != "postgresql":
		return "STRING", "the column's times can leave the day, at which Flink's TIME fails; CAST(… AS TIME)"
	case t.FSP > 0:
		return "STRING", "Flink reads a TIME without its fraction"
	}
	return "TIME(0)", "24:00:00 reads as 00:00:00"
}

// Scalar is the type of a column of a kind whose usual text or number Flink reads: integers, floating-point numbers, decimals
// with all their digits, UTF-8 text, base64 for bytes, and ISO 8601 for what has a date, with Z where there is a zone and without
// where there is none. It is "" for other kinds.
func Scalar(origin string, t *changelog.Type) (typ, note string) {
	switch t.Kind {
	case changelog.KindBool:
		return "BOOLEAN", ""
	case changelog.KindInt, changelog.KindUint:
		return Int(t), ""
	case changelog.KindFloat32:
		return "FLOAT", ""
	case changelog.KindFloat64:
		return "DOUBLE", ""
	case changelog.KindDecimal:
		return Decimal(t)
	case changelog.KindString, changelog.KindEnum, changelog.KindSet, changelog.KindJSON:
		return "STRING", ""
	case changelog.KindBytes:
		return "BYTES", ""
	case changelog.KindDate:
		return "DATE", ""
	case changelog.KindTime:
		return Time(origin, t)
	case changelog.KindDateTime:
		return fmt.Sprintf("TIMESTAMP(%d)", t.FSP), ""
	case changelog.KindTimestamp:
		return fmt.Sprintf("TIMESTAMP_LTZ(%d)", t.FSP), ""
	}
	return "", ""
}

// FreeName gives a name that no column of the table has, the wanted one if it is free. Flink tells cases apart, people do not.
func FreeName(t *changelog.Table, want string) string {
	for i := 0; i < len(t.Columns); i++ {
		if strings.EqualFold(t.Columns[i].Name, want) {
			want, i = "_"+want, -1
		}
	}
	return want
}
