package mysqlsource

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"cdcbridge/capture"
	"cdcbridge/changelog"
	"cdcbridge/integration/servers"
)

// keyCase is a table with a key of some type. Its rows have a column id beside, which tells them apart.
type keyCase struct {
	name    string
	columns string                      // definitions of the key's columns and the key
	key     string                      // the columns, as ORDER BY has them
	names   string                      // the columns that are inserted; default k
	value   func(r *rand.Rand) []string // literals of the key's columns, at random; doubles are left out by IGNORE
	more    []string                    // rows that must be there
	index   string                      // default PRIMARY
	since   int
}

// list gives the first column of all rows.
func (b *bench) list(q string) (out []string) {
	b.t.Helper()
	rows, err := b.db.QueryContext(b.t.Context(), q)
	if err != nil {
		b.t.Fatalf("%s: %v", q, err)
	}
	defer rows.Close()
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			b.t.Fatal(err)
		}
		out = append(out, s)
	}
	if err := rows.Err(); err != nil {
		b.t.Fatal(err)
	}
	return out
}

func text(alphabet string, most int) func(r *rand.Rand) string {
	letters := []rune(alphabet)
	return func(r *rand.Rand) string {
		var b strings.Builder
		for range r.IntN(most + 1) {
			b.WriteRune(letters[r.IntN(len(letters))])
		}
		return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(b.String()) + "'"
	}
}

func one(f func(r *rand.Rand) string) func(r *rand.Rand) []string {
	return func(r *rand.Rand) []string { return []string{f(r)} }
}

func number(format string, from, to int64) func(r *rand.Rand) string {
	return func(r *rand.Rand) string { return fmt.Sprintf(format, from+r.Int64N(to-from)) }
}

func keyCases() []keyCase {
	ci := text("aAbBcCäÄáÁzZ .-'\"\\x😀", 8)
	return []keyCase{
		{name: "int", columns: "k INT PRIMARY KEY", key: "k", value: one(number("%d", -500, 500)), more: []string{"-2147483648", "2147483647"}},
		{name: "bigint", columns: "k BIGINT PRIMARY KEY", key: "k", value: one(func(r *rand.Rand) string { return fmt.Sprint(int64(r.Uint64())) }), more: []string{"-9223372036854775808", "9223372036854775807", "0"}},
		{name: "bigint_unsigned", columns: "k BIGINT UNSIGNED PRIMARY KEY", key: "k", value: one(func(r *rand.Rand) string { return fmt.Sprint(r.Uint64()) }), more: []string{"0", "9223372036854775807", "9223372036854775808", "18446744073709551615"}},
		{name: "zerofill", columns: "k INT(8) ZEROFILL PRIMARY KEY", key: "k", value: one(number("%d", 0, 2000))},
		{name: "int_desc", columns: "k INT NOT NULL, PRIMARY KEY (k DESC)", key: "k DESC", value: one(number("%d", -500, 500))},
		{name: "composite", names: "a,b,c", columns: "a INT NOT NULL, b VARCHAR(20) NOT NULL, c BIGINT NOT NULL, PRIMARY KEY (c, a, b)", key: "c, a, b", value: func(r *rand.Rand) []string {
			return []string{number("%d", 0, 3)(r), ci(r), number("%d", -2, 2)(r)}
		}},
		{name: "composite_desc", names: "a,b,c", columns: "a INT NOT NULL, b VARCHAR(20) NOT NULL, c BIGINT NOT NULL, PRIMARY KEY (a, c DESC, b DESC)", key: "a, c DESC, b DESC", value: func(r *rand.Rand) []string {
			return []string{number("%d", 0, 3)(r), ci(r), number("%d", -2, 2)(r)}
		}},
		{name: "ai_ci", columns: "k VARCHAR(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_ai_ci PRIMARY KEY", key: "k", value: one(ci)},
		{name: "as_cs", columns: "k VARCHAR(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_as_cs PRIMARY KEY", key: "k", value: one(ci)},
		{name: "general_ci", columns: "k VARCHAR(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci PRIMARY KEY", key: "k", value: one(ci)},
		{name: "bin", columns: "k VARCHAR(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin PRIMARY KEY", key: "k", value: one(ci)},
		{name: "char_pad", columns: "k CHAR(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci PRIMARY KEY", key: "k", value: one(ci)},
		{name: "char_nopad", columns: "k CHAR(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_ai_ci PRIMARY KEY", key: "k", value: one(ci)},
		{name: "utf8mb3", columns: "k VARCHAR(20) CHARACTER SET utf8mb3 COLLATE utf8mb3_german2_ci PRIMARY KEY", key: "k", value: one(text("aäoöuüß ", 6))},
		{name: "latin1", columns: "k VARCHAR(20) CHARACTER SET latin1 COLLATE latin1_german2_ci PRIMARY KEY", key: "k", value: one(text("aAäÄoöÖuüÜsßzé€ ", 6))},
		{name: "latin1_desc", columns: "k VARCHAR(20) CHARACTER SET latin1 COLLATE latin1_swedish_ci, PRIMARY KEY (k DESC)", key: "k DESC", value: one(text("aAäÄoöÖuüÜsßzé€ ", 6))},
		{name: "gbk", columns: "k VARCHAR(20) CHARACTER SET gbk PRIMARY KEY", key: "k", value: one(text("字典漢字中文aA一二三", 5))},
		{name: "utf16", columns: "k VARCHAR(20) CHARACTER SET utf16 PRIMARY KEY", key: "k", value: one(ci)},
		{name: "sjis", columns: "k CHAR(20) CHARACTER SET sjis PRIMARY KEY", key: "k", value: one(text("かなカナ表ソ能aA\\", 5))},
		{name: "binary", columns: "k BINARY(4) PRIMARY KEY", key: "k", value: one(func(r *rand.Rand) string { return fmt.Sprintf("x'%08x'", r.Uint32()&0x83ff0083) }), more: []string{"''", "x'00ff'"}},
		{name: "varbinary", columns: "k VARBINARY(8) PRIMARY KEY", key: "k", value: one(func(r *rand.Rand) string { return fmt.Sprintf("x'%x'", text("\x00\x01 'xa\xff", 5)(r)) }), more: []string{"''", "x'00'", "x'0000'"}},
		{name: "uuid", columns: "k CHAR(36) CHARACTER SET ascii PRIMARY KEY", key: "k", value: one(func(*rand.Rand) string { return "UUID()" })},
		{name: "decimal", columns: "k DECIMAL(20,6) PRIMARY KEY", key: "k", value: one(number("%d.000001", -300, 300)), more: []string{"0", "-0.000001", "99999999999999.999999"}},
		{name: "decimal65", columns: "k DECIMAL(65,30) PRIMARY KEY", key: "k", value: one(number("'0.00000000000000000000000000%04d'", 0, 2000)), more: []string{"'-99999999999999999999999999999999999.999999999999999999999999999999'"}},
		{name: "float", columns: "k FLOAT PRIMARY KEY", key: "k", value: one(number("%d/10", -500, 500)), more: []string{"3.4e38", "1e-45", "-1.17549435e-38", "16777217"}},
		{name: "float_md", columns: "k FLOAT(7,4) PRIMARY KEY", key: "k", value: one(number("%d/1000", -500, 500)), more: []string{"999.9999"}},
		{name: "double", columns: "k DOUBLE PRIMARY KEY", key: "k", value: one(func(r *rand.Rand) string { return fmt.Sprint(r.NormFloat64() * math.Pow(10, float64(r.IntN(40)-20))) }), more: []string{"1.7976931348623157e308", "5e-324", "0"}},
		{name: "date", columns: "k DATE PRIMARY KEY", key: "k", value: one(number("'2023-%02d-10'", 0, 13)), more: []string{"'0000-00-00'", "'2023-02-31'", "'2023-05-00'", "'0000-05-06'", "'9999-12-31'"}},
		{name: "datetime", columns: "k DATETIME(6) PRIMARY KEY", key: "k", value: one(number("'2023-02-31 01:02:03.%06d'", 0, 300)), more: []string{"'0000-00-00'", "'2023-05-00 00:00:00.5'", "'9999-12-31 23:59:59.999999'"}},
		{name: "timestamp", columns: "k TIMESTAMP(3) PRIMARY KEY", key: "k", value: one(number("'2024-03-31 01:%02d:59.999'", 0, 60)), more: []string{"'0000-00-00'", "'2037-10-10 00:00:00'"}},
		{name: "time", columns: "k TIME(6) PRIMARY KEY", key: "k", value: one(number("%d.000001", -500, 500)), more: []string{"'-838:59:58.999999'", "'838:59:59'", "'-00:00:00.000001'", "'00:00:00'"}},
		{name: "year", columns: "k YEAR PRIMARY KEY", key: "k", value: one(number("%d", 1901, 2156)), more: []string{"0"}},
		{name: "bit", columns: "k BIT(64) PRIMARY KEY", key: "k", value: one(func(r *rand.Rand) string { return fmt.Sprint(r.Uint64()) }), more: []string{"0", "18446744073709551615"}},
		{name: "enum", names: "k,n", columns: "k ENUM('zebra','Apple','','mango','ähre'), n INT, PRIMARY KEY (k, n)", key: "k, n", value: func(r *rand.Rand) []string { return []string{number("%d", 1, 6)(r), number("%d", 0, 100)(r)} }, more: []string{"'no such label', 1", "'no such label', 2"}},
		{name: "enum_desc", names: "k,n", columns: "k ENUM('zebra','Apple','mango'), n INT, PRIMARY KEY (k DESC, n)", key: "k DESC, n", value: func(r *rand.Rand) []string { return []string{number("%d", 1, 4)(r), number("%d", 0, 100)(r)} }},
		{name: "enum_last", names: "n,k", columns: "n INT, k ENUM('b','a','c','😀'), PRIMARY KEY (n, k)", key: "n, k", value: func(r *rand.Rand) []string { return []string{number("%d", 0, 100)(r), number("%d", 1, 5)(r)} }},
		{name: "set", names: "k,n", columns: "k SET('z','y','x','w'), n INT, PRIMARY KEY (k, n)", key: "k, n", value: func(r *rand.Rand) []string { return []string{number("%d", 0, 16)(r), number("%d", 0, 30)(r)} }},
		{name: "unique", index: "zz", names: "k,n", columns: "k INT NOT NULL, n INT, UNIQUE KEY other (n), UNIQUE KEY zz (k), UNIQUE KEY aa (n, k)", key: "k", value: func(r *rand.Rand) []string { return []string{number("%d", -500, 500)(r), "NULL"} }},
		{name: "partitioned", columns: "k INT PRIMARY KEY", key: "k", value: one(number("%d", -500, 500))},
		{name: "virtual", names: "n", columns: "n INT NOT NULL, k INT AS (n*3) STORED, PRIMARY KEY (k)", key: "k", value: one(number("%d", -500, 500))},
		{name: "uuid_type", columns: "k UUID PRIMARY KEY", key: "k", value: one(func(*rand.Rand) string { return "UUID()" }), more: []string{"'00000000-0000-0000-0000-000000000000'", "'ffffffff-ffff-ffff-ffff-ffffffffffff'", "'123e4567-e89b-12d3-a456-426655440000'", "'123e4567-e89b-42d3-a456-426655440000'"}, since: 999999},
		{name: "inet6", columns: "k INET6 PRIMARY KEY", key: "k", value: one(func(r *rand.Rand) string { return fmt.Sprintf("'%x::%x'", r.IntN(65536), r.IntN(65536)) }), more: []string{"'::'", "'::ffff:1.2.3.4'"}, since: 999999},
		{name: "inet4", columns: "k INET4 PRIMARY KEY", key: "k", value: one(func(r *rand.Rand) string { return fmt.Sprintf("'%d.0.0.%d'", r.IntN(256), r.IntN(256)) }), more: []string{"'0.0.0.0'"}, since: 999999},
		{name: "uca1400", columns: "k VARCHAR(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_uca1400_ai_ci PRIMARY KEY", key: "k", value: one(ci), since: 999999},
		{name: "nopad", columns: "k CHAR(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_nopad_ci PRIMARY KEY", key: "k", value: one(ci), since: 999999},
		{name: "invisible", columns: "k INT NOT NULL INVISIBLE PRIMARY KEY", key: "k", value: one(number("%d", -500, 500)), since: 80023},
	}
}

// fill makes the table, unless the server does not know its types, which is not so on the releases of MySQL that the cases are for.
func (c keyCase) fill(b *bench, r *rand.Rand) bool {
	b.t.Helper()
	// unquoted numbers of an ENUM are labels by number
	columns := "k_" + c.name
	sql := "CREATE TABLE " + columns + " (id INT NOT NULL, pad VARCHAR(200), " + c.columns + ")"
	if c.name == "partitioned" {
		sql += " PARTITION BY HASH (k) PARTITIONS 5"
	}
	if _, err := b.db.ExecContext(b.t.Context(), sql); err != nil {
		if v := b.m.Version(); c.since < 999999 && (v == "97" || v == "80") {
			b.t.Fatalf("%s: %v", sql, err)
		}
		b.t.Logf("%s is left out: %v", c.name, err)
		return false
	}
	statements := []string{"SET NAMES utf8mb4, sql_mode='ALLOW_INVALID_DATES', time_zone='+00:00'"}
	id := 0
	insert := func(values string) {
		statements = append(statements, fmt.Sprintf("INSERT IGNORE INTO %s (id,pad,%s) VALUES (%d,REPEAT('p',%d),%s)", columns, cmp.Or(c.names, "k"), id, id%200, values))
		id++
	}
	statements = append(statements, "BEGIN")
	for _, m := range c.more {
		insert(m)
	}
	for range 400 {
		insert(strings.Join(c.value(r), ","))
	}
	b.session(append(statements, "COMMIT", "ANALYZE TABLE "+columns)...)
	return true
}

// TestScanKeys reads tables with keys of every type in small chunks: each row comes once, in the order of the index, and every
// statement goes by a range of the index and sorts nothing.
func TestScanKeys(t *testing.T) {
	t.Parallel()
	for _, v := range everyServer {
		t.Run(v, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, servers.MySQLOptions{Version: v, Extra: []string{"--default-time-zone=-07:00"}})
			seed := rand.Uint64()
			t.Logf("seed %d", seed)
			r := rand.New(rand.NewPCG(seed, 1))
			var cases []keyCase
			for _, c := range keyCases() {
				if v == "57" { // it reads DESC and makes an ascending index
					c.key = strings.ReplaceAll(c.key, " DESC", "")
				}
				if c.fill(b, r) {
					cases = append(cases, c)
				}
			}
			if len(cases) < 33 {
				t.Errorf("only %d cases", len(cases))
			}
			s := scan(t, b.config(), false)
			reader := s.reader()
			b.exec("SET GLOBAL log_output='TABLE'", "SET GLOBAL general_log=ON")
			for _, c := range cases {
				t.Run(c.name, func(t *testing.T) { c.test(t, b, s, reader) })
			}
			b.exec("SET GLOBAL general_log=OFF")
			explainAll(t, b)
		})
	}
}

func (c keyCase) test(t *testing.T, b *bench, s *scanning, reader capture.Reader) {
	want := b.list("SELECT id FROM k_" + c.name + " FORCE INDEX (" + cmp.Or(c.index, "PRIMARY") + ") ORDER BY " + c.key)
	chunk := s.chunk(s.table("k_" + c.name))
	chunk.Bytes = 3000
	ids := func(rows []changelog.Row) (out []string) {
		for _, row := range rows {
			out = append(out, fmt.Sprint(row[0].Int()))
		}
		return out
	}
	p := s.read(reader, chunk)
	if got := ids(p.rows); !slices.Equal(got, want) {
		t.Errorf("%s: got  %v\nwant %v", c.name, got, want)
	}
	if len(p.chunks) < min(4, len(want)/8) {
		t.Errorf("%d rows came in %d chunks", len(want), len(p.chunks))
	}
	// Two neighbouring ranges, cut at a row.
	middle := p.chunks[len(p.chunks)/2].Last
	chunk.UpTo = middle
	lower := s.read(reader, chunk)
	chunk.After, chunk.UpTo = middle, ""
	upper := s.read(reader, chunk)
	if got := append(ids(lower.rows), ids(upper.rows)...); !slices.Equal(got, want) || len(lower.rows) == 0 {
		t.Errorf("in ranges: got  %v\nwant %v", got, want)
	}
	// With a condition that few rows meet: the cursor moves all the same.
	chunk.After, chunk.Where = "", "id % 50 = 7 -- every fiftieth"
	some := s.read(reader, chunk)
	want = slices.DeleteFunc(want, func(id string) bool { var n int; _, _ = fmt.Sscan(id, &n); return n%50 != 7 })
	if got := ids(some.rows); !slices.Equal(got, want) {
		t.Errorf("with a condition: got  %v\nwant %v", got, want)
	}
}

// explainAll has the server explain every statement that read rows.
func explainAll(t *testing.T, b *bench) {
	t.Helper()
	statements := b.list("SELECT DISTINCT CONVERT(argument USING utf8mb4) FROM mysql.general_log WHERE command_type='Query' AND (argument LIKE 'SELECT %`shop`.%FORCE INDEX%' OR argument LIKE 'WITH %`shop`.%FORCE INDEX%')")
	if len(statements) < 1000 {
		t.Fatalf("%d statements", len(statements))
	}
	c, err := b.db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.ExecContext(t.Context(), "SET sql_mode='ALLOW_INVALID_DATES', time_zone='+00:00', character_set_results=utf8mb4"); err != nil {
		t.Fatal(err)
	}
	bad := 0
	for _, sql := range statements {
		plan, err := explain(t, c, sql)
		if err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
		ranged := plan["type"] == "range" || plan["type"] == "index" && !strings.Contains(sql, "WHERE (")
		// Of ENUM and SET the server knows lists only. When a list has nearly all values, and the index all columns that are wanted,
		// it begins at the front of the index all the same.
		ranged = ranged || plan["Extra"] == "Using where; Using index" && strings.Contains(sql, " IN (") && (atLeast(plan["filtered"], 80) || b.m.Version() == "57") // which estimates lists badly
		impossible := strings.Contains(plan["Extra"], "Impossible") || strings.Contains(plan["Extra"], "no matching row") || strings.Contains(plan["Extra"], "optimized away") || plan["type"] == "const"
		if strings.Contains(plan["Extra"], "filesort") || strings.Contains(plan["Extra"], "temporary") || !ranged && !impossible {
			if bad++; bad < 20 {
				t.Errorf("%s\n%v", sql, plan)
			}
		}
	}
	t.Logf("%d statements explained, %d bad", len(statements), bad)
}

func atLeast(text string, least float64) bool {
	v, err := strconv.ParseFloat(text, 64)
	return err == nil && v >= least
}
