package mysqlsource

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"cdcbridge/changelog"
	"cdcbridge/integration/servers"
	"cdcbridge/internal/fault"
)

// TestPromotedReplica goes on in the middle of a transaction on another server, which has the same transaction. With the same
// rows it goes on exactly; with its rows in another order, as a table without a key allows, it stops.
func TestPromotedReplica(t *testing.T) {
	t.Parallel()
	for _, v := range everyServer {
		t.Run(v, func(t *testing.T) {
			a := newBench(t, servers.MySQLOptions{Version: v})
			tables := []string{"CREATE TABLE heap (id INT, v VARCHAR(900))", "CREATE TABLE done (id INT PRIMARY KEY)"}
			a.exec(tables...)
			history, next := a.history(), nextGTID(a)
			rows := func(from, to, step int) (list []string) {
				for i := from; i != to; i += step {
					list = append(list, fmt.Sprintf("INSERT INTO heap VALUES (%d, REPEAT('%c', 900))", i, 'a'+i%26))
				}
				return list
			}
			write := func(b *bench, body []string) {
				b.t.Helper()
				b.session(slices.Concat(history.next(next), []string{"BEGIN"}, body, []string{"COMMIT"})...)
				b.exec("INSERT INTO done VALUES (1)")
			}
			write(a, rows(0, 80, 1))
			cfg := a.config()
			cfg.BatchBytes = 16 << 10
			ref, err := collect(t, cfg, "", finished(1))
			if err != nil {
				t.Fatal(err)
			}
			at := slices.IndexFunc(ref.positions, func(p changelog.Position) bool { return strings.Contains(string(p), `"txn"`) }) + 1
			if ref.parts < 3 || !strings.Contains(string(ref.positions[at]), `"txn"`) {
				t.Fatalf("%d parts, %s", ref.parts, ref.positions[at])
			}
			replica := newBench(t, servers.MySQLOptions{Version: v})
			for name, body := range map[string][]string{"same": rows(0, 80, 1), "backwards": rows(79, -1, -1), "shorter": rows(0, 10, 1), "swapped": slices.Concat(rows(1, 2, 1), rows(0, 1, 1), rows(2, 80, 1))} {
				replica.exec("DROP TABLE IF EXISTS heap, done")
				replica.exec(tables...)
				replica.exec(history.begin(v, next)...)
				write(replica, body)
				other := replica.config()
				other.BatchBytes = cfg.BatchBytes
				got, err := collect(t, other, ref.positions[at], finished(1))
				if name == "same" {
					want := slices.Clone(ref.changes[ref.after[at]:])
					if err != nil || len(got.changes) != len(want) || !slices.Equal(got.changes[:len(want)-1], want[:len(want)-1]) { // the last one has a GTID of its own server
						t.Errorf("%s: %v", name, err)
					}
					continue
				}
				if f := wantFault(t, err, fault.ReplayDiffers); !f.Final {
					t.Errorf("%s: %v", name, f)
				}
			}
		})
	}
}

// history is who numbers the transactions of a server: its UUID, or its server_id on MariaDB.
type history struct {
	id    string
	maria bool
}

func (b *bench) history() history {
	b.t.Helper()
	if b.m.MariaDB() {
		return history{b.query("SELECT @@GLOBAL.server_id"), true}
	}
	return history{b.query("SELECT @@server_uuid"), false}
}

// next gives the number to a session's next transaction, on whatever server.
func (h history) next(n int) []string {
	if h.maria {
		return []string{fmt.Sprintf("SET SESSION server_id=%s, SESSION gtid_seq_no=%d", h.id, n)}
	}
	return []string{fmt.Sprintf("SET gtid_next='%s:%d'", h.id, n)}
}

// begin lets a server's log begin with that number, as if it had replicated all before.
func (h history) begin(version string, n int) []string {
	switch {
	case h.maria:
		return []string{"RESET MASTER", fmt.Sprintf("SET GLOBAL gtid_binlog_state='0-%s-%d'", h.id, n-1)}
	case version == "97":
		return []string{"RESET BINARY LOGS AND GTIDS", fmt.Sprintf("SET GLOBAL gtid_purged='%s:1-%d'", h.id, n-1)}
	}
	return []string{"RESET MASTER", fmt.Sprintf("SET GLOBAL gtid_purged='%s:1-%d'", h.id, n-1)}
}

// nextGTID is the number of the next transaction of the server.
func nextGTID(b *bench) (n int) {
	b.t.Helper()
	variable := "gtid_executed"
	if b.m.MariaDB() {
		variable = "gtid_binlog_pos"
	}
	set := b.query("SELECT @@GLOBAL." + variable)
	if _, err := fmt.Sscan(set[strings.LastIndexAny(set, ":-")+1:], &n); err != nil {
		b.t.Fatalf("%s: %v", set, err)
	}
	return n + 1
}

// TestHeldTransaction streams a transaction that the server logs and holds back from everybody until a replica has it: it is
// in gtid_owned alone. A checkpoint with it belongs to this server.
func TestHeldTransaction(t *testing.T) {
	t.Parallel()
	b := newBench(t, servers.MySQLOptions{})
	b.exec("CREATE TABLE t (id INT PRIMARY KEY)", "INSERT INTO t VALUES (1)", "INSTALL PLUGIN rpl_semi_sync_source SONAME 'semisync_source.so'",
		"SET GLOBAL rpl_semi_sync_source_timeout=600000", "SET GLOBAL rpl_semi_sync_source_enabled=ON")
	held := fmt.Sprintf("%s:%d", b.query("SELECT @@server_uuid"), nextGTID(b))
	done := make(chan error, 1)
	go func() {
		_, err := b.db.Exec("INSERT INTO t VALUES (2)")
		done <- err
	}()
	defer func() { _, _ = b.db.Exec("SET GLOBAL rpl_semi_sync_source_enabled=OFF") }()
	got, err := collect(t, b.config(), "", func(s *seen) bool { return has(s, "t/", "2") })
	if err != nil {
		t.Fatal(err)
	}
	at := got.positions[len(got.positions)-1]
	time.Sleep(100 * time.Millisecond)
	select {
	case err := <-done:
		t.Fatalf("the transaction is not held: %v", err)
	default:
	}
	if executed := b.query("SELECT GTID_SUBSET('" + held + "', @@GLOBAL.gtid_executed)"); executed != "0" || got.txns[len(got.txns)-1].ID != held || b.query("SELECT COUNT(*) FROM t") != "1" {
		t.Fatalf("%s is executed: %s; the stream shows %s", held, executed, got.txns[len(got.txns)-1].ID)
	}
	if _, _, err := open(t, b.config(), at); err != nil {
		t.Fatalf("a checkpoint with a held transaction: %v", err)
	}
	b.exec("SET GLOBAL rpl_semi_sync_source_enabled=OFF")
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	b.exec("INSERT INTO t VALUES (3)")
	if got, err = collect(t, b.config(), at, changesAtLeast(1)); err != nil || len(got.changes) != 1 || !has(got, "t/", "3") {
		t.Errorf("%v %q", err, got.changes)
	}
}
