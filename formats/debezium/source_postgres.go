package debezium

import (
	"cdcbridge/changelog"
	"cdcbridge/formats"
	"cdcbridge/formats/internal/jsonx"
)

// postgresSource is the source struct of the PostgreSQL connector with all constant text rendered, in its order: version,
// connector, name, ts_ms, snapshot, db, sequence, ts_us, ts_ns, schema, table, txId, lsn, xmin, origin, origin_lsn. LSNs are
// numbers. xmin is what Debezium asks the server for now and then, if it is told to; we never do.
type postgresSource struct {
	head       string // up to the milliseconds
	database   string // from the snapshot's value up to the sequence
	afterNanos string // up to the transaction id
}

func newPostgresSource(env formats.Env, t *changelog.Table) *postgresSource {
	return &postgresSource{
		head:       sourceHead(env, t),
		database:   `","db":` + quoted(t.Database) + `,"sequence":"[`,
		afterNanos: `,"schema":` + quoted(t.Schema) + `,"table":` + quoted(t.Name) + `,"txId":`,
	}
}

func (s *postgresSource) append(dst []byte, c *formats.Context, ch *changelog.Change) []byte {
	origin := &c.Txn.Origin
	dst = append(dst, s.head...)
	var buf [24]byte
	micros := jsonx.AppendInt(buf[:0], c.Txn.Commit)
	if c.Txn.Commit >= 1000 { // always in practice: the digits of milliseconds are the first ones
		dst = append(dst, micros[:len(micros)-3]...)
	} else {
		dst = jsonx.AppendInt(dst, floorDiv(c.Txn.Commit, 1000))
	}
	dst = append(dst, `,"snapshot":"`...)
	dst = append(dst, snapshots[c.Run.Snapshot]...)
	dst = append(dst, s.database...)
	last, xid, lsn := origin.LastCommit, origin.XID, ch.Pos
	switch c.Run.Snapshot {
	case changelog.Streamed:
	case changelog.SnapshotIncremental:
		last, xid, lsn = 0, 0, 0 // as Debezium leaves them
	default:
		last, lsn = 0, origin.Pos // where the read stands
	}
	dst = appendSequence(dst, last)
	dst = append(dst, ',')
	dst = appendSequence(dst, lsn)
	dst = append(dst, `]","ts_us":`...)
	dst = append(append(dst, micros...), `,"ts_ns":`...)
	if c.Txn.Commit != 0 {
		dst = append(append(dst, micros...), "000"...)
	} else {
		dst = append(dst, '0')
	}
	dst = append(dst, s.afterNanos...)
	dst = appendKnown(dst, uint64(xid))
	dst = append(dst, `,"lsn":`...)
	dst = appendKnown(dst, lsn)
	dst = append(dst, `,"xmin":null,"origin":`...)
	if origin.Replica == "" {
		return append(dst, `null,"origin_lsn":null}`...)
	}
	dst = append(dst, '"')
	dst = jsonx.AppendEscapedText(dst, origin.Replica)
	dst = append(dst, `","origin_lsn":`...)
	dst = appendKnown(dst, origin.ReplicaLSN)
	return append(dst, '}')
}

// appendKnown appends a number, or null for zero, which says that it is not known.
func appendKnown(dst []byte, n uint64) []byte {
	if n == 0 {
		return append(dst, "null"...)
	}
	return jsonx.AppendUint(dst, n)
}

// appendSequence appends an element of the sequence: a JSON text within a JSON text.
func appendSequence(dst []byte, lsn uint64) []byte {
	if lsn == 0 {
		return append(dst, "null"...)
	}
	dst = append(dst, `\"`...)
	dst = jsonx.AppendUint(dst, lsn)
	return append(dst, `\"`...)
}
