package mysqlsource

import (
	"database/sql"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"cdcbridge/integration/servers"
	"cdcbridge/internal/fault"
)

var mariaVersions = []string{"maria1011", "maria118"}

// TestDomains resumes everywhere in a log in which two domains and, in one of them, numbers that go back alternate, over several
// files, with prepared transactions that keep reading behind the position.
func TestDomains(t *testing.T) {
	t.Parallel()
	for _, v := range mariaVersions {
		t.Run(v, func(t *testing.T) {
			b := newBench(t, servers.MySQLOptions{Version: v, Extra: []string{"--gtid-strict-mode=OFF"}})
			// Each row fills a batch, so that there is a position after each.
			insert := func(id int) string { return fmt.Sprintf("INSERT INTO t VALUES (%d,REPEAT('%d ',4000))", id, id) }
			b.exec("CREATE TABLE t (id INT PRIMARY KEY, v TEXT)", "CREATE TABLE done (id INT PRIMARY KEY)", insert(0))
			b.session("SET gtid_domain_id=7", insert(1))
			b.session("SET gtid_domain_id=3", "SET gtid_seq_no=100", insert(2))
			b.exec("FLUSH BINARY LOGS")
			b.session("SET gtid_domain_id=3", "SET server_id=9", "SET gtid_seq_no=50", insert(3))
			b.session("SET gtid_domain_id=7", "XA START 'x'", insert(4), "XA END 'x'", "XA PREPARE 'x'")
			b.session("SET gtid_domain_id=7", insert(5))
			b.exec(insert(6), "FLUSH BINARY LOGS")
			b.session("SET gtid_domain_id=3", "XA START 'y'", insert(7), "XA END 'y'", "XA PREPARE 'y'")
			b.session("SET gtid_domain_id=11", insert(8))
			b.session("SET gtid_domain_id=7", "XA COMMIT 'x'")
			b.session("SET gtid_domain_id=3", insert(9))
			b.exec("XA ROLLBACK 'y'", insert(10), "INSERT INTO done VALUES (1)")
			cfg := b.config()
			cfg.BatchBytes = 4 << 10
			ref, err := collect(t, cfg, "", finished(1))
			if err != nil {
				t.Fatal(err)
			}
			if got, want := slices.Sorted(maps.Keys(ref.fold("t"))), slices.Sorted(maps.Keys(b.selectAll("t"))); !slices.Equal(got, want) {
				t.Fatalf("%q, the table has %q", got, want)
			}
			behind := 0
			for i, at := range ref.positions[:len(ref.positions)-1] {
				got, err := collect(t, cfg, at, finished(1))
				if want := ref.changes[ref.after[i]:]; err != nil || !slices.Equal(got.changes, want) {
					t.Fatalf("resuming at %s: %v\ngot  %.60q\nwant %.60q", at, err, got.changes, want)
				}
				if strings.Contains(string(at), `"resume"`) {
					behind++
				}
			}
			if behind < 3 || len(ref.positions) < 10 {
				t.Errorf("%d of %d positions had a place before them", behind, len(ref.positions))
			}
		})
	}
}

// TestMariaDBPositions holds positions against servers that can and cannot go on from them.
func TestMariaDBPositions(t *testing.T) {
	t.Parallel()
	for _, v := range mariaVersions {
		t.Run(v, func(t *testing.T) {
			b := newBench(t, servers.MySQLOptions{Version: v, ServerID: 4})
			b.exec("CREATE TABLE t (id INT PRIMARY KEY)", "INSERT INTO t VALUES (1)")
			got, err := collect(t, b.config(), "", changesAtLeast(1))
			if err != nil {
				t.Fatal(err)
			}
			early := got.positions[len(got.positions)-1]
			b.session("SET gtid_domain_id=5", "INSERT INTO t VALUES (2)")
			b.exec("INSERT INTO t VALUES (3)")
			explicit := b.config()
			explicit.Start = b.query("SELECT @@GLOBAL.gtid_binlog_pos")
			b.exec("INSERT INTO t VALUES (4)")
			if got, err = collect(t, explicit, "", changesAtLeast(1)); err != nil || !strings.HasSuffix(got.changes[0], "-> 4") {
				t.Fatalf("%v %q", err, got.changes)
			}
			at := string(got.positions[len(got.positions)-1])
			newest := b.query("SELECT @@GLOBAL.gtid_binlog_pos")
			if !strings.Contains(at, `"product":"mariadb"`) || !strings.Contains(at, `"gtids":"`+newest+`"`) {
				t.Fatalf("%s after %s", at, newest)
			}
			for wrong, gtids := range map[string]string{
				"a domain that the server never had": newest + ",6-4-1", "a server that it never had": strings.Replace(newest, "5-4-", "5-44-", 1), "a number of the future": strings.Replace(newest, "5-4-1", "5-4-2", 1),
			} {
				if f := openFault(t, b.config(), position(strings.Replace(at, newest, gtids, 1)), fault.WrongServer); !f.Final {
					t.Errorf("%s: %v", wrong, f)
				}
			}
			stranger := newBench(t, servers.MySQLOptions{Version: v, ServerID: 40})
			stranger.exec("CREATE TABLE t (id INT PRIMARY KEY)", "INSERT INTO t VALUES (1),(2)", "INSERT INTO t VALUES (3)", "INSERT INTO t VALUES (4)", "INSERT INTO t VALUES (5)")
			openFault(t, stranger.config(), position(at), fault.WrongServer)

			b.exec("FLUSH BINARY LOGS", "FLUSH BINARY LOGS", "INSERT INTO t VALUES (6)")
			b.purgeTo("binlog.000003")
			if f := openFault(t, b.config(), early, fault.BinlogPurged); !f.Final || !strings.Contains(f.Error(), "domain 5") {
				t.Error(f)
			}
			if got, err = collect(t, b.config(), position(at), changesAtLeast(1)); err != nil || !strings.HasSuffix(got.changes[0], "-> 6") {
				t.Errorf("%v %q", err, got.changes)
			}
			if got, err = collect(t, b.config(), "", changesAtLeast(1)); err != nil || !strings.HasSuffix(got.changes[0], "-> 6") {
				t.Errorf("from the oldest: %v %q", err, got.changes)
			}
		})
	}
}

// TestMariaDBFailover follows a promoted replica, within a large transaction too, and refuses one that lacks what was read.
func TestMariaDBFailover(t *testing.T) {
	t.Parallel()
	for _, v := range mariaVersions {
		t.Run(v, func(t *testing.T) {
			p, r := newBench(t, servers.MySQLOptions{Version: v, ServerID: 1}), newBench(t, servers.MySQLOptions{Version: v, ServerID: 2})
			// Both made their database: the replica's is not to differ.
			r.exec("DROP DATABASE shop", "RESET MASTER", "CREATE DATABASE shop", "RESET MASTER")
			r.exec("DROP DATABASE shop", "RESET MASTER", "SET GLOBAL gtid_slave_pos=''")
			if err := r.m.Replicate(t.Context(), p.m); err != nil {
				t.Fatal(err)
			}
			p.exec("CREATE TABLE t (id INT PRIMARY KEY, v TEXT)", "CREATE TABLE done (id INT PRIMARY KEY)")
			p.digits()
			p.exec("INSERT INTO t VALUES (100000,'small')", p.fill("t", 0, 2000, 100), "INSERT INTO done VALUES (1)")
			cfg := p.config()
			cfg.BatchBytes, cfg.ExcludeTables = 16<<10, []string{"shop.digits"}
			ref, err := collect(t, cfg, "", finished(1))
			if err != nil {
				t.Fatal(err)
			}
			if err := r.m.CatchUp(t.Context(), p.m); err != nil {
				t.Fatal(err)
			}
			last := ref.positions[len(ref.positions)-1]
			if f := openFault(t, r.withConfig(cfg), position(strings.Replace(string(last), `"gtids":"0-1-`, `"gtids":"0-1-9`, 1)), fault.ReplicaBehind); f.Final {
				t.Error(f)
			}
			if err := r.m.StopReplicating(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := p.m.Kill(); err != nil {
				t.Fatal(err)
			}
			r.exec("INSERT INTO shop.done VALUES (2)")
			for i := 0; i < len(ref.positions); i += 1 + len(ref.positions)/8 {
				got, err := collect(t, r.withConfig(cfg), ref.positions[i], finished(2))
				if err != nil {
					t.Fatalf("resuming at %s: %v", ref.positions[i], err)
				}
				if want := ref.changes[ref.after[i]:]; len(got.changes) != len(want)+1 || !slices.Equal(got.changes[:len(want)], want) {
					t.Fatalf("resuming at %s: %d changes, want %d", ref.positions[i], len(got.changes), len(want)+1)
				}
			}
			if ref.parts < 3 {
				t.Errorf("%d parts", ref.parts)
			}
		})
	}
}

// purgeTo makes a file the oldest. It waits for those who read older ones and have gone.
func (b *bench) purgeTo(file string) {
	b.t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		b.exec("PURGE BINARY LOGS TO '" + file + "'")
		var oldest, size sql.NullString
		if err := b.db.QueryRowContext(b.t.Context(), "SHOW BINARY LOGS").Scan(&oldest, &size); err != nil {
			b.t.Fatal(err)
		}
		if oldest.String == file {
			return
		}
		if time.Now().After(end) {
			b.t.Fatalf("the oldest file is still %s", oldest.String)
		}
	}
}
