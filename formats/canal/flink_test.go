package canal

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"cdcbridge/changelog"
	"cdcbridge/formats"
	"cdcbridge/formats/formatstest"
)

// TestGoldenFlink pins what Flink SQL is told about every type, with the defaults and with the preset.
func TestGoldenFlink(t *testing.T) {
	mysql, _ := formatstest.EveryValue()
	pg, _ := formatstest.EveryPostgresValue()
	preset, among := defaults(), defaults()
	preset.Preset("flink")
	among.DDLTopic = RowsTopic
	keyless := &changelog.Table{Origin: "mysql", Database: "shop", Name: "keyless", Columns: []changelog.Column{
		{Name: "SOURCE_TIME", Type: changelog.Type{Kind: changelog.KindInt, Bits: 32}, SourceType: "int"}}}
	keyed := *keyless
	keyed.Name, keyed.Key = "keyed", []int{0}
	var out strings.Builder
	for _, c := range []struct {
		config *Config
		table  *changelog.Table
		upsert bool
	}{{preset, mysql, true}, {preset, pg, true}, {defaults(), mysql, true}, {defaults(), pg, false}, {preset, keyless, false}, {among, &keyed, false}} {
		describeFlink(t, &out, c.config, c.table, formats.Options{Key: c.table.Key, Upsert: c.upsert})
	}
	formatstest.Golden(t, "flink.golden", []byte(out.String()))
}

func describeFlink(t *testing.T, out *strings.Builder, c *Config, table *changelog.Table, o formats.Options) {
	t.Helper()
	ft, err := c.Format(formats.Env{}).(formats.FlinkDescriber).Flink(table, o)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(out, "# %s as %s, event %s\n", table.FullName(), ft.Connector, ft.Event)
	if len(ft.Columns) != len(table.Columns) {
		t.Errorf("%d columns for %d", len(ft.Columns), len(table.Columns))
	}
	for i, col := range ft.Columns {
		if col.Name != table.Columns[i].Name || col.From != "" {
			t.Errorf("column %d is %+v, want %s", i, col, table.Columns[i].Name)
		}
		fmt.Fprintf(out, "%s\t%s\t%s\t%s\n", col.Name, table.Columns[i].SourceType, col.Type, col.Note)
	}
	for _, m := range ft.Metadata {
		fmt.Fprintf(out, "metadata %s\t%s\t%s\n", m.Name, m.Type, m.From)
		if slices.ContainsFunc(ft.Columns, func(d formats.FlinkColumn) bool { return d.Name == m.Name }) {
			t.Errorf("column %s and metadata have one name", m.Name)
		}
	}
	for _, opt := range ft.Options {
		fmt.Fprintf(out, "option %s=%s\n", opt.Name, opt.Value)
	}
	for _, r := range ft.Remarks {
		fmt.Fprintf(out, "remark %s\n", r)
	}
}
