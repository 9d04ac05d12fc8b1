package mysql

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"cdcbridge/capture"
	"cdcbridge/internal/fault"
)

// This file is about what a read shows on MariaDB, which cannot be asked to wait until a transaction is visible, and whose GTIDs
// all come from the log. What it has is a place, Binlog_snapshot_file and Binlog_snapshot_position: the end of the last group of
// transactions that InnoDB has committed, in the order of the log. All that is visible stands before it. That all before it is
// visible does not follow. When the log is rotated, when a checkpoint event is written and after a statement that is no
// transaction of InnoDB, the place moves to the end of what was written last, over transactions that wait for their
// commit or for a semi-synchronous replica. And XA COMMIT moves it before InnoDB commits.
//
// So the place is believed when a transaction of InnoDB ends exactly there, which the stream knows once it has passed it: then
// that transaction was committed, and all before it were. It may be an old one; what was visible stays visible. XA transactions
// whose commit was logged count when XA RECOVER, asked before the read, no longer lists them.
//
// A server that nobody writes to may never give such a place. Then the rows are read with LOCK IN SHARE MODE NOWAIT, which
// shows rows as they are now and fails at the first one that a transaction has changed and not committed: what was streamed is
// either in the rows or makes the read fail. This is true at any time, and it is not the rule, since writers wait for these locks.

const (
	// placeWait is how long a place that can be believed is waited for before rows are locked instead. On a busy server one
	// comes with the next transaction.
	placeWait = 20 * time.Millisecond
	placePoll = 2 * time.Millisecond
	sharing   = " LOCK IN SHARE MODE NOWAIT"
)

// openTrail begins the trail of a stream of MariaDB.
func (s *source) openTrail(ctx context.Context) error {
	if !s.facts.mariadb {
		return nil
	}
	s.trail = &trail{}
	if s.from.gtids != nil && s.from.gtids.String() == s.facts.maria.end.String() {
		s.trail.at = s.facts.status // nothing will come that is not new, and of this the next heartbeat would tell
	}
	return s.conn.during(ctx, func() error {
		prepared, err := s.conn.preparedXA()
		for _, id := range prepared {
			s.trail.settle(id) // its commit may be in the log already, before the place where the stream begins
		}
		return err
	})
}

// preparedXA lists the XA transactions that are prepared and not yet committed by InnoDB, by their names in the log.
func (c *conn) preparedXA() ([]string, error) {
	rows, err := c.query("XA RECOVER")
	var ids []string
	for _, f := range rows {
		format, err1 := strconv.ParseUint(f[0], 10, 32)
		global, err2 := strconv.Atoi(f[1])
		if err1 != nil || err2 != nil || global > len(f[3]) {
			return nil, fault.New(fault.Source, "reading the prepared XA transactions", badEvent("", "%q", f), "")
		}
		ids = append(ids, string(appendXID(nil, uint32(format), []byte(f[3][:global]), []byte(f[3][global:]))))
	}
	return ids, err
}

// visiblePlace is the end of the last group of transactions that InnoDB has committed, or a place behind it.
func (c *conn) visiblePlace() (logPlace, error) {
	rows, err := c.query("SHOW STATUS LIKE 'binlog\\_snapshot\\_%'")
	if err != nil {
		return logPlace{}, err
	}
	var p logPlace
	for _, f := range rows {
		switch strings.ToLower(f[0]) {
		case "binlog_snapshot_file":
			p.file = f[1]
		case "binlog_snapshot_position":
			p.pos, err = parseOffset(f[1])
		}
	}
	if err == nil && p.file == "" {
		return p, noBinlog()
	}
	return p, err
}

// awaitMaria finds out how a chunk must be read to show all that was streamed up to a position: as it is, or, when that is not
// proven, with locks.
func (r *reader) awaitMaria(seen *position) (share bool, err error) {
	if err := r.src.sameServer(r.conn); err != nil {
		return false, err
	}
	// What the checkpoint has was in the log before this reader was made, also when its place is one of another server.
	place := r.floor
	if at := (logPlace{seen.file, seen.pos}); seen.server == r.src.facts.uuid() && place.before(at) {
		place = at
	}
	settling := r.src.trail.settling()
	proven, err := r.awaitPlace(place)
	if err != nil || !proven || len(settling) == 0 {
		return !proven, err
	}
	prepared, err := r.conn.preparedXA()
	if err != nil {
		return false, err
	}
	for _, id := range settling {
		if slices.Contains(prepared, id) {
			share = true
		} else {
			r.src.trail.settled(id)
		}
	}
	return share, nil
}

// awaitPlace waits until all up to a place is proven to be visible. It gives up early when the stream has nothing more to say about
// that, and with NotYet when the stream has not come that far.
func (r *reader) awaitPlace(place logPlace) (bool, error) {
	if !r.ordered {
		return false, nil
	}
	began := time.Now()
	for {
		if r.src.trail.shows(place) {
			return true, nil
		}
		now, err := r.conn.visiblePlace()
		if err != nil {
			return false, err
		}
		judged := r.src.trail.judge(now)
		for ; !judged && time.Since(began) < visibleWait; judged = r.src.trail.judge(now) {
			time.Sleep(placePoll)
		}
		switch {
		case r.src.trail.shows(place):
			return true, nil
		case !judged:
			return false, capture.NotYet{Why: "the stream is behind the place in the log up to which the server shows its transactions"}
		case now == r.unproven || time.Since(began) >= placeWait:
			r.unproven = now
			return false, nil
		}
		time.Sleep(placePoll)
	}
}

// openMaria reads what a reader on MariaDB must know of its server.
func (r *reader) openMaria() (err error) {
	rows, err := r.conn.query("SELECT @@GLOBAL.binlog_optimize_thread_scheduling")
	if err != nil {
		return err
	}
	r.ordered = rows[0][0] == "1" // else a group of transactions is committed one by one, after the place has moved over it
	r.floor, err = r.logEnd(r.conn)
	return err
}
