package plain

import (
	"errors"
	"fmt"

	"cdcbridge/changelog"
	"cdcbridge/formats"
	"cdcbridge/formats/internal/jsonx"
	"cdcbridge/formats/internal/typed"
)

// source is one table that records are about.
type source struct {
	name    name
	full    string // name as our headers have it; "": no header has been seen
	plan    *plan
	from    *changelog.Table // that the options gave; nil: the plan is a guess
	guesses map[string]*typed.Guess
	order   []string // columns of the guess, in the order of their first occurrence
	ordered []*typed.Guess
	key     []string // columns of the keys
}

// plan reads the rows of one version of a table.
type plan struct {
	table   *changelog.Table
	columns []*typed.Column
	keys    []*typed.Column // as the record key has them
	names   []string
	byName  map[string]int
	seen    []int // by column: the last row that had it
	round   int   // number of the row
}

func (r *reader) newPlan(t *changelog.Table, f typed.Forms) (*plan, error) {
	p := &plan{table: t, byName: make(map[string]int, len(t.Columns)), seen: make([]int, len(t.Columns))}
	keyForms := f
	keyForms.Nested = false
	for i := range t.Columns {
		c := &t.Columns[i]
		if _, ours := r.fields[c.Name]; ours {
			return nil, fmt.Errorf("column %s of table %s is also a field of add_fields", c.Name, t.FullName())
		}
		col, err := typed.NewColumn(t.Origin, c, f)
		if err != nil {
			return nil, fmt.Errorf("column %s of table %s: %w", c.Name, t.FullName(), err)
		}
		key, err := typed.NewColumn(t.Origin, c, keyForms)
		if err != nil {
			return nil, err
		}
		p.columns, p.keys, p.names = append(p.columns, col), append(p.keys, key), append(p.names, c.Name)
		p.byName[c.Name] = i
	}
	return p, nil
}

// known gives the plan of a table that the options describe, nil where they do not.
func (r *reader) known(s *source) (*plan, error) {
	if r.opts.Table == nil {
		return nil, nil
	}
	t := r.opts.Table(s.name.namespace, s.name.table)
	if t == nil {
		return nil, nil
	}
	if s.plan == nil || s.from != t {
		p, err := r.newPlan(t, r.forms)
		if err != nil {
			return nil, err
		}
		s.plan, s.from = p, t
	}
	return s.plan, nil
}

// planOf gives the plan for the record's value.
func (r *reader) planOf(s *source, rec *formats.Record) (*plan, error) {
	p, err := r.known(s)
	if p != nil || err != nil {
		return p, err
	}
	wider := s.plan == nil || s.from != nil
	if rec.Key != nil && r.cfg.KeyFormat == keyJSON {
		wider = s.keyColumns(&r.key) || wider
	}
	at := 0
	for n := 0; n < r.value.Len(); n = r.value.Next(n) {
		name := r.value.Name(n)
		if len(r.fields) > 0 {
			if _, ours := r.fields[string(name)]; ours {
				continue
			}
		}
		wider = s.widen(at, name, r.value.Value(n)) || wider
		at++
	}
	if !wider {
		return s.plan, nil
	}
	return r.guess(s)
}

// planOfKey gives the plan for a record that has a key only.
func (r *reader) planOfKey(s *source) (*plan, error) {
	p, err := r.known(s)
	if p != nil || err != nil {
		return p, err
	}
	if r.cfg.KeyFormat == keyRaw {
		return nil, errors.New("the key is raw, and nobody says what the table's columns are")
	}
	wider := s.keyColumns(&r.key) || s.plan == nil || s.from != nil
	for n, at := 0, 0; n < r.key.Len(); n, at = r.key.Next(n), at+1 {
		wider = s.widen(at, r.key.Name(n), r.key.Value(n)) || wider
	}
	if !wider {
		return s.plan, nil
	}
	return r.guess(s)
}

// widen takes a value of a column in, and reports whether that changes the table. The column may be that which is in this place.
func (s *source) widen(at int, name, raw []byte) bool {
	if at < len(s.order) && s.order[at] == string(name) {
		return s.ordered[at].Widen(raw)
	}
	g, known := s.guesses[string(name)]
	if !known {
		if s.guesses == nil {
			s.guesses = map[string]*typed.Guess{}
		}
		g = new(typed.Guess)
		s.guesses[string(name)] = g
		s.order, s.ordered = append(s.order, string(name)), append(s.ordered, g)
	}
	return g.Widen(raw) || !known
}

// keyColumns takes the columns of a key in, and reports whether they are others than before.
func (s *source) keyColumns(key *jsonx.Index) bool {
	i := 0
	same := true
	for n := 0; n < key.Len(); n = key.Next(n) {
		same = same && i < len(s.key) && s.key[i] == string(key.Name(n))
		i++
	}
	if same && i == len(s.key) {
		return false
	}
	s.key = s.key[:0]
	for n := 0; n < key.Len(); n = key.Next(n) {
		s.key = append(s.key, string(key.Name(n)))
	}
	return true
}

// maxColumns is more than any database has in a table.
const maxColumns = 10_000

// guess makes another version of a table that nobody describes: all columns that have been seen.
func (r *reader) guess(s *source) (*plan, error) {
	if len(s.order) == 0 {
		return nil, errors.New("the row has no column")
	}
	if len(s.order) > maxColumns {
		return nil, fmt.Errorf("table %s.%s would have %d columns", s.name.namespace, s.name.table, len(s.order))
	}
	t := &changelog.Table{Database: s.name.namespace, Name: s.name.table, Inferred: true}
	for _, name := range s.order {
		t.Columns = append(t.Columns, s.guesses[name].Column(name))
	}
	for _, name := range s.key {
		if i := t.ColumnIndex(name); i >= 0 {
			t.Key = append(t.Key, i)
		}
	}
	p, err := r.newPlan(r.opts.Intern(t), typed.Forms{Nested: true})
	if err != nil {
		return nil, err
	}
	copy(p.keys, p.columns)
	s.plan, s.from = p, nil
	return p, nil
}
