package mysqlsource

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"cdcbridge/capture"
	"cdcbridge/changelog"
	"cdcbridge/integration/harness"
	"cdcbridge/integration/servers"
	"cdcbridge/internal/fault"
)

// semisync makes the server hold every transaction between its log and everybody's eyes until a replica has it, of which
// there is none. The function that it returns lets them go.
func (b *bench) semisync() (release func()) {
	b.t.Helper()
	name := "rpl_semi_sync_source"
	if b.m.MariaDB() {
		name = "rpl_semi_sync_master" // built in
	} else {
		b.exec("INSTALL PLUGIN rpl_semi_sync_source SONAME 'semisync_source.so'")
	}
	b.exec("SET GLOBAL "+name+"_timeout=600000", "SET GLOBAL "+name+"_wait_point=AFTER_SYNC", "SET GLOBAL "+name+"_enabled=ON")
	released := false
	release = func() {
		if !released {
			released = true
			_, _ = b.db.Exec("SET GLOBAL " + name + "_enabled=OFF")
		}
	}
	b.t.Cleanup(release)
	return release
}

// background runs statements on one connection and tells when they are done.
func (b *bench) background(statements ...string) chan error {
	done := make(chan error, 1)
	c, err := b.db.Conn(b.t.Context())
	if err != nil {
		b.t.Fatal(err)
	}
	go func() {
		var err error
		for _, s := range statements {
			if err == nil {
				_, err = c.ExecContext(b.t.Context(), s)
			}
		}
		_ = c.Close()
		done <- err
	}()
	return done
}

// until waits for a condition.
func until(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for began := time.Now(); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Since(began) > patience {
			t.Fatal("no " + what)
		}
	}
}

func pending(t testing.TB, done chan error) {
	t.Helper()
	select {
	case err := <-done:
		t.Fatalf("the transaction is not held: %v", err)
	case <-time.After(50 * time.Millisecond):
	}
}

// scanOnce reads one chunk and gives its rows as text.
func scanOnce(t testing.TB, r capture.Reader, c capture.Chunk) (string, capture.Scanned, error) {
	t.Helper()
	b := changelog.NewBatch()
	defer b.Release()
	got, err := r.Scan(t.Context(), c, b)
	if err != nil && (len(b.Changes) > 0 || len(b.Runs) > 0 || len(b.Txns) > 0) {
		t.Errorf("a chunk that failed has left %d changes", len(b.Changes))
	}
	var rows []string
	for _, c := range b.Changes {
		rows = append(rows, render(c.After))
	}
	return strings.Join(rows, " "), got, err
}

// scanSoon repeats a read that came too early, as the snapshot does.
func scanSoon(t testing.TB, r capture.Reader, c capture.Chunk) (string, capture.Scanned, error) {
	t.Helper()
	for began := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		rows, got, err := scanOnce(t, r, c)
		if !errors.As(err, new(capture.NotYet)) || time.Since(began) > patience {
			return rows, got, err
		}
	}
}

// TestScanHeld reads a table while a transaction that was streamed is not visible: the read is refused for as long, the
// stream flows on, and a read that need not show the transaction has it before its end.
func TestScanHeld(t *testing.T) {
	for _, v := range holding {
		t.Run(v, func(t *testing.T) { testScanHeld(t, newBench(t, servers.MySQLOptions{Version: v})) })
	}
}

// holding are the servers that come with semi-synchronous replication.
var holding = harness.Longer([]string{"97", "maria118"}, []string{"97", "maria1011", "maria118"})

func testScanHeld(t *testing.T, b *bench) {
	b.exec("CREATE TABLE t (id INT PRIMARY KEY, v INT)", "INSERT INTO t VALUES (1,1),(2,1)")
	s := scan(t, b.config(), false)
	r, table := s.reader(), s.table("t")
	b.commit()
	before := s.chunk(table)
	next := 0
	if !b.m.MariaDB() {
		next = nextGTID(b)
	}
	release := b.semisync()
	done := b.background("UPDATE t SET v=2 WHERE id=1")
	until(t, "held update", func() bool { return s.streamed() == 1 })
	pending(t, done)
	began := time.Now()
	_, _, err := scanOnce(t, r, s.chunk(table))
	var notYet capture.NotYet
	why, least := fmt.Sprintf(":%d yet", next), 200*time.Millisecond
	if b.m.MariaDB() {
		why, least = "a transaction that is not over has changed rows of shop.t", 0
	}
	if took := time.Since(began); !errors.As(err, &notYet) || !strings.HasSuffix(notYet.Why, why) || took < least || took > 2*time.Second {
		t.Errorf("%v after %v, want NotYet with %s", err, took, why)
	}
	rows, got, err := scanOnce(t, r, before)
	if err != nil || rows != "1,1 2,1" || !got.Done {
		t.Errorf("%q %+v %v", rows, got, err)
	}
	if b.m.MariaDB() { // the next transaction would wait for the held one, and whoever asks where the log ends for both
		release()
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		if rows, _, err = scanOnce(t, r, s.chunk(table)); err != nil || rows != "1,2 2,1" {
			t.Errorf("%q %v", rows, err)
		}
		return
	}
	if place := endOfLog(t, b); got.End != place {
		t.Errorf("the read says that it can have seen all up to %s, and the log ends at %s", got.End, place)
	}
	other := b.background("INSERT INTO t VALUES (3,3)")
	until(t, "stream that flows on", func() bool { return s.streamed() == 2 })
	s.watch(got.End)
	pending(t, other)
	if _, _, err := scanOnce(t, r, s.chunk(table)); !errors.As(err, &notYet) {
		t.Error(err)
	}
	release()
	if err := errors.Join(<-done, <-other); err != nil {
		t.Fatal(err)
	}
	if rows, _, err = scanOnce(t, r, s.chunk(table)); err != nil || rows != "1,2 2,1 3,3" {
		t.Errorf("%q %v", rows, err)
	}
}

// TestScanHeldBriefly is the same on a server that has no such plugin here: it waits up to a second for more transactions
// between writing one to its log, where all readers of the log see it, and committing it.
func TestScanHeldBriefly(t *testing.T) {
	b := newBench(t, servers.MySQLOptions{Version: "80"})
	b.exec("CREATE TABLE t (id INT PRIMARY KEY, v INT)", "INSERT INTO t VALUES (1,1),(2,1)")
	s := scan(t, b.config(), false)
	r, table := s.reader(), s.table("t")
	b.session("XA START 'x'", "UPDATE t SET v=100 WHERE id=2", "XA END 'x'", "XA PREPARE 'x'")
	b.exec("SET GLOBAL binlog_group_commit_sync_delay=1000000")
	held, streamed := 0, s.streamed()
	write := func(statement, old, now string) {
		t.Helper()
		done := b.background(statement)
		streamed++
		until(t, "held transaction", func() bool { return s.streamed() == streamed })
		for {
			seen := s.chunk(table)
			if rows, _, err := scanOnce(t, r, seen); err == nil {
				if rows != now {
					t.Errorf("after %s: %q, want %q", statement, rows, now)
				}
				break
			} else if !errors.As(err, new(capture.NotYet)) {
				t.Fatal(err)
			}
			held++
			seen.Seen = changelog.Position(fmt.Sprintf(`{"v":1,"server":%q,"gtids":""}`, b.query("SELECT @@server_uuid")))
			if rows, _, err := scanOnce(t, r, seen); err != nil || rows != old && rows != now {
				t.Errorf("while it is held: %q %v", rows, err)
			}
		}
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	write("UPDATE t SET v=2 WHERE id=1", "1,1 2,1", "1,2 2,1")
	write("XA COMMIT 'x'", "1,2 2,1", "1,2 2,100")
	write("INSERT INTO t VALUES (3,3)", "1,2 2,100", "1,2 2,100 3,3")
	if held < 3 {
		t.Errorf("reads were refused %d times", held)
	}
}

// endOfLog is where the server's log ends, as a place.
func endOfLog(t testing.TB, b *bench) capture.Place {
	t.Helper()
	statement := "SHOW BINARY LOG STATUS"
	if b.m.MariaDB() || b.query("SELECT VERSION()") < "8.2" {
		statement = "SHOW MASTER STATUS"
	}
	var file, doDB, ignoreDB, gtids string
	var pos uint64
	into := []any{&file, &pos, &doDB, &ignoreDB, &gtids}
	if b.m.MariaDB() {
		into = into[:4]
	}
	if err := b.db.QueryRowContext(t.Context(), statement).Scan(into...); err != nil {
		t.Fatal(err)
	}
	return capture.Place(file + ":" + itoa(pos))
}

// TestScanXA reads a table while an XA transaction is prepared: its rows are in the log, have a GTID that is executed, and
// nobody sees them. They are a matter of the XA COMMIT, which can be held in its turn.
func TestScanXA(t *testing.T) {
	for _, v := range holding {
		t.Run(v, func(t *testing.T) { testScanXA(t, newBench(t, servers.MySQLOptions{Version: v})) })
	}
}

func testScanXA(t *testing.T, b *bench) {
	b.exec("CREATE TABLE t (id INT PRIMARY KEY, v INT)", "INSERT INTO t VALUES (1,1),(2,1)")
	s := scan(t, b.config(), false)
	r, table := s.reader(), s.table("t")
	b.session("XA START 'x'", "UPDATE t SET v=2 WHERE id=1", "XA END 'x'", "XA PREPARE 'x'")
	b.exec("INSERT INTO t VALUES (3,1)")
	s.watch(endOfLog(t, b))
	if rows, _, err := scanOnce(t, r, s.chunk(table)); err != nil || rows != "1,1 2,1 3,1" || s.streamed() != 1 {
		t.Errorf("prepared: %q %v, %d changes", rows, err, s.streamed())
	}
	release := b.semisync()
	done := b.background("XA COMMIT 'x'")
	until(t, "XA COMMIT in the stream", func() bool { return s.streamed() == 2 })
	pending(t, done)
	if _, _, err := scanOnce(t, r, s.chunk(table)); !errors.As(err, new(capture.NotYet)) {
		t.Errorf("a held XA COMMIT: %v", err)
	}
	if got := b.query("SELECT v FROM t WHERE id=1"); got != "1" {
		t.Errorf("a held XA COMMIT is visible: %s", got)
	}
	release()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if rows, _, err := scanOnce(t, r, s.chunk(table)); err != nil || rows != "1,2 2,1 3,1" {
		t.Errorf("committed: %q %v", rows, err)
	}
}

// TestScanLocked reads tables of a server without GTIDs: refused, or under a lock that waits for who writes.
func TestScanLocked(t *testing.T) {
	t.Parallel()
	for _, v := range []string{"57", "80", "97"} {
		t.Run(v, func(t *testing.T) {
			b := newBench(t, servers.MySQLOptions{Version: v, Extra: []string{"--gtid-mode=OFF", "--enforce-gtid-consistency=OFF"}})
			b.exec("CREATE TABLE t (id INT PRIMARY KEY, v INT)", "INSERT INTO t VALUES (1,1),(2,1)", "CREATE TABLE m (id INT PRIMARY KEY, v INT) ENGINE=MyISAM", "INSERT INTO m VALUES (1,1),(2,1)")
			s := scan(t, b.config(), false)
			if _, err := s.src.Reader(t.Context()); !fault.IsFinal(err) || !strings.Contains(wantFault(t, err, fault.SourceSettings).Hint, "snapshot_lock: true") {
				t.Errorf("without snapshot_lock: %v", err)
			}
			s.stop()
			cfg := b.config()
			cfg.SnapshotLock = true
			s = scan(t, cfg, false)
			r, table := s.reader(), s.table("t")
			for _, name := range []string{"t", "m"} {
				rows, got, err := scanOnce(t, r, s.chunk(s.table(name)))
				if err != nil || rows != "1,1 2,1" || got.End != endOfLog(t, b) {
					t.Errorf("%s: %q %+v %v", name, rows, got, err)
				}
			}
			b.exec("UPDATE t SET v=7 WHERE id=1", "UPDATE m SET v=7 WHERE id=1") // nothing is locked any more
			writer, err := b.db.Conn(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			defer writer.Close()
			run := func(statement string) {
				t.Helper()
				if _, err := writer.ExecContext(t.Context(), statement); err != nil {
					t.Fatal(err)
				}
			}
			run("BEGIN")
			run("UPDATE t SET v=8 WHERE id=1")
			began := time.Now()
			if _, _, err := scanOnce(t, r, s.chunk(table)); !errors.As(err, new(capture.NotYet)) || time.Since(began) > 3*time.Second {
				t.Errorf("%v after %v", err, time.Since(began))
			}
			b.exec("UPDATE t SET v=9 WHERE id=2")
			run("COMMIT")
			if rows, _, err := scanOnce(t, r, s.chunk(table)); err != nil || rows != "1,8 2,9" {
				t.Errorf("%q %v", rows, err)
			}
			if err := b.m.CreateUser(t.Context(), "few", "pw", "REPLICATION SLAVE ON *.*", "REPLICATION CLIENT ON *.*", "SELECT ON shop.*"); err != nil {
				t.Fatal(err)
			}
			cfg.User, cfg.Password = "few", "pw"
			few := scan(t, cfg, false)
			_, _, err = scanOnce(t, few.reader(), few.chunk(table))
			if f := wantFault(t, err, fault.Permission); !f.Final || !strings.Contains(f.Hint, "LOCK TABLES ON `shop`.*") {
				t.Error(f)
			}
		})
	}
}

// TestScanEngines refuses rows that can be visible before they are logged, unless they may be locked.
func TestScanEngines(t *testing.T) {
	t.Parallel()
	for v, engine := range map[string]string{"57": "MyISAM", "97": "MyISAM", "maria118": "Aria"} {
		t.Run(v, func(t *testing.T) { testScanEngine(t, newBench(t, servers.MySQLOptions{Version: v}), engine) })
	}
}

func testScanEngine(t *testing.T, b *bench, engine string) {
	b.exec("CREATE TABLE m (id INT PRIMARY KEY, v INT) ENGINE="+engine, "INSERT INTO m VALUES (1,1),(2,1)")
	cfg := b.config()
	s := scan(t, cfg, false)
	_, _, err := scanOnce(t, s.reader(), s.chunk(s.table("m")))
	if f := wantFault(t, err, fault.SourceSettings); !f.Final || !strings.Contains(f.Error(), engine) {
		t.Error(f)
	}
	s.stop()
	cfg.SnapshotLock = true
	s = scan(t, cfg, false)
	r := s.reader()
	for i := range 3 {
		rows, got, err := scanOnce(t, r, s.chunk(s.table("m")))
		if err != nil || rows != fmt.Sprintf("1,%d 2,1", 1+i) || got.End != endOfLog(t, b) || !got.Done {
			t.Errorf("%q %+v %v", rows, got, err)
		}
		b.exec("UPDATE m SET v=v+1 WHERE id=1")
		s.watch(endOfLog(t, b))
	}
}

// TestScanChecks: the preflight says what a snapshot would stop at, and only then.
func TestScanChecks(t *testing.T) {
	t.Parallel()
	b := newBench(t, servers.MySQLOptions{Extra: []string{"--gtid-mode=OFF", "--enforce-gtid-consistency=OFF"}})
	b.exec("CREATE TABLE m (id INT PRIMARY KEY) ENGINE=MyISAM", "CREATE TABLE t (id INT PRIMARY KEY)")
	for _, tc := range []struct{ snapshot, lock, problems bool }{{false, false, false}, {true, true, false}, {true, false, true}} {
		cfg := b.config()
		cfg.SnapshotLock = tc.lock
		found, err := cfg.Checker(capture.Env{Pipeline: "test", Snapshot: tc.snapshot}).Check(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var problems []string
		for _, f := range found {
			if f.Severity == capture.Problem {
				problems = append(problems, f.Subject+": "+f.Remedy)
			}
		}
		text := strings.Join(problems, "\n")
		if tc.problems != (strings.Contains(text, "gtid_mode=ON") && strings.Contains(text, "snapshot of shop.m") && len(problems) == 2) || !tc.problems && len(problems) > 0 {
			t.Errorf("%+v: %s", tc, text)
		}
	}
}

// commit lets a transaction of another database through. On MariaDB the end of one, once the stream has passed it, proves what is visible.
func (b *bench) commit() {
	b.t.Helper()
	b.exec("CREATE DATABASE IF NOT EXISTS other", "CREATE TABLE IF NOT EXISTS other.passing (id INT AUTO_INCREMENT PRIMARY KEY)", "INSERT INTO other.passing VALUES ()")
}
