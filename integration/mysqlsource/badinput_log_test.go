package mysqlsource

import (
	"database/sql"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"cdcbridge/capture/mysql"
	"cdcbridge/changelog"
	"cdcbridge/integration/servers"
	"cdcbridge/internal/fault"
)

// now is the position of all that the server has logged.
func (b *bench) now(cfg *mysql.Config) changelog.Position {
	b.t.Helper()
	latest := *cfg
	latest.Start = "latest"
	src, at, err := open(b.t, &latest, "")
	if err != nil {
		b.t.Fatal(err)
	}
	_ = src.Close()
	return at
}

// ends streams from a position to the fault that must end the stream for good, and gives what came before.
func ends(t *testing.T, cfg *mysql.Config, at changelog.Position, want fault.Code) *seen {
	t.Helper()
	got, err := collect(t, cfg, at, func(*seen) bool { return false })
	if f := wantFault(t, err, want); !f.Final {
		t.Errorf("not final: %v", f)
	}
	return got
}

// TestStatements ends a stream at rows that were changed by a statement and logged as one, in every way in which that happens, and
// passes it where it concerns tables that are not captured.
func TestStatements(t *testing.T) {
	t.Parallel()
	for _, v := range everyServer {
		t.Run(v, func(t *testing.T) {
			b := newBench(t, servers.MySQLOptions{Version: v, Extra: []string{"--local-infile=ON"}})
			file := filepath.Join(t.TempDir(), "rows.txt")
			if err := os.WriteFile(file, []byte("100\t1\n101\t2\n"), 0o644); err != nil {
				t.Fatal(err)
			}
			for dir := filepath.Dir(file); dir != "/tmp" && dir != "/"; dir = filepath.Dir(dir) {
				if err := os.Chmod(dir, 0o755); err != nil { // the server reads it as another user
					t.Fatal(err)
				}
			}
			load := func(table string) string {
				return fmt.Sprintf("LOAD DATA INFILE '%s' INTO TABLE %s (id, v)", file, table)
			}
			b.exec("CREATE DATABASE other")
			for _, s := range []string{
				"INSERT INTO t VALUES (10, 1)", "UPDATE t SET v = v + 1", "DELETE FROM t", "REPLACE t SELECT id, 5 FROM t", "UPDATE shop.t a JOIN shop.t b USING (id) SET a.v = 7",
				load("t"), "INSERT INTO other.t SELECT * FROM shop.t ON DUPLICATE KEY UPDATE v = 1; INSERT INTO t VALUES (11, 1)",
			} {
				b.exec("DROP TABLE IF EXISTS t, other.t", "CREATE TABLE t (id INT PRIMARY KEY, v INT)", "CREATE TABLE other.t LIKE t", "INSERT INTO t VALUES (1, 1)")
				at := b.now(b.config())
				b.exec("INSERT INTO t VALUES (2, 2)")
				b.session("SET SESSION binlog_format=STATEMENT", "USE shop", s)
				if got := ends(t, b.config(), at, fault.StatementDML); len(got.changes) > 1 {
					t.Errorf("%s: %q", s, got.changes)
				}
			}
			at := b.now(b.config())
			b.session("SET SESSION binlog_format=STATEMENT", "USE other", "INSERT INTO t VALUES (1000, 1)", load("t"), "UPDATE t SET v = RAND() * 9, id = id + LAST_INSERT_ID()", "SET @x = 7", "UPDATE t SET v = @x")
			b.exec(load("shop.t"), "INSERT INTO t VALUES (99, 99)")
			got, err := collect(t, b.config(), at, func(s *seen) bool { return has(s, "t/", "99,99") })
			if err != nil {
				t.Fatal(err)
			}
			if want := []string{"100,1", "101,2", "99,99"}; len(got.order) != len(want) { // as rows LOAD DATA is like any other statement
				t.Errorf("%q", got.changes)
			}
		})
	}
}

// TestIncident ends a stream where the server says that it could not log what it did: a statement that changed more rows of a table
// without transactions than its cache holds.
func TestIncident(t *testing.T) {
	t.Parallel()
	for _, v := range everyServer {
		t.Run(v, func(t *testing.T) {
			b := newBench(t, servers.MySQLOptions{Version: v, Extra: []string{"--max-binlog-stmt-cache-size=4096", "--binlog-stmt-cache-size=4096"}})
			b.digits()
			b.exec("CREATE TABLE t (id INT PRIMARY KEY, v TEXT)", "CREATE TABLE m (id INT PRIMARY KEY, v TEXT) ENGINE=MyISAM")
			at := b.now(b.config())
			b.exec("INSERT INTO t VALUES (1, 'before')")
			if _, err := b.db.ExecContext(t.Context(), b.fill("m", 0, 900, 100)); err == nil {
				t.Fatal("the statement fits into the cache")
			}
			b.exec("INSERT INTO t VALUES (2, 'after')")
			got := ends(t, b.config(), at, fault.Incident)
			if has(got, "t/", "2,after") {
				t.Errorf("%q", got.changes)
			}
		})
	}
}

// TestPurged refuses to go on where the server has deleted log that was not read, on every kind of log.
func TestPurged(t *testing.T) {
	t.Parallel()
	for _, name := range kindsOfLog {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, everyLog[name])
			b.exec("CREATE TABLE t (id INT PRIMARY KEY)")
			early := b.now(b.config())
			b.exec("INSERT INTO t VALUES (1)", "FLUSH BINARY LOGS")
			at := b.now(b.config())
			b.exec("INSERT INTO t VALUES (2)", "FLUSH BINARY LOGS")
			b.purge("binlog.000002")
			if f := openFault(t, b.config(), early, fault.BinlogPurged); !f.Final || !strings.Contains(f.Hint, "expire") {
				t.Error(f)
			}
			if got, err := collect(t, b.config(), at, changesAtLeast(1)); err != nil || !has(got, "t/", "2") {
				t.Errorf("%v %+v", err, got)
			}
			b.purge("binlog.000003")
			openFault(t, b.config(), at, fault.BinlogPurged)
		})
	}
}

// purge deletes the files before one. MariaDB keeps a file until a checkpoint has passed it, which it makes when it likes.
func (b *bench) purge(file string) {
	b.t.Helper()
	var first string
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		b.exec("PURGE BINARY LOGS TO '" + file + "'")
		if first = b.firstLog(); first == file {
			return
		}
	}
	b.t.Fatalf("the first file is %s and not %s", first, file)
}

func (b *bench) firstLog() string {
	b.t.Helper()
	rows, err := b.db.QueryContext(b.t.Context(), "SHOW BINARY LOGS")
	if err != nil {
		b.t.Fatal(err)
	}
	defer rows.Close()
	cols, _ := rows.Columns()
	vals := make([]any, len(cols))
	for i := range vals {
		vals[i] = new(sql.RawBytes)
	}
	if !rows.Next() || rows.Scan(vals...) != nil {
		b.t.Fatal("no files", rows.Err())
	}
	return string(*vals[0].(*sql.RawBytes))
}

// TestReset refuses to go on after the server has forgotten its log and its GTIDs, also while it streams.
func TestReset(t *testing.T) {
	t.Parallel()
	for _, name := range kindsOfLog {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, everyLog[name])
			b.exec("CREATE TABLE t (id INT PRIMARY KEY)", "INSERT INTO t VALUES (1)", "FLUSH BINARY LOGS", "INSERT INTO t VALUES (2)")
			reset := "RESET MASTER"
			if b.m.Version() == "97" {
				reset = "RESET BINARY LOGS AND GTIDS"
			}
			done := false
			got, err := collect(t, b.config(), "", func(s *seen) bool {
				if len(s.changes) == 2 && !done {
					done = true
					b.exec(reset, "INSERT INTO t VALUES (3)")
				}
				return false
			})
			if f := fault.As(err); f == nil || len(got.changes) != 2 {
				t.Fatalf("%v %q", err, got.changes)
			}
			t.Logf("the stream ends with %v", err)
			if f := openFault(t, b.config(), got.positions[len(got.positions)-1], fault.WrongServer); !f.Final {
				t.Error(f)
			}
		})
	}
}

// TestEncryptedLog reads what a server keeps encrypted on its disk: it decrypts what it sends.
func TestEncryptedLog(t *testing.T) {
	t.Parallel()
	for _, v := range []string{"maria1011", "maria118"} {
		t.Run(v, func(t *testing.T) {
			keys := filepath.Join(t.TempDir(), "keys")
			if err := os.WriteFile(keys, []byte("1;"+hex.EncodeToString([]byte("0123456789abcdef0123456789abcdef"))+"\n"), 0o644); err != nil {
				t.Fatal(err)
			}
			for dir := filepath.Dir(keys); dir != "/tmp" && dir != "/"; dir = filepath.Dir(dir) {
				if err := os.Chmod(dir, 0o755); err != nil {
					t.Fatal(err)
				}
			}
			b := newBench(t, servers.MySQLOptions{Version: v, Extra: []string{"--plugin-load-add=file_key_management", "--file-key-management-filename=" + keys, "--encrypt-binlog=ON"}})
			b.digits()
			b.exec("CREATE TABLE t (id INT PRIMARY KEY, v TEXT)", b.fill("t", 0, 300, 100), "INSERT INTO t VALUES (9000, 'needle in the log')", "FLUSH BINARY LOGS", "INSERT INTO t VALUES (9001, 'end')")
			for _, f := range []string{"binlog.000001", "binlog.000002"} {
				log, err := os.ReadFile(filepath.Join(b.m.DataDir(), f))
				if err != nil || strings.Contains(string(log), "needle") {
					t.Fatalf("%s is not encrypted: %v", f, err)
				}
			}
			cfg := b.config()
			cfg.ExcludeTables, cfg.BatchBytes = []string{"shop.digits"}, 16<<10
			got, err := collect(t, cfg, "", func(s *seen) bool { return has(s, "t/", "9001,end") })
			if err != nil {
				t.Fatal(err)
			}
			sameRows(t, got.fold("t"), b.selectAll("t"))
			for _, p := range got.positions[:len(got.positions)-1] {
				if _, err := collect(t, cfg, p, func(s *seen) bool { return has(s, "t/", "9001,end") }); err != nil {
					t.Fatalf("from %s: %v", p, err)
				}
			}
		})
	}
}

// TestCompressedLog reads compressed transactions of any size, whole and in parts.
func TestCompressedLog(t *testing.T) {
	t.Parallel()
	for v, flag := range map[string]string{"97": "--binlog-transaction-compression=ON", "80": "--binlog-transaction-compression=ON", "maria1011": "--log-bin-compress=ON", "maria118": "--log-bin-compress=ON"} {
		t.Run(v, func(t *testing.T) {
			b := newBench(t, servers.MySQLOptions{Version: v, Extra: []string{flag}})
			b.digits()
			b.exec("CREATE TABLE t (id INT PRIMARY KEY, v LONGTEXT)", "CREATE TABLE done (id INT PRIMARY KEY)", b.fill("t", 0, 3000, 150), "INSERT INTO t VALUES (9000, REPEAT('x', 3000000))", "DELETE FROM t WHERE id = 9000",
				"UPDATE t SET v = CONCAT('updated ', v) WHERE id < 1500", "DELETE FROM t WHERE id % 7 = 0")
			b.session("BEGIN", "UPDATE t SET v = 'first' WHERE id BETWEEN 100 AND 400", "SAVEPOINT s", "DELETE FROM t WHERE id < 1000", "ROLLBACK TO s", "UPDATE t SET v = 'second' WHERE id BETWEEN 300 AND 700", "COMMIT")
			b.exec("INSERT INTO done VALUES (1)")
			cfg := b.config()
			cfg.ExcludeTables, cfg.BatchBytes = []string{"shop.digits"}, 64<<10
			ref, err := collect(t, cfg, "", finished(1))
			if err != nil {
				t.Fatal(err)
			}
			checkOrdinals(t, ref)
			sameRows(t, ref.fold("t"), b.selectAll("t"))
			if ref.parts < 10 {
				t.Errorf("%d parts", ref.parts)
			}
			for i := 0; i < len(ref.positions)-1; i += max(1, len(ref.positions)/8) {
				got, err := collect(t, cfg, ref.positions[i], finished(1))
				if err != nil || !slices.Equal(got.changes, ref.changes[ref.after[i]:]) {
					t.Fatalf("from %s: %v", ref.positions[i], err)
				}
			}
		})
	}
}
