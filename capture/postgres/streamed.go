package postgres

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"time"
)

// This file takes in transactions that the server streams before their end (protocol version 2). It sends them in blocks, other
// transactions between them, and says at last whether they have committed. Their messages wait in the spool; at the commit the
// transaction goes the way of every other one, from its begin to its end.
//
// In the spool a message is as the log would have it without streaming: the number of the subtransaction, which a block's
// messages have behind their type, is taken out. So digests and positions are the same whether a transaction was streamed
// or not, and a resumed one may be either.
//
// A position needs no word about them: it never passes the commit of a transaction that was not handed over, and from there
// the server sends a transaction from its beginning.

// stampSize is what follows the type of a Relation message in the spool: when it came.
const stampSize = 8

// aliveEvery is how many messages of the spool are replayed between two looks at the clock.
const aliveEvery = 256

// streamed handles what begins blocks and ends transactions.
func (s *stream) streamed(ctx context.Context, body []byte) error {
	if s.txn.active {
		return badMessage(body, "it stands within transaction %d", s.txn.xid)
	}
	switch messageType(body[0]) {
	case messageStreamStart:
		b, err := parseStreamStart(body)
		if err != nil {
			return err
		}
		return s.startBlock(ctx, b)
	case messageStreamAbort:
		b, err := parseStreamAbort(body)
		if err != nil {
			return err
		}
		return s.abortStreamed(b)
	case messageStreamCommit:
		b, err := parseStreamCommit(body)
		if err != nil {
			return err
		}
		return s.commitStreamed(ctx, b)
	}
	return badMessage(body, "it ends a stream block, and none has begun")
}

// startBlock opens a block. What is whole does not wait until the block's end.
func (s *stream) startBlock(ctx context.Context, b streamStartBody) error {
	if len(s.batch.Txns) > 0 || s.moved && (time.Since(s.sent) >= idleMove || s.urgent || s.grown()) {
		if err := s.emit(ctx, false); err != nil {
			return err
		}
	}
	return s.spool.begin(b.XID, b.First)
}

// inBlock takes a message of the current block in. head is its first bytes.
func (s *stream) inBlock(head []byte) error {
	switch t := messageType(head[0]); t {
	case messageInsert, messageUpdate, messageDelete, messageRelation, messageTypeName, messageTruncate, messageLogical:
		return s.spoolMessage(t, head)
	}
	body, err := s.r.body()
	if err != nil {
		return err
	}
	switch messageType(body[0]) {
	case messageOrigin: // the commit's place there is not known yet, and is not told later
		o, err := parseOrigin(body)
		if err != nil {
			return err
		}
		s.spool.block.replica = append(s.spool.block.replica[:0], o.Name...)
		return nil
	case messageStreamStop:
		if len(body) > 1 {
			return badMessage(body, "it is not a Stream Stop")
		}
		s.spool.block = nil
		if time.Since(s.shown) > 100*time.Millisecond {
			s.publishStats()
		}
		return nil
	}
	return badMessage(body, "it stands within a block of transaction %d", s.spool.block.xid)
}

// spoolMessage puts the message into the spool without the number behind its type. A Relation is stamped: its transaction
// may commit after others have described the table anew.
func (s *stream) spoolMessage(t messageType, head []byte) error {
	const prefix = 1 + 4
	if len(head) < prefix {
		return badMessage(head, "it ends before its transaction's number")
	}
	xid := binary.BigEndian.Uint32(head[1:])
	var start [1 + stampSize]byte
	start[0] = byte(t)
	front := start[:1]
	if t == messageRelation {
		s.tables.arrivals++
		binary.BigEndian.PutUint64(start[1:], s.tables.arrivals)
		front = start[:]
	}
	if err := s.spool.record(s.at, xid, len(front)+s.r.left-prefix); err != nil {
		return err
	}
	if err := s.spool.write(front); err != nil {
		return err
	}
	s.r.r += prefix // peeked
	s.r.left -= prefix
	return s.r.pour(s.spool.write)
}

// pour uses the body up and gives it away piece by piece.
func (d *walReader) pour(to func([]byte) error) error {
	for d.left > 0 {
		if err := d.need(1); err != nil {
			return err
		}
		n := min(d.left, d.w-d.r)
		if err := to(d.buf[d.r : d.r+n]); err != nil {
			return err
		}
		d.r += n
		d.left -= n
	}
	return nil
}

// abortStreamed forgets a transaction or one of its subtransactions. The server names each of them that it has streamed, also
// those within another one; and from PostgreSQL 18 on those that it takes for streamed because it saw, when its memory
// was full, that the whole transaction was rolled back long ago. It does so even where streaming was not asked for. Then no block has
// come, and there is nothing to forget.
func (s *stream) abortStreamed(b streamAbortBody) error {
	t := s.spool.open[b.XID]
	switch {
	case t == nil:
		return nil
	case b.XID == b.Sub:
		return s.spool.drop(t)
	}
	s.spool.abort(t, b.Sub)
	return nil
}

// commitStreamed replays a transaction.
func (s *stream) commitStreamed(ctx context.Context, b streamCommitBody) error {
	t := s.spool.open[b.XID]
	if t == nil {
		return badMessage(nil, "transaction %d commits, and no stream block of it came", b.XID)
	}
	if err := s.begin(ctx, beginBody{Commit: b.Commit, Time: b.Time, XID: b.XID}); err != nil {
		return err
	}
	s.txn.replica = append(s.txn.replica, t.replica...)
	at, last, lastTime := s.at, s.lastCommit, s.lastTime
	r := replay{s: s, in: s.spool.reader(t), bodies: map[uint32][]byte{}, newer: map[uint32]*related{}}
	if err := r.all(ctx, t.aborted); err != nil {
		return err
	}
	s.at = at
	if err := s.spool.drop(t); err != nil {
		return err
	}
	if err := s.end(ctx, b.commitBody); err != nil {
		return err
	}
	if !r.any {
		s.lastCommit, s.lastTime = last, lastTime // without streaming the server would not have sent it
	}
	return nil
}

// replay is a streamed transaction on its way from the spool to batches.
type replay struct {
	s      *stream
	in     *spoolReader
	bodies map[uint32][]byte   // the transaction's last Relation message of each table
	newer  map[uint32]*related // what tables mean by Relation messages that came after those, but before the commit
	text   []byte              // scratch
	any    bool                // there was more than descriptions
}

// all replays every message but those of aborted subtransactions.
func (r *replay) all(ctx context.Context, aborted xidSet) error {
	for n := 0; ; n++ {
		m, err := r.in.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		if n%aliveEvery == 0 { // rows that are done or not captured make no batch, whose hand-over would do this
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := r.s.r.alive(); err != nil {
				return err
			}
		}
		if aborted.has(m.xid) {
			continue
		}
		r.s.at = m.pos
		if err := r.message(ctx, m); err != nil {
			return err
		}
	}
	r.restore()
	return r.s.r.alive()
}

func (r *replay) message(ctx context.Context, m *record) error {
	r.any = r.any || m.kind != messageRelation && m.kind != messageTypeName
	switch m.kind {
	case messageInsert, messageUpdate, messageDelete:
		return r.row(ctx, m)
	case messageRelation:
		return r.relation()
	}
	body, err := r.body(m.size)
	if err != nil {
		return err
	}
	return r.s.control(ctx, body)
}

// body reads the message to memory that is valid until the next call.
func (r *replay) body(size int) ([]byte, error) {
	if cap(r.text) < size {
		r.text = make([]byte, size)
	}
	r.text = r.text[:size]
	return r.text, r.in.read(r.text)
}

// row does what the stream does with a row that it receives.
func (r *replay) row(ctx context.Context, m *record) error {
	head, err := r.in.peek(5)
	if err != nil {
		return err
	}
	oid, err := relationOf(head)
	if err != nil {
		return err
	}
	s := r.s
	rel, err := s.related(ctx, oid)
	if err != nil || rel.entry == nil {
		return err
	}
	if err := s.makeRoom(ctx, m.size); err != nil {
		return err
	}
	body := s.batch.Grab(m.size)
	if err := r.in.read(body); err != nil {
		return err
	}
	return s.append(ctx, event{table: rel.entry, shape: rel.shape, kind: m.kind, data: body, pos: m.pos})
}

// relation takes a Relation message in for the rest of the transaction. The server describes a table anew after every
// block that saw a change of the catalogue; the catalogue is not asked again for the same words.
func (r *replay) relation() error {
	raw, err := r.body(r.in.left)
	if err != nil {
		return err
	}
	if len(raw) < 1+stampSize {
		return badMessage(raw, "it is not a Relation")
	}
	stamp := binary.BigEndian.Uint64(raw[1:])
	body := raw[stampSize:]
	body[0] = byte(messageRelation)
	oid, err := relationOf(body)
	if err != nil {
		return err
	}
	tables := &r.s.tables
	old, mine := tables.byOID[oid], r.bodies[oid]
	if mine != nil && bytes.Equal(mine, body) {
		old.stamp = stamp
		return nil
	}
	if mine == nil && old != nil && old.stamp > stamp {
		r.newer[oid] = old
	}
	if err := tables.relation(body); err != nil {
		return err
	}
	tables.byOID[oid].stamp = stamp
	r.bodies[oid] = bytes.Clone(body)
	return nil
}

// restore lets tables mean what the newest Relation message said: after the commit the server takes it that the
// transaction's were read when they came.
func (r *replay) restore() {
	tables := &r.s.tables
	for oid, m := range r.newer {
		if tables.byOID[oid].stamp < m.stamp {
			tables.byOID[oid], tables.last = m, nil
		}
	}
}
