package postgressource

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"cdcbridge/capture"
	"cdcbridge/integration/servers"
	"cdcbridge/internal/fault"
)

// TestScanOfACommitThatIsLost: with synchronous_commit=off readers see a commit that a crash takes back. No chunk has its rows, or lacks
// those that it deleted, before it is durable.
func TestScanOfACommitThatIsLost(t *testing.T) {
	t.Parallel()
	b := newBench(t, servers.PostgresOptions{Durable: true, Settings: map[string]string{"wal_writer_delay": "10s", "wal_writer_flush_after": "1GB", "bgwriter_delay": "10s", "autovacuum": "off"}})
	b.exec("CREATE TABLE t (id int PRIMARY KEY)", "INSERT INTO t VALUES (1)")
	s := startScanning(t, b.config(), "")
	r := s.reader()
	chunk := capture.Chunk{Table: s.table("public.t")}
	s.mustScan(r, chunk) // what a first read writes would take the commit along
	for n := 2; ; n++ {  // what the server itself writes now and then may take it along
		b.exec(fmt.Sprintf("BEGIN; SET LOCAL synchronous_commit = off; DELETE FROM t; INSERT INTO t VALUES (%d); COMMIT", n))
		if b.query("SELECT pg_current_wal_insert_lsn() > pg_current_wal_flush_lsn()") == "true" {
			break
		}
		if n == 100 {
			t.Fatal("the log is durable at once")
		}
	}
	got := s.mustScan(r, chunk)
	if err := b.p.Kill(); err != nil {
		t.Fatal(err)
	}
	s.cancel()
	s.cancel = nil
	if err := <-s.ended; err == nil {
		t.Error("the stream has ended")
	}
	_ = s.src.Close()
	if err := b.p.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.db.SetMaxIdleConns(0) // they are dead
	if left := b.query("SELECT string_agg(id::text, ',') FROM t"); len(got.keys) != 1 || left != got.keys[0] {
		t.Errorf("read %v, and the table has %s", got.keys, left)
	}
}

// TestScanBesideAlter: a table that is rewritten in the middle is read as what it is then, an ALTER TABLE waits for one chunk at most,
// and a chunk does not wait long for one; writers wait for nothing.
func TestScanBesideAlter(t *testing.T) {
	t.Parallel()
	for _, v := range versions {
		t.Run(v, func(t *testing.T) {
			b := newBench(t, servers.PostgresOptions{Version: v})
			b.exec("CREATE TABLE t (id int PRIMARY KEY, n int)", "INSERT INTO t SELECT i, i FROM generate_series(1, 20000) i")
			s := startScanning(t, b.config(), "")
			r := s.reader()
			chunk := capture.Chunk{Table: s.table("public.t"), Bytes: 1 << 20, Time: 100 * time.Millisecond}
			first := s.mustScan(r, chunk)
			b.exec("ALTER TABLE t ALTER n TYPE bigint") // a rewrite
			second := s.mustScan(r, chunk)
			if second.table == first.table || second.table.Columns[1].SourceType != "bigint" || second.table.ID != first.table.ID {
				t.Errorf("%+v", *second.table)
			}
			if second.Rows == 0 || second.keys[0] != "1" {
				t.Errorf("%d rows", second.Rows)
			}
			b.exec("UPDATE t SET n = n WHERE id = 1")
			if c := s.streamedAtLeast(1)[0]; c.table != second.table {
				t.Errorf("%+v", *c.table)
			}

			// An ALTER that waits for a reader who does not end: chunks queue behind it for a moment only.
			idle, alter := b.session(), b.session()
			b.in(idle, "BEGIN", "SELECT count(*) FROM t")
			altered := make(chan error, 1)
			go func() {
				_, err := alter.ExecContext(context.Background(), "ALTER TABLE t ADD late text")
				altered <- err
			}()
			b.eventually("an ALTER that waits", "SELECT count(*) > 0 FROM pg_locks WHERE NOT granted")
			if why := s.notYet(r, chunk); !strings.Contains(why, "alters it") {
				t.Error(why)
			}
			b.in(idle, "COMMIT")
			if err := <-altered; err != nil {
				t.Fatal(err)
			}

			// Chunk after chunk, while others write and alter.
			ctx, stop := context.WithCancel(t.Context())
			var others sync.WaitGroup
			var slowest [2]time.Duration
			for i, statement := range []string{"UPDATE t SET n = n + 1 WHERE id = %d", "ALTER TABLE t ALTER n SET DEFAULT %d"} {
				others.Go(func() {
					for n := 1; ctx.Err() == nil; n++ {
						began := time.Now()
						b.exec(fmt.Sprintf(statement, n))
						slowest[i] = max(slowest[i], time.Since(began))
						time.Sleep(5 * time.Millisecond)
					}
				})
			}
			for range 5 {
				rows, _ := s.all(r, chunk)
				distinct(t, "a table that is written to and altered", rows, 20000)
			}
			stop()
			others.Wait()
			t.Logf("the slowest update took %v, the slowest ALTER TABLE %v", slowest[0], slowest[1])
			if slowest[1] > 2*time.Second {
				t.Error("an ALTER TABLE waited too long")
			}
		})
	}
}

// TestScanWhileRowsChange: rows that nobody touches come exactly once, however many others come, go and move.
func TestScanWhileRowsChange(t *testing.T) {
	t.Parallel()
	b := newBench(t, servers.PostgresOptions{})
	b.exec("CREATE TABLE t (id int PRIMARY KEY, n int)", "INSERT INTO t SELECT i * 2, 0 FROM generate_series(1, 5000) i")
	s := startScanning(t, b.config(), "")
	ctx, stop := context.WithCancel(t.Context())
	var writers sync.WaitGroup
	for range 2 {
		writers.Go(func() {
			for ctx.Err() == nil {
				b.exec(fmt.Sprintf("INSERT INTO t VALUES (%d, 1) ON CONFLICT DO NOTHING", rand.IntN(5000)*2+1), fmt.Sprintf("DELETE FROM t WHERE n = 1 AND id > %d", rand.IntN(10000)))
			}
		})
	}
	var readers sync.WaitGroup
	for range 2 {
		r := s.reader()
		chunk := capture.Chunk{Table: s.table("public.t"), Bytes: 64 << 10, Time: time.Second}
		readers.Go(func() {
			all, _ := s.all(r, chunk)
			var quiet []string
			for _, row := range all {
				if strings.HasSuffix(row, `3/0:0:0:""`) {
					quiet = append(quiet, row)
				}
			}
			distinct(t, "rows that nobody touches", quiet, 5000)
		})
	}
	readers.Wait()
	stop()
	writers.Wait()
}

// TestChunksAreFull: chunks are of about the size that was asked for, also when one row is larger, and the last one says that it is.
func TestChunksAreFull(t *testing.T) {
	t.Parallel()
	b := newBench(t, servers.PostgresOptions{})
	b.exec("CREATE TABLE none (id int PRIMARY KEY)", "CREATE TABLE one (id int PRIMARY KEY, big text)", "INSERT INTO one VALUES (1, repeat('x', 3000000))",
		"CREATE TABLE t (id int PRIMARY KEY, big text)", "ALTER TABLE t ALTER big SET STORAGE EXTERNAL",
		"INSERT INTO t SELECT i, repeat('x', CASE WHEN i % 1000 < 900 THEN 10 ELSE 200000 END) FROM generate_series(1, 2000) i")
	s := startScanning(t, b.config(), "")
	r := s.reader()
	if got := s.mustScan(r, capture.Chunk{Table: s.table("public.none")}); !got.Done || got.Rows != 0 || got.Last != "" || got.End == "" {
		t.Errorf("%+v", got.Scanned)
	}
	if got := s.mustScan(r, capture.Chunk{Table: s.table("public.one"), Bytes: 1 << 20}); !got.Done || got.Rows != 1 || got.Last == "" {
		t.Errorf("%+v", got.Scanned)
	}
	chunk := capture.Chunk{Table: s.table("public.t"), Bytes: 1 << 20}
	rows, most := 0, 0
	for done := false; !done; {
		got := s.mustScan(r, chunk)
		rows += got.Rows
		most = max(most, got.size)
		if got.Rows == 0 {
			t.Error("an empty chunk")
		}
		chunk.After, done = got.Last, got.Done
	}
	if rows != 2000 || most > 2<<20 {
		t.Errorf("%d rows, the largest chunk has %d bytes", rows, most)
	}
	chunk.After, chunk.Bytes, chunk.Time = "", 0, 0
	if got := s.mustScan(r, chunk); got.Rows == 2000 && !got.Done {
		t.Error("all rows came and the chunk does not know it")
	}
}

// TestScanWithConditions: the publication's condition and that of a snapshot both count, and a chunk that finds few rows ends in time,
// with the key to go on from.
func TestScanWithConditions(t *testing.T) {
	t.Parallel()
	for _, v := range versions {
		t.Run(v, func(t *testing.T) {
			b := newBench(t, servers.PostgresOptions{Version: v})
			b.exec("CREATE TABLE t (id int PRIMARY KEY, n int, c0 text)", "INSERT INTO t SELECT i, i % 10, 'x' || i FROM generate_series(1, 30000) i", "CREATE TABLE few (id int PRIMARY KEY)", "INSERT INTO few VALUES (7), (8)")
			cfg := b.config()
			filtered := publishedColumns("public.t")
			filtered.Where = "id > 5"
			cfg.Publish = append(cfg.Publish, filtered)
			s := startScanning(t, cfg, "")
			r := s.reader()
			chunk := capture.Chunk{Table: s.table("public.t"), Bytes: 1 << 20, Time: 20 * time.Millisecond}
			rows, _ := s.all(r, chunk)
			distinct(t, "the publication's condition", rows, 29995)
			chunk.Where = "t.n = 3 AND c0 LIKE 'x%' -- a comment"
			rows, _ = s.all(r, chunk)
			distinct(t, "both", rows, 2999)
			chunk.Where = "id IN (SELECT id FROM public.few) OR id < 3"
			rows, _ = s.all(r, chunk)
			distinct(t, "a subquery", rows, 2)
			if !strings.Contains(rows[1], `"x8"`) {
				t.Error(rows)
			}
			chunk.Where = "false"
			if rows, chunks := s.all(r, chunk); len(rows) > 0 || chunks > 100 {
				t.Errorf("%d rows, %d chunks", len(rows), chunks)
			}
			for _, where := range []string{"nonsense = 1", "n = ", "n / 0 = 1", "true) IS TRUE; DROP TABLE few; --"} {
				chunk.Where = where
				_, err := s.scan(s.reader(), chunk)
				if f := wantFault(t, err, fault.Config); !f.Final || !strings.Contains(f.Hint, where) {
					t.Errorf("%s: %v", where, f)
				}
			}
			if n := b.query("SELECT count(*) FROM few"); n != "2" {
				t.Error(n)
			}
		})
	}
}

// TestWhatEndsAScan: a key or a table that is another one now, rights and policies.
func TestWhatEndsAScan(t *testing.T) {
	t.Parallel()
	for _, v := range versions {
		t.Run(v, func(t *testing.T) {
			b := newBench(t, servers.PostgresOptions{Version: v})
			b.exec("CREATE TABLE t (id int PRIMARY KEY, k int NOT NULL UNIQUE)", "INSERT INTO t SELECT i, -i FROM generate_series(1, 100) i", "CREATE TABLE keyless (id int)", "ALTER TABLE keyless REPLICA IDENTITY FULL",
				"CREATE TABLE secret (id int PRIMARY KEY)", "INSERT INTO secret VALUES (1)")
			b.exec("CREATE PUBLICATION "+publication+" FOR TABLE t, keyless, secret WITH (publish_via_partition_root = true)", "SELECT pg_create_logical_replication_slot('"+slot+"', 'pgoutput')")
			if err := b.p.CreateUser(t.Context(), "shop", "cdc", "secret", "REPLICATION", "SELECT ON t", "SELECT ON keyless"); err != nil {
				t.Fatal(err)
			}
			cfg := b.config()
			cfg.User, cfg.Password, cfg.Create = "cdc", "secret", "none"
			s := startScanning(t, cfg, "")
			scan := func(c capture.Chunk) error {
				r := s.reader()
				defer r.Close()
				_, err := s.scan(r, c)
				return err
			}
			chunk := capture.Chunk{Table: s.table("public.t"), Bytes: 1000}
			got := s.mustScan(s.reader(), chunk)
			goOn := chunk
			goOn.After = got.Last

			err := scan(capture.Chunk{Table: s.table("public.secret")})
			if f := wantFault(t, err, fault.Permission); !f.Final || !strings.Contains(f.Hint, `GRANT SELECT ON "public"."secret" TO "cdc"`) {
				t.Error(f)
			}
			b.exec("GRANT SELECT ON secret TO cdc", "ALTER TABLE secret ENABLE ROW LEVEL SECURITY", "CREATE POLICY nothing ON secret USING (false)")
			err = scan(capture.Chunk{Table: s.table("public.secret")})
			if f := wantFault(t, err, fault.Permission); !f.Final || !strings.Contains(f.Error(), "row-level security") || !strings.Contains(f.Hint, "BYPASSRLS") {
				t.Error(f)
			}
			keyless := s.table("public.keyless")
			if len(keyless.Key) != 0 {
				t.Errorf("%+v", keyless)
			}
			if err := scan(capture.Chunk{Table: keyless}); err != nil {
				t.Error(err)
			}

			same := func(what string, want error, c capture.Chunk) {
				t.Helper()
				if err := scan(c); !errors.Is(err, want) {
					t.Errorf("%s: %v", what, err)
				}
			}
			r := s.reader()
			s.mustScan(r, goOn)
			b.exec("ALTER TABLE t ALTER id TYPE text")
			if _, err := s.scan(r, goOn); !errors.Is(err, capture.ErrKeyChanged) {
				t.Errorf("a column of another type: %v", err)
			}
			same("no row was read yet", nil, chunk)
			b.exec("ALTER TABLE t ALTER id TYPE int USING id::int")
			same("back again", nil, goOn)
			b.exec("ALTER TABLE t REPLICA IDENTITY USING INDEX t_k_key")
			same("another index", capture.ErrKeyChanged, chunk)
			b.exec("ALTER TABLE t REPLICA IDENTITY DEFAULT", "ALTER TABLE t DROP CONSTRAINT t_pkey", "ALTER TABLE t ADD PRIMARY KEY (id, k)")
			same("more columns", capture.ErrKeyChanged, goOn)
			b.exec("ALTER TABLE t RENAME id TO number")
			same("another name", capture.ErrKeyChanged, goOn)
			b.exec("ALTER PUBLICATION " + publication + " DROP TABLE t")
			same("not published", capture.ErrTableGone, goOn)
			b.exec("DROP TABLE t")
			same("dropped", capture.ErrTableGone, goOn)
			if _, err := s.reader().Bounds(t.Context(), goOn.Table, 4); !errors.Is(err, capture.ErrTableGone) {
				t.Errorf("bounds of a dropped table: %v", err)
			}
			b.exec("CREATE VIEW t AS SELECT 1 AS id", "GRANT SELECT ON t TO cdc")
			same("a view", capture.ErrTableGone, goOn)
			goOn.After = `{"of":`
			wantFault(t, scan(goOn), fault.WrongServer)

			b.exec("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'cdcbridge test' AND backend_type = 'client backend' AND pid <> pg_backend_pid()")
			_, err = s.scan(r, capture.Chunk{Table: keyless})
			if f := wantFault(t, err, fault.Unreachable); f.Final {
				t.Error(f)
			}
		})
	}
}
