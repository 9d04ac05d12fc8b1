package mysql

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"cdcbridge/changelog"
)

// txn is the transaction that the stream is in. Its slices are reused.
//
// A transaction that does not fit in a batch leaves in parts. From the first split on every row is hashed, and each part's
// position says how many rows of each table are done and what they hashed to, so that a replay can leave out exactly these
// rows and prove that they are the same. Until then the events that are in the batch are remembered: to be hashed at the
// split, or to be taken back (rollback to a savepoint, XA PREPARE, a move to a batch of its own).
type txn struct {
	active    bool
	ended     bool   // its last event has been read
	byXID     bool   // that was an XID event
	begun     bool   // BEGIN or XA START came, or the GTID event was both: only COMMIT, ROLLBACK, XID or XA PREPARE ends it
	quiet     bool   // it is done already: only XA transactions in it matter
	xa        string // id of the XA transaction that its rows belong to
	unapplied bool   // its statement has no effect
	serial    uint64 // counts transactions, so that tables know whether their entry in tables is of this one

	gtid   gtid
	at     logPlace
	length int   // bytes in the log, as the GTID event says, but at most maxBatchBytes; 0: it does not say
	commit int64 // microseconds
	server uint32
	thread uint32

	said     int    // statements so far, boundaries left out
	query    string // the statement that the next rows are of, "" when it is not known or not wanted
	index    uint64 // captured changes so far
	tables   []tableRun
	hashing  bool         // rows are hashed as they come
	split    bool         // a part has left
	inBatch  int          // index of its entry in the batch's Txns, -1: none yet
	mark     batchMark    // the batch before it
	events   []rowsInTxn  // its captured ROWS events in the batch, while it is whole
	saves    []savepoint  //
	prepared bool         // it is an XA PREPARE: its rows come with the XA COMMIT
	settles  *preparedXA  // what its XA COMMIT or XA ROLLBACK settles
	resume   *txnProgress // of the checkpoint: what is done of the transaction with that id
	skipping bool         // resume is about this transaction
}

// rowsInTxn is one captured ROWS event, decoded or held.
type rowsInTxn struct {
	table *tableEntry
	shape *shape
	rows  rowsEvent
	time  int64
	file  string
	pos   uint64
	query string
}

type savepoint struct {
	name string
	at   int // index into events
}

// batchMark is how full a batch was.
type batchMark struct{ txns, runs, changes, notes int }

func markOf(b *changelog.Batch) batchMark {
	return batchMark{len(b.Txns), len(b.Runs), len(b.Changes), len(b.Notes)}
}

func (m batchMark) rewind(b *changelog.Batch) {
	clear(b.Changes[m.changes:])
	b.Txns, b.Runs, b.Changes, b.Notes = b.Txns[:m.txns], b.Runs[:m.runs], b.Changes[:m.changes], b.Notes[:m.notes]
}

// rewind empties the batch down to a mark.
func (s *stream) rewind(m batchMark) {
	m.rewind(s.batch)
	s.gaps.rewind(m.changes)
}

// size is what the batch takes in memory once its gaps are filled.
func (s *stream) size() int { return s.batch.Size() + s.gaps.owed }

// name is the transaction's id, as Txn.ID has it.
func (t *txn) name() string { return string(t.appendName(nil)) }

func (t *txn) appendName(dst []byte) []byte {
	if !t.gtid.none() {
		return t.gtid.appendText(dst)
	}
	dst = append(append(dst, "file="...), t.at.file...)
	return strconv.AppendUint(append(dst, ",pos="...), t.at.pos, 10)
}

// ranBy says which session ran a statement of the transaction: the first one tells.
func (t *txn) ranBy(thread uint32) {
	if t.thread == 0 {
		t.thread = thread
	}
}

// begin starts a transaction at its GTID event.
func (s *stream) begin(ctx context.Context, h *eventHeader, g *gtidBody) error {
	t := &s.txn
	if t.active {
		return badEvent("reading the binlog stream", "a transaction begins within %s", t.name())
	}
	id := g.gtid(t.gtid.tag)
	if id.none() && s.pos.gtids != nil {
		return anonymousFault(fmt.Errorf("a transaction without GTID came at %s:%d", s.file, s.off))
	}
	commit := int64(g.OriginalCommit)
	if commit == 0 {
		commit = int64(h.Timestamp) * 1e6
	}
	*t = txn{
		active: true, begun: g.Begun, xa: g.XA, unapplied: g.Unapplied, serial: t.serial + 1, gtid: id, at: logPlace{s.file, s.off}, length: int(min(g.Length, maxBatchBytes)), commit: commit, server: h.ServerID, thread: g.Thread,
		tables: t.tables[:0], events: clipped(t.events), saves: t.saves[:0], resume: t.resume, inBatch: -1, mark: markOf(s.batch),
	}
	t.quiet = s.past.covers(id, t.at)
	if t.resume != nil && !t.quiet && t.resume.id == t.name() {
		t.skipping, t.hashing, t.split = true, true, true
		// What is left of it is a part, and a part has a batch of its own.
		if len(s.batch.Txns) > 0 {
			err := s.emit(ctx, false)
			t.mark = batchMark{}
			return err
		}
	}
	return nil
}

// clipped empties a list and lets a large one go: it borrows from batches.
func clipped(evs []rowsInTxn) []rowsInTxn {
	clear(evs)
	return evs[:0]
}

// rows handles a ROWS event.
func (s *stream) rows(ctx context.Context, h *eventHeader, body eventBody) error {
	t := &s.txn
	if !t.active {
		return badEvent("reading the binlog stream", "rows stand outside of a transaction")
	}
	id, err := body.tableID()
	if err != nil {
		return err
	}
	m, err := s.tables.mapped(id)
	if err != nil {
		return err
	}
	if m == nil || m.entry == nil || t.quiet && t.xa == "" {
		return body.discard()
	}
	var b []byte
	if t.xa != "" {
		b, err = body.body() // an XA transaction outlives the batch
	} else if err = s.makeRoom(ctx, m.entry, body.bodySize()); err == nil {
		b, err = body.keep(s.batch)
	}
	if err != nil {
		return err
	}
	ev := rowsInTxn{table: m.entry, shape: m.shape, time: int64(h.Timestamp) * 1e6, file: s.file, pos: s.off, query: t.query}
	if err = ev.rows.read(h.Type, b); err != nil {
		return err
	}
	if t.xa != "" {
		return s.hold(ev)
	}
	return s.append(ctx, &ev)
}

// batchBytes is the size at which a batch leaves now.
func (s *stream) batchBytes() int { return s.src.env.BatchBytes(s.cfg.BatchBytes) }

// makeRoom hands whole transactions over before the first rows of one that will not fit beside them, as far as its length and what
// rows of the table took before tell: to move rows later is to decode them twice.
func (s *stream) makeRoom(ctx context.Context, e *tableEntry, size int) error {
	t := &s.txn
	if t.inBatch >= 0 || t.mark.txns == 0 {
		return nil
	}
	size = min(max(size, t.length), maxBatchBytes)
	if s.size()+size+size*e.decoded/max(e.logged, 1) < s.batchBytes() {
		return nil
	}
	t.mark = batchMark{}
	return s.emit(ctx, false)
}

// append decodes an event into the batch and hands the batch over when it is full.
func (s *stream) append(ctx context.Context, ev *rowsInTxn) error {
	if err := s.decode(ev); err != nil {
		return err
	}
	if s.size() < s.batchBytes() {
		return nil
	}
	return s.overflow(ctx)
}

// decode appends the changes of an event that are not done yet.
func (s *stream) decode(ev *rowsInTxn) error {
	t := &s.txn
	run := t.run(ev.table)
	from, before := len(s.batch.Changes), s.batch.Size()
	at := ordinals{Index: t.index, TableIndex: run.rows}
	done, err := ev.shape.decodeRows(s.batch, ev.rows, int(min(run.skip, 1<<30)), &at)
	if err != nil {
		return err
	}
	t.index, run.rows = at.Index, at.TableIndex
	if ev.rows.partial() && s.cfg.UnchangedValues == unchangedReread {
		if err := s.gaps.find(s.batch, from, *ev, t, done.SkippedBytes); err != nil {
			return err
		}
	}
	ev.table.seen = true
	if t.hashing {
		if err := run.hash(ev, done); err != nil {
			return err
		}
	} else {
		t.events = append(t.events, *ev)
	}
	if to := len(s.batch.Changes); to > from {
		s.batch.Runs = append(s.batch.Runs, changelog.Run{Table: ev.shape.table, Txn: s.entry(), From: from, To: to, Pos: ev.pos, File: ev.file, Time: ev.time, Query: s.queryText(ev.query)})
	}
	if done.Skipped == 0 {
		ev.table.logged, ev.table.decoded = len(ev.rows.Rows), s.batch.Size()-before
	}
	return nil
}

// entry finds or makes the transaction's entry in the batch.
func (s *stream) entry() int {
	t := &s.txn
	if t.inBatch >= 0 {
		return t.inBatch
	}
	t.inBatch = len(s.batch.Txns)
	id := s.batch.String(s.names.of(t))
	o := changelog.Origin{File: t.at.file, Pos: t.at.pos, ServerID: t.server, Thread: uint64(t.thread)}
	if !t.gtid.none() {
		o.GTID = id
	}
	x := changelog.Txn{ID: id, Commit: t.commit, Origin: o, First: !t.split}
	if t.split {
		x.Done = s.pos.txn.tables.Counts()
	}
	s.batch.Txns = append(s.batch.Txns, x)
	return t.inBatch
}

// overflow hands the batch over in the middle of the transaction. Whole transactions before it leave by themselves, and the
// begun one moves to the next batch; alone in its batch, it leaves in part.
func (s *stream) overflow(ctx context.Context) error {
	t := &s.txn
	if t.resume != nil && !t.skipping {
		// Another transaction is half done and comes later: two at once have no place in a position, so this one stays whole.
		return nil
	}
	if t.mark != (batchMark{}) {
		events := append([]rowsInTxn(nil), t.events...)
		notes := t.ownNotes(s.batch)
		// Its rows are decoded again from copies, because the old batch takes its memory along.
		for i := range events {
			events[i].rows = events[i].rows.clone()
		}
		s.rewind(t.mark)
		if err := s.emit(ctx, false); err != nil {
			return err
		}
		t.mark = batchMark{}
		if err := s.redo(events, notes); err != nil || s.size() < s.batchBytes() {
			return err
		}
	}
	if s.batch.Empty() {
		// All of it was done before: only memory is full.
		s.batch.Release()
		s.batch, t.inBatch = changelog.NewBatch(), -1
		return nil
	}
	if !t.split {
		if err := s.finished(ctx); err != nil {
			return err
		}
	}
	s.splitHere()
	return s.emit(ctx, false)
}

// redo starts the transaction's changes over with the given events and notes. It must be whole.
func (s *stream) redo(events []rowsInTxn, notes []changelog.Note) error {
	t := &s.txn
	s.rewind(t.mark)
	t.index, t.inBatch, t.tables, t.events = 0, -1, t.tables[:0], t.events[:0]
	t.serial++ // tables forget their entries
	for _, n := range notes {
		s.note(n)
	}
	for i := range events {
		if err := s.decode(&events[i]); err != nil {
			return err
		}
	}
	return nil
}

// ownNotes copies the transaction's notes out of the batch. Within a transaction there is one at most, before all rows: the
// CREATE TABLE of a CREATE TABLE … SELECT.
func (t *txn) ownNotes(b *changelog.Batch) []changelog.Note {
	notes := slices.Clone(b.Notes[t.mark.notes:])
	for i := range notes {
		notes[i].Text, notes[i].Database = strings.Clone(notes[i].Text), strings.Clone(notes[i].Database)
	}
	return notes
}

// finish marks the transaction's last event.
func (s *stream) finish(what string) error {
	if !s.txn.active {
		return badEvent("reading the binlog stream", "%s stands outside of a transaction", what)
	}
	s.txn.ended = true
	return nil
}

// endTransaction moves the position past the transaction and hands the batch over when it is full.
func (s *stream) endTransaction(ctx context.Context) error {
	t := &s.txn
	if t.skipping {
		if err := t.allSkipped(); err != nil {
			return err
		}
		t.resume = nil
	}
	if t.split || t.inBatch >= 0 {
		s.batch.Txns[s.entry()].Last = true
	}
	if t.resume == nil {
		s.pos.txn = nil
	}
	t.active, t.ended = false, false
	s.leave(func(tr *trail) { tr.passed(logPlace{s.file, s.off}, t.byXID) })
	s.stats.EventTime = t.commit
	t.events = clipped(t.events)
	s.xa.settle(t, s.pos.gtids)
	s.src.history.settle()
	if s.pos.gtids != nil && !t.quiet && (!t.prepared || !s.pos.gtids.holes()) {
		s.pos.gtids.put(t.gtid)
		s.moved = true
	}
	s.past.end(t.gtid)
	if s.past.over() {
		s.moveTo(s.file, s.off)
		s.pos.resume = s.xa.resume(s.pos.gtids)
	}
	if s.size() >= s.batchBytes() && len(s.batch.Txns) > 0 || t.split {
		return s.emit(ctx, false)
	}
	if s.batch.Size() >= s.batchBytes() {
		s.batch.Release() // memory without content
		s.batch = changelog.NewBatch()
	}
	return nil
}
