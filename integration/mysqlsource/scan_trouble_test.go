package mysqlsource

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"cdcbridge/capture"
	"cdcbridge/changelog"
	"cdcbridge/integration/servers"
	"cdcbridge/internal/fault"
)

// fillDigits makes a table of n rows with a key id and a value of that width.
func (b *bench) fillDigits(table string, n, width int) {
	b.t.Helper()
	digit := "(SELECT 0 AS d UNION ALL SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3 UNION ALL SELECT 4 UNION ALL SELECT 5 UNION ALL SELECT 6 UNION ALL SELECT 7 UNION ALL SELECT 8 UNION ALL SELECT 9)"
	number, from := "1", ""
	for i, place := 0, 1; place < n; i, place = i+1, place*10 { // MySQL 5.7 has no recursive queries
		number += fmt.Sprintf("+%d*n%d.d", place, i)
		from += fmt.Sprintf("%s %s n%d", [2]string{"", ","}[min(i, 1)], digit, i)
	}
	b.session(fmt.Sprintf("INSERT INTO %s (id, v) SELECT i, REPEAT('x', %d) FROM (SELECT %s AS i FROM %s) n WHERE i<=%d", table, width, number, from, n), "ANALYZE TABLE "+table)
}

// TestScanHoldsNobodyUp reads a table in long chunks while its definition is changed and its rows are written: an ALTER waits
// for the chunk that is being read at most, writers wait for nothing, and no transaction is left between two chunks.
func TestScanHoldsNobodyUp(t *testing.T) {
	for _, v := range everyServer {
		t.Run(v, func(t *testing.T) {
			b := newBench(t, servers.MySQLOptions{Version: v, Extra: []string{"--loose-innodb-redo-log-capacity=512M"}})
			b.exec("CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(500), e ENUM('a','b') DEFAULT 'b')")
			b.fillDigits("t", 100_000, 100)
			cfg := b.config()
			cfg.OnTruncate = "note"
			s := scan(t, cfg, true)
			r, table := s.reader(), s.table("t")
			if table.Rows < 20_000 || table.Bytes < 10<<20 || len(table.Key) != 1 { // the server guesses
				t.Errorf("%+v", table)
			}
			writesWait(t, b, s, r)
			altered := make(chan string, 3)
			var longest, waited time.Duration
			alters := []string{"ALTER TABLE t ADD COLUMN extra INT DEFAULT 5", "ALTER TABLE t MODIFY e ENUM('b','a') DEFAULT 'b'", "ALTER TABLE t CHANGE extra other INT DEFAULT 5"}
			chunk := s.chunk(table)
			chunk.Bytes, chunk.Time = 64<<20, 300*time.Millisecond
			rows, tables := 0, map[*changelog.Table]bool{}
			for i := 0; ; i++ {
				if i%2 == 1 && len(alters) > 0 {
					sql := alters[0]
					alters = alters[1:]
					go func() {
						began := time.Now()
						_, err := b.db.ExecContext(t.Context(), sql)
						altered <- fmt.Sprint(time.Since(began).Milliseconds(), " ", err)
					}()
					time.Sleep(time.Millisecond)
				}
				batch, began := changelog.NewBatch(), time.Now()
				got, err := r.Scan(t.Context(), chunk, batch)
				if errors.As(err, new(capture.NotYet)) {
					waited += time.Since(began)
					continue
				}
				if err != nil {
					t.Fatal(err)
				}
				longest = max(longest, time.Since(began))
				for _, run := range batch.Runs {
					tables[run.Table] = true
					rows += run.To - run.From
					for _, c := range batch.Changes[run.From:run.To] {
						if e := run.Table.ColumnIndex("e"); string(c.After[e].Bytes()) != "b" || len(c.After) != len(run.Table.Columns) {
							t.Fatalf("%s with %+v", render(c.After), run.Table)
						}
					}
				}
				if n := b.query("SELECT COUNT(*) FROM information_schema.innodb_trx WHERE trx_mysql_thread_id IN (SELECT id FROM information_schema.processlist WHERE command='Sleep')"); n != "0" {
					t.Errorf("%s transactions are open between two chunks", n)
				}
				if chunk.After = got.Last; got.Done {
					if len(alters) == 0 {
						break
					}
					chunk.After = "" // once more
					rows = 0
				}
			}
			t.Logf("longest chunk %v, waited %v", longest, waited)
			for range 3 {
				var ms int
				var failed string
				if _, err := fmt.Sscan(<-altered, &ms, &failed); err != nil || failed != "<nil>" || ms > int(longest.Milliseconds())+3000 && v != "57" {
					t.Errorf("an ALTER took %d ms: %s", ms, failed)
				}
			}
			if rows != 100_000 || len(tables) < 2 && v != "57" { // which copies the table and is done after the last chunk
				t.Errorf("%d rows of %d versions", rows, len(tables))
			}
			b.exec("UPDATE t SET v='end' WHERE id=5")
			s.watch(endOfLog(t, b))
			p := s.read(r, s.chunk(table))
			if last := s.kept[len(s.kept)-1]; last.Runs != nil && last.Runs[len(last.Runs)-1].Table != p.tables[0] {
				t.Errorf("read %+v, streamed %+v", p.tables[0], last.Runs[0].Table)
			}
		})
	}
}

// writesWait measures how long writes to rows that are being read take.
func writesWait(t *testing.T, b *bench, s *scanning, r capture.Reader) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	read := make(chan error, 1)
	chunk := s.chunk(s.table("t"))
	chunk.Bytes, chunk.Time = 64<<20, 2*time.Second
	go func() {
		for ctx.Err() == nil {
			batch := changelog.NewBatch()
			got, err := r.Scan(t.Context(), chunk, batch)
			batch.Release()
			if err != nil && !errors.As(err, new(capture.NotYet)) {
				read <- err
				return
			}
			if chunk.After = got.Last; got.Done {
				chunk.After = ""
			}
		}
		read <- nil
	}()
	var took []time.Duration
	for i := range 300 {
		began := time.Now()
		b.exec(fmt.Sprintf("UPDATE t SET v='new' WHERE id=%d", 1+i*331%100_000))
		took = append(took, time.Since(began))
	}
	stop()
	if err := <-read; err != nil {
		t.Fatal(err)
	}
	slices.Sort(took)
	t.Logf("of 300 writes half took %v, the slowest %v", took[150], took[299])
	if took[150] > 50*time.Millisecond || took[299] > 2*time.Second {
		t.Errorf("writes take %v, the slowest %v, while rows are read", took[150], took[299])
	}
}

// TestScanRefuses reads tables that cannot be read, or not any more as it was begun.
func TestScanRefuses(t *testing.T) {
	t.Parallel()
	for _, v := range everyServer {
		t.Run(v, func(t *testing.T) {
			b := newBench(t, servers.MySQLOptions{Version: v})
			cfg := b.config()
			cfg.OnTruncate = "note"
			for _, name := range []string{"gone", "renamed", "rekeyed", "reordered", "type", "collation", "labels", "none", "view", "rights", "columns", "fine"} {
				b.exec("CREATE TABLE "+name+" (id INT, k VARCHAR(20) COLLATE utf8mb4_bin, e ENUM('a','b') NOT NULL, PRIMARY KEY (k, id, e))", "INSERT INTO "+name+" VALUES (1,'a','a'),(2,'b','b'),(3,'c','a')")
			}
			b.exec("CREATE DATABASE other", "CREATE TABLE other.t (id INT PRIMARY KEY)")
			s := scan(t, cfg, false)
			cursors := map[string]capture.Cursor{}
			r := s.reader()
			for _, name := range []string{"gone", "renamed", "rekeyed", "reordered", "type", "collation", "labels", "none", "view", "rights", "columns", "fine"} {
				c := s.chunk(s.table(name))
				c.Bytes = 1
				_, got, err := scanSoon(t, r, c)
				if err != nil || got.Rows != 1 || got.Done {
					t.Fatal(got, err)
				}
				cursors[name] = got.Last
			}
			before := s.table("fine")
			b.exec("DROP TABLE gone", "RENAME TABLE renamed TO renamed_away", "ALTER TABLE rekeyed DROP PRIMARY KEY, ADD PRIMARY KEY (id)", "ALTER TABLE reordered DROP PRIMARY KEY, ADD PRIMARY KEY (id, k, e)",
				"ALTER TABLE type MODIFY id BIGINT UNSIGNED", "ALTER TABLE collation MODIFY k VARCHAR(20) COLLATE utf8mb4_unicode_ci", "ALTER TABLE labels MODIFY e ENUM('b','a') NOT NULL", "ALTER TABLE none DROP PRIMARY KEY",
				"DROP TABLE view", "CREATE VIEW view AS SELECT * FROM fine")
			try := func(name string, r capture.Reader) error {
				table := before
				table.Name = name
				c := s.chunk(table)
				c.After = cursors[name]
				_, _, err := scanSoon(t, r, c)
				return err
			}
			for name, want := range map[string]error{
				"gone": capture.ErrTableGone, "renamed": capture.ErrTableGone, "view": capture.ErrTableGone, "no_such_table": capture.ErrTableGone, "rekeyed": capture.ErrKeyChanged, "reordered": capture.ErrKeyChanged,
				"none": capture.ErrKeyChanged, "collation": capture.ErrKeyChanged, "labels": capture.ErrKeyChanged, "type": nil, "fine": nil,
			} {
				for _, reader := range []capture.Reader{r, s.reader()} { // one that knows the table as it was, and one that does not
					if err := try(name, reader); !errors.Is(err, want) {
						t.Errorf("%s: %v, want %v", name, err, want)
					}
				}
				r = s.reader()
			}
			c := s.chunk(before)
			c.After = `{"by":["k text utf8mb4_bin"`
			if _, _, err := scanSoon(t, s.reader(), c); !fault.IsFinal(err) {
				t.Errorf("a damaged cursor: %v", err)
			}
			for _, where := range []string{"no_such_column = 1", "id = ", "id = 1) OR (1 = 1", "NO_SUCH_FUNCTION(id)"} {
				c := s.chunk(before)
				c.Where = where
				_, _, err := scanSoon(t, s.reader(), c)
				if f := wantFault(t, err, fault.Config); !f.Final || !strings.Contains(f.Hint, strings.TrimSpace(where)) {
					t.Errorf("%s: %v", where, f)
				}
			}
			testRights(t, b, before)
			names := ""
			tables, err := s.src.Scannable(t.Context())
			for _, table := range tables {
				names += table.Name + " "
			}
			if err != nil || strings.Contains(names, "view ") || strings.Contains(names, "gone ") || !strings.Contains(names, "renamed_away ") {
				t.Errorf("%s %v", names, err)
			}
		})
	}
}

// testRights reads tables with an account that may not, or not all of it.
func testRights(t *testing.T, b *bench, like capture.ScanTable) {
	t.Helper()
	privileges := []string{"REPLICATION SLAVE ON *.*", "REPLICATION CLIENT ON *.*", "SELECT ON shop.fine", "SELECT (id, k) ON shop.columns", "INSERT ON shop.rights"}
	if b.m.MariaDB() {
		privileges = append(privileges, "SLAVE MONITOR ON *.*")
	}
	if err := b.m.CreateUser(t.Context(), "few", "pw", privileges...); err != nil {
		t.Fatal(err)
	}
	cfg := b.config()
	cfg.User, cfg.Password = "few", "pw"
	s := scan(t, cfg, false)
	for _, name := range []string{"rights", "columns", "fine"} {
		table := like
		table.Name = name
		_, _, err := scanSoon(t, s.reader(), s.chunk(table))
		if name == "fine" {
			if err != nil {
				t.Error(err)
			}
			continue
		}
		if f := wantFault(t, err, fault.Permission); !f.Final || f.Hint != "Run GRANT SELECT ON `shop`.`"+name+"` TO 'few'@'%'." {
			t.Errorf("%s: %v", name, f)
		}
	}
}

// TestScanInterrupted kills the statement and the connection of a reader in the middle of a chunk, and the server.
func TestScanInterrupted(t *testing.T) {
	b := newBench(t, servers.MySQLOptions{Extra: []string{"--loose-innodb-redo-log-capacity=512M", "--max-allowed-packet=64M"}})
	b.exec("CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(500))")
	b.fillDigits("t", 300_000, 300)
	s := scan(t, b.config(), false)
	for _, kill := range []string{"KILL QUERY", "KILL"} {
		for range 3 {
			r := s.reader()
			c := s.chunk(s.table("t"))
			c.Bytes, c.Time = 1<<30, time.Hour
			stop := make(chan struct{})
			go func() {
				for {
					select {
					case <-stop:
						return
					case <-time.After(time.Millisecond):
						_, _ = b.db.Exec("SELECT 1")
						var id int64
						if b.db.QueryRow("SELECT id FROM information_schema.processlist WHERE info LIKE 'SELECT `id`,`v` FROM `shop`.`t`%' LIMIT 1").Scan(&id) == nil {
							_, _ = b.db.Exec(fmt.Sprintf("%s %d", kill, id))
						}
					}
				}
			}()
			var err error
			for i := 0; i < 50 && err == nil; i++ {
				var got capture.Scanned
				_, got, err = scanSoon(t, r, c)
				if c.After = got.Last; got.Done {
					c.After = ""
				}
			}
			close(stop)
			if f := fault.As(err); f == nil || f.Final || f.Code != fault.Source && f.Code != fault.Unreachable {
				t.Errorf("%s: %v", kill, err)
			}
		}
	}
	if rows, _, err := scanSoon(t, s.reader(), capture.Chunk{Table: s.table("t"), Seen: s.position(), Bytes: 1000, Time: time.Second}); err != nil || !strings.HasPrefix(rows, "1,xxx") {
		t.Errorf("%.20q %v", rows, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	r := s.reader()
	if err := b.m.Pause(); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	_, err := r.Scan(ctx, s.chunk(capture.ScanTable{Schema: "shop", Name: "t", Key: []string{"id"}}), changelog.NewBatch())
	if err == nil || time.Since(began) > 5*time.Second {
		t.Errorf("a frozen server: %v after %v", err, time.Since(began))
	}
	if err := b.m.Continue(); err != nil {
		t.Fatal(err)
	}
}
