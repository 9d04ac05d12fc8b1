package mysql

import (
	"encoding/binary"
	"math"
	"strconv"

	"cdcbridge/changelog"
)

// number prepares an integer, floating point, decimal or bit column.
func (d columnDef) number(col *changelog.Column, dec *column) error {
	switch d.layout.typ {
	case typeTiny:
		d.integer(col, dec, integerForm{"tinyint", 1, fastInt8, decodeInt8, decodeUint8})
	case typeShort:
		d.integer(col, dec, integerForm{"smallint", 2, fastInt16, decodeInt16, decodeUint16})
	case typeInt24:
		d.integer(col, dec, integerForm{"mediumint", 3, fastNone, decodeInt24, decodeUint24})
	case typeLong:
		d.integer(col, dec, integerForm{"int", 4, fastInt32, decodeInt32, decodeUint32})
	case typeLongLong:
		d.integer(col, dec, integerForm{"bigint", 8, fastInt64, decodeInt64, decodeUint64})
	case typeFloat:
		col.Type.Kind, col.SourceType = changelog.KindFloat32, d.sign("float")
		dec.width, dec.decode = 4, decodeFloat
	case typeDouble:
		col.Type.Kind, col.SourceType = changelog.KindFloat64, d.sign("double")
		dec.width, dec.decode = 8, decodeDouble
	case typeBit:
		return d.bits(col, dec)
	default:
		return d.decimal(col, dec)
	}
	return nil
}

// integerForm is how an integer type is stored.
type integerForm struct {
	name             string
	width            int // bytes
	fast             fast
	signed, unsigned decodeFunc
}

func (d columnDef) integer(col *changelog.Column, dec *column, f integerForm) {
	col.SourceType, col.Type.Bits = d.sign(f.name), 8*f.width
	col.Type.Kind, dec.decode, dec.fast = changelog.KindInt, f.signed, f.fast
	if d.unsigned {
		col.Type.Kind, dec.decode, dec.fast = changelog.KindUint, f.unsigned, fastNone
	}
	dec.width = f.width
}

func (d columnDef) sign(name string) string {
	if d.unsigned {
		return name + " unsigned"
	}
	return name
}

// bits prepares a BIT column. Its metadata is the count of whole bytes and of the bits left.
func (d columnDef) bits(col *changelog.Column, dec *column) error {
	n := int(d.layout.meta>>8)*8 + int(d.layout.meta&0xff)
	if n < 1 || n > 64 || d.layout.meta&0xff > 7 {
		return d.bad("BIT of %d bits", n)
	}
	col.Type.Kind, col.Type.Bits, col.SourceType = changelog.KindBits, n, "bit("+strconv.Itoa(n)+")"
	dec.width, dec.decode = (n+7)/8, decodeBits
	return nil
}

func decodeInt8(_ *column, p []byte, dst *changelog.Value, _ *changelog.Batch) error {
	*dst = changelog.Int(int64(int8(p[0])))
	return nil
}

func decodeUint8(_ *column, p []byte, dst *changelog.Value, _ *changelog.Batch) error {
	*dst = changelog.Uint(uint64(p[0]))
	return nil
}

func decodeInt16(_ *column, p []byte, dst *changelog.Value, _ *changelog.Batch) error {
	*dst = changelog.Int(int64(int16(binary.LittleEndian.Uint16(p))))
	return nil
}

func decodeUint16(_ *column, p []byte, dst *changelog.Value, _ *changelog.Batch) error {
	*dst = changelog.Uint(uint64(binary.LittleEndian.Uint16(p)))
	return nil
}

func decodeInt24(_ *column, p []byte, dst *changelog.Value, _ *changelog.Batch) error {
	*dst = changelog.Int(int64(int32(uint32(p[0])<<8|uint32(p[1])<<16|uint32(p[2])<<24) >> 8))
	return nil
}

func decodeUint24(_ *column, p []byte, dst *changelog.Value, _ *changelog.Batch) error {
	*dst = changelog.Uint(uint64(p[0]) | uint64(p[1])<<8 | uint64(p[2])<<16)
	return nil
}

func decodeInt32(_ *column, p []byte, dst *changelog.Value, _ *changelog.Batch) error {
	*dst = changelog.Int(int64(int32(binary.LittleEndian.Uint32(p))))
	return nil
}

func decodeUint32(_ *column, p []byte, dst *changelog.Value, _ *changelog.Batch) error {
	*dst = changelog.Uint(uint64(binary.LittleEndian.Uint32(p)))
	return nil
}

func decodeInt64(_ *column, p []byte, dst *changelog.Value, _ *changelog.Batch) error {
	*dst = changelog.Int(int64(binary.LittleEndian.Uint64(p)))
	return nil
}

func decodeUint64(_ *column, p []byte, dst *changelog.Value, _ *changelog.Batch) error {
	*dst = changelog.Uint(binary.LittleEndian.Uint64(p))
	return nil
}

func decodeFloat(_ *column, p []byte, dst *changelog.Value, _ *changelog.Batch) error {
	*dst = changelog.Float32(math.Float32frombits(binary.LittleEndian.Uint32(p)))
	return nil
}

func decodeDouble(_ *column, p []byte, dst *changelog.Value, _ *changelog.Batch) error {
	*dst = changelog.Float64(math.Float64frombits(binary.LittleEndian.Uint64(p)))
	return nil
}

func decodeBits(_ *column, p []byte, dst *changelog.Value, _ *changelog.Batch) error {
	*dst = changelog.Bits(bigEndian(p))
	return nil
}

// bigEndian reads up to eight bytes.
func bigEndian(p []byte) uint64 {
	var v uint64
	for _, b := range p {
		v = v<<8 | uint64(b)
	}
	return v
}
