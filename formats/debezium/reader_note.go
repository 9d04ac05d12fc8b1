package debezium

import (
	"encoding/base64"
	"errors"
	"fmt"

	"cdcbridge/changelog"
	"cdcbridge/formats/internal/jsonx"
)

// note reads a record whose op is t, a truncated table, or m, a logical message.
func (r *reader) note(e *envelope, op byte, schema []byte) error {
	n := changelog.Note{At: len(r.batch.Changes), Pos: max(r.place.pos, r.place.lsn), Time: r.place.commit}
	if op == 'm' {
		n.Kind = changelog.Message
		if err := r.logical(e, &n); err != nil {
			return fmt.Errorf("reading message: %w", err)
		}
	} else {
		n.Kind = changelog.Truncate
		o, err := r.origin()
		if err != nil {
			return err
		}
		if n.Table, err = r.truncated(o, schema); err != nil {
			return err
		}
		n.Database = o.database
	}
	if n.Kind == changelog.Message && !n.Transactional {
		n.Txn = -1
		r.batch.Notes = append(r.batch.Notes, n)
		return nil
	}
	t := r.transaction(false)
	if last := len(r.batch.Txns) - 1; last < 0 || !sameTxn(&r.batch.Txns[last], &t) {
		r.batch.Txns = append(r.batch.Txns, t)
	}
	n.Txn, n.File = len(r.batch.Txns)-1, t.Origin.File
	r.batch.Notes = append(r.batch.Notes, n)
	r.remember(false)
	return nil
}

// truncated finds the table that was emptied. If nothing was seen of it yet, its name is all that is known.
func (r *reader) truncated(o *origin, schema []byte) (*changelog.Table, error) {
	known := r.known(o)
	switch {
	case known != nil:
		return known, nil
	case schema != nil:
		p, err := r.planOfSchema(o, nil, schema, false)
		if err != nil {
			return nil, err
		}
		return p.table, nil
	case o.plan != nil:
		return o.plan.table, nil
	}
	return r.options.Intern(&changelog.Table{Origin: o.connector, Database: o.database, Schema: o.schema, Name: o.name}), nil
}

// logical reads a message that an application put into the log. Debezium writes a transaction's id with it if it belongs to one.
func (r *reader) logical(e *envelope, n *changelog.Note) error {
	x := &r.value
	if !image(x, e.message) || !jsonx.IsObject(x.Value(e.message)) {
		return errors.New("it is not there")
	}
	n.Transactional = r.place.xid != 0
	for i := e.message + 1; i < x.Next(e.message); i = x.Next(i) {
		raw := x.Value(i)
		switch string(x.Name(i)) {
		case "prefix":
			text, err := r.text(raw)
			if err != nil {
				return err
			}
			n.Prefix = view(text)
		case "content":
			text, err := r.content(raw)
			if err != nil {
				return err
			}
			n.Text = view(text)
		}
	}
	return nil
}

func (r *reader) content(raw []byte) ([]byte, error) {
	switch decodings[r.cfg.BinaryHandlingMode] {
	case decodeURL:
		return r.unbase64(base64.URLEncoding, raw)
	case decodeHex:
		return r.unhex(raw)
	}
	return r.unbase64(base64.StdEncoding, raw)
}

// beside reads a message without op: of the schema changes, of the transactions' metadata, or a heartbeat.
func (r *reader) beside(e *envelope) error {
	switch {
	case e.ddl >= 0 && e.source >= 0:
		return r.statement(e)
	case e.status >= 0 && e.id >= 0:
		return r.boundary(e)
	case e.millis >= 0 && e.fields == 1:
		n, err := jsonx.Int(r.value.Value(e.millis))
		if err != nil {
			return err
		}
		r.batch.Notes = append(r.batch.Notes, changelog.Note{Kind: changelog.Heartbeat, At: len(r.batch.Changes), Txn: -1, Time: n * 1000})
		return nil
	}
	return errors.New("the record has no op: it is no row change in debezium-json")
}

// statement reads a record of the topic of schema changes.
func (r *reader) statement(e *envelope) error {
	if err := r.readSource(e.source); err != nil {
		return fmt.Errorf("reading source: %w", err)
	}
	n := changelog.Note{Kind: changelog.DDL, At: len(r.batch.Changes), Pos: r.place.pos, Time: r.place.commit}
	for _, part := range []struct {
		at int
		to *string
	}{{e.ddl, &n.Text}, {e.database, &n.Database}} {
		if !image(&r.value, part.at) {
			continue
		}
		text, err := r.text(r.value.Value(part.at))
		if err != nil {
			return err
		}
		*part.to = view(text)
	}
	t := r.transaction(false)
	r.batch.Txns = append(r.batch.Txns, t)
	n.Txn, n.File = len(r.batch.Txns)-1, t.Origin.File
	r.batch.Notes = append(r.batch.Notes, n)
	return nil
}

// boundary reads a record of the topic of transactions: a transaction without changes that only begins or only ends.
func (r *reader) boundary(e *envelope) error {
	id, err := r.text(r.value.Value(e.id))
	if err != nil {
		return err
	}
	t := changelog.Txn{ID: view(id)}
	if image(&r.value, e.millis) {
		n, err := jsonx.Int(r.value.Value(e.millis))
		if err != nil {
			return err
		}
		t.Commit = n * 1000
	}
	switch string(r.value.Value(e.status)) {
	case `"BEGIN"`:
		t.First = true
	case `"END"`:
		t.Last = true
	default:
		return fmt.Errorf("unknown status %s", excerpt(r.value.Value(e.status)))
	}
	r.batch.Txns = append(r.batch.Txns, t)
	return nil
}
