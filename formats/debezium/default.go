package debezium

import (
	"strings"

	"cdcbridge/changelog"
)

// defaultOf renders the column's default as a value of it, as Debezium does; nil: it has none there.
func (k compiler) defaultOf(in *changelog.Column, c *column) []byte {
	d := in.Default
	if d == nil || d.Value.IsNull() || c.schema.typ == "struct" || k.origin == postgres && !hasDefaults(in) {
		return nil
	}
	v := d.Value
	if v.IsUnchanged() {
		var ok bool
		if v, ok = k.computed(in, d.Text); !ok {
			return nil
		}
		if in.Type.Kind == changelog.KindTimestamp && k.origin != postgres {
			return []byte(`"1970-01-01T00:00:00Z"`) // whatever the column's fraction digits
		}
	}
	if v.Kind() != c.kind {
		return nil
	}
	text, err := c.append(nil, c, &v)
	if err != nil || string(text) == "null" {
		return nil // without a form there is no default, and rows are not concerned
	}
	return text
}

// computed is what stands for a default that the server computes.
func (k compiler) computed(in *changelog.Column, text string) (changelog.Value, bool) {
	if k.origin == postgres {
		return zeroOf(in)
	}
	// Any other expression has no default. MySQL and MariaDB write this one alike whichever of its names was used.
	now := strings.HasPrefix(strings.ToLower(text), "current_timestamp")
	switch {
	case now && in.Type.Kind == changelog.KindDateTime:
		return changelog.DateTime(0), true
	case now && in.Type.Kind == changelog.KindTimestamp && !in.Nullable:
		return changelog.Timestamp(0), true
	}
	return changelog.Value{}, false
}

// hasDefaults tells whether Debezium reads the defaults of such columns of PostgreSQL.
func hasDefaults(in *changelog.Column) bool {
	if in.Generated {
		return false
	}
	typ, _, _ := postgresType(in)
	switch typ {
	case "bit", "varbit", "bool", "bpchar", "varchar", "text", "numeric", "float4", "float8", "int2", "int4", "int8",
		"json", "jsonb", "xml", "uuid", "date", "time", "timestamp", "timestamptz", "interval":
		return true
	}
	return in.Type.Labels != nil // an enum
}

// zeroOf is the zero of a type: what Debezium writes for a default that a function gives, nextval and now among them.
func zeroOf(in *changelog.Column) (changelog.Value, bool) {
	switch t := &in.Type; t.Kind {
	case changelog.KindBool:
		return changelog.Bool(false), true
	case changelog.KindInt:
		return changelog.Int(0), true
	case changelog.KindFloat32:
		return changelog.Float32(0), true
	case changelog.KindFloat64:
		return changelog.Float64(0), true
	case changelog.KindDecimal:
		zero := "0"
		if t.Scale > 0 {
			zero += "." + strings.Repeat("0", t.Scale)
		}
		return changelog.Decimal([]byte(zero)), true
	case changelog.KindJSON:
		return changelog.JSON([]byte("{}")), true
	case changelog.KindDate:
		return changelog.Date(0), true
	case changelog.KindTime:
		return changelog.Time(0), true
	case changelog.KindDateTime:
		return changelog.DateTime(0), true
	case changelog.KindTimestamp:
		return changelog.Timestamp(0), true
	case changelog.KindInterval:
		return changelog.Interval(make([]byte, 16), 0, 0, 0), true
	case changelog.KindBitString:
		return changelog.BitString([]byte(strings.Repeat("0", max(t.Bits, 1)))), true
	case changelog.KindString:
		switch {
		case t.Labels != nil:
			return changelog.Value{}, false
		case in.SourceType == "uuid":
			return changelog.String([]byte("00000000-0000-0000-0000-000000000000")), true
		}
		return changelog.String([]byte{}), true
	}
	return changelog.Value{}, false
}
