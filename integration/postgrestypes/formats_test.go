package postgrestypes

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"cdcbridge/changelog"
	"cdcbridge/formats"
	"cdcbridge/formats/canal"
	"cdcbridge/formats/debezium"
	"cdcbridge/internal/fault"
)

// TestFormats writes every value in both formats. What canal-json writes in PostgreSQL's own words must be the server's text;
// in debezium-json every value has a form under the options that refuse none.
func TestFormats(t *testing.T) {
	b := newBench(t, versions[len(versions)-1])
	for _, f := range families {
		b.create(f)
	}
	src := b.open()
	expected := 0
	for _, f := range families {
		for n := range f.rows {
			b.exec(f.insert(n))
			expected++
		}
	}
	w := newWriters(t)
	got, shapes, seen := map[string][][]string{}, map[string]*changelog.Table{}, 0
	err := follow(t, src, func(table *changelog.Table, ch *changelog.Change) bool {
		shapes[table.Name] = table
		got[table.Name] = append(got[table.Name], w.write(table, ch))
		seen++
		return seen == expected
	})
	if err != nil {
		t.Fatalf("%v after %d changes of %d", err, seen, expected)
	}
	compared := 0
	for _, f := range families {
		texts := []string{"id::text"}
		for i := range f.columns {
			texts = append(texts, strings.ReplaceAll(tellOutput, "$", fmt.Sprintf("c%d", i)))
		}
		for n, want := range b.rows("SELECT " + strings.Join(texts, ", ") + " FROM " + f.name + " ORDER BY " + f.name + ".id") {
			for i, text := range want {
				if c := shapes[f.name].Columns[i]; printed(&c, text) {
					compared++
					if got[f.name][n][i] != text {
						t.Errorf("%s: a %s is written as %.300q, the server prints %.300q", f.name, c.SourceType, got[f.name][n][i], text)
					}
				}
			}
		}
	}
	if compared < 300 {
		t.Errorf("only %d values compared", compared)
	}
}

// printed reports whether canal-json has the server's text of a column. A text says no more of arrays that count from another
// number than 1, and money in them is a plain number.
func printed(c *changelog.Column, text string) bool {
	switch c.Type.Kind {
	case changelog.KindArray:
		return !strings.HasPrefix(text, "[") && c.Type.Elem.SourceType != "money"
	case changelog.KindInterval, changelog.KindTimeTZ, changelog.KindBitString, changelog.KindMap, changelog.KindString, changelog.KindJSON,
		changelog.KindInt, changelog.KindUint, changelog.KindGeometry, changelog.KindVector:
		return true
	}
	return false
}

// writers are the formats' encoders, by table.
type writers struct {
	t       *testing.T
	formats []formats.Format
	seen    map[*changelog.Table][]formats.Encoder
}

func newWriters(t *testing.T) *writers {
	w := &writers{t: t, seen: map[*changelog.Table][]formats.Encoder{}}
	for _, kind := range []formats.Kind{canal.Kind(), debezium.Kind(), debezium.Kind()} {
		cfg := kind.Config()
		if len(w.formats) == 1 {
			cfg.Preset("flink")
		}
		w.formats = append(w.formats, cfg.Format(formats.Env{Server: "types", Version: "test"}))
	}
	return w
}

// write gives the texts of canal-json.
func (w *writers) write(table *changelog.Table, ch *changelog.Change) []string {
	w.t.Helper()
	if w.seen[table] == nil {
		for _, f := range w.formats {
			enc, err := f.Compile(table, formats.Options{Key: table.Key, Upsert: true})
			if err != nil {
				w.t.Fatal(err)
			}
			w.seen[table] = append(w.seen[table], enc)
		}
	}
	txn := &changelog.Txn{ID: "1:1", Commit: 1}
	ctx := &formats.Context{Txn: txn, Run: &changelog.Run{Table: table}}
	var texts []string
	for i, enc := range w.seen[table] {
		value, err := enc.AppendValue(nil, ctx, ch)
		switch {
		case i == 2 && fault.Is(err, fault.UnsupportedType):
			continue // Debezium's defaults have no form for NaN, nor for the longest intervals
		case err != nil:
			w.t.Errorf("format %d: %v", i, err)
			continue
		case !json.Valid(value):
			w.t.Errorf("format %d: %.300q", i, value)
		}
		if i == 0 {
			texts = canalTexts(w.t, value)
		}
	}
	return texts
}

func canalTexts(t *testing.T, value []byte) []string {
	t.Helper()
	ev, err := canal.Kind().Config().Decoder().Decode(nil, value)
	if err != nil {
		t.Fatal(err)
	}
	texts := make([]string, len(ev.After))
	for i, f := range ev.After {
		if texts[i] = null; string(f.JSON) != "null" {
			if err := json.Unmarshal(f.JSON, &texts[i]); err != nil {
				t.Fatal(err)
			}
		}
	}
	return texts
}
