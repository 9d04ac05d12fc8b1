package mysqlsource

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"cdcbridge/capture/mysql"
	"cdcbridge/changelog"
	"cdcbridge/integration/servers"
	"cdcbridge/internal/fault"
)

// TestMariaDBKilledWhileLogging kills servers while they write large transactions to the log, which leaves files that end within
// one. A source that reads these files later shows nothing of such a transaction and goes on behind it, also when parts of it would
// have left and when the GTID has been used again.
func TestMariaDBKilledWhileLogging(t *testing.T) {
	t.Parallel()
	for _, v := range mariaVersions {
		for name, large := range map[string]bool{"rows of 20 kB": false, "rows of 3 MB": true} {
			t.Run(v+" "+name, func(t *testing.T) {
				b := newBench(t, servers.MySQLOptions{Version: v, Extra: []string{"--max-allowed-packet=64M", "--innodb-buffer-pool-size=128M"}})
				b.exec("CREATE TABLE t (id INT PRIMARY KEY, v LONGTEXT)", "CREATE TABLE done (id INT PRIMARY KEY)", "INSERT INTO t VALUES (0,'x')")
				width, rows := 20_000, 2000
				if large {
					width, rows = 3_000_000, 15
				}
				cut := 0
				for round := 1; round <= 12 && cut < 3; round++ {
					if b.killWhileLogging(fmt.Sprintf("INSERT INTO t SELECT seq+%d, REPEAT('x',%d) FROM seq_1_to_%d", 10_000*round, width, rows)) {
						cut++
					}
					b.exec(fmt.Sprintf("INSERT INTO t VALUES (%d,'after')", round))
				}
				if cut == 0 {
					t.Fatal("no file ends within a transaction")
				}
				b.exec("INSERT INTO done VALUES (1)")
				cfg := b.config()
				cfg.BatchBytes = 64 << 10
				got := b.retrying(cfg, "", finished(1))
				if have, want := keys(got.fold("t")), b.column("SELECT CAST(id AS CHAR) FROM t"); !slices.Equal(have, slices.Sorted(slices.Values(want))) {
					t.Errorf("%d rows, the table has %d", len(have), len(want))
				}
				t.Logf("%d files end within a transaction", cut)
			})
		}
	}
}

// killWhileLogging runs a statement, kills the server once the log grows by it, and starts it again. It reports whether the
// statement was being written.
func (b *bench) killWhileLogging(statement string) bool {
	b.t.Helper()
	files, err := filepath.Glob(filepath.Join(b.m.DataDir(), "binlog.0*"))
	if err != nil {
		b.t.Fatal(err)
	}
	files = slices.DeleteFunc(files, func(f string) bool { return filepath.Ext(f) == ".idx" })
	newest := slices.Max(files)
	size := func() int64 {
		info, err := os.Stat(newest)
		if err != nil {
			b.t.Fatal(err)
		}
		return info.Size()
	}
	before, ended := size(), make(chan error, 1)
	go func() { _, err := b.db.ExecContext(context.Background(), statement); ended <- err }()
	for end := time.Now().Add(patience); size() < before+1000 && time.Now().Before(end); {
		time.Sleep(200 * time.Microsecond)
	}
	if err := b.m.Kill(); err != nil {
		b.t.Fatal(err)
	}
	err = <-ended
	if err := b.m.Restart(b.t.Context()); err != nil {
		b.t.Fatal(err)
	}
	return err != nil && size() > before
}

// retrying streams like a pipeline: it commits what comes and begins again behind it after an error that is not final.
func (b *bench) retrying(cfg *mysql.Config, at changelog.Position, enough func(*seen) bool) *seen {
	b.t.Helper()
	got := &seen{}
	for range 50 {
		src, _, err := open(b.t, cfg, at)
		if err == nil {
			err = eachBatch(b.t, src, func(batch *changelog.Batch) bool {
				got.add(b.t, batch)
				at = got.positions[len(got.positions)-1]
				src.Ack(at)
				return enough(got)
			})
			_ = src.Close()
		}
		if err == nil {
			return got
		}
		if f := fault.As(err); f == nil || f.Final {
			b.t.Fatalf("at %s: %v", at, err)
		}
	}
	b.t.Fatal("no end after 50 attempts")
	return nil
}

func keys(rows map[string]string) []string {
	var all []string
	for k := range rows {
		all = append(all, k)
	}
	slices.Sort(all)
	return all
}

// TestMariaDBLargeCommit reads a transaction whose cache became a log file by renaming it.
func TestMariaDBLargeCommit(t *testing.T) {
	t.Parallel()
	b := newBench(t, servers.MySQLOptions{Version: "maria118", Extra: []string{"--binlog-large-commit-threshold=10485760", "--binlog-cache-size=8192", "--max-allowed-packet=64M"}})
	b.exec("CREATE TABLE t (id INT PRIMARY KEY, v LONGTEXT)", "CREATE TABLE done (id INT PRIMARY KEY)", "INSERT INTO t VALUES (0,'small')")
	b.exec("INSERT INTO t SELECT seq, REPEAT('x',20000) FROM seq_1_to_1500", "INSERT INTO t VALUES (5000,'small')", "INSERT INTO t SELECT seq, REPEAT('y',20000) FROM seq_6001_to_7000", "INSERT INTO done VALUES (1)")
	cfg := b.config()
	cfg.BatchBytes = 1 << 20
	ref, err := collect(t, cfg, "", finished(1))
	if err != nil {
		t.Fatal(err)
	}
	if have := keys(ref.fold("t")); len(have) != 2502 || ref.parts < 20 {
		t.Errorf("%d rows in %d parts", len(have), ref.parts)
	}
	checkOrdinals(t, ref)
	for i := 0; i < len(ref.positions)-1; i += 7 {
		got, err := collect(t, cfg, ref.positions[i], finished(1))
		if want := ref.changes[ref.after[i]:]; err != nil || !slices.Equal(got.changes, want) {
			t.Fatalf("resuming at %s: %v, %d changes, want %d", ref.positions[i], err, len(got.changes), len(want))
		}
	}
}
