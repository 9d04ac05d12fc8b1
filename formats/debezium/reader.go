package debezium

import (
	"bytes"
	"errors"
	"fmt"
	"unicode/utf8"

	"cdcbridge/changelog"
	"cdcbridge/formats"
	"cdcbridge/formats/internal/deletes"
	"cdcbridge/formats/internal/jsonx"
	"cdcbridge/internal/fault"
)

// reader reads messages of Debezium 1.9 and later, of Flink, and ours, into typed rows: fields in any order, with or without
// schemas. What a column is comes from the table, if that is known; how it is written from the message's schema or else from
// the options.
//
//	reader.go          one record: which kind of message it is, and what becomes of it
//	reader_source.go   the source block: transaction, run, place in the log
//	reader_table.go    which table a message is about, and the plan that reads its rows
//	reader_schema.go   a table as a schema of Kafka Connect describes it
//	reader_meaning.go  the column that the schema of a field means
//	reader_guess.go    a table of what JSON alone tells
//	reader_note.go     what is no change of a row
//	inbound.go         one column: the counterpart of column.go
//	inbound_*.go       its values, family by family; clock.go texts that are times
type reader struct {
	cfg     Config
	options formats.ReaderOptions
	tables  map[string]*origin // by database, schema and name as they stand in the message
	topics  map[string]*origin // what the last message of each topic was about
	last    *origin
	log     string // that the last place was in
	deleted deletes.Last

	// While a record is read.
	batch    *changelog.Batch
	key      jsonx.Index
	value    jsonx.Index
	record   *formats.Record
	place    place
	wrapping []byte // what stands before the payload of a message with a schema
	scratch  []byte
	padding  int // zeros that were put into decimals
	seen     []bool
}

// Reader makes a reader of messages that were written with these options, or that say themselves how they were written.
func (c *Config) Reader(o formats.ReaderOptions) formats.Reader {
	return &reader{cfg: *c, options: o, tables: map[string]*origin{}, topics: map[string]*origin{}, deleted: deletes.Last{}}
}

var _ formats.ReaderMaker = (*Config)(nil)

// Read appends what one record says to the batch.
func (r *reader) Read(b *changelog.Batch, rec *formats.Record) error {
	r.batch, r.record, r.padding = b, rec, 0
	txns, runs, notes := len(b.Txns), len(b.Runs), len(b.Notes)
	part, err := r.read()
	r.batch, r.record = nil, nil
	if err == nil {
		return nil
	}
	b.Txns, b.Runs, b.Notes = b.Txns[:txns], b.Runs[:runs], b.Notes[:notes]
	if fault.As(err) != nil {
		return err
	}
	return bad(part, err)
}

var errUTF8 = errors.New("the text is not UTF-8")

// read names the part of the record that its error is about.
func (r *reader) read() (part string, err error) {
	rec := r.record
	keyed := rec.Key != nil
	if keyed {
		if err := r.readKey(); err != nil {
			return "key", err
		}
	}
	if rec.Value == nil {
		return "key", r.tombstone(keyed)
	}
	if !utf8.Valid(rec.Value) {
		return "value", errUTF8
	}
	return "value", r.message(keyed)
}

func (r *reader) readKey() error {
	if !utf8.Valid(r.record.Key) {
		return errUTF8
	}
	payload, err := unwrap(r.record.Key)
	if err != nil {
		return err
	}
	return r.key.Parse(payload, 1)
}

// message reads a record that has a value.
func (r *reader) message(keyed bool) error {
	schema, err := r.payload(r.record.Value)
	if err != nil {
		return err
	}
	var e envelope
	if err := e.find(&r.value); err != nil {
		return err
	}
	if e.op < 0 {
		return r.beside(&e)
	}
	if err := r.readSource(e.source); err != nil {
		return fmt.Errorf("reading source: %w", err)
	}
	if err := r.readTransaction(e.transaction); err != nil {
		return fmt.Errorf("reading transaction: %w", err)
	}
	switch op := r.value.Value(e.op); string(op) {
	case `"t"`, `"m"`:
		return r.note(&e, op[1], schema)
	}
	return r.change(&e, schema, keyed)
}

// envelope is where the fields of a message are in the index, -1 where it does not have them.
type envelope struct {
	op, before, after, source, transaction, message int
	millis, micros                                  int
	ddl, database, status, id                       int
	fields                                          int
}

// find looks for the fields by name. None may occur twice: which one would count?
func (e *envelope) find(x *jsonx.Index) error {
	*e = envelope{-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, 0}
	for n := 0; n < x.Len(); n = x.Next(n) {
		var at *int
		e.fields++
		switch string(x.Name(n)) {
		case "op":
			at = &e.op
		case "before":
			at = &e.before
		case "after":
			at = &e.after
		case "source":
			at = &e.source
		case "transaction":
			at = &e.transaction
		case "message":
			at = &e.message
		case "ts_ms":
			at = &e.millis
		case "ts_us":
			at = &e.micros
		case "ddl":
			at = &e.ddl
		case "databaseName":
			at = &e.database
		case "status":
			at = &e.status
		case "id":
			at = &e.id
		default:
			continue
		}
		if *at >= 0 {
			return fmt.Errorf("the field %s occurs twice", x.Name(n))
		}
		*at = n
	}
	return nil
}

// image tells whether a field is there and not null.
func image(x *jsonx.Index, n int) bool { return n >= 0 && !jsonx.IsNull(x.Value(n)) }

// change reads a change of a row.
func (r *reader) change(e *envelope, schema []byte, keyed bool) error {
	op, err := decodeOp(r.value.Value(e.op))
	if err != nil {
		return err
	}
	before, after := image(&r.value, e.before), image(&r.value, e.after)
	switch {
	case op == changelog.Delete && after:
		return errors.New("a delete has an after image")
	case op == changelog.Delete && !before && !keyed:
		return errors.New("a delete has neither before image nor key")
	case op != changelog.Delete && !after:
		return fmt.Errorf("op %s has no after image", r.value.Value(e.op))
	case (op == changelog.Insert || op == changelog.Read) && before:
		return fmt.Errorf("op %s has a before image", r.value.Value(e.op))
	}
	plan, err := r.plan(e, schema, keyed)
	if err != nil {
		return err
	}
	ch := changelog.Change{Op: op, RowInEvent: r.place.row, Index: r.place.index, TableIndex: r.place.tableIndex, Pos: r.place.lsn}
	if after {
		if ch.After, err = r.row(plan, e.after, false); err != nil {
			return fmt.Errorf("reading after: %w", err)
		}
	}
	switch {
	case before:
		if ch.Before, err = r.row(plan, e.before, true); err != nil {
			return fmt.Errorf("reading before: %w", err)
		}
	case op == changelog.Delete:
		if ch.Before, err = r.keyRow(plan); err != nil {
			return fmt.Errorf("reading the key: %w", err)
		}
	}
	r.appendChange(plan.table, &ch)
	r.remember(op == changelog.Delete && keyed)
	return nil
}

// remember notes the key of a delete, whose tombstone may follow.
func (r *reader) remember(deleted bool) {
	r.topic(r.record.Topic, r.last)
	var key []byte
	if deleted {
		key = r.record.Key
	}
	r.deleted.Set(r.record.Topic, r.record.Partition, key)
}

// tombstone reads a record without a value. It repeats the delete before it, and is all that is left of that one when the
// topic was compacted since.
func (r *reader) tombstone(keyed bool) error {
	if !keyed {
		return nil // the tombstone that Debezium writes for a table without a key
	}
	if r.deleted.Repeated(r.record.Topic, r.record.Partition, r.record.Key) {
		return nil
	}
	plan, err := r.planOfTopic()
	if err != nil {
		return err
	}
	row, err := r.keyRow(plan)
	if err != nil {
		return err
	}
	r.place = place{commit: r.record.Timestamp * 1000}
	r.appendChange(plan.table, &changelog.Change{Op: changelog.Delete, Before: row})
	return nil
}

// row reads the image that is field n of the message. Of an old row, NULL where the column has none is what the log did not
// carry.
func (r *reader) row(p *rowPlan, n int, old bool) (changelog.Row, error) {
	x := &r.value
	if !jsonx.IsObject(x.Value(n)) {
		return nil, errors.New("it is no object")
	}
	return r.fill(p, picture{columns: p.columns, index: x, from: n + 1, to: x.Next(n), old: old})
}

// keyRow reads the key as an old row of which nothing else is known.
func (r *reader) keyRow(p *rowPlan) (changelog.Row, error) {
	row, err := r.fill(p, picture{columns: p.keys, index: &r.key, to: r.key.Len(), old: true})
	if err != nil {
		return nil, err
	}
	for _, i := range p.table.Key {
		if row[i].IsUnchanged() || row[i].IsNull() && !p.table.Columns[i].Nullable {
			return nil, fmt.Errorf("column %s: the key does not have it", p.table.Columns[i].Name)
		}
	}
	return row, nil
}

// picture is a row as it stands in a message or a key.
type picture struct {
	columns  []inbound // of the plan, as rows or as keys have them
	index    *jsonx.Index
	from, to int  // its fields in the index
	old      bool // NULL where the column has none is what the log did not carry
}

// fill reads a picture into a row of the plan's table.
func (r *reader) fill(p *rowPlan, of picture) (changelog.Row, error) {
	columns, x := of.columns, of.index
	row := r.batch.NewRow(len(columns))
	next := 0 // fields in the order of the columns need no note of what was seen
	seen := r.seen[:0]
	for n := of.from; n < of.to; n = x.Next(n) {
		name := x.Name(n)
		i := next
		if i >= len(columns) || columns[i].name != string(name) {
			var ok bool
			if i, ok = p.byName[string(name)]; !ok {
				return nil, fmt.Errorf("table %s has no column %s", p.table.FullName(), name)
			}
			if i < next && len(seen) == 0 {
				seen = r.sawUpTo(p, x, of.from, n)
			}
		}
		switch {
		case len(seen) > 0 && seen[i]:
			return nil, fmt.Errorf("column %s occurs twice", name)
		case len(seen) > 0:
			seen[i] = true
		default:
			for ; next < i; next++ {
				row[next] = changelog.Unchanged()
			}
		}
		if err := r.set(&row[i], &columns[i], x.Value(n), of.old); err != nil {
			return nil, fmt.Errorf("column %s: %w", name, err)
		}
		next = i + 1
	}
	for ; len(seen) == 0 && next < len(row); next++ {
		row[next] = changelog.Unchanged()
	}
	for i := range seen {
		if !seen[i] {
			row[i] = changelog.Unchanged()
		}
	}
	return row, nil
}

// sawUpTo begins to note which columns were seen: those of the fields from n to end.
func (r *reader) sawUpTo(p *rowPlan, x *jsonx.Index, n, end int) []bool {
	r.seen = append(r.seen[:0], make([]bool, len(p.columns))...)
	for ; n < end; n = x.Next(n) {
		r.seen[p.byName[string(x.Name(n))]] = true
	}
	return r.seen
}

// set reads one value.
func (r *reader) set(to *changelog.Value, c *inbound, raw []byte, old bool) (err error) {
	switch {
	case jsonx.IsNull(raw):
		if old && !c.nullable {
			*to = changelog.Unchanged()
		}
	case c.placeholder != nil && !old && bytes.Equal(raw, c.placeholder):
		*to = changelog.Unchanged()
	default:
		*to, err = c.read(r, c, raw)
	}
	return err
}
