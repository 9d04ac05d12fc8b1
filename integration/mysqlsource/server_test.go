package mysqlsource

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"cdcbridge/changelog"
	"cdcbridge/integration/servers"
	"cdcbridge/internal/fault"
)

// TestTags follows tagged GTIDs and resumes among them.
func TestTags(t *testing.T) {
	t.Parallel()
	b := newBench(t, servers.MySQLOptions{})
	b.exec("CREATE TABLE t (id INT PRIMARY KEY)")
	for i := range 12 {
		b.session(fmt.Sprintf("SET gtid_next='AUTOMATIC%s'", []string{"", ":blue", ":a_tag_of_thirty_two_characters_1"}[i%3]), fmt.Sprintf("INSERT INTO t VALUES (%d)", i))
	}
	cfg := b.config()
	src, _, err := open(t, cfg, "")
	if err != nil {
		t.Fatal(err)
	}
	ref, err := run(t, src, changesAtLeast(12))
	if err != nil {
		t.Fatal(err)
	}
	if want := b.query("SELECT @@GLOBAL.gtid_executed"); !strings.Contains(string(ref.positions[len(ref.positions)-1]), strings.ReplaceAll(want, "\n", "")) {
		t.Errorf("%s, want %s", ref.positions[len(ref.positions)-1], want)
	}
	// Every subset of the history that a consumer could have is a position.
	uuid := b.query("SELECT @@server_uuid")
	for _, set := range []string{uuid + ":1-3", uuid + ":1-6:blue:1-2", uuid + ":1-3:a_tag_of_thirty_two_characters_1:1:4:blue:2-3", uuid + ":blue:1-4"} {
		left := 0
		for _, c := range ref.order {
			if b.query(fmt.Sprintf("SELECT GTID_SUBSET('%s','%s')", c.txn, set)) == "0" {
				left++
			}
		}
		got, err := collect(t, cfg, changelog.Position(fmt.Sprintf(`{"v":1,"server":%q,"gtids":%q}`, uuid, set)), changesAtLeast(left))
		if err != nil || len(got.changes) != left {
			t.Errorf("%s: %v, %q, want %d", set, err, got.changes, left)
		}
	}
}

// TestIdlePositions moves the position over files without captured changes, and resumes there after a restart and a purge.
func TestIdlePositions(t *testing.T) {
	t.Parallel()
	for _, gtid := range []string{"ON", "OFF"} {
		t.Run("gtid_mode="+gtid, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, servers.MySQLOptions{Extra: []string{"--gtid-mode=" + gtid, "--enforce-gtid-consistency=" + gtid}})
			b.exec("CREATE DATABASE other", "CREATE TABLE other.t (id INT PRIMARY KEY)", "CREATE TABLE t (id INT PRIMARY KEY)", "INSERT INTO t VALUES (1)")
			src, _, err := open(t, b.config(), "")
			if err != nil {
				t.Fatal(err)
			}
			writes := make(chan struct{})
			go func() {
				defer close(writes)
				for i := range 40 {
					_, _ = b.db.Exec(fmt.Sprintf("INSERT INTO other.t VALUES (%d)", i))
					time.Sleep(50 * time.Millisecond)
				}
				_, _ = b.db.Exec("FLUSH BINARY LOGS")
			}()
			got, err := run(t, src, func(s *seen) bool {
				return strings.Contains(string(s.positions[len(s.positions)-1]), "binlog.000002")
			})
			<-writes
			if err != nil {
				t.Fatal(err)
			}
			at := got.positions[len(got.positions)-1]
			b.exec("PURGE BINARY LOGS TO 'binlog.000002'")
			if err := b.m.Restart(t.Context()); err != nil {
				t.Fatal(err)
			}
			b.exec("INSERT INTO t VALUES (2)")
			got, err = collect(t, b.config(), at, changesAtLeast(1))
			if err != nil || len(got.changes) != 1 || !strings.HasSuffix(got.changes[0], "-> 2") {
				t.Fatalf("%v %+v", err, got)
			}
			// A position at the very end of a file that a restart has closed.
			at = got.positions[len(got.positions)-1]
			if err := b.m.Restart(t.Context()); err != nil {
				t.Fatal(err)
			}
			b.exec("INSERT INTO t VALUES (3)")
			got, err = collect(t, b.config(), at, changesAtLeast(1))
			if err != nil || len(got.changes) != 1 || !strings.HasSuffix(got.changes[0], "-> 3") {
				t.Fatalf("%v %+v", err, got)
			}
		})
	}
}

// TestTLS connects in every mode, and resumes within a large transaction over TLS.
func TestTLS(t *testing.T) {
	t.Parallel()
	b := newBench(t, servers.MySQLOptions{NamedCert: true})
	b.digits()
	b.exec("CREATE TABLE t (id INT PRIMARY KEY, v LONGTEXT)", b.fill("t", 0, 3000, 100), "INSERT INTO t VALUES (9000, REPEAT('x', 20000000))")
	if err := b.m.CreateUser(t.Context(), "x509", "pw", "REPLICATION SLAVE ON *.*"); err != nil {
		t.Fatal(err)
	}
	cfg := b.config()
	cfg.ExcludeTables = []string{"shop.digits"}
	var want []string
	for _, mode := range []string{"disabled", "preferred", "required", "verify_ca", "verify_identity"} {
		cfg.TLS.Mode, cfg.TLS.CAFile = mode, ""
		if strings.HasPrefix(mode, "verify") {
			f := openFault(t, cfg, "", fault.Auth)
			if !f.Final {
				t.Error(f)
			}
			cfg.TLS.CAFile = b.m.CAFile()
		}
		got, err := collect(t, cfg, "", changesAtLeast(3001))
		if err != nil {
			t.Fatalf("%s: %v", mode, err)
		}
		if want == nil {
			want = got.changes
		}
		if !slices.Equal(got.changes, want) {
			t.Errorf("%s: other changes", mode)
		}
	}
	unnamed := newBench(t, servers.MySQLOptions{})
	other := unnamed.config()
	other.TLS.Mode, other.TLS.CAFile = "verify_ca", unnamed.m.CAFile()
	if _, _, err := open(t, other, ""); err != nil {
		t.Error(err)
	}
	other.TLS.Mode = "verify_identity"
	openFault(t, other, "", fault.Auth)
	plain := newBench(t, servers.MySQLOptions{Version: "80", Extra: []string{"--ssl=OFF"}})
	other = plain.config()
	other.TLS.Mode = "required"
	openFault(t, other, "", fault.Auth)
	other.TLS.Mode = "preferred"
	if _, _, err := open(t, other, ""); err != nil {
		t.Error(err)
	}
}

// TestLargeRows reads values of many packets without holding them more than once or twice.
func TestLargeRows(t *testing.T) {
	b := newBench(t, servers.MySQLOptions{Extra: []string{"--max-allowed-packet=256M", "--innodb-redo-log-capacity=512M"}})
	b.exec("CREATE TABLE t (id INT PRIMARY KEY, v LONGTEXT)")
	const size = 33 << 20 // three packets
	at := changelog.Position("")
	// A batch is with us, the next one is being read. zstd keeps what it has written as long as the event may refer to it,
	// which the server says is all of it.
	for compressed, most := range []int{2, 4} {
		for i := range 3 {
			b.session(fmt.Sprintf("SET binlog_transaction_compression=%d", compressed), fmt.Sprintf("INSERT INTO t VALUES (%d, REPEAT(CHAR(%d), %d))", 10*compressed+i, 97+i, size))
		}
		stop := sampleHeap()
		got, err := collect(t, b.config(), at, func(s *seen) bool { return len(s.changes) == 3 })
		most, peak := uint64(most*size+size/2), stop()
		if err != nil {
			t.Fatal(err)
		}
		for i, c := range got.changes {
			if !strings.HasSuffix(c, fmt.Sprintf("%s…(%d)", strings.Repeat(string(rune(97+i)), 10), size)) {
				t.Errorf("%q", c)
			}
		}
		at = got.positions[len(got.positions)-1]
		t.Logf("compressed=%d: peak heap %d MiB for rows of %d MiB", compressed, peak>>20, size>>20)
		if peak > most {
			t.Errorf("%d MiB of heap for rows of %d MiB", peak>>20, size>>20)
		}
	}
}

// sampleHeap watches what lives on the heap, collecting again and again, until the function that it returns is called for
// the peak in bytes.
func sampleHeap() func() uint64 {
	stop, peak := make(chan struct{}), make(chan uint64)
	go func() {
		var first, now runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&first)
		top := first.HeapAlloc
		for {
			select {
			case <-stop:
				peak <- top - first.HeapAlloc
				return
			case <-time.After(time.Millisecond):
				runtime.GC()
				runtime.ReadMemStats(&now)
				top = max(top, now.HeapAlloc)
			}
		}
	}()
	return func() uint64 { close(stop); return <-peak }
}

// TestPacketBorders reads events of sizes around the end of a packet, which an empty one follows or not.
func TestPacketBorders(t *testing.T) {
	t.Parallel()
	b := newBench(t, servers.MySQLOptions{Extra: []string{"--max-allowed-packet=64M", "--innodb-redo-log-capacity=512M"}})
	b.exec("CREATE TABLE t (id INT PRIMARY KEY, v LONGTEXT)", "INSERT INTO t VALUES (0, '')")
	got, err := collect(t, b.config(), "", changesAtLeast(1))
	if err != nil {
		t.Fatal(err)
	}
	// 48 bytes around the value: OK byte, header, table, flags, extra, count, bits, NULL bits, id, length, checksum.
	const n = 8
	for i := range n {
		b.exec(fmt.Sprintf("INSERT INTO t VALUES (%d, REPEAT('q', %d))", 1+i, 1<<24-1-48+i-n/2))
	}
	b.exec("INSERT INTO t VALUES (99, 'end')")
	got, err = collect(t, b.config(), got.positions[len(got.positions)-1], changesAtLeast(n+1))
	if err != nil {
		t.Fatal(err)
	}
	for i, c := range got.changes[:n] {
		if !strings.HasSuffix(c, fmt.Sprintf("(%d)", 1<<24-1-48+i-n/2)) {
			t.Errorf("%q", c)
		}
	}
}
