package postgres

import (
	"encoding/binary"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pglogrepl"
)

// script is what some transactions write, in the order of the log. It can be sent with and without streaming.
type script struct {
	steps []step
	lsn   uint64
}

// step is one record of the log. Transaction n has the number 1000n, its subtransactions the numbers behind it.
type step struct {
	kind     byte // 'I' a row, 'A' a subtransaction is rolled back, 'C' commit, 'X' everything is rolled back, 'k' a keepalive
	txn, sub uint32
	oid      uint32
	message  []byte
	lsn      uint64
}

const commitSize = 48

func newScript() *script { return &script{lsn: logStart} }

func (c *script) add(s step) {
	s.lsn = c.lsn
	c.steps = append(c.steps, s)
	if c.lsn += 8; s.kind == 'C' {
		c.lsn += commitSize
	}
}

func (c *script) row(txn, sub, oid uint32, width int, id int64) {
	value := strings.Repeat(string(rune('a'+id%26)), width)
	c.add(step{kind: 'I', txn: txn, sub: sub, oid: oid, message: rowMessage('I', oid, 'N', tuple(strconv.FormatInt(id, 10), value, "7"))})
}

// rows are n rows with the ids from first.
func (c *script) rows(txn, sub uint32, width int, first, n int64) {
	for id := first; id < first+n; id++ {
		c.row(txn, sub, ordersOID, width, id)
	}
}

func (c *script) abort(txn, sub uint32) { c.add(step{kind: 'A', txn: txn, sub: sub}) }
func (c *script) commit(txn uint32)     { c.add(step{kind: 'C', txn: txn}) }
func (c *script) rollback(txn uint32)   { c.add(step{kind: 'X', txn: txn}) }
func (c *script) keepalive()            { c.add(step{kind: 'k'}) }

// tagged puts a transaction's number behind a message's type.
func tagged(xid uint32, message []byte) []byte {
	return append(binary.BigEndian.AppendUint32([]byte{message[0]}, xid), message[1:]...)
}

func u32s(kind byte, numbers ...uint32) []byte {
	b := []byte{kind}
	for _, n := range numbers {
		b = binary.BigEndian.AppendUint32(b, n)
	}
	return b
}

func commitMessage(head []byte, lsn uint64) []byte {
	b := binary.BigEndian.AppendUint64(append(head, 0), lsn)
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(b, lsn+commitSize), lsn*10)
}

// sender is a server: what it has told this connection.
type sender struct {
	w      *walLog
	tables map[uint32]bool            // described to everybody
	within map[uint32]map[uint32]bool // described within a streamed transaction
	open   uint32                     // whose block is open
}

// send gives the log behind a position. Transactions are streamed, in blocks of at most so many rows, as the server would when
// its memory is full; blocks of 0 rows stand for no streaming.
func (c *script) send(from pglogrepl.LSN, block int) []byte {
	d := &sender{w: newLog(), tables: map[uint32]bool{}, within: map[uint32]map[uint32]bool{}}
	in := 0
	for i, s := range c.steps {
		if s.kind != 'k' && (c.done(s.txn, from) || !c.wrote(s.txn)) {
			continue
		}
		if d.open != 0 && (d.open != s.txn || s.kind != 'I' || in == block) {
			d.stop(s.lsn)
		}
		switch {
		case s.kind == 'k':
			d.w.keepalive(s.lsn, 0)
		case block == 0 && s.kind == 'C':
			d.ordinary(c.steps[:i], s)
		case block == 0:
		case s.kind == 'I':
			if d.open == 0 {
				in = 0
			}
			in++
			d.row(s)
		case s.kind == 'C':
			d.w.at(s.lsn, commitMessage(u32s('c', 1000*s.txn), s.lsn))
			for oid := range d.within[s.txn] {
				d.tables[oid] = true
			}
		case s.kind == 'A' && d.within[s.txn] != nil:
			d.w.at(s.lsn, u32s('A', 1000*s.txn, 1000*s.txn+s.sub))
			clear(d.within[s.txn])
		case s.kind == 'X' && d.within[s.txn] != nil:
			d.w.at(s.lsn, u32s('A', 1000*s.txn, 1000*s.txn))
		}
	}
	return d.w.out
}

// wrote says that a transaction has rows, rolled back or not.
func (c *script) wrote(txn uint32) bool {
	return slices.ContainsFunc(c.steps, func(s step) bool { return s.kind == 'I' && s.txn == txn })
}

// done says that a transaction has committed before a position.
func (c *script) done(txn uint32, from pglogrepl.LSN) bool {
	for _, s := range c.steps {
		if s.kind == 'C' && s.txn == txn {
			return s.lsn < uint64(from)
		}
	}
	return false
}

func (d *sender) stop(lsn uint64) {
	d.w.at(lsn, []byte{'E'})
	d.open = 0
}

func (d *sender) row(s step) {
	if d.open == 0 {
		first := byte(0)
		if d.within[s.txn] == nil {
			first, d.within[s.txn] = 1, map[uint32]bool{}
		}
		d.w.at(s.lsn, append(u32s('S', 1000*s.txn), first))
		d.open = s.txn
	}
	if !d.within[s.txn][s.oid] {
		d.within[s.txn][s.oid] = true
		d.w.at(s.lsn, tagged(1000*s.txn+s.sub, describe(s.oid)))
	}
	d.w.at(s.lsn, tagged(1000*s.txn+s.sub, s.message))
}

func describe(oid uint32) []byte {
	return relationMessage(oid, "public", map[uint32]string{ordersOID: "orders", itemsOID: "items", otherOID: "other"}[oid], 'd')
}

// ordinary sends a transaction at its commit, unless nothing is left of it.
func (d *sender) ordinary(steps []step, commit step) {
	gone := map[uint32]bool{}
	for _, s := range steps {
		if s.kind == 'A' && s.txn == commit.txn {
			gone[s.sub] = true
		}
	}
	begun := false
	for _, s := range steps {
		if s.kind != 'I' || s.txn != commit.txn || gone[s.sub] {
			continue
		}
		if !begun {
			begun = true
			b := binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64([]byte{'B'}, commit.lsn), commit.lsn*10)
			d.w.at(commit.lsn, binary.BigEndian.AppendUint32(b, 1000*commit.txn))
		}
		if !d.tables[s.oid] {
			d.tables[s.oid] = true
			d.w.at(s.lsn, describe(s.oid))
		}
		d.w.at(s.lsn, s.message)
	}
	if begun {
		d.w.at(commit.lsn, commitMessage([]byte{'C'}, commit.lsn))
	}
}
