package debezium

import (
	"bytes"
	"testing"

	"cdcbridge/changelog"
	"cdcbridge/formats"
	"cdcbridge/formats/formatstest"
)

// TestGoldenMariaDB pins records of MariaDB: the source block of Debezium's connector for it, with GTIDs of its own form and, where
// the log does not have it, no thread; and JSON, which is a text there, as it was written.
func TestGoldenMariaDB(t *testing.T) {
	orders := formatstest.MariaDBOrders()
	enc := compile(t, NewConfig(), orders, formats.Options{Key: orders.Key, Upsert: true})
	before, after := formatstest.OrdersRow(), formatstest.OrdersRow()
	before[3] = changelog.String([]byte("packed"))
	ctx := newContext(orders)
	ctx.Txn.ID, ctx.Txn.Origin.GTID, ctx.Txn.Origin.Thread = "1-101-23", "1-101-23", 0
	var out bytes.Buffer
	write := func(enc formats.Encoder, ctx *formats.Context, ch changelog.Change) {
		t.Helper()
		line, err := enc.AppendValue(nil, ctx, &ch)
		if err != nil {
			t.Fatal(err)
		}
		out.Write(append(line, '\n'))
	}
	write(enc, newSnapshotContext(orders, changelog.SnapshotFirst), changelog.Change{Op: changelog.Read, After: after})
	write(enc, ctx, changelog.Change{Op: changelog.Insert, After: after, RowInEvent: 2})
	write(enc, ctx, changelog.Change{Op: changelog.Update, Before: before, After: after})
	write(enc, ctx, changelog.Change{Op: changelog.Delete, Before: before})
	enc.(*encoder).cfg.TransactionMetadata = true
	write(enc, ctx, changelog.Change{Op: changelog.Delete, Before: before, Index: 4, TableIndex: 3})
	table, rows := formatstest.EveryMariaDBValue()
	enc = compile(t, NewConfig(), table, formats.Options{Key: table.Key, Upsert: true})
	for _, row := range rows[1:4] {
		write(enc, ctx, changelog.Change{Op: changelog.Insert, After: row})
	}
	formatstest.Golden(t, "mariadb.golden", out.Bytes())
}
