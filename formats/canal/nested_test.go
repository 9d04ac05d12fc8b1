package canal

import (
	"strings"
	"testing"

	"cdcbridge/changelog"
	"cdcbridge/formats"
)

// TestOldIsWholeBesideMaps: Flink takes the key of a map for the name of a column that old does not have.
func TestOldIsWholeBesideMaps(t *testing.T) {
	hstore := changelog.Type{Kind: changelog.KindMap}
	pair := func(v string) changelog.Value { return changelog.Map([]changelog.Value{str("k"), str(v)}) }
	for _, c := range []struct {
		name   string
		typ    changelog.Type
		source string
		before changelog.Value
		after  changelog.Value
		want   string
	}{
		{"map", hstore, "public.hstore", pair("a"), pair("b"), `"old":[{"k":"1","h":{"k":"a"}}]`},
		{"array of maps", changelog.Type{Kind: changelog.KindArray, Elem: &changelog.Column{Type: hstore, SourceType: "public.hstore"}}, "public.hstore[]",
			changelog.Array([]changelog.Value{pair("a")}), changelog.Array([]changelog.Value{pair("b"), changelog.Null()}), `"old":[{"k":"1","h":[{"k":"a"}]}]`},
		{"array", changelog.Type{Kind: changelog.KindArray, Elem: &changelog.Column{Type: changelog.Type{Kind: changelog.KindInt, Bits: 32}, SourceType: "integer"}}, "integer[]",
			changelog.Array([]changelog.Value{changelog.Int(1)}), changelog.Array(nil), `"old":[{"h":["1"]}]`},
	} {
		table := &changelog.Table{Origin: postgres, Schema: "public", Name: "t", Columns: []changelog.Column{
			{Name: "k", Type: changelog.Type{Kind: changelog.KindInt, Bits: 32}, SourceType: "integer"}, {Name: "h", Type: c.typ, SourceType: c.source}}}
		cfg := defaults()
		cfg.Nested = NestedJSON
		e := compile(t, cfg, table, formats.Options{})
		got := value(t, e, &changelog.Change{Op: changelog.Update, Before: changelog.Row{changelog.Int(1), c.before}, After: changelog.Row{changelog.Int(1), c.after}})
		if !strings.Contains(got, c.want) {
			t.Errorf("%s: got %s, want %s", c.name, got, c.want)
		}
	}
}
