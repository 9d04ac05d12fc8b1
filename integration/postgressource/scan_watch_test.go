package postgressource

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"cdcbridge/capture"
	"cdcbridge/integration/servers"
)

// TestWatch: the stream says within tens of milliseconds that it has passed a place: on a server that does nothing, on one whose
// log grows by what is not captured, on one that is busy, and when the place was passed long ago.
func TestWatch(t *testing.T) {
	for _, v := range versions {
		t.Run(v, func(t *testing.T) {
			b := newBench(t, servers.PostgresOptions{Version: v, Settings: map[string]string{"autovacuum": "off"}})
			b.exec("CREATE TABLE t (id serial PRIMARY KEY, n int)", "CREATE TABLE other (id serial PRIMARY KEY, n int)")
			cfg := b.config()
			cfg.Tables, cfg.HeartbeatInterval = []string{"public.t"}, 10*time.Second
			s := startScanning(t, cfg, "")
			r := s.reader()
			table := s.table("public.t")
			measure := func(what string, limit time.Duration) {
				t.Helper()
				var took []time.Duration
				for range 10 {
					took = append(took, s.passed(s.mustScan(r, capture.Chunk{Table: table, Bytes: 1000}).End))
				}
				worst, sum := time.Duration(0), time.Duration(0)
				for _, d := range took {
					worst, sum = max(worst, d), sum+d
				}
				t.Logf("%s: %v on average, %v at worst", what, sum/10, worst)
				if sum/10 > limit {
					t.Errorf("%s: %v", what, took)
				}
			}
			busy := func(what, statement string, pause time.Duration) {
				t.Helper()
				stop := make(chan struct{})
				var writers sync.WaitGroup
				writers.Go(func() {
					for {
						select {
						case <-stop:
							return
						default:
							b.exec(statement)
							time.Sleep(pause)
						}
					}
				})
				measure(what, 100*time.Millisecond)
				close(stop)
				writers.Wait()
			}
			measure("idle", 50*time.Millisecond)
			busy("uncaptured changes", "INSERT INTO other (n) SELECT generate_series(1, 100)", 0)
			busy("small transactions", "INSERT INTO t (n) VALUES (1)", 0)
			busy("larger transactions", "INSERT INTO t (n) SELECT generate_series(1, 2000)", 100*time.Millisecond) // so that what reads the stream here keeps up
			early := s.mustScan(r, capture.Chunk{Table: table}).End
			b.exec("INSERT INTO t (n) VALUES (42)")
			s.until("the last change", func() bool {
				return len(s.changes) > 0 && strings.HasSuffix(s.changes[len(s.changes)-1].after, `:42:42:""`)
			})
			if took := s.passed(early); took > 100*time.Millisecond {
				t.Errorf("a place that was passed already took %v", took)
			}

			// Everything up to a place has come when the stream says so; many may ask at once.
			var askers sync.WaitGroup
			for i := range 4 {
				askers.Go(func() {
					for n := range 10 {
						b.exec(fmt.Sprintf("INSERT INTO t (n) VALUES (%d)", 1000+100*i+n))
						end := b.query("SELECT pg_current_wal_insert_lsn()")
						s.passed(capture.Place(end))
						s.mu.Lock()
						found := false
						for _, c := range s.changes {
							found = found || strings.HasSuffix(c.after, fmt.Sprintf(`:%d:%d:""`, 1000+100*i+n, 1000+100*i+n))
						}
						s.mu.Unlock()
						if !found {
							t.Errorf("the stream has passed %s without what was written before", end)
						}
					}
				})
			}
			askers.Wait()

			// Nothing is asked for when nothing is watched.
			s.mu.Lock()
			before := s.batches
			s.mu.Unlock()
			time.Sleep(300 * time.Millisecond)
			s.mu.Lock()
			if n := s.batches - before; n > 3 {
				t.Errorf("%d batches in 300 ms of silence", n)
			}
			s.mu.Unlock()
		})
	}
}

// TestWatchBesideAStreamedTransaction: a transaction that is sent before it commits keeps no place waiting.
func TestWatchBesideAStreamedTransaction(t *testing.T) {
	b := newBench(t, servers.PostgresOptions{Settings: map[string]string{"logical_decoding_work_mem": "64kB"}})
	b.exec("CREATE TABLE t (id int PRIMARY KEY, v text)")
	cfg := b.config()
	cfg.Streaming = true
	s := startScanning(t, cfg, "")
	r, table := s.reader(), s.table("public.t")
	s.mustScan(r, capture.Chunk{Table: table}) // who writes when a table is first looked at is waited for
	large := b.session()
	b.in(large, "BEGIN", "INSERT INTO t SELECT i, repeat('x', 100) FROM generate_series(1, 20000) i")
	b.eventually("the transaction is streamed", "SELECT stream_count > 0 FROM pg_stat_replication_slots")
	for n := range 5 {
		b.exec(fmt.Sprintf("INSERT INTO t VALUES (%d, 'y')", -n-1))
		got := s.mustScan(r, capture.Chunk{Table: table})
		if got.Rows != n+1 {
			t.Errorf("%d rows", got.Rows)
		}
		if took := s.passed(got.End); took > time.Second {
			t.Errorf("it took %v", took)
		}
	}
	b.in(large, "COMMIT")
	s.streamedAtLeast(20005)
	rows, _ := s.all(r, capture.Chunk{Table: table})
	distinct(t, "all transactions", rows, 20005)
}
