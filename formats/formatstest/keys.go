package formatstest

import (
	"testing"

	"cdcbridge/changelog"
	"cdcbridge/formats"
)

// keysAreInjective makes every column that can be one a key: the same value gives the same bytes, two values never do.
// A value that the format cannot tell from another one has to be refused, or compaction would lose a row.
func (s *suite) keysAreInjective(t *testing.T) {
	for _, c := range s.db.columns() {
		if c.noKey {
			continue
		}
		name := c.Column
		name.Nullable = false
		table := s.db.table("keyed", changelog.Column{Name: "note", Type: changelog.Type{Kind: changelog.KindString}, SourceType: "text"}, name)
		table.Key = []int{1}
		enc := s.upsert(t, table)
		seen := map[string]int{}
		for n, v := range c.all() {
			row := changelog.Row{changelog.String([]byte("one")), v}
			key, err := enc.AppendKey(nil, row)
			if err != nil {
				if n < len(c.values) {
					t.Errorf("column %s, value %d: %v", c.Name, n, err)
				} else {
					checkRefusal(t, "a value that cannot be a key", err)
				}
				continue
			}
			checkJSON(t, key)
			if other, ok := seen[string(key)]; ok {
				t.Errorf("column %s: values %d and %d have the same key %s", c.Name, other, n, key)
			}
			seen[string(key)] = n
			row[0] = changelog.String([]byte("two"))
			if again, err := enc.AppendKey(nil, row); err != nil || string(again) != string(key) {
				t.Errorf("column %s: the key is %s and then %s, %v", c.Name, key, again, err)
			}
		}
		s.oneKey(t, &c, enc)
	}
}

// oneKey gives the encoder values that are the same key to the database.
func (s *suite) oneKey(t *testing.T, c *column, enc formats.Encoder) {
	first := ""
	for n, v := range c.oneKey {
		key, err := enc.AppendKey(nil, changelog.Row{changelog.Null(), v})
		if err != nil {
			t.Errorf("column %s, value %d of one key: %v", c.Name, n, err)
		}
		if n == 0 {
			first = string(key)
		}
		if string(key) != first {
			t.Errorf("column %s: one key is written as %s and as %s", c.Name, first, key)
		}
	}
}

// keyOrder has a key whose order differs from the table's.
func (s *suite) keyOrder(t *testing.T) {
	text := changelog.Type{Kind: changelog.KindString}
	number := changelog.Type{Kind: changelog.KindInt, Bits: 32}
	table := s.db.table("composite",
		changelog.Column{Name: "a", Type: number, SourceType: "int"}, changelog.Column{Name: "b", Type: text, SourceType: "text", Nullable: true},
		changelog.Column{Name: "c", Type: number, SourceType: "int"}, changelog.Column{Name: "d", Type: text, SourceType: "varchar(9)"})
	table.Key = []int{3, 0, 2}
	row := changelog.Row{changelog.Int(5), changelog.Null(), changelog.Int(6), changelog.String([]byte("zz"))}
	ev := s.roundTrip(t, table, s.upsert(t, table), changelog.Change{Op: changelog.Insert, After: row})
	got := ""
	for _, f := range ev.Key {
		got += f.Name + "=" + plain(t, f) + " "
	}
	if want := "d=zz a=5 c=6 "; got != want {
		t.Errorf("the key is %q, want %q", got, want)
	}
	checkFields(t, table, ev.After, row)
	// Texts that run together must stay apart.
	table.Key = []int{3, 1}
	enc := s.upsert(t, table)
	seen := map[string]bool{}
	for _, pair := range [][2]string{{"a", "bc"}, {"ab", "c"}, {"", "abc"}, {"abc", ""}, {`a","b`, "c"}, {"a", `","bc`}} {
		row[3], row[1] = changelog.String([]byte(pair[0])), changelog.String([]byte(pair[1]))
		key, err := enc.AppendKey(nil, row)
		if err != nil || seen[string(key)] {
			t.Errorf("%q: key %s, %v", pair, key, err)
		}
		seen[string(key)] = true
	}
}
