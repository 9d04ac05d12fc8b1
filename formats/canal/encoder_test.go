package canal

import (
	"encoding/json"
	"math"
	"strings"
	"testing"

	"cdcbridge/changelog"
	"cdcbridge/formats"
	"cdcbridge/formats/formatstest"
	"cdcbridge/internal/fault"
)

var (
	txn = changelog.Txn{ID: "3e11fa47-71ca-11e1-9e33-c80aa9429562:23", Commit: 1714979289000000,
		Origin: changelog.Origin{File: "binlog.000002", Pos: 157, GTID: "3e11fa47-71ca-11e1-9e33-c80aa9429562:23"}}
	run     = changelog.Run{Pos: 300, File: "binlog.000002", Time: 1714979289000000}
	context = formats.Context{Txn: &txn, Run: &run, Now: 1714979289310999, Seq: 31}
)

func str(s string) changelog.Value { return changelog.String([]byte(s)) }

func compile(t testing.TB, c *Config, table *changelog.Table, o formats.Options) formats.Encoder {
	t.Helper()
	e, err := c.Format(formats.Env{}).Compile(table, o)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func value(t testing.TB, e formats.Encoder, ch *changelog.Change) string {
	t.Helper()
	v, err := e.AppendValue([]byte("kept"), &context, ch)
	if err != nil {
		t.Fatal(err)
	}
	rest, kept := strings.CutPrefix(string(v), "kept")
	if !kept || !json.Valid([]byte(rest)) {
		t.Fatalf("no JSON behind what was there: %s", v)
	}
	return rest
}

func pairs() *changelog.Table {
	return &changelog.Table{Origin: "mysql", Database: "shop", Name: "pairs", Key: []int{1, 0}, Columns: []changelog.Column{
		{Name: "code", Type: changelog.Type{Kind: changelog.KindInt, Bits: 32}, SourceType: "int"},
		{Name: "region", Type: changelog.Type{Kind: changelog.KindString}, SourceType: "varchar(8)"},
		{Name: `no"te`, Type: changelog.Type{Kind: changelog.KindString}, SourceType: "text", Nullable: true},
		{Name: "total", Type: changelog.Type{Kind: changelog.KindUint, Bits: 32}, SourceType: "int unsigned", Nullable: true},
	}}
}

func TestMessagesOfPairs(t *testing.T) {
	row := func(code int64, region string, note changelog.Value, total uint64) changelog.Row {
		return changelog.Row{changelog.Int(code), str(region), note, changelog.Uint(total)}
	}
	gone := changelog.Unchanged()
	a, b := row(2, "eu", changelog.Null(), 1), row(2, "eu", str("x"), 1<<31)
	cases := []struct {
		name string
		ch   changelog.Change
	}{
		{"read", changelog.Change{Op: changelog.Read, After: a}},
		{"insert", changelog.Change{Op: changelog.Insert, After: b}},
		{"upsert", changelog.Change{Op: changelog.Upsert, After: b}},
		{"update", changelog.Change{Op: changelog.Update, Before: a, After: b}},
		{"update to null", changelog.Change{Op: changelog.Update, Before: b, After: a}},
		{"update of nothing", changelog.Change{Op: changelog.Update, Before: a, After: a}},
		{"update without before", changelog.Change{Op: changelog.Update, After: b}},
		{"update with key before", changelog.Change{Op: changelog.Update, Before: changelog.Row{changelog.Int(2), str("eu"), gone, gone}, After: b}},
		{"minimal update", changelog.Change{Op: changelog.Update, Before: changelog.Row{changelog.Int(2), str("eu"), gone, gone}, After: changelog.Row{gone, gone, str("x"), gone}}},
		{"delete", changelog.Change{Op: changelog.Delete, Before: b}},
		{"delete with key only", changelog.Change{Op: changelog.Delete, Before: changelog.Row{changelog.Int(2), str("eu"), gone, gone}}},
	}
	var out strings.Builder
	e := compile(t, defaults(), pairs(), formats.Options{Key: []int{1, 0}})
	for _, c := range cases {
		out.WriteString("# " + c.name + "\n" + value(t, e, &c.ch) + "\n")
	}
	read := formats.Context{Txn: &changelog.Txn{Commit: 1714979290_123_456, Snapshot: true, Origin: txn.Origin}, Run: &changelog.Run{Snapshot: changelog.SnapshotFirst}, Now: context.Now, Seq: context.Seq}
	message, err := e.AppendValue(nil, &read, &changelog.Change{Op: changelog.Read, After: b})
	if err != nil {
		t.Fatal(err)
	}
	out.WriteString("# read by a snapshot\n" + string(message) + "\n")
	key, err := e.AppendKey(nil, b)
	if err != nil {
		t.Fatal(err)
	}
	out.WriteString("# key\n" + string(key) + "\n")
	formatstest.Golden(t, "pairs.golden", []byte(out.String()))
}

func TestKeyStaysTheSameWhateverTheOptions(t *testing.T) {
	summer, winter := int64(1729987200), int64(1729990800) // 02:00 comes twice on this night in Berlin
	table := &changelog.Table{Database: "shop", Name: "t", Columns: []changelog.Column{
		{Name: "at", Type: changelog.Type{Kind: changelog.KindTimestamp}, SourceType: "timestamp"},
		{Name: "e", Type: changelog.Type{Kind: changelog.KindEnum, Labels: []string{"", "a"}}, SourceType: "enum('','a')"},
		{Name: "s", Type: changelog.Type{Kind: changelog.KindSet, Labels: []string{"a", "b"}}, SourceType: "set('a','b')"},
		{Name: "d", Type: changelog.Type{Kind: changelog.KindDate}, SourceType: "date"},
	}}
	c := &Config{Timezone: "Europe/Berlin", Binary: BinaryBase64, Enum: EnumLabel, Set: SetLabel, ZeroDate: ZeroNull, SpecialValues: SpecialText, Nested: NestedJSON}
	e := compile(t, c, table, formats.Options{Key: []int{0, 1, 2, 3}, Upsert: true})
	seen := map[string]bool{}
	for _, at := range []int64{summer, winter} {
		for _, index := range []uint64{0, 1} {
			row := changelog.Row{changelog.Timestamp(at * 1e6), changelog.Enum(index, nil), changelog.Set(3, []byte("a,b")),
				changelog.ZeroParts(changelog.KindDate, changelog.Civil{})}
			key, err := e.AppendKey(nil, row)
			if err != nil {
				t.Fatal(err)
			}
			seen[string(key)] = true
			v := value(t, e, &changelog.Change{Op: changelog.Insert, After: row})
			if !strings.HasPrefix(v, `{"data":[{"at":"2024-10-27 02:00:00","e":"","s":"a,b","d":null}]`) {
				t.Errorf("data is not in its own forms: %s", v)
			}
		}
	}
	for _, want := range []string{"00:00:00", "01:00:00"} {
		for _, index := range []string{"0", "1"} {
			want := `{"at":"2024-10-27 ` + want + `","e":"` + index + `","s":"a,b","d":"0000-00-00"}`
			if !seen[want] || len(seen) != 4 {
				t.Errorf("no key %s in %v", want, seen)
			}
		}
	}
}

func TestIncompleteRowsAreRefusedWhereTheyMustBeWhole(t *testing.T) {
	gone := changelog.Unchanged()
	whole := changelog.Row{changelog.Int(2), str("eu"), str("x"), changelog.Uint(1)}
	part := changelog.Row{changelog.Int(2), str("eu"), gone, changelog.Uint(1)}
	e := compile(t, defaults(), pairs(), formats.Options{Key: []int{1, 0}, Upsert: true})
	for _, c := range []struct {
		name string
		ch   changelog.Change
		ok   bool
	}{
		{"insert", changelog.Change{Op: changelog.Insert, After: part}, false},
		{"update, before unknown", changelog.Change{Op: changelog.Update, After: part}, false},
		{"update, before incomplete too", changelog.Change{Op: changelog.Update, Before: part, After: part}, false},
		{"update, before whole", changelog.Change{Op: changelog.Update, Before: whole, After: part}, false},
		{"update, after whole", changelog.Change{Op: changelog.Update, Before: part, After: whole}, true},
		{"delete", changelog.Change{Op: changelog.Delete, Before: part}, true},
	} {
		_, err := e.AppendValue(nil, &context, &c.ch)
		if c.ok && err != nil || !c.ok && (!fault.Is(err, fault.SourceSettings) || !fault.IsFinal(err)) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	if _, err := e.AppendKey(nil, changelog.Row{changelog.Int(2), str("\xff"), gone, gone}); !fault.Is(err, fault.Decode) {
		t.Errorf("key that is no text: %v", err)
	}
	if _, err := e.AppendKey(nil, changelog.Row{gone, str("eu"), gone, gone}); !fault.Is(err, fault.SourceSettings) {
		t.Errorf("key without a column: %v", err)
	}
}

func TestBrokenInvariantsAreFaults(t *testing.T) {
	e := compile(t, defaults(), pairs(), formats.Options{Key: []int{0}})
	short := changelog.Row{changelog.Int(1)}
	whole := changelog.Row{changelog.Int(2), str("eu"), str("x"), changelog.Uint(1)}
	wrong := changelog.Row{str("2"), str("eu"), str("x"), changelog.Uint(1)}
	for _, ch := range []changelog.Change{
		{Op: changelog.Insert, After: short}, {Op: changelog.Insert}, {Op: changelog.Delete, After: whole},
		{Op: changelog.Update, Before: short, After: whole}, {After: whole}, {Op: changelog.Insert, After: wrong},
		{Op: changelog.Update, Before: wrong, After: whole},
	} {
		if _, err := e.AppendValue(nil, &context, &ch); !fault.Is(err, fault.Internal) {
			t.Errorf("%+v: %v", ch, err)
		}
	}
	for _, row := range []changelog.Row{nil, short, wrong} {
		if _, err := e.AppendKey(nil, row); !fault.Is(err, fault.Internal) {
			t.Errorf("key of %v: %v", row, err)
		}
	}
	table := pairs()
	table.Columns[2].Type.Kind = math.MaxUint8
	table.Columns[2].SourceType = "circle"
	_, err := defaults().Format(formats.Env{}).Compile(table, formats.Options{})
	if !fault.Is(err, fault.UnsupportedType) || !strings.Contains(err.Error(), "shop.pairs") || !strings.Contains(err.Error(), "circle") {
		t.Errorf("unknown type: %v", err)
	}
	for _, bits := range []int{-1, 0, 65} {
		table := pairs()
		table.Columns[0].Type.Bits = bits
		if _, err := defaults().Format(formats.Env{}).Compile(table, formats.Options{}); !fault.Is(err, fault.UnsupportedType) {
			t.Errorf("integer of %d bits: %v", bits, err)
		}
	}
	if _, err := defaults().Format(formats.Env{}).Compile(pairs(), formats.Options{Key: []int{4}}); !fault.Is(err, fault.Internal) {
		t.Errorf("key column out of range: %v", err)
	}
}

func TestKeylessAndSchemas(t *testing.T) {
	table := pairs()
	table.Key, table.Schema = nil, "public"
	row := changelog.Row{changelog.Int(2), str("eu"), changelog.Null(), changelog.Uint(1)}
	v := value(t, compile(t, defaults(), table, formats.Options{}), &changelog.Change{Op: changelog.Insert, After: row})
	if !strings.Contains(v, `"pkNames":null,`) || !strings.Contains(v, `"database":"public",`) {
		t.Error(v)
	}
	v = value(t, compile(t, defaults(), table, formats.Options{Key: []int{0}}), &changelog.Change{Op: changelog.Insert, After: row})
	if !strings.Contains(v, `"pkNames":["code"],`) {
		t.Errorf("the record key is not what names the row: %s", v)
	}
}
