package endtoend

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"cdcbridge/integration/harness"
	"cdcbridge/integration/servers"
)

// sideRun is a pipeline that writes everything beside its rows, and what was done to its database.
type sideRun struct {
	name    string
	db      *sql.DB
	source  string // section of the source
	options string // more options of the format
	kafka   *servers.Kafka

	ddl      []string // statements that define, in their order
	messages []string // contents of messages, in the order in which they were given
	truncate int      // how often the table was truncated
}

func (s *sideRun) yaml() string {
	return fmt.Sprintf(`
kafka: {brokers: [%s], topics: {partitions: 1}}
pipelines:
  - name: %s
    source: {%s, on_truncate: note, batch_bytes: 32KiB}
    commit: {max_bytes: 1KiB}
    snapshot: {mode: never}
    format: debezium-json
    mode: changelog
    topic: "{pipeline}.{table}"
    options: {provide_transaction_metadata: true, heartbeat_interval_ms: 300, skipped_operations: none%s}
`, strings.Join(s.kafka.Brokers(), ", "), s.name, s.source, s.options)
}

func (s *sideRun) exec(t *testing.T, statements ...string) {
	t.Helper()
	for _, text := range statements {
		if _, err := s.db.ExecContext(t.Context(), text); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
	}
}

func (s *sideRun) define(t *testing.T, statement string) {
	s.exec(t, statement)
	s.ddl = append(s.ddl, statement)
}

// insert puts n rows into the tables t and u in one transaction, and gives more statements to the same transaction.
func (s *sideRun) insert(t *testing.T, from, n int, more ...string) {
	t.Helper()
	tx, err := s.db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback() }()
	for i := range n {
		more = append(more, fmt.Sprintf("INSERT INTO %s.%s (id, note) VALUES (%d, '%s')", s.schema(), []string{"t", "u"}[min(i%5/4, 1)], from+i, strings.Repeat("x", 300)))
	}
	for _, text := range more {
		if _, err := tx.ExecContext(t.Context(), text); err != nil {
			t.Fatalf("%.200s: %v", text, err)
		}
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
}

func (s *sideRun) schema() string { return s.name }

func (s *sideRun) truncateTable(t *testing.T) {
	s.exec(t, "TRUNCATE TABLE "+s.schema()+".t")
	s.truncate++
}

// killed starts the daemon again and again while work runs, and at last until it has everything.
func (s *sideRun) killed(t *testing.T, work func(round int)) {
	t.Helper()
	r := rand.New(rand.NewPCG(harness.FreshSeed(t), 5))
	splits := uint64(0)
	for round := range harness.Longer(4, 30) {
		d := start(t, s.yaml())
		if _, err := d.WaitState(t.Context(), "running"); err != nil {
			t.Fatal(err)
		}
		work(round)
		time.Sleep(time.Duration(r.IntN(700)) * time.Millisecond)
		splits += splitsOf(t, d)
		d.Kill()
	}
	d := start(t, s.yaml())
	catchUp(t, d, time.Minute)
	time.Sleep(time.Second) // for heartbeats of an idle source
	splits += splitsOf(t, d)
	harness.StopFor(t, d)
	if splits == 0 {
		t.Error("no source transaction was split: the test proves less than it should")
	}
}

func (s *sideRun) read(t *testing.T, topic string) []harness.Record {
	t.Helper()
	records, err := harness.ReadTopic(t.Context(), s.kafka.Brokers(), topic)
	if err != nil {
		t.Fatalf("%s: %v", topic, err)
	}
	return records
}

func decoded[T any](t *testing.T, raw []byte) (v T) {
	t.Helper()
	if err := json.Unmarshal(raw, &v); err != nil {
		t.Fatalf("%s: %v", raw, err)
	}
	return v
}

// rows reads the records of a table: how many there are of each transaction, and the keys that are left when truncations are
// followed.
func (s *sideRun) rows(t *testing.T, table string, perTxn map[string]map[string]int) (ids []int, truncations int) {
	t.Helper()
	left := map[int]bool{}
	records := s.read(t, s.name+"."+table)
	if err := harness.CheckOnce(slices.DeleteFunc(slices.Clone(records), func(r harness.Record) bool { return r.Headers["cdc.op"] == "truncate" })); err != nil {
		t.Error(err)
	}
	for _, r := range records {
		m := decoded[struct {
			Op    string
			After *struct{ ID int }
		}](t, r.Value)
		switch m.Op {
		case "t":
			truncations++
			clear(left)
		case "c":
			left[m.After.ID] = true
			id := r.Headers["cdc.txn"]
			if perTxn[id] == nil {
				perTxn[id] = map[string]int{}
			}
			perTxn[id][table]++
		default:
			t.Errorf("op %q: %s", m.Op, r.Value)
		}
	}
	for id := range left {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids, truncations
}

// checkRows holds the tables' topics to the tables, and gives the rows of each transaction.
func (s *sideRun) checkRows(t *testing.T) map[string]map[string]int {
	t.Helper()
	perTxn := map[string]map[string]int{}
	for _, table := range []string{"t", "u"} {
		got, truncations := s.rows(t, table, perTxn)
		want := s.ids(t, "SELECT id FROM "+s.schema()+"."+table+" ORDER BY id")
		if !slices.Equal(got, want) {
			t.Errorf("table %s has %d rows and its topic %d", table, len(want), len(got))
		}
		if wanted := map[string]int{"t": s.truncate}[table]; truncations != wanted {
			t.Errorf("%d truncations of %s, want %d", truncations, table, wanted)
		}
	}
	return perTxn
}

func (s *sideRun) ids(t *testing.T, query string) (out []int) {
	t.Helper()
	rows, err := s.db.QueryContext(t.Context(), query)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var id int
		if err := rows.Scan(&id); err != nil {
			t.Fatal(err)
		}
		out = append(out, id)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return out
}

// transactionRecord is a value of the transaction topic.
type transactionRecord struct {
	Status      string `json:"status"`
	ID          string `json:"id"`
	Count       *int   `json:"event_count"`
	Collections []struct {
		Name  string `json:"data_collection"`
		Count int    `json:"event_count"`
	} `json:"data_collections"`
}

// checkTransactions: each transaction with rows begins once and ends once, in this order, and its counts are those of its rows.
func (s *sideRun) checkTransactions(t *testing.T, perTxn map[string]map[string]int) {
	t.Helper()
	state := map[string]string{}
	for _, r := range s.read(t, s.name+".transaction") {
		m := decoded[transactionRecord](t, r.Value)
		if key := decoded[struct{ ID string }](t, r.Key); key.ID != m.ID || r.Headers["cdc.txn"] != m.ID {
			t.Errorf("key %s, headers %v: %s", r.Key, r.Headers, r.Value)
		}
		if was := state[m.ID]; was != map[string]string{"BEGIN": "", "END": "BEGIN"}[m.Status] {
			t.Errorf("%s of %s after %q", m.Status, m.ID, was)
		}
		state[m.ID] = m.Status
		if m.Status != "END" {
			continue
		}
		total := 0
		for _, c := range m.Collections {
			total += c.Count
			if want := perTxn[m.ID][strings.TrimPrefix(c.Name, s.schema()+".")]; c.Count != want {
				t.Errorf("%s says %d changes of %s, there are %d", m.ID, c.Count, c.Name, want)
			}
		}
		if m.Count == nil || *m.Count != total || len(m.Collections) != len(perTxn[m.ID]) {
			t.Errorf("%s, of whose rows there are %v", r.Value, perTxn[m.ID])
		}
	}
	for id := range perTxn {
		if state[id] != "END" {
			t.Errorf("transaction %s is in state %q", id, state[id])
		}
	}
	if len(perTxn) < 10 {
		t.Errorf("only %d transactions", len(perTxn))
	}
}

func (s *sideRun) checkHeartbeats(t *testing.T) {
	t.Helper()
	records := s.read(t, "__debezium-heartbeat."+s.name)
	if len(records) < 3 {
		t.Errorf("%d heartbeats", len(records))
	}
	last := int64(0)
	for _, r := range records {
		m := decoded[struct {
			At int64 `json:"ts_ms"`
		}](t, r.Value)
		if string(r.Key) != fmt.Sprintf(`{"serverName":%q}`, s.name) || m.At < last || r.Partition != 0 {
			t.Errorf("heartbeat %s = %s after %d", r.Key, r.Value, last)
		}
		last = m.At
	}
}

// TestSidesOfMySQL: transactions, statements, truncations and heartbeats have their records once each, whenever the daemon dies.
func TestSidesOfMySQL(t *testing.T) {
	t.Parallel()
	my := servers.MySQLFor(t, servers.MySQLOptions{})
	m := newMySQLDatabase(t, my, "sides")
	s := &sideRun{name: "sides", db: m.db, source: m.source() + `, tables: ["sides.*"], start: earliest`, options: ", include_schema_changes: true",
		kafka: servers.KafkaFor(t, servers.KafkaOptions{})}
	s.exec(t, "CREATE DATABASE sides")
	s.define(t, "CREATE TABLE sides.t (id INT PRIMARY KEY, note TEXT)")
	s.define(t, "CREATE TABLE sides.u (id INT PRIMARY KEY, note TEXT)")
	s.truncateTable(t) // which had no row yet
	s.killed(t, func(round int) {
		from := round * 10_000
		s.insert(t, from, 3)
		s.define(t, fmt.Sprintf("ALTER TABLE sides.t ADD c%d INT", round))
		s.insert(t, from+1000, 1500)
		s.truncateTable(t)
		s.insert(t, from+5000, 2)
		s.define(t, fmt.Sprintf("CREATE TABLE sides.extra%d (id INT PRIMARY KEY)", round))
		s.define(t, fmt.Sprintf("DROP TABLE sides.extra%d", round))
	})
	s.checkTransactions(t, s.checkRows(t))
	s.checkHeartbeats(t)
	var got []string
	for _, r := range s.read(t, "sides") {
		d := decoded[struct {
			DDL, DatabaseName string
			Source            struct{ DB, Table, Connector string }
			TableChanges      []tableChange
		}](t, r.Value)
		if string(r.Key) != `{"databaseName":"sides"}` || d.DatabaseName != "sides" || d.Source.DB != "sides" || d.Source.Table == "" || d.Source.Connector != "mysql" {
			t.Errorf("%s = %s", r.Key, r.Value)
		}
		checkChange(t, d.DDL, d.TableChanges)
		got = append(got, plainStatement(d.DDL))
	}
	if !slices.Equal(got, s.ddl) {
		t.Errorf("statements\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(s.ddl, "\n"))
	}
}

// tableChange is what a statement did to a table.
type tableChange struct {
	Type, ID string
	Table    *struct{ Columns []struct{ Name string } }
}

// checkChange: the record says what the statement did, and what the table then looks like.
func checkChange(t *testing.T, statement string, changes []tableChange) {
	t.Helper()
	verb, _, _ := strings.Cut(statement, " ")
	_, column, added := strings.Cut(statement, " ADD ")
	column, _, _ = strings.Cut(column, " ")
	ok := len(changes) == 1 && changes[0].Type == verb && strings.HasPrefix(changes[0].ID, `"sides"."`) && (changes[0].Table == nil) == (verb == "DROP")
	if ok && added {
		columns := changes[0].Table.Columns
		ok = columns[len(columns)-1].Name == column
	}
	if !ok {
		t.Errorf("%s: %+v", statement, changes)
	}
}

// plainStatement takes out what the server writes into the log beside a statement.
func plainStatement(text string) string {
	text, _, _ = strings.Cut(text, " /* generated by server */")
	return strings.ReplaceAll(text, "`", "")
}
