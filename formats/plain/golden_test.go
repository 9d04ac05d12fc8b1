package plain

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"

	"cdcbridge/changelog"
	"cdcbridge/formats"
	"cdcbridge/formats/formatstest"
	"cdcbridge/internal/fault"
)

// variants are the option sets that have golden files.
func variants() map[string]*Config {
	all := map[string]*Config{"defaults": NewConfig()}
	for name, edit := range map[string]func(*Config){
		"numbers": func(c *Config) {
			c.DecimalHandlingMode, c.BigintUnsignedHandlingMode, c.TimestampFormat = numberNumber, numberNumber, timestampSQL
			c.HstoreHandlingMode, c.JSONHandlingMode, c.SpecialValues = hstoreJSON, jsonNested, specialText
			c.BinaryHandlingMode, c.AddFields, c.AddFieldsPrefix = binaryHex, slices.Clone(fieldNames), "_"
		},
		"raw": func(c *Config) {
			c.KeyFormat, c.BinaryHandlingMode = keyRaw, binaryURL
			c.AddFields = []string{fieldOp, fieldTime}
		},
	} {
		c := NewConfig()
		edit(c)
		all[name] = c
	}
	return all
}

func everyTable() map[string]func() (*changelog.Table, []changelog.Row) {
	return map[string]func() (*changelog.Table, []changelog.Row){
		"mysql": formatstest.EveryValue, "mariadb": formatstest.EveryMariaDBValue, "postgresql": formatstest.EveryPostgresValue,
	}
}

// TestGoldenValues pins how every value is written, in the value and in the key.
func TestGoldenValues(t *testing.T) {
	for name, cfg := range variants() {
		for origin, table := range everyTable() {
			if origin == "mariadb" && name != "defaults" {
				continue
			}
			var out bytes.Buffer
			every, rows := table()
			for i := 1; i < len(every.Columns); i++ {
				seen := map[string]bool{}
				for _, row := range rows {
					line := fmt.Sprintf("%s\t%s\n", every.Columns[i].Name, shorten(rendered(t, cfg, every, i, row[i])))
					if !seen[line] {
						out.WriteString(line)
					}
					seen[line] = true
				}
			}
			formatstest.Golden(t, origin+"-"+name+".golden", out.Bytes())
		}
	}
}

func shorten(text string) string {
	if len(text) > 700 {
		return fmt.Sprintf("%s… %d bytes", text[:200], len(text))
	}
	return text
}

// rendered writes one value as a column of its own, and as the key.
func rendered(t *testing.T, cfg *Config, every *changelog.Table, i int, v changelog.Value) string {
	t.Helper()
	bare := *cfg
	bare.AddFields = []string{fieldDeleted}
	table := &changelog.Table{Origin: every.Origin, Database: "shop", Name: "t", Columns: []changelog.Column{every.Columns[i]}}
	text := func(b []byte, err error) string {
		if err != nil {
			return string(fault.CodeOf(err)) + ": " + errors.Unwrap(err).Error()
		}
		return string(b)
	}
	c := &formats.Context{Txn: &changelog.Txn{}, Run: &changelog.Run{Table: table}}
	ch := &changelog.Change{Op: changelog.Insert, After: changelog.Row{v}}
	enc, err := bare.Format(formats.Env{}).Compile(table, formats.Options{})
	if err != nil {
		t.Fatal(err)
	}
	value := text(enc.AppendValue(nil, c, ch))
	enc, err = cfg.Format(formats.Env{}).Compile(table, formats.Options{Key: []int{0}, Upsert: true})
	if err != nil {
		t.Fatal(err)
	}
	return value + "\t" + fmt.Sprintf("%q", text(enc.AppendKey(nil, ch.After)))
}

// TestGoldenRecords pins whole records of every operation, from the stream and from a snapshot, with and without the fields beside
// the row.
func TestGoldenRecords(t *testing.T) {
	for name, cfg := range variants() {
		var out bytes.Buffer
		for _, table := range []*changelog.Table{formatstest.Orders(), formatstest.PostgresOrders()} {
			for _, upsert := range []bool{true, false} {
				enc, err := cfg.Format(formats.Env{}).Compile(table, formats.Options{Key: table.Key, Upsert: upsert})
				if err != nil {
					fmt.Fprintf(&out, "%s upsert %v: %s: %s\n", table.FullName(), upsert, fault.CodeOf(err), errors.Unwrap(err))
					continue
				}
				fmt.Fprintf(&out, "%s upsert %v\n", table.FullName(), upsert)
				records(t, &out, enc, table, upsert)
			}
		}
		formatstest.Golden(t, "records-"+name+".golden", out.Bytes())
	}
}

func records(t *testing.T, out *bytes.Buffer, enc formats.Encoder, table *changelog.Table, upsert bool) {
	t.Helper()
	row := formatstest.OrdersRow()
	unknown := slices.Repeat(changelog.Row{changelog.Unchanged()}, len(row))
	unknown[0] = row[0]
	for _, ch := range []changelog.Change{
		{Op: changelog.Read, After: row}, {Op: changelog.Insert, After: row}, {Op: changelog.Update, After: row}, {Op: changelog.Upsert, After: row},
		{Op: changelog.Delete, Before: row}, {Op: changelog.Delete, Before: unknown},
	} {
		if upsert && ch.Op == changelog.Delete {
			continue
		}
		ch.Index, ch.Pos = 3, 0x1_0338_FE20
		c := &formats.Context{
			Now: 1714979289_456_000, Run: &changelog.Run{Table: table, File: "binlog.000003", Pos: 484},
			Txn: &changelog.Txn{ID: "a:1", Commit: 1714979289_123_456, Origin: changelog.Origin{File: "binlog.000002", Pos: 0x1_0338_FF10}, Snapshot: ch.Op == changelog.Read},
		}
		value, err := enc.AppendValue(nil, c, &ch)
		if err != nil {
			t.Fatal(err)
		}
		image := ch.After
		if image == nil {
			image = ch.Before
		}
		key, err := enc.AppendKey(nil, image)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(out, "%s\t%s\t%s\n", ch.Op, key, value)
	}
}

// TestGoldenFlink pins what Flink SQL is told about every type under every set of options.
func TestGoldenFlink(t *testing.T) {
	for name, cfg := range variants() {
		var out bytes.Buffer
		for _, origin := range slices.Sorted(maps.Keys(everyTable())) {
			table, _ := everyTable()[origin]()
			describe(t, &out, cfg, table, formats.Options{Key: table.Key, Upsert: true})
			logged := *cfg
			logged.AddFields = append(slices.Clone(cfg.AddFields), fieldDeleted)
			describe(t, &out, &logged, formatstest.Orders(), formats.Options{})
		}
		formatstest.Golden(t, "flink-"+name+".golden", out.Bytes())
	}
}

func describe(t *testing.T, out *bytes.Buffer, cfg *Config, table *changelog.Table, o formats.Options) {
	t.Helper()
	ft, err := cfg.Format(formats.Env{}).(formats.FlinkDescriber).Flink(table, o)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(out, "%s as %s, append %v\n", table.FullName(), ft.Connector, ft.Append)
	for i, c := range ft.Columns {
		if c.Type == "" || c.Name != table.Columns[i].Name {
			t.Errorf("column %d is %+v, want %s", i, c, table.Columns[i].Name)
		}
		fmt.Fprintf(out, "%s\t%s\t%s\t%s\n", c.Name, table.Columns[i].SourceType, c.Type, c.Note)
	}
	for _, c := range ft.Metadata {
		fmt.Fprintf(out, "metadata %s\t%s\t%s\t%s\n", c.Name, c.Type, c.From, c.Note)
	}
	fmt.Fprintf(out, "event %s\n", ft.Event)
	for _, o := range ft.Options {
		fmt.Fprintf(out, "option %s=%s\n", o.Name, o.Value)
	}
	for _, r := range ft.Remarks {
		fmt.Fprintf(out, "remark %s\n", r)
	}
	out.WriteByte('\n')
}
