package mysql

import (
	"bytes"
	"encoding/binary"

	"cdcbridge/changelog"
)

// queryBody is the body of a QUERY event: a statement that was logged as text. It borrows from the event.
type queryBody struct {
	ThreadID  uint32
	Schema    []byte // the session's database, utf8mb3
	SQL       []byte // in the character set of the collation Client
	ErrorCode uint16
	Client    uint16 // collation of character_set_client, 0 when not said
	Micros    uint32 // microseconds to add to the header's time, 0 when not said

	SQLMode    uint64
	Connection uint16 // collation_connection, 0 when not said
	Server     uint16 // collation_server, 0 when not said
	Database   uint16 // collation_database, 0 when not said
	UTF8MB4    uint16 // default_collation_for_utf8mb4, 0 when not said
}

// Codes of the status variables in a QUERY event.
const (
	statusFlags2           = 0
	statusSQLMode          = 1
	statusCatalogOld       = 2
	statusAutoIncrement    = 3
	statusCharset          = 4
	statusTimeZone         = 5
	statusCatalog          = 6
	statusTimeNames        = 7
	statusCharsetDatabase  = 8
	statusTableMapUpdate   = 9
	statusMasterWritten    = 10
	statusInvoker          = 11
	statusUpdatedDatabases = 12
	statusMicroseconds     = 13
	statusDefaultsForTime  = 16
	statusDDLXID           = 17
	statusDefaultCollation = 18
	statusRequirePK        = 19
	statusEncryption       = 20
)

const opQuery = "reading a QUERY event"

// parseQuery reads the body of a QUERY event.
func parseQuery(body []byte) (queryBody, error) {
	c := cursor{b: body}
	var q queryBody
	q.ThreadID = c.u32()
	c.u32() // how long it ran
	schema := int(c.u8())
	q.ErrorCode = c.u16()
	status := c.bytes(int(c.u16()))
	q.Schema = c.terminated(schema)
	q.SQL = c.b
	if c.short {
		return queryBody{}, badEvent(opQuery, "its %d bytes end before the statement", len(body))
	}
	if !q.readStatus(status) {
		return queryBody{}, badEvent(opQuery, "its status variables are cut short")
	}
	return q, nil
}

// plainBegin recognizes the statement BEGIN, of which only the session matters. Nearly every transaction begins with one.
func plainBegin(body []byte) (thread uint32, ok bool) {
	const fixed, begin = 13, "BEGIN"
	at := len(body) - len(begin)
	if at < fixed || string(body[at:]) != begin {
		return 0, false
	}
	schema, status := int(body[8]), int(binary.LittleEndian.Uint16(body[11:]))
	return binary.LittleEndian.Uint32(body), fixed+status+schema+1 == at
}

// text gives the statement in UTF-8, in memory of the event or of the batch. A statement may hold bytes that are no text,
// in a binary literal: they become U+FFFD, since only names and keywords matter here.
func (q queryBody) text(b *changelog.Batch) ([]byte, error) {
	if isASCII(q.SQL) { // as good as always; every character set that a client can have begins with ASCII, or with swe7's
		return q.SQL, nil
	}
	if q.Client == 0 || q.Client == collationBinary {
		return bytes.ToValidUTF8(q.SQL, []byte("\uFFFD")), nil
	}
	c, err := charsetOf(uint32(q.Client))
	if err != nil {
		return nil, err
	}
	if c.next == nil {
		return bytes.ToValidUTF8(q.SQL, []byte("\uFFFD")), nil
	}
	return c.text(b, q.SQL)
}

// readStatus walks over the status variables and reports whether they end where they should. Each code has its own length,
// so the walk ends at the first code that is unknown: the server writes codes in rising order and appends new ones.
func (q *queryBody) readStatus(b []byte) bool {
	c := cursor{b: b}
	for len(c.b) > 0 {
		switch c.u8() {
		case statusFlags2, statusMasterWritten, statusAutoIncrement:
			c.bytes(4)
		case statusSQLMode:
			q.SQLMode = c.uint(8)
		case statusTableMapUpdate, statusDDLXID:
			c.bytes(8)
		case statusCatalogOld:
			c.bytes(int(c.u8()) + 1)
		case statusTimeZone, statusCatalog:
			c.bytes(int(c.u8()))
		case statusCharset:
			q.Client, q.Connection, q.Server = c.u16(), c.u16(), c.u16()
		case statusCharsetDatabase:
			q.Database = c.u16()
		case statusDefaultCollation:
			q.UTF8MB4 = c.u16()
		case statusTimeNames:
			c.bytes(2)
		case statusInvoker:
			c.bytes(int(c.u8()))
			c.bytes(int(c.u8()))
		case statusUpdatedDatabases:
			c.databases()
		case statusMicroseconds:
			q.Micros = uint32(c.uint(3))
		case statusDefaultsForTime, statusRequirePK, statusEncryption:
			c.u8()
		default:
			return !c.short
		}
	}
	return !c.short
}

// databases steps over the list of databases that a statement wrote to.
func (c *cursor) databases() {
	const tooMany = 254 // then no names follow
	n := c.u8()
	if n == tooMany {
		return
	}
	for n > 0 { // names, each with a 0 behind it; where the bytes are short c gives 0
		if c.u8() == 0 {
			n--
		}
	}
}
