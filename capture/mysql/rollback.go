package mysql

import (
	"errors"
	"fmt"
	"strings"

	"cdcbridge/internal/fault"
)

// This file undoes what the log itself takes back. The server nearly always removes what was rolled back before it logs a
// transaction. Where it cannot (tables without transactions took part), it logs the rows and then ROLLBACK or ROLLBACK TO:
// rows of transactional tables did not happen, the others stay.

// savepoint remembers where the transaction stands.
func (t *txn) savepoint(name string) { t.saves = append(t.saves, savepoint{name, len(t.events)}) }

// since gives the events after the newest savepoint of that name; ok is false when there is none.
func (t *txn) since(name string) (at int, ok bool) {
	for i := len(t.saves) - 1; i >= 0; i-- {
		if strings.EqualFold(t.saves[i].name, name) {
			t.saves = t.saves[:i+1]
			return t.saves[i].at, true
		}
	}
	return 0, false
}

// rollback ends the transaction with a ROLLBACK.
func (s *stream) rollback() error {
	if err := s.undo(0); err != nil {
		return err
	}
	return s.finish("ROLLBACK")
}

// rollbackTo undoes what came after a savepoint.
func (s *stream) rollbackTo(name string) error {
	at, ok := s.txn.since(name)
	if !ok {
		return badEvent("reading the binlog stream", "ROLLBACK TO names the savepoint %q, which the transaction does not have", name)
	}
	return s.undo(at)
}

// undo takes back the events from the given one on, but for those of tables without transactions.
func (s *stream) undo(at int) error {
	t := &s.txn
	if t.split && t.index > 0 {
		return s.undoInParts()
	}
	kept := append([]rowsInTxn(nil), t.events[:at]...)
	for _, ev := range t.events[at:] {
		takenBack, err := ev.table.takenBack()
		if err != nil {
			return err
		}
		if !takenBack {
			kept = append(kept, ev)
		}
	}
	if len(kept) == len(t.events) {
		return nil
	}
	if t.xa != "" {
		t.events = kept
		return nil
	}
	return s.redo(kept, t.ownNotes(s.batch))
}

// undoInParts is undo for a transaction of which parts have left: it can only pass what takes nothing back.
func (s *stream) undoInParts() error {
	for i := range s.txn.tables {
		e := s.txn.tables[i].table
		takenBack, err := e.takenBack()
		if err != nil {
			return err
		}
		if takenBack {
			return fault.NewFinal(fault.Diverged, "undoing a rollback", fmt.Errorf("the transaction %s takes rows of %s back that have left already", s.txn.name(), e.name),
				"Snapshot the table again. A larger batch_bytes keeps such a transaction whole.")
		}
	}
	return nil
}

// takenBack reports whether a rollback takes rows of this table back.
func (e *tableEntry) takenBack() (bool, error) {
	if e.facts == nil || e.facts.engine == "" {
		return false, fault.NewFinal(fault.SchemaUnknown, "undoing a rollback", errors.New("the engine of "+e.name+" is not known, because the table is gone"),
			"The log rolls rows of the table back, and only its engine says whether that undid them. Leave the table out of tables.")
	}
	return e.facts.transactional(), nil
}
