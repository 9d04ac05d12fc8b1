package formatstest

import (
	"encoding/binary"
	"math"
	"strings"

	"pgregory.net/rapid"

	"cdcbridge/changelog"
)

// random draws a value that a column can have and that every format can give back: no zero dates, no text that is not UTF-8.
// Types whose texts have a grammar get one of the fixture.
func random(rt *rapid.T, origin string, c *column) changelog.Value {
	if c.Nullable && rapid.IntRange(0, 7).Draw(rt, c.Name+" is null") == 0 {
		return changelog.Null()
	}
	if !free(origin, &c.Column) {
		return rapid.SampledFrom(c.values).Draw(rt, c.Name)
	}
	return randomOf(rt, origin, &c.Column)
}

// free reports that every value of the column's kind is one of the column.
func free(origin string, c *changelog.Column) bool {
	switch c.Type.Kind {
	case changelog.KindJSON, changelog.KindGeometry:
		return false
	case changelog.KindString:
		for _, text := range []string{"char", "varchar", "text", "longtext", "character varying"} {
			if name, _, _ := strings.Cut(c.SourceType, "("); name == text {
				return origin != postgres || !c.Type.Fixed
			}
		}
		return false
	case changelog.KindArray:
		return free(origin, c.Type.Elem)
	}
	return true
}

func randomOf(rt *rapid.T, origin string, c *changelog.Column) changelog.Value {
	typ := &c.Type
	switch typ.Kind {
	case changelog.KindBool:
		return changelog.Bool(rapid.Bool().Draw(rt, c.Name))
	case changelog.KindInt:
		if typ.Year {
			return changelog.Int(rapid.Int64Range(1901, 2155).Draw(rt, c.Name))
		}
		return changelog.Int(rapid.Int64().Draw(rt, c.Name) >> (64 - typ.Bits))
	case changelog.KindUint:
		return changelog.Uint(rapid.Uint64().Draw(rt, c.Name) >> (64 - typ.Bits))
	case changelog.KindFloat32:
		f := math.Float32frombits(rapid.Uint32().Draw(rt, c.Name))
		if f-f != 0 {
			f = 1
		}
		return changelog.Float32(f)
	case changelog.KindFloat64:
		f := math.Float64frombits(rapid.Uint64().Draw(rt, c.Name))
		if f-f != 0 {
			f = 1
		}
		return changelog.Float64(f)
	case changelog.KindDecimal:
		return changelog.Decimal(randomDecimal(rt, typ))
	case changelog.KindBits:
		return changelog.Bits(rapid.Uint64().Draw(rt, c.Name) >> (64 - typ.Bits))
	case changelog.KindBitString:
		return changelog.BitString(randomBits(rt, typ))
	case changelog.KindDate, changelog.KindTime, changelog.KindDateTime, changelog.KindTimestamp, changelog.KindTimeTZ, changelog.KindInterval:
		return randomTime(rt, origin, typ)
	}
	return randomBytes(rt, origin, c)
}

// randomDecimal draws digits as the column has them; of a column without limits, without zeros at the end of the fraction.
func randomDecimal(rt *rapid.T, typ *changelog.Type) []byte {
	whole, scale := typ.Precision-typ.Scale, typ.Scale
	if typ.Precision == 0 {
		whole, scale = rapid.IntRange(0, 90).Draw(rt, "digits"), rapid.IntRange(0, 40).Draw(rt, "scale")
	}
	digits := func(n int) string {
		return rapid.StringMatching("[0-9]{"+itoa(n)+"}").Draw(rt, "number")
	}
	text := strings.TrimLeft(digits(max(whole, 0)), "0")
	if scale < 0 && text != "" {
		text = text[:max(len(text)+scale, 0)] + strings.Repeat("0", min(-scale, len(text)))
	}
	if text = strings.TrimLeft(text, "0"); text == "" {
		text = "0"
	}
	if scale > 0 {
		fraction := strings.Repeat("0", max(-whole, 0)) + digits(scale-max(-whole, 0))
		if typ.Precision == 0 {
			fraction = strings.TrimRight(fraction, "0")
		}
		if fraction != "" {
			text += "." + fraction
		}
	}
	if strings.Trim(text, "0.") != "" && rapid.Bool().Draw(rt, "negative") {
		text = "-" + text
	}
	return []byte(text)
}

func itoa(n int) string {
	if n < 10 {
		return string(rune('0' + n))
	}
	return itoa(n/10) + string(rune('0'+n%10))
}

// randomBits draws a bit string; one of any length does not begin with zeros, which formats may not tell.
func randomBits(rt *rapid.T, typ *changelog.Type) []byte {
	n := typ.Bits
	if n == 0 {
		n = rapid.IntRange(0, 80).Draw(rt, "bits")
	}
	text := []byte(rapid.StringMatching("[01]{"+itoa(n)+"}").Draw(rt, "bit string"))
	if typ.Bits == 0 && n > 0 {
		text[0] = '1'
	}
	return text
}

func randomTime(rt *rapid.T, origin string, typ *changelog.Type) changelog.Value {
	const second, day = int64(1_000_000), int64(86_400_000_000)
	unit := second
	for range typ.FSP {
		unit /= 10
	}
	first, last := int64(-719_162), int64(2_932_896) // years 1 to 9999
	if origin == postgres {
		first, last = -1_720_000, 100_000_000
	}
	between := func(from, to int64) int64 { return rapid.Int64Range(from/unit, to/unit).Draw(rt, "time") * unit }
	switch typ.Kind {
	case changelog.KindDate:
		return changelog.Date(rapid.Int64Range(first, last).Draw(rt, "date"))
	case changelog.KindTime:
		if origin == postgres {
			return changelog.Time(between(0, day-unit))
		}
		return changelog.Time(between(-3_020_399*second, 3_020_399*second))
	case changelog.KindTimeTZ:
		return changelog.TimeTZ(between(0, day-unit), 60*rapid.IntRange(-15*60, 15*60).Draw(rt, "offset"))
	case changelog.KindDateTime:
		return changelog.DateTime(between(first*day, last*day+day-unit))
	case changelog.KindTimestamp:
		if origin == postgres {
			return changelog.Timestamp(between(first*day, last*day+day-unit))
		}
		return changelog.Timestamp(between(second, math.MaxInt32*second))
	}
	return changelog.Interval(make([]byte, 16), rapid.Int32Range(-100_000, 100_000).Draw(rt, "months"),
		rapid.Int32Range(-1_000_000, 1_000_000).Draw(rt, "days"), rapid.Int64Range(-1<<50, 1<<50).Draw(rt, "micros"))
}

// randomBytes draws a value of a kind that has bytes or elements.
func randomBytes(rt *rapid.T, origin string, c *changelog.Column) changelog.Value {
	typ := &c.Type
	switch typ.Kind {
	case changelog.KindString:
		most := typ.Length
		if most == 0 {
			most = 40
		}
		return changelog.String([]byte(rapid.StringN(0, most, -1).Draw(rt, c.Name)))
	case changelog.KindBytes:
		least, most := 0, typ.Length
		if most == 0 {
			most = 40
		}
		if typ.Fixed {
			least = most
		}
		return changelog.Bytes(rapid.SliceOfN(rapid.Byte(), least, most).Draw(rt, c.Name))
	case changelog.KindEnum:
		n := rapid.IntRange(1, len(typ.Labels)).Draw(rt, c.Name)
		return changelog.Enum(uint64(n), []byte(typ.Labels[n-1]))
	case changelog.KindSet:
		mask := rapid.Uint64Range(0, 1<<len(typ.Labels)-1).Draw(rt, c.Name)
		var labels []string
		for i, l := range typ.Labels {
			if mask>>i&1 == 1 {
				labels = append(labels, l)
			}
		}
		return changelog.Set(mask, []byte(strings.Join(labels, ",")))
	case changelog.KindVector:
		var raw []byte
		for _, f := range rapid.SliceOfN(rapid.Float32Range(-math.MaxFloat32, math.MaxFloat32), 0, 8).Draw(rt, c.Name) {
			raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(f))
		}
		return changelog.Vector(raw)
	case changelog.KindMap:
		var pairs []changelog.Value
		for _, key := range rapid.SliceOfNDistinct(rapid.StringN(0, 8, -1), 0, 4, rapid.ID[string]).Draw(rt, c.Name) {
			v := changelog.Null()
			if rapid.Bool().Draw(rt, "has a value") {
				v = changelog.String([]byte(rapid.StringN(0, 8, -1).Draw(rt, "value")))
			}
			pairs = append(pairs, changelog.String([]byte(key)), v)
		}
		return changelog.Map(pairs)
	}
	return randomArray(rt, origin, c)
}

// randomArray draws an array of one dimension or two.
func randomArray(rt *rapid.T, origin string, c *changelog.Column) changelog.Value {
	elems := func(n int) changelog.Value {
		out := make([]changelog.Value, n)
		for i := range out {
			if rapid.IntRange(0, 4).Draw(rt, "element is null") > 0 {
				out[i] = randomOf(rt, origin, c.Type.Elem)
			}
		}
		return changelog.Array(out)
	}
	if rapid.IntRange(0, 3).Draw(rt, "dimensions") > 0 {
		return elems(rapid.IntRange(0, 4).Draw(rt, "elements"))
	}
	rows, width := rapid.IntRange(1, 3).Draw(rt, "rows"), rapid.IntRange(1, 3).Draw(rt, "width")
	out := make([]changelog.Value, rows)
	for i := range out {
		out[i] = elems(width)
	}
	return changelog.Array(out)
}
