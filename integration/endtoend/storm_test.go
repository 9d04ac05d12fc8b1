package endtoend

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"cdcbridge/integration/harness"
	"cdcbridge/integration/servers"
)

// storm is a database whose tables change their shape all the time. What a row of a topic must look like is in the row itself:
//
//   - the column "shape" has the names of the table's columns as of the statement that wrote the row, which no other statement
//     can change while that one's transaction goes on;
//   - each column has a number that stays with it whatever else becomes of it, in its name and in its values.
type storm struct {
	*mysqlDatabase
	partial bool           // rows are logged in part, so only such statements as the log's readers can be behind of
	numbers int            // of columns so far
	ran     map[string]int // statements that were run, by kind
	refused map[string]int // and those that the server refused, by reason
	r       *rand.Rand     // of the one who runs them
}

// stormTables are captured and written to.
var stormTables = []string{"wide", "narrow", "made"}

func newStorm(t *testing.T, my *servers.MySQL, seed uint64) (*storm, *bench) {
	t.Helper()
	m := newMySQLDatabase(t, my, "storm")
	s := &storm{mysqlDatabase: m, ran: map[string]int{}, refused: map[string]int{}, r: rand.New(rand.NewPCG(seed, 9))}
	b := &bench{database: s, conn: m.db, name: m.name, load: &workload{db: m.db, writer: s, reconnect: 15}}
	b.load.each = s.change
	b.exec(t, "CREATE DATABASE storm CHARACTER SET utf8mb4", "CREATE DATABASE elsewhere", "CREATE TABLE storm.uncaptured (id INT PRIMARY KEY, v INT)")
	for _, table := range stormTables {
		b.exec(t, s.create("storm."+table))
	}
	return s, b
}

func (s *storm) tables() (out []table) {
	for _, name := range stormTables {
		out = append(out, table{s.name, name})
	}
	return out
}

func (s *storm) changes(context.Context) (map[string][]change, error) {
	return loggedChanges(s.my, s.tables())
}

func (s *storm) session() string { return s.mysqlDatabase.session() + ", lock_wait_timeout=10" }

// refusals are what the server answers to statements that meet each other; nothing has happened then.
var refusals = []uint16{
	1205, 1213, // lock waits and deadlocks
	1062,       // duplicate keys
	1020, 1412, // the row, or the table's definition, is newer than the transaction
	1054, 1091, 1146, // a column, a key or a table that is not there (any more)
	1118, 1117, // rows are too long, or have too many columns
	1845, 1846, 4092, // not in that way (ALGORITHM)
	1034, // rows were written while it copied them; MySQL 5.7 and MariaDB 11.8 take them for damage now and then
}

func (s *storm) retryable(err error) bool {
	var e *mysql.MySQLError
	return errors.As(err, &e) && slices.Contains(refusals, e.Number)
}

// shapeOf reads the columns of a table in order. The caller has touched the table in its transaction.
func shapeOf(ctx context.Context, q interface {
	QueryContext(context.Context, string, ...any) (*sql.Rows, error)
}, schema, table string) (shape, error) {
	rows, err := q.QueryContext(ctx, "SELECT column_name, column_type, extra, is_nullable = 'YES' FROM information_schema.columns WHERE table_schema = ? AND table_name = ? ORDER BY ordinal_position", schema, table)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out shape
	for rows.Next() {
		var c stormColumn
		if err := rows.Scan(&c.name, &c.full, &c.extra, &c.nullable); err != nil {
			return nil, err
		}
		c.kind, c.number = tagOf(c.name)
		out = append(out, c)
	}
	return out, rows.Err()
}

// change writes a few rows of one table in a transaction.
func (s *storm) change(ctx context.Context, conn *sql.Conn, r *rand.Rand) error {
	tx, err := conn.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }()
	table := stormTables[r.IntN(len(stormTables))]
	if _, err := tx.ExecContext(ctx, "SELECT 1 FROM storm."+table+" WHERE id < 0"); err != nil { // it keeps its shape from here on
		return err
	}
	now, err := shapeOf(ctx, tx, "storm", table)
	if err != nil {
		return err
	}
	for i := range 1 + r.IntN(4) {
		savepoint := r.IntN(10) == 0
		if savepoint {
			if _, err := tx.ExecContext(ctx, fmt.Sprintf("SAVEPOINT s%d", i)); err != nil {
				return err
			}
		}
		if _, err := tx.ExecContext(ctx, now.write(r, "storm."+table)); err != nil {
			return err
		}
		if savepoint {
			if _, err := tx.ExecContext(ctx, fmt.Sprintf("ROLLBACK TO SAVEPOINT s%d", i)); err != nil {
				return err
			}
		}
	}
	if r.IntN(10) == 0 {
		return tx.Rollback()
	}
	return tx.Commit()
}

// rewrite writes every row once more, in the last shape.
func (s *storm) rewrite(t *testing.T) {
	t.Helper()
	for _, table := range stormTables {
		now, err := shapeOf(t.Context(), s.db, "storm", table)
		if err == nil {
			_, err = s.db.ExecContext(t.Context(), fmt.Sprintf("UPDATE storm.%s SET n = n + 1, shape = %s", table, now.literal()))
		}
		if err != nil {
			t.Fatalf("rewriting %s: %v", table, err)
		}
	}
}

// rage runs statements of all kinds, one after the other, until the returned function is called.
func (s *storm) rage(t *testing.T, pause time.Duration) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := s.statements(ctx, pause); err != nil && ctx.Err() == nil {
			t.Errorf("storm: %v", err)
		}
	}()
	return func() { cancel(); <-done }
}

func (s *storm) statements(ctx context.Context, pause time.Duration) error {
	kinds := s.kinds()
	for {
		for _, i := range s.r.Perm(len(kinds)) {
			conn, err := s.db.Conn(ctx)
			if err != nil {
				return err
			}
			err = s.strike(ctx, conn, kinds[i])
			_ = conn.Raw(func(any) error { return driver.ErrBadConn }) // its locks, its database and its mode go with it
			if err != nil {
				return fmt.Errorf("%s: %w", kinds[i].name, err)
			}
			select {
			case <-ctx.Done():
				return nil
			case <-time.After(pause):
			}
		}
	}
}

// strike runs the statements of one kind on one table. What is begun is brought to its end when the test ends meanwhile.
func (s *storm) strike(ctx context.Context, conn *sql.Conn, k stormKind) error {
	ctx = context.WithoutCancel(ctx)
	table := stormTables[s.r.IntN(len(stormTables))]
	settings := []string{s.session(), oneOf("USE storm", "USE elsewhere")(s.r)}
	if s.my.Version() == "maria118" {
		// An ALTER TABLE that copies the table while others write to it loses rows in this release, and nothing in the log tells of
		// them: the row was updated just before, no statement deletes it, and the table lacks it.
		settings = append(settings, "SET SESSION old_mode = 'LOCK_ALTER_TABLE_COPY'")
	}
	for _, sql := range settings {
		if _, err := conn.ExecContext(ctx, sql); err != nil {
			return err
		}
	}
	now, err := shapeOf(ctx, conn, "storm", table)
	if err != nil || len(now) == 0 {
		return fmt.Errorf("%s has %d columns: %w", table, len(now), err)
	}
	b := &bolt{storm: s, ctx: ctx, conn: conn, table: table, ref: "storm." + table, now: now}
	k.run(b)
	if b.err == nil && b.count > 0 {
		s.ran[k.name]++
	}
	if s.retryable(b.err) {
		s.refused[fmt.Sprintf("%s: %v", k.name, b.err)]++
		return b.mend()
	}
	return b.err
}

func TestDDLStorm(t *testing.T) {
	t.Parallel()
	kafka := servers.KafkaFor(t, servers.KafkaOptions{})
	for _, version := range harness.Longer([]string{"97", "maria1011"}, servers.MySQLVersions) {
		for _, partial := range harness.Longer([]bool{false}, []bool{false, true}) {
			name := version
			if partial {
				name += "-partial"
			}
			t.Run(name, func(t *testing.T) { raiseStorm(t, kafka, version, "storm"+name, partial) })
		}
	}
}

func raiseStorm(t *testing.T, kafka *servers.Kafka, version, name string, partial bool) {
	my := servers.MySQLFor(t, servers.MySQLOptions{Version: version})
	s, b := newStorm(t, my, harness.FreshSeed(t))
	s.partial = partial
	b.load.pause = 10 * time.Millisecond
	stop := s.rage(t, 30*time.Millisecond)
	killLoop(t, kafka, b, setup{
		name: name, source: ", on_truncate: note",
		disturb: func(t *testing.T, r *rand.Rand) {
			logs(t, s.mysqlDatabase, oneOf(metadatas(my)...)(r), map[bool]string{false: "FULL", true: "MINIMAL"}[partial])
			if r.IntN(3) == 0 {
				b.exec(t, "FLUSH BINARY LOGS")
			}
		},
		finish: func(t *testing.T) map[string]any {
			stop()
			s.rewrite(t)
			return map[string]any{"statements": s.ran}
		},
	}, harness.Longer(8, 100))
	for _, table := range s.tables() {
		s.checkRecords(t, kafka.Brokers(), name, table)
	}
	t.Logf("%d kinds: %v", len(s.ran), s.ran)
	for _, reason := range slices.Sorted(maps.Keys(s.refused)) {
		t.Logf("refused %d times: %s", s.refused[reason], strings.ReplaceAll(reason, "\n", " "))
	}
	if want := 30; len(s.ran) < want && !partial {
		t.Errorf("%d kinds of statement were run, want %d", len(s.ran), want)
	}
}
