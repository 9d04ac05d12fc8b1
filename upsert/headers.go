package upsert

import (
	"fmt"
	"strconv"

	"cdcbridge/changelog"
	"cdcbridge/formats"
	"cdcbridge/internal/kafkawire"
)

// Every record, tombstones included, says where it comes from, so that a consumer can prove that nothing is missing and
// nothing is there twice: (HeaderTxn, HeaderOrd, HeaderOp) occurs exactly once in a topic. A row that a snapshot read belongs to
// no transaction and has neither HeaderTxn nor HeaderOrd; its HeaderPos is where in the log the read stands, and so comes after
// that of every earlier record of its key and not after that of a later one.
const (
	HeaderPipeline = "cdc.pipeline" // name of the pipeline
	HeaderTable    = "cdc.table"    // database.table or schema.table
	HeaderShard    = "cdc.shard"    // only where keys begin with what tells shards apart (Output.KeyPrefix): what that is
	HeaderPos      = "cdc.pos"      // where in the log: file and byte offset of the event, or LSNs of commit and change, or topic, partition and offset of the record, see below
	HeaderTxn      = "cdc.txn"      // source transaction: GTID, or file and offset, or transaction id and LSN of the commit, or what a record says, else its HeaderPos; not on snapshot reads
	HeaderOrd      = "cdc.ord"      // 0-based number of the change among the captured changes of its transaction; not on snapshot reads
	HeaderOp       = "cdc.op"       // c insert, u update, d delete, r snapshot read, x tombstone; a word on records beside the rows
	HeaderFill     = "cdc.fill"     // only on a row with values that the log lacked: "reread", they may be those of a later change of the row, which follows
)

// headerCount is how many of them a record has, HeaderFill aside.
func headerCount(txn *changelog.Txn) int {
	if txn.Snapshot {
		return 4
	}
	return 6
}

// tableHeaders renders the headers that all records of a table share.
func tableHeaders(pipeline string, t *changelog.Table) []byte {
	h := kafkawire.AppendRecordHeader(nil, HeaderPipeline, []byte(pipeline))
	return kafkawire.AppendRecordHeader(h, HeaderTable, []byte(t.FullName()))
}

// shardOf is what the keys of a run begin with, whose record rec is.
func (p *Plan) shardOf(rec *changelog.Record) string {
	if p.sharded && p.shard == "" && rec != nil {
		return rec.Topic
	}
	return p.shard
}

// hasLSNs reports whether positions of the table's log are LSNs, of which each change has its own.
func hasLSNs(t *changelog.Table) bool { return t.Origin == "postgresql" }

// extraHeaders are headers of a format that all its records of a kind have, rendered.
type extraHeaders struct {
	bytes []byte
	count int
}

func renderHeaders(list []formats.Header) extraHeaders {
	var h extraHeaders
	for _, one := range list {
		h.bytes = kafkawire.AppendRecordHeader(h.bytes, one.Name, one.Value)
	}
	h.count = len(list)
	return h
}

// appendRunHeaders adds those that all records of a run share. rec is the record that they were read from, nil: none.
func (m *Materializer) appendRunHeaders(plan *Plan, run *changelog.Run, txn *changelog.Txn, rec *changelog.Record) {
	dst, num := append(m.run[:0], plan.headers...), m.num[:0]
	if plan.sharded {
		num = append(num, plan.shardOf(rec)...)
		dst, num = kafkawire.AppendRecordHeader(dst, HeaderShard, num), num[:0]
	}
	switch {
	case rec != nil:
		num = appendRecordPlace(num, rec)
	case plan.lsns: // see appendChangeHeaders
	case txn.Snapshot:
		num = appendFilePlace(num, txn.Origin.File, txn.Origin.Pos)
	default:
		num = appendFilePlace(num, run.File, run.Pos)
	}
	if len(num) > 0 {
		dst = kafkawire.AppendRecordHeader(dst, HeaderPos, num)
	}
	m.place = append(m.place[:0], num...)
	if !txn.Snapshot {
		if rec == nil || txn.ID != "" {
			num = append(num[:0], txn.ID...)
		}
		dst = kafkawire.AppendRecordHeader(dst, HeaderTxn, num)
	}
	m.run, m.num, m.lsns = dst, num, plan.lsns && rec == nil
}

// placeChange goes to the position of a change where it has its own.
func (m *Materializer) placeChange(ch *changelog.Change) {
	if !m.lsns {
		return
	}
	at := ch.Pos
	if m.ctx.Txn.Snapshot {
		at = 0 // a transaction that commits right there has changes with positions, which come later
	}
	m.place = appendLSNs(m.place[:0], m.ctx.Txn.Origin.Pos, at)
}

// appendChangeHeaders adds those of one record: number, operation, and the position where the change has its own.
func (m *Materializer) appendChangeHeaders(ch *changelog.Change, op string) {
	dst, num := append(m.header[:0], m.run...), m.num
	if m.lsns {
		dst = kafkawire.AppendRecordHeader(dst, HeaderPos, m.place)
	}
	if !m.ctx.Txn.Snapshot {
		num = strconv.AppendUint(num[:0], ch.Index, 10)
		dst = kafkawire.AppendRecordHeader(dst, HeaderOrd, num)
	}
	num = append(num[:0], op...)
	m.header, m.num = kafkawire.AppendRecordHeader(dst, HeaderOp, num), num
	m.op = op
}

// appendFilePlace appends "binlog.000003:484".
func appendFilePlace(dst []byte, file string, pos uint64) []byte {
	return strconv.AppendUint(append(append(dst, file...), ':'), pos, 10)
}

// appendRecordPlace appends "orders/3@1234": topic, partition and offset of a record. No topic has a slash in its name.
func appendRecordPlace(dst []byte, r *changelog.Record) []byte {
	dst = strconv.AppendInt(append(append(dst, r.Topic...), '/'), int64(r.Partition), 10)
	return strconv.AppendInt(append(dst, '@'), r.Offset, 10)
}

// recordOf finds the record that a run or note was read from, nil where there is none.
func recordOf(b *changelog.Batch, number int) *changelog.Record {
	if number == 0 {
		return nil
	}
	return &b.Records[number-1]
}

// appendLSNs appends "00000000/0338FF10:00000000/0338FE20": where the transaction committed, which orders transactions, and
// the change within it. PostgreSQL reads each half as a pg_lsn; the zeros make the order of texts that of the log.
func appendLSNs(dst []byte, commit, change uint64) []byte {
	return appendLSN(append(appendLSN(dst, commit), ':'), change)
}

func appendLSN(dst []byte, lsn uint64) []byte {
	const digits = "0123456789ABCDEF"
	for shift := 60; shift >= 0; shift -= 4 {
		if shift == 28 {
			dst = append(dst, '/')
		}
		dst = append(dst, digits[lsn>>shift&15])
	}
	return dst
}

// placeOf says for people where in the log a change is.
func placeOf(b *changelog.Batch, run *changelog.Run, ch *changelog.Change) string {
	txn := &b.Txns[run.Txn]
	switch rec := recordOf(b, run.Record); {
	case rec != nil:
		return string(appendRecordPlace(nil, rec))
	case txn.Snapshot:
		return "a read of the table"
	case hasLSNs(run.Table):
		return fmt.Sprintf("%s of transaction %s", appendLSN(nil, ch.Pos), txn.ID)
	}
	return fmt.Sprintf("%s:%d row %d", run.File, run.Pos, ch.RowInEvent)
}

// sideHeaders gives the headers of a record beside the rows: pipeline, table, position and transaction where it has them, and what it
// is about. They are valid until the next record.
func (m *Materializer) sideHeaders(s *side, c cue, plan *Plan, n *changelog.Note, rec *changelog.Record) (headers []byte, count int) {
	var more extraHeaders
	if w, ok := s.encoder.(formats.SideHeaderWriter); ok {
		more = renderHeaders(w.SideHeaders(&formats.Beside{About: c.about, Context: &m.ctx, Note: n}))
	}
	h, num := append(m.header[:0], s.ours...), m.num
	count = 2
	add := func(name string) {
		h = kafkawire.AppendRecordHeader(h, name, num)
		count++
	}
	if plan != nil {
		if plan.encoder != nil {
			more = plan.more
		}
		num = append(num[:0], plan.Table.FullName()...)
		add(HeaderTable)
	}
	switch txn := m.ctx.Txn; {
	case rec != nil:
		num = appendRecordPlace(num[:0], rec)
		add(HeaderPos)
	case n == nil || n.Pos == 0:
	case n.File != "":
		num = appendFilePlace(num[:0], n.File, n.Pos)
		add(HeaderPos)
	case txn != nil:
		num = appendLSNs(num[:0], txn.Origin.Pos, n.Pos)
		add(HeaderPos)
	default: // between transactions
		num = appendLSNs(num[:0], n.Pos, n.Pos)
		add(HeaderPos)
	}
	if m.ctx.Txn != nil {
		if rec == nil || m.ctx.Txn.ID != "" {
			num = append(num[:0], m.ctx.Txn.ID...)
		}
		add(HeaderTxn)
	}
	num = append(num[:0], aboutNames[c.about]...)
	h = kafkawire.AppendRecordHeader(h, HeaderOp, num)
	h = append(h, more.bytes...)
	m.header, m.num = h, num
	return h, count + more.count
}
