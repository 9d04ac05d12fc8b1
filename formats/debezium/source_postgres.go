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

func (s *postgresSource) parts() int { return 3 }

func (s *postgresSource) place(c *formats.Context, ch *changelog.Change) uint64 {
	switch c.Run.Snapshot {
	case changelog.Streamed:
		return ch.Pos
	case changelog.SnapshotIncremental:
		return 0 // as Debezium leaves it
	}
	return c.Txn.Origin.Pos // where the read stands
}

func (s *postgresSource) appendPlace(dst []byte, lsn uint64, n int) []byte {
	if n == 1 {
		return appendSequence(dst, lsn)
	}
	return appendKnown(dst, lsn)
}

func (s *postgresSource) appendPart(dst []byte, c *formats.Context, n int) []byte {
	switch n {
	case 0:
		return s.appendHead(dst, c)
	case 1:
		return s.appendTransaction(dst, c)
	}
	origin := &c.Txn.Origin
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

// appendHead appends what stands before the LSN in the sequence.
func (s *postgresSource) appendHead(dst []byte, c *formats.Context) []byte {
	dst = append(dst, s.head...)
	dst = jsonx.AppendInt(dst, floorDiv(c.Txn.Commit, 1000))
	dst = append(dst, `,"snapshot":"`...)
	dst = append(dst, snapshots[c.Run.Snapshot]...)
	dst = append(dst, s.database...)
	last := c.Txn.Origin.LastCommit
	if c.Run.Snapshot != changelog.Streamed {
		last = 0
	}
	return append(appendSequence(dst, last), ',')
}

// appendTransaction appends what stands between the sequence and the LSN.
func (s *postgresSource) appendTransaction(dst []byte, c *formats.Context) []byte {
	dst = append(dst, `]","ts_us":`...)
	from := len(dst)
	dst = jsonx.AppendInt(dst, c.Txn.Commit)
	micros := dst[from:]
	dst = append(append(dst, `,"ts_ns":`...), micros...)
	if c.Txn.Commit != 0 {
		dst = append(dst, "000"...)
	}
	dst = append(dst, s.afterNanos...)
	xid := c.Txn.Origin.XID
	if c.Run.Snapshot == changelog.SnapshotIncremental {
		xid = 0 // as Debezium leaves it
	}
	return append(appendKnown(dst, uint64(xid)), `,"lsn":`...)
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
