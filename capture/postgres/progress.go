package postgres

import (
	"fmt"

	"github.com/cespare/xxhash/v2"

	"cdcbridge/capture"
	"cdcbridge/internal/fault"
)

// This file counts and hashes the messages of a transaction table by table: what a position within it says, and how a
// replay proves that it leaves out the same ones.

// tableRun is the progress of one table in the transaction.
type tableRun struct {
	table *tableEntry
	rows  uint64 // row changes so far
	done  uint64 // the same and truncations: what the digest covers and a position counts
	sum   xxhash.Digest
	skip  uint64 // of done, those that left before and did not come again yet
	want  uint64 // what they must hash to
}

// splitHere makes the position one within the transaction.
func (s *stream) splitHere() {
	t := &s.txn
	if !t.hashing {
		for i := range t.events {
			_, _ = t.run(t.events[i].table).sum.Write(t.events[i].data)
		}
	}
	t.hashing, t.split, t.inBatch, t.mark = true, true, -1, batchMark{}
	t.events = clipped(t.events)
	p := &txnProgress{commit: t.commit, xid: t.xid}
	for i := range t.tables {
		if r := &t.tables[i]; r.skip == 0 {
			p.tables = append(p.tables, capture.TableProgress{Name: r.table.name, Rows: r.done, Sum: r.sum.Sum64(), Others: r.done - r.rows})
		}
	}
	if t.skipping {
		for _, done := range t.resume.tables { // of which not all rows came again yet
			if p.tables.Find(done.Name) == nil {
				p.tables = append(p.tables, done)
			}
		}
	}
	s.pos.txn = p
}

// hash takes a message into the digest and compares it where those end that are done.
func (r *tableRun) hash(data []byte) error {
	_, _ = r.sum.Write(data)
	if r.skip == 0 {
		return nil
	}
	r.skip--
	if got := r.sum.Sum64(); r.skip == 0 && got != r.want {
		return replayFault(fmt.Errorf("the first %d rows of %s hash to %016x and did to %016x", r.done, r.table.name, got, r.want))
	}
	return nil
}

func replayFault(err error) error {
	return fault.NewFinal(fault.ReplayDiffers, "replaying a transaction that left in part", err,
		"The log shows this transaction with other rows than before: publication, origin or messages were set otherwise meanwhile, or the log was damaged. Set them back, or start over as docs/operations.md says.")
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
