package mysql

import (
	"encoding/hex"
	"strconv"
)

// Flags of a GTID event of MariaDB, and of the byte of more flags behind it.
const (
	mariaStandalone  = 1   // one statement, and no event ends it
	mariaGroupCommit = 2   // a number of the group that it was committed with follows
	mariaPreparedXA  = 64  // it is an XA PREPARE
	mariaCompletedXA = 128 // it settles an XA PREPARE

	mariaMoreEngines   = 1
	mariaStartAlter    = 2 // an ALTER TABLE begins that will end with one of the next two, if it does
	mariaCommitAlter   = 4
	mariaRollbackAlter = 8
	mariaThreadID      = 16
)

// parseMariaGTID reads the body of MariaDB's GTID event, which begins every transaction and every statement that is logged
// alone: a BEGIN does not follow. What a release appends later is left alone; large transactions are padded.
func parseMariaGTID(server uint32, body []byte) (gtidBody, error) {
	c := cursor{b: body}
	g := gtidBody{Maria: domainGTID{server: server}}
	g.Maria.seq = c.u64()
	g.Maria.domain = c.u32()
	flags := c.u8()
	g.Begun = flags&mariaStandalone == 0
	if flags&mariaGroupCommit != 0 {
		c.u64()
	}
	if flags&(mariaPreparedXA|mariaCompletedXA) != 0 {
		format, global, branch := c.u32(), int(c.u8()), int(c.u8())
		id := appendXID(nil, format, c.bytes(global), c.bytes(branch))
		if flags&mariaPreparedXA != 0 {
			g.XA = string(id)
		}
	}
	if c.short || g.Maria.seq == 0 {
		return gtidBody{}, badEvent(opGTID, "its %d bytes do not hold a GTID", len(body))
	}
	if len(c.b) == 0 {
		return g, nil
	}
	more := c.u8()
	g.Unapplied = more&(mariaStartAlter|mariaRollbackAlter) != 0
	if more&mariaMoreEngines != 0 {
		c.u8()
	}
	if more&(mariaCommitAlter|mariaRollbackAlter) != 0 {
		c.u64()
	}
	if more&mariaThreadID != 0 {
		g.Thread = c.u32()
	}
	if c.short {
		return gtidBody{}, badEvent(opGTID, "its %d bytes end within a field", len(body))
	}
	return g, nil
}

// appendXID appends the id of an XA transaction as the server writes it in its statements: X'6162',X'63',1.
func appendXID(dst []byte, format uint32, global, branch []byte) []byte {
	dst = append(hex.AppendEncode(append(dst, "X'"...), global), "',X'"...)
	dst = append(hex.AppendEncode(dst, branch), "',"...)
	return strconv.AppendUint(dst, uint64(format), 10)
}
