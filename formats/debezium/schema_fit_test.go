package debezium

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"testing"

	"cdcbridge/changelog"
	"cdcbridge/formats"
	"cdcbridge/formats/formatstest"
)

// node is a schema as a message has it.
type node struct {
	Type       string
	Optional   bool
	Name       string
	Version    int
	Doc        string
	Parameters map[string]string
	Default    json.RawMessage
	Field      string
	Fields     []node
	Items      *node
	Keys       *node
	Values     *node
}

// fitting takes a message with a schema apart, and holds the payload to it as Connect's JSON converter does.
func fitting(message []byte) (*node, []byte, error) {
	var m struct {
		Schema  *node
		Payload json.RawMessage
	}
	d := json.NewDecoder(bytes.NewReader(message))
	d.DisallowUnknownFields()
	if err := d.Decode(&m); err != nil {
		return nil, nil, fmt.Errorf("%s: %w", message, err)
	}
	if m.Schema == nil || m.Payload == nil {
		return nil, nil, fmt.Errorf("%s lacks schema or payload", message)
	}
	if err := m.Schema.fits(m.Payload); err != nil {
		return nil, nil, fmt.Errorf("%w in %s", err, message)
	}
	return m.Schema, m.Payload, nil
}

func (n *node) fits(payload []byte) error {
	if n.Default != nil {
		def := *n
		def.Default = nil
		if err := def.fits(n.Default); err != nil {
			return fmt.Errorf("the default of %w", err)
		}
	}
	if string(payload) == "null" {
		if !n.Optional {
			return fmt.Errorf("%s %s: null is not allowed", n.Field, n.Type)
		}
		return nil
	}
	bad := func() error { return fmt.Errorf("%s: %.200s is no %s", n.Field, payload, n.Type) }
	var text string
	isText := json.Unmarshal(payload, &text) == nil
	switch n.Type {
	case "boolean":
		if string(payload) != "true" && string(payload) != "false" {
			return bad()
		}
	case "int8", "int16", "int32", "int64":
		bits, _ := strconv.Atoi(n.Type[3:])
		if _, err := strconv.ParseInt(string(payload), 10, bits); err != nil {
			return bad()
		}
	case "float", "double":
		if slices.Contains([]string{"NaN", "Infinity", "-Infinity"}, text) {
			return nil
		}
		if _, err := strconv.ParseFloat(string(payload), 64); err != nil {
			return bad()
		}
	case "string":
		if !isText {
			return bad()
		}
	case "bytes":
		if _, err := base64.StdEncoding.DecodeString(text); err != nil || !isText {
			return bad()
		}
	case "array":
		var all []json.RawMessage
		if json.Unmarshal(payload, &all) != nil {
			return bad()
		}
		for _, v := range all {
			if err := n.Items.fits(v); err != nil {
				return err
			}
		}
	case "map":
		if n.Keys.Type != "string" { // written in pairs
			var pairs [][2]json.RawMessage
			if json.Unmarshal(payload, &pairs) != nil {
				return bad()
			}
			for _, p := range pairs {
				if err := errors.Join(n.Keys.fits(p[0]), n.Values.fits(p[1])); err != nil {
					return err
				}
			}
			return nil
		}
		var all map[string]json.RawMessage
		if json.Unmarshal(payload, &all) != nil {
			return bad()
		}
		for _, v := range all {
			if err := n.Values.fits(v); err != nil {
				return err
			}
		}
	case "struct":
		return n.fitsStruct(payload)
	default:
		return fmt.Errorf("%s: there is no type %q", n.Field, n.Type)
	}
	return nil
}

func (n *node) fitsStruct(payload []byte) error {
	var all map[string]json.RawMessage
	if json.Unmarshal(payload, &all) != nil {
		return fmt.Errorf("%s: %.200s is no struct", n.Field, payload)
	}
	seen := map[string]bool{}
	for i := range n.Fields {
		f := &n.Fields[i]
		if seen[f.Field] {
			return fmt.Errorf("two fields %s", f.Field)
		}
		seen[f.Field] = true
		v, ok := all[f.Field]
		if !ok {
			v = []byte("null")
		}
		if err := f.fits(v); err != nil {
			return err
		}
		delete(all, f.Field)
	}
	for name := range all {
		return fmt.Errorf("%s has no field %s", n.Name, name)
	}
	return nil
}

func (n *node) field(names ...string) *node {
	for _, name := range names {
		i := slices.IndexFunc(n.Fields, func(f node) bool { return f.Field == name })
		if i < 0 {
			return nil
		}
		n = &n.Fields[i]
	}
	return n
}

// withSchemas are the option sets of the golden files and the modes that these lack, with schemas.
func withSchemas() map[string]*Config {
	all := variants()
	for name, edit := range map[string]func(*Config){
		"connect": func(c *Config) {
			c.TimePrecisionMode = timeConnect
			c.Schemas.SchemaNameAdjustmentMode, c.Schemas.FieldNameAdjustmentMode = adjustAvro, adjustAvro
		},
		"nanoseconds": func(c *Config) {
			c.TimePrecisionMode, c.MoneyFractionDigits, c.UnavailableValuePlaceholder = timeNanos, 4, "hex:00ff"
			c.Schemas.SchemaNameAdjustmentMode, c.Schemas.FieldNameAdjustmentMode = adjustUnicode, adjustUnicode
		},
	} {
		c := NewConfig()
		edit(c)
		all[name] = c
	}
	for _, c := range all {
		c.Schemas.SchemasEnable, c.Schemas.KeySchemasEnable = true, true
	}
	return all
}

// TestPayloadsFitTheirSchemas writes every value of every database under every mode, in columns that may be NULL and that may
// not, as row, key, old row and default.
func TestPayloadsFitTheirSchemas(t *testing.T) {
	for _, every := range []func() (*changelog.Table, []changelog.Row){
		formatstest.EveryValue, formatstest.EveryMariaDBValue, formatstest.EveryPostgresValue,
	} {
		table, rows := every()
		for name, cfg := range withSchemas() {
			if table.Origin == "mariadb" && name != "defaults" {
				continue // its types are MySQL's but for a few texts
			}
			t.Run(table.Origin+"/"+name, func(t *testing.T) {
				for i := range table.Columns {
					for n := range rows {
						if n > 0 && rows[n][i].IsNull() {
							break // the column's values begin anew
						}
						fitColumn(t, cfg, table, i, rows[n][i], n%2 == 0)
					}
				}
			})
		}
	}
}

func fitColumn(t *testing.T, cfg *Config, wide *changelog.Table, i int, v changelog.Value, nullable bool) {
	t.Helper()
	c := wide.Columns[i]
	c.Nullable, c.Default = nullable || v.IsNull(), &changelog.Default{Value: v}
	table := &changelog.Table{Origin: wide.Origin, Database: "d", Schema: wide.Schema, Name: "t x", Columns: []changelog.Column{c, {Name: "more", Type: c.Type, SourceType: c.SourceType}}}
	row, unknown := changelog.Row{v, v}, changelog.Row{v, changelog.Unchanged()}
	if v.IsNull() {
		row[1] = changelog.Unchanged()
	}
	enc, err := cfg.Format(formats.Env{Server: "shop-1", Version: "1"}).Compile(table, formats.Options{Key: []int{0}})
	if err != nil {
		t.Fatal(err)
	}
	if key, err := enc.AppendKey(nil, row); err == nil {
		if _, _, err := fitting(key); err != nil {
			t.Error(err)
		}
	}
	changes := []changelog.Change{{Op: changelog.Insert, After: row}, {Op: changelog.Update, Before: unknown, After: row}}
	if nullable {
		changes = []changelog.Change{{Op: changelog.Update, After: row}, {Op: changelog.Delete, Before: unknown}}
	}
	for _, ch := range changes {
		message, err := enc.AppendValue(nil, newContext(table), &ch)
		if err != nil {
			continue // what is refused is elsewhere
		}
		if _, _, err := fitting(message); err != nil {
			t.Error(err)
		}
	}
}
