package postgressource

import (
	"context"
	"database/sql"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"cdcbridge/capture/postgres"
	"cdcbridge/changelog"
	"cdcbridge/integration/servers"
)

// smallMemory lets a server stream, or spill, what is larger than 64 kB.
var smallMemory = map[string]string{"logical_decoding_work_mem": "64kB"}

// streamedConfig has the source keep little in memory.
func (b *bench) streamedConfig(dir string) *postgres.Config {
	c := b.config()
	c.Streaming, c.SpoolMemory, c.SpoolDir, c.BatchBytes = true, 1<<20, dir, 32<<10
	return c
}

// streamed is how many transactions the server has streamed.
func (b *bench) streamed() string {
	b.t.Helper()
	return b.query("SELECT stream_txns FROM pg_stat_replication_slots WHERE slot_name = '" + slot + "'")
}

// savepoints writes a large transaction with nested savepoints, some of them rolled back, and DDL on a table of its own.
// Whether it commits is up to the dice.
func savepoints(ctx context.Context, db *sql.DB, worker, n int) error {
	rnd := rand.New(rand.NewPCG(uint64(worker), uint64(n)))
	from := worker*10_000_000 + n*10_000
	rows := func(offset int) string {
		return fmt.Sprintf("INSERT INTO t SELECT i, repeat(md5(i::text), 12), %d FROM generate_series(%d, %d) i", n, from+offset, from+offset+300)
	}
	end := func(name string) string {
		return []string{"ROLLBACK TO " + name, "RELEASE " + name}[rnd.IntN(2)]
	}
	own := fmt.Sprintf("w%d", worker)
	statements := []string{
		"BEGIN", rows(0), "SAVEPOINT a", rows(1000), "SAVEPOINT b", rows(2000),
		fmt.Sprintf("INSERT INTO u VALUES (%d, 'ok', 1)", from), fmt.Sprintf("UPDATE t SET n = -1, id = id + 500 WHERE id BETWEEN %d AND %d", from+100, from+200),
		end("b"), rows(3000), end("a"),
		fmt.Sprintf("INSERT INTO large VALUES (%d, repeat('l', 100000), 1)", from), fmt.Sprintf("UPDATE large SET n = 2 WHERE id = %d", from),
		"SAVEPOINT c", fmt.Sprintf("ALTER TABLE %s ADD c%d mood DEFAULT 'sad'", own, n), fmt.Sprintf("INSERT INTO %s SELECT i, repeat('w', 300) FROM generate_series(%d, %d) i", own, from, from+500), end("c"),
		fmt.Sprintf("INSERT INTO %s SELECT i, repeat('v', 300) FROM generate_series(%d, %d) i", own, from+1000, from+1300),
		fmt.Sprintf("INSERT INTO u SELECT i, 'sad', 2 FROM generate_series(%d, %d) i", from+1, from+100), "SAVEPOINT d", rows(4000), "SAVEPOINT e", rows(5000), "RELEASE e", end("d"),
		fmt.Sprintf("DELETE FROM t WHERE id BETWEEN %d AND %d", from+50, from+80), []string{"COMMIT", "COMMIT", "ROLLBACK"}[rnd.IntN(3)],
	}
	c, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	for _, s := range statements {
		if _, err := c.ExecContext(ctx, s); err != nil {
			_, _ = c.ExecContext(context.WithoutCancel(ctx), "ROLLBACK")
			return fmt.Errorf("%s: %w", s, err)
		}
		time.Sleep(time.Millisecond)
	}
	return nil
}

const savepointTables = "CREATE TYPE mood AS ENUM ('sad', 'ok'); CREATE TABLE t (id int PRIMARY KEY, v text, n int); CREATE TABLE u (id int PRIMARY KEY, m mood, n int); " +
	"CREATE TABLE w1 (id int PRIMARY KEY, v text); CREATE TABLE w2 (id int PRIMARY KEY, v text); CREATE TABLE w3 (id int PRIMARY KEY, v text); CREATE TABLE large (id int PRIMARY KEY, v text, n int); ALTER TABLE large ALTER v SET STORAGE EXTERNAL"

// inParallel lets three workers write, each so many transactions, and small transactions between them.
func (b *bench) inParallel(each int) {
	b.t.Helper()
	var workers sync.WaitGroup
	for worker := 1; worker <= 3; worker++ {
		workers.Go(func() {
			for n := range each {
				if err := savepoints(b.t.Context(), b.db, worker, n); err != nil {
					b.t.Error(err)
				}
			}
		})
	}
	for n := range 10 * each {
		b.exec(fmt.Sprintf("INSERT INTO u VALUES (%d, 'ok', 0)", -n-10))
		time.Sleep(2 * time.Millisecond)
	}
	workers.Wait()
}

// untilRow is enough when that row of u came.
func untilRow(id int) func(*seen) bool {
	want := fmt.Sprint(id)
	return func(s *seen) bool {
		n := len(s.order)
		return n > 0 && s.order[n-1].table == "u" && s.order[n-1].key == want && s.txns[len(s.txns)-1].Last
	}
}

// TestStreamedTransactions reads the same log with streaming and without, and goes on from positions of the one with the other.
func TestStreamedTransactions(t *testing.T) {
	t.Parallel()
	for _, v := range versions {
		t.Run(v, func(t *testing.T) {
			b := newBench(t, servers.PostgresOptions{Version: v, Settings: smallMemory})
			b.exec(savepointTables)
			cfg := b.streamedConfig(t.TempDir())
			at := b.begin(cfg)
			b.inParallel(6)
			b.exec("INSERT INTO u VALUES (-1, 'ok', 0)")

			got, err := collect(t, cfg, at, untilRow(-1))
			if err != nil {
				t.Fatal(err)
			}
			streamed := b.streamed()
			if streamed == "0" || streamed == "" {
				t.Fatalf("the server streamed %q transactions", streamed)
			}
			exactlyOnce(t, got)
			sameRows(t, got.fold("t"), b.selectAll("t"))
			sameRows(t, got.fold("u"), b.selectAll("u"))
			sameRows(t, got.fold("large"), b.selectAll("large"))
			cfg.Streaming = false
			ordinary, err := collect(t, cfg, at, untilRow(-1))
			if err != nil {
				t.Fatal(err)
			}
			sameList(t, got.changes, ordinary.changes)
			t.Logf("%d changes, %d parts, %s transactions were streamed", len(got.changes), got.parts, streamed)

			for i := 0; i < len(got.positions)-1; i += 1 + len(got.positions)/6 {
				for _, from := range []struct {
					streaming bool
					*seen
				}{{false, got}, {true, ordinary}} {
					i := min(i, len(from.positions)-2)
					cfg.Streaming = from.streaming
					again, err := collect(t, cfg, from.positions[i], untilRow(-1))
					if err != nil {
						t.Fatalf("streaming %v from %s: %v", from.streaming, from.positions[i], err)
					}
					sameList(t, again.changes, from.changes[from.after[i]:])
				}
			}
		})
	}
}

// TestStreamedRollbackBeforeFirstBlock reads a large transaction that was rolled back long ago. PostgreSQL 18 sees that before it
// sends the first block, and still names the subtransactions, also to those who did not ask for streaming.
func TestStreamedRollbackBeforeFirstBlock(t *testing.T) {
	t.Parallel()
	for _, v := range versions {
		t.Run(v, func(t *testing.T) {
			b := newBench(t, servers.PostgresOptions{Version: v, Settings: smallMemory})
			b.exec(savepointTables)
			cfg := b.streamedConfig(t.TempDir())
			at := b.begin(cfg)
			rows := func(from int) string {
				return fmt.Sprintf("INSERT INTO t SELECT i, repeat('r', 300), 0 FROM generate_series(%d, %d) i", from, from+600)
			}
			b.exec("INSERT INTO u VALUES (-2, 'ok', 0)")
			b.exec("BEGIN; SAVEPOINT a; " + rows(0) + "; RELEASE a; SAVEPOINT b; " + rows(1000) + "; ROLLBACK TO b; " + rows(2000) + "; ROLLBACK")
			// The transaction is larger than its subtransaction, and the memory is full while both have rows.
			b.exec("BEGIN; INSERT INTO t SELECT i, repeat('r', 300), 0 FROM generate_series(1, 100) i; SAVEPOINT a; INSERT INTO t SELECT i, repeat('r', 300), 0 FROM generate_series(201, 290) i; RELEASE a; " + rows(3000) + "; ROLLBACK")
			b.exec("INSERT INTO u VALUES (-1, 'ok', 0)")
			for _, cfg.Streaming = range []bool{true, false} {
				got, err := collect(t, cfg, at, untilRow(-1))
				if err != nil {
					t.Fatalf("streaming %v: %v", cfg.Streaming, err)
				}
				if len(got.changes) != 2 {
					t.Errorf("streaming %v: %d changes, want 2", cfg.Streaming, len(got.changes))
				}
			}
		})
	}
}

// TestStreamedInterruptions ends the walsender again and again while large transactions are open, and has every second
// attempt stream.
func TestStreamedInterruptions(t *testing.T) {
	t.Parallel()
	for _, v := range versions {
		t.Run(v, func(t *testing.T) {
			b := newBench(t, servers.PostgresOptions{Version: v, Settings: smallMemory})
			b.exec(savepointTables)
			cfg := b.streamedConfig(t.TempDir())
			at, got := b.begin(cfg), &seen{}
			done := make(chan struct{})
			go func() {
				defer close(done)
				b.inParallel(8)
				b.exec("INSERT INTO u VALUES (-1, 'ok', 0)")
			}()
			go func() {
				for {
					select {
					case <-done:
						return
					case <-time.After(300 * time.Millisecond):
						_, _ = b.p.EndWalsenders(t.Context())
					}
				}
			}()
			n := b.follow(cfg, at, got, func(s *seen) bool {
				cfg.Streaming = len(s.positions)%2 == 0 // of the next attempt
				return untilRow(-1)(s)
			})
			<-done
			exactlyOnce(t, got)
			sameRows(t, got.fold("t"), b.selectAll("t"))
			sameRows(t, got.fold("u"), b.selectAll("u"))
			t.Logf("%d interruptions, %d changes, %d parts, %s transactions were streamed", n, len(got.changes), got.parts, b.streamed())
			if n == 0 {
				t.Error("the stream was not interrupted")
			}
		})
	}
}

// TestStreamedCrash kills the server while a transaction is open that was streamed: nothing of it must come.
func TestStreamedCrash(t *testing.T) {
	t.Parallel()
	b := newBench(t, servers.PostgresOptions{Settings: smallMemory})
	b.exec("CREATE TABLE t (id int PRIMARY KEY, v text)")
	cfg := b.streamedConfig(t.TempDir())
	at, got := b.begin(cfg), &seen{}
	c, err := b.db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	failed := make(chan error, 1)
	go func() {
		_, err := c.ExecContext(t.Context(), "BEGIN; INSERT INTO t SELECT -i, repeat('x', 1000) FROM generate_series(1, 5000) i")
		if err == nil {
			_, err = b.db.ExecContext(t.Context(), "INSERT INTO t VALUES (1, 'beside')")
		}
		for end := time.Now().Add(patience); err == nil && time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
			var n int // positions of a slot's statistics come when its walsender has nothing to do
			if err = b.db.QueryRowContext(t.Context(), "SELECT stream_txns FROM pg_stat_replication_slots").Scan(&n); err == nil && n > 0 {
				break
			}
		}
		if err == nil {
			err = b.p.Kill()
		}
		if err == nil {
			err = b.p.Start(t.Context())
		}
		if err == nil {
			_, err = b.db.ExecContext(t.Context(), "INSERT INTO t SELECT i, repeat('y', 1000) FROM generate_series(2, 2000) i")
		}
		failed <- err
	}()
	b.follow(cfg, at, got, changesAtLeast(2000))
	if err := <-failed; err != nil {
		t.Fatal(err)
	}
	exactlyOnce(t, got)
	if len(got.changes) != 2000 {
		t.Errorf("%d changes", len(got.changes))
	}
	sameRows(t, got.fold("t"), b.selectAll("t"))
}

// TestStreamedOnDisk streams 200 000 rows with a megabyte of memory to keep them in.
func TestStreamedOnDisk(t *testing.T) {
	const rows = 200_000
	b := newBench(t, servers.PostgresOptions{Settings: map[string]string{"logical_decoding_work_mem": "1MB", "wal_sender_timeout": "2s"}})
	b.exec("CREATE TABLE t (id int PRIMARY KEY, v text)")
	dir := t.TempDir()
	cfg := b.streamedConfig(dir)
	cfg.BatchBytes = 1 << 20
	at := b.begin(cfg)
	src, _, err := open(t, cfg, at)
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	watched, stop := make(chan [2]int64, 1), make(chan struct{})
	go func() { watched <- mostOf(dir, stop) }()
	written := make(chan error, 1)
	go func() {
		_, err := b.db.ExecContext(ctx, fmt.Sprintf("INSERT INTO t SELECT i, repeat(md5(i::text), 15) FROM generate_series(1, %d) i", rows))
		written <- err
	}()
	out := make(chan *changelog.Batch)
	failed := make(chan error, 1)
	go func() { failed <- src.Stream(ctx, out) }()
	next := int64(1)
	for paused := false; next <= rows; {
		select {
		case batch := <-out:
			for _, c := range batch.Changes {
				if c.After[0].Int() != next || c.Index != uint64(next-1) {
					t.Fatalf("row %d has the number %d in the place of %d", c.After[0].Int(), c.Index, next)
				}
				next++
			}
			batch.Release()
			if !paused && next > rows/2 {
				paused = true
				time.Sleep(5 * time.Second) // longer than the server waits for a sign of life
			}
		case err := <-failed:
			t.Fatalf("after %d rows: %v", next-1, err)
		case <-time.After(patience):
			t.Fatalf("nothing more came after %d rows", next-1)
		}
	}
	if err := <-written; err != nil {
		t.Fatal(err)
	}
	close(stop)
	most := <-watched
	t.Logf("%d MB in the file, %d MB of heap, %s transactions were streamed", most[0]>>20, most[1]>>20, b.streamed())
	if most[0] < rows*480 || most[1] > 64<<20 {
		t.Errorf("%d bytes were in the file, %d on the heap", most[0], most[1])
	}
	if names, err := os.ReadDir(dir); err != nil || len(names) > 0 {
		t.Error(names, err)
	}
	if s := src.Stats(); s.Changes != rows || s.Transactions != 1 || s.Events < rows {
		t.Errorf("%+v", s)
	}
	cancel()
	if err := <-failed; err == nil {
		t.Error("a stream that was cancelled ended without an error")
	}
}

// mostOf watches the open files of a directory, which have no names any more, and the heap.
func mostOf(dir string, stop <-chan struct{}) (most [2]int64) {
	for {
		select {
		case <-stop:
			return most
		case <-time.After(20 * time.Millisecond):
		}
		fds, _ := filepath.Glob("/proc/self/fd/*")
		size := int64(0)
		for _, fd := range fds {
			if to, err := os.Readlink(fd); err == nil && strings.HasPrefix(to, dir) {
				if s, err := os.Stat(fd); err == nil {
					size += s.Size()
				}
			}
		}
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		most[0], most[1] = max(most[0], size), max(most[1], int64(m.HeapInuse))
	}
}

// TestStreamedMessagesHaveNoSavepoint is why messages and streaming exclude each other: the server names the transaction and
// not the subtransaction of a logical message, so one that was rolled back cannot be told.
func TestStreamedMessagesHaveNoSavepoint(t *testing.T) {
	t.Parallel()
	for _, v := range versions {
		t.Run(v, func(t *testing.T) {
			b := newBench(t, servers.PostgresOptions{Version: v, Settings: smallMemory})
			b.exec("CREATE TABLE t (id int PRIMARY KEY, v text)", "CREATE PUBLICATION p FOR TABLE t", "SELECT pg_create_logical_replication_slot('raw', 'pgoutput')",
				"BEGIN; INSERT INTO t VALUES (1, ''); SAVEPOINT a; SELECT pg_logical_emit_message(true, 'within', 'a'); INSERT INTO t SELECT i, repeat('x', 1000) FROM generate_series(2, 300) i; ROLLBACK TO a; INSERT INTO t SELECT i, repeat('x', 1000) FROM generate_series(2, 300) i; COMMIT")
			rows, err := b.db.QueryContext(t.Context(), "SELECT encode(data, 'hex') FROM pg_logical_slot_peek_binary_changes('raw', NULL, NULL, 'proto_version', '2', 'publication_names', 'p', 'messages', 'true', 'streaming', 'on')")
			if err != nil {
				t.Fatal(err)
			}
			defer rows.Close()
			var block, message, aborted string
			for rows.Next() {
				var text string
				if err := rows.Scan(&text); err != nil {
					t.Fatal(err)
				}
				data, err := hex.DecodeString(text)
				if err != nil {
					t.Fatal(err)
				}
				switch data[0] {
				case 'S':
					block = string(data[1:5])
				case 'M':
					message = string(data[1:5])
				case 'A':
					aborted = string(data[5:9])
				}
			}
			if err := rows.Err(); err != nil {
				t.Fatal(err)
			}
			if block == "" || aborted == "" || aborted == block || message != block {
				t.Errorf("a block of %x has a message of %x, and %x was rolled back", block, message, aborted)
			}
			cfg := b.streamedConfig(t.TempDir())
			cfg.Messages = true
			if errs := cfg.Validate(); len(errs) != 1 || !strings.HasPrefix(errs[0].Error(), "messages:") {
				t.Error(errs)
			}
		})
	}
}
