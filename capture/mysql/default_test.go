package mysql

import (
	"fmt"
	"testing"

	"cdcbridge/capture/mysql/schema"
	"cdcbridge/changelog"
)

// defaultOf reads a default of a column that is described as the catalogue does.
func defaultOf(t testing.TB, c schema.Column, w columnWords, number int, mariadb bool) *changelog.Default {
	t.Helper()
	c.Name, w.name, w.columnType = "c", "c", c.ColumnType
	l, facts, err := layoutOf(&schema.Table{Columns: []schema.Column{c}}, map[string]uint32{"utf8mb4_bin": 46, "utf16_bin": 55, "latin1_bin": 47}, mariadb)
	if err != nil {
		t.Fatal(err)
	}
	sh, err := l.shape(tableName{"shop", "t"}, facts)
	if err != nil {
		t.Fatal(err)
	}
	(&tableWords{columns: []columnWords{w}}).describe(sh, &serverFacts{number: number, mariadb: mariadb})
	d := sh.table.Columns[0].Default
	if d != nil && !d.Value.IsUnchanged() && !d.Value.IsNull() && d.Value.Kind() != sh.table.Columns[0].Type.Kind {
		t.Fatalf("%s has a default of the kind %d", c.ColumnType, d.Value.Kind())
	}
	return d
}

// TestDefaultForms reads what servers write and what none writes for a constant of the type.
func TestDefaultForms(t *testing.T) {
	text := schema.Column{DataType: "varchar", ColumnType: "varchar(4)", Octets: 16, Collation: "utf8mb4_bin"}
	utf16 := schema.Column{DataType: "varchar", ColumnType: "varchar(3)", Octets: 12, Collation: "utf16_bin"}
	number := schema.Column{DataType: "tinyint", ColumnType: "tinyint"}
	decimal := schema.Column{DataType: "decimal", ColumnType: "decimal(5,2)", Precision: 5, Scale: 2}
	double := schema.Column{DataType: "double", ColumnType: "double(5,2)"}
	bytes := schema.Column{DataType: "varbinary", ColumnType: "varbinary(4)", Octets: 4}
	binary := schema.Column{DataType: "binary", ColumnType: "binary(4)", Octets: 4}
	time := schema.Column{DataType: "time", ColumnType: "time(3)", FSP: 3}
	stamp := schema.Column{DataType: "timestamp", ColumnType: "timestamp"}
	labels := schema.Column{DataType: "set", ColumnType: "set('a','b','c')", Labels: []string{"a", "b", "c"}, Collation: "latin1_bin"}
	year := schema.Column{DataType: "year", ColumnType: "year"}
	bits := schema.Column{DataType: "bit", ColumnType: "bit(3)", Precision: 3}
	const none, computed = "none", "computed"
	for _, c := range []struct {
		column schema.Column
		text   string
		shown  string // beside it; "-": it is needed, and the server did not say
		maria  bool
		want   string
	}{
		{number, "-128", "", false, "-128"}, {number, "128", "", false, none}, {number, "128", "", true, computed}, {number, "(1 + 1)", "", true, computed}, {number, "'1'", "", true, computed}, {number, "NULL", "", true, "NULL"},
		{decimal, "1.50", "", false, "1.50"}, {decimal, "1.505", "", true, computed}, {double, "1.50", "", true, "1.5"}, {double, "1.505", "", true, computed},
		{year, "2020", "", false, "2020"}, {year, "5", "", true, computed}, {bits, "b'101'", "", false, "5"}, {bits, "b'1101'", "", true, computed},
		{text, "NULL", "", false, "NULL!"}, {text, "'it''s '", "", true, computed}, {text, "'a\\\\'", "", true, `a\!`}, {text, "concat('a','b')", "", true, computed}, {text, "'a' collate utf8mb4_bin", "", true, computed},
		{text, "a?", "'a?' COMMENT 'x'", false, "a?!"}, {text, "?", "0xF09F9880,", false, "😀!"}, {text, "?", "-", false, none}, {utf16, "?", "0xD83DDE00 COMMENT ''", false, "😀!"}, {text, "'a?'", "", true, none},
		{bytes, "0x61", `'a\0',`, false, "a\x00!"}, {bytes, "0x61", "0x6100,", false, "a\x00!"}, {bytes, "x'6100'", "", true, "a\x00!"}, {bytes, "'0x61'", "'0x61'", true, "0x61!"}, {bytes, "unhex('61')", "", true, computed}, {bytes, "0x6162636465", "0x6162636465", false, none},
		{binary, "0xFF", "0xFF000000,", false, "\xff\x00\x00\x00!"}, {binary, "x'ff'", "", true, "\xff\x00\x00\x00!"}, {binary, "0xFF", "-", false, none},
		{time, "'01:02:03.123'", "", true, "3723123000"}, {time, "'01:02:03'", "", true, computed}, {time, "01:02:03.123", "", false, "3723123000"},
		{stamp, "2020-01-01 03:00:00", "'2020-01-01 00:00:00' ON UPDATE CURRENT_TIMESTAMP,", false, "1577836800000000"}, {stamp, "2020-01-01 03:00:00", "-", false, none}, {stamp, "CURRENT_TIMESTAMP", "", false, computed}, {stamp, "current_timestamp()", "", true, computed},
		{labels, "a,c", "", false, "5"}, {labels, "c,a", "", false, none}, {labels, "'b'", "", true, "2"}, {labels, "", "", false, "0"}, {labels, "''", "", true, "0"}, {labels, "d", "", false, none},
	} {
		w := columnWords{defaults: true, constant: true, text: c.text, doubtful: c.shown != "", shown: c.shown}
		d, got := defaultOf(t, c.column, w, 90700, c.maria), none
		switch {
		case d == nil:
		case d.Value.IsUnchanged():
			got = computed
		case d.Value.IsNull():
			got = "NULL"
		case d.Value.Kind() == changelog.KindString || d.Value.Kind() == changelog.KindBytes:
			got = string(d.Value.Bytes()) + "!"
		case d.Value.Kind() == changelog.KindDecimal:
			got = string(d.Value.Bytes())
		case d.Value.Kind() == changelog.KindFloat64:
			got = fmt.Sprint(d.Value.Float64())
		case d.Value.Kind() == changelog.KindSet || d.Value.Kind() == changelog.KindBits:
			got = fmt.Sprint(d.Value.Uint())
		default:
			got = fmt.Sprint(d.Value.Int())
		}
		if got != c.want || d != nil && d.Text != c.text {
			t.Errorf("%s DEFAULT %s (%s), MariaDB %v: %q, want %q", c.column.ColumnType, c.text, c.shown, c.maria, got, c.want)
		}
	}
}

// FuzzDefault: whatever a catalogue says, a default is of the column's kind, computed or not known.
func FuzzDefault(f *testing.F) {
	columns := []schema.Column{
		{DataType: "varchar", ColumnType: "varchar(3)", Octets: 12, Collation: "utf8mb4_bin"}, {DataType: "varchar", ColumnType: "varchar(3)", Octets: 12, Collation: "utf16_bin"}, {DataType: "bigint", ColumnType: "bigint unsigned"},
		{DataType: "decimal", ColumnType: "decimal(5,2)", Precision: 5, Scale: 2}, {DataType: "float", ColumnType: "float(5,2)"}, {DataType: "binary", ColumnType: "binary(4)", Octets: 4}, {DataType: "time", ColumnType: "time(3)", FSP: 3},
		{DataType: "timestamp", ColumnType: "timestamp"}, {DataType: "datetime", ColumnType: "datetime(6)", FSP: 6}, {DataType: "date", ColumnType: "date"}, {DataType: "set", ColumnType: "set('a','b')", Labels: []string{"a", "b"}, Collation: "latin1_bin"},
		{DataType: "enum", ColumnType: "enum('a','b')", Labels: []string{"a", "b"}, Collation: "latin1_bin"}, {DataType: "bit", ColumnType: "bit(64)", Precision: 64}, {DataType: "json", ColumnType: "json"}, {DataType: "blob", ColumnType: "blob"},
	}
	for i, s := range []string{"'a'", "0x00", "x'00ff'", "-1.00", "b'1'", "2020-02-30 00:00:00", "'2020-01-01 00:00:00.000000'", "a,b", "NULL", "'\\", "-838:59:59.000"} {
		f.Add(uint8(i), s, s, i%2 == 0)
	}
	f.Fuzz(func(t *testing.T, column uint8, text, shown string, mariadb bool) {
		c := columns[int(column)%len(columns)]
		if mariadb && c.DataType == "json" {
			return // it is a longtext there
		}
		defaultOf(t, c, columnWords{defaults: true, constant: true, text: text, shown: shown, doubtful: shown != ""}, 80031, mariadb)
	})
}
