package capture

import (
	"hash/maphash"
	"reflect"
	"slices"
	"sync"

	"cdcbridge/changelog"
)

// Shapes gives each table of a source its number and each version of it one Table, whoever finds it: the stream in the log
// or a Reader in the catalogue. It is safe for concurrent use.
type Shapes struct {
	mu     sync.Mutex
	tables map[string]*shapesOf // by unique name
	seed   maphash.Seed
	alike  map[uint64][]changelog.Column // by their hash
}

type shapesOf struct {
	id       int
	versions int
	known    []*changelog.Table // the newest ones
}

// keptShapes is how many versions of a table are compared with. An older one that comes back is another version.
const keptShapes = 8

// keptAlike bounds the memory of columns that no table may have any more.
const keptAlike = 4096

// ID is the number of the table with that full name.
func (s *Shapes) ID(name string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.of(name).id
}

// Intern gives the known version that is equal to t but for ID and Version, or makes t the newest one and sets these two. Tables whose
// columns are equal get the same ones, as most of thousands of tables have. t must not be changed afterwards.
func (s *Shapes) Intern(t *changelog.Table) *changelog.Table {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.of(t.UniqueName())
	for _, k := range e.known {
		t.ID, t.Version = k.ID, k.Version
		if same(t, k) {
			return k
		}
	}
	t.Columns = s.share(t.Columns)
	e.versions++
	t.ID, t.Version = e.id, e.versions
	if len(e.known) == keptShapes {
		e.known = e.known[1:]
	}
	e.known = append(e.known, t)
	return t
}

// same compares tables. Values are not compared by their memory, which holds pointers.
func same(a, b *changelog.Table) bool {
	x, y := *a, *b
	x.Columns, y.Columns = nil, nil
	return reflect.DeepEqual(x, y) && sameColumns(a.Columns, b.Columns)
}

// share gives the columns that are kept for these.
func (s *Shapes) share(columns []changelog.Column) []changelog.Column {
	if s.alike == nil {
		s.seed, s.alike = maphash.MakeSeed(), map[uint64][]changelog.Column{}
	}
	sum := s.hash(columns)
	kept, ok := s.alike[sum]
	if !ok {
		if len(s.alike) >= keptAlike {
			clear(s.alike)
		}
		s.alike[sum] = columns
	} else if sameColumns(kept, columns) {
		return kept
	}
	return columns
}

// hash is over what tells most columns apart.
func (s *Shapes) hash(columns []changelog.Column) uint64 {
	var h maphash.Hash
	h.SetSeed(s.seed)
	for i := range columns {
		c := &columns[i]
		maphash.WriteComparable(&h, [...]string{c.Name, c.SourceType, c.Default.String(), c.Comment})
		maphash.WriteComparable(&h, [...]bool{c.Nullable, c.Generated, c.Invisible, c.AutoIncrement})
	}
	return h.Sum64()
}

func sameColumns(a, b []changelog.Column) bool {
	if len(a) > 0 && len(a) == len(b) && &a[0] == &b[0] {
		return true
	}
	return slices.EqualFunc(a, b, sameColumn)
}

func sameColumn(a, b changelog.Column) bool {
	x, y := a.Default, b.Default
	a.Default, b.Default = nil, nil
	if x == nil || y == nil {
		return x == y && reflect.DeepEqual(a, b)
	}
	return x.Text == y.Text && x.Value.Equal(y.Value) && reflect.DeepEqual(a, b)
}

func (s *Shapes) of(name string) *shapesOf {
	e := s.tables[name]
	if e == nil {
		if s.tables == nil {
			s.tables = map[string]*shapesOf{}
		}
		e = &shapesOf{id: len(s.tables)}
		s.tables[name] = e
	}
	return e
}
