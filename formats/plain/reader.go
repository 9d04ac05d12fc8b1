package plain

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"cdcbridge/changelog"
	"cdcbridge/formats"
	"cdcbridge/formats/internal/jsonx"
	"cdcbridge/formats/internal/typed"
)

// reader reads rows and tombstones: those that were written with the same options, and those of Flink's upsert-kafka. What a value
// does not say of its table, operation and place is taken from our headers, where they are.
type reader struct {
	cfg    Config
	opts   formats.ReaderOptions
	forms  typed.Forms
	fields map[string]string // names of the fields beside the row: which of fieldNames they are
	tables map[name]*source
	topics map[string]*source // what the last record of each topic was about
	last   *source
	topic  string // of the record before, and what that was about
	about  *source

	values typed.Values
	key    jsonx.Index
	value  jsonx.Index
	beside beside
}

var _ formats.ReaderMaker = (*Config)(nil)

// Reader makes a reader of messages that were written with these options.
func (c *Config) Reader(o formats.ReaderOptions) formats.Reader {
	cfg := c.clone()
	r := &reader{cfg: cfg, opts: o, fields: newDecoder(cfg).fields, tables: map[name]*source{}, topics: map[string]*source{}}
	r.forms = typed.Forms{Binary: binaries[cfg.BinaryHandlingMode], Nested: cfg.JSONHandlingMode == jsonNested}
	return r
}

var binaries = map[string]typed.Binary{binaryBase64: typed.Base64, binaryURL: typed.Base64URL, binaryHex: typed.Hex}

var errUTF8 = errors.New("the text is not UTF-8")

// Read appends the change of one record to the batch.
func (r *reader) Read(b *changelog.Batch, rec *formats.Record) error {
	r.values.Into(b)
	part, err := r.read(b, rec)
	r.values.Into(nil)
	if err != nil {
		return bad(part, err)
	}
	return nil
}

// read names the part of the record that its error is about. It changes the batch at its end only.
func (r *reader) read(b *changelog.Batch, rec *formats.Record) (part string, err error) {
	if rec.Key != nil && r.cfg.KeyFormat == keyJSON {
		if !utf8.Valid(rec.Key) {
			return "key", errUTF8
		}
		if err := r.key.Parse(rec.Key, 1); err != nil {
			return "key", err
		}
	}
	r.beside = beside{time: rec.Timestamp * 1000}
	if err := r.beside.headers(rec.Headers); err != nil {
		return "header", err
	}
	if rec.Value == nil {
		return "key", r.tombstone(b, rec)
	}
	if !utf8.Valid(rec.Value) {
		return "value", errUTF8
	}
	if err := r.value.Parse(rec.Value, 1); err != nil {
		return "value", err
	}
	return "value", r.row(b, rec)
}

// row reads a record that has a value.
func (r *reader) row(b *changelog.Batch, rec *formats.Record) error {
	seen := uint64(0)
	for n := 0; len(r.fields) > 0 && n < r.value.Len(); n = r.value.Next(n) {
		if field, ours := r.fields[string(r.value.Name(n))]; ours {
			bit := uint64(1) << slices.Index(fieldNames, field)
			if seen&bit != 0 {
				return fmt.Errorf("field %s is there twice", r.value.Name(n))
			}
			seen |= bit
			if err := r.beside.field(field, r.value.Value(n)); err != nil {
				return fmt.Errorf("field %s: %w", r.value.Name(n), err)
			}
		}
	}
	s := r.source(rec)
	p, err := r.planOf(s, rec)
	if err != nil {
		return err
	}
	op := r.beside.op
	if op == 0 {
		op = changelog.Upsert
	}
	row, err := r.fill(b, p, op == changelog.Delete)
	if err != nil {
		return err
	}
	if err := r.sameKey(p, rec); err != nil {
		return err
	}
	ch := changelog.Change{Op: op, After: row}
	if op == changelog.Delete {
		ch.Before, ch.After = row, nil
	}
	r.remember(rec.Topic, s)
	r.append(b, p.table, ch)
	return nil
}

// fill reads the value into a row. A column that the value does not have is NULL, as it is to Flink; of an old row it is unknown, and
// so is what is null there and cannot be NULL.
func (r *reader) fill(b *changelog.Batch, p *plan, old bool) (changelog.Row, error) {
	row := b.NewRow(len(p.columns))
	p.round++
	next := 0
	for n := 0; n < r.value.Len(); n = r.value.Next(n) {
		name, raw := r.value.Name(n), r.value.Value(n)
		i := next
		if i >= len(p.names) || p.names[i] != string(name) {
			if _, ours := r.fields[string(name)]; ours {
				continue
			}
			var known bool
			if i, known = p.byName[string(name)]; !known {
				return nil, fmt.Errorf("table %s has no column %.100q", p.table.FullName(), name)
			}
		}
		if p.seen[i] == p.round {
			return nil, fmt.Errorf("column %.100q is there twice", name)
		}
		p.seen[i], next = p.round, i+1
		if !jsonx.IsNull(raw) {
			v, err := p.columns[i].Read(&r.values, raw)
			if err != nil {
				return nil, fmt.Errorf("column %s: %w", name, err)
			}
			row[i] = v
		}
		if old && row[i].IsNull() && !p.table.Columns[i].Nullable {
			row[i] = changelog.Unchanged()
		}
	}
	for i := range row {
		switch c := &p.table.Columns[i]; {
		case p.seen[i] == p.round:
		case old:
			row[i] = changelog.Unchanged()
		case !c.Nullable:
			return nil, fmt.Errorf("the row lacks column %s", c.Name)
		}
	}
	return row, nil
}

// sameKey makes sure that the value has what the key has: whoever folds the topic by its keys must find the same rows.
func (r *reader) sameKey(p *plan, rec *formats.Record) error {
	if rec.Key == nil || r.cfg.KeyFormat == keyRaw {
		return nil
	}
	for n, k := 0, 0; n < r.key.Len(); n, k = r.key.Next(n), k+1 {
		name := r.key.Name(n)
		if key := p.table.Key; k < len(key) && p.names[key[k]] == string(name) && p.seen[key[k]] == p.round {
			continue
		}
		if i, known := p.byName[string(name)]; !known || p.seen[i] != p.round {
			return fmt.Errorf("the row lacks the key column %.100q", name)
		}
	}
	return nil
}

// tombstone reads a record that has a key only.
func (r *reader) tombstone(b *changelog.Batch, rec *formats.Record) error {
	if rec.Key == nil {
		return errors.New("it has neither key nor value")
	}
	s := r.source(rec)
	p, err := r.planOfKey(s)
	if err != nil {
		return err
	}
	row := b.NewRow(len(p.columns))
	for i := range row {
		row[i] = changelog.Unchanged()
	}
	if err := r.fillKey(p, rec.Key, row); err != nil {
		return err
	}
	r.remember(rec.Topic, s)
	r.append(b, p.table, changelog.Change{Op: changelog.Delete, Before: row})
	return nil
}

func (r *reader) fillKey(p *plan, key []byte, row changelog.Row) error {
	if r.cfg.KeyFormat == keyRaw {
		if len(p.table.Key) != 1 {
			return fmt.Errorf("the key is raw, and table %s has %d key columns", p.table.FullName(), len(p.table.Key))
		}
		i := p.table.Key[0]
		var err error
		if row[i], err = r.values.Unquoted(p.keys[i], key); err != nil {
			return fmt.Errorf("column %s: %w", p.names[i], err)
		}
		return nil
	}
	if r.key.Len() == 0 {
		return errors.New("it has no column")
	}
	for n := 0; n < r.key.Len(); n = r.key.Next(n) {
		name := r.key.Name(n)
		i, known := p.byName[string(name)]
		if !known {
			return fmt.Errorf("table %s has no column %.100q", p.table.FullName(), name)
		}
		if !row[i].IsUnchanged() {
			return fmt.Errorf("column %.100q is there twice", name)
		}
		if row[i] = changelog.Null(); jsonx.IsNull(r.key.Value(n)) {
			continue
		}
		var err error
		if row[i], err = p.keys[i].Read(&r.values, r.key.Value(n)); err != nil {
			return fmt.Errorf("column %s: %w", name, err)
		}
	}
	return nil
}

// append puts the change into the batch, with what is known of its place.
func (r *reader) append(b *changelog.Batch, t *changelog.Table, ch changelog.Change) {
	at := &r.beside
	txn := changelog.Txn{Commit: at.time, First: true, Last: true, Snapshot: ch.Op == changelog.Read}
	if !txn.Snapshot && len(at.txn) > 0 {
		txn.ID = b.String(at.txn)
		ch.Index = at.ord
	}
	run := changelog.Run{Table: t, From: len(b.Changes), To: len(b.Changes) + 1, Time: at.time}
	if txn.Snapshot {
		run.Snapshot = changelog.SnapshotRow
	}
	at.place(b, &txn, &run, &ch)
	if n := len(b.Txns); n == 0 || txn.ID == "" || b.Txns[n-1].ID != txn.ID || b.Txns[n-1].Commit != txn.Commit {
		b.Txns = append(b.Txns, txn)
	}
	run.Txn = len(b.Txns) - 1
	b.Changes = append(b.Changes, ch)
	if n := len(b.Runs); n > 0 && !txn.Snapshot && sameRun(&b.Runs[n-1], &run) {
		b.Runs[n-1].To++
		return
	}
	b.Runs = append(b.Runs, run)
}

func sameRun(a, b *changelog.Run) bool {
	return a.Record == 0 && a.Table == b.Table && a.Txn == b.Txn && a.To == b.From && a.Pos == b.Pos && a.File == b.File
}

// name is what a table is called by the record: namespace and name.
type name struct{ namespace, table string }

// source finds out which table the record is about: what it says itself, in fields or headers; else the table that the records
// before were about; else the one that the topic is named after.
func (r *reader) source(rec *formats.Record) *source {
	at := &r.beside
	if at.table != nil {
		if l := r.last; l != nil && l.name.table == string(at.table) && l.name.namespace == string(at.namespace()) {
			return l
		}
		return r.named(name{string(at.namespace()), string(at.table)})
	}
	if at.full != nil {
		if l := r.last; l != nil && l.full == string(at.full) {
			return l
		}
		s := r.named(r.split(at.full))
		s.full = string(at.full)
		return s
	}
	if r.about != nil && r.topic == rec.Topic {
		return r.about
	}
	if s := r.topics[rec.Topic]; s != nil {
		return s
	}
	return r.named(nameOfTopic(rec.Topic))
}

func (r *reader) remember(topic string, s *source) {
	if r.about == s && r.topic == topic {
		return
	}
	r.topic, r.about = strings.Clone(topic), s
	r.topics[r.topic] = s
}

func (r *reader) named(n name) *source {
	s := r.tables[n]
	if s == nil {
		s = &source{name: n}
		r.tables[n] = s
	}
	r.last = s
	return s
}

// split takes "schema.table" apart. Either may have dots: a table that is known tells.
func (r *reader) split(full []byte) name {
	first := name{}
	for i := range full {
		if full[i] != '.' {
			continue
		}
		n := name{string(full[:i]), string(full[i+1:])}
		if r.opts.Table != nil && r.opts.Table(n.namespace, n.table) != nil {
			return n
		}
		if first == (name{}) {
			first = n
		}
	}
	if first == (name{}) {
		first.table = string(full)
	}
	return first
}

// nameOfTopic takes the last two parts of a topic's name.
func nameOfTopic(topic string) name {
	parts := bytes.Split([]byte(topic), []byte{'.'})
	n := name{table: string(parts[len(parts)-1])}
	if len(parts) > 1 {
		n.namespace = string(parts[len(parts)-2])
	}
	return n
}
