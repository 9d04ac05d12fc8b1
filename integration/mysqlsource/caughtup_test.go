package mysqlsource

import (
	"context"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"cdcbridge/changelog"
	"cdcbridge/integration/servers"
)

// TestSlowServerIsNotCaughtUp freezes a server again and again while it sends a backlog. Each time all that it has sent is read, also where that ends with
// a transaction, and it has more.
func TestSlowServerIsNotCaughtUp(t *testing.T) {
	t.Parallel()
	for _, v := range everyServer {
		t.Run(v, func(t *testing.T) {
			const backlog = 20_000
			b := newBench(t, servers.MySQLOptions{Version: v})
			b.exec("CREATE TABLE t (id INT AUTO_INCREMENT PRIMARY KEY, v INT)", "INSERT INTO t (v) VALUES (0)")
			got, err := collect(t, b.config(), "", changesAtLeast(1))
			if err != nil {
				t.Fatal(err)
			}
			b.session(slices.Repeat([]string{"INSERT INTO t (v) VALUES (1)"}, backlog)...)
			src, _, err := open(t, b.config(), got.positions[len(got.positions)-1])
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			out, failed := make(chan *changelog.Batch), make(chan error, 1)
			go func() { failed <- src.Stream(ctx, out); close(out) }()
			var rows atomic.Int64
			go func() {
				for batch := range out {
					rows.Add(int64(len(batch.Changes)))
					batch.Release()
				}
			}()
			stands := 0
			for rows.Load() < backlog && ctx.Err() == nil {
				if err := b.m.Pause(); err != nil {
					t.Fatal(err)
				}
				time.Sleep(150 * time.Millisecond) // what the stream tells of itself is a tenth of a second old at most
				if read := rows.Load(); read < backlog {
					stands++
					if s := src.Stats(); s.CaughtUp {
						t.Errorf("caught up after %d of %d rows, at %s", read, backlog, s.Position)
					}
				}
				if err := b.m.Continue(); err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Millisecond)
			}
			t.Logf("frozen %d times", stands)
			for !src.Stats().CaughtUp && ctx.Err() == nil {
				time.Sleep(time.Millisecond)
			}
			if stands == 0 || ctx.Err() != nil {
				t.Errorf("frozen %d times, %d rows: %v", stands, rows.Load(), ctx.Err())
			}
			cancel()
			if err := <-failed; err == nil {
				t.Error("a stream that was cancelled ended without an error")
			}
		})
	}
}
