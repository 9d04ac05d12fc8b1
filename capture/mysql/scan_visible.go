package mysql

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"cdcbridge/capture"
	"cdcbridge/changelog"
	"cdcbridge/internal/fault"
)

// This file is about what a read shows, the hard part of a snapshot on MySQL: the server hands a transaction to its log, and to
// those who read it, before anybody else sees the transaction's rows. It may stay so for as long as a semi-synchronous replica
// likes.
//
// With GTIDs. A transaction is in gtid_executed only after its rows are visible, so WAIT_FOR_EXECUTED_GTID_SET(all that was
// streamed) makes the read that follows show all of it. The rows of an XA PREPARE become visible with the XA COMMIT, which has a
// GTID of its own; the position has neither before the XA COMMIT was streamed (xa.go). The other bound is the end of the log:
// a transaction is written there before it is visible, so all that a read can have seen stands before what SHOW BINARY LOG STATUS
// says after the read. gtid_executed would be no such bound: it lags behind visibility.
//
// Without GTIDs there is only LOCK TABLES … READ. Who changes rows of a table holds a metadata lock on it until the
// transaction has been committed in the engine, after the log. So when the lock is granted, every transaction that is in the
// log and concerns the table is visible, no other one is on its way, and none will be before UNLOCK TABLES: the end of the log
// at that moment is exact. A snapshot that is opened under the lock, by another connection, sees just this and is read without
// the lock. Rows of an engine that has no snapshots are read under it; they are visible before they are logged, but not while
// nobody writes.

const (
	// visibleWait is how long one try waits for what was streamed to be visible. The next one waits for the same position.
	visibleWait = 300 * time.Millisecond
	commit      = "COMMIT AND NO CHAIN NO RELEASE"
)

// awaitVisible waits until a read shows all that was streamed up to a position.
func (r *reader) awaitVisible(seen *position) (err error) {
	if r.conn.mariadb {
		r.share, err = r.awaitMaria(seen)
		return err
	}
	return r.await(seen)
}

// await waits on MySQL.
func (r *reader) await(seen *position) error {
	set := quote(seen.gtids.String())
	wait := fmt.Sprintf("WAIT_FOR_EXECUTED_GTID_SET(%s,%.3f)", set, visibleWait.Seconds())
	if r.src.facts.number < 80000 {
		wait = "NOT GTID_SUBSET(" + set + ",@@GLOBAL.gtid_executed)" // it knows whole seconds only
	}
	var rows [][]string
	for began := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		var err error
		if rows, err = r.conn.query("SELECT @@GLOBAL.server_uuid, " + wait); err != nil {
			return err
		}
		if err := r.src.isServer(rows[0][0]); err != nil {
			return err
		}
		if rows[0][1] == "0" {
			return nil
		}
		if time.Since(began) >= visibleWait {
			break
		}
	}
	rows, err := r.conn.query("SELECT GTID_SUBTRACT(" + set + ",@@GLOBAL.gtid_executed)")
	if err != nil {
		return err
	}
	missing := strings.Join(strings.Fields(rows[0][0]), "")
	return capture.NotYet{Why: "the server does not show " + abbreviate(missing, 120) + " yet"}
}

// logEnd is where the log ends now.
func (r *reader) logEnd(c *conn) (logPlace, error) {
	f := serverFacts{mariadb: c.mariadb, number: versionNumber(c.version)}
	if err := c.readStatus(&f); err != nil {
		return logPlace{}, err
	}
	if f.status.file == "" {
		return logPlace{}, noBinlog()
	}
	return f.status, nil
}

func noBinlog() error {
	return fault.New(fault.Source, "reading tables", errors.New("the server shows no binary log"), "")
}

// unlocked reads a chunk of a table whose engine has snapshots, after await.
func (r *reader) unlocked(c capture.Chunk, b *changelog.Batch) (chunkRows, logPlace, error) {
	t, clock, err := r.table(c)
	if err == nil {
		err = r.engineAllows(t, false)
	}
	if err != nil {
		return chunkRows{}, logPlace{}, err
	}
	got, err := r.read(t, c, b)
	if r.share && errorCode(err) == 1205 {
		return chunkRows{}, logPlace{}, capture.NotYet{Why: "a transaction that is not over has changed rows of " + t.name.String()}
	}
	if err != nil {
		return chunkRows{}, logPlace{}, err
	}
	got.clock = clock
	if _, err := r.conn.query(commit); err != nil {
		return chunkRows{}, logPlace{}, err
	}
	if r.conn.mariadb {
		end, err := r.conn.visiblePlace()
		return got, end, err
	}
	end, err := r.logEnd(r.conn)
	return got, end, err
}

// locked reads a chunk at a moment at which nobody writes to the table.
func (r *reader) locked(c capture.Chunk, b *changelog.Batch) (got chunkRows, end logPlace, err error) {
	t, _, err := r.table(c) // before the lock: the most that can be wrong, and what engine it is
	if err == nil {
		err = r.engineAllows(t, true)
	}
	if err != nil {
		return got, end, err
	}
	if _, err := r.conn.query(commit); err != nil {
		return got, end, err
	}
	if end, err = r.lockTable(t.name); err != nil {
		return got, end, err
	}
	since := time.Now()
	for _, sql := range []string{"SET TRANSACTION ISOLATION LEVEL REPEATABLE READ", "START TRANSACTION WITH CONSISTENT SNAPSHOT", "SELECT 1 FROM " + t.name.sql() + " LIMIT 0"} {
		if _, err := r.conn.query(sql); err != nil {
			return got, end, r.tableFault(t.name, err)
		}
	}
	if t.snapshots() {
		if err := r.unlock(t.name, since); err != nil {
			return got, end, err
		}
	}
	t, clock, err := r.table(c)
	if err != nil {
		return got, end, err
	}
	if got, err = r.read(t, c, b); err != nil {
		return got, end, err
	}
	got.clock = clock
	if _, err := r.conn.query(commit); err != nil {
		return got, end, err
	}
	if !t.snapshots() {
		err = r.unlock(t.name, since)
	}
	return got, end, err
}

// snapshots reports an engine whose reads show one moment, and rows not before they are logged.
func (t *scanTable) snapshots() bool { return strings.EqualFold(t.engine, "InnoDB") }

// lockTable keeps writers away from a table and gives the end of the log at that moment.
func (r *reader) lockTable(name tableName) (logPlace, error) {
	if err := r.src.sameServer(r.lock); err != nil {
		return logPlace{}, err
	}
	if _, err := r.lock.query("LOCK TABLES " + name.sql() + " READ"); err != nil {
		switch errorCode(err) {
		case 1205:
			return logPlace{}, capture.NotYet{Why: "a transaction that writes to " + name.String() + " keeps it from being locked"}
		case 1044, 1142:
			return logPlace{}, fault.NewFinal(fault.Permission, "locking "+name.String(), err,
				fmt.Sprintf("Run GRANT SELECT, LOCK TABLES ON %s.* TO %s.", quoteName(name.database), account(r.src.cfg.User)))
		}
		return logPlace{}, r.tableFault(name, err)
	}
	return r.logEnd(r.lock)
}

func (r *reader) unlock(name tableName, since time.Time) error {
	if _, err := r.lock.query("UNLOCK TABLES"); err != nil {
		return err
	}
	took := time.Since(since)
	r.locks++
	r.lockedFor += took
	r.src.env.Log.Debug("a table was locked for a chunk of its snapshot", "table", name.String(), "locked", took, "locks", r.locks, "locked_altogether", r.lockedFor)
	return nil
}

// giveUp ends what a try has begun that came too early, so that the reader can be used again.
func (r *reader) giveUp() error {
	if r.lock != nil {
		if _, err := r.lock.query("UNLOCK TABLES"); err != nil {
			return err
		}
	}
	_, err := r.conn.query(commit)
	return err
}

// parseClock reads what NOW(6) gives.
func parseClock(text string) (int64, error) {
	c, err := civilDateTime([]byte(text))
	if err != nil {
		return 0, fault.New(fault.Source, "reading the server's clock", errors.New(strconv.Quote(text)), "")
	}
	return c.Micros(), nil
}
