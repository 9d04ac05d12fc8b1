package debezium

import (
	"strconv"

	"cdcbridge/changelog"
	"cdcbridge/formats"
	"cdcbridge/formats/internal/jsonx"
)

// appendMessage writes {"op","ts_ms","source","transaction","message"}. Its transaction block is null: a message has no number among
// the changes of its transaction.
func (s *side) appendMessage(key, value []byte, c *formats.Context, n *changelog.Note) (k, v []byte, err error) {
	k = append(s.messageKey.open(key), `{"prefix":"`...)
	k = s.messageKey.close(append(jsonx.AppendEscapedText(k, n.Prefix), `"}`...))
	v = append(s.messageValue.open(value), `{"op":"m","ts_ms":`...)
	v = strconv.AppendInt(v, floorDiv(c.Now, 1000), 10)
	v = s.appendSource(v, c, n, &changelog.Table{Origin: postgres, Database: n.Database})
	v = append(v, `,"transaction":null,"message":{"prefix":"`...)
	v = append(jsonx.AppendEscapedText(v, n.Prefix), `","content":`...)
	content := changelog.Bytes([]byte(n.Text))
	if v, err = s.content.append(v, &s.content, &content); err != nil {
		return k, v, err
	}
	return k, s.messageValue.close(append(v, "}}"...)), nil
}

// appendTruncate writes the envelope of the table without rows. It has no key.
func (s *side) appendTruncate(value []byte, c *formats.Context, n *changelog.Note) ([]byte, error) {
	var w wrapping
	if s.f.cfg.Schemas.SchemasEnable || len(n.Table.Columns) > 0 { // without schemas the columns do not matter
		enc, err := s.f.Compile(n.Table, formats.Options{}) // a truncation is rare
		if err != nil {
			return value, err
		}
		w = enc.(*encoder).schemas.value
	}
	v := append(w.open(value), `{"before":null,"after":null`...)
	v = s.appendSource(v, c, n, n.Table)
	v = append(v, `,"transaction":null,"op":"t","ts_ms":`...)
	v = appendTimes(v, c.Now, `,"ts_us":`)
	return w.close(append(v, '}')), nil
}

// appendSource appends the source block of what is no change of a row, from the comma before it.
func (s *side) appendSource(dst []byte, c *formats.Context, n *changelog.Note, t *changelog.Table) []byte {
	txn := changelog.Txn{Commit: n.Time, Origin: changelog.Origin{LastCommit: n.LastCommit}}
	if c.Txn != nil {
		txn = *c.Txn
	}
	if txn.Commit == 0 {
		txn.Commit = c.Now // a message between two transactions
	}
	if t.Origin != postgres {
		// A statement outside of BEGIN and COMMIT has no thread for Debezium, and its time in milliseconds.
		txn.Origin.Thread = 0
		txn.Commit = floorDiv(txn.Commit, 1000) * 1000
	}
	at := *c
	at.Txn, at.Run = &txn, &changelog.Run{Table: t, File: n.File, Pos: n.Pos, Time: n.Time}
	return appendSource(dst, newSource(s.f.env, t, nil), &at, &changelog.Change{Pos: n.Pos})
}
