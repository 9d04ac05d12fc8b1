package mysqlsource

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	driver "github.com/go-sql-driver/mysql"

	"cdcbridge/changelog"
	"cdcbridge/integration/servers"
)

// images are the settings that leave values out of rows, as statements for a session.
var images = []string{
	"SET binlog_row_image=FULL, binlog_row_value_options=''", "SET binlog_row_image=MINIMAL, binlog_row_value_options=''", "SET binlog_row_image=NOBLOB, binlog_row_value_options=''",
	"SET binlog_row_image=FULL, binlog_row_value_options=PARTIAL_JSON", "SET binlog_row_image=MINIMAL, binlog_row_value_options=PARTIAL_JSON", "SET binlog_row_image=NOBLOB, binlog_row_value_options=PARTIAL_JSON",
}

// imagesOf are those that a server has.
func imagesOf(version string) []string {
	if version != "57" && !strings.HasPrefix(version, "maria") {
		return images
	}
	var out []string
	for _, s := range images[:3] {
		out = append(out, strings.TrimSuffix(s, ", binlog_row_value_options=''"))
	}
	if version == "maria118" {
		out = append(out, "SET binlog_row_image=FULL_NODUP")
	}
	return out
}

// TestImagesOfAllTypes changes one column of every type at a time, with every kind of image: what the log left out is read
// from the table, or taken from the old row.
func TestImagesOfAllTypes(t *testing.T) {
	t.Parallel()
	for _, v := range everyServer {
		t.Run(v, func(t *testing.T) {
			b := newBench(t, servers.MySQLOptions{Version: v})
			columns := []string{"id INT PRIMARY KEY", "n INT NOT NULL DEFAULT 7", "g INT AS (n+1) STORED", "w INT AS (n+2) VIRTUAL", "body LONGTEXT", "j JSON"}
			for i, typ := range types {
				columns = append(columns, fmt.Sprintf("c%d %s NULL", i, typ.SQL))
			}
			b.exec("CREATE TABLE t ("+strings.Join(columns, ",")+")", "CREATE TABLE done (id INT PRIMARY KEY)")
			cfg := b.config()
			f := newFolded(t)
			id := 0
			for _, image := range imagesOf(v) {
				statements := []string{image}
				for i, typ := range types {
					id++
					statements = append(statements, fmt.Sprintf("INSERT INTO t (id, c%d) VALUES (%d, %s)", i, id, typ.Literal),
						fmt.Sprintf("UPDATE t SET n=n+1, body=REPEAT('b',%d) WHERE id=%d", 10*i, id), fmt.Sprintf("UPDATE t SET c%d=%s, n=n+1 WHERE id=%d", (i+1)%len(types), types[(i+1)%len(types)].Literal, id),
						fmt.Sprintf(`UPDATE t SET j='{"a": "%s", "b": 1}' WHERE id=%d`, strings.Repeat("x", 200), id), fmt.Sprintf("UPDATE t SET j=JSON_SET(j,'$.b',%d) WHERE id=%d", i, id),
						fmt.Sprintf("UPDATE t SET c%d=NULL WHERE id=%d", i, id))
					switch i % 4 {
					case 0:
						statements = append(statements, fmt.Sprintf("UPDATE t SET id=id+100000 WHERE id=%d", id))
					case 1:
						statements = append(statements, fmt.Sprintf("DELETE FROM t WHERE id=%d", id))
					}
				}
				b.session(statements...)
			}
			b.exec("INSERT INTO done VALUES (1)")
			if err := f.stream(cfg, func() bool { return f.has("done", 1) }); err != nil {
				t.Fatal(err)
			}
			f.equalsTables(cfg)
			restartEverywhere(t, b, f)
			if f.fills[changelog.Reread] == 0 || f.fills[changelog.Gone] == 0 || f.fills[changelog.Logged] == 0 {
				t.Errorf("fills %v, operations %v", f.fills, f.ops)
			}
		})
	}
}

// restartEverywhere streams the same log again in small batches, and begins anew after each of the first ones and now and then
// after the others, some of which end within a transaction.
func restartEverywhere(t *testing.T, b *bench, whole *folded) {
	t.Helper()
	cfg, f := b.config(), newFolded(t)
	cfg.BatchBytes = 4 << 10
	for !f.has("done", 1) {
		batches, most := 0, 1
		if f.stops > 30 {
			most = 50
		}
		if err := f.stream(cfg, func() bool { batches++; return batches == most || f.has("done", 1) }); err != nil {
			t.Fatal(err)
		}
	}
	f.equalsTables(cfg)
	for op, n := range whole.ops {
		if f.ops[op] != n {
			t.Errorf("%d times %s, and %d without restarts", f.ops[op], op, n)
		}
	}
}

// keyTypes are types of keys, with the values that their rows take in turn. The text has values that are equal to the server
// and not to us, and one (cp932) whose bytes its characters do not give back.
var keyTypes = []struct {
	name, columns string
	values        []string
}{
	{"ints", "k INT UNSIGNED, PRIMARY KEY (k)", []string{"0", "1", "4294967295", "77", "500"}},
	{"texts", "k VARCHAR(20) CHARACTER SET utf8mb4, PRIMARY KEY (k)", []string{"'a'", "'A'", "'ä'", "'b '", "'☃'", "''"}},
	{"latins", "k CHAR(5) CHARACTER SET latin1, PRIMARY KEY (k)", []string{"'a'", "'Ä'", "'ß'", "''", "'zz'"}},
	{"gbks", "k VARCHAR(5) CHARACTER SET gbk, PRIMARY KEY (k)", []string{"'a'", "'中'", "'文'", "''", "'zz'"}},
	{"utf3s", "k VARCHAR(5) CHARACTER SET utf8, PRIMARY KEY (k)", []string{"'a'", "'中'", "'é'", "''", "'zz'"}},
	{"utf16s", "k VARCHAR(5) CHARACTER SET utf16 COLLATE utf16_bin, PRIMARY KEY (k)", []string{"'a'", "'A'", "'☃'", "''", "'zz'"}},
	{"cp932s", "k CHAR(5) CHARACTER SET cp932 COLLATE cp932_bin, PRIMARY KEY (k)", []string{"'a'", "x'8790'", "''", "'表'"}},
	{"decimals", "k DECIMAL(10,2), PRIMARY KEY (k)", []string{"0", "-1.5", "99999999.99", "7", "0.01"}},
	{"binaries", "k BINARY(4), PRIMARY KEY (k)", []string{"x'00'", "x'0001'", "x'ffffffff'", "'a'", "x''", "x'61000001'"}},
	{"varbinaries", "k VARBINARY(8), PRIMARY KEY (k)", []string{"x'00'", "x'0000'", "x'ff'", "'a'", "''"}},
	{"dates", "k DATE, PRIMARY KEY (k)", []string{"'2024-05-06'", "'1000-01-01'", "'9999-12-31'", "'0000-00-00'", "'2024-00-00'"}},
	{"times", "k TIME(3), PRIMARY KEY (k)", []string{"'00:00:00'", "'-838:59:59.000'", "'12:13:14.567'", "'-00:00:00.5'"}},
	{"datetimes", "k DATETIME(6), PRIMARY KEY (k)", []string{"'2024-05-06 07:08:09.123456'", "'0000-00-00'", "'1000-01-01 00:00:00'", "'2024-05-06'"}},
	{"timestamps", "k TIMESTAMP(3) NOT NULL DEFAULT '2020-01-01', PRIMARY KEY (k)", []string{"'2024-05-06 07:08:09.123'", "'2037-01-01'", "'1971-01-01 00:00:00'", "'2024-05-06'"}},
	{"years", "k YEAR, PRIMARY KEY (k)", []string{"2024", "0", "1901", "2155"}},
	{"enums", "k ENUM('x','☃','7'), PRIMARY KEY (k)", []string{"'x'", "'☃'", "'7'"}},
	{"sets", "k SET('a','b','c'), PRIMARY KEY (k)", []string{"''", "'a'", "'a,c'", "'b'"}},
	{"bits", "k BIT(10), PRIMARY KEY (k)", []string{"b'0'", "b'1000000001'", "b'11'"}},
	{"floats", "k FLOAT, PRIMARY KEY (k)", []string{"1.1", "0", "-3.4e38", "16777216"}},
	{"doubles", "k DOUBLE, PRIMARY KEY (k)", []string{"0.1", "-0.1", "1.7e308", "3"}},
	{"pairs", "k ENUM('x','y'), l VARCHAR(10) CHARACTER SET latin1, m INT DEFAULT 3, PRIMARY KEY (l,k,m)", []string{"'x'", "'y'"}},
	{"prefixes", "k TEXT, PRIMARY KEY (k(4))", []string{"'abcdefgh'", "'abXX'", "'ABCDzzzz'", "'qq'"}},
	{"promoted", "k INT NOT NULL, UNIQUE KEY (k)", []string{"1", "2", "3", "4"}},
}

// TestImagesRace writes to tables with keys of every type from several connections at once: rows are inserted, updated, moved to
// other keys, deleted and inserted again, with images that each session changes now and then. A stream that is stopped and
// started again all the time must end with what the tables hold.
func TestImagesRace(t *testing.T) {
	t.Parallel()
	for _, v := range everyServer {
		t.Run(v, func(t *testing.T) {
			b := newBench(t, servers.MySQLOptions{Version: v})
			b.exec("SET SESSION sql_mode=''", "CREATE TABLE done (id INT PRIMARY KEY)")
			for _, k := range keyTypes {
				b.session("SET sql_mode=''", "CREATE TABLE "+k.name+" ("+k.columns+", n INT DEFAULT 5, s VARCHAR(30) DEFAULT 'd', body LONGTEXT, j JSON, g INT AS (n+1) VIRTUAL)")
			}
			if !strings.HasPrefix(v, "maria") {
				b.exec("SET GLOBAL binlog_group_commit_sync_delay=2000") // for two milliseconds all see a transaction in the log only
			}
			cfg := b.config()
			cfg.BatchBytes = 16 << 10
			f := newFolded(t)
			seed := rand.Uint64()
			t.Logf("seed %d", seed)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			const writers = 4
			ended := make(chan error, writers)
			for w := range writers {
				rw := &rowWriter{rnd: rand.New(rand.NewPCG(seed, uint64(w))), db: b.db, images: imagesOf(v), name: fmt.Sprint(w), xa: w == 0}
				go func() { ended <- rw.run(ctx, 250) }()
			}
			var failed error
			go func() {
				var errs []error
				for range writers {
					errs = append(errs, <-ended)
				}
				_, err := b.db.ExecContext(ctx, "INSERT INTO done VALUES (1)")
				if failed = errors.Join(append(errs, err)...); failed != nil {
					cancel()
				}
			}()
			rnd := rand.New(rand.NewPCG(seed, 99))
			for !f.has("done", 1) && ctx.Err() == nil {
				enough := deadline(time.Duration(rnd.IntN(300)) * time.Millisecond)
				if err := f.stream(cfg, func() bool { return enough() || f.has("done", 1) }); err != nil {
					t.Fatal(err)
				}
			}
			if ctx.Err() != nil {
				t.Fatal(failed)
			}
			f.equalsTables(cfg)
			t.Logf("%d stops, fills %v, operations %v", f.stops, f.fills, f.ops)
			if f.fills[changelog.Reread] < 100 || f.fills[changelog.Logged] < 100 || f.stops < 5 {
				t.Error("that is too little")
			}
		})
	}
}

// rowWriter changes rows of the tables of keyTypes over one connection.
type rowWriter struct {
	rnd    *rand.Rand
	db     *sql.DB
	images []string
	name   string
	xa     bool
}

func (w *rowWriter) run(ctx context.Context, transactions int) error {
	c, err := w.db.Conn(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = c.Raw(func(any) error { return sql.ErrConnDone }); _ = c.Close() }()
	exec := func(statement string) error {
		_, err := c.ExecContext(ctx, statement)
		if err != nil {
			return fmt.Errorf("%s: %w", statement, err)
		}
		return nil
	}
	if err := exec("SET SESSION sql_mode='', time_zone='+00:00'"); err != nil {
		return err
	}
	for n := range transactions {
		if n%8 == 0 {
			if err := exec(w.images[w.rnd.IntN(len(w.images))]); err != nil {
				return err
			}
		}
		begin, end := []string{"BEGIN"}, []string{"COMMIT"}
		if id := fmt.Sprintf("'%s-%d'", w.name, n); w.xa && n%3 == 0 {
			begin, end = []string{"XA START " + id}, []string{"XA END " + id, "XA PREPARE " + id, "XA COMMIT " + id}
		} else if w.rnd.IntN(10) == 0 {
			end = []string{"ROLLBACK"}
		}
		var all []string
		for range 1 + w.rnd.IntN(4) {
			all = append(all, w.statement())
		}
		for _, s := range append(append(begin, all...), end...) {
			err := exec(s)
			var e *driver.MySQLError
			if errors.As(err, &e) && (e.Number == 1062 || e.Number == 1022) {
				continue // the key is taken; the transaction goes on
			}
			if errors.As(err, &e) && (e.Number == 1213 || e.Number == 1205 || e.Number == 1614 || e.Number == 1402) {
				_ = exec("ROLLBACK") // which is refused within an XA transaction
				if id, ok := strings.CutPrefix(begin[0], "XA START "); ok {
					_ = exec("XA END " + id)
					_ = exec("XA ROLLBACK " + id)
				}
				break
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// statement makes one that changes a row, or none.
func (w *rowWriter) statement() string {
	k := keyTypes[w.rnd.IntN(len(keyTypes))]
	value := func() string { return k.values[w.rnd.IntN(len(k.values))] }
	columns, values, where := "k", value(), "k="+value()
	if k.name == "pairs" {
		columns, values, where = "k,l,m", values+",'"+string(rune('a'+w.rnd.IntN(3)))+"',"+fmt.Sprint(w.rnd.IntN(2)), where+fmt.Sprintf(" AND m=%d", w.rnd.IntN(2))
	}
	doc := fmt.Sprintf(`'{"a": "%s", "b": %d, "c": [1,2]}'`, strings.Repeat("y", 150), w.rnd.IntN(100))
	switch w.rnd.IntN(12) {
	case 0, 1:
		return fmt.Sprintf("INSERT INTO %s (%s) VALUES (%s)", k.name, columns, values)
	case 2, 3:
		return fmt.Sprintf("INSERT INTO %s (%s,n,body,j) VALUES (%s,%d,REPEAT('x',%d),%s)", k.name, columns, values, w.rnd.IntN(100), w.rnd.IntN(5000), doc)
	case 4:
		return fmt.Sprintf("REPLACE INTO %s (%s,s) VALUES (%s,'r%d')", k.name, columns, values, w.rnd.IntN(100))
	case 5:
		return fmt.Sprintf("INSERT INTO %s (%s,s) VALUES (%s,'i') ON DUPLICATE KEY UPDATE n=n+1", k.name, columns, values)
	case 6:
		return fmt.Sprintf("UPDATE %s SET n=n+1 WHERE %s", k.name, where)
	case 7:
		return fmt.Sprintf("UPDATE %s SET j=JSON_SET(j,'$.b',%d) WHERE %s", k.name, w.rnd.IntN(1000), where)
	case 8:
		return fmt.Sprintf("UPDATE %s SET body=REPEAT('z',%d), j=%s WHERE %s", k.name, w.rnd.IntN(300), doc, where)
	case 9:
		return fmt.Sprintf("UPDATE IGNORE %s SET k=%s WHERE %s LIMIT 1", k.name, value(), where)
	case 10:
		return fmt.Sprintf("UPDATE IGNORE %s SET k=%s, s='moved' WHERE %s LIMIT 1", k.name, value(), where)
	}
	return fmt.Sprintf("DELETE FROM %s WHERE %s", k.name, where)
}
