package mysqlsource

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"cdcbridge/capture/mysql"
	"cdcbridge/changelog"
	"cdcbridge/integration/harness"
	"cdcbridge/integration/servers"
)

// placed is a change with the place of its transaction in the log.
type placed struct {
	id  int64
	txn changelog.Origin
}

// walk streams from a position until a row with that id has come.
func walk(t *testing.T, cfg *mysql.Config, at changelog.Position, last int64) (all []placed) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	src, _, err := open(t, cfg, at)
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	out, failed := make(chan *changelog.Batch), make(chan error, 1)
	go func() { failed <- src.Stream(ctx, out) }()
	for {
		select {
		case b := <-out:
			came := false
			for _, r := range b.Runs {
				origin := b.Txns[r.Txn].Origin
				origin.File, origin.GTID = strings.Clone(origin.File), strings.Clone(origin.GTID)
				for _, c := range b.Changes[r.From:r.To] {
					all = append(all, placed{c.After[0].Int(), origin})
					came = came || c.After[0].Int() == last
				}
			}
			b.Release()
			if came {
				cancel()
				if err := <-failed; err == nil {
					t.Error("a stream that was cancelled ended without an error")
				}
				return all
			}
		case err := <-failed:
			t.Fatalf("after %d changes: %v", len(all), err)
		}
	}
}

// TestBigFile reads and resumes behind a transaction that alone makes its file large: in the long tier larger than 4 GiB, where
// offsets no longer fit into what the log and the dump command have for them. Small transactions slip into the file behind it
// before the server begins another one.
func TestBigFile(t *testing.T) {
	value, values, modes := 1<<20, 8, []string{"OFF"}
	if harness.Long {
		value, values, modes = 64<<20, 66, []string{"OFF", "ON"}
	}
	for _, gtid := range modes {
		t.Run("gtid_mode="+gtid, func(t *testing.T) {
			began := time.Now()
			b := newBench(t, servers.MySQLOptions{Extra: []string{
				"--gtid-mode=" + gtid, "--enforce-gtid-consistency=" + gtid, "--max-allowed-packet=256M", "--sync-binlog=1", "--binlog-group-commit-sync-delay=500000", "--max-binlog-size=4096",
			}})
			b.exec("CREATE TABLE hole (id INT PRIMARY KEY, v LONGTEXT) ENGINE=BLACKHOLE", "CREATE TABLE t (id BIGINT PRIMARY KEY)")
			filled := make(chan error, 1)
			big, err := b.db.Conn(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			defer big.Close()
			statements := []string{"BEGIN"}
			for i := range values {
				statements = append(statements, fmt.Sprintf("INSERT INTO hole VALUES (%d, REPEAT('x', %d))", i, value))
			}
			for _, s := range append(statements, "INSERT INTO t VALUES (1)") {
				if _, err := big.ExecContext(t.Context(), s); err != nil {
					t.Fatal(err)
				}
			}
			go func() {
				_, err := big.ExecContext(t.Context(), "COMMIT")
				filled <- err
			}()
			var small sync.WaitGroup
			var next atomic.Int64
			next.Store(99)
			for range 8 { // each waits for the server's log, all of them together
				small.Go(func() {
					for n := next.Add(1); n < 130; n = next.Add(1) {
						if _, err := b.db.ExecContext(t.Context(), "INSERT INTO t VALUES (?)", n); err != nil {
							t.Errorf("a small transaction: %v", err)
						}
					}
				})
			}
			if err := <-filled; err != nil {
				t.Fatal(err)
			}
			small.Wait()
			b.exec("INSERT INTO t VALUES (1000)")
			cfg := b.config()
			cfg.Tables = []string{"shop.t"}
			ref := walk(t, cfg, "", 1000)
			want := uint64(value) * uint64(values)
			if harness.Long && want < 1<<32 {
				t.Fatalf("%d bytes are fewer than 4 GiB", want)
			}
			var behind []int
			for i, p := range ref {
				if p.txn.Pos > want {
					behind = append(behind, i)
				}
			}
			if len(behind) < 2 || len(ref) != 32 {
				t.Fatalf("%d of %d transactions came behind %d bytes in one file", len(behind), len(ref), want)
			}
			resumed := behind[len(behind)-2:]
			for _, i := range resumed {
				o := ref[i].txn
				at := fmt.Sprintf(`{"v":1,"server":%q,"file":%q,"pos":%d}`, b.query("SELECT @@server_uuid"), o.File, o.Pos)
				if gtid == "ON" {
					uuid, number, _ := strings.Cut(o.GTID, ":")
					n, err := strconv.Atoi(number)
					if err != nil {
						t.Fatal(err)
					}
					at = fmt.Sprintf(`{"v":1,"server":%q,"gtids":"%s:1-%d"}`, uuid, uuid, n-1)
				}
				if got := walk(t, cfg, changelog.Position(at), 1000); !slices.Equal(got, ref[i:]) {
					t.Errorf("from %s:\n%+v\nwant\n%+v", at, got, ref[i:])
				}
			}
			t.Logf("%d transactions behind %d bytes, resumed before %d of them, in %v", len(behind), want, len(resumed), time.Since(began))
			harness.Evidence(t, began, map[string]any{"bytes_before": want, "transactions_behind": len(behind), "resumed_before": len(resumed)})
		})
	}
}
