package mysqlsource

import (
	"context"
	"database/sql"
	"sort"
	"strings"
	"testing"
	"time"

	"cdcbridge/integration/servers"
)

// TestScanWatch has places passed on an idle server, on a busy one, over rotations and after a reconnect, in the time that a
// window may take.
func TestScanWatch(t *testing.T) {
	for _, v := range everyServer {
		for _, gtid := range []string{"ON", "OFF"} {
			if gtid == "OFF" && strings.HasPrefix(v, "maria") {
				continue // it has no such mode
			}
			t.Run(v+" gtid_mode="+gtid, func(t *testing.T) {
				b := newBench(t, servers.MySQLOptions{Version: v, Extra: []string{"--loose-gtid-mode=" + gtid, "--loose-enforce-gtid-consistency=" + gtid}})
				b.exec("CREATE TABLE t (id INT AUTO_INCREMENT PRIMARY KEY, v INT)", "CREATE DATABASE other", "CREATE TABLE other.x (id INT AUTO_INCREMENT PRIMARY KEY)")
				cfg := b.config()
				cfg.HeartbeatInterval = 30 * time.Second // no help from there
				s := scan(t, cfg, false)
				b.commit() // MariaDB says nothing to who has all, but for heartbeats
				s.watch(endOfLog(t, b))
				round := func(what string, most time.Duration, before func()) {
					t.Helper()
					var took []time.Duration
					for range 15 {
						before()
						took = append(took, s.watch(endOfLog(t, b)))
					}
					sort.Slice(took, func(i, j int) bool { return took[i] < took[j] })
					t.Logf("%s: median %v, most %v", what, took[7], took[14])
					if took[7] > most {
						t.Errorf("%s: %v", what, took)
					}
				}
				round("idle", 50*time.Millisecond, func() { time.Sleep(20 * time.Millisecond) })
				round("other tables", 50*time.Millisecond, func() { b.exec("INSERT INTO other.x VALUES ()") })
				round("rotation", 100*time.Millisecond, func() { b.exec("FLUSH BINARY LOGS") })
				old := endOfLog(t, b)
				b.exec("FLUSH BINARY LOGS")
				s.watch(old)
				ctx, stop := context.WithCancel(t.Context())
				busy := make(chan error, 1)
				go func() { busy <- keepBusy(ctx, b.db) }()
				round("busy", 200*time.Millisecond, func() { time.Sleep(10 * time.Millisecond) })
				stop()
				if err := <-busy; err != nil {
					t.Error(err)
				}
				// What the position has is left out when the stream begins again, and only a heartbeat speaks of it.
				b.exec("FLUSH BINARY LOGS", "INSERT INTO t (v) VALUES (1)", "INSERT INTO other.x VALUES ()")
				end := endOfLog(t, b)
				s.watch(end)
				until(t, "position", func() bool {
					return strings.Contains(string(s.position()), strings.TrimPrefix(string(end), "binlog.")[7:])
				})
				at := s.position()
				s.stop()
				again := scanFrom(t, b.config(), at, false)
				if took := again.watch(end); took > 2*time.Second {
					t.Errorf("after a reconnect: %v", took)
				}
			})
		}
	}
}

func keepBusy(ctx context.Context, db *sql.DB) error {
	for ctx.Err() == nil {
		if _, err := db.ExecContext(ctx, "INSERT INTO t (v) VALUES (1),(2),(3)"); err != nil && ctx.Err() == nil {
			return err
		}
	}
	return nil
}
