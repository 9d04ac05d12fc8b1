package postgressource

import (
	"context"
	"fmt"
	"strconv"
	"testing"
	"time"

	"cdcbridge/changelog"
	"cdcbridge/integration/servers"
	"cdcbridge/internal/fault"
)

// TestBackPressure does not take batches for four times as long as the server waits for a sign of life.
func TestBackPressure(t *testing.T) {
	t.Parallel()
	for _, v := range versions {
		t.Run(v, func(t *testing.T) {
			b := newBench(t, servers.PostgresOptions{Version: v, TLS: v == "18", Settings: map[string]string{"wal_sender_timeout": "2s"}})
			b.exec("CREATE TABLE t (id int PRIMARY KEY, v text)")
			cfg := b.config()
			cfg.HeartbeatInterval = time.Minute // the server's own setting decides
			if v == "18" {
				cfg.TLS.Mode = "required"
			}
			at := b.begin(cfg)
			const rows = 60_000
			b.exec(fmt.Sprintf("INSERT INTO t SELECT i, repeat('x', 1000) FROM generate_series(1, %d) i", rows))
			b.exec("INSERT INTO t VALUES (0, 'last')")
			src, _, err := open(t, cfg, at)
			if err != nil {
				t.Fatal(err)
			}
			defer src.Close()
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			out := make(chan *changelog.Batch)
			failed := make(chan error, 1)
			go func() { failed <- src.Stream(ctx, out) }()
			got := &seen{}
			for n := 0; len(got.changes) <= rows; n++ {
				if n == 0 || n == 3 {
					sender := b.query("SELECT pid FROM pg_stat_replication")
					time.Sleep(8 * time.Second)
					if now := b.query("SELECT pid FROM pg_stat_replication"); now != sender {
						t.Fatalf("the walsender was %s and is %s", sender, now)
					}
				}
				select {
				case batch := <-out:
					got.add(t, batch)
					batch.Release()
				case err := <-failed:
					t.Fatalf("after %d changes: %v", len(got.changes), err)
				case <-time.After(patience):
					t.Fatalf("nothing more came after %d changes", len(got.changes))
				}
			}
			exactlyOnce(t, got)
			cancel()
			if err := <-failed; err == nil {
				t.Error("a stream that was cancelled ended without an error")
			}
		})
	}
}

// TestIdleSlot writes 300 MB that are not captured, in fast motion: the server must not have to keep them.
func TestIdleSlot(t *testing.T) {
	for _, v := range versions {
		t.Run(v, func(t *testing.T) {
			b := newBench(t, servers.PostgresOptions{Version: v, WALSegmentMB: 1, Settings: map[string]string{"max_wal_size": "32MB", "min_wal_size": "2MB"}})
			b.exec("CREATE TABLE t (id int PRIMARY KEY)", "CREATE SCHEMA private; CREATE TABLE private.noise (v text); ALTER TABLE private.noise ALTER v SET STORAGE EXTERNAL")
			cfg := b.config()
			src, _, err := open(t, cfg, "")
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			written := make(chan error, 1)
			go func() {
				defer cancel()
				for range 150 {
					if _, err := b.db.ExecContext(ctx, "INSERT INTO private.noise SELECT repeat('x', 1000000) FROM generate_series(1, 2)"); err != nil {
						written <- err
						return
					}
					time.Sleep(20 * time.Millisecond)
				}
				written <- nil
			}()
			most, stop := make(chan int64, 1), make(chan struct{})
			go func() {
				var high int64
				for {
					select {
					case <-stop:
						most <- high
						return
					case <-time.After(50 * time.Millisecond):
						var n int64
						if err := b.db.QueryRowContext(t.Context(), "SELECT pg_current_wal_lsn() - restart_lsn FROM pg_replication_slots").Scan(&n); err == nil && n > high {
							high = n
						}
					}
				}
			}()
			begin := b.query("SELECT pg_current_wal_lsn()")
			got, err := run(t, src, &seen{}, true, func(*seen) bool { return ctx.Err() != nil })
			close(stop)
			if err != nil {
				t.Fatal(err)
			}
			if err := <-written; err != nil {
				t.Fatal(err)
			}
			total, _ := strconv.ParseInt(b.query("SELECT pg_current_wal_lsn() - '"+begin+"'::pg_lsn"), 10, 64)
			kept := <-most
			t.Logf("%d MB written, %d MB kept at most, %d of %d positions were urgent", total>>20, kept>>20, got.soon, len(got.positions))
			if total < 300<<20 || kept >= total/2 || len(got.changes) > 0 {
				t.Errorf("%d bytes of log were written, up to %d kept; %d changes", total, kept, len(got.changes))
			}
			_ = src.Close()
		})
	}
}

// TestIdlePositions looks at what an idle stream says and acknowledges.
func TestIdlePositions(t *testing.T) {
	t.Parallel()
	for _, v := range versions {
		t.Run(v, func(t *testing.T) {
			b := newBench(t, servers.PostgresOptions{Version: v})
			b.exec("CREATE TABLE t (id int PRIMARY KEY)", "CREATE SCHEMA private; CREATE TABLE private.x (id int)")
			cfg := b.config()
			src, _, err := open(t, cfg, "")
			if err != nil {
				t.Fatal(err)
			}
			b.exec("INSERT INTO private.x VALUES (1)")
			lsn := b.query("SELECT pg_current_wal_flush_lsn()")
			begin := time.Now()
			got, err := run(t, src, &seen{}, false, func(s *seen) bool {
				return b.query("SELECT '"+positionLSN(s.last())+"'::pg_lsn >= '"+lsn+"'::pg_lsn") == "true"
			})
			if err != nil {
				t.Fatal(err)
			}
			if took := time.Since(begin); took > 4*time.Second || len(got.changes) > 0 || got.soon > 0 {
				t.Errorf("took %v, %d changes", took, len(got.changes))
			}
			// What is acknowledged after the stream's end still reaches the server.
			src.Ack(got.last())
			if err := src.Close(); err != nil {
				t.Fatal(err)
			}
			for end := time.Now().Add(5 * time.Second); b.query("SELECT confirmed_flush_lsn = '"+positionLSN(got.last())+"'::pg_lsn AND NOT active FROM pg_replication_slots") != "true"; time.Sleep(20 * time.Millisecond) {
				if time.Now().After(end) {
					t.Fatalf("the slot is at %s, want %s", b.query("SELECT confirmed_flush_lsn FROM pg_replication_slots"), positionLSN(got.last()))
				}
			}
		})
	}
}

// TestBehindIsNotCaughtUp opens a slot behind which there is much log that is not captured. While the server reads it, it sends
// nothing, as it does when it has nothing.
func TestBehindIsNotCaughtUp(t *testing.T) {
	t.Parallel()
	for _, v := range versions {
		t.Run(v, func(t *testing.T) {
			b := newBench(t, servers.PostgresOptions{Version: v})
			b.exec("CREATE TABLE t (id int PRIMARY KEY)", "CREATE SCHEMA private; CREATE TABLE private.noise (id int, v text)")
			cfg := b.config()
			at := b.begin(cfg)
			b.exec("INSERT INTO private.noise SELECT g, repeat('x', 100) FROM generate_series(1, 400000) g")
			end := b.query("SELECT pg_current_wal_flush_lsn()")
			src, _, err := open(t, cfg, at)
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			out, failed := make(chan *changelog.Batch), make(chan error, 1)
			go func() { failed <- src.Stream(ctx, out); close(out) }()
			go func() {
				for batch := range out {
					batch.Release()
				}
			}()
			for !src.Stats().CaughtUp && ctx.Err() == nil {
				time.Sleep(time.Millisecond)
			}
			if where := src.Stats().Position; b.query("SELECT '"+where+"'::pg_lsn >= '"+end+"'::pg_lsn") != "true" {
				t.Errorf("caught up at %s, the log ends at %s", where, end)
			}
			cancel()
			if err := <-failed; err == nil {
				t.Error("a stream that was cancelled ended without an error")
			}
			_ = src.Close()
		})
	}
}

// positionLSN takes the LSN out of a position.
func positionLSN(p changelog.Position) string {
	const key = `"lsn":"`
	s := string(p)
	for i := range s {
		if len(s[i:]) > len(key) && s[i:i+len(key)] == key {
			s = s[i+len(key):]
			break
		}
	}
	for i := range s {
		if s[i] == '"' {
			return s[:i]
		}
	}
	return s
}

// TestFlushNeverPassesWhatIsCommitted streams without an acknowledgement: the slot stays where it is.
func TestFlushNeverPassesWhatIsCommitted(t *testing.T) {
	t.Parallel()
	for _, v := range versions {
		t.Run(v, func(t *testing.T) {
			b := newBench(t, servers.PostgresOptions{Version: v})
			b.exec("CREATE TABLE t (id int PRIMARY KEY)")
			cfg := b.config()
			at := b.begin(cfg)
			b.exec("INSERT INTO t SELECT generate_series(1, 1000)", "INSERT INTO t VALUES (0)")
			src, _, err := open(t, cfg, at)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := run(t, src, &seen{}, false, func(s *seen) bool {
				if len(s.changes) < 1001 {
					return false
				}
				time.Sleep(3 * cfg.HeartbeatInterval) // the stream goes on reporting
				return true
			}); err != nil {
				t.Fatal(err)
			}
			for _, column := range []string{"write_lsn", "flush_lsn", "replay_lsn"} {
				if n := b.query("SELECT count(*) FROM pg_stat_replication WHERE " + column + " > '" + positionLSN(at) + "'"); n != "0" {
					t.Errorf("%s is ahead", column)
				}
			}
			_ = src.Close()
			if p := b.query("SELECT confirmed_flush_lsn FROM pg_replication_slots"); p != positionLSN(at) {
				t.Errorf("the slot is at %s, want %s", p, positionLSN(at))
			}
		})
	}
}

// TestServerTakesThingsAway drops what the stream stands on while it runs.
func TestServerTakesThingsAway(t *testing.T) {
	t.Parallel()
	for _, v := range versions {
		t.Run(v, func(t *testing.T) {
			b := newBench(t, servers.PostgresOptions{Version: v})
			b.exec("CREATE TABLE t (id int PRIMARY KEY)")
			cfg := b.config()
			at := b.begin(cfg)
			b.exec("INSERT INTO t VALUES (1)")
			for what, c := range map[string]struct {
				do   func()
				code fault.Code
			}{
				"publication": {func() { b.exec("DROP PUBLICATION "+publication, "INSERT INTO t VALUES (2)") }, fault.SlotLost},
			} {
				src, _, err := open(t, cfg, at)
				if err != nil {
					t.Fatal(err)
				}
				_, err = run(t, src, &seen{}, false, func(s *seen) bool {
					if len(s.changes) == 1 && len(s.positions) == 1 {
						c.do()
					}
					return false
				})
				if f := wantFault(t, err, c.code); !f.Final {
					t.Errorf("%s: %v", what, f)
				}
				_ = src.Close()
			}
		})
	}
}
