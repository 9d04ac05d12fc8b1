package formatstest

import (
	"encoding/json"
	"testing"
	"unicode/utf8"

	"cdcbridge/changelog"
	"cdcbridge/formats"
	"cdcbridge/internal/fault"
)

// Run holds a format to the contract of package formats, once with its defaults and once with every well-known preset
// that it has, for the tables of every kind of database.
func Run(t *testing.T, kind formats.Kind) {
	t.Helper()
	t.Run("config", func(t *testing.T) { testConfig(t, kind) })
	for _, preset := range []string{"", "flink"} {
		if preset != "" && !kind.Config().Preset(preset) {
			continue
		}
		name := preset
		if name == "" {
			name = "defaults"
		}
		t.Run(name, func(t *testing.T) {
			for _, db := range databases() {
				s := &suite{kind: kind, preset: preset, db: db}
				t.Run(db.origin, s.run)
			}
		})
	}
}

type suite struct {
	kind   formats.Kind
	preset string
	db     database
}

func (s *suite) run(t *testing.T) {
	for _, c := range []struct {
		name string
		test func(*testing.T)
	}{
		{"values survive", s.valuesSurvive},
		{"numbers and text are exact", s.plainValuesAreExact},
		{"odd names survive", s.oddNamesSurvive},
		{"operations survive", s.operationsSurvive},
		{"snapshot rows survive", s.snapshotRowsSurvive},
		{"key change is delete and insert", s.keyChangeHalves},
		{"partial before images are fine", s.partialBefore},
		{"tombstones have a key", s.tombstones},
		{"cut messages are errors", s.cutMessages},
		{"equal keys are equal bytes", s.keysAreInjective},
		{"key order is kept", s.keyOrder},
		{"unchanged is refused", s.unchangedRefused},
		{"impossible rows are refused", s.impossibleRefused},
		{"appends only", s.appendsOnly},
		{"runs are rows", s.runsAreRows},
		{"ends rows", s.endsRows},
		{"keeps no memory", s.keepsNoMemory},
		{"does not allocate", s.doesNotAllocate},
		{"is safe for concurrent use", s.concurrentUse},
	} {
		t.Run(c.name, c.test)
	}
}

func testConfig(t *testing.T, kind formats.Kind) {
	if kind.Name == "" {
		t.Error("the kind has no name")
	}
	cfg := kind.Config()
	for _, err := range cfg.Validate() {
		t.Errorf("the defaults are wrong: %v", err)
	}
	if cfg.Preset("no such preset") {
		t.Error("an unknown preset was accepted")
	}
	if kind.Config() == cfg {
		t.Error("Config must give fresh options each time")
	}
}

func env() formats.Env { return formats.Env{Server: "shop1", Version: "1.2.3"} }

func (s *suite) config() formats.Config {
	cfg := s.kind.Config()
	if s.preset != "" {
		cfg.Preset(s.preset)
	}
	return cfg
}

// upsert compiles an encoder for a compacted topic.
func (s *suite) upsert(t *testing.T, table *changelog.Table) formats.Encoder {
	t.Helper()
	enc, err := s.config().Format(env()).Compile(table, formats.Options{Key: table.Key, Topic: "shop1." + table.FullName(), Upsert: true})
	if err != nil {
		t.Fatalf("compiling %s: %v", table.FullName(), err)
	}
	return enc
}

// roundTrip encodes a change with its key, holds both to being JSON, and decodes them.
func (s *suite) roundTrip(t *testing.T, table *changelog.Table, enc formats.Encoder, ch changelog.Change) *formats.Event {
	t.Helper()
	key, value := encode(t, context(table), enc, ch)
	ev, err := s.config().Decoder().Decode(key, value)
	if err != nil {
		t.Fatalf("decoding %s %s: %v", key, value, err)
	}
	return ev
}

func encode(t *testing.T, ctx *formats.Context, enc formats.Encoder, ch changelog.Change) (key, value []byte) {
	t.Helper()
	row := ch.After
	if row == nil {
		row = ch.Before
	}
	key, err := enc.AppendKey(nil, row)
	if err != nil {
		t.Fatalf("encoding the key of %s: %v", ch.Op, err)
	}
	value, err = enc.AppendValue(nil, ctx, &ch)
	if err != nil {
		t.Fatalf("encoding the value of %s: %v", ch.Op, err)
	}
	checkJSON(t, key)
	checkJSON(t, value)
	return key, value
}

func checkJSON(t *testing.T, doc []byte) {
	t.Helper()
	if !json.Valid(doc) || !utf8.Valid(doc) {
		t.Fatalf("not valid JSON in UTF-8: %q", doc)
	}
}

// rowsAlone reports a format whose messages are the row and nothing else unless asked: they do not tell table, operation, time and
// old row, and a delete is a tombstone.
func rowsAlone(enc formats.Encoder) bool {
	_, alone := enc.(formats.TombstoneOnly)
	return alone
}

// checkTable holds an event to naming the table, if it names one: a format without schemas writes the schema as database.
func checkTable(t *testing.T, enc formats.Encoder, table *changelog.Table, ev *formats.Event) {
	t.Helper()
	if rowsAlone(enc) && ev.Table == "" {
		return
	}
	whole := ev.Database == table.Database && ev.Schema == table.Schema
	merged := ev.Database == table.Schema && ev.Schema == ""
	if ev.Table != table.Name || !whole && !merged {
		t.Errorf("the message names the table %q.%q.%q, want %q.%q.%q", ev.Database, ev.Schema, ev.Table, table.Database, table.Schema, table.Name)
	}
}

// checkFields holds a decoded image to having exactly the table's columns in order, null where the row is NULL.
func checkFields(t *testing.T, table *changelog.Table, fields []formats.Field, row changelog.Row) {
	t.Helper()
	if len(fields) != len(row) {
		t.Fatalf("%d fields for %d columns", len(fields), len(row))
	}
	for i, f := range fields {
		if want := table.Columns[i].Name; f.Name != want {
			t.Errorf("field %d is %q, want %q", i, f.Name, want)
		}
		if isNull(f) != row[i].IsNull() {
			t.Errorf("field %q is %s, NULL in the row: %v", f.Name, f.JSON, row[i].IsNull())
		}
	}
}

func isNull(f formats.Field) bool { return string(f.JSON) == "null" }

// same reports whether two images say the same.
func same(a, b []formats.Field) bool {
	if len(a) != len(b) || (a == nil) != (b == nil) {
		return false
	}
	for i := range a {
		if a[i].Name != b[i].Name || string(a[i].JSON) != string(b[i].JSON) {
			return false
		}
	}
	return true
}

// checkRefusal holds an error to being a fault that an operator can act on.
func checkRefusal(t *testing.T, what string, err error) {
	t.Helper()
	f := fault.As(err)
	if f == nil {
		t.Errorf("%s: want a fault, got %v", what, err)
	} else if f.Code == "" || f.Hint == "" || f.Op == "" {
		t.Errorf("%s: the fault lacks code, operation or hint: %v", what, err)
	}
}
