package formatstest

import (
	"testing"

	"cdcbridge/changelog"
	"cdcbridge/formats"
)

// Orders is MySQL's 12-column table that benchmarks measure: 3 BIGINT, 4 VARCHAR, DECIMAL(10,2), INT, DATETIME(3),
// TIMESTAMP(3), TINYINT.
func Orders() *changelog.Table {
	bigint := changelog.Type{Kind: changelog.KindInt, Bits: 64}
	text := changelog.Type{Kind: changelog.KindString, Length: 64, Charset: "utf8mb4"}
	column := func(name, source string, typ changelog.Type) changelog.Column {
		return changelog.Column{Name: name, Type: typ, SourceType: source}
	}
	return &changelog.Table{
		Version: 1, Origin: "mysql", Database: "shop", Name: "orders", Key: []int{0},
		Columns: []changelog.Column{
			column("id", "bigint", bigint),
			column("customer_id", "bigint", bigint),
			column("product_id", "bigint", bigint),
			column("status", "varchar(64)", text),
			column("email", "varchar(64)", text),
			column("city", "varchar(64)", text),
			column("note", "varchar(64)", text),
			column("amount", "decimal(10,2)", changelog.Type{Kind: changelog.KindDecimal, Precision: 10, Scale: 2}),
			column("quantity", "int", changelog.Type{Kind: changelog.KindInt, Bits: 32}),
			column("created", "datetime(3)", changelog.Type{Kind: changelog.KindDateTime, FSP: 3}),
			column("updated", "timestamp(3)", changelog.Type{Kind: changelog.KindTimestamp, FSP: 3}),
			column("flag", "tinyint", changelog.Type{Kind: changelog.KindInt, Bits: 8}),
		},
	}
}

// OrdersRow is an ordinary row of Orders.
func OrdersRow() changelog.Row {
	return changelog.Row{
		changelog.Int(1234567), changelog.Int(98765), changelog.Int(4321),
		changelog.String([]byte("shipped")), changelog.String([]byte("somebody@example.com")),
		changelog.String([]byte("Ljubljana")), changelog.String([]byte("leave it at the door, please")),
		changelog.Decimal([]byte("1234.56")), changelog.Int(3),
		changelog.DateTime(1714979289_120_000), changelog.Timestamp(1714979290_120_000), changelog.Int(1),
	}
}

// PostgresOrders is the same table in PostgreSQL, with SMALLINT for TINYINT.
func PostgresOrders() *changelog.Table {
	t := Orders()
	t.Origin, t.Schema = postgres, "public"
	for i, source := range []string{
		"bigint", "bigint", "bigint", "character varying(64)", "character varying(64)", "character varying(64)", "character varying(64)",
		"numeric(10,2)", "integer", "timestamp(3) without time zone", "timestamp(3) with time zone", "smallint",
	} {
		t.Columns[i].SourceType = source
	}
	t.Columns[11].Type.Bits = 16
	return t
}

// Benchmark measures one inserted row of the orders of each database, among those of one log event: key and value.
func Benchmark(b *testing.B, kind formats.Kind) {
	for _, db := range databases() {
		b.Run(db.origin, func(b *testing.B) { benchmark(b, kind, db.orders()) })
	}
}

func benchmark(b *testing.B, kind formats.Kind, table *changelog.Table) {
	enc, err := kind.Config().Format(env()).Compile(table, formats.Options{Key: table.Key, Topic: "bench.orders", Upsert: true})
	if err != nil {
		b.Fatal(err)
	}
	ctx, row := context(table), OrdersRow()
	ch := changelog.Change{Op: changelog.Insert, Pos: 54094512, After: row}
	const rows = 48 // of MySQL, in an event of 8 KiB
	ctx.Run.To = rows
	var dst []byte
	b.ReportAllocs()
	for n := 0; b.Loop(); n++ {
		if n%rows == 0 {
			ctx.Seq++
		}
		if dst, err = enc.AppendKey(dst[:0], row); err != nil {
			b.Fatal(err)
		}
		if dst, err = enc.AppendValue(dst, ctx, &ch); err != nil {
			b.Fatal(err)
		}
	}
	b.SetBytes(int64(len(dst)))
}
