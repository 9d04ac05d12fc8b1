package postgres

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math"
	"strconv"

	"cdcbridge/changelog"
)

func prepareBytea(c *columnType, _ int32) error {
	c.typ.Kind, c.decode = changelog.KindBytes, decodeBytea
	return nil
}

// prepareVector prepares pgvector's vector; the modifier is the dimension.
func prepareVector(c *columnType, modifier int32) error {
	c.typ.Kind, c.typ.Length, c.decode = changelog.KindVector, max(int(modifier), 0), decodeVector
	c.source = sized(c.source, modifier)
	return nil
}

// Modifiers of PostGIS's types: the SRID with its sign, the geometry type, and whether there are Z and M.
const (
	postgisSRIDShift = 8
	postgisSRIDBits  = 21
	postgisTypeShift = 2
	postgisTypeMask  = 0x3f
	postgisZ         = 2
	postgisM         = 1
)

// postgisTypes are the names within a modifier; 0 is any of them.
var postgisTypes = [...]string{"Geometry", "Point", "LineString", "Polygon", "MultiPoint", "MultiLineString", "MultiPolygon", "GeometryCollection",
	"CircularString", "CompoundCurve", "CurvePolygon", "MultiCurve", "MultiSurface", "PolyhedralSurface", "Triangle", "Tin"}

// prepareGeometry prepares PostGIS's geometry and geography.
func prepareGeometry(c *columnType, modifier int32) error {
	c.typ.Kind, c.decode = changelog.KindGeometry, decodeGeometry
	if modifier <= 0 {
		return nil
	}
	kind := int(modifier >> postgisTypeShift & postgisTypeMask)
	if kind >= len(postgisTypes) {
		return fmt.Errorf("the modifier %d of a %s", modifier, c.source)
	}
	text := postgisTypes[kind]
	if modifier&postgisZ != 0 {
		text += "Z"
	}
	if modifier&postgisM != 0 {
		text += "M"
	}
	// The SRID is a signed number in the bits above the type.
	if srid := modifier << (32 - postgisSRIDShift - postgisSRIDBits) >> (32 - postgisSRIDBits); srid != 0 {
		text += "," + strconv.Itoa(int(srid))
	}
	c.source += "(" + text + ")"
	return nil
}

func decodeBytea(c *columnType, text []byte, dst *changelog.Value, b *changelog.Batch) error {
	if len(text) < 2 || text[0] != '\\' || text[1] != 'x' { // bytea_output=escape would be ambiguous with text
		return malformed(text, c.source)
	}
	raw, ok := unhex(text[2:], b)
	if !ok {
		return malformed(text, c.source)
	}
	*dst = changelog.Bytes(raw)
	return nil
}

// unhex decodes pairs of hexadecimal digits into the batch.
func unhex(digits []byte, b *changelog.Batch) ([]byte, bool) {
	if len(digits) == 0 {
		return []byte{}, true
	}
	if len(digits)%2 != 0 {
		return nil, false
	}
	raw := b.Grab(len(digits) / 2)
	_, err := hex.Decode(raw, digits)
	return raw, err == nil
}

// decodeVector reads "[1,2.5,-3e-05]" as little-endian float32 elements.
func decodeVector(c *columnType, text []byte, dst *changelog.Value, b *changelog.Batch) error {
	if len(text) < len("[1]") || text[0] != '[' || text[len(text)-1] != ']' {
		return malformed(text, c.source)
	}
	rest := text[1 : len(text)-1]
	count := bytes.Count(rest, []byte(",")) + 1
	if c.typ.Length > 0 && count != c.typ.Length {
		return malformed(text, c.source)
	}
	raw := b.Grab(4 * count)
	for i := range count {
		var elem []byte
		elem, rest, _ = bytes.Cut(rest, []byte(","))
		f, ok := parseFloat(elem, 32)
		if !ok || f-f != 0 { // pgvector has no NaN and no infinity
			return malformed(text, c.source)
		}
		binary.LittleEndian.PutUint32(raw[4*i:], math.Float32bits(float32(f)))
	}
	*dst = changelog.Vector(raw)
	return nil
}

// Flags of the type word in EWKB.
const (
	ewkbHasSRID = 0x20000000
	wkbHeader   = 1 + 4 // byte order, type
	wkbSRID     = 4
	wkbSmallest = wkbHeader + 4 // and the count of an empty geometry
)

// decodeGeometry reads hexadecimal EWKB: WKB with the SRID after the type, which only the outermost geometry has. The SRID
// is taken out together with its flag; those of Z and M stay, as every reader of WKB from PostGIS expects them.
func decodeGeometry(c *columnType, text []byte, dst *changelog.Value, b *changelog.Batch) error {
	raw, ok := unhex(text, b)
	if !ok || len(raw) < wkbSmallest || raw[0] > 1 {
		return malformed(text, c.source)
	}
	var order binary.ByteOrder = binary.BigEndian
	if raw[0] == 1 {
		order = binary.LittleEndian
	}
	kind := order.Uint32(raw[1:])
	if kind&ewkbHasSRID == 0 {
		*dst = changelog.Geometry(0, raw)
		return nil
	}
	if len(raw) < wkbSmallest+wkbSRID {
		return malformed(text, c.source)
	}
	srid := order.Uint32(raw[wkbHeader:])
	raw[wkbSRID] = raw[0] // the header moves up over the SRID
	raw = raw[wkbSRID:]
	order.PutUint32(raw[1:], kind&^ewkbHasSRID)
	*dst = changelog.Geometry(srid, raw)
	return nil
}
