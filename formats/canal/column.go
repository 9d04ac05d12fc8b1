package canal

import (
	"fmt"
	"strings"

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
	formTrimmed // a decimal without zeros at its end
	formServer  // what PostgreSQL prints, see servertext.go
	formArray   // see nested.go
	formMap
	formNumbers

	// With Canal's losses, see compat.go.
	formCanalDecimal
	formStripped
	formStripped64
	formMisread
)

// column is everything that the encoder knows about one column.
type column struct {
	name     []byte     // `"name":`
	member   jsonx.Name // the same with a comma before it
	kind     changelog.Kind
	form     form
	fsp      int
	zeroNull bool // dates with zero parts are null
	specNull bool // infinities and NaN are null
	server   serverText
	zoned    bool    // timestamps are printed in the configured zone
	suffix   bool    // timestamps end in Z
	elem     *column // formArray
	sql      sqlType
	scale    int         // formCanalDecimal
	misread  *misreading // formMisread
	title    string      // column name for error texts
}

const postgres = "postgresql"

// compileColumn decides how a column of a data row is written.
func (c *Config) compileColumn(t *changelog.Table, i int) (column, error) {
	out, err := c.compileText(t, &t.Columns[i])
	if err != nil || c.Nested != NestedJSON {
		return out, err
	}
	return out, c.nest(t, &t.Columns[i], &out)
}

// compileText decides how a column's values are written as texts.
func (c *Config) compileText(t *changelog.Table, col *changelog.Column) (column, error) {
	name := fieldName(col.Name)
	out := column{name: name, member: jsonx.NewName(append([]byte{','}, name...)), kind: col.Type.Kind, fsp: col.Type.FSP, title: col.Name}
	out.zeroNull, out.specNull, out.zoned = c.ZeroDate == ZeroNull, c.SpecialValues == SpecialNull, true
	out.suffix = c.ZoneSuffix
	var known bool
	if out.sql, known = c.sqlTypeOf(col); !known {
		return column{}, fault.NewFinal(fault.UnsupportedType, fmt.Sprintf("preparing column %q for canal-json", col.Name),
			fmt.Errorf("type %s has no form in canal-json", col.SourceType), "Exclude the column, or write the table in another format.")
	}
	out.form = c.formOf(&col.Type)
	out.server = newServerText(&col.Type, false)
	if t.Origin == postgres && (out.kind == changelog.KindGeometry || out.kind == changelog.KindVector) {
		out.form, out.sql = formServer, fixedSQLType(sqlVarchar)
	}
	return out, nil
}

// compileKey decides how a column of the record key is written: as in the data, unless that would give two different keys
// the same bytes, or one key different ones. Such keys would overwrite one another on a compacted topic, or never meet.
func (c *Config) compileKey(t *changelog.Table, i int) (column, error) {
	col := &t.Columns[i]
	out, err := c.compileText(t, col)
	out.zeroNull, out.specNull, out.zoned, out.suffix = false, false, false, false
	out.server = newServerText(&col.Type, true)
	if out.kind == changelog.KindDecimal && col.Type.Precision == 0 {
		out.form = formTrimmed
	}
	if (out.kind == changelog.KindEnum || out.kind == changelog.KindSet) && !distinct(col.Type.Labels) {
		out.form = formUint
	}
	return out, err
}

// lose gives a column of data the form with Canal's losses, where that is asked for. Canal reads no PostgreSQL.
func (c *Config) lose(t *changelog.Table, i int, out *column) {
	if c.Compat != CompatCanal || t.Origin == postgres {
		return
	}
	col := &t.Columns[i]
	if out.form = compatForm(out.form, col); out.form == formMisread {
		out.misread = misread(col.Type.Charset)
	}
	out.scale = col.Type.Scale
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
	case changelog.KindTimeTZ, changelog.KindInterval, changelog.KindBitString, changelog.KindArray, changelog.KindMap:
		return formServer
	}
	return 0 // appendText refuses it
}

func pick[T any](cond bool, yes, no T) T {
	if cond {
		return yes
	}
	return no
}

// typeText is the type as the database writes it, without the comment at its end by which MariaDB marks compressed columns
// and columns that are stored in an old form. Canal's parser passes over comments.
func typeText(col *changelog.Column) string {
	if text, _, found := strings.Cut(col.SourceType, " /*"); found && strings.HasSuffix(col.SourceType, "*/") {
		return text
	}
	return col.SourceType
}

func fieldName(name string) []byte {
	return append(jsonx.AppendCanalString(nil, []byte(name)), ':')
}
