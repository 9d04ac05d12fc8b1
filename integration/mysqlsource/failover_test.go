package mysqlsource

import (
	"strings"
	"testing"

	"cdcbridge/capture"
	"cdcbridge/capture/mysql"
	"cdcbridge/changelog"
	"cdcbridge/integration/servers"
	"cdcbridge/internal/fault"
)

// withReplica is a primary with a database and its replica, which has everything.
func withReplica(t *testing.T, o servers.MySQLOptions) (primary, replica *bench) {
	t.Helper()
	primary = newBench(t, o)
	m := servers.MySQLFor(t, o)
	if err := m.Replicate(t.Context(), primary.m); err != nil {
		t.Fatal(err)
	}
	if err := m.CatchUp(t.Context(), primary.m); err != nil {
		t.Fatal(err)
	}
	db, err := m.DB("shop") // it is there
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return primary, &bench{t, m, db}
}

func (b *bench) catchUp(primary *bench) {
	b.t.Helper()
	if err := b.m.CatchUp(b.t.Context(), primary.m); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) promote() {
	b.t.Helper()
	if err := b.m.StopReplicating(b.t.Context()); err != nil {
		b.t.Fatal(err)
	}
}

// applier starts or stops what applies the primary's transactions.
func (b *bench) applier(verb string) {
	b.t.Helper()
	word := "REPLICA"
	if b.m.MariaDB() || b.m.Version() == "57" {
		word = "SLAVE"
	}
	b.exec(verb + " " + word + " SQL_THREAD")
}

// nobody is an address where no server is.
const nobody = "127.0.0.1:1"

// hosts is a configuration that names several servers.
func (b *bench) hosts(addrs ...string) *mysql.Config {
	c := b.config()
	c.Host, c.Port, c.Hosts = "", 3306, addrs
	return c
}

// wantServer opens a source and a reader of tables, which compares its server with the stream's.
func wantServer(t *testing.T, cfg *mysql.Config, at changelog.Position, want *bench) {
	t.Helper()
	src, _, err := open(t, cfg, at)
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	reader, err := src.(capture.Scanner).Reader(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	reader.Close()
	if got := src.Stats().Server; got != want.m.Addr() {
		t.Errorf("the stream is of %s, want %s", got, want.m.Addr())
	}
}

// TestHosts chooses the first server that answers and can go on, says of each why not when none can, waits for replicas, and
// ends at a primary whose history lacks what was read.
func TestHosts(t *testing.T) {
	t.Parallel()
	for _, v := range everyServer {
		t.Run(v, func(t *testing.T) {
			p, r := withReplica(t, servers.MySQLOptions{Version: v})
			p.exec("CREATE TABLE t (id INT PRIMARY KEY)", "INSERT INTO t VALUES (1)")
			r.catchUp(p)
			r.applier("STOP")
			p.exec("INSERT INTO t VALUES (2)")
			got, err := collect(t, p.hosts(nobody, p.m.Addr()), "", changesAtLeast(2))
			if err != nil {
				t.Fatal(err)
			}
			at := got.positions[len(got.positions)-1]
			// The replica is behind: another one is taken, or it is waited for.
			wantServer(t, p.hosts(nobody, r.m.Addr(), p.m.Addr()), at, p)
			wantServer(t, p.hosts(r.m.Addr(), p.m.Addr()), "", r)
			if f := openFault(t, r.config(), at, fault.ReplicaBehind); f.Final {
				t.Error(f)
			}
			f := openFault(t, p.hosts(nobody, r.m.Addr()), at, fault.Unreachable)
			if f.Final || !strings.Contains(f.Error(), nobody+": unreachable") || !strings.Contains(f.Error(), r.m.Addr()+": replica_behind") {
				t.Error(f)
			}
			// The check looks at every one of them.
			found := check(t, p.hosts(nobody, p.m.Addr()))
			problem(t, found, "connection at "+nobody, fault.Unreachable)
			if !strings.Contains(found[len(found)-1].Subject, " at "+p.m.Addr()) {
				t.Errorf("%+v", found)
			}
			r.applier("START")
			r.catchUp(p)
			wantServer(t, p.hosts(nobody, r.m.Addr()), at, r)

			// A promoted replica that never got the last transaction is another history. So it is when only a part of that
			// transaction was read.
			p.exec("INSERT INTO t VALUES (3)", "CREATE TABLE more (id INT PRIMARY KEY, v TEXT)")
			p.digits()
			r.catchUp(p)
			r.applier("STOP")
			cfg := p.hosts(p.m.Addr())
			cfg.BatchBytes = 16 << 10
			p.exec(p.fill("more", 0, 500, 100))
			got, err = collect(t, cfg, at, func(s *seen) bool { return s.parts > 1 })
			if err != nil {
				t.Fatal(err)
			}
			for i, pos := range got.positions {
				inside := strings.Contains(string(pos), `"txn"`)
				if !inside {
					continue
				}
				if f := openFault(t, p.hosts(r.m.Addr()), pos, fault.ReplicaBehind); f.Final {
					t.Errorf("position %d: %v", i, f)
				}
			}
			at = got.positions[len(got.positions)-1]
			r.promote()
			r.exec("INSERT INTO t VALUES (4)")
			f = openFault(t, p.hosts(nobody, r.m.Addr()), at, fault.WrongServer)
			if !f.Final || !strings.Contains(f.Error(), nobody) || !strings.Contains(f.Error(), r.m.Addr()+": wrong_server") {
				t.Error(f)
			}
			wantServer(t, p.hosts(r.m.Addr(), p.m.Addr()), at, p)
		})
	}
}
