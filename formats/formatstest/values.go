package formatstest

import (
	"encoding/json"
	"strconv"
	"testing"

	"cdcbridge/changelog"
	"cdcbridge/formats"
)

// valuesSurvive writes every value of every column: each is valid JSON under its own name, and no two look the same.
func (s *suite) valuesSurvive(t *testing.T) {
	cols := s.db.columns()
	table := s.db.wide(cols)
	enc := s.upsert(t, table)
	for i, c := range cols {
		seen := map[string]int{"null": -1}
		all := c.all()
		for n := -1; n < len(all); n++ {
			row := wideRow(cols, 1)
			if row[i+1] = changelog.Null(); n >= 0 {
				row[i+1] = all[n]
			}
			ch := changelog.Change{Op: changelog.Insert, After: row}
			if _, err := enc.AppendValue(nil, context(table), &ch); err != nil && n >= len(c.values)+len(c.lossy) {
				checkRefusal(t, "a value that may have no form", err)
				continue
			}
			ev := s.roundTrip(t, table, enc, ch)
			if n >= len(c.values) {
				continue // valid JSON is all that is asked
			}
			checkFields(t, table, ev.After, row)
			if n < 0 {
				continue
			}
			text := string(ev.After[i+1].JSON)
			if other, ok := seen[text]; ok {
				t.Errorf("column %s: values %d and %d are both written as %s", c.Name, other, n, text)
			}
			seen[text] = n
		}
	}
}

// plainValuesAreExact checks the kinds that have one sensible text in every format, quoted or not.
func (s *suite) plainValuesAreExact(t *testing.T) {
	cols := s.db.columns()
	table := s.db.wide(cols)
	enc := s.upsert(t, table)
	for i, c := range cols {
		if c.SourceType == "point" {
			continue // a text that a format may take apart
		}
		for _, v := range c.values {
			var want string
			switch v.Kind() {
			case changelog.KindInt:
				if want = strconv.FormatInt(v.Int(), 10); c.Type.Year && v.Int() == 0 {
					continue // the zero year has a text of its own: 0 or 0000
				}
			case changelog.KindString:
				want = string(v.Bytes())
			default:
				continue
			}
			row := wideRow(cols, 1)
			row[i+1] = v
			ev := s.roundTrip(t, table, enc, changelog.Change{Op: changelog.Insert, After: row})
			if got := plain(t, ev.After[i+1]); got != want {
				t.Errorf("column %s: got %q, want %q", c.Name, got, want)
			}
		}
	}
}

// plain gives the text of a scalar without its quotes.
func plain(t *testing.T, f formats.Field) string {
	t.Helper()
	if len(f.JSON) == 0 || f.JSON[0] != '"' {
		return string(f.JSON)
	}
	var text string
	if err := json.Unmarshal(f.JSON, &text); err != nil {
		t.Fatalf("field %s: %v", f.Name, err)
	}
	return text
}

// oddNamesSurvive uses names that need escaping wherever a name can stand.
func (s *suite) oddNamesSurvive(t *testing.T) {
	for i, name := range []string{"a.b", "1st", "q\"uo\\te", "ünï ☃ 😀", "\u2028", "data", "before", "payload", "x\x01y", "%s{}"} {
		table := s.db.table(name,
			changelog.Column{Name: name, Type: changelog.Type{Kind: changelog.KindInt, Bits: 64}, SourceType: "bigint"},
			changelog.Column{Name: "second", Type: changelog.Type{Kind: changelog.KindString}, SourceType: "text", Nullable: true})
		table.Database = "db" + name
		if table.Schema != "" {
			table.Schema = "schema" + name
		}
		row := changelog.Row{changelog.Int(int64(i)), changelog.Null()}
		enc := s.upsert(t, table)
		ev := s.roundTrip(t, table, enc, changelog.Change{Op: changelog.Insert, After: row})
		checkFields(t, table, ev.After, row)
		checkTable(t, enc, table, ev)
		if len(ev.Key) != 1 || ev.Key[0].Name != name {
			t.Errorf("got the key %v, want the field %q", ev.Key, name)
		}
	}
}
