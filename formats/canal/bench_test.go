package canal

import (
	"testing"

	"cdcbridge/changelog"
	"cdcbridge/formats"
)

// orders is the row of the project's benchmarks: 12 columns.
func orders() (*changelog.Table, changelog.Row, changelog.Row) {
	text := func(name, source string) changelog.Column {
		return changelog.Column{Name: name, Type: changelog.Type{Kind: changelog.KindString}, SourceType: source}
	}
	number := func(name, source string, bits int) changelog.Column {
		return changelog.Column{Name: name, Type: changelog.Type{Kind: changelog.KindInt, Bits: bits}, SourceType: source}
	}
	t := &changelog.Table{Origin: "mysql", Database: "shop", Name: "orders", Key: []int{0}, Columns: []changelog.Column{
		number("id", "bigint", 64), number("customer_id", "bigint", 64), number("product_id", "bigint", 64),
		text("status", "varchar(16)"), text("currency", "varchar(3)"), text("note", "varchar(255)"), text("region", "varchar(32)"),
		{Name: "amount", Type: changelog.Type{Kind: changelog.KindDecimal, Precision: 10, Scale: 2}, SourceType: "decimal(10,2)"},
		number("quantity", "int", 32),
		{Name: "ordered_at", Type: changelog.Type{Kind: changelog.KindDateTime, FSP: 3}, SourceType: "datetime(3)"},
		{Name: "updated_at", Type: changelog.Type{Kind: changelog.KindTimestamp, FSP: 3}, SourceType: "timestamp(3)"},
		number("priority", "tinyint", 8),
	}}
	row := func(status string, updated int64) changelog.Row {
		return changelog.Row{changelog.Int(1234567890), changelog.Int(987654321), changelog.Int(4242), str(status), str("EUR"),
			str("please leave the parcel at the door, thank you"), str("eu-central"), changelog.Decimal([]byte("1234.50")),
			changelog.Int(3), changelog.DateTime(1714979289123000), changelog.Timestamp(updated), changelog.Int(5)}
	}
	return t, row("new", 1714979289123000), row("paid", 1714979290456000)
}

func BenchmarkEncodeOrders(b *testing.B) {
	table, before, after := orders()
	e := compile(b, defaults(), table, formats.Options{Key: table.Key, Upsert: true})
	for _, bm := range []struct {
		name string
		ch   changelog.Change
	}{
		{"insert", changelog.Change{Op: changelog.Insert, After: after}},
		{"update", changelog.Change{Op: changelog.Update, Before: before, After: after}},
	} {
		b.Run(bm.name, func(b *testing.B) {
			b.ReportAllocs()
			buf := make([]byte, 0, 4096)
			for b.Loop() {
				out, err := e.AppendKey(buf[:0], after)
				if err == nil {
					out, err = e.AppendValue(out, &context, &bm.ch)
				}
				if err != nil {
					b.Fatal(err)
				}
				b.SetBytes(int64(len(out)))
			}
		})
	}
}

func TestEncodingDoesNotAllocate(t *testing.T) {
	table := &changelog.Table{Origin: "mysql", Database: "shop", Name: "everything"}
	var row changelog.Row
	for i, c := range valueCases {
		table.Columns = append(table.Columns, changelog.Column{Name: string(rune('a' + i)), Type: c.typ, SourceType: c.source})
		row = append(row, c.v)
	}
	for _, c := range []*Config{defaults(), {Timezone: "Europe/Berlin", Binary: BinaryBase64, Enum: EnumLabel, Set: SetLabel, ZeroDate: ZeroNull, SpecialValues: SpecialText, Nested: NestedJSON}} {
		e := compile(t, c, table, formats.Options{Key: []int{0, 25, 40}, Upsert: true})
		before := make(changelog.Row, len(row)) // all NULL: every column that is not NULL changes
		ch := changelog.Change{Op: changelog.Update, Before: before, After: row}
		buf := make([]byte, 0, 64<<10)
		if n := testing.AllocsPerRun(100, func() {
			out, err := e.AppendKey(buf[:0], row)
			if err == nil {
				_, err = e.AppendValue(out, &context, &ch)
			}
			if err != nil {
				t.Fatal(err)
			}
		}); n != 0 {
			t.Errorf("%v allocations a row with %+v", n, *c)
		}
	}
}
