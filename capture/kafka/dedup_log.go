package kafka

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"cdcbridge/changelog"
)

// seenLog is how far a table has come in the log of its database.
type seenLog struct {
	Log     string       `json:"log"`   // whose places these are
	Begin   spotNumbers  `json:"begin"` // of the transaction that came last
	Last    spotNumbers  `json:"last"`  // its greatest
	Time    int64        `json:"time"`  // greatest commit time so far, microseconds since the Unix epoch
	Txn     uint64       `json:"txn"`   // identity of the transaction that came last
	Changes []uint64     `json:"changes,omitempty"`
	Full    bool         `json:"full,omitempty"`  // it has had more changes than are remembered
	GTIDs   []seenSource `json:"gtids,omitempty"` // newest transaction of each server
}

// spotNumbers are a place in a log: number of the file and offset, or LSN of the commit before and of the change, or the number of
// transactions that were executed; and the number of the row.
type spotNumbers [3]uint64

func (a spotNumbers) compare(b spotNumbers) int { return slices.Compare(a[:], b[:]) }

// seenSource is the newest transaction that came from a server.
type seenSource struct {
	Source string `json:"source"`
	Number uint64 `json:"number"`
}

const (
	maxSeenChanges = 64 // of one transaction, in one partition
	maxSeenSources = 8
)

// spot is where a change stands.
type spot struct {
	log  string
	at   spotNumbers
	txn  uint64 // 0: the messages do not tell transactions apart
	fine bool   // changes of one transaction have places of their own, but for those of one log record
}

// spotOf finds the place of a change. Debezium's first transaction after a start on PostgreSQL has none: it does not say the commit
// before it.
func spotOf(s *sighting) (spot, bool) {
	o := &s.txn.Origin
	switch {
	case o.LastCommit > 0 && s.change.Pos > 0:
		return spot{log: "commits", at: spotNumbers{o.LastCommit, s.change.Pos}, txn: o.LastCommit, fine: true}, true
	case s.run.File != "":
		base := strings.TrimRight(s.run.File, "0123456789")
		number, err := strconv.ParseUint(s.run.File[len(base):], 10, 64)
		if err != nil || o.LastCommit > 0 {
			return spot{}, false
		}
		return spot{log: base, at: spotNumbers{number, s.run.Pos, uint64(s.change.RowInEvent)}, txn: uint64(s.txn.Commit), fine: true}, true
	case o.Executed > 0:
		return spot{log: "executed", at: spotNumbers{o.Executed}, txn: o.Executed}, true
	}
	return spot{}, false
}

// finding is what a log says of a change.
type finding uint8

const (
	fresh    finding = iota // it is new, or may be
	repeated                // it was there before
	perhaps                 // it is of the transaction that came last, and its place does not tell
)

// saw takes a change in and says whether it was there before.
func (l *seenLog) saw(ids *identities, s *sighting, at *spot) finding {
	txn := ids.of(at.txn, ids.text(s.txn.Origin.GTID))
	newer := l.newer(s.txn.Origin.GTID)
	switch order := at.at.compare(l.Last); {
	case l.Log != at.log || (newer || s.txn.Commit > l.Time) && order <= 0 && txn != l.Txn:
		*l = seenLog{Log: at.log, Begin: at.at, GTIDs: l.GTIDs}
	case txn == l.Txn:
		return l.sawAgain(ids, s, at)
	case newer || order > 0:
		l.Begin, l.Changes, l.Full = at.at, l.Changes[:0], false
	case at.at.compare(l.Begin) < 0:
		return repeated
	default:
		return fresh // in the midst of a transaction that is another one
	}
	l.Last, l.Txn, l.Time = at.at, txn, max(l.Time, s.txn.Commit)
	l.passed(s.txn.Origin.GTID)
	l.Changes = append(l.Changes, ids.changeAt(s, at))
	return fresh
}

// sawAgain judges a change of the transaction that came last. One log record can hold several rows, which have one place; and places
// within a compressed transaction are not to be relied on.
func (l *seenLog) sawAgain(ids *identities, s *sighting, at *spot) finding {
	if !at.fine {
		return perhaps
	}
	change := ids.changeAt(s, at)
	if (s.whole || len(s.run.Table.Key) > 0) && slices.Contains(l.Changes, change) {
		return repeated
	}
	if at.at.compare(l.Last) > 0 {
		l.Last = at.at
	}
	if len(l.Changes) < maxSeenChanges {
		l.Changes = append(l.Changes, change)
	} else {
		l.Full = true
	}
	return fresh
}

// newer reports a transaction that is later than all that came from its server, or of a server that nothing is known of.
func (l *seenLog) newer(gtid string) bool {
	source, number, ok := splitGTID(gtid)
	if !ok {
		return false
	}
	i := slices.IndexFunc(l.GTIDs, func(s seenSource) bool { return s.Source == source })
	return i < 0 || number > l.GTIDs[i].Number
}

func (l *seenLog) passed(gtid string) {
	source, number, ok := splitGTID(gtid)
	if !ok {
		return
	}
	i := slices.IndexFunc(l.GTIDs, func(s seenSource) bool { return s.Source == source })
	if i >= 0 {
		l.GTIDs[i].Number = max(l.GTIDs[i].Number, number)
		return
	}
	if len(l.GTIDs) == maxSeenSources {
		l.GTIDs = slices.Delete(l.GTIDs, 0, 1)
	}
	l.GTIDs = append(l.GTIDs, seenSource{strings.Clone(source), number})
}

// splitGTID takes "uuid:23", "uuid:tag:23" and "0-101-23" apart.
func splitGTID(gtid string) (source string, number uint64, ok bool) {
	i := strings.LastIndexAny(gtid, ":-")
	if i < 0 {
		return "", 0, false
	}
	number, err := strconv.ParseUint(gtid[i+1:], 10, 64)
	return gtid[:i], number, err == nil
}

// changeAt is the identity of a change with its place.
func (d *identities) changeAt(s *sighting, at *spot) uint64 {
	c := s.change
	return d.of(uint64(c.Op), at.at[0], at.at[1], at.at[2], d.image(c.Before), d.image(c.After))
}

// image is the identity of what is known of a row.
func (d *identities) image(r changelog.Row) uint64 {
	d.scratch = d.scratch[:0]
	for i := range r {
		d.scratch = r[i].AppendIdentity(d.scratch)
	}
	return cmp.Or(sum(d.scratch), 1)
}
