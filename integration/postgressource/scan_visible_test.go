package postgressource

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"testing"
	"time"

	"cdcbridge/capture"
	"cdcbridge/integration/servers"
)

// hold makes commits that ask for a standby wait, in the log and not visible, until release.
func (b *bench) hold() (release func()) {
	b.t.Helper()
	set := func(want, statement string) {
		b.exec(statement, "SELECT pg_reload_conf()")
		for b.query("SHOW synchronous_standby_names") != want {
			time.Sleep(10 * time.Millisecond)
		}
	}
	set("nobody", "ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
	// Commits wait once the checkpointer knows it too.
	c := b.session()
	b.in(c, "SET synchronous_commit = on")
	for waits := false; !waits; {
		done := make(chan struct{})
		go func() {
			defer close(done)
			_, _ = c.ExecContext(context.Background(), "SELECT pg_logical_emit_message(true, 'probe', '')")
		}()
		select {
		case <-done:
		case <-time.After(200 * time.Millisecond):
			waits = b.query("SELECT count(pg_cancel_backend(pid)) FROM pg_stat_activity WHERE wait_event = 'SyncRep'") == "1"
			<-done
		}
	}
	return func() { set("", "ALTER SYSTEM RESET synchronous_standby_names") }
}

// held runs a script in a session of its own, whose last commit waits, and returns when it does.
func (b *bench) held(script string) (done chan error) {
	b.t.Helper()
	done = make(chan error, 1)
	c := b.session()
	b.in(c, "SET synchronous_commit = on")
	go func() {
		_, err := c.ExecContext(context.Background(), script)
		done <- err
	}()
	b.eventually("a commit that waits", "SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND query = "+sqlText(script))
	return done
}

func sqlText(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

// session is a connection that nobody else uses.
func (b *bench) session() *sql.Conn {
	b.t.Helper()
	c, err := b.db.Conn(b.t.Context())
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { _ = c.Close() })
	return c
}

func (b *bench) in(c *sql.Conn, statements ...string) {
	b.t.Helper()
	for _, s := range statements {
		if _, err := c.ExecContext(b.t.Context(), s); err != nil {
			b.t.Fatalf("%s: %v", s, err)
		}
	}
}

func (b *bench) eventually(what, query string) {
	b.t.Helper()
	for end := time.Now().Add(patience); b.query(query) != "true"; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			b.t.Fatalf("%s: not in %v", what, patience)
		}
	}
}

// local is a server whose commits ask for no standby unless they say so.
func local(t *testing.T, version string) *bench {
	return newBench(t, servers.PostgresOptions{Version: version, Settings: map[string]string{"synchronous_commit": "local", "max_prepared_transactions": "10"}})
}

// TestScanOfACommitThatIsHeldBack: a commit that waits for a standby has been streamed and is not visible. A chunk that must show
// it is refused, by name, while the stream flows on; one that need not is read; and a restart, after which nobody knows of the
// commit, changes nothing.
func TestScanOfACommitThatIsHeldBack(t *testing.T) {
	t.Parallel()
	for _, v := range versions {
		t.Run(v, func(t *testing.T) {
			b := local(t, v)
			b.exec("CREATE TABLE t (id int PRIMARY KEY, n int)", "INSERT INTO t VALUES (1, 1)")
			s := startScanning(t, b.config(), "")
			r := s.reader()
			chunk := capture.Chunk{Table: s.table("public.t")}
			if got := s.mustScan(r, chunk); len(got.rows) != 1 {
				t.Fatalf("%q", got.rows)
			}
			before := s.position()
			release := b.hold()
			done := b.held("UPDATE t SET n = 2")
			pid := b.query("SELECT pid FROM pg_stat_activity WHERE wait_event = 'SyncRep'")
			s.streamedAtLeast(1)
			if why := s.notYet(r, chunk); !strings.Contains(why, "pid "+pid) || !strings.Contains(why, "SyncRep") || !strings.Contains(why, "since 20") {
				t.Error(why)
			}
			early := chunk
			early.Seen = before
			if got := s.mustScan(r, early); len(got.rows) != 1 || !strings.Contains(got.rows[0], ":1:") {
				t.Errorf("what was visible: %q", got.rows)
			}
			b.exec("INSERT INTO t VALUES (2, 1)")
			s.streamedAtLeast(2)
			s.notYet(r, chunk)

			// Another process knows only where to go on.
			at := s.position()
			s.stop()
			s = startScanning(t, b.config(), at)
			r = s.reader()
			if why := s.notYet(r, chunk); !strings.Contains(why, "pid "+pid) {
				t.Error(why)
			}
			if why := s.notYet(r, chunk); !strings.Contains(why, "pid "+pid) {
				t.Error(why)
			}
			b.exec("INSERT INTO t VALUES (3, 1)")
			s.streamedAtLeast(1)
			release()
			if err := <-done; err != nil {
				t.Fatal(err)
			}
			if got := s.mustScan(r, chunk); len(got.rows) != 3 || !strings.Contains(strings.Join(got.rows, ""), ":2:2") {
				t.Errorf("%q", got.rows)
			}
		})
	}
}

// TestScanBesideOpenTransactions: what is certain not to have been streamed is not waited for after a restart: transactions that
// wait for their client, that are prepared, or that are of another database. A COMMIT PREPARED that is held back is.
func TestScanBesideOpenTransactions(t *testing.T) {
	t.Parallel()
	for _, v := range versions {
		t.Run(v, func(t *testing.T) {
			b := local(t, v)
			b.exec("CREATE TABLE t (id int PRIMARY KEY, n int)", "INSERT INTO t SELECT i, 1 FROM generate_series(1, 10) i")
			cfg := b.config()
			at := b.begin(cfg)
			foreign := must(b.p.DB("other"))(t)
			defer foreign.Close()
			if _, err := foreign.ExecContext(t.Context(), "CREATE TABLE t (id int)"); err != nil {
				t.Fatal(err)
			}
			idle, prepared, elsewhere := b.session(), b.session(), must(foreign.Conn(t.Context()))(t)
			s := startScanning(t, cfg, at)
			table := s.table("public.t")
			r := s.reader()
			first := s.mustScan(r, capture.Chunk{Table: table, Bytes: 1}) // rule of writers is not what this is about
			s.stop()
			chunk := capture.Chunk{Table: table, After: first.Last}
			b.in(idle, "BEGIN", "UPDATE t SET n = 2 WHERE id = 9")
			b.in(prepared, "BEGIN", "UPDATE t SET n = 2 WHERE id = 8", "PREPARE TRANSACTION 'one'")
			b.in(elsewhere, "BEGIN", "INSERT INTO t VALUES (1)")

			s = startScanning(t, cfg, at)
			r = s.reader()
			if got := s.mustScan(r, chunk); len(got.rows) != 10-first.Rows || strings.Contains(strings.Join(got.rows, ""), `| 3/0:2:2`) {
				t.Errorf("%q", got.rows)
			}
			// What commits later is known by name.
			release := b.hold()
			done := b.held("COMMIT PREPARED 'one'")
			s.streamedAtLeast(1)
			if why := s.notYet(r, chunk); !strings.Contains(why, "prepared as 'one'") {
				t.Error(why)
			}
			s.stop()

			// The commit is in the log, and the transaction is still listed as prepared.
			s = startScanning(t, cfg, s.position())
			r = s.reader()
			if n := b.query("SELECT count(*) FROM pg_prepared_xacts"); n != "1" {
				t.Fatalf("%s are prepared", n)
			}
			if why := s.notYet(r, chunk); !strings.Contains(why, "prepared as 'one'") {
				t.Error(why)
			}
			release()
			if err := <-done; err != nil {
				t.Fatal(err)
			}
			got := s.mustScan(r, chunk)
			if !strings.Contains(strings.Join(got.rows, ""), `:8:8:"" | 3/0:2:2`) || strings.Contains(strings.Join(got.rows, ""), `:9:9:"" | 3/0:2:2`) {
				t.Errorf("%q", got.rows)
			}
			b.in(idle, "COMMIT")
			s.streamedAtLeast(1)
			if got := s.mustScan(r, chunk); !strings.Contains(strings.Join(got.rows, ""), `:9:9:"" | 3/0:2:2`) {
				t.Errorf("%q", got.rows)
			}
		})
	}
}

// must ends the test unless something was opened.
func must[T any](v T, err error) func(t *testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// TestScanBesideWorkingTransactions: a statement that goes on for long may be one that ends its transaction; when another one has
// begun, or while it waits for what no commit waits for, it was not.
func TestScanBesideWorkingTransactions(t *testing.T) {
	t.Parallel()
	b := local(t, "18")
	b.exec("CREATE TABLE t (id int PRIMARY KEY, n int)", "INSERT INTO t SELECT i, 1 FROM generate_series(1, 10) i")
	cfg := b.config()
	at := b.begin(cfg)
	s := startScanning(t, cfg, at)
	table := s.table("public.t")
	first := s.mustScan(s.reader(), capture.Chunk{Table: table, Bytes: 1})
	s.stop()
	at = s.position() // up to which the slot may have been told to go on
	c := b.session()
	b.in(c, "BEGIN", "UPDATE t SET n = 2 WHERE id = 9")
	work := func(statement string) chan error {
		done := make(chan error, 1)
		go func() {
			_, err := c.ExecContext(context.Background(), statement)
			done <- err
		}()
		b.eventually("work", "SELECT count(*) > 0 FROM pg_stat_activity WHERE state = 'active' AND query = "+sqlText(statement))
		return done
	}
	loop := func(seconds int) string {
		return fmt.Sprintf("DO $$ DECLARE until timestamptz = clock_timestamp() + interval '%d s'; BEGIN WHILE clock_timestamp() < until LOOP END LOOP; END $$", seconds)
	}
	done := work(loop(2))
	s = startScanning(t, cfg, at)
	r := s.reader()
	chunk := capture.Chunk{Table: table, After: first.Last}
	if why := s.notYet(r, chunk); !strings.Contains(why, "active") {
		t.Error(why)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	within := func() {
		t.Helper()
		began := time.Now()
		s.mustScan(r, chunk)
		if took := time.Since(began); took > 10*time.Second {
			t.Errorf("it took %v", took)
		}
	}
	done = work(loop(4))
	within()
	s.stop()
	at = s.position()
	if err := <-done; err != nil {
		t.Fatal(err)
	}

	// What it waits for may tell as well.
	done = work("SELECT pg_sleep(30)")
	s = startScanning(t, cfg, at)
	r = s.reader()
	within()
	b.exec("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'PgSleep'")
	if err := <-done; err == nil {
		t.Error("a session that was ended has slept on")
	}
}

// TestScanWaitsForWriters: a transaction that wrote to a table before it was published and after has one of its rows in the stream
// only. The first chunk waits until it has ended, also when it is prepared meanwhile; later ones do not look.
func TestScanWaitsForWriters(t *testing.T) {
	t.Parallel()
	for _, v := range versions {
		t.Run(v, func(t *testing.T) {
			b := local(t, v)
			b.exec("CREATE TABLE old (id int PRIMARY KEY)", "CREATE TABLE t (id int PRIMARY KEY) PARTITION BY RANGE (id)", "CREATE TABLE t1 PARTITION OF t FOR VALUES FROM (-100) TO (100)", "INSERT INTO t VALUES (-50), (50)")
			cfg := b.config()
			cfg.Tables = []string{"public.old"}
			at := b.begin(cfg)
			cfg.Tables = append(cfg.Tables, "public.t")
			for n, how := range []string{"COMMIT", "ROLLBACK", "PREPARE"} {
				if n > 0 {
					b.exec("ALTER PUBLICATION " + publication + " DROP TABLE t")
				}
				writer, empty := b.session(), b.session()
				first, second := n*10+1, n*10+2
				b.in(writer, "BEGIN", "SAVEPOINT s", fmt.Sprintf("INSERT INTO t1 VALUES (%d)", first))
				b.in(empty, "BEGIN", "UPDATE t SET id = id WHERE false") // has the lock and no number
				s := startScanning(t, cfg, at)
				r := s.reader()
				chunk := capture.Chunk{Table: s.table("public.t")}
				if why := s.notYet(r, chunk); !strings.Contains(why, "was writing to the table") || !strings.Contains(why, "pid ") {
					t.Error(why)
				}
				b.in(writer, fmt.Sprintf("INSERT INTO t VALUES (%d)", second))
				bound := chunk
				if bounds, err := r.Bounds(t.Context(), chunk.Table, 2); err != nil {
					t.Fatal(err)
				} else {
					bound.After = bounds[0]
					s.notYet(r, bound)
				}
				later := b.session() // came after the look
				b.in(later, "BEGIN", fmt.Sprintf("INSERT INTO t VALUES (%d)", n*10+3))
				other := s.reader()
				s.notYet(other, chunk)
				want := 4
				switch how {
				case "PREPARE":
					b.in(writer, "PREPARE TRANSACTION 'w'")
					if why := s.notYet(r, chunk); !strings.Contains(why, "prepared as 'w'") {
						t.Error(why)
					}
					b.in(writer, "COMMIT PREPARED 'w'")
					want = 6
				default:
					b.in(writer, how)
				}
				if got := s.mustScan(r, chunk); got.Rows != want {
					t.Errorf("%s: %q", how, got.rows)
				}
				b.in(later, "ROLLBACK")
				b.in(empty, "ROLLBACK")
				at = s.position()
				s.stop()
			}
		})
	}
}

// TestScanWithoutTheRightToLook: an account that may not see what other sessions do waits for them, and says what would help.
func TestScanWithoutTheRightToLook(t *testing.T) {
	t.Parallel()
	b := local(t, "18")
	b.exec("CREATE TABLE t (id int PRIMARY KEY, n int)", "CREATE TABLE other (id int)", "INSERT INTO t VALUES (1, 1)", "CREATE PUBLICATION "+publication+" FOR TABLE t WITH (publish_via_partition_root = true)",
		"SELECT pg_create_logical_replication_slot('"+slot+"', 'pgoutput')")
	if err := b.p.CreateUser(t.Context(), "shop", "cdc", "secret", "REPLICATION", "SELECT ON t"); err != nil {
		t.Fatal(err)
	}
	cfg := b.config()
	cfg.User, cfg.Password, cfg.Create, cfg.Tables = "cdc", "secret", "none", []string{"public.t"}
	c := b.session()
	b.in(c, "BEGIN", "INSERT INTO other VALUES (1)")
	s := startScanning(t, cfg, "")
	r := s.reader()
	chunk := capture.Chunk{Table: s.table("public.t")}
	if why := s.notYet(r, chunk); !strings.Contains(why, "pg_read_all_stats") || !strings.Contains(why, "pid ") {
		t.Error(why)
	}
	b.exec("GRANT pg_read_all_stats TO cdc")
	s.mustScan(s.reader(), chunk)
}
