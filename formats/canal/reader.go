package canal

import (
	"errors"
	"fmt"
	"time"
	"unicode/utf8"

	"cdcbridge/changelog"
	"cdcbridge/formats"
	"cdcbridge/formats/internal/deletes"
	"cdcbridge/formats/internal/jsonx"
	"cdcbridge/internal/fault"
)

var _ formats.ReaderMaker = (*Config)(nil)

// Reader implements formats.ReaderMaker. It reads canal-json of every known writer; the options tell what a message does not: the
// zone of its timestamps and the text of binary values. How ENUM and SET are written is told by sqlType, where there is one.
func (c *Config) Reader(o formats.ReaderOptions) formats.Reader {
	r := &reader{config: *c, opts: o, shapes: map[string]*shape{}, topics: map[string][]*shape{}, gone: deletes.Last{}}
	if errs := c.Validate(); len(errs) > 0 {
		r.broken = fault.NewFinal(fault.Config, "reading canal-json", errors.Join(errs...), "Correct the options of the format.")
		return r
	}
	r.zone, _ = loadZone(c.Timezone) // Validate has tried
	r.parser.base64 = c.Binary == BinaryBase64
	return r
}

// reader implements formats.Reader.
type reader struct {
	config Config
	opts   formats.ReaderOptions
	zone   *time.Location // nil: UTC
	broken error          // what is wrong with the options

	shapes map[string]*shape   // by database and table, see shapeKey
	topics map[string][]*shape // that have been seen in a topic: a tombstone does not name its table
	gone   deletes.Last

	msg     envelope
	top     jsonx.Index
	row     jsonx.Index
	types   jsonx.Index // of mysqlType
	codes   jsonx.Index // of sqlType
	data    rowset
	old     rowset
	parser  parser
	scratch []byte
	key     []byte
	unnamed []byte
}

// Read implements formats.Reader.
func (r *reader) Read(b *changelog.Batch, rec *formats.Record) error {
	if r.broken != nil {
		return r.broken
	}
	txns, runs, changes, notes := len(b.Txns), len(b.Runs), len(b.Changes), len(b.Notes)
	err := r.read(b, rec)
	r.parser.b = nil
	if err == nil {
		return nil
	}
	clear(b.Changes[changes:])
	b.Txns, b.Runs, b.Changes, b.Notes = b.Txns[:txns], b.Runs[:runs], b.Changes[:changes], b.Notes[:notes]
	if fault.As(err) != nil {
		return err
	}
	return fault.NewFinal(fault.Decode, reading, err, foreign)
}

const reading = "reading a canal-json message"

var errNotUTF8 = errors.New("the message is not UTF-8")

func (r *reader) read(b *changelog.Batch, rec *formats.Record) error {
	if !utf8.Valid(rec.Value) || !utf8.Valid(rec.Key) {
		return errNotUTF8
	}
	if rec.Value == nil {
		return r.tombstone(b, rec)
	}
	if err := r.envelope(rec.Value); err != nil {
		return err
	}
	m := &r.msg
	m.record = rec.Key
	if m.ddl || m.data == nil {
		return r.note(b, rec)
	}
	if len(m.table) == 0 { // Flink's own sink says nothing of the table
		r.unnamed = append(r.unnamed[:0], rec.Topic...)
		m.table = r.unnamed
	}
	op := operation(m.typ)
	if op == 0 {
		return fmt.Errorf("rows in a message of type %q", m.typ)
	}
	if err := r.images(op); err != nil {
		return err
	}
	s, err := r.shape(op)
	if err != nil {
		return err
	}
	r.remember(rec, s, op == changelog.Delete && len(r.data.rows) == 1)
	if op == changelog.Insert && fromSnapshot(rec.Headers) {
		op = changelog.Read
	}
	return r.changes(b, s, op)
}

func operation(typ []byte) changelog.Op {
	switch string(typ) {
	case "INSERT":
		return changelog.Insert
	case "UPDATE":
		return changelog.Update
	case "DELETE":
		return changelog.Delete
	}
	return 0
}

// fromSnapshot looks at the header that we write on every record: Canal's messages have no other place to tell a row that was read.
func fromSnapshot(headers []formats.Header) bool {
	for i := range headers {
		if headers[i].Name == "cdc.op" {
			return string(headers[i].Value) == "r"
		}
	}
	return false
}

// changes appends a change for each row of the message, with their run and what is known of their transaction.
func (r *reader) changes(b *changelog.Batch, s *shape, op changelog.Op) error {
	txn := r.txn(b)
	from := len(b.Changes)
	for i := range r.data.rows {
		row, err := r.image(b, s, nil, r.data.of(i))
		if err != nil {
			return fmt.Errorf("row %d: %w", i, err)
		}
		ch := changelog.Change{Op: op, RowInEvent: int32(i), Index: uint64(i), TableIndex: uint64(i), After: row}
		switch op {
		case changelog.Delete:
			ch.Before, ch.After = row, nil
		case changelog.Update:
			if ch.Before, err = r.before(b, s, row, i); err != nil {
				return fmt.Errorf("old row %d: %w", i, err)
			}
		}
		b.Changes = append(b.Changes, ch)
	}
	b.Runs = append(b.Runs, changelog.Run{Table: s.table, Txn: txn, From: from, To: len(b.Changes), Time: r.msg.time * 1000})
	return nil
}

// before gives the row before an update: what old does not mention was as it is after it. Where old mentions nothing, the
// writer did not know the row, or knew that it stayed as it was: all that is sure is that the key did.
func (r *reader) before(b *changelog.Batch, s *shape, after changelog.Row, i int) (changelog.Row, error) {
	if i >= len(r.old.rows) || r.old.rows[i].null {
		return nil, nil
	}
	if fields := r.old.of(i); len(fields) > 0 {
		return r.image(b, s, after, fields)
	}
	if len(s.table.Key) == 0 {
		return nil, nil
	}
	row := b.NewRow(len(after))
	for c := range row {
		row[c] = changelog.Unchanged()
	}
	for _, c := range s.table.Key {
		if row[c] = after[c]; row[c].IsUnchanged() {
			return nil, nil
		}
	}
	return row, nil
}

// image makes a row of fields. Columns that are not among them are as in rest, or Unchanged.
func (r *reader) image(b *changelog.Batch, s *shape, rest changelog.Row, fields []field) (row changelog.Row, err error) {
	row = b.NewRow(len(s.cells))
	s.round++
	for n := range fields {
		f := &fields[n]
		i := s.find(f.name, n)
		if i < 0 {
			return nil, fmt.Errorf("the table %s has no column %q", s.table.FullName(), f.name)
		}
		if s.filled[i] == s.round {
			return nil, fmt.Errorf("column %q is there twice", f.name)
		}
		s.filled[i] = s.round
		if row[i], err = r.value(b, &s.cells[i], f.raw, r.zone); err != nil {
			return nil, fmt.Errorf("column %q: %w", f.name, err)
		}
	}
	if len(fields) == len(row) {
		return row, nil
	}
	for i := range row {
		if s.filled[i] == s.round {
			continue
		}
		if row[i] = changelog.Unchanged(); rest != nil {
			row[i] = rest[i]
		}
	}
	return row, nil
}
