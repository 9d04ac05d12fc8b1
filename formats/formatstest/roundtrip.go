package formatstest

import (
	"bytes"
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"cdcbridge/changelog"
	"cdcbridge/formats"
)

// Trip is one set of options under which what is written must read back as it was.
type Trip struct {
	Name   string
	Config func() formats.Config
	Lost   []Loss
}

// Loss is a column of the fixture whose values do not all come back. A loss that does not happen is an error too.
type Loss struct {
	Origin  string // kind of the database; "": of all that have the column
	Column  string
	Why     string
	Key     bool                                    // as a key only
	Refused bool                                    // some of its values cannot be written at all
	Reads   func(v changelog.Value) changelog.Value // what comes back for v; nil: anything of the column's kind, or NULL
}

// RoundTrip holds the Reader of a format to decode(encode(x)) == x under each set of options, for every type of every kind of
// database: values, keys, operations and images, of the fixture and of random rows. The Config must be a formats.ReaderMaker.
// The reader is given the real tables. Only values that the fixture calls lossy or maybe, and the losses of the trip, may
// read back as something else; values of the first never as an error.
func RoundTrip(t *testing.T, trips ...Trip) {
	t.Helper()
	for _, trip := range trips {
		t.Run(trip.Name, func(t *testing.T) {
			for _, db := range databases() {
				r := &traveller{trip: trip, db: db, cols: db.columns(), happened: map[int]bool{}}
				r.table = db.wide(r.cols)
				t.Run(db.origin, r.run)
				for i := range trip.Lost {
					if r.concerns(i) && !r.happened[i] {
						t.Errorf("column %s of %s is said to lose values, and loses none", trip.Lost[i].Column, db.origin)
					}
				}
			}
		})
	}
}

// reporter is what testing and rapid have in common.
type reporter interface {
	Helper()
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
}

// traveller sends the rows of one kind of database through encoder and reader.
type traveller struct {
	trip     Trip
	db       database
	cols     []column
	table    *changelog.Table
	happened map[int]bool // by index of the loss
}

// concerns reports whether a loss is about a column of this database.
func (r *traveller) concerns(i int) bool {
	l := &r.trip.Lost[i]
	return (l.Origin == "" || l.Origin == r.db.origin) && r.table.ColumnIndex(l.Column) >= 0
}

// loss finds the index of what the trip says of a column, or -1.
func (r *traveller) loss(name string, key bool) int {
	for i := range r.trip.Lost {
		if l := &r.trip.Lost[i]; l.Column == name && l.Key == key && r.concerns(i) {
			return i
		}
	}
	return -1
}

func (r *traveller) run(t *testing.T) {
	t.Run("values come back", r.valuesComeBack)
	t.Run("keys come back", r.keysComeBack)
	t.Run("changes come back", r.changesComeBack)
	t.Run("tables without a description", r.undescribed)
	t.Run("bad records leave no trace", r.badRecords)
	t.Run("random rows come back", r.randomRows)
	t.Run("allocations are bounded by rows", r.fewAllocations)
}

func (r *traveller) topic(table *changelog.Table) string { return "shop1." + table.FullName() }

func (r *traveller) compile(table *changelog.Table) (formats.Encoder, error) {
	return r.trip.Config().Format(env()).Compile(table, formats.Options{Key: table.Key, Topic: r.topic(table), Upsert: true})
}

// row is a row of the fixture, without columns whose values may be refused.
func (r *traveller) row(pick int) changelog.Row {
	row := wideRow(r.cols, pick)
	for i := range r.cols {
		if r.refused(&r.cols[i]) {
			row[i+1] = changelog.Null()
		}
	}
	return row
}

func (r *traveller) refused(c *column) bool {
	n := r.loss(c.Name, false)
	return n >= 0 && r.trip.Lost[n].Refused
}

func (r *traveller) encoder(t reporter, table *changelog.Table) formats.Encoder {
	t.Helper()
	enc, err := r.compile(table)
	if err != nil {
		t.Fatalf("compiling %s: %v", table.FullName(), err)
	}
	return enc
}

// reader makes a reader that knows the given tables.
func (r *traveller) reader(t reporter, tables ...*changelog.Table) formats.Reader {
	t.Helper()
	maker, ok := r.trip.Config().(formats.ReaderMaker)
	if !ok {
		t.Fatalf("the format has no reader")
	}
	return maker.Reader(formats.ReaderOptions{
		Table: func(namespace, name string) *changelog.Table {
			for _, table := range tables {
				if table.Namespace() == namespace && table.Name == name {
					return table
				}
			}
			return nil
		},
		Intern: func(table *changelog.Table) *changelog.Table { return table },
	})
}

// write makes the record of a change. The error is the encoder's.
func (r *traveller) write(enc formats.Encoder, table *changelog.Table, ch changelog.Change) (*formats.Record, error) {
	row := ch.After
	if row == nil {
		row = ch.Before
	}
	key, err := enc.AppendKey(nil, row)
	if err != nil {
		return nil, fmt.Errorf("encoding the key of %s: %w", ch.Op, err)
	}
	value, err := enc.AppendValue(nil, context(table), &ch)
	if err != nil {
		return nil, fmt.Errorf("encoding the value of %s: %w", ch.Op, err)
	}
	return &formats.Record{Topic: r.topic(table), Partition: 3, Offset: 41, Timestamp: commit / 1000, Key: key, Value: value}, nil
}

// read reads a record and then overwrites it, as whoever fetched it will.
func read(rd formats.Reader, b *changelog.Batch, rec *formats.Record) error {
	own := *rec
	own.Key, own.Value = bytes.Clone(rec.Key), bytes.Clone(rec.Value)
	err := rd.Read(b, &own)
	for i := range own.Key {
		own.Key[i] = '#'
	}
	for i := range own.Value {
		own.Value[i] = '#'
	}
	return err
}

// readOne reads a record of one change of the table.
func readOne(t reporter, rd formats.Reader, rec *formats.Record, table *changelog.Table) *changelog.Change {
	t.Helper()
	b := new(changelog.Batch)
	if err := read(rd, b, rec); err != nil {
		t.Fatalf("reading %s %s: %v", rec.Key, rec.Value, err)
	}
	if len(b.Changes) != 1 || len(b.Runs) != 1 || len(b.Txns) != 1 || len(b.Notes) != 0 {
		t.Fatalf("%s: %d changes, %d runs, %d transactions, %d notes", rec.Value, len(b.Changes), len(b.Runs), len(b.Txns), len(b.Notes))
	}
	if run := b.Runs[0]; run.Table != table || run.From != 0 || run.To != 1 || run.Txn != 0 {
		t.Fatalf("%s: the run is %+v, the table should be %s", rec.Value, run, table.FullName())
	}
	return &b.Changes[0]
}

// checkValue holds a value that was read to the one that was written.
func (r *traveller) checkValue(t reporter, c *column, wrote, got changelog.Value, rec *formats.Record) {
	t.Helper()
	if got.Equal(wrote) {
		return
	}
	i := r.loss(c.Name, false)
	if i < 0 {
		t.Errorf("column %s: wrote %s, read %s\nfrom %s", c.Name, describe(wrote), describe(got), rec.Value)
		return
	}
	r.happened[i] = true
	if reads := r.trip.Lost[i].Reads; reads != nil {
		if want := reads(wrote); !got.Equal(want) {
			t.Errorf("column %s: wrote %s, read %s, want %s", c.Name, describe(wrote), describe(got), describe(want))
		}
		return
	}
	checkKind(t, c, got)
}

// checkKind asks for no more of a value than that the column can have it.
func checkKind(t reporter, c *column, got changelog.Value) {
	t.Helper()
	if !got.IsNull() && got.Kind() != c.Type.Kind {
		t.Errorf("column %s has kind %d and read %s", c.Name, c.Type.Kind, describe(got))
	}
}

// valuesComeBack writes and reads every value of every column.
func (r *traveller) valuesComeBack(t *testing.T) {
	enc, rd := r.encoder(t, r.table), r.reader(t, r.table)
	for i := range r.cols {
		c := &r.cols[i]
		all := append([]changelog.Value{changelog.Null()}, c.all()...)
		for n, v := range all {
			row := r.row(1)
			row[i+1] = v
			rec, err := r.write(enc, r.table, changelog.Change{Op: changelog.Insert, After: row})
			if err != nil {
				r.refusal(t, c, n > len(c.values)+len(c.lossy), err)
				continue
			}
			got := readOne(t, rd, rec, r.table).After
			if len(got) != len(row) {
				t.Fatalf("%d values of %d", len(got), len(row))
			}
			if n > len(c.values) {
				checkKind(t, c, got[i+1])
				continue
			}
			r.checkValue(t, c, v, got[i+1], rec)
		}
	}
}

// refusal judges that an encoder did not write a value.
func (r *traveller) refusal(t reporter, c *column, allowed bool, err error) {
	t.Helper()
	if i := r.loss(c.Name, false); i >= 0 && r.trip.Lost[i].Refused {
		r.happened[i] = true
		return
	}
	if !allowed {
		t.Errorf("column %s: %v", c.Name, err)
	}
}

// written reports whether an encoder takes a value in a column of which it refuses some.
func (r *traveller) written(enc formats.Encoder, i int, v changelog.Value) bool {
	row := r.row(1)
	row[i+1] = v
	_, err := enc.AppendValue(nil, context(r.table), &changelog.Change{Op: changelog.Insert, After: row})
	if err != nil {
		r.happened[r.loss(r.cols[i].Name, false)] = true
	}
	return err == nil
}

// describe shows a value to people.
func describe(v changelog.Value) string {
	switch {
	case v.IsNull():
		return "NULL"
	case v.IsUnchanged():
		return "unchanged"
	case v.Elems() != nil:
		text := fmt.Sprintf("kind %d [", v.Kind())
		for _, e := range v.Elems() {
			text += " " + describe(e)
		}
		return text + " ]"
	}
	return fmt.Sprintf("kind %d form %d number %d bytes %.200q", v.Kind(), v.Form(), v.Int(), v.Bytes())
}

// randomRows sends random rows through.
func (r *traveller) randomRows(t *testing.T) {
	enc, rd := r.encoder(t, r.table), r.reader(t, r.table)
	draw := func(rt *rapid.T) changelog.Row {
		row := changelog.Row{changelog.Int(rapid.Int64().Draw(rt, "id"))}
		for i := range r.cols {
			v := random(rt, r.db.origin, &r.cols[i])
			if r.refused(&r.cols[i]) && !r.written(enc, i, v) {
				v = changelog.Null()
			}
			row = append(row, v)
		}
		return row
	}
	rapid.Check(t, func(rt *rapid.T) {
		before, after := draw(rt), draw(rt)
		before[0] = after[0]
		rec, err := r.write(enc, r.table, changelog.Change{Op: changelog.Update, Before: before, After: after})
		if err != nil {
			rt.Fatalf("%v", err)
		}
		got := readOne(rt, rd, rec, r.table)
		if rowsAlone(enc) && (got.Op == changelog.Upsert || got.Op == changelog.Update) && got.Before == nil {
			got.Op, got.Before, before = changelog.Update, got.After, after
		}
		if got.Op != changelog.Update || len(got.Before) != len(before) || len(got.After) != len(after) {
			rt.Fatalf("read %+v from %s", got, rec.Value)
		}
		for i := range r.cols {
			r.checkValue(rt, &r.cols[i], before[i+1], got.Before[i+1], rec)
			r.checkValue(rt, &r.cols[i], after[i+1], got.After[i+1], rec)
		}
	})
}
