package mysqlsource

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"cdcbridge/changelog"
	"cdcbridge/integration/servers"
)

func itoa(n uint64) string { return strconv.FormatUint(n, 10) }

// typeScript is the type matrix that the decoder of the log was recorded with, for a version of the server.
func typeScript(t testing.TB, name, version string) string {
	t.Helper()
	text, err := os.ReadFile("../mysqltypes/generate/sql/" + name + ".sql")
	if err != nil {
		t.Fatal(err)
	}
	var major, minor, patch int
	if _, err := fmt.Sscanf(version, "%d.%d.%d", &major, &minor, &patch); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(text), "\n")
	for i, line := range lines {
		since, sql, ok := strings.Cut(strings.TrimPrefix(line, "-- since "), ": ")
		if n, err := strconv.Atoi(since); ok && err == nil && major*10000+minor*100+patch >= n {
			lines[i] = sql
		}
	}
	return strings.Join(lines, "\n")
}

// moreTypes is what the matrix lacks: signs of zeros, every character set, labels with every escape, names that need quotes.
const moreTypes = "CREATE TABLE zeros (id INT PRIMARY KEY, f FLOAT, d DOUBLE, dm DOUBLE(10,2), fm FLOAT(7,4), n DECIMAL(10,2), nz DECIMAL(12,3) ZEROFILL, i INT(5) ZEROFILL, b BIGINT(20) ZEROFILL);\n" +
	"INSERT INTO zeros VALUES (1,-0e0,-0e0,-0e0,-0e0,-0.00,0,0,0),(2,1e-45,4.9e-324,0.005,1e-4,-0.004,0.5,7,7),(3,16777217,0.1,1e7+0.015,999.99995,-0.01,12345.6789,123456,18446744073709551615),(4,3.4028234e38,1.7976931348623157e308,12345678.905,-1.1,99999999.99,0.001,99999,1);\n" +
	"CREATE TABLE quoted (`order` INT PRIMARY KEY, `a``b` INT, `select * from x; --` INT, `ü☃` VARCHAR(10), e ENUM('back\\\\slash','new\\nline','nul\\0','quo''te','\"','%_','\\r',',',' ','')) DEFAULT CHARSET utf8mb4;\n" +
	"INSERT INTO quoted VALUES (1,2,3,'é','back\\\\slash'),(2,2,3,'é','new\\nline'),(3,NULL,3,'é','nul\\0'),(4,1,1,'☃','quo''te'),(5,1,1,'','\"'),(6,1,1,'','%_'),(7,1,1,'','\\r'),(8,1,1,'',','),(9,1,1,'',''),(10,1,1,'','no such label');\n" +
	"CREATE TABLE emoji (id INT PRIMARY KEY, e ENUM('😀','b','?','é😀') CHARACTER SET utf8mb4, s SET('😀','?','x') CHARACTER SET utf8mb4, p ENUM('?') CHARACTER SET latin1);\n" +
	"INSERT INTO emoji VALUES (1,'😀','😀,x','?'),(2,'?','?','?'),(3,'b','','?'),(4,'é😀','😀,?,x','?'),(5,NULL,NULL,NULL);\n" +
	"CREATE TABLE engine (a INT NOT NULL, b INT NOT NULL, c INT, UNIQUE KEY zz (b), UNIQUE KEY aa (a), UNIQUE KEY cc (c));\nINSERT INTO engine VALUES (1,2,NULL),(2,1,NULL);\n" +
	"CREATE TABLE empty_json (id INT PRIMARY KEY, j JSON NOT NULL, g INT);\nINSERT IGNORE INTO empty_json (id,g) VALUES (1,1);\nINSERT INTO empty_json VALUES (2,'{}',1);\n" +
	"CREATE TABLE uncs (id INT PRIMARY KEY, c CHAR(3) CHARACTER SET utf16 DEFAULT 'a', v VARCHAR(70) CHARACTER SET ucs2, w LONGTEXT CHARACTER SET utf32, x TINYTEXT CHARACTER SET utf16le, e ENUM('ж','z') CHARACTER SET utf16le, s SET('я','z') CHARACTER SET utf32);\n" +
	"INSERT INTO uncs VALUES (1,'ab ','жук ','😀',' 😀 ','ж','я,z'),(2,' ','','','','z',''),(3,NULL,NULL,NULL,NULL,NULL,NULL);\n"

// TestScanTypes reads every column type of the matrix and compares it with what the log shows of the same rows: the values are
// equal, and the table is the very same one. Neither server nor process keep the time in UTC.
func TestScanTypes(t *testing.T) {
	t.Parallel()
	zone := time.Local
	defer func() { time.Local = zone }()
	time.Local = time.FixedZone("far", 5*3600+1800)
	for _, v := range append([]string{"97 MINIMAL", "maria118 MINIMAL"}, everyServer...) {
		t.Run(v, func(t *testing.T) {
			v, metadata, _ := strings.Cut(v, " ")
			b := newBench(t, servers.MySQLOptions{Version: v, Metadata: metadata, Extra: []string{"--default-time-zone=-07:00", "--max-allowed-packet=64M"}})
			cfg := b.config()
			cfg.OnTruncate, cfg.ExcludeTables = "note", nil
			version := b.query("SELECT VERSION()")
			least := b.typeTables(v, version)
			cfg.Start = "earliest"
			s := scan(t, cfg, true)
			r := s.reader()
			tables, err := s.src.Scannable(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			read := map[string]*pages{}
			for _, table := range tables {
				if len(table.Key) == 0 && !slices.Contains([]string{"prefixed", "nullable_unique", "keyless", "gipk"}, table.Name) {
					t.Errorf("%s has no key", table.Name)
				}
				if table.Name == "keyless" {
					continue // the log does not fold to it by any key
				}
				read[table.Name] = s.read(r, s.chunk(table))
			}
			for _, p := range read { // all that was written is in what the stream shows by then
				s.watch(p.chunks[len(p.chunks)-1].End)
			}
			s.stop()
			compareDescribed(t, cfg, read)
			columns := 0
			for name, p := range read {
				columns += compareScanned(t, name, s.kept, p)
			}
			t.Logf("%d tables with %d columns were compared", len(read), columns)
			if len(read) < least[0] || columns < least[1] {
				t.Errorf("only %d tables with %d columns were compared, not %v", len(read), columns, least)
			}
		})
	}
}

// typeTables makes tables of all types that the server has, and says how many of them with how many columns there are at least.
// Much of the matrix is for later releases of MySQL: what a server does not know is left out.
func (b *bench) typeTables(server, version string) [2]int {
	b.t.Helper()
	pins, scripts := "SET NAMES utf8mb4, time_zone='+03:00', sql_mode=''", []string{typeScript(b.t, "types", version), typeScript(b.t, "tables", version), moreTypes, charsetTables(b.t, b)}
	switch {
	case server == "97" || server == "80":
		b.session(append([]string{pins}, scripts...)...)
		return [2]int{65, 470}
	case b.m.MariaDB():
		scripts = append(scripts, mariadbTypes)
	default:
		for i, script := range scripts { // MySQL 5.7 shows a label up to a zero byte only
			scripts[i] = strings.NewReplacer("'nul\\0'", "'nul'").Replace(script)
		}
	}
	c, err := b.db.Conn(b.t.Context())
	if err != nil {
		b.t.Fatal(err)
	}
	defer c.Close()
	unknown := 0
	for _, statement := range append([]string{pins}, strings.Split(strings.Join(scripts, "\n"), ";\n")...) {
		if _, err := c.ExecContext(b.t.Context(), statement); err != nil {
			if unknown++; unknown > 40 {
				b.t.Fatalf("%.200s: %v", statement, err)
			}
			b.t.Logf("left out: %.100q: %v", statement, err)
		}
	}
	return [2]int{50, 350}
}

// charsetTables makes a table for each character set, with text of all its letters that Unicode's first plane has in common
// with it.
func charsetTables(t testing.TB, b *bench) string {
	t.Helper()
	rows, err := b.db.QueryContext(t.Context(), "SELECT CHARACTER_SET_NAME FROM information_schema.CHARACTER_SETS WHERE CHARACTER_SET_NAME <> 'binary'")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var sql strings.Builder
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			t.Fatal(err)
		}
		table := "cs_" + name
		fmt.Fprintf(&sql, "CREATE TABLE %s (id INT PRIMARY KEY, c CHAR(20), v VARCHAR(300), t TEXT, e ENUM('a','b'), s SET('x','y')) DEFAULT CHARACTER SET %s;\n", table, name)
		fmt.Fprintf(&sql, "INSERT INTO %s VALUES (1,'plain','plain ','','a','x,y'),(2,'','',NULL,NULL,'');\n", table)
		for i, text := range []string{"äöüÄÖÜßéèñçøÆ", "жукЯЙ", "λόγος", "שלום", "سلام", "ไทย", "字典漢字", "かなカナ", "한글", "€„“–…‰", "¥\\~|", "łŁąžšďő", "①㈱纊"} {
			fmt.Fprintf(&sql, "INSERT INTO %s SELECT %d, LEFT(x,20), x, x, 'b', 'y' FROM (SELECT CONVERT('%s' USING %s) AS x) y;\n", table, 3+i, strings.ReplaceAll(text, "\\", "\\\\"), name)
		}
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return sql.String()
}

// compareScanned compares the rows of a table that were read with those that the log leaves, and gives the number of columns.
func compareScanned(t *testing.T, name string, log []*changelog.Batch, p *pages) int {
	t.Helper()
	var last *changelog.Table
	rows := map[string]changelog.Row{}
	keyOf := func(table *changelog.Table, r changelog.Row) string {
		var key []string
		for _, k := range table.Key {
			key = append(key, fmt.Sprintf("%v", r[k]))
		}
		return strings.Join(key, ",")
	}
	for _, b := range log {
		for _, run := range b.Runs {
			if run.Table.Name != name {
				continue
			}
			last = run.Table
			for _, c := range b.Changes[run.From:run.To] {
				if c.Before != nil {
					delete(rows, keyOf(last, c.Before))
				}
				if c.After != nil {
					rows[keyOf(last, c.After)] = c.After
				}
			}
		}
	}
	if len(rows) == 0 && len(p.rows) == 0 && slices.Contains([]string{"orders", "shapes", "documents"}, name) {
		return 0 // their rows were left out
	}
	if last == nil || len(rows) == 0 || len(rows) != len(p.rows) {
		t.Errorf("%s: %d rows were read, the log leaves %d", name, len(p.rows), len(rows))
		return 0
	}
	for i, row := range p.rows {
		if p.tables[i] != last && name != "emoji" { // whose labels the catalogue shows with question marks
			t.Errorf("%s: the table as it was read is another one\n%+v\n%+v", name, *p.tables[i], *last)
			return 0
		}
		want := rows[keyOf(last, row)]
		if want == nil {
			t.Errorf("%s: the row %s is not in the log", name, keyOf(last, row))
			continue
		}
		if name == "composite" { // a column came later: older images lack it
			want = want[:min(len(want), len(row))]
		}
		for j := range want {
			if !row[j].Equal(want[j]) {
				got, want := differing(row[j], want[j])
				t.Errorf("%s row %s column %s: read %s, logged %s", name, keyOf(last, row), last.Columns[j].Name, got, want)
			}
		}
	}
	return len(last.Columns)
}

// differing shows two values from where they differ.
func differing(a, b changelog.Value) (string, string) {
	p, q, i := a.Bytes(), b.Bytes(), 0
	for i < min(len(p), len(q)) && p[i] == q[i] {
		i++
	}
	i = max(i-20, 0)
	return fmt.Sprintf("kind %v %d bytes …%.100q (%d)", a.Kind(), len(p), p[min(i, len(p)):], a.Int()), fmt.Sprintf("kind %v %d bytes …%.100q (%d)", b.Kind(), len(q), q[min(i, len(q)):], b.Int())
}
