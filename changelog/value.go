package changelog

import (
	"encoding/binary"
	"math"
	"slices"
	"unsafe"
)

// Kind tells what a Value holds and therefore which accessor is right.
type Kind uint8

// Kinds of values. The zero Kind is NULL, so a zeroed Row is a row of NULLs.
const (
	KindNull      Kind = iota // SQL NULL
	KindUnchanged             // the log did not carry this column; never to be written as null
	KindBool                  // Bool
	KindInt                   // Int: signed integers and years
	KindUint                  // Uint: unsigned integers
	KindFloat32               // Float32
	KindFloat64               // Float64
	KindDecimal               // Bytes: plain decimal text with all digits of the scale, never an exponent; see Form
	KindString                // Bytes: UTF-8 text
	KindBytes                 // Bytes: raw bytes
	KindJSON                  // Bytes: JSON text exactly as the server prints it
	KindDate                  // Int: days since 1970-01-01, proleptic Gregorian; see Form and Civil
	KindTime                  // Int: microseconds, signed, may exceed a day
	KindDateTime              // Int: microseconds since 1970-01-01 00:00:00 of a wall clock without zone; see Form and Civil
	KindTimestamp             // Int: microseconds since the Unix epoch, UTC; see Form and Civil
	KindEnum                  // Uint: 1-based label index, 0 is the error value; Bytes: the label, UTF-8
	KindSet                   // Uint: bit mask of labels; Bytes: the labels joined with commas, UTF-8
	KindBits                  // Uint: the bits as a number, Type.Bits of them
	KindGeometry              // Bytes: WKB; Uint: SRID
	KindVector                // Bytes: little-endian float32 elements
	KindTimeTZ                // Int: microseconds of the local day, up to 24:00; Offset: seconds east of UTC
	KindInterval              // Interval: months, days and microseconds, each signed; see Form
	KindBitString             // Bytes: a bit string of any length as text of 0s and 1s, first bit first
	KindArray                 // Elems: elements of the type's Elem; of several dimensions: arrays in turn
	KindMap                   // Elems: keys (KindString) and values (KindString or NULL) in turn, in the server's order
)

// Form qualifies a temporal value or a decimal that is not an ordinary one.
type Form uint8

// Forms of values.
const (
	FormNormal    Form = iota // Int is the count described at the Kind
	FormZeroParts             // year, month or day is zero, or the day is not in the calendar (MySQL): only Civil is meaningful
	FormPosInf                // +infinity (PostgreSQL)
	FormNegInf                // -infinity (PostgreSQL)
	FormNaN                   // not a number (PostgreSQL's numeric)
)

// Value is one column of one row. It is small, comparable only by its accessors, and borrows its bytes from the batch
// that it came in: they are valid until that batch is released and must not be modified.
type Value struct {
	b    []byte
	n    uint64
	kind Kind
	form Form
}

// Row is the columns of one image in table order. A nil Row means that the log has no such image.
type Row []Value

// Null is SQL NULL. It is the zero Value.
func Null() Value { return Value{} }

// Unchanged marks a column that the log did not carry.
func Unchanged() Value { return Value{kind: KindUnchanged} }

// Bool makes a boolean.
func Bool(v bool) Value {
	if v {
		return Value{kind: KindBool, n: 1}
	}
	return Value{kind: KindBool}
}

// Int makes a signed integer.
func Int(v int64) Value { return Value{kind: KindInt, n: uint64(v)} }

// Uint makes an unsigned integer.
func Uint(v uint64) Value { return Value{kind: KindUint, n: v} }

// Float32 makes a single-precision number.
func Float32(v float32) Value { return Value{kind: KindFloat32, n: uint64(math.Float32bits(v))} }

// Float64 makes a double-precision number.
func Float64(v float64) Value { return Value{kind: KindFloat64, n: math.Float64bits(v)} }

// Decimal makes an exact decimal from its plain text, for example "-12.30". It keeps text.
func Decimal(text []byte) Value { return Value{kind: KindDecimal, b: text} }

// String makes UTF-8 text. It keeps text.
func String(text []byte) Value { return Value{kind: KindString, b: text} }

// Bytes makes raw bytes. It keeps raw.
func Bytes(raw []byte) Value { return Value{kind: KindBytes, b: raw} }

// JSON makes a document from the text that the server would print for it. It keeps text.
func JSON(text []byte) Value { return Value{kind: KindJSON, b: text} }

// Date makes a date from days since 1970-01-01.
func Date(days int64) Value { return Value{kind: KindDate, n: uint64(days)} }

// Time makes a time of day or a span from microseconds.
func Time(micros int64) Value { return Value{kind: KindTime, n: uint64(micros)} }

// DateTime makes a wall-clock time without zone from microseconds since 1970-01-01 00:00:00.
func DateTime(micros int64) Value { return Value{kind: KindDateTime, n: uint64(micros)} }

// Timestamp makes a point in time from microseconds since the Unix epoch.
func Timestamp(micros int64) Value { return Value{kind: KindTimestamp, n: uint64(micros)} }

// Infinite makes ±infinity of a date, date-time, timestamp, interval or decimal kind.
func Infinite(kind Kind, positive bool) Value {
	if positive {
		return Value{kind: kind, form: FormPosInf}
	}
	return Value{kind: kind, form: FormNegInf}
}

// NaN makes the decimal that is not a number.
func NaN() Value { return Value{kind: KindDecimal, form: FormNaN} }

// ZeroParts makes a date, date-time or timestamp with a zero year, month or day, as MySQL allows.
func ZeroParts(kind Kind, c Civil) Value {
	return Value{kind: kind, form: FormZeroParts, n: c.pack()}
}

// Enum makes an enumeration value from its 1-based index and its label. It keeps label.
func Enum(index uint64, label []byte) Value { return Value{kind: KindEnum, n: index, b: label} }

// Set makes a set value from its bit mask and its comma-joined labels. It keeps labels.
func Set(mask uint64, labels []byte) Value { return Value{kind: KindSet, n: mask, b: labels} }

// Bits makes a bit string of up to 64 bits.
func Bits(v uint64) Value { return Value{kind: KindBits, n: v} }

// Geometry makes a geometry from its WKB. It keeps wkb.
func Geometry(srid uint32, wkb []byte) Value {
	return Value{kind: KindGeometry, n: uint64(srid), b: wkb}
}

// Vector makes a vector from little-endian float32 elements. It keeps elems.
func Vector(elems []byte) Value { return Value{kind: KindVector, b: elems} }

// TimeTZ makes a time of day with a zone from microseconds of the local day and seconds east of UTC, less than a day each way.
func TimeTZ(micros int64, offset int) Value {
	return Value{kind: KindTimeTZ, n: uint64(micros)<<20 | uint64(uint32(offset)&(1<<20-1))}
}

// Interval makes a span from its parts. It keeps a copy of them in buf, which must have 16 bytes that live as long as the value.
func Interval(buf []byte, months, days int32, micros int64) Value {
	buf = buf[:16:16]
	binary.LittleEndian.PutUint32(buf, uint32(months))
	binary.LittleEndian.PutUint32(buf[4:], uint32(days))
	binary.LittleEndian.PutUint64(buf[8:], uint64(micros))
	return Value{kind: KindInterval, b: buf}
}

// BitString makes a bit string from its text of 0s and 1s. It keeps text.
func BitString(text []byte) Value { return Value{kind: KindBitString, b: text} }

// Array makes an array of elements. It keeps elems.
func Array(elems []Value) Value { return Value{kind: KindArray, b: bytesOf(elems)} }

// Map makes a map from its keys and values in turn. It keeps pairs.
func Map(pairs []Value) Value { return Value{kind: KindMap, b: bytesOf(pairs)} }

const valueSize = int(unsafe.Sizeof(Value{}))

// bytesOf sees values as memory: a Value has room for one slice only. The garbage collector follows the pointer to the
// slice's own allocation, whose type it knows.
func bytesOf(vs []Value) []byte {
	if len(vs) == 0 {
		return nil
	}
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(vs))), len(vs)*valueSize)
}

// Kind tells what the value is.
func (v Value) Kind() Kind { return v.kind }

// Form qualifies temporal values and decimals; it is FormNormal for every other kind.
func (v Value) Form() Form { return v.form }

// IsNull reports SQL NULL.
func (v Value) IsNull() bool { return v.kind == KindNull }

// IsUnchanged reports a column that the log did not carry.
func (v Value) IsUnchanged() bool { return v.kind == KindUnchanged }

// Bool gives a KindBool.
func (v Value) Bool() bool { return v.n != 0 }

// Int gives the number of a KindInt and the count of an ordinary temporal kind.
func (v Value) Int() int64 {
	if v.kind == KindTimeTZ {
		return int64(v.n) >> 20
	}
	return int64(v.n)
}

// Offset gives the seconds east of UTC of a KindTimeTZ.
func (v Value) Offset() int { return int(int32(uint32(v.n)<<12) >> 12) }

// Interval gives the parts of a KindInterval; they are meaningless for infinities.
func (v Value) Interval() (months, days int32, micros int64) {
	if len(v.b) != 16 {
		return 0, 0, 0
	}
	return int32(binary.LittleEndian.Uint32(v.b)), int32(binary.LittleEndian.Uint32(v.b[4:])), int64(binary.LittleEndian.Uint64(v.b[8:]))
}

// Elems gives the elements of a KindArray and the keys and values of a KindMap, nil of any other kind. They are valid until
// the batch is released.
func (v Value) Elems() []Value {
	if len(v.b) == 0 || v.kind != KindArray && v.kind != KindMap {
		return nil
	}
	return unsafe.Slice((*Value)(unsafe.Pointer(unsafe.SliceData(v.b))), len(v.b)/valueSize)
}

// Uint gives the number of a KindUint, KindBits, the index of a KindEnum, the mask of a KindSet, the SRID of a KindGeometry.
func (v Value) Uint() uint64 { return v.n }

// Float32 gives a KindFloat32.
func (v Value) Float32() float32 { return math.Float32frombits(uint32(v.n)) }

// Float64 gives a KindFloat64.
func (v Value) Float64() float64 { return math.Float64frombits(v.n) }

// Bytes gives the text or bytes of the kinds that have them; they are valid until the batch is released.
func (v Value) Bytes() []byte {
	if v.kind == KindArray || v.kind == KindMap {
		return nil
	}
	return v.b
}

// Equal reports whether two values are the same bit for bit. Equal keys render equally.
func (v Value) Equal(w Value) bool {
	if v.kind == w.kind && (v.kind == KindArray || v.kind == KindMap) {
		return slices.EqualFunc(v.Elems(), w.Elems(), Value.Equal)
	}
	return v.kind == w.kind && v.form == w.form && v.n == w.n && string(v.b) == string(w.b)
}

// Raw gives what the accessors give, without the copies of the value that these may make: its kind and form, the number of Int
// and Uint as it is stored, and the bytes of Bytes. For encoders' inner loops.
func (v *Value) Raw() (kind Kind, form Form, n uint64, b []byte) { return v.kind, v.form, v.n, v.b }

// Same is Equal without copies of the values.
func (v *Value) Same(w *Value) bool {
	if v.kind != w.kind || v.n != w.n || v.form != w.form || len(v.b) != len(w.b) && v.kind != KindArray && v.kind != KindMap {
		return false
	}
	return len(v.b) == 0 && len(w.b) == 0 || v.sameBytes(w)
}

func (v *Value) sameBytes(w *Value) bool {
	if v.kind == KindArray || v.kind == KindMap {
		return slices.EqualFunc(v.Elems(), w.Elems(), Value.Equal)
	}
	return string(v.b) == string(w.b)
}
