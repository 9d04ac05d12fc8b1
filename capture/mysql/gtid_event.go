package mysql

import "math/bits"

// gtidBody is the body of a GTID, ANONYMOUS_GTID or GTID_TAGGED event, or of MariaDB's GTID event: what begins a transaction. It borrows from the event.
type gtidBody struct {
	UUID            [16]byte // zero when anonymous
	Tag             []byte   // empty without a tag
	GNO             int64    // 0 when anonymous
	LastCommitted   int64
	Sequence        int64
	ImmediateCommit uint64 // when this server committed, microseconds since the Unix epoch; 0 when the server is too old to say
	OriginalCommit  uint64 // when the first server did; equal to ImmediateCommit on that server
	Length          uint64 // bytes of the whole transaction in the log, this event included; 0 when unknown
	ServerVersion   uint32 // of this server, for example 90704
	OriginalVersion uint32 // of the first server

	// Of MariaDB, where the event says more.
	Maria     domainGTID
	Begun     bool   // a transaction begins, which an event ends; else one statement follows
	XA        string // id of the XA transaction that it prepares
	Unapplied bool   // the statement that follows has no effect: an ALTER TABLE that begins, or that failed
	Thread    uint32 // 0 when not said
}

// gtid names the transaction. It takes the tag from the transaction before when that has the same.
func (g *gtidBody) gtid(tag string) gtid {
	if g.Maria.seq > 0 {
		return gtid{maria: g.Maria}
	}
	if tag != string(g.Tag) {
		tag = string(g.Tag)
	}
	return gtid{gtidSource: gtidSource{g.UUID, tag}, gno: g.GNO}
}

const opGTID = "reading a GTID event"

// read reads what begins a transaction.
func (g *gtidBody) read(h *eventHeader, body []byte) (err error) {
	switch h.Type {
	case eventGTIDTagged:
		*g, err = parseGTIDTagged(body)
	case eventMariaGTID:
		*g, err = parseMariaGTID(h.ServerID, body)
	default:
		err = g.readPlain(body)
	}
	if h.Type == eventAnonymousGTID {
		g.GNO = 0
	}
	return err
}

// readPlain reads the body of a GTID or ANONYMOUS_GTID event. The body has grown over the releases: 5.7 ends it after the
// logical clock, 8.0 adds commit times, the length and the versions. What a release appends later is left alone.
func (g *gtidBody) readPlain(body []byte) error {
	c := cursor{b: body}
	c.u8() // may have statements logged as text
	copy(g.UUID[:], c.bytes(16))
	g.GNO = int64(c.u64())
	if c.short || g.GNO < 0 {
		return badEvent(opGTID, "its %d bytes do not hold a GTID", len(body))
	}
	const logicalClock = 2
	if len(c.b) == 0 || c.u8() != logicalClock {
		return nil
	}
	g.LastCommitted, g.Sequence = int64(c.u64()), int64(c.u64())
	if !c.short && len(c.b) > 0 {
		g.readTimes(&c)
	}
	if c.short {
		return badEvent(opGTID, "its %d bytes end within a field", len(body))
	}
	return nil
}

func (g *gtidBody) readTimes(c *cursor) {
	const other = 1 << 55 // the original server's own value follows
	t := c.uint(7)
	g.ImmediateCommit, g.OriginalCommit = t&^other, t&^other
	if t&other != 0 {
		g.OriginalCommit = c.uint(7)
	}
	if len(c.b) > 0 {
		g.Length = c.packed()
	}
	if len(c.b) > 0 {
		const otherVersion = 1 << 31
		v := c.u32()
		g.ServerVersion, g.OriginalVersion = v&^otherVersion, v&^otherVersion
		if v&otherVersion != 0 {
			g.OriginalVersion = c.u32()
		}
	}
}

// Fields of a GTID_TAGGED event by their number.
const (
	tagFlags           = 0
	tagUUID            = 1
	tagGNO             = 2
	tagTag             = 3
	tagLastCommitted   = 4
	tagSequence        = 5
	tagImmediateCommit = 6
	tagOriginalCommit  = 7
	tagLength          = 8
	tagServerVersion   = 9
	tagOriginalVersion = 10
	tagCommitGroup     = 11
)

// parseGTIDTagged reads the body of a GTID_TAGGED event (MySQL 8.3 and later), which is in the server's serialization
// format: a version, a size, the last field that a reader must know, then numbered fields in rising order of which any may
// be missing.
func parseGTIDTagged(body []byte) (gtidBody, error) {
	c := cursor{b: body}
	var g gtidBody
	c.varUint() // the format's version: fields are only ever added, and the next but one says which of them matter
	size, must := c.varUint(), c.varUint()
	if c.short || must > tagCommitGroup {
		return gtidBody{}, badEvent(opGTID, "it needs a reader that knows field %d", must)
	}
	read := len(body) - len(c.b)
	if size < uint64(read) || size > uint64(len(body)) {
		return gtidBody{}, badEvent(opGTID, "it has %d bytes and says %d", len(body), size)
	}
	c.b = c.b[:int(size)-read]
	var seen uint64
	for len(c.b) > 0 {
		field := c.varUint()
		if field > tagCommitGroup {
			break // not one that matters, and its length is not known
		}
		if seen>>field != 0 {
			return gtidBody{}, badEvent(opGTID, "field %d comes after a later one", field)
		}
		seen |= 1 << field
		g.readField(field, &c)
	}
	const needed = 1<<tagUUID | 1<<tagGNO
	if c.short || seen&needed != needed || g.GNO < 0 {
		return gtidBody{}, badEvent(opGTID, "its %d bytes do not hold a GTID", len(body))
	}
	if seen&(1<<tagOriginalCommit) == 0 {
		g.OriginalCommit = g.ImmediateCommit
	}
	if seen&(1<<tagOriginalVersion) == 0 {
		g.OriginalVersion = g.ServerVersion
	}
	return g, nil
}

func (g *gtidBody) readField(field uint64, c *cursor) {
	switch field {
	case tagFlags:
		c.varUint()
	case tagUUID:
		for i := range g.UUID { // each byte is a number of its own
			g.UUID[i] = byte(c.varUint())
		}
	case tagGNO:
		g.GNO = c.varInt()
	case tagTag:
		n := c.varUint()
		if n > uint64(len(c.b)) {
			n = 0
			c.b, c.short = nil, true
		}
		g.Tag = c.bytes(int(n))
	case tagLastCommitted:
		g.LastCommitted = c.varInt()
	case tagSequence:
		g.Sequence = c.varInt()
	case tagImmediateCommit:
		g.ImmediateCommit = c.varUint()
	case tagOriginalCommit:
		g.OriginalCommit = c.varUint()
	case tagLength:
		g.Length = c.varUint()
	case tagServerVersion:
		g.ServerVersion = uint32(c.varUint())
	case tagOriginalVersion:
		g.OriginalVersion = uint32(c.varUint())
	case tagCommitGroup:
		c.varUint()
	}
}

// varUint reads a number of 1-9 bytes: the low bits of the first byte, as many ones as bytes follow, say the size, and all
// higher bits are the number, lowest first.
func (c *cursor) varUint() uint64 {
	first := c.u8()
	more := bits.TrailingZeros8(^first)
	if more == 8 {
		return c.u64()
	}
	v := c.uint(more)
	return v<<(7-more) | uint64(first)>>(more+1)
}

// varInt reads a signed number: its lowest bit is the sign, and negative numbers have the others inverted.
func (c *cursor) varInt() int64 {
	v := c.varUint()
	return int64(v>>1) ^ -int64(v&1)
}
