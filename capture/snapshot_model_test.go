package capture_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"cdcbridge/capture"
	"cdcbridge/changelog"
)

// The model of a database that the tests of snapshots run against: a log of transactions, and tables that show them later and not in
// the order of the log. Two transactions of one row are visible in their order, because the first holds the row's lock until then,
// as in every database that has transactions.

// modelKey is the value of the columns a and b, of which tables have one or both as key; the other is constant.
type modelKey struct {
	A int64
	B string
}

func compareKeys(x, y modelKey) int {
	return cmp.Or(cmp.Compare(x.A, y.A), cmp.Compare(x.B, y.B))
}

func (k modelKey) cursor() capture.Cursor {
	text, _ := json.Marshal(k)
	return capture.Cursor(text)
}

func keyAt(c capture.Cursor) modelKey {
	var k modelKey
	if err := json.Unmarshal([]byte(c), &k); err != nil {
		panic(err)
	}
	return k
}

// modelRow is what a row has beside its key.
type modelRow struct {
	version uint64
	pad     string
}

// modelChange is a row change. old is the key before it, unless it is an insert.
type modelChange struct {
	op       changelog.Op
	table    string
	shape    *changelog.Table
	old, key modelKey
	row      modelRow
	before   modelRow
	partial  bool      // the log does not carry the pad
	signal   [3]string // of the signal table: id, type, data
	locks    []modelKey
}

// modelTxn is a transaction of the log.
type modelTxn struct {
	changes []modelChange
	kind    changelog.NoteKind // 0: row changes
	table   string             // of a note
	vague   bool               // the note does not say which table it is about
	shape   *changelog.Table   // that a note makes
	version uint64             // of a note
}

type modelTable struct {
	name    string
	key     []string
	shape   *changelog.Table
	seen    *changelog.Table // as scans see it
	head    map[modelKey]modelRow
	visible map[modelKey]modelRow
	locked  map[modelKey]int
	ddl     int // transactions that lock all of it
	users   int // transactions that are not visible
	hidden  bool
	dropped bool
	keyless bool
	signals bool // is the signal table
}

type modelDB struct {
	mu        sync.Mutex
	rnd       *rand.Rand
	log       []*modelTxn
	invisible map[int]bool
	newest    int // highest index of a visible transaction + 1
	tables    map[string]*modelTable
	names     []string
	versions  uint64
	slow      time.Duration // longest time until a transaction is visible
	delay     time.Duration // what it is for each; 0: random
	partial   int           // one of so many updates does not carry all; 0: none
	listErr   error         // of Scannable
	grown     chan struct{} // the log has grown; closed and replaced
}

func newModelDB(seed uint64) *modelDB {
	return &modelDB{
		rnd: rand.New(rand.NewPCG(seed, 1)), invisible: map[int]bool{}, tables: map[string]*modelTable{},
		slow: 30 * time.Millisecond, grown: make(chan struct{}),
	}
}

// add makes a table with rows that were there before the log begins.
func (db *modelDB) add(name string, key []string, rows int) *modelTable {
	db.mu.Lock()
	defer db.mu.Unlock()
	t := &modelTable{name: name, key: key, head: map[modelKey]modelRow{}, visible: map[modelKey]modelRow{}, locked: map[modelKey]int{}}
	t.shape = shapeOf(name, key, 1)
	t.seen = t.shape
	for len(t.head) < rows {
		k := t.randomKey(db.rnd)
		if _, taken := t.head[k]; !taken {
			db.versions++
			t.head[k] = modelRow{db.versions, db.pad()}
			t.visible[k] = t.head[k]
		}
	}
	db.tables[name] = t
	db.names = append(db.names, name)
	slices.Sort(db.names)
	return t
}

// keySpace is how many keys a table can have: few, so that they are hot.
const keySpace = 60

func (t *modelTable) randomKey(rnd *rand.Rand) modelKey {
	n := rnd.IntN(keySpace)
	if rnd.IntN(3) == 0 {
		n = rnd.IntN(6) * 9 // hot ones, all over the table
	}
	switch {
	case len(t.key) == 2:
		return modelKey{int64(n / 3), string("xyz"[n%3])}
	case t.key[0] == "a":
		return modelKey{A: int64(n)}
	}
	return modelKey{B: fmt.Sprintf("k%02d", n)}
}

func (db *modelDB) pad() string { return fmt.Sprintf("p%d", db.rnd.IntN(1000)) }

// shapeOf is a table with so many columns that are always NULL.
func shapeOf(name string, key []string, version int) *changelog.Table {
	s := &changelog.Table{Version: version, Origin: "model", Database: "shop", Name: name, Columns: []changelog.Column{
		{Name: "a", Type: changelog.Type{Kind: changelog.KindInt, Bits: 64}, SourceType: "bigint"},
		{Name: "b", Type: changelog.Type{Kind: changelog.KindString}, SourceType: "text"},
		{Name: "v", Type: changelog.Type{Kind: changelog.KindUint, Bits: 64}, SourceType: "bigint"},
		{Name: "pad", Type: changelog.Type{Kind: changelog.KindString}, SourceType: "text"},
	}}
	for i := range version - 1 {
		s.Columns = append(s.Columns, changelog.Column{Name: fmt.Sprintf("extra%d", i), Type: changelog.Type{Kind: changelog.KindString}, SourceType: "text", Nullable: true})
	}
	for _, k := range key {
		s.Key = append(s.Key, s.ColumnIndex(k))
	}
	return s
}

// image is a row as it stands in batches.
func image(b *changelog.Batch, shape *changelog.Table, k modelKey, r modelRow) changelog.Row {
	row := b.NewRow(len(shape.Columns))
	row[0], row[1] = changelog.Int(k.A), changelog.String(b.Copy([]byte(k.B)))
	row[2], row[3] = changelog.Uint(r.version), changelog.String(b.Copy([]byte(r.pad)))
	return row
}

// keyImage is an old row of which the log has the key alone.
func keyImage(b *changelog.Batch, shape *changelog.Table, k modelKey) changelog.Row {
	row := image(b, shape, k, modelRow{})
	for i := range row {
		if !slices.Contains(shape.Key, i) {
			row[i] = changelog.Null()
		}
	}
	return row
}

// keyOf reads the key columns; columns that are no part of the key are as the table's keys have them.
func keyOf(shape *changelog.Table, row changelog.Row) modelKey {
	var k modelKey
	for _, i := range shape.Key {
		switch i {
		case 0:
			k.A = row[0].Int()
		case 1:
			k.B = string(row[1].Bytes())
		}
	}
	return k
}

// transact commits a transaction of up to n random changes. It gives false when no row was free.
func (db *modelDB) transact(n int) bool {
	db.mu.Lock()
	defer db.mu.Unlock()
	x := &modelTxn{}
	for range n {
		t := db.tables[db.names[db.rnd.IntN(len(db.names))]]
		if t.ddl > 0 || t.dropped || t.signals {
			continue
		}
		if c, ok := db.change(t, x); ok {
			x.changes = append(x.changes, c)
		}
	}
	if len(x.changes) == 0 {
		return false
	}
	db.commit(x)
	return true
}

// free reports a row that this transaction may change.
func (t *modelTable) free(x *modelTxn, k modelKey) bool {
	if t.locked[k] == 0 {
		return true
	}
	return slices.ContainsFunc(x.changes, func(c modelChange) bool { return c.table == t.name && slices.Contains(c.locks, k) })
}

func (db *modelDB) change(t *modelTable, x *modelTxn) (modelChange, bool) {
	k := t.randomKey(db.rnd)
	if !t.free(x, k) {
		return modelChange{}, false
	}
	db.versions++
	c := modelChange{table: t.name, shape: t.shape, old: k, key: k, row: modelRow{db.versions, db.pad()}, locks: []modelKey{k}}
	before, there := t.head[k]
	c.before = before
	switch dice := db.rnd.IntN(10); {
	case !there:
		c.op = changelog.Insert
	case dice < 3:
		c.op = changelog.Delete
	case dice < 6:
		c.op = changelog.Update
		if to := t.randomKey(db.rnd); to != k && t.free(x, to) {
			if _, taken := t.head[to]; !taken {
				c.key, c.locks = to, append(c.locks, to)
			}
		}
	default:
		c.op = changelog.Update
		if db.partial > 0 && len(t.shape.Key) > 0 && db.rnd.IntN(db.partial) == 0 {
			c.partial, c.row.pad = true, before.pad
		}
	}
	for _, l := range c.locks {
		t.locked[l]++
	}
	c.apply(t.head)
	return c, true
}

// apply makes the change in rows.
func (c *modelChange) apply(rows map[modelKey]modelRow) {
	if c.op != changelog.Insert {
		delete(rows, c.old)
	}
	if c.op != changelog.Delete {
		rows[c.key] = c.row
	}
}

// note commits a TRUNCATE or the DDL that adds a column, when the table's transactions are visible.
func (db *modelDB) note(kind changelog.NoteKind, name string) {
	db.mu.Lock()
	defer db.mu.Unlock()
	t := db.tables[name]
	t.ddl++
	defer func() { t.ddl-- }()
	for t.users > 0 {
		db.mu.Unlock()
		time.Sleep(time.Millisecond)
		db.mu.Lock()
	}
	db.versions++
	x := &modelTxn{kind: kind, table: name, shape: t.shape, version: db.versions, vague: kind == changelog.DDL && db.rnd.IntN(2) == 0}
	if kind == changelog.Truncate {
		clear(t.head)
	} else {
		t.shape = shapeOf(name, t.logged(), t.shape.Version+1)
		x.shape = t.shape
	}
	db.commit(x)
}

// beat commits a transaction without changes, as servers do for their own purposes and sources to move an idle log.
func (db *modelDB) beat() {
	db.mu.Lock()
	defer db.mu.Unlock()
	db.commit(&modelTxn{})
}

// commit writes the transaction to the log; it is visible later.
func (db *modelDB) commit(x *modelTxn) {
	at := len(db.log)
	db.log = append(db.log, x)
	db.invisible[at] = true
	db.each(x, func(t *modelTable) { t.users++ })
	if x.kind != 0 {
		db.tables[x.table].ddl++
	}
	close(db.grown)
	db.grown = make(chan struct{})
	delay := time.Duration(db.rnd.Int64N(int64(db.slow) + 1))
	if db.rnd.IntN(3) == 0 {
		delay = 0
	}
	if db.delay > 0 {
		delay = db.delay
	}
	time.AfterFunc(delay, func() { db.show(at) })
}

// each calls f for each table of a transaction.
func (db *modelDB) each(x *modelTxn, f func(*modelTable)) {
	if x.kind != 0 {
		f(db.tables[x.table])
	}
	var done []string
	for i := range x.changes {
		if n := x.changes[i].table; !slices.Contains(done, n) {
			done = append(done, n)
			f(db.tables[n])
		}
	}
}

// show makes a transaction visible and frees its locks.
func (db *modelDB) show(at int) {
	db.mu.Lock()
	defer db.mu.Unlock()
	x := db.log[at]
	delete(db.invisible, at)
	db.newest = max(db.newest, at+1)
	db.each(x, func(t *modelTable) { t.users-- })
	for i := range x.changes {
		c := &x.changes[i]
		t := db.tables[c.table]
		c.apply(t.visible)
		for _, l := range c.locks {
			t.locked[l]--
		}
	}
	if x.kind != 0 {
		t := db.tables[x.table]
		t.ddl--
		t.seen = x.shape
		if x.kind == changelog.Truncate {
			clear(t.visible)
		}
	}
}

// sees reports whether all of the log before a place is visible.
func (db *modelDB) sees(at int) bool {
	for i := range db.invisible {
		if i < at {
			return false
		}
	}
	return true
}

// settled reports that everything in the log is visible.
func (db *modelDB) settled() bool {
	db.mu.Lock()
	defer db.mu.Unlock()
	return len(db.invisible) == 0
}

func (db *modelDB) length() int {
	db.mu.Lock()
	defer db.mu.Unlock()
	return len(db.log)
}
