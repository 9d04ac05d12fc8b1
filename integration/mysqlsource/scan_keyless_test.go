package mysqlsource

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"cdcbridge/capture"
	"cdcbridge/changelog"
	"cdcbridge/integration/servers"
	"cdcbridge/internal/fault"
)

// TestScanKeyless reads tables without key: every row, equal ones among them, with the values and the Table that the log has; those that
// meet a condition; or not all, and says so.
func TestScanKeyless(t *testing.T) {
	t.Parallel()
	for _, v := range everyServer {
		t.Run(v, func(t *testing.T) {
			b := newBench(t, servers.MySQLOptions{Version: v})
			names := []string{"bare", "indexed", "nullable", "prefixed", "parted", "myisam"}
			b.exec("CREATE TABLE bare (a INT, b VARCHAR(20), c ENUM('x','y'), d DECIMAL(9,2), e DOUBLE, f DATETIME(3))", "CREATE TABLE indexed LIKE bare", "CREATE TABLE nullable LIKE bare",
				"CREATE TABLE prefixed LIKE bare", "CREATE TABLE parted LIKE bare", "CREATE TABLE myisam LIKE bare",
				"ALTER TABLE indexed ADD INDEX (b), ADD INDEX (c, a)", "ALTER TABLE nullable ADD UNIQUE (a)", "ALTER TABLE prefixed ADD PRIMARY KEY (b(3))", "ALTER TABLE parted PARTITION BY HASH (a) PARTITIONS 3", "ALTER TABLE myisam ENGINE=MyISAM")
			for _, name := range names {
				b.exec("INSERT INTO "+name+" VALUES (1,'one','x',1.5,0.1,'2026-01-02 03:04:05.678'),(2,'two','y',-2,1e300,NULL),(NULL,'none',NULL,NULL,NULL,NULL)", "ANALYZE TABLE "+name)
				if name != "nullable" && name != "prefixed" {
					b.exec("INSERT INTO " + name + " SELECT * FROM " + name)
				}
			}
			cfg := b.config()
			cfg.SnapshotLock = true
			s := scan(t, cfg, true)
			r := s.reader()
			read := map[string]*pages{}
			for _, name := range names {
				table := s.table(name)
				if len(table.Key) > 0 {
					t.Fatalf("%+v", table)
				}
				if bounds, err := r.Bounds(t.Context(), table, 4); err != nil || len(bounds) > 0 {
					t.Errorf("%s: bounds %v, %v", name, bounds, err)
				}
				p := s.read(r, s.chunk(table))
				read[name] = p
				if len(p.chunks) != 1 || p.chunks[0].Last != "" {
					t.Errorf("%s: %+v", name, p.chunks)
				}
				c := s.chunk(table)
				c.Where = "a = 2 -- or more"
				if some := s.read(r, c); len(some.rows) != len(p.rows)/3 || some.chunks[0].Last != "" || some.rows[0][0].Int() != 2 {
					t.Errorf("%s: with a condition %d of %d rows", name, len(some.rows), len(p.rows))
				}
				c.Where = "a = 1000"
				if none := s.read(r, c); len(none.rows) != 0 {
					t.Errorf("%s: %d rows of none", name, len(none.rows))
				}
				c.Where = "a = 1) OR (1 = 1"
				failing := s.reader()
				_, _, err := scanOnce(t, failing, c)
				wantFault(t, err, fault.Config)
				failing.Close() // it may hold a lock
				c.Where, c.Bytes = "", 1
				if _, got, err := scanOnce(t, r, c); err != nil || got.Done || got.Rows != 1 {
					t.Errorf("%s: a chunk of a byte: %+v, %v", name, got, err)
				}
			}
			for _, name := range names {
				b.exec("DELETE FROM " + name)
			}
			for _, name := range names {
				s.sameAsDeleted(name, read[name])
			}
		})
	}
}

// sameAsDeleted compares rows that were read with those that the log says were deleted since.
func (s *scanning) sameAsDeleted(name string, p *pages) {
	s.t.Helper()
	var got, want []string
	for _, row := range p.rows {
		got = append(got, fmt.Sprintf("%+v", row))
	}
	for end := time.Now().Add(patience); len(want) < len(got) && time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		want = nil
		s.mu.Lock()
		for _, b := range s.kept {
			for _, run := range b.Runs {
				for _, ch := range b.Changes[run.From:run.To] {
					if run.Table.Name == name && ch.Op == changelog.Delete {
						want = append(want, fmt.Sprintf("%+v", ch.Before))
						if run.Table != p.tables[0] {
							s.t.Errorf("%s: the versions\n%+v\nand\n%+v", name, *run.Table, *p.tables[0])
						}
					}
				}
			}
		}
		s.mu.Unlock()
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) || len(got) == 0 {
		s.t.Errorf("%s: read\n%s\nlogged\n%s", name, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// TestScanKeylessTooLarge: the read of a table that is far too large is stopped, on the server too, and the reader goes on.
func TestScanKeylessTooLarge(t *testing.T) {
	t.Parallel()
	b := newBench(t, servers.MySQLOptions{})
	b.exec("CREATE TABLE large (id INT, v VARCHAR(500))", "CREATE TABLE small (id INT)", "INSERT INTO small VALUES (1)")
	b.fillDigits("large", 200_000, 400)
	s := scan(t, b.config(), false)
	r := s.reader()
	c := s.chunk(s.table("large"))
	c.Bytes = 256 << 10
	b.exec("SET GLOBAL log_output='TABLE'", "SET GLOBAL general_log=ON")
	_, got, err := scanOnce(t, r, c)
	b.exec("SET GLOBAL general_log=OFF")
	if err != nil || got.Done || got.Rows < 100 || got.Rows > 2000 || got.Last != "" {
		t.Errorf("%+v, %v", got, err)
	}
	if n := b.query("SELECT COUNT(*) FROM mysql.general_log WHERE argument LIKE 'KILL QUERY%'"); n != "1" {
		t.Errorf("%s statements were stopped", n)
	}
	if rows, got, err := scanOnce(t, r, s.chunk(s.table("small"))); err != nil || !got.Done || rows != "1" {
		t.Errorf("after it: %q %+v %v", rows, got, err)
	}
}

// TestScanKeylessAmidWriters: whenever the log has no change of the table between the position that a read must see and the end that
// it gives, the rows are what the changes up to there have made.
func TestScanKeylessAmidWriters(t *testing.T) {
	t.Parallel()
	b := newBench(t, servers.MySQLOptions{})
	b.exec("CREATE TABLE t (a INT, b INT)")
	s := scan(t, b.config(), true)
	start := s.position()
	stop, ended := make(chan struct{}), make(chan struct{})
	var pause atomic.Int64 // milliseconds at most between two statements
	pause.Store(20)
	go func() {
		defer close(ended)
		rnd := rand.New(rand.NewPCG(rand.Uint64(), 1))
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			case <-time.After(time.Duration(rnd.Int64N(pause.Load())) * time.Millisecond):
			}
			sql := fmt.Sprintf("INSERT INTO t VALUES (%d, 0), (%d, 1)", i%7, i%5)
			switch rnd.IntN(4) {
			case 0:
				sql = fmt.Sprintf("DELETE FROM t WHERE a = %d LIMIT 3", i%7)
			case 1:
				sql = fmt.Sprintf("UPDATE t SET b = b + 1 WHERE a = %d LIMIT 2", i%5)
			}
			if _, err := b.db.ExecContext(t.Context(), sql); err != nil {
				t.Error(err)
				return
			}
		}
	}()
	r, table, quiet, disturbed := s.reader(), s.table("t"), 0, 0
	for end := time.Now().Add(2 * time.Minute); (quiet < 60 || disturbed < 10) && time.Now().Before(end); {
		if quiet >= 60 {
			pause.Store(3) // a machine that reads this fast needs a writer as fast to be disturbed
		}
		c := s.chunk(table)
		batch := changelog.NewBatch()
		got, err := r.Scan(t.Context(), c, batch)
		if err != nil {
			batch.Release()
			if errors.As(err, new(capture.NotYet)) {
				continue
			}
			t.Fatal(err)
		}
		s.watch(got.End)
		before, within := s.bag("t", start, c.Seen)
		if within > 0 {
			disturbed++
		} else {
			quiet++
			for _, ch := range batch.Changes {
				before[render(ch.After)]--
			}
			for row, n := range before {
				if n != 0 {
					t.Fatalf("row %s: the log has %d more than the read", row, n)
				}
			}
		}
		batch.Release()
		time.Sleep(5 * time.Millisecond)
	}
	close(stop)
	<-ended
	if quiet < 10 || disturbed < 10 {
		t.Errorf("%d reads were quiet, %d disturbed: that proves little", quiet, disturbed)
	}
}

// bag is what the changes of a table from one position up to another have made, and how many came since.
func (s *scanning) bag(table string, start, at changelog.Position) (rows map[string]int, since int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	rows = map[string]int{}
	passed := at == start
	for _, b := range s.kept {
		for _, run := range b.Runs {
			for _, ch := range b.Changes[run.From:run.To] {
				switch {
				case run.Table.Name != table:
				case passed:
					since++
				default:
					if ch.Before != nil {
						rows[render(ch.Before)]--
					}
					if ch.After != nil {
						rows[render(ch.After)]++
					}
				}
			}
		}
		passed = passed || b.Next.Pos == at
	}
	return rows, since
}
