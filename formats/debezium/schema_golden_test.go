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

// TestGoldenSchemas pins the schema of every column under every mode: one that may be NULL, and one that may not, with a
// default, a comment and its source type propagated.
func TestGoldenSchemas(t *testing.T) {
	for _, every := range []func() (*changelog.Table, []changelog.Row){
		formatstest.EveryValue, formatstest.EveryMariaDBValue, formatstest.EveryPostgresValue,
	} {
		table, rows := every()
		for name, cfg := range withSchemas() {
			cfg.Schemas.IncludeSchemaComments = true
			_ = cfg.Schemas.DatatypePropagateSourceType.UnmarshalText([]byte(`.*\.int.*, .*\.(bigint|varchar|numeric|time.*|decimal|set|enum|_.*|bit)`))
			var out bytes.Buffer
			for i := range table.Columns {
				c := table.Columns[i]
				c.Nullable, c.Comment = true, ""
				fmt.Fprintf(&out, "%s\t%s", c.Name, fieldSchema(t, cfg, table, c))
				c.Nullable, c.Comment = false, "what it is"
				c.Default = &changelog.Default{Value: rows[2][i]}
				if len(rows[2][i].Bytes()) > 500 {
					c.Default.Value = rows[1][i]
				}
				fmt.Fprintf(&out, "\t%s\n", fieldSchema(t, cfg, table, c))
			}
			formatstest.Golden(t, "schemas-"+table.Origin+"-"+name+".golden", out.Bytes())
		}
	}
}

func fieldSchema(t *testing.T, cfg *Config, of *changelog.Table, c changelog.Column) []byte {
	t.Helper()
	table := &changelog.Table{Origin: of.Origin, Database: "d", Schema: of.Schema, Name: "t", Columns: []changelog.Column{c}}
	e := compile(t, cfg, table, formats.Options{}).(*encoder)
	s := e.rowSchema(nil, false)
	return s.fields[0].append(nil, s.fields[0].name)
}

// TestGoldenSchemaRecords pins whole records with schemas.
func TestGoldenSchemaRecords(t *testing.T) {
	var out bytes.Buffer
	for _, table := range []*changelog.Table{formatstest.Orders(), formatstest.MariaDBOrders(), formatstest.PostgresOrders()} {
		cfg := NewConfig()
		cfg.Schemas.SchemasEnable, cfg.Schemas.KeySchemasEnable = true, true
		enc := compile(t, cfg, table, formats.Options{Key: []int{1, 0}, Upsert: true})
		row, unknown := formatstest.OrdersRow(), make(changelog.Row, 12)
		for i := range unknown {
			unknown[i] = changelog.Unchanged()
		}
		unknown[0] = row[0]
		key, err := enc.AppendKey(nil, row)
		if err != nil {
			t.Fatal(err)
		}
		out.Write(append(key, '\n'))
		for _, ch := range []changelog.Change{{Op: changelog.Insert, After: row}, {Op: changelog.Update, Before: row, After: row}, {Op: changelog.Delete, Before: unknown}} {
			message, err := enc.AppendValue(nil, newContext(table), &ch)
			if err != nil {
				t.Fatal(err)
			}
			if _, _, err := fitting(message); err != nil {
				t.Error(err)
			}
			out.Write(append(message, '\n'))
		}
	}
	formatstest.Golden(t, "schema-records.golden", out.Bytes())
}

// TestDefaults holds the defaults to what Debezium makes of them.
func TestDefaults(t *testing.T) {
	of := func(kind changelog.Kind, source string) changelog.Column {
		return changelog.Column{Type: changelog.Type{Kind: kind, Bits: 32, FSP: 3}, SourceType: source}
	}
	null := func(c changelog.Column) changelog.Column { c.Nullable = true; return c }
	constant := func(v changelog.Value) *changelog.Default { return &changelog.Default{Value: v} }
	function := func(text string) *changelog.Default {
		return &changelog.Default{Value: changelog.Unchanged(), Text: text}
	}
	moment := of(changelog.KindTimestamp, "timestamp(3)")
	mood := of(changelog.KindString, "public.mood")
	mood.Type.Labels = []string{"sad", "happy"}
	for _, tc := range []struct {
		origin string
		col    changelog.Column
		def    *changelog.Default
		want   string
	}{
		{"mysql", of(changelog.KindInt, "int"), nil, ""},
		{"mysql", of(changelog.KindInt, "int"), constant(changelog.Null()), ""},
		{"mysql", of(changelog.KindInt, "int"), constant(changelog.Int(-7)), "-7"},
		{"mysql", of(changelog.KindString, "varchar(9)"), constant(changelog.String([]byte(`it's "x"`))), `"it's \"x\""`},
		{"mysql", of(changelog.KindString, "varchar(9)"), function("uuid()"), ""},
		{"mysql", of(changelog.KindDateTime, "datetime(3)"), function("CURRENT_TIMESTAMP(3)"), "0"},
		{"mysql", null(of(changelog.KindDateTime, "datetime(3)")), function("CURRENT_TIMESTAMP(3)"), "0"},
		{"mysql", of(changelog.KindDateTime, "datetime(3)"), function("now()"), ""},
		{"mysql", moment, function("CURRENT_TIMESTAMP(3)"), `"1970-01-01T00:00:00Z"`},
		{"mariadb", moment, function("current_timestamp(3)"), `"1970-01-01T00:00:00Z"`},
		{"mysql", null(moment), function("CURRENT_TIMESTAMP(3)"), ""},
		{"mysql", moment, constant(changelog.Timestamp(1714979289_120_000)), `"2024-05-06T07:08:09.120Z"`},
		{"mysql", null(of(changelog.KindDate, "date")), constant(changelog.ZeroParts(changelog.KindDate, changelog.Civil{})), ""},
		{"mysql", of(changelog.KindDate, "date"), constant(changelog.ZeroParts(changelog.KindDate, changelog.Civil{})), "0"},
		{postgres, of(changelog.KindInt, "integer"), function("nextval('t_id_seq'::regclass)"), "0"},
		{postgres, of(changelog.KindTimestamp, "timestamp(3) with time zone"), function("now()"), `"1970-01-01T00:00:00.000Z"`},
		{postgres, of(changelog.KindString, "uuid"), function("gen_random_uuid()"), `"00000000-0000-0000-0000-000000000000"`},
		{postgres, of(changelog.KindJSON, "jsonb"), function("f()"), `"{}"`},
		{postgres, of(changelog.KindString, "inet"), constant(changelog.String([]byte("::1"))), ""},
		{postgres, of(changelog.KindBytes, "bytea"), constant(changelog.Bytes([]byte("x"))), ""},
		{postgres, of(changelog.KindDecimal, "numeric"), constant(changelog.Decimal([]byte("1.5"))), ""},
		{postgres, mood, constant(changelog.String([]byte("sad"))), `"sad"`},
	} {
		c := tc.col
		c.Name, c.Default = "v", tc.def
		table := &changelog.Table{Origin: tc.origin, Database: "d", Name: "t", Columns: []changelog.Column{c}}
		e := compile(t, NewConfig(), table, formats.Options{}).(*encoder)
		s := e.rowSchema(nil, false)
		if got := string(s.fields[0].def); got != tc.want {
			t.Errorf("%s %s %v: default %s, want %s", tc.origin, c.SourceType, tc.def, got, tc.want)
		}
	}
}

// TestNullStaysNull: a NULL in a column with a default is null, and not the default.
func TestNullStaysNull(t *testing.T) {
	cfg := NewConfig()
	cfg.Schemas.SchemasEnable = true
	c := changelog.Column{Name: "v", Type: changelog.Type{Kind: changelog.KindInt, Bits: 32}, SourceType: "int", Nullable: true, Default: &changelog.Default{Value: changelog.Int(5)}}
	table := &changelog.Table{Origin: "mysql", Database: "d", Name: "t", Columns: []changelog.Column{c}}
	message, err := compile(t, cfg, table, formats.Options{}).AppendValue(nil, newContext(table), &changelog.Change{Op: changelog.Insert, After: changelog.Row{changelog.Null()}})
	if err != nil {
		t.Fatal(err)
	}
	schema, _, err := fitting(message)
	if err != nil {
		t.Fatal(err)
	}
	if got := string(schema.field("after", "v").Default); got != "5" || !bytes.Contains(message, []byte(`"after":{"v":null}`)) {
		t.Errorf("default %s in %s", got, message)
	}
}

// TestPropagation: the parameters that a column's source type becomes, and the columns that have them.
func TestPropagation(t *testing.T) {
	for _, tc := range []struct {
		origin, source string
		typ            changelog.Type
		want           string
	}{
		{"mysql", "decimal(10,2) unsigned", changelog.Type{Kind: changelog.KindDecimal, Precision: 10, Scale: 2}, "DECIMAL UNSIGNED 10 2"},
		{"mysql", "varchar(255)", changelog.Type{Kind: changelog.KindString}, "VARCHAR 255 -"},
		{"mariadb", "int(11) unsigned", changelog.Type{Kind: changelog.KindUint, Bits: 32}, "INT UNSIGNED 11 -"},
		{"mariadb", "varchar(255) /*M!100301 COMPRESSED*/", changelog.Type{Kind: changelog.KindString}, "VARCHAR 255 -"},
		{"mysql", "enum('a','b')", changelog.Type{Kind: changelog.KindEnum, Labels: []string{"a", "b"}}, "ENUM 1 -"},
		{"mysql", "set('a','b')", changelog.Type{Kind: changelog.KindSet, Labels: []string{"a", "b"}}, "SET 3 -"},
		{"mysql", "datetime(3)", changelog.Type{Kind: changelog.KindDateTime, FSP: 3}, "DATETIME 3 -"},
		{"mysql", "text", changelog.Type{Kind: changelog.KindString}, "TEXT - -"},
		{postgres, "integer", changelog.Type{Kind: changelog.KindInt, Bits: 32}, "INT4 10 0"},
		{postgres, "numeric(10,2)", changelog.Type{Kind: changelog.KindDecimal, Precision: 10, Scale: 2}, "NUMERIC 10 2"},
		{postgres, "numeric", changelog.Type{Kind: changelog.KindDecimal}, "NUMERIC 131089 0"},
		{postgres, "timestamp(3) without time zone", changelog.Type{Kind: changelog.KindDateTime, FSP: 3}, "TIMESTAMP 26 3"},
		{postgres, "timestamp with time zone", changelog.Type{Kind: changelog.KindTimestamp, FSP: 6}, "TIMESTAMPTZ 35 6"},
		{postgres, "character varying(20)", changelog.Type{Kind: changelog.KindString, Length: 20}, "VARCHAR 20 0"},
		{postgres, `public."Mood"`, changelog.Type{Kind: changelog.KindString}, "MOOD 2147483647 0"},
	} {
		in := changelog.Column{Name: "C", SourceType: tc.source, Type: tc.typ}
		cfg := NewConfig()
		if err := cfg.Schemas.ColumnPropagateSourceType.UnmarshalText([]byte(`S\.t\.c`)); err != nil {
			t.Fatal(err)
		}
		table := &changelog.Table{Origin: tc.origin, Schema: "s", Name: "t", Columns: []changelog.Column{in, {Name: "d", Type: tc.typ, SourceType: tc.source}}}
		s := compile(t, cfg, table, formats.Options{}).(*encoder).rowSchema(nil, false)
		get := map[string]string{}
		for p := s.fields[0].parameters; len(p) > 0; p = p[2:] {
			get[p[0]] = p[1]
		}
		const prefix = "__debezium.source.column."
		got := fmt.Sprintf("%s %s %s", get[prefix+"type"], orElse(get[prefix+"length"], "-"), orElse(get[prefix+"scale"], "-"))
		if got != tc.want || get[prefix+"name"] != "C" {
			t.Errorf("%s: got %s, want %s, of %v", tc.source, got, tc.want, slices.Sorted(maps.Keys(get)))
		}
		if len(s.fields[1].parameters) >= 3*2 {
			t.Errorf("%s: parameters of a column that nobody asked for: %v", tc.source, s.fields[1].parameters)
		}
	}
}

// TestLabels: commas and backslashes of labels are told from those between labels, on MySQL.
func TestLabels(t *testing.T) {
	for origin, want := range map[string]string{"mysql": `comma\,in,back\\slash`, postgres: `comma,in,back\slash`} {
		in := changelog.Column{Name: "e", Type: changelog.Type{Kind: changelog.KindEnum, Labels: []string{"comma,in", `back\slash`}}}
		if got := (compiler{origin: origin}).labels(&in); got != want {
			t.Errorf("%s: got %s, want %s", origin, got, want)
		}
	}
}
