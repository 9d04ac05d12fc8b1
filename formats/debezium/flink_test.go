package debezium

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"testing"

	"cdcbridge/changelog"
	"cdcbridge/formats"
	"cdcbridge/formats/formatstest"
)

// TestGoldenFlink pins what Flink SQL is told about every type under every set of options, and about tables with and without key.
func TestGoldenFlink(t *testing.T) {
	mysql, _ := formatstest.EveryValue()
	postgresql, _ := formatstest.EveryPostgresValue()
	all := variants()
	for _, name := range slices.Sorted(maps.Keys(all)) {
		var out bytes.Buffer
		describe(t, &out, all[name], mysql, formats.Options{Key: mysql.Key, Upsert: true})
		describe(t, &out, all[name], postgresql, formats.Options{Key: postgresql.Key})
		keyless := &changelog.Table{Origin: "mysql", Database: "shop", Name: "keyless", Columns: []changelog.Column{
			{Name: "SOURCE_TIME", Type: changelog.Type{Kind: changelog.KindInt, Bits: 32}, SourceType: "int"},
		}}
		if all[name].KeyInBefore {
			keyless.Key = []int{0}
		}
		describe(t, &out, all[name], keyless, formats.Options{Key: keyless.Key})
		formatstest.Golden(t, "flink-"+name+".golden", out.Bytes())
	}
}

func describe(t *testing.T, out *bytes.Buffer, cfg *Config, table *changelog.Table, o formats.Options) {
	t.Helper()
	ft, err := cfg.Format(formats.Env{Server: "shop", Version: "1.2.3"}).(formats.FlinkDescriber).Flink(table, o)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(out, "%s as %s\n", table.FullName(), ft.Connector)
	for i, c := range ft.Columns {
		if c.Name != table.Columns[i].Name || c.From != "" {
			t.Errorf("column %d is %+v, want %s", i, c, table.Columns[i].Name)
		}
		fmt.Fprintf(out, "%s\t%s\t%s\t%s\n", c.Name, table.Columns[i].SourceType, c.Type, c.Note)
	}
	if len(ft.Columns) != len(table.Columns) {
		t.Errorf("%d columns for %d", len(ft.Columns), len(table.Columns))
	}
	for _, c := range ft.Metadata {
		fmt.Fprintf(out, "metadata %s\t%s\t%s\n", c.Name, c.Type, c.From)
		if i := slices.IndexFunc(ft.Columns, func(d formats.FlinkColumn) bool { return d.Name == c.Name }); i >= 0 {
			t.Errorf("column %s and metadata have one name", c.Name)
		}
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
