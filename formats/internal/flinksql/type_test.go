package flinksql

import (
	"testing"

	"cdcbridge/changelog"
)

func TestIntegersFit(t *testing.T) {
	for _, c := range []struct {
		kind changelog.Kind
		bits int
		want string
	}{
		{changelog.KindInt, 8, "TINYINT"}, {changelog.KindInt, 16, "SMALLINT"}, {changelog.KindInt, 24, "INT"}, {changelog.KindInt, 32, "INT"}, {changelog.KindInt, 64, "BIGINT"},
		{changelog.KindUint, 7, "TINYINT"}, {changelog.KindUint, 8, "SMALLINT"}, {changelog.KindUint, 16, "INT"}, {changelog.KindUint, 24, "INT"}, {changelog.KindUint, 32, "BIGINT"},
		{changelog.KindUint, 63, "BIGINT"}, {changelog.KindUint, 64, "DECIMAL(20, 0)"},
	} {
		if got := Int(&changelog.Type{Kind: c.kind, Bits: c.bits}); got != c.want {
			t.Errorf("kind %d of %d bits: %s, want %s", c.kind, c.bits, got, c.want)
		}
	}
}

// TestDecimalsFit: no digit is ever rounded away.
func TestDecimalsFit(t *testing.T) {
	for _, c := range []struct {
		precision, scale int
		want             string
	}{
		{10, 2, "DECIMAL(10, 2)"}, {38, 38, "DECIMAL(38, 38)"}, {39, 0, "STRING"}, {0, 0, "STRING"}, {5, -2, "DECIMAL(7, 0)"}, {2, 5, "DECIMAL(5, 5)"}, {30, -9, "STRING"}, {2, 39, "STRING"},
	} {
		got, note := Decimal(&changelog.Type{Kind: changelog.KindDecimal, Precision: c.precision, Scale: c.scale})
		if got != c.want || (got == "STRING") != (note != "") {
			t.Errorf("(%d, %d): %s, %q, want %s", c.precision, c.scale, got, note, c.want)
		}
	}
}

func TestScalars(t *testing.T) {
	for _, c := range []struct {
		origin string
		typ    changelog.Type
		want   string
	}{
		{"mysql", changelog.Type{Kind: changelog.KindTime}, "STRING"}, {"postgresql", changelog.Type{Kind: changelog.KindTime}, "TIME(0)"}, {"postgresql", changelog.Type{Kind: changelog.KindTime, FSP: 1}, "STRING"},
		{"mysql", changelog.Type{Kind: changelog.KindDateTime, FSP: 3}, "TIMESTAMP(3)"}, {"mysql", changelog.Type{Kind: changelog.KindTimestamp, FSP: 6}, "TIMESTAMP_LTZ(6)"},
		{"mysql", changelog.Type{Kind: changelog.KindBytes}, "BYTES"}, {"mysql", changelog.Type{Kind: changelog.KindGeometry}, ""}, {"postgresql", changelog.Type{Kind: changelog.KindInterval}, ""},
	} {
		if got, _ := Scalar(c.origin, &c.typ); got != c.want {
			t.Errorf("kind %d of %s: %q, want %q", c.typ.Kind, c.origin, got, c.want)
		}
	}
}

func TestFreeName(t *testing.T) {
	table := &changelog.Table{Columns: []changelog.Column{{Name: "_op"}, {Name: "OP"}}}
	for want, got := range map[string]string{"time": FreeName(table, "time"), "__op": FreeName(table, "op")} {
		if got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}
