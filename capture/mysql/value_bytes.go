package mysql

import (
	"encoding/binary"
	"fmt"
	"strconv"

	"cdcbridge/changelog"
)

// bytes prepares BINARY, VARBINARY and the BLOB types.
func (d columnDef) bytes(col *changelog.Column, dec *column) error {
	col.Type.Kind = changelog.KindBytes
	dec.decode = decodeBytes
	length := int(d.layout.meta)
	switch d.layout.typ {
	case typeString:
		col.Type.Length, col.Type.Fixed = length, true
		col.SourceType = "binary(" + strconv.Itoa(length) + ")"
		dec.prefix, dec.width, dec.decode = lengthPrefix(length), length, decodeBinary
	case typeVarchar, typeVarString:
		col.Type.Length = length
		col.SourceType = "varbinary(" + strconv.Itoa(length) + ")"
		dec.prefix = lengthPrefix(length)
	default:
		return d.blobPrefix(col, dec, "blob")
	}
	return nil
}

func decodeBytes(_ *column, p []byte, dst *changelog.Value, _ *changelog.Batch) error {
	*dst = changelog.Bytes(p)
	return nil
}

// decodeBinary puts the zero bytes back that the log leaves out at the end of BINARY(n).
func decodeBinary(c *column, p []byte, dst *changelog.Value, b *changelog.Batch) error {
	if len(p) > c.width {
		return fmt.Errorf("%d bytes in BINARY(%d)", len(p), c.width)
	}
	if len(p) < c.width {
		padded := b.Grab(c.width)
		clear(padded[copy(padded, p):])
		p = padded
	}
	*dst = changelog.Bytes(p)
	return nil
}

// geometryNames are the OGC types as column types; 0 is any of them.
var geometryNames = [...]string{"geometry", "point", "linestring", "polygon", "multipoint", "multilinestring", "multipolygon", "geomcollection"}

const longCollection = "geometrycollection" // the last of them before MySQL 8.0, and for MariaDB

// spatial prepares a geometry column.
func (d columnDef) spatial(col *changelog.Column, dec *column) error {
	if d.geometry >= len(geometryNames) {
		return d.bad("the geometry type %d", d.geometry)
	}
	if err := d.blobPrefix(col, dec, ""); err != nil {
		return err
	}
	col.Type.Kind, col.SourceType = changelog.KindGeometry, geometryNames[d.geometry]
	if d.longNames && d.geometry == len(geometryNames)-1 {
		col.SourceType = longCollection
	}
	dec.decode = decodeGeometry
	return nil
}

// decodeGeometry splits MySQL's storage form: the SRID in four bytes, then WKB.
func decodeGeometry(_ *column, p []byte, dst *changelog.Value, _ *changelog.Batch) error {
	const smallestWKB = 5 // byte order and type
	if len(p) < 4+smallestWKB {
		return fmt.Errorf("a geometry of %d bytes", len(p))
	}
	*dst = changelog.Geometry(binary.LittleEndian.Uint32(p), p[4:])
	return nil
}

// vector prepares a VECTOR column (MySQL 9).
func (d columnDef) vector(col *changelog.Column, dec *column) error {
	if err := d.blobPrefix(col, dec, ""); err != nil {
		return err
	}
	col.Type.Kind, col.Type.Length = changelog.KindVector, d.dimension
	col.SourceType = "vector"
	if d.dimension > 0 {
		col.SourceType = "vector(" + strconv.Itoa(d.dimension) + ")"
	}
	dec.decode = decodeVector
	return nil
}

func decodeVector(_ *column, p []byte, dst *changelog.Value, _ *changelog.Batch) error {
	if len(p)%4 != 0 {
		return fmt.Errorf("a vector of %d bytes", len(p))
	}
	*dst = changelog.Vector(p)
	return nil
}
