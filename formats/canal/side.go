package canal

import (
	"strconv"

	"cdcbridge/changelog"
	"cdcbridge/formats"
	"cdcbridge/formats/internal/jsonx"
)

// RowsTopic is the value of ddl_topic that puts statements where Canal has them, among the rows of their table.
const RowsTopic = "{topic}"

var (
	_ formats.SideWriter      = (*format)(nil)
	_ formats.StatementWriter = ddlTopic{}
)

// Side implements formats.SideWriter: messages for statements, if the options name a topic for them.
func (f *format) Side(formats.SideOptions) formats.SideEncoder {
	if f.config.DDLTopic == "" {
		return nil
	}
	if f.config.DDLTopic == RowsTopic {
		return sideEncoder{config: f.config}
	}
	return ddlTopic{sideEncoder{config: f.config}}
}

// sideEncoder writes what Canal writes of statements, into the topic of each captured table that one is about.
type sideEncoder struct{ config Config }

// ddlTopic writes it into one topic, once for a statement.
type ddlTopic struct{ sideEncoder }

// OneForStatement implements formats.StatementWriter.
func (ddlTopic) OneForStatement() {}

// Topic implements formats.SideEncoder.
func (e sideEncoder) Topic(a formats.About) string {
	switch {
	case a != formats.AboutStatement && a != formats.AboutTruncate:
		return ""
	case e.config.DDLTopic == RowsTopic:
		return formats.TableTopic
	}
	return e.config.DDLTopic
}

// Partition implements formats.SideEncoder. Canal's statements are in partition 0, whatever the rows are in.
func (e sideEncoder) Partition(formats.About) int32 { return 0 }

// AppendSide implements formats.SideEncoder. As all of Canal's messages it has no key.
func (e sideEncoder) AppendSide(_, value []byte, b *formats.Beside) (k, v []byte, ok bool, err error) {
	c, n := b.Context, b.Note
	if n == nil || e.Topic(b.About) == "" || e.config.DDLTopic == RowsTopic && n.Table == nil {
		return nil, value, false, nil // there is no topic that it belongs to
	}
	sql := n.Text
	if sql == "" && n.Table != nil { // PostgreSQL logs that a table was emptied, and not by which statement
		sql = "TRUNCATE TABLE " + n.Table.FullName()
	}
	st := describe(sql)
	database, table := e.place(&st, n)
	value = append(value, `{"data":null,"database":`...)
	value = jsonx.AppendCanalString(value, []byte(database))
	value = append(value, `,"es":`...)
	value = strconv.AppendInt(value, noted(c, n)/1000, 10)
	value = append(value, `,"gtid":"`...)
	if c.Txn != nil {
		value = append(value, c.Txn.Origin.GTID...)
	}
	value = append(value, `","id":`...)
	value = strconv.AppendUint(value, c.Seq, 10)
	value = append(value, `,"isDdl":true,"mysqlType":null,"old":null,"pkNames":null,"sql":`...)
	value = jsonx.AppendCanalString(value, []byte(sql))
	value = append(value, `,"sqlType":null,"table":`...)
	value = jsonx.AppendCanalString(value, []byte(table))
	value = append(value, `,"ts":`...)
	value = strconv.AppendInt(value, c.Now/1000, 10)
	value = append(append(value, `,"type":"`...), st.kind...)
	value = append(value, '"')
	if e.config.TiDBExtension {
		value = appendTiDB(value, noted(c, n))
	}
	return nil, append(value, '}'), true, nil
}

// noted is when the statement ran, in microseconds since the Unix epoch.
func noted(c *formats.Context, n *changelog.Note) int64 {
	switch {
	case n.Time != 0:
		return n.Time
	case c.Txn != nil && c.Txn.Commit != 0:
		return c.Txn.Commit
	}
	return c.Now
}

// place names the table that the message is about: Canal's choice, the first one of the statement, under its new name if it has
// one. In a topic of rows it is the table whose rows they are.
func (e sideEncoder) place(st *statement, n *changelog.Note) (database, table string) {
	database, table = st.database, st.table
	if database == "" {
		database = n.Database
	}
	if n.Table == nil || table != "" && e.config.DDLTopic != RowsTopic {
		if database == "" && n.Table != nil {
			database = n.Table.Namespace()
		}
		return database, table
	}
	for i := range n.Changed {
		if d := &n.Changed[i]; d.Old == n.Table.Name && d.Old != "" && d.Kind == changelog.Altered {
			return n.Table.Namespace(), d.Name
		}
	}
	if st.kind == typeRename && st.from == n.Table.Name {
		if database == "" {
			database = n.Table.Namespace()
		}
		return database, table
	}
	return n.Table.Namespace(), n.Table.Name
}

// appendTiDB appends TiCDC's member _tidb. Its commitTs is a timestamp of TiDB: milliseconds, and 18 bits that count within
// them, here microseconds.
func appendTiDB(dst []byte, micros int64) []byte {
	dst = append(dst, `,"_tidb":{"commitTs":`...)
	dst = strconv.AppendUint(dst, tidbTime(micros), 10)
	return append(dst, '}')
}

func tidbTime(micros int64) uint64 {
	const logicalBits = 18
	if micros < 0 {
		return 0
	}
	return uint64(micros)/1000<<logicalBits | uint64(micros)%1000
}
