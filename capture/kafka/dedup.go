package kafka

import (
	"encoding/json"
	"strconv"

	"cdcbridge/changelog"
)

// repeats is what is known of the changes of a partition that were read before. A partition has the changes of its writer in their
// order, and a writer that goes on after a failure begins again at some place before: what it writes then is what it had written
// already, change for change, up to the place where it failed. So a change is a repetition
//
//   - when its place in the log of the database is before the transaction that came last (dedup_log.go). The log must be the same one,
//     and the change no newer by its time and GTID than what came before: a log that was begun anew, and the log of another server, have
//     the same places once more, with newer changes;
//   - in the transaction that came last, when the same change of the same row at the same place has been there;
//   - where messages have no place, as Canal's without GTIDs, when the same change of the same moment has been there, and it cannot
//     happen to the row that the changes after it have left (dedup_row.go).
//
// Everything else may be new, and stays: rows of snapshots, and what was forgotten. Memory is bounded, and so is its text.
type repeats struct {
	logs  map[string]*seenLog // by what it is that changes come from, see logOf
	order []string            // of logs: the one that is known longest is first
	rows  seenRows
	ids   identities
	name  []byte
	last  *seenLog // of the change before, whose name it still is
	which string
	saved json.RawMessage // the last state
}

// maxSeenTables bounds how many logs of one partition are remembered.
const maxSeenTables = 50

// dropRepeated takes those changes out of the batch behind from that were read before, and says how many.
func (s *stream) dropRepeated(p *partition, b *changelog.Batch, from mark) int {
	if len(b.Changes) == from.changes {
		return 0
	}
	kept := s.kept[:0]
	topic := s.topics[p.topic]
	alone := topic.count < 2
	var spread []*partition
	if s.merger != nil && !alone {
		spread = topic.parts
	}
	for n := from.runs; n < len(b.Runs); n++ {
		run := &b.Runs[n]
		for i := run.From; i < run.To; i++ {
			if !p.repeats.saw(&sighting{run: run, txn: &b.Txns[run.Txn], change: &b.Changes[i], alone: alone, spread: spread}) {
				kept = append(kept, i)
			}
		}
	}
	s.kept = kept
	dropped := len(b.Changes) - from.changes - len(kept)
	if dropped > 0 {
		arrange(b, from, kept)
	}
	return dropped
}

// sighting is a change with all that tells where it comes from.
type sighting struct {
	run    *changelog.Run
	txn    *changelog.Txn
	change *changelog.Change
	alone  bool // its topic has one partition: nothing happens to the row elsewhere
	whole  bool // it is a truncation: of all rows

	// spread are the partitions that are merged, in which changes of one row can be. A writer that fails has written of its last changes what some
	// of them have and others lack. What these bring when it writes again has happened before what those had, which must be read again then: a
	// change is a repetition only when all of them have gone past its transaction.
	spread []*partition
}

// saw takes a change in, and reports that it was read before.
func (r *repeats) saw(s *sighting) bool {
	if s.run.Snapshot != changelog.Streamed || s.change.Op == changelog.Read || s.change.Op == changelog.Upsert {
		return false
	}
	at, ok := spotOf(s)
	spread := s.spread != nil && s.txn.Origin.Built != 0
	if !ok {
		if s.txn.Origin.Built == 0 || spread {
			return false
		}
		return r.rows.saw(&r.ids, s)
	}
	switch l := r.logOf(s); l.saw(&r.ids, s, &at) {
	case repeated:
		return !spread || passed(s.spread, r.which, &at)
	case perhaps:
		if spread {
			return false
		}
		return s.txn.Origin.Built != 0 && r.rows.saw(&r.ids, s)
	}
	if s.txn.Origin.Built != 0 && !spread {
		r.rows.note(&r.ids, s)
	}
	return false
}

// passed reports that all partitions have had later transactions of a log.
func passed(all []*partition, log string, at *spot) bool {
	for _, p := range all {
		l := p.repeats.logs[log]
		if l == nil || l.Log != at.log || at.at.compare(l.Begin) >= 0 {
			return false
		}
	}
	return true
}

// logOf tells logs apart, which may have tables of one name: by the writer's name, the server that ran the transaction, and the table.
func (r *repeats) logOf(s *sighting) *seenLog {
	t := s.run.Table
	r.name = append(append(r.name[:0], s.txn.Origin.Name...), '/')
	r.name = append(strconv.AppendUint(r.name, uint64(s.txn.Origin.ServerID), 10), '/')
	r.name = append(append(append(append(append(r.name, t.Database...), '.'), t.Schema...), '.'), t.Name...)
	if r.last == nil || r.which != string(r.name) {
		r.which = string(r.name)
		r.last = r.log(r.which)
	}
	return r.last
}

// log gives what is known of a log.
func (r *repeats) log(table string) *seenLog {
	if l := r.logs[table]; l != nil {
		return l
	}
	if r.logs == nil {
		r.logs = map[string]*seenLog{}
	}
	if len(r.order) == maxSeenTables {
		delete(r.logs, r.order[0])
		r.order = append(r.order[:0], r.order[1:]...)
	}
	l := new(seenLog)
	r.logs[table] = l
	r.order = append(r.order, table)
	return l
}

// repeatsState is the durable text.
type repeatsState struct {
	Tables []seenTable `json:"tables,omitempty"`
	Rows   []byte      `json:"rows,omitempty"`
}

type seenTable struct {
	Name string `json:"name"`
	seenLog
}

// state is the durable text, nil when there is nothing to know.
func (r *repeats) state() json.RawMessage {
	s := repeatsState{Rows: r.rows.state()}
	for _, name := range r.order {
		s.Tables = append(s.Tables, seenTable{name, *r.logs[name]})
	}
	if len(s.Tables) == 0 && len(s.Rows) == 0 {
		return nil
	}
	text, err := json.Marshal(&s)
	if err != nil { // there is nothing in it that JSON does not have
		return nil
	}
	r.saved = text
	return text
}

// back forgets what came since the last state. A repetition may pass then, but nothing is taken for one that was not written.
func (r *repeats) back() {
	if err := r.restore(r.saved); err != nil {
		*r = repeats{}
	}
}

func (r *repeats) restore(text json.RawMessage) error {
	*r = repeats{saved: text}
	if len(text) == 0 {
		return nil
	}
	var s repeatsState
	if err := json.Unmarshal(text, &s); err != nil {
		return err
	}
	for _, t := range s.Tables {
		*r.log(t.Name) = t.seenLog
	}
	return r.rows.restore(s.Rows)
}
