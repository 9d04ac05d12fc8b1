package postgressource

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"cdcbridge/capture"
	"cdcbridge/integration/servers"
)

// scanKey is a way to make a table with a key; value is of the number i.
type scanKey struct {
	name    string
	table   string // columns and constraints
	then    string // what follows
	columns string
	value   string
	key     string // as the source must find it
	sorts   bool   // within the rows of one value of the first column
}

// identityIndex and what follows have $ for the table.
const identityIndex = "CREATE UNIQUE INDEX $_index ON $ (%s); ALTER TABLE $ REPLICA IDENTITY USING INDEX $_index"

var scanKeys = []scanKey{
	{name: "bigint", table: "a bigint PRIMARY KEY", columns: "a", value: "i * 7 - 5000", key: "a"},
	{name: "composite", table: "a int, b text, PRIMARY KEY (a, b)", columns: "a, b", value: "i % 7, 'x' || i", key: "a,b"},
	{name: "declared the other way", table: "a int, b text, PRIMARY KEY (b, a)", columns: "a, b", value: "i, 'x' || i % 5", key: "b,a"},
	{name: "uuid", table: "a uuid PRIMARY KEY", columns: "a", value: "md5(i::text)::uuid", key: "a"},
	{name: "numeric", table: "a numeric PRIMARY KEY", columns: "a", value: "CASE i WHEN 1 THEN 'NaN' WHEN 2 THEN 'Infinity' ELSE (i - 700) * 1.10 END", key: "a"},
	{name: "timestamptz", table: "a timestamptz PRIMARY KEY", columns: "a", value: "CASE i WHEN 1 THEN '-infinity' ELSE timestamptz '2024-03-31 00:00+00' + i * interval '7.000001 minutes' END", key: "a"},
	{name: "date and time", table: "a date, b time, PRIMARY KEY (a, b)", columns: "a, b", value: "date '0044-03-15 BC' + i / 3, time '00:00' + i * interval '1.5 minutes'", key: "a,b"},
	{name: "interval", table: "a interval PRIMARY KEY", columns: "a", value: "i * interval '1 day 00:00:01'", key: "a"},
	{name: "bytea", table: "a bytea PRIMARY KEY", columns: "a", value: "decode(md5(i::text), 'hex')", key: "a"},
	{name: "enum", table: "a mood, b int, PRIMARY KEY (a, b)", columns: "a, b", value: "(ARRAY['zzz', 'aaa', 'mmm'])[1 + i % 3]::mood, i", key: "a,b"},
	{name: "boolean, double", table: "a boolean, b float8, PRIMARY KEY (a, b)", columns: "a, b", value: "i % 2 = 0, sqrt(i) - 20", key: "a,b"},
	{name: "char", table: "a char(8) PRIMARY KEY", columns: "a", value: "to_hex(i)", key: "a"},
	{name: "varchar", table: "a varchar(30) PRIMARY KEY", columns: "a", value: "'O''K \"' || i || E'\\\\ä\\n'", key: "a"},
	{name: "name and char", table: `a name, b "char", PRIMARY KEY (a, b)`, columns: "a, b", value: "'n' || i, 'x'", key: "a,b"},
	{name: "inet", table: "a inet PRIMARY KEY", columns: "a", value: "inet '10.0.0.0' + i", key: "a"},
	{name: "oid", table: "a oid PRIMARY KEY", columns: "a", value: "(4294960000 + i)::oid", key: "a"},
	{name: "bit", table: "a bit(12) PRIMARY KEY", columns: "a", value: "i::bit(12)", key: "a"},
	{name: "array", table: "a int[] PRIMARY KEY", columns: "a", value: "ARRAY[i % 3, i]", key: "a"},
	{name: "range", table: "a int4range PRIMARY KEY", columns: "a", value: "int4range(i, i + 1 + i % 5)", key: "a"},
	{name: "domain", table: "a short PRIMARY KEY", columns: "a", value: "'d' || i", key: "a"},
	{name: "other collation", table: `a text COLLATE "de-x-icu" PRIMARY KEY`, columns: "a", value: "(ARRAY['ä', 'A', 'z', 'a', '-', ' '])[1 + i % 6] || i", key: "a"},
	{name: "case-insensitive", table: "a text COLLATE insensitive PRIMARY KEY", columns: "a", value: "(ARRAY['ä', 'A', 'z', 'a', 'Z'])[1 + i % 5] || i", key: "a"},
	{name: "index with a collation of its own", table: `a text COLLATE "de-x-icu" NOT NULL`, then: fmt.Sprintf(identityIndex, `a COLLATE "C"`), columns: "a", value: "(ARRAY['ä', 'A', 'z', 'a'])[1 + i % 4] || i", key: "a"},
	{name: "index with operators of its own", table: `a text COLLATE "de-x-icu" NOT NULL`, then: fmt.Sprintf(identityIndex, "a text_pattern_ops"), columns: "a", value: "(ARRAY['ä', 'A', 'z', 'a'])[1 + i % 4] || i", key: "a"},
	{name: "descending", table: "a int NOT NULL", then: fmt.Sprintf(identityIndex, "a DESC"), columns: "a", value: "i", key: "a"},
	{name: "both descending", table: "a int NOT NULL, b text NOT NULL", then: fmt.Sprintf(identityIndex, "a DESC, b DESC"), columns: "a, b", value: "i % 5, 'x' || i", key: "a,b"},
	{name: "nulls first", table: "a int NOT NULL, b int NOT NULL", then: fmt.Sprintf(identityIndex, "a NULLS FIRST, b NULLS FIRST"), columns: "a, b", value: "i % 5, i", key: "a,b"},
	{name: "nulls last", table: "a int NOT NULL", then: fmt.Sprintf(identityIndex, "a DESC NULLS LAST"), columns: "a", value: "i", key: "a"},
	{name: "one of two descending", table: "a int NOT NULL, b text NOT NULL", then: fmt.Sprintf(identityIndex, "b, a DESC"), columns: "a, b", value: "i, 'x' || i % 300", key: "b,a", sorts: true},
	{name: "extension", table: "a public.citext PRIMARY KEY", columns: "a", value: "(ARRAY['b', 'A', 'z', 'a', 'Z'])[1 + i % 5] || i", key: "a"},
	{name: "extension and built-in", table: "a int, b public.citext, c int, PRIMARY KEY (a, b, c)", columns: "a, b, c", value: "i % 3, (ARRAY['b', 'A', 'z', 'a', 'Z'])[1 + i % 5] || i % 100, i", key: "a,b,c"},
	{name: "odd names", table: `"A b" int, "c""d" int, PRIMARY KEY ("c""d", "A b")`, columns: `"A b", "c""d"`, value: "i, i % 4", key: `c"d,A b`},
	{name: "whole rows logged", table: "a int, b int, PRIMARY KEY (b, a)", then: "ALTER TABLE $ REPLICA IDENTITY FULL", columns: "a, b", value: "i, i % 4", key: "b,a"},
	{name: "unique index of nullable columns", table: "a int PRIMARY KEY, b int UNIQUE", columns: "a, b", value: "i, NULLIF(i % 2 * i, 0)", key: "a"},
	{name: "partitioned", table: "a int, b int, PRIMARY KEY (b, a)) PARTITION BY RANGE (a", then: "CREATE TABLE $_1 PARTITION OF $ FOR VALUES FROM (0) TO (700); CREATE TABLE $_2 PARTITION OF $ DEFAULT", columns: "a, b", value: "i, i % 4", key: "b,a"},
}

// TestKeysOfChunks reads tables by keys of every kind in small chunks: whatever orders the key, each row comes exactly once, by the
// index, with nothing sorted, no more rows are looked at than come; and as many times when the table was cut into ranges.
func TestKeysOfChunks(t *testing.T) {
	t.Parallel()
	const rows = 1500
	for _, v := range versions {
		t.Run(v, func(t *testing.T) {
			b := newBench(t, servers.PostgresOptions{Version: v, Settings: map[string]string{
				"session_preload_libraries": "auto_explain", "auto_explain.log_min_duration": "0", "auto_explain.log_analyze": "on", "auto_explain.log_timing": "off", "autovacuum": "off"}})
			b.exec("CREATE EXTENSION citext SCHEMA public", "CREATE TYPE mood AS ENUM ('zzz', 'aaa', 'mmm')", "CREATE DOMAIN short AS varchar(20) CHECK (VALUE <> '')",
				"CREATE COLLATION insensitive (provider = icu, locale = 'und-u-ks-level2', deterministic = false)",
				"CREATE PUBLICATION "+publication+" FOR ALL TABLES WITH (publish_via_partition_root = true)")
			s := startScanning(t, b.config(), "")
			r := s.reader()
			for i, k := range scanKeys {
				name := fmt.Sprintf("k%d", i)
				b.exec("CREATE TABLE " + name + " (" + k.table + ")")
				if k.then != "" {
					b.exec(strings.ReplaceAll(k.then, "$", name))
				}
				b.exec("ALTER TABLE "+name+" ADD filler text", fmt.Sprintf("INSERT INTO %s (%s, filler) SELECT %s, repeat('x', 100) FROM generate_series(1, %d) i", name, k.columns, k.value, rows), "VACUUM ANALYZE "+name)
				table := s.table("public." + name)
				if got := strings.Join(table.Key, ","); got != k.key {
					t.Errorf("%s: the key is %s", k.name, got)
				}
				chunk := capture.Chunk{Table: table, Bytes: 64 << 10, Time: time.Second}
				all, chunks := s.all(r, chunk)
				distinct(t, k.name, all, rows)
				if chunks < 5 {
					t.Errorf("%s: %d chunks", k.name, chunks)
				}
				ranges(t, s, r, chunk, k.name, rows)
				plan := plans(t, b)
				if strings.Contains(plan, "Seq Scan") || strings.Contains(plan, "Bitmap") || strings.Contains(plan, "Sort  (cost") && !k.sorts || !strings.Contains(plan, "Index Scan") {
					t.Errorf("%s: %s", k.name, plan)
				}
				if n := strings.Count(plan, "Rows Removed"); n > 0 && k.name != "extension and built-in" && !k.sorts {
					t.Errorf("%s: rows were looked at in vain\n%s", k.name, plan)
				}
			}
		})
	}
}

func distinct(t *testing.T, what string, rows []string, want int) {
	t.Helper()
	sorted := slices.Clone(rows)
	slices.Sort(sorted)
	if n := len(slices.Compact(sorted)); n != want || len(rows) != want {
		t.Errorf("%s: %d rows, %d of them different, want %d", what, len(rows), n, want)
	}
}

// ranges reads a table range by range.
func ranges(t *testing.T, s *scanning, r capture.Reader, chunk capture.Chunk, what string, want int) {
	t.Helper()
	bounds, err := r.Bounds(t.Context(), chunk.Table, 4)
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	var rows []string
	counts := []int{}
	for i := range len(bounds) + 1 {
		c := chunk
		if i > 0 {
			c.After = bounds[i-1]
		}
		if i < len(bounds) {
			c.UpTo = bounds[i]
		}
		part, _ := s.all(r, c)
		rows = append(rows, part...)
		counts = append(counts, len(part))
	}
	distinct(t, what+" in ranges", rows, want)
	t.Logf("%s: ranges of %v", what, counts)
}

// plans gives the plans of chunks that the server has executed since it was last asked.
func plans(t *testing.T, b *bench) string {
	t.Helper()
	text, err := os.ReadFile(b.p.Log())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(b.p.Log(), 0); err != nil {
		t.Fatal(err)
	}
	var out []string
	within := false
	for _, line := range strings.Split(string(text), "\n") {
		if !strings.HasPrefix(line, "\t") {
			within = false
		}
		if strings.Contains(line, "Query Text: DECLARE chunk") {
			within = true
		}
		if within {
			out = append(out, line)
		}
	}
	return strings.Join(out, "\n")
}
