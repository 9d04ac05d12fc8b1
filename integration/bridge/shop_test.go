package bridge

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5/pgconn"

	"cdcbridge/integration/harness"
	"cdcbridge/integration/servers"
)

// kind says how texts of a column's values are compared.
type kind int

const (
	whole kind = iota // integers, and booleans as 0 and 1
	decimal
	date
	moment // date and time without zone
	text
)

// column is one column of a table.
type column struct {
	name string
	kind kind
	key  bool
}

// table is one that is written to.
type table struct {
	name    string
	columns []column
}

var (
	customers = table{"customers", []column{{"id", whole, true}, {"name", text, false}, {"balance", decimal, false}, {"born", date, false},
		{"seen", moment, false}, {"vip", whole, false}, {"note", text, false}}}
	items = table{"items", []column{{"region", text, true}, {"code", whole, true}, {"qty", whole, false}, {"price", decimal, false}}}
	tags  = table{"tags", []column{{"name", text, true}, {"n", whole, false}, {"label", text, false}}}
	done  = table{"done", []column{{"n", whole, true}}}

	tables = []table{customers, items, tags, done}
)

// shop is a database with these tables, on one server of either kind, and those who write to it.
type shop struct {
	db     *sql.DB
	mysql  *servers.MySQL // nil: PostgreSQL
	schema string         // of the tables
	added  atomic.Int32   // columns of tags, see widen

	gate      sync.RWMutex // held by transactions for reading
	committed atomic.Int64
	serial    atomic.Int64 // makes the rows that are written differ from each other, as rows of a table in use do
	steps     int          // rows of done
}

func newMySQLShop(t *testing.T, my *servers.MySQL, name string) *shop {
	t.Helper()
	db, err := my.DB(name)
	if err != nil {
		t.Fatal(err)
	}
	return newShop(t, &shop{db: db, mysql: my, schema: name})
}

func newPostgresShop(t *testing.T, pg *servers.Postgres) *shop {
	t.Helper()
	db, err := pg.DB("shop")
	if err != nil {
		t.Fatal(err)
	}
	return newShop(t, &shop{db: db, schema: "public"})
}

func newShop(t *testing.T, s *shop) *shop {
	t.Helper()
	t.Cleanup(func() { _ = s.db.Close() })
	moment := "timestamp(6)"
	if s.mysql != nil {
		moment = "DATETIME(6)"
	}
	s.exec(t,
		"CREATE TABLE customers (id BIGINT PRIMARY KEY, name VARCHAR(40) NOT NULL, balance DECIMAL(12,2) NOT NULL, born DATE, seen "+moment+", vip BOOLEAN NOT NULL, note TEXT)",
		"CREATE TABLE items (region CHAR(2) NOT NULL, code INT NOT NULL, qty INT NOT NULL, price DECIMAL(10,2), PRIMARY KEY (code, region))",
		"CREATE TABLE tags (name VARCHAR(20) PRIMARY KEY, n INT NOT NULL, label VARCHAR(20))",
		"CREATE TABLE done (n INT PRIMARY KEY)")
	return s
}

func (s *shop) exec(t *testing.T, statements ...string) {
	t.Helper()
	for _, text := range statements {
		if _, err := s.db.ExecContext(t.Context(), text); err != nil {
			t.Fatalf("%.300s: %v", text, err)
		}
	}
}

// step puts one more row into done, behind all that is committed.
func (s *shop) step(t *testing.T) int {
	t.Helper()
	s.steps++
	s.exec(t, fmt.Sprintf("INSERT INTO done VALUES (%d)", s.steps))
	return s.steps
}

// write commits n random transactions (n < 0: until ctx ends), over one connection. It rests after each that changed rows.
func (s *shop) write(ctx context.Context, seed uint64, n int, rest func()) error {
	r := rand.New(rand.NewPCG(seed, 3))
	conn, err := s.db.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	if s.mysql != nil {
		if _, err := conn.ExecContext(ctx, "SET SESSION innodb_lock_wait_timeout = 5"); err != nil {
			return err
		}
	}
	for k := 0; k != n && ctx.Err() == nil; {
		s.gate.RLock()
		changed, err := s.transaction(context.WithoutCancel(ctx), conn, r)
		s.gate.RUnlock()
		switch {
		case err == nil:
			k++
			s.committed.Add(1)
			if changed {
				rest()
			}
		case !collision(err):
			return err
		}
	}
	return nil
}

// during lets some connections write until the returned function is called.
func (s *shop) during(t *testing.T, seed uint64, connections int, rest func()) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for i := range connections {
		wg.Go(func() {
			if err := s.write(ctx, seed+uint64(i), -1, rest); err != nil {
				t.Errorf("writing to the shop: %v", err)
			}
		})
	}
	var once sync.Once
	stop = func() { once.Do(func() { cancel(); wg.Wait() }) }
	t.Cleanup(stop)
	return stop
}

func shortly() { time.Sleep(harness.Longer[time.Duration](10, 60) * time.Millisecond) }

// collision tells what random writers do to each other: duplicate keys, deadlocks, waits for locks.
func collision(err error) bool {
	var m *mysql.MySQLError
	var p *pgconn.PgError
	return errors.As(err, &m) && (m.Number == 1062 || m.Number == 1213 || m.Number == 1205) || errors.As(err, &p) && (p.Code == "23505" || p.Code == "40P01" || p.Code == "21000")
}

func (s *shop) transaction(ctx context.Context, conn *sql.Conn, r *rand.Rand) (changed bool, err error) {
	tx, err := conn.BeginTx(ctx, nil)
	if err != nil {
		return false, err
	}
	defer func() { _ = tx.Rollback() }()
	for _, of := range r.Perm(len(writes))[:1+r.IntN(len(writes))] {
		for _, text := range writes[of](s, r) {
			result, err := tx.ExecContext(ctx, text)
			if err != nil {
				return false, err
			}
			rows, err := result.RowsAffected()
			if err != nil {
				return false, err
			}
			changed = changed || rows > 0
		}
	}
	if r.IntN(12) == 0 {
		return false, tx.Rollback()
	}
	return changed, tx.Commit()
}

// How many keys there are: few, so that they come again and again.
const (
	ids   = 60
	codes = 40
	names = 12
)

var texts = []string{"NULL", "''", "'plain'", "'it''s'", "'☃ 😀'", "'tab\tand \"quotes\"'", "'null'", "'ä line\nbreak'"}

func pick(r *rand.Rand, of ...string) string { return of[r.IntN(len(of))] }

// writes make statements that belong together, one for each table. Of a transaction no row is inserted and gets another key: where partitions have no order,
// nobody can tell what came first, the row that is inserted or one that just went away.
var writes = []func(*shop, *rand.Rand) []string{(*shop).writeCustomers, (*shop).writeItems, (*shop).writeTags}

func (s *shop) writeCustomers(r *rand.Rand) []string {
	id := r.IntN(ids)
	switch r.IntN(7) {
	case 0, 1, 2:
		return []string{s.upsert("customers", "id", s.customer(r, id), s.customer(r, ids-1-id))}
	case 3:
		return []string{fmt.Sprintf("UPDATE customers SET balance = balance + 1.5, note = %s WHERE id BETWEEN %d AND %d", pick(r, texts...), id, r.IntN(ids))}
	case 4:
		return []string{fmt.Sprintf("DELETE FROM customers WHERE id = %d", id)}
	case 5: // the key changes
		return []string{fmt.Sprintf("UPDATE customers SET id = %d, name = 'moved %d' WHERE id = %d", r.IntN(ids), s.serial.Add(1), id)}
	default: // a row goes and comes again
		return []string{fmt.Sprintf("DELETE FROM customers WHERE id = %d", id), "INSERT INTO customers VALUES " + s.customer(r, id)}
	}
}

func (s *shop) writeItems(r *rand.Rand) []string {
	switch r.IntN(3) {
	case 0:
		return []string{s.upsert("items", "code, region", s.item(r, 0), s.item(r, 1), s.item(r, 2))}
	case 1:
		return []string{fmt.Sprintf("DELETE FROM items WHERE code >= %d", codes+r.IntN(codes))}
	default: // the keys of several rows change
		return []string{fmt.Sprintf("UPDATE items SET code = code + %d, qty = %d WHERE code BETWEEN %d AND %d", codes, s.serial.Add(1), r.IntN(codes), r.IntN(codes))}
	}
}

func (s *shop) writeTags(r *rand.Rand) []string {
	if r.IntN(2) == 0 {
		return []string{s.upsert("tags", "name", fmt.Sprintf("('%s', %d, %s%s)", tag(r), s.serial.Add(1), pick(r, "NULL", "'a'", "'b'"), strings.Repeat(", 7", int(s.added.Load()))))}
	}
	n := r.IntN(names)
	a, b := fmt.Sprint("tag ", n), fmt.Sprint("tag ", (n+1+r.IntN(names-1))%names) // change places, if both are there
	rename := func(from, to, other string) string {
		return fmt.Sprintf("UPDATE tags SET name = '%s', n = %d WHERE name = '%s' AND EXISTS (SELECT 1 FROM (SELECT name FROM tags) AS others WHERE name = '%s')", to, s.serial.Add(1), from, other)
	}
	return []string{rename(a, "between", b), rename(b, a, "between"), rename("between", b, a)}
}

func tag(r *rand.Rand) string { return fmt.Sprintf("tag %d", r.IntN(names)) }

func (s *shop) item(r *rand.Rand, residue int) string {
	return fmt.Sprintf("('%s', %d, %d, %s)", pick(r, "eu", "us", "☃1"), r.IntN(codes/3)*3+residue, s.serial.Add(1), pick(r, "NULL", "1.00", "0.10", "99999999.99", "-3.25"))
}

func (s *shop) customer(r *rand.Rand, id int) string {
	return fmt.Sprintf("(%d, 'name %d', %d.%02d, %s, %s, %s, %s)", id, s.serial.Add(1), r.IntN(2000)-1000, r.IntN(100), pick(r, "NULL", "'2024-02-29'", "'1969-12-31'"),
		pick(r, "NULL", "'2024-05-06 07:08:09.123456'", "'2024-05-06 07:08:09'", "'1999-12-31 23:59:59.1'"), pick(r, "true", "false"), pick(r, texts...))
}

// upsert is an insert that overwrites the rows that are there.
func (s *shop) upsert(table, key string, rows ...string) string {
	text := fmt.Sprintf("INSERT INTO %s VALUES %s", table, strings.Join(rows, ", "))
	var set []string
	for _, t := range tables {
		for _, c := range t.columns {
			if t.name != table || c.key {
				continue
			}
			if s.mysql != nil {
				set = append(set, fmt.Sprintf("%[1]s = VALUES(%[1]s)", c.name))
			} else {
				set = append(set, fmt.Sprintf("%[1]s = EXCLUDED.%[1]s", c.name))
			}
		}
	}
	if s.mysql != nil {
		return text + " ON DUPLICATE KEY UPDATE " + strings.Join(set, ", ")
	}
	return text + " ON CONFLICT (" + key + ") DO UPDATE SET " + strings.Join(set, ", ")
}

// widen gives tags one more column. Nobody writes meanwhile, and quiet is called before, for Canal asks the server what the columns are when it meets a
// row of a table that it has not seen.
func (s *shop) widen(t *testing.T, quiet func()) {
	t.Helper()
	s.gate.Lock()
	defer s.gate.Unlock()
	quiet()
	s.exec(t, "ALTER TABLE tags ADD COLUMN added INT")
	s.added.Store(1)
}
