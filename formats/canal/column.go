package canal

import (
	"fmt"

	"cdcbridge/changelog"
	"cdcbridge/formats/internal/jsonx"
	"cdcbridge/internal/fault"
)

// form is how the values of a column become text. It is decided once per table version.
type form uint8

const (
	formBool form = iota + 1
	formInt
	formUint // also the number of a BIT, the index of an ENUM and the mask of a SET
	formYear
	formFloat32
	formFloat64
	formPlain // text that needs no escaping
	formText
	formLatin1
	formBase64
	formGeometry
	formGeometry64
	formVector
	formDate
	formTime
	formDateTime
	formTimestamp
)

// column is everything that the encoder knows about one column.
type column struct {
	name     []byte // `"name":`
	kind     changelog.Kind
	form     form
	fsp      int
	zeroNull bool // dates with zero parts are null
	zoned    bool // timestamps are printed in the configured zone
	sql      sqlType
	title    string // column name for error texts
}

// compileColumn decides how a column of a data row is written.
func (c *Config) compileColumn(col *changelog.Column) (column, error) {
	t := &col.Type
	out := column{name: fieldName(col.Name), kind: t.Kind, fsp: t.FSP, title: col.Name}
	out.zeroNull, out.zoned = c.ZeroDate == ZeroNull, true
	var known bool
	if out.sql, known = c.sqlTypeOf(col); !known {
		return column{}, fault.NewFinal(fault.UnsupportedType, fmt.Sprintf("preparing column %q for canal-json", col.Name),
			fmt.Errorf("type %s has no form in canal-json", col.SourceType), "Exclude the column, or write the table in another format.")
	}
	out.form = c.formOf(t)
	return out, nil
}

// compileKey decides how a column of the record key is written: as in the data, unless that would give two different keys
// the same bytes. Such keys would overwrite one another on a compacted topic.
func (c *Config) compileKey(col *changelog.Column) (column, error) {
	out, err := c.compileColumn(col)
	out.zeroNull, out.zoned = false, false
	if (out.kind == changelog.KindEnum || out.kind == changelog.KindSet) && !distinct(col.Type.Labels) {
		out.form = formUint
	}
	return out, err
}

// distinct reports whether the text of a label, or of labels joined, tells which ones they are. MySQL allows an empty
// label beside the error value and the empty set, and without strict mode equal labels.
func distinct(labels []string) bool {
	seen := make(map[string]bool, len(labels))
	for _, l := range labels {
		if l == "" || seen[l] {
			return false
		}
		seen[l] = true
	}
	return len(labels) > 0
}

func (c *Config) formOf(t *changelog.Type) form {
	switch t.Kind {
	case changelog.KindBool:
		return formBool
	case changelog.KindInt:
		if t.Year {
			return formYear
		}
		return formInt
	case changelog.KindUint, changelog.KindBits:
		return formUint
	case changelog.KindFloat32:
		return formFloat32
	case changelog.KindFloat64:
		return formFloat64
	case changelog.KindDecimal:
		return formPlain
	case changelog.KindString, changelog.KindJSON:
		return formText
	case changelog.KindBytes:
		return pick(c.Binary == BinaryBase64, formBase64, formLatin1)
	case changelog.KindGeometry:
		return pick(c.Binary == BinaryBase64, formGeometry64, formGeometry)
	case changelog.KindVector:
		return formVector
	case changelog.KindDate:
		return formDate
	case changelog.KindTime:
		return formTime
	case changelog.KindDateTime:
		return formDateTime
	case changelog.KindTimestamp:
		return formTimestamp
	case changelog.KindEnum:
		return pick(c.Enum == EnumLabel, formText, formUint)
	case changelog.KindSet:
		return pick(c.Set == SetLabel, formText, formUint)
	}
	return 0 // appendText refuses it
}

func pick(cond bool, yes, no form) form {
	if cond {
		return yes
	}
	return no
}

func fieldName(name string) []byte {
	return append(jsonx.AppendCanalString(nil, []byte(name)), ':')
}
