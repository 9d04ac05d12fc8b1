package canal

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"cdcbridge/changelog"
	"cdcbridge/formats"
	"cdcbridge/internal/fault"
)

// note reads a message that describes no row.
func (r *reader) note(b *changelog.Batch, rec *formats.Record) error {
	m := &r.msg
	n := changelog.Note{Kind: changelog.Message, Prefix: "query", At: len(b.Changes), Txn: -1, Time: m.time * 1000}
	switch {
	case m.data != nil:
		return errors.New("rows in a message with a statement")
	case string(m.typ) == "TIDB_WATERMARK":
		n.Kind, n.Prefix = changelog.Heartbeat, ""
	case m.ddl:
		n.Kind, n.Prefix = changelog.DDL, ""
		n.Table = r.described(m.database, m.table)
		if string(m.typ) == typeTruncate {
			if n.Kind = changelog.Truncate; n.Table == nil { // its name is all that is known yet
				n.Table = r.intern(&changelog.Table{Origin: "mysql", Database: string(m.database), Name: string(m.table), Inferred: true})
			}
		}
		r.forget()
	case statementDML(m):
		return fault.NewFinal(fault.StatementDML, reading, fmt.Errorf("a statement changed rows, and the message does not say which: %.200s", m.sql),
			"Set binlog_format=ROW on the source of Canal, and read the table anew.")
	case len(m.sql) == 0:
		return fmt.Errorf("the message of type %q has neither rows nor a statement", m.typ)
	}
	n.Text, n.Database = b.String(m.sql), b.String(m.database)
	n.Txn = r.txn(b)
	b.Notes = append(b.Notes, n)
	r.gone.Set(rec.Topic, rec.Partition, nil)
	return nil
}

// described gives the table if it is known, whoever told.
func (r *reader) described(database, table []byte) *changelog.Table {
	if len(table) == 0 {
		return nil
	}
	if s := r.shapes[r.shapeKey(database, table)]; s != nil {
		return s.table
	}
	if r.opts.Table == nil {
		return nil
	}
	return r.opts.Table(string(database), string(table))
}

// forget drops what is known of the tables that a statement is about: its next row tells anew.
func (r *reader) forget() {
	st := describe(string(r.msg.sql))
	for _, name := range []string{string(r.msg.table), st.table, st.from} {
		delete(r.shapes, r.shapeKey(r.msg.database, []byte(name)))
	}
}

// statementDML tells a statement that changed rows from the text of one whose row changes follow (binlog_rows_query_log_events),
// which Canal writes without a database.
func statementDML(m *envelope) bool {
	if operation(m.typ) != 0 {
		return len(m.sql) > 0
	}
	if string(m.typ) != typeQuery || len(m.database) == 0 {
		return false
	}
	w := words{rest: string(m.sql)}
	switch w.keyword() {
	case "INSERT", "UPDATE", "DELETE", "REPLACE", "LOAD", "WITH", "CALL":
		return true
	}
	return false
}

// remember notes which tables a topic has rows of, and the key of a delete, whose tombstone may follow.
func (r *reader) remember(rec *formats.Record, s *shape, deletes bool) {
	seen := r.topics[rec.Topic]
	if i := slices.IndexFunc(seen, func(o *shape) bool { return o.database == s.database && o.name == s.name }); i < 0 {
		r.topics[strings.Clone(rec.Topic)] = append(seen, s)
	} else {
		seen[i] = s
	}
	var key []byte
	if deletes {
		key = rec.Key
	}
	r.gone.Set(rec.Topic, rec.Partition, key)
}

var (
	errNoKey   = errors.New("the record has neither key nor value")
	errUnnamed = errors.New("a tombstone of which nothing tells the table: no message of the topic has named one with such a key")
	errTwice   = errors.New("a tombstone whose key is that of several tables of the topic")
)

// tombstone reads a record without a value: a delete of which only the key is left. After the message of the same delete it says
// nothing new.
func (r *reader) tombstone(b *changelog.Batch, rec *formats.Record) error {
	if rec.Key == nil {
		return errNoKey
	}
	if r.gone.Repeated(rec.Topic, rec.Partition, rec.Key) {
		return nil
	}
	if err := r.row.Parse(rec.Key, 1); err != nil {
		return fmt.Errorf("reading the key: %w", err)
	}
	r.data.fields, r.data.rows = r.data.fields[:0], r.data.rows[:0]
	r.keep(&r.data)
	fields := r.data.of(0)
	s, err := r.shapeOfTopic(rec.Topic, fields)
	if err != nil {
		return err
	}
	row, err := r.keyRow(b, s, fields)
	if err != nil {
		return fmt.Errorf("reading the key: %w", err)
	}
	r.msg = envelope{time: rec.Timestamp}
	txn, from := r.txn(b), len(b.Changes)
	b.Changes = append(b.Changes, changelog.Change{Op: changelog.Delete, Before: row})
	b.Runs = append(b.Runs, changelog.Run{Table: s.table, Txn: txn, From: from, To: from + 1, Time: rec.Timestamp * 1000})
	return nil
}

// shapeOfTopic finds the table of a tombstone: that of the topic's tables whose key has such columns, or the one that the topic
// is named after.
func (r *reader) shapeOfTopic(topic string, fields []field) (*shape, error) {
	var found *shape
	for _, s := range r.topics[topic] {
		if s.hasKey(fields) {
			if found != nil {
				return nil, errTwice
			}
			found = s
		}
	}
	if found != nil {
		return found, nil
	}
	parts := strings.Split(topic, ".")
	if n := len(parts); n >= 2 && r.opts.Table != nil {
		if t := r.opts.Table(parts[n-2], parts[n-1]); t != nil {
			if s := newShape(t, t.Namespace(), t.Name); s.hasKey(fields) {
				for _, i := range s.coded {
					s.cells[i].label = r.config.labelled(s.cells[i].col.Type.Kind)
				}
				return s, nil
			}
		}
	}
	return nil, errUnnamed
}

// keyRow makes the row of which the key is all that is known.
func (r *reader) keyRow(b *changelog.Batch, s *shape, fields []field) (changelog.Row, error) {
	row := b.NewRow(len(s.cells))
	for i := range row {
		row[i] = changelog.Unchanged()
	}
	for n := range fields {
		i := s.find(fields[n].name, n)
		if !row[i].IsUnchanged() {
			return nil, fmt.Errorf("column %q is there twice", fields[n].name)
		}
		c := s.cells[i]
		if !c.distinct {
			c.label = false // see compileKey
		}
		var err error
		if row[i], err = r.value(b, &c, fields[n].raw, nil); err != nil { // timestamps of keys are in UTC
			return nil, fmt.Errorf("column %q: %w", fields[n].name, err)
		}
	}
	return row, nil
}
