package mysql

import (
	"fmt"

	"github.com/cespare/xxhash/v2"

	"cdcbridge/capture"
	"cdcbridge/internal/fault"
)

// This file counts and hashes the rows of a transaction table by table: what a position within it says, and how a replay
// proves that it leaves out the same rows.

// tableRun is the progress of one table in the transaction.
type tableRun struct {
	table *tableEntry
	rows  uint64
	sum   xxhash.Digest
	skip  uint64 // rows that are done and did not come again yet
	want  uint64 // what they must hash to
}

// splitHere makes the position one within the transaction.
func (s *stream) splitHere() {
	t := &s.txn
	if !t.hashing {
		for _, ev := range t.events {
			_, _ = t.run(ev.table).sum.Write(ev.rows.Rows)
		}
	}
	t.hashing, t.split, t.inBatch, t.mark = true, true, -1, batchMark{}
	t.events = clipped(t.events)
	p := &txnProgress{id: t.name()}
	for i := range t.tables {
		if r := &t.tables[i]; r.skip == 0 {
			p.tables = append(p.tables, capture.TableProgress{Name: r.table.name, Rows: r.rows, Sum: r.sum.Sum64()})
		}
	}
	if t.skipping {
		for _, done := range t.resume.tables { // of which not all rows came again yet
			if p.tables.Find(done.Name) == nil {
				p.tables = append(p.tables, done)
			}
		}
	}
	s.pos.file, s.pos.pos, s.pos.txn = t.at.file, t.at.pos, p
}

// hash takes an event's rows into the digest and compares it where the rows end that are done.
func (r *tableRun) hash(ev *rowsInTxn, done rowsDone) error {
	if done.Skipped > 0 {
		r.skip -= uint64(done.Skipped)
		_, _ = r.sum.Write(ev.rows.Rows[:done.SkippedBytes])
		if got := r.sum.Sum64(); r.skip == 0 && got != r.want {
			return replayFault(fmt.Errorf("the first %d rows of %s hash to %016x and did to %016x", r.rows-uint64(done.Rows-done.Skipped), r.table.name, got, r.want))
		}
	}
	_, _ = r.sum.Write(ev.rows.Rows[done.SkippedBytes:])
	return nil
}

func replayFault(err error) error {
	return fault.NewFinal(fault.ReplayDiffers, "replaying a transaction that left in part", err,
		"The log shows this transaction with other rows than before: it comes from another server and the table has no key, or the log was damaged. Start over as docs/operations.md says.")
}

// run finds or makes the progress of a table.
func (t *txn) run(e *tableEntry) *tableRun {
	if e.serial == t.serial {
		return &t.tables[e.slot]
	}
	e.serial, e.slot = t.serial, len(t.tables)
	t.tables = append(t.tables, tableRun{table: e})
	r := &t.tables[e.slot]
	r.sum.Reset()
	if t.skipping {
		if p := t.resume.tables.Find(e.name); p != nil {
			r.skip, r.want = p.Rows, p.Sum
		}
	}
	return r
}

// allSkipped checks that every row that is done has come again.
func (t *txn) allSkipped() error {
	for _, p := range t.resume.tables {
		found := false
		for i := range t.tables {
			if r := &t.tables[i]; r.table.name == p.Name {
				found = r.skip == 0
			}
		}
		if !found {
			return replayFault(fmt.Errorf("the transaction ends before the %d rows of %s that are done", p.Rows, p.Name))
		}
	}
	return nil
}
