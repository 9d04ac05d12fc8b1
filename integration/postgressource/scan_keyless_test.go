package postgressource

import (
	"slices"
	"strings"
	"testing"
	"time"

	"cdcbridge/capture"
	"cdcbridge/changelog"
	"cdcbridge/integration/servers"
	"cdcbridge/internal/fault"
)

// TestScanKeyless reads tables without key: every row, equal ones among them, as the log has them; those that meet a condition; or not
// all, and says so.
func TestScanKeyless(t *testing.T) {
	t.Parallel()
	for _, v := range versions {
		t.Run(v, func(t *testing.T) {
			b := newBench(t, servers.PostgresOptions{Version: v})
			names := []string{"bare", "indexed", "nullable", "parted"}
			b.exec("CREATE TABLE bare (a int, b text, c numeric)", "CREATE TABLE indexed (LIKE bare); CREATE INDEX ON indexed (b)", "CREATE TABLE nullable (LIKE bare, UNIQUE (a, b))",
				"CREATE TABLE parted (LIKE bare) PARTITION BY RANGE (a); CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM (0) TO (2); CREATE TABLE parted_2 PARTITION OF parted DEFAULT")
			for _, name := range append(slices.Clone(names), "parted_1", "parted_2") {
				b.exec("ALTER TABLE " + name + " REPLICA IDENTITY FULL")
			}
			for _, name := range names {
				b.exec("INSERT INTO " + name + " VALUES (1, 'one', 1.50), (2, 'two', 'NaN'), (NULL, NULL, NULL)")
				if name != "nullable" {
					b.exec("INSERT INTO " + name + " SELECT * FROM " + name)
				}
			}
			s := startScanning(t, b.config(), "")
			r := s.reader()
			rows, tables := map[string][]string{}, map[string]*changelog.Table{}
			for _, name := range names {
				c := capture.Chunk{Table: s.table("public." + name), Bytes: 4 << 20, Time: time.Nanosecond}
				if len(c.Table.Key) > 0 {
					t.Fatalf("%+v", c.Table)
				}
				got := s.mustScan(r, c)
				if !got.Done || got.Last != "" {
					t.Errorf("%s: %+v", name, got.Scanned)
				}
				rows[name], tables[name] = got.rows, got.table
				c.Where = "a = 2 -- or more"
				if some := s.mustScan(r, c); !some.Done || some.Last != "" || len(some.rows) != len(got.rows)/3 || some.keys[0] != "2" {
					t.Errorf("%s: with a condition %+v", name, some)
				}
				c.Where = "a = 1000"
				if none := s.mustScan(r, c); !none.Done || none.Last != "" || none.Rows != 0 {
					t.Errorf("%s: of none %+v", name, none)
				}
				c.Where, c.Bytes = "", 1
				if got := s.mustScan(r, c); got.Done || got.Last != "" {
					t.Errorf("%s: a chunk of a byte: %+v", name, got.Scanned)
				}
				c.Where, c.Bytes = "no_such_column = 1", 0
				_, err := s.scan(s.reader(), c)
				wantFault(t, err, fault.Config)
			}
			for _, name := range names {
				b.exec("INSERT INTO " + name + " SELECT a, b || '', c FROM " + name + " WHERE " + map[bool]string{true: "a IS NULL", false: "true"}[name == "nullable"])
			}
			want := map[string][]string{}
			for _, c := range s.streamedAtLeast(len(rows["bare"])*3 + 1) {
				want[c.name] = append(want[c.name], c.after)
				if c.table != tables[c.name] {
					t.Errorf("%s: the versions\n%+v\nand\n%+v", c.name, *c.table, *tables[c.name])
				}
			}
			for _, name := range names {
				got, want := rows[name], want[name]
				slices.Sort(got)
				slices.Sort(want)
				if name == "nullable" {
					got = slices.DeleteFunc(got, func(r string) bool { return !slices.Contains(want, r) })
				}
				sameList(t, got, want)
			}
		})
	}
}

// TestScanKeylessChanges: a table that gains or loses its key is another one, and what is far too large is not read to its end.
func TestScanKeylessChanges(t *testing.T) {
	t.Parallel()
	b := newBench(t, servers.PostgresOptions{})
	b.exec("CREATE TABLE t (a int NOT NULL, b text); ALTER TABLE t REPLICA IDENTITY FULL", "INSERT INTO t SELECT i, repeat('x', 400) FROM generate_series(1, 200000) i")
	s := startScanning(t, b.config(), "")
	r := s.reader()
	c := capture.Chunk{Table: s.table("public.t"), Bytes: 256 << 10}
	if got := s.mustScan(r, c); got.Done || got.Rows < 100 || got.Rows > 2000 {
		t.Errorf("%+v", got.Scanned)
	}
	c.Bytes = 256 << 20
	if got := s.mustScan(r, c); !got.Done || got.Rows != 200_000 {
		t.Errorf("%+v", got.Scanned)
	}
	b.exec("ALTER TABLE t ADD PRIMARY KEY (a)")
	if _, err := s.scan(r, c); err == nil || !strings.Contains(err.Error(), capture.ErrKeyChanged.Error()) {
		t.Errorf("with a key: %v", err)
	}
	c.Table = s.table("public.t")
	b.exec("ALTER TABLE t DROP CONSTRAINT t_pkey")
	if _, err := s.scan(s.reader(), c); err == nil || !strings.Contains(err.Error(), capture.ErrKeyChanged.Error()) {
		t.Errorf("without: %v", err)
	}
}
