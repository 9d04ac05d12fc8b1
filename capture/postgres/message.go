package postgres

import (
	"fmt"

	"github.com/jackc/pglogrepl"

	"cdcbridge/internal/fault"
)

// messageType is the first byte of a pgoutput message (PostgreSQL manual, "Logical Replication Message Formats").
type messageType byte

// Types of messages. Rows and the messages that describe them carry the transaction's number behind the type when they stand
// within a stream block, which needs protocol version 2.
const (
	messageBegin    messageType = 'B'
	messageCommit   messageType = 'C'
	messageOrigin   messageType = 'O'
	messageRelation messageType = 'R'
	messageTypeName messageType = 'Y'
	messageInsert   messageType = 'I'
	messageUpdate   messageType = 'U'
	messageDelete   messageType = 'D'
	messageTruncate messageType = 'T'
	messageLogical  messageType = 'M'

	messageStreamStart  messageType = 'S' // from version 2 on
	messageStreamStop   messageType = 'E'
	messageStreamCommit messageType = 'c'
	messageStreamAbort  messageType = 'A'

	messageBeginPrepare     messageType = 'b' // from version 3 on
	messagePrepare          messageType = 'P'
	messageCommitPrepared   messageType = 'K'
	messageRollbackPrepared messageType = 'r'
	messageStreamPrepare    messageType = 'p'
)

// postgresEpoch is 2000-01-01 in microseconds since the Unix epoch: the log counts from there.
const postgresEpoch = 946_684_800_000_000

// beginBody opens a transaction. It is sent at the commit, so it knows where that is.
type beginBody struct {
	Commit pglogrepl.LSN // where the commit record begins
	Time   int64         // of the commit, microseconds since the Unix epoch
	XID    uint32
}

func parseBegin(body []byte) (beginBody, error) {
	c := cursor{b: body[1:]}
	b := beginBody{Commit: pglogrepl.LSN(c.u64()), Time: int64(c.u64()) + postgresEpoch, XID: c.u32()}
	if !c.done() || b.Commit == 0 {
		return b, badMessage(body, "it is not a Begin")
	}
	return b, nil
}

// commitBody ends a transaction.
type commitBody struct {
	Commit pglogrepl.LSN // where the commit record begins
	End    pglogrepl.LSN // where it ends: what a position has
	Time   int64         // microseconds since the Unix epoch
}

func parseCommit(body []byte) (commitBody, error) {
	c := cursor{b: body[1:]}
	flags := c.u8()
	b := commitBody{Commit: pglogrepl.LSN(c.u64()), End: pglogrepl.LSN(c.u64()), Time: int64(c.u64()) + postgresEpoch}
	if !c.done() || flags != 0 || b.End <= b.Commit {
		return b, badMessage(body, "it is not a Commit")
	}
	return b, nil
}

// originBody says from which server a transaction came here by replication. It borrows from the message.
type originBody struct {
	LSN  pglogrepl.LSN // of its commit there
	Name []byte
}

func parseOrigin(body []byte) (originBody, error) {
	c := cursor{b: body[1:]}
	b := originBody{LSN: pglogrepl.LSN(c.u64()), Name: c.text()}
	if !c.done() {
		return b, badMessage(body, "it is not an Origin")
	}
	return b, nil
}

// typeBody names a data type that is not built in. It borrows from the message.
type typeBody struct {
	OID    uint32
	Schema []byte // empty: pg_catalog
	Name   []byte
}

func parseType(body []byte) (typeBody, error) {
	c := cursor{b: body[1:]}
	b := typeBody{OID: c.u32(), Schema: c.text(), Name: c.text()}
	if !c.done() || b.OID == 0 {
		return b, badMessage(body, "it is not a Type")
	}
	return b, nil
}

// truncateBody is a TRUNCATE of one or more published tables. It borrows from the message.
type truncateBody struct {
	Cascade bool
	Restart bool   // RESTART IDENTITY
	oids    []byte // four bytes each
}

func parseTruncate(body []byte) (truncateBody, error) {
	c := cursor{b: body[1:]}
	n := c.u32()
	flags := c.u8()
	b := truncateBody{Cascade: flags&1 != 0, Restart: flags&2 != 0, oids: c.b}
	if c.short || n == 0 || flags > 3 || uint64(len(b.oids)) != 4*uint64(n) {
		return b, badMessage(body, "it is not a Truncate")
	}
	return b, nil
}

// next gives the next table's oid, 0 after the last.
func (b *truncateBody) next() uint32 {
	c := cursor{b: b.oids}
	oid := c.u32()
	b.oids = c.b
	return oid
}

// logicalBody is what pg_logical_emit_message wrote. It borrows from the message.
type logicalBody struct {
	Transactional bool
	LSN           pglogrepl.LSN
	Prefix        []byte
	Content       []byte
}

func parseLogical(body []byte) (logicalBody, error) {
	c := cursor{b: body[1:]}
	flags := c.u8()
	b := logicalBody{Transactional: flags&1 != 0, LSN: pglogrepl.LSN(c.u64()), Prefix: c.text()}
	n := c.u32()
	b.Content = c.b
	if c.short || uint64(n) != uint64(len(b.Content)) || flags > 1 {
		return b, badMessage(body, "it is not a Message")
	}
	return b, nil
}

// relationOf reads which table a row message is about: the four bytes behind its type.
func relationOf(head []byte) (uint32, error) {
	if len(head) < 5 {
		return 0, badMessage(head, "it ends before the table's number")
	}
	c := cursor{b: head[1:]}
	return c.u32(), nil
}

// refuseMessage is for messages that the options of START_REPLICATION exclude, and for those that nobody knows.
func refuseMessage(body []byte) error {
	switch t := messageType(body[0]); t {
	case messageStreamStart, messageStreamStop, messageStreamCommit, messageStreamAbort:
		return badMessage(body, "the server streams a transaction before its end, which was not asked for")
	case messageBeginPrepare, messagePrepare, messageCommitPrepared, messageRollbackPrepared, messageStreamPrepare:
		return fault.NewFinal(fault.SourceSettings, "reading the WAL stream", fmt.Errorf("the slot sends prepared transactions (message %q)", byte(t)),
			"A slot made with two_phase sends rows at PREPARE TRANSACTION and never again. Drop it and let this pipeline make its own.")
	}
	return fault.NewFinal(fault.Decode, "reading the WAL stream", fmt.Errorf("messages of type %q are unknown", body[0]),
		"Nothing was skipped. The server is newer than this release knows: upgrade cdcbridge.")
}

// badMessage is for a message that does not fit its own description.
func badMessage(body []byte, format string, args ...any) error {
	return fault.NewFinal(fault.Decode, "reading the WAL stream", fmt.Errorf("a message of %d bytes that begins with % x: %w", len(body), body[:min(len(body), 16)], fmt.Errorf(format, args...)),
		"Nothing was skipped. Check that slot uses the plugin pgoutput; if it does, report this with the server's version.")
}
