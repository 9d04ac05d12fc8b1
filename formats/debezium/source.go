package debezium

import (
	"cdcbridge/changelog"
	"cdcbridge/formats"
	"cdcbridge/formats/internal/jsonx"
)

// source writes the source struct of the connector for one kind of database: parts that all changes of a run have alike, and between
// them, once or twice, where in the log the change stands.
type source interface {
	// parts is how many there are.
	parts() int

	// appendPart appends the n-th part, from 0.
	appendPart(dst []byte, c *formats.Context, n int) []byte

	// place is what tells the change from others of the run.
	place(c *formats.Context, ch *changelog.Change) uint64

	// appendPlace appends it as it stands before the n-th part.
	appendPlace(dst []byte, place uint64, n int) []byte
}

func appendSource(dst []byte, s source, c *formats.Context, ch *changelog.Change) []byte {
	dst = s.appendPart(dst, c, 0)
	place := s.place(c, ch)
	for n := 1; n < s.parts(); n++ {
		dst = s.appendPart(s.appendPlace(dst, place, n), c, n)
	}
	return dst
}

// newSource chooses by the table's origin; nil: Debezium has no such connector, or we do not know its struct.
// like is an encoder of a table with the same columns, nil: none.
func newSource(env formats.Env, t *changelog.Table, like *encoder) source {
	switch t.Origin {
	case "mysql", "mariadb":
		return newMySQLSource(env, t, like)
	case postgres:
		return newPostgresSource(env, t)
	case "":
		if t.Inferred { // messages that name no database: readers look for db, table and times, which both structs have
			return newMySQLSource(env, t, like)
		}
	}
	return nil
}

// snapshots is what source.snapshot says of each place that a run can have in a snapshot.
var snapshots = [...]string{
	changelog.Streamed:             "false",
	changelog.SnapshotRow:          "true",
	changelog.SnapshotFirst:        "first",
	changelog.SnapshotFirstOfTable: "first_in_data_collection",
	changelog.SnapshotLastOfTable:  "last_in_data_collection",
	changelog.SnapshotLast:         "last",
	changelog.SnapshotIncremental:  "incremental",
}

// quotedName is null for what a statement that is about no table has.
func quotedName(s string) string {
	if s == "" {
		return "null"
	}
	return quoted(s)
}

func quoted(s string) string { return string(jsonx.AppendString(nil, []byte(s))) }

// sourceHead is what all connectors begin with, up to the milliseconds.
func sourceHead(env formats.Env, t *changelog.Table) string {
	return `,"source":{"version":` + quoted(env.Version) + `,"connector":` + quoted(t.Origin) + `,"name":` + quoted(env.Server) + `,"ts_ms":`
}

// mysqlSource is the source struct of the MySQL connector with all constant text rendered, in its order: version, connector,
// name, ts_ms, snapshot, db, sequence, ts_us, ts_ns, table, server_id, gtid, file, pos, row, thread, query.
type mysqlSource struct {
	head        string         // up to the milliseconds
	afterMillis *snapshotTexts // up to the microseconds
	afterNanos  string         // up to the server id
}

// snapshotTexts are by the run's place in a snapshot.
type snapshotTexts [len(snapshots)]string

func newMySQLSource(env formats.Env, t *changelog.Table, like *encoder) *mysqlSource {
	s := &mysqlSource{afterNanos: `,"table":` + quotedName(t.Name) + `,"server_id":`}
	if like != nil && like.table.Database == t.Database {
		same := like.source.(*mysqlSource)
		s.head, s.afterMillis = same.head, same.afterMillis
		return s
	}
	s.head, s.afterMillis = sourceHead(env, t), new(snapshotTexts)
	db := `,"db":` + quoted(t.Database) + `,"sequence":null,"ts_us":`
	for place, text := range snapshots {
		s.afterMillis[place] = `,"snapshot":"` + text + `"` + db
	}
	return s
}

func (s *mysqlSource) parts() int { return 2 }

func (s *mysqlSource) place(c *formats.Context, ch *changelog.Change) uint64 {
	if c.Run.Snapshot != changelog.Streamed {
		return 0
	}
	return uint64(ch.RowInEvent)
}

func (s *mysqlSource) appendPlace(dst []byte, place uint64, _ int) []byte {
	return jsonx.AppendInt(dst, int64(place))
}

func (s *mysqlSource) appendPart(dst []byte, c *formats.Context, n int) []byte {
	if n > 0 {
		return appendSession(dst, c)
	}
	origin := &c.Txn.Origin
	server, gtid, file, pos := origin.ServerID, origin.GTID, c.Run.File, c.Run.Pos
	if c.Run.Snapshot != changelog.Streamed { // no server has logged the row: file and offset are where the read stands
		server, gtid, file, pos = 0, "", origin.File, origin.Pos
	}
	dst = append(dst, s.head...)
	dst = appendTimes(dst, c.Txn.Commit, s.afterMillis[c.Run.Snapshot])
	dst = append(dst, s.afterNanos...)
	dst = jsonx.AppendUint(dst, uint64(server))
	if gtid == "" {
		dst = append(dst, `,"gtid":null,"file":"`...)
	} else {
		dst = append(dst, `,"gtid":"`...)
		dst = jsonx.AppendEscapedText(dst, gtid)
		dst = append(dst, `","file":"`...)
	}
	dst = jsonx.AppendEscapedText(dst, file)
	dst = append(dst, `","pos":`...)
	dst = jsonx.AppendUint(dst, pos)
	return append(dst, `,"row":`...)
}

// appendSession appends what follows the row: who ran the statement, and the statement.
func appendSession(dst []byte, c *formats.Context) []byte {
	thread, query := c.Txn.Origin.Thread, c.Run.Query
	if c.Run.Snapshot != changelog.Streamed {
		thread, query = 0, ""
	}
	if thread == 0 {
		dst = append(dst, `,"thread":null`...)
	} else {
		dst = jsonx.AppendUint(append(dst, `,"thread":`...), thread)
	}
	if query == "" {
		return append(dst, `,"query":null}`...)
	}
	dst = jsonx.AppendEscapedText(append(dst, `,"query":"`...), query)
	return append(dst, `"}`...)
}

// appendTimes appends one instant three times: milliseconds, the text middle, microseconds, "ts_ns" and nanoseconds. Each
// begins with the digits of the one before, of which the microseconds have 16 from 2001 to 2286.
func appendTimes(dst []byte, micros int64, middle string) []byte {
	const nanos = `,"ts_ns":`
	from := len(dst)
	if micros < 1e15 || micros >= 1e16 {
		dst = jsonx.AppendInt(dst, floorDiv(micros, 1000))
		dst = jsonx.AppendInt(append(dst, middle...), micros)
		dst = jsonx.AppendInt(append(dst, nanos...), micros)
		if micros != 0 {
			dst = append(dst, "000"...)
		}
		return dst
	}
	dst = jsonx.AppendInt(dst, micros)
	digits := [16]byte(dst[from:])
	dst = append(dst[:len(dst)-3], middle...)
	dst = append(append(dst, digits[:]...), nanos...)
	return append(append(dst, digits[:]...), "000"...)
}
