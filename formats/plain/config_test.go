package plain

import (
	"errors"
	"strings"
	"testing"

	"cdcbridge/changelog"
	"cdcbridge/formats"
	"cdcbridge/formats/formatstest"
	"cdcbridge/internal/fault"
)

func TestValidateNamesEveryWrongOption(t *testing.T) {
	c := &Config{AddFields: []string{"op", "lsn", "op"}}
	var got []string
	for _, err := range c.Validate() {
		key, _, _ := strings.Cut(err.Error(), ":")
		got = append(got, key)
	}
	want := "key_format add_fields[1] add_fields[2] decimal_handling_mode bigint_unsigned_handling_mode timestamp_format binary_handling_mode hstore_handling_mode json_handling_mode special_values"
	if strings.Join(got, " ") != want {
		t.Errorf("got  %s\nwant %s", strings.Join(got, " "), want)
	}
}

// TestModes: every delete is told of, by a tombstone or by a field.
func TestModes(t *testing.T) {
	plain, fields := NewConfig(), NewConfig()
	fields.AddFields = []string{fieldDeleted}
	for _, c := range []struct {
		cfg  *Config
		mode formats.Mode
		want int
	}{
		{plain, formats.Mode{Upsert: true, Tombstones: true}, 0}, {plain, formats.Mode{Upsert: true}, 1}, {fields, formats.Mode{Upsert: true}, 1},
		{plain, formats.Mode{Tombstones: true}, 1}, {fields, formats.Mode{Tombstones: true}, 0}, {fields, formats.Mode{}, 0},
	} {
		if got := c.cfg.CheckMode(c.mode); len(got) != c.want {
			t.Errorf("%v in %+v: %v", c.cfg.AddFields, c.mode, got)
		}
	}
}

// TestRefusedTables: what would make rows ambiguous is refused before the first of them.
func TestRefusedTables(t *testing.T) {
	orders := formatstest.Orders()
	clash := formatstest.Orders()
	clash.Columns[3].Name = "__op"
	odd := formatstest.Orders()
	odd.Columns[3].Type.Kind = changelog.KindUnchanged
	for name, c := range map[string]struct {
		edit  func(*Config)
		table *changelog.Table
		o     formats.Options
		code  fault.Code
	}{
		"a log without op":      {nil, orders, formats.Options{Key: []int{0}}, fault.Config},
		"a log with op":         {func(c *Config) { c.AddFields = []string{fieldOp} }, orders, formats.Options{}, ""},
		"a log with deleted":    {func(c *Config) { c.AddFields = []string{fieldDeleted} }, orders, formats.Options{}, ""},
		"a raw key of two":      {func(c *Config) { c.KeyFormat = keyRaw }, orders, formats.Options{Key: []int{0, 1}, Upsert: true}, fault.Config},
		"a field like a column": {func(c *Config) { c.AddFields = []string{fieldOp} }, clash, formats.Options{Key: []int{0}, Upsert: true}, fault.Config},
		"another prefix": {func(c *Config) { c.AddFields, c.AddFieldsPrefix = []string{fieldOp}, "meta_" }, clash, formats.Options{
			Key: []int{0}, Upsert: true,
		}, ""},
		"a key that is not there": {nil, orders, formats.Options{Key: []int{12}, Upsert: true}, fault.Internal},
		"no columns":              {nil, &changelog.Table{Name: "t"}, formats.Options{Upsert: true}, fault.SchemaUnknown},
		"an unknown type":         {nil, odd, formats.Options{Key: []int{0}, Upsert: true}, fault.UnsupportedType},
	} {
		cfg := NewConfig()
		if c.edit != nil {
			c.edit(cfg)
		}
		_, err := cfg.Format(formats.Env{}).Compile(c.table, c.o)
		if fault.CodeOf(err) != c.code || (err != nil) != (c.code != "") {
			t.Errorf("%s: %v, want code %q", name, err, c.code)
		}
		_, flinkErr := cfg.Format(formats.Env{}).(formats.FlinkDescriber).Flink(c.table, c.o)
		if (err != nil) != (flinkErr != nil) {
			t.Errorf("%s: %v when it is described for Flink", name, flinkErr)
		}
	}
}

// TestRawKeys: the empty text is a key, and NULL is none.
func TestRawKeys(t *testing.T) {
	cfg := NewConfig()
	cfg.KeyFormat = keyRaw
	table := &changelog.Table{Origin: "mysql", Database: "d", Name: "t", Columns: []changelog.Column{{Name: "k", Type: changelog.Type{Kind: changelog.KindString}, Nullable: true}}}
	enc, err := cfg.Format(formats.Env{}).Compile(table, formats.Options{Key: []int{0}, Upsert: true})
	if err != nil {
		t.Fatal(err)
	}
	if key, err := enc.AppendKey(nil, changelog.Row{changelog.String(nil)}); key == nil || len(key) != 0 || err != nil {
		t.Errorf("the empty text: %v, %v", key, err)
	}
	if _, err := enc.AppendKey(nil, changelog.Row{changelog.Null()}); !fault.Is(err, fault.NoKey) {
		t.Errorf("NULL: %v", err)
	}
	if key, err := enc.AppendKey([]byte("x"), changelog.Row{changelog.String([]byte("\"a\\\xff"))}); string(key) != "x\"a\\\xff" || err != nil {
		t.Errorf("%q, %v", key, err)
	}
	table.Columns[0].Type = changelog.Type{Kind: changelog.KindInterval}
	d := cfg.Format(formats.Env{}).(formats.FlinkDescriber)
	if _, err := d.Flink(table, formats.Options{Key: []int{0}, Upsert: true}); !fault.Is(err, fault.Config) {
		t.Errorf("a raw interval for Flink: %v", err)
	}
	for kind, want := range map[changelog.Kind]string{changelog.KindString: "raw", changelog.KindInt: "csv", changelog.KindDecimal: "csv", changelog.KindBytes: "raw"} {
		table.Columns[0].Type = changelog.Type{Kind: kind, Bits: 64, Precision: 5}
		ft, err := d.Flink(table, formats.Options{Key: []int{0}, Upsert: true})
		if err != nil || ft.Options[0] != (formats.FlinkOption{Name: "key.format", Value: want}) {
			t.Errorf("kind %d: %+v, %v", kind, ft.Options, err)
		}
	}
}

// TestImpossibleValues: values that break the contract of their kinds are bugs elsewhere, and never messages.
func TestImpossibleValues(t *testing.T) {
	array := changelog.Type{Kind: changelog.KindArray, Elem: &changelog.Column{Type: changelog.Type{Kind: changelog.KindInt, Bits: 32}}}
	nested := NewConfig()
	nested.JSONHandlingMode, nested.HstoreHandlingMode = jsonNested, hstoreJSON
	for name, c := range map[string]struct {
		typ changelog.Type
		v   changelog.Value
	}{
		"decimal":       {changelog.Type{Kind: changelog.KindDecimal, Precision: 5}, changelog.Decimal([]byte("1e5"))},
		"point":         {changelog.Type{Kind: changelog.KindDecimal, Precision: 5}, changelog.Decimal([]byte("1."))},
		"zeros":         {changelog.Type{Kind: changelog.KindDecimal, Precision: 5}, changelog.Decimal([]byte("01"))},
		"empty decimal": {changelog.Type{Kind: changelog.KindDecimal, Precision: 5}, changelog.Decimal([]byte("-"))},
		"bit":           {changelog.Type{Kind: changelog.KindBitString, Bits: 1, Fixed: true}, changelog.BitString([]byte("2"))},
		"vector":        {changelog.Type{Kind: changelog.KindVector}, changelog.Vector([]byte("abc"))},
		"array":         {array, changelog.Array([]changelog.Value{changelog.Bool(true)})},
		"inner array":   {array, changelog.Array([]changelog.Value{changelog.Array([]changelog.Value{changelog.Bool(true)})})},
		"half a map":    {changelog.Type{Kind: changelog.KindMap}, changelog.Map([]changelog.Value{changelog.String(nil)})},
		"map":           {changelog.Type{Kind: changelog.KindMap}, changelog.Map([]changelog.Value{changelog.String(nil), changelog.Int(1)})},
		"document":      {changelog.Type{Kind: changelog.KindJSON}, changelog.JSON([]byte("{"))},
	} {
		table := &changelog.Table{Origin: postgres, Schema: "s", Name: "t", Columns: []changelog.Column{{Name: "c", Type: c.typ}}}
		enc, err := nested.Format(formats.Env{}).Compile(table, formats.Options{Key: []int{0}, Upsert: true})
		if c.typ.Kind == changelog.KindJSON { // a key has it as a text
			enc, err = nested.Format(formats.Env{}).Compile(table, formats.Options{Upsert: true})
		}
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		_, err = enc.AppendValue(nil, &formats.Context{Txn: &changelog.Txn{}, Run: &changelog.Run{}}, &changelog.Change{Op: changelog.Insert, After: changelog.Row{c.v}})
		if f := fault.As(err); f == nil || f.Code != fault.Internal || !strings.Contains(f.Op, "column c of s.t") || errors.Unwrap(f) == nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
