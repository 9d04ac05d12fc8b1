package mysqlsource

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"cdcbridge/capture"
	"cdcbridge/changelog"
	"cdcbridge/integration/servers"
)

// TestScanLargeRows reads rows that fill packets to the border and rows of many packets, over TLS and without.
func TestScanLargeRows(t *testing.T) {
	b := newBench(t, servers.MySQLOptions{Extra: []string{"--max-allowed-packet=128M", "--loose-innodb-redo-log-capacity=1G"}})
	b.exec("CREATE TABLE t (id INT PRIMARY KEY, v LONGBLOB, w INT)")
	sizes := []int{0, 250, 251, 65535, 65536, 128 << 10, 33 << 20, 2*(1<<24-1) - 13}
	for i := range 8 {
		sizes = append(sizes, 1<<24-1-11+i-4) // lengths, the id and w take 4+5 bytes
	}
	sizes = append(sizes, 1)
	for i, n := range sizes {
		b.exec(fmt.Sprintf("INSERT INTO t VALUES (%d, REPEAT(CHAR(%d), %d), %d)", 10+i, 'a'+i, n, i))
	}
	for _, mode := range []string{"disabled", "required"} {
		cfg := b.config()
		cfg.TLS.Mode = mode
		s := scan(t, cfg, false)
		r, c := s.reader(), s.chunk(s.table("t"))
		i := 0
		for done := false; !done; {
			batch := changelog.NewBatch()
			got, err := r.Scan(t.Context(), c, batch)
			if err != nil {
				t.Fatal(err)
			}
			for _, ch := range batch.Changes {
				v := ch.After[1].Bytes()
				if len(v) != sizes[i] || strings.Trim(string(v), string(rune('a'+i))) != "" || ch.After[0].Int() != int64(10+i) || ch.After[2].Int() != int64(i) {
					t.Errorf("row %d has %d bytes, want %d", i, len(v), sizes[i])
				}
				i++
			}
			batch.Release()
			c.After, done = got.Last, got.Done
		}
		if i != len(sizes) {
			t.Errorf("%s: %d of %d rows", mode, i, len(sizes))
		}
		s.stop()
	}
}

// TestScanSkewed reads a table whose rows become much larger: what does not fit a chunk is not read again and again.
func TestScanSkewed(t *testing.T) {
	t.Parallel()
	b := newBench(t, servers.MySQLOptions{Extra: []string{"--max-allowed-packet=128M", "--loose-innodb-redo-log-capacity=1G"}})
	b.exec("CREATE TABLE t (id INT PRIMARY KEY, v LONGTEXT)")
	b.fillDigits("t", 5000, 10)
	const large = 100
	b.session("SET cte_max_recursion_depth=10000000", fmt.Sprintf("INSERT INTO t WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i+1 FROM n WHERE i<%d) SELECT i+5000, REPEAT('y', 1000000) FROM n", large))
	s := scan(t, b.config(), false)
	r, c := s.reader(), s.chunk(s.table("t"))
	c.Bytes = 2 << 20
	sent := func() uint64 {
		n, err := strconv.ParseUint(b.query("SELECT VARIABLE_VALUE FROM performance_schema.global_status WHERE VARIABLE_NAME='Bytes_sent'"), 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	before, rows, chunks := sent(), 0, 0
	for done := false; !done; chunks++ {
		batch := changelog.NewBatch()
		got, err := r.Scan(t.Context(), c, batch)
		if err != nil {
			t.Fatal(err)
		}
		if size := batch.Size(); size > c.Bytes+2<<20 {
			t.Errorf("a chunk of %d bytes", size)
		}
		for _, ch := range batch.Changes {
			if rows++; ch.After[0].Int() != int64(rows) {
				t.Fatalf("row %d came as number %d", ch.After[0].Int(), rows)
			}
		}
		batch.Release()
		c.After, done = got.Last, got.Done
	}
	total := sent() - before
	t.Logf("%d rows in %d chunks, %d MiB sent for %d", rows, chunks, total>>20, large*1000000>>20)
	if rows != 5000+large || total > 3*large*1000000 {
		t.Errorf("%d rows, %d MiB were sent", rows, total>>20)
	}
}

// TestScanBounds cuts tables into ranges: together they have each row once, whatever follows the first column in the key.
func TestScanBounds(t *testing.T) {
	b := newBench(t, servers.MySQLOptions{})
	create := func(name, columns, key, id string) {
		b.exec("CREATE TABLE " + name + " (id " + columns + ", n INT NOT NULL DEFAULT 0, v INT, PRIMARY KEY (" + key + "))")
		b.session("SET cte_max_recursion_depth=10000000", "INSERT INTO "+name+" (id, n, v) WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i+1 FROM n WHERE i<60000) SELECT "+id+", i, i FROM n", "ANALYZE TABLE "+name)
	}
	create("plain", "INT NOT NULL", "id", "i*3-70000")
	create("downwards", "INT NOT NULL", "id DESC", "i*3-70000")
	create("composite", "INT NOT NULL", "id, n", "i DIV 100 - 200")
	create("unsigned_wide", "BIGINT UNSIGNED NOT NULL", "id", "18446744073709551615-(CAST(i AS UNSIGNED)-1)*300000000000000")
	create("same", "INT NOT NULL", "id, n", "7")
	create("texts", "CHAR(10) NOT NULL", "id", "i")
	b.exec("CREATE TABLE small (id INT PRIMARY KEY)", "INSERT INTO small VALUES (1),(2)")
	s := scan(t, b.config(), false)
	r := s.reader()
	for name, want := range map[string]int{"plain": 3, "downwards": 3, "composite": 3, "unsigned_wide": 3, "same": 0, "texts": 0, "small": 0} {
		table := s.table(name)
		began := time.Now()
		bounds, err := r.Bounds(t.Context(), table, 4)
		if err != nil || len(bounds) != want || time.Since(began) > time.Second {
			t.Errorf("%s: %q %v after %v, want %d", name, bounds, err, time.Since(began), want)
			continue
		}
		if want == 0 {
			continue
		}
		var counts []int
		seen := map[int64]bool{}
		for i := range len(bounds) + 1 {
			c := s.chunk(table)
			c.Bytes = 500_000
			if i > 0 {
				c.After = bounds[i-1]
			}
			if i < len(bounds) {
				c.UpTo = bounds[i]
			}
			p := s.read(r, c)
			counts = append(counts, len(p.rows))
			for _, row := range p.rows {
				if v := row[2].Int(); seen[v] {
					t.Fatalf("%s: row %d comes twice", name, v)
				} else {
					seen[v] = true
				}
			}
			for _, b := range p.batches {
				b.Release()
			}
		}
		for _, n := range counts {
			if n < 12_000 || n > 18_000 {
				t.Errorf("%s: ranges of %v rows", name, counts)
			}
		}
		if len(seen) != 60_000 {
			t.Errorf("%s: %d rows in ranges of %v", name, len(seen), counts)
		}
	}
	if _, err := r.Bounds(t.Context(), capture.ScanTable{Schema: "shop", Name: "nothing", Key: []string{"id"}, Rows: 1e6}, 4); err == nil {
		t.Error("a table that is not there has bounds")
	}
}

// TestScanStart begins at the end of the log when tables are read, and at its front when not.
func TestScanStart(t *testing.T) {
	t.Parallel()
	b := newBench(t, servers.MySQLOptions{})
	b.exec("CREATE TABLE t (id INT PRIMARY KEY)", "INSERT INTO t VALUES (1),(2),(3)")
	for start, want := range map[string]int{"": 1, "latest": 1, "earliest": 4} {
		cfg := b.config()
		cfg.Start = start
		s := scan(t, cfg, false)
		id := b.query("SELECT MAX(id)+1 FROM t")
		b.exec("INSERT INTO t VALUES ("+id+")", "DELETE FROM t WHERE id="+id)
		s.watch(endOfLog(t, b))
		if got := s.streamed(); got < want+1 || start != "earliest" && got != want+1 {
			t.Errorf("start %q: %d changes", start, got)
		}
		s.stop()
	}
	// Rows that were read are in the target: what removes them without a word diverges.
	s := scan(t, b.config(), false)
	if _, _, err := scanOnce(t, s.reader(), s.chunk(s.table("t"))); err != nil {
		t.Fatal(err)
	}
	b.exec("TRUNCATE TABLE t")
	until(t, "fault", func() bool { s.mu.Lock(); defer s.mu.Unlock(); return s.failed != nil })
	if !strings.Contains(s.failed.Error(), "diverged") {
		t.Error(s.failed)
	}
	s.expected = true
	if err := s.src.StartOver(t.Context()); err != nil {
		t.Error(err)
	}
}
