package debezium

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"cdcbridge/changelog"
	"cdcbridge/formats"
	"cdcbridge/formats/formatstest"
	"cdcbridge/internal/fault"
)

// variants are the option sets that have golden files.
func variants() map[string]*Config {
	all := map[string]*Config{"defaults": NewConfig(), "flink": NewConfig()}
	all["flink"].Preset("flink")
	for name, edit := range map[string]func(*Config){
		"isostring-hex-precise": func(c *Config) {
			c.TimePrecisionMode, c.BinaryHandlingMode, c.BigintUnsignedHandlingMode = timeISO, binaryHex, bigintPrecise
			c.IntervalHandlingMode, c.HstoreHandlingMode = intervalString, hstoreMap
		},
		"microseconds-url-string": func(c *Config) {
			c.TimePrecisionMode, c.BinaryHandlingMode, c.DecimalHandlingMode = timeMicros, binaryURL, decimalString
		},
		"double-base64": func(c *Config) {
			c.BinaryHandlingMode, c.DecimalHandlingMode, c.TimePrecisionMode = binaryBase64, decimalDouble, timeAdaptMic
			c.SpecialValues = specialNull
		},
	} {
		c := NewConfig()
		edit(c)
		all[name] = c
	}
	return all
}

// TestGoldenValues pins how every value is written, in a column that may be null and in one that may not, and how PostgreSQL's
// values are refused.
func TestGoldenValues(t *testing.T) {
	table, rows := formatstest.EveryValue()
	goldenValues(t, table, rows, "")
	table, rows = formatstest.EveryPostgresValue()
	goldenValues(t, table, rows, "postgres-")
}

func goldenValues(t *testing.T, table *changelog.Table, rows []changelog.Row, prefix string) {
	for name, cfg := range variants() {
		var out bytes.Buffer
		for i := 1; i < len(table.Columns); i++ {
			seen := map[string]bool{}
			for _, nullable := range []bool{true, false} {
				column := table.Columns[i]
				column.Nullable = nullable
				for _, row := range rows {
					if row[i].IsNull() && !nullable {
						continue
					}
					text, err := renderOf(t, cfg, table.Origin, column, row[i])
					if err != nil {
						text = string(fault.CodeOf(err)) + ": " + errors.Unwrap(err).Error()
					}
					if prefix != "" && len(text) > 300 {
						text = fmt.Sprintf("%s… %d bytes", text[:100], len(text))
					}
					line := fmt.Sprintf("%s\t%s\n", column.Name, text)
					if !seen[line] {
						out.WriteString(line)
					}
					seen[line] = true
				}
			}
		}
		formatstest.Golden(t, prefix+"values-"+name+".golden", out.Bytes())
	}
}

// TestGoldenEnvelopes pins whole records of every operation.
func TestGoldenEnvelopes(t *testing.T) {
	goldenEnvelopes(t, formatstest.Orders(), "")
	goldenEnvelopes(t, formatstest.PostgresOrders(), "postgres-")
}

func goldenEnvelopes(t *testing.T, table *changelog.Table, prefix string) {
	for name, cfg := range variants() {
		cfg.TransactionMetadata = name == "microseconds-url-string"
		enc := compile(t, cfg, table, formats.Options{Key: table.Key, Upsert: true})
		before, after := formatstest.OrdersRow(), formatstest.OrdersRow()
		before[3] = changelog.String([]byte("packed"))
		partial := make(changelog.Row, len(before))
		for i := range partial {
			partial[i] = changelog.Unchanged()
		}
		partial[0] = before[0]
		var out bytes.Buffer
		write := func(ctx *formats.Context, ch changelog.Change) {
			t.Helper()
			row := ch.After
			if row == nil {
				row = ch.Before
			}
			line, err := enc.AppendKey(nil, row)
			if err != nil {
				t.Fatal(err)
			}
			if line, err = enc.AppendValue(append(line, '\t'), ctx, &ch); err != nil {
				t.Fatal(err)
			}
			out.Write(append(line, '\n'))
		}
		for place := changelog.SnapshotRow; place <= changelog.SnapshotIncremental; place++ {
			write(newSnapshotContext(table, place), changelog.Change{Op: changelog.Read, After: after, RowInEvent: 3, Index: 3})
		}
		for _, ch := range []changelog.Change{
			{Op: changelog.Insert, After: after, RowInEvent: 2, Index: 4, TableIndex: 3},
			{Op: changelog.Update, Before: before, After: after},
			{Op: changelog.Update, Before: partial, After: after},
			{Op: changelog.Update, After: after},
			{Op: changelog.Delete, Before: before},
			{Op: changelog.Delete, Before: partial},
			{Op: changelog.Upsert, After: after},
		} {
			ctx := newContext(table)
			if table.Origin == postgres {
				ch.Pos = 54094512 + uint64(ch.RowInEvent)
			}
			if ch.Op == changelog.Delete {
				ctx.Txn.Origin.Replica, ctx.Txn.Origin.ReplicaLSN = `pg_"16"`, 23
			}
			write(ctx, ch)
		}
		formatstest.Golden(t, prefix+"envelopes-"+name+".golden", out.Bytes())
	}
}

func compile(t testing.TB, cfg *Config, table *changelog.Table, o formats.Options) formats.Encoder {
	t.Helper()
	enc, err := cfg.Format(formats.Env{Server: "shop1", Version: "1.2.3"}).Compile(table, o)
	if err != nil {
		t.Fatal(err)
	}
	return enc
}

// newSnapshotContext is what stands around a row that was read: a source may fill in more than is written.
func newSnapshotContext(table *changelog.Table, place changelog.Snapshot) *formats.Context {
	c := newContext(table)
	c.Txn.ID, c.Txn.Snapshot = "", true
	c.Run.Snapshot, c.Run.Time = place, 0
	return c
}

func newContext(table *changelog.Table) *formats.Context {
	if table.Origin == postgres {
		return &formats.Context{
			Txn: &changelog.Txn{
				ID: "1305:54094928", Commit: 1714979289_123_456, First: true, Last: true,
				Origin: changelog.Origin{Pos: 54094928, XID: 1305, LastCommit: 54094408},
			},
			Run: &changelog.Run{Table: table, To: 1},
			Now: 1714979289_456_123,
		}
	}
	const gtid = "3e11fa47-71ca-11e1-9e33-c80aa9429562:23"
	return &formats.Context{
		Txn: &changelog.Txn{
			ID: gtid, Commit: 1714979289_123_456, First: true, Last: true,
			Origin: changelog.Origin{File: "mysql-bin.000003", Pos: 197, GTID: gtid, ServerID: 101, Thread: 12},
		},
		Run: &changelog.Run{Table: table, To: 1, Pos: 484, File: "mysql-bin.000003", Time: 1714979289_000_000},
		Now: 1714979289_456_123,
	}
}
