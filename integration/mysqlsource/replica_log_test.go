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

// TestReplicasShowTheSame goes on at a replica from every position of the primary's log, and back: with GTIDs both logs say the same,
// though the replica cuts the rows of a transaction into other events.
func TestReplicasShowTheSame(t *testing.T) {
	t.Parallel()
	for _, v := range everyServer {
		t.Run(v, func(t *testing.T) {
			p, r := withReplica(t, servers.MySQLOptions{Version: v})
			if err := r.m.Restart(t.Context(), "--binlog-row-event-max-size=1024"); err != nil {
				t.Fatal(err)
			}
			p.digits()
			p.exec("CREATE TABLE t (id INT PRIMARY KEY, v TEXT)", "CREATE TABLE u (id INT PRIMARY KEY, v TEXT)", "CREATE TABLE done (id INT PRIMARY KEY)", "INSERT INTO t VALUES (1,'first')")
			p.session("BEGIN", p.fill("t", 1000, 400, 100), p.fill("u", 1000, 300, 200), "UPDATE t SET v = CONCAT(v, 'x') WHERE id > 1100", "COMMIT")
			p.exec("DELETE FROM u WHERE id % 3 = 0", "UPDATE u SET id = id + 5000 WHERE id < 1100", "INSERT INTO done VALUES (1)")
			r.catchUp(p)
			stream := func(b *bench, at changelog.Position) *seen {
				t.Helper()
				cfg := b.config()
				cfg.ExcludeTables, cfg.BatchBytes = []string{"shop.digits"}, 16<<10
				got, err := collect(t, cfg, at, finished(1))
				if err != nil {
					t.Fatalf("from %s: %v", at, err)
				}
				return got
			}
			ref := stream(p, "")
			checkOrdinals(t, ref)
			if ref.parts < 5 {
				t.Fatalf("%d parts", ref.parts)
			}
			for i := 0; i < len(ref.positions)-1; i += max(1, len(ref.positions)/10) {
				got, want := stream(r, ref.positions[i]), ref.changes[ref.after[i]:]
				if !slices.Equal(got.changes, want) {
					t.Fatalf("from %s: %d changes, want %d", ref.positions[i], len(got.changes), len(want))
				}
				for j := 0; j < len(got.positions)-1; j += max(1, len(got.positions)/3) {
					if back, want := stream(p, got.positions[j]), got.changes[got.after[j]:]; !slices.Equal(back.changes, want) {
						t.Fatalf("back from %s: %d changes, want %d", got.positions[j], len(back.changes), len(want))
					}
				}
			}
		})
	}
}

// sources are two primaries and a replica of both, on MariaDB each in a domain of its own.
func sources(t *testing.T, version string) []*bench {
	maria := isMariaDB(version)
	var all []*bench
	for domain := range 3 {
		o := servers.MySQLOptions{Version: version}
		if domain == 2 { // each of them makes the database
			o.Extra = []string{"--loose-slave-skip-errors=1007", "--loose-replica-skip-errors=1007"}
		}
		switch {
		case maria:
			o.Extra = append(o.Extra, fmt.Sprintf("--gtid-domain-id=%d", domain+1))
		case version == "57":
			o.Extra = append(o.Extra, "--master-info-repository=TABLE", "--relay-log-info-repository=TABLE")
		}
		x := newBench(t, o)
		x.exec(fmt.Sprintf("CREATE TABLE t%d (id INT PRIMARY KEY, v INT)", domain), fmt.Sprintf("CREATE TABLE done%d (id INT PRIMARY KEY)", domain))
		all = append(all, x)
	}
	begin := "START REPLICA"
	for i, x := range all[:2] {
		account := fmt.Sprintf("'%s', MASTER_PORT=%d, MASTER_USER='%s', MASTER_PASSWORD='%s'", x.m.Host(), x.m.Port(), x.m.User(), x.m.Password())
		switch {
		case maria:
			begin = "START ALL SLAVES"
			all[2].exec(fmt.Sprintf("CHANGE MASTER 'c%d' TO MASTER_HOST=%s, MASTER_USE_GTID=slave_pos", i, account))
		case version == "57":
			begin = "START SLAVE"
			all[2].exec(fmt.Sprintf("CHANGE MASTER TO MASTER_HOST=%s, MASTER_AUTO_POSITION=1 FOR CHANNEL 'c%d'", account, i))
		default:
			account = strings.ReplaceAll(account, "MASTER_", "SOURCE_")
			all[2].exec(fmt.Sprintf("CHANGE REPLICATION SOURCE TO SOURCE_HOST=%s, SOURCE_AUTO_POSITION=1, GET_SOURCE_PUBLIC_KEY=1 FOR CHANNEL 'c%d'", account, i))
		}
	}
	all[2].exec(begin)
	return all
}

// TestSeveralSources reads a replica of two primaries that is written to as well: transactions of three servers in one log. It resumes
// at every position, and knows what the log of one of them lacks.
func TestSeveralSources(t *testing.T) {
	t.Parallel()
	for _, v := range everyServer {
		t.Run(v, func(t *testing.T) {
			three := sources(t, v)
			for i := range 30 {
				for j, x := range three {
					x.session("BEGIN", fmt.Sprintf("INSERT INTO t%d VALUES (%d, 0)", j, i), fmt.Sprintf("UPDATE t%d SET v = v + 1", j), "COMMIT")
				}
			}
			for j, x := range three {
				x.exec(fmt.Sprintf("INSERT INTO done%d VALUES (1)", j))
			}
			all := func(s *seen) bool {
				return has(s, "done0/", "1") && has(s, "done1/", "1") && has(s, "done2/", "1")
			}
			cfg := three[2].config()
			ref, err := collect(t, cfg, "", all)
			if err != nil {
				t.Fatal(err)
			}
			checkOrdinals(t, ref)
			for j := range 3 {
				sameRows(t, ref.fold(fmt.Sprintf("t%d", j)), three[2].selectAll(fmt.Sprintf("t%d", j)))
			}
			cfg.BatchBytes = 4 << 10
			small, err := collect(t, cfg, "", all)
			if err != nil || !slices.Equal(small.changes, ref.changes) {
				t.Fatalf("%v: %d changes, want %d", err, len(small.changes), len(ref.changes))
			}
			for i := 0; i < len(small.positions); i += max(1, len(small.positions)/10) {
				want := ref.changes[small.after[i]:]
				if len(want) == 0 {
					continue
				}
				got, err := collect(t, cfg, small.positions[i], func(s *seen) bool { return len(s.changes) >= len(want) })
				if err != nil || !slices.Equal(got.changes, want) {
					t.Fatalf("from %s: %v: %d changes, want %d", small.positions[i], err, len(got.changes), len(want))
				}
			}
			// A position of all three is not one of the first.
			if f := openFault(t, three[0].config(), ref.positions[len(ref.positions)-1], fault.WrongServer); !f.Final {
				t.Error(f)
			}
		})
	}
}

// TestHeldTransactionOnMariaDB is TestHeldTransaction where semi-synchronous replication is built in.
func TestHeldTransactionOnMariaDB(t *testing.T) {
	t.Parallel()
	for _, v := range []string{"maria1011", "maria118"} {
		t.Run(v, func(t *testing.T) {
			b := newBench(t, servers.MySQLOptions{Version: v})
			b.exec("CREATE TABLE t (id INT PRIMARY KEY)", "INSERT INTO t VALUES (1)",
				"SET GLOBAL rpl_semi_sync_master_timeout=600000", "SET GLOBAL rpl_semi_sync_master_wait_point=AFTER_SYNC", "SET GLOBAL rpl_semi_sync_master_enabled=ON")
			done := make(chan error, 1)
			go func() {
				_, err := b.db.Exec("INSERT INTO t VALUES (2)")
				done <- err
			}()
			defer func() { _, _ = b.db.Exec("SET GLOBAL rpl_semi_sync_master_enabled=OFF") }()
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
			if n := b.query("SELECT COUNT(*) FROM t"); n != "1" || !strings.Contains(string(at), got.txns[len(got.txns)-1].ID) {
				t.Fatalf("%s rows are visible at %s", n, at)
			}
			if _, _, err := open(t, b.config(), at); err != nil {
				t.Fatalf("a checkpoint with a held transaction: %v", err)
			}
			b.exec("SET GLOBAL rpl_semi_sync_master_enabled=OFF")
			if err := <-done; err != nil {
				t.Fatal(err)
			}
			b.exec("INSERT INTO t VALUES (3)")
			if got, err = collect(t, b.config(), at, changesAtLeast(1)); err != nil || len(got.changes) != 1 || !has(got, "t/", "3") {
				t.Errorf("%v %+v", err, got)
			}
		})
	}
}
