package postgres

import (
	"context"
	"fmt"
	"strconv"

	"github.com/jackc/pglogrepl"

	"cdcbridge/changelog"
	"cdcbridge/internal/fault"
)

// txn is the transaction that the stream is in. Its slices are reused.
//
// A transaction that does not fit in a batch leaves in parts. From the first split on every message is hashed, and each
// part's position says how many rows of each table are done and what they hashed to, so that a replay can leave out exactly
// these rows and prove that they are the same. Until then the messages that are in the batch are remembered: to be hashed at
// the split, or decoded again in a batch of their own.
type txn struct {
	active bool
	serial uint64 // counts transactions, so that tables know whether their entry in tables is of this one

	commit     pglogrepl.LSN // where its commit record begins
	time       int64         // of the commit, microseconds
	xid        uint32
	replica    []byte // replication origin
	replicaLSN pglogrepl.LSN

	index    uint64 // captured changes so far
	tables   []tableRun
	hashing  bool         // messages are hashed as they come
	split    bool         // a part has left
	inBatch  int          // index of its entry in the batch's Txns, -1: none yet
	mark     batchMark    // the batch before it
	events   []event      // its messages in the batch, while it is whole
	resume   *txnProgress // of the checkpoint: what is done of that transaction
	skipping bool         // resume is about this transaction
}

// event is a captured message of the transaction: a row, a truncation of one table, or a logical message.
type event struct {
	table *tableEntry
	shape *shape
	kind  messageType
	data  []byte // the message in the batch's memory; of a truncation its text
	pos   pglogrepl.LSN
}

// batchMark is how full a batch was.
type batchMark struct{ txns, runs, changes, notes, gaps int }

func (s *stream) mark() batchMark {
	b := s.batch
	return batchMark{len(b.Txns), len(b.Runs), len(b.Changes), len(b.Notes), len(s.gaps)}
}

// rewind empties the batch down to a mark.
func (s *stream) rewind(m batchMark) {
	b := s.batch
	clear(b.Changes[m.changes:])
	b.Txns, b.Runs, b.Changes, b.Notes = b.Txns[:m.txns], b.Runs[:m.runs], b.Changes[:m.changes], b.Notes[:m.notes]
	for _, g := range s.gaps[m.gaps:] {
		s.owed -= g.size
	}
	s.gaps = s.gaps[:m.gaps]
}

// appendName appends the transaction's id, as Txn.ID has it.
func (t *txn) appendName(dst []byte) []byte {
	dst = append(strconv.AppendUint(dst, uint64(t.xid), 10), ':')
	return strconv.AppendUint(dst, uint64(t.commit), 10)
}

// begin starts a transaction.
func (s *stream) begin(ctx context.Context, b beginBody) error {
	t := &s.txn
	if t.active {
		return badMessage(nil, "transaction %d begins within transaction %d", b.XID, t.xid)
	}
	if b.Commit < s.pos.lsn {
		return badMessage(nil, "transaction %d of %v comes after %v", b.XID, b.Commit, s.pos.lsn)
	}
	*t = txn{
		active: true, serial: t.serial + 1, commit: b.Commit, time: b.Time, xid: b.XID, replica: t.replica[:0],
		tables: t.tables[:0], events: clipped(t.events), resume: t.resume, inBatch: -1, mark: s.mark(),
	}
	if t.resume == nil {
		return nil
	}
	if t.resume.commit < t.commit || t.resume.commit == t.commit && t.resume.xid != t.xid {
		return t.resume.missing()
	}
	if t.resume.commit == t.commit {
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

// missing is for a transaction that left in part and does not come again.
func (p *txnProgress) missing() error {
	return replayFault(fmt.Errorf("transaction %d of %v did not come again", p.xid, p.commit))
}

// clipped empties a list that borrows from batches.
func clipped(evs []event) []event {
	clear(evs)
	return evs[:0]
}

// batchBytes is the size at which a batch leaves now.
func (s *stream) batchBytes() int { return s.src.env.BatchBytes(s.cfg.BatchBytes) }

// makeRoom hands whole transactions over before a transaction begins that will not fit beside them, to judge by its first
// message and by the transaction before: that is cheaper than to move its rows later.
func (s *stream) makeRoom(ctx context.Context, size int) error {
	t := &s.txn
	if t.inBatch >= 0 || t.mark.txns == 0 || s.size()+max(size, s.usual) < s.batchBytes() {
		return nil
	}
	t.mark = batchMark{}
	return s.emit(ctx, false)
}

// append takes an event into the batch and hands the batch over when it is full.
func (s *stream) append(ctx context.Context, ev event) error {
	if err := s.take(ev); err != nil {
		return err
	}
	if s.size() < s.batchBytes() {
		return nil
	}
	return s.overflow(ctx)
}

// take appends what an event says unless it is done.
func (s *stream) take(ev event) error {
	t := &s.txn
	run := t.run(ev.table)
	skip := run.skip > 0
	index, row := t.index, run.rows
	run.done++
	if ev.shape != nil {
		t.index++
		run.rows++
	}
	if t.hashing {
		if err := run.hash(ev.data); err != nil {
			return err
		}
	} else {
		t.events = append(t.events, ev)
	}
	switch {
	case skip:
		return nil
	case ev.shape == nil:
		return s.note(ev)
	}
	b := s.batch
	at := len(b.Changes)
	b.Changes = append(b.Changes, changelog.Change{Index: index, TableIndex: row, Pos: uint64(ev.pos)})
	missing, err := ev.shape.decodeRow(b, &b.Changes[at], ev.data)
	if err != nil {
		return err
	}
	if missing {
		s.gaps = append(s.gaps, gap{change: at, xid: t.xid, shape: ev.shape, entry: ev.table, size: ev.table.gapSize, body: ev.data})
		s.owed += ev.table.gapSize
	}
	s.extend(ev, at)
	return nil
}

// extend adds the change to the last run when that is of the same table and transaction, or begins another one.
func (s *stream) extend(ev event, at int) {
	b := s.batch
	entry := s.entry()
	if n := len(b.Runs) - 1; n >= 0 {
		if r := &b.Runs[n]; r.To == at && r.Txn == entry && r.Table == ev.shape.table {
			r.To++
			return
		}
	}
	b.Runs = append(b.Runs, changelog.Run{Table: ev.shape.table, Txn: entry, From: at, To: at + 1, Pos: uint64(ev.pos), Time: s.txn.time})
}

// ownPrefix is that of the messages by which we move an idle log and find its end.
const ownPrefix = "cdcbridge"

// note appends what is not a row change.
func (s *stream) note(ev event) error {
	n := changelog.Note{Kind: changelog.Truncate, At: len(s.batch.Changes), Txn: -1, Table: ev.table.last, Pos: uint64(ev.pos), Database: s.cfg.Database}
	if ev.kind == messageLogical {
		m, err := parseLogical(ev.data)
		if err != nil {
			return err
		}
		if string(m.Prefix) == ownPrefix {
			return nil // nobody's but ours
		}
		n.Kind, n.Prefix, n.Text, n.Transactional = changelog.Message, s.batch.String(m.Prefix), s.batch.String(m.Content), m.Transactional
	} else {
		n.Text = s.batch.String(ev.data)
	}
	if !s.txn.active {
		n.LastCommit, n.Time = uint64(s.lastCommit), s.lastTime // the log has no time of its own for it
	} else {
		n.Txn, n.Time = s.entry(), s.txn.time
	}
	s.batch.Notes = append(s.batch.Notes, n)
	return nil
}

// entry finds or makes the transaction's entry in the batch.
func (s *stream) entry() int {
	t := &s.txn
	if t.inBatch >= 0 {
		return t.inBatch
	}
	t.inBatch = len(s.batch.Txns)
	var buf [48]byte
	var done []changelog.Count
	if t.split {
		done = s.pos.txn.tables.Counts()
	}
	s.batch.Txns = append(s.batch.Txns, changelog.Txn{
		ID: s.batch.String(t.appendName(buf[:0])), Commit: t.time, First: !t.split, Done: done,
		Origin: changelog.Origin{
			Pos: uint64(t.commit), XID: t.xid, LastCommit: uint64(s.lastCommit),
			Replica: s.batch.String(t.replica), ReplicaLSN: uint64(t.replicaLSN),
		},
	})
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
		events := moved(t.events)
		s.rewind(t.mark)
		if err := s.emit(ctx, false); err != nil {
			return err
		}
		t.mark = batchMark{}
		if err := s.redo(events); err != nil || s.size() < s.batchBytes() {
			return err
		}
	}
	if s.batch.Empty() {
		// All of it was done before: only memory is full.
		s.batch.Release()
		s.batch, t.inBatch = changelog.NewBatch(), -1
		return nil
	}
	s.splitHere()
	return s.emit(ctx, false)
}

// moved copies events out of a batch that takes its memory along.
func moved(events []event) []event {
	size := 0
	for i := range events {
		size += len(events[i].data)
	}
	memory := make([]byte, 0, size)
	out := append([]event(nil), events...)
	for i := range out {
		from := len(memory)
		memory = append(memory, out[i].data...)
		out[i].data = memory[from:len(memory):len(memory)]
	}
	return out
}

// redo takes the transaction's events again into an empty batch. It must be whole.
func (s *stream) redo(events []event) error {
	t := &s.txn
	t.index, t.inBatch, t.tables, t.events = 0, -1, t.tables[:0], clipped(t.events)
	t.serial++ // tables forget their entries
	for _, ev := range events {
		ev.data = s.batch.Copy(ev.data)
		if err := s.take(ev); err != nil {
			return err
		}
	}
	return nil
}

// end moves the position past the transaction and hands the batch over when it is full.
func (s *stream) end(ctx context.Context, c commitBody) error {
	t := &s.txn
	if !t.active || c.Commit != t.commit {
		return badMessage(nil, "a Commit of %v ends transaction %d of %v", c.Commit, t.xid, t.commit)
	}
	if t.skipping {
		if err := t.allSkipped(); err != nil {
			return err
		}
		t.resume = nil
	}
	if t.split || t.inBatch >= 0 {
		s.batch.Txns[s.entry()].Last = true
		s.src.pending.streamed(t.xid, c.End)
	}
	if t.resume == nil {
		s.pos.txn = nil
	}
	t.active = false
	s.stats.EventTime = t.time
	t.events = clipped(t.events)
	s.lastCommit, s.lastTime = c.End, t.time
	s.moveTo(c.End)
	size := s.size()
	s.usual = size - s.filled
	s.filled = size
	switch {
	case size >= s.batchBytes() && len(s.batch.Txns) > 0, t.split, s.grown():
		return s.emit(ctx, false)
	case size >= s.batchBytes():
		s.batch.Release() // memory without content
		s.batch, s.filled = changelog.NewBatch(), 0
	}
	return nil
}

// truncate handles a TRUNCATE, of which the log has one message for all tables.
func (s *stream) truncate(ctx context.Context, body []byte) error {
	b, err := parseTruncate(body)
	if err != nil {
		return err
	}
	for oid := b.next(); oid != 0; oid = b.next() {
		m, err := s.related(ctx, oid)
		if err != nil {
			return err
		}
		if m.entry == nil {
			continue
		}
		t := m.shape.table
		if s.cfg.OnTruncate != truncateNote {
			return fault.NewFinal(fault.Diverged, "reading the WAL stream", fmt.Errorf("%s was truncated", t.FullName()),
				"The target still has its rows. Start the table over with a new snapshot, or set on_truncate: note to go on without a word to the target.")
		}
		text := "TRUNCATE TABLE " + identifier(t.Schema) + "." + identifier(t.Name)
		if b.Restart {
			text += " RESTART IDENTITY"
		}
		if b.Cascade {
			text += " CASCADE"
		}
		if err := s.append(ctx, event{table: m.entry, kind: messageTruncate, data: s.batch.Copy([]byte(text)), pos: s.at}); err != nil {
			return err
		}
	}
	return nil
}
