package upgrade

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"cdcbridge/integration/harness"
	"cdcbridge/integration/servers"
)

// shop is two databases with a table each, and a broker.
type shop struct {
	kafka  *servers.Kafka
	my     *servers.MySQL
	pg     *servers.Postgres
	tables map[string]*sql.DB // of the databases, by the topic that their table goes to
}

// firstRows are so many that a snapshot lasts longer than a daemon, when that is killed soon.
const firstRows = 20_000

// open starts the servers. MySQL's log names no columns, so the state has to.
func open(t *testing.T, rows int) *shop {
	t.Helper()
	s := &shop{kafka: servers.KafkaFor(t, servers.KafkaOptions{}), my: servers.MySQLFor(t, servers.MySQLOptions{Metadata: "MINIMAL"}), pg: servers.PostgresFor(t, servers.PostgresOptions{})}
	s.tables = map[string]*sql.DB{}
	for topic, database := range map[string]func(string) (*sql.DB, error){"my.shop.items": s.my.DB, "pg.public.items": s.pg.DB} {
		db, err := database("shop")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = db.Close() })
		s.tables[topic] = db
		run(t, db, "CREATE TABLE items (id INT PRIMARY KEY, n INT NOT NULL, note VARCHAR(200))")
		for from := 0; from < rows; from += 1000 {
			var values []string
			for id := from; id < min(from+1000, rows); id++ {
				values = append(values, fmt.Sprintf("(%d, 0, '%s')", id, strings.Repeat(strconv.Itoa(id%10), 100)))
			}
			run(t, db, "INSERT INTO items VALUES "+strings.Join(values, ", "))
		}
	}
	return s
}

func run(t *testing.T, db *sql.DB, statements ...string) {
	t.Helper()
	for _, statement := range statements {
		if _, err := db.ExecContext(t.Context(), statement); err != nil {
			t.Fatalf("%.100s: %v", statement, err)
		}
	}
}

// config is of keys that both releases know: both databases, and the topic of one of them read again in the order of its database.
func (s *shop) config() string {
	return fmt.Sprintf(`
kafka: {brokers: [%s], topics: {partitions: 3}}
pipelines:
  - {name: my, source: {type: mysql, host: %s, port: %d, user: %s, password: "%s", tables: [shop.*]}, format: debezium-json, snapshot: {readers: 1, chunk_time: 10ms, chunk_bytes: 64KiB}}
  - {name: pg, source: {type: postgres, host: %s, port: %d, database: shop, user: %s, password: "%s", tables: [public.*]}, format: canal-json, snapshot: {readers: 1, chunk_time: 10ms, chunk_bytes: 64KiB}}
  - {name: topics, source: {type: kafka, topic_pattern: my.shop.items, discovery_interval: 200ms, format: debezium-json, order: source, deduplicate: true}, format: plain-json}
`, strings.Join(s.kafka.Brokers(), ", "), s.my.Host(), s.my.Port(), s.my.User(), s.my.Password(), s.pg.Host(), s.pg.Port(), s.pg.User(), s.pg.Password())
}

// formats are those of the topics.
var formats = map[string]string{"my.shop.items": "debezium-json", "pg.public.items": "canal-json", "topics.shop.items": "plain-json"}

// write changes rows of both tables at random until ctx ends; wait for its end with the function that it gives.
func (s *shop) write(ctx context.Context, t *testing.T, seed uint64) (end func()) {
	var writing sync.WaitGroup
	ctx, cancel := context.WithCancel(ctx)
	for topic, db := range s.tables {
		writing.Go(func() {
			r := rand.New(rand.NewPCG(seed, uint64(len(topic))))
			for n := 1; ctx.Err() == nil; n++ {
				id := r.IntN(firstRows + 1000)
				statement := fmt.Sprintf("UPDATE items SET n = %d WHERE id BETWEEN %d AND %d", n, id, id+r.IntN(5))
				switch r.IntN(10) {
				case 0:
					statement = fmt.Sprintf("DELETE FROM items WHERE id = %d", id)
				case 1, 2:
					statement = fmt.Sprintf("INSERT INTO items VALUES (%d, %d, NULL)", firstRows+1000+n, n)
				case 3:
					statement = fmt.Sprintf("UPDATE items SET id = %d WHERE id = %d", firstRows*10+n, id)
				}
				if _, err := db.ExecContext(ctx, statement); err != nil && ctx.Err() == nil {
					t.Errorf("%s: %v", statement, err)
					return
				}
				time.Sleep(2 * time.Millisecond)
			}
		})
	}
	return func() {
		cancel()
		writing.Wait()
	}
}

// rows are those of a table as texts, by key.
func rows(ctx context.Context, db *sql.DB) (map[string]map[string]string, error) {
	found, err := db.QueryContext(ctx, "SELECT id, n, note FROM items")
	if err != nil {
		return nil, err
	}
	all, err := harness.Texts(found, []string{"id", "n", "note"}, func(_ int, text string) string { return text })
	if err != nil {
		return nil, err
	}
	byKey := map[string]map[string]string{}
	for _, row := range all {
		byKey[row["id"]] = row
	}
	return byKey, nil
}

// folded are the rows that a topic leaves behind.
func folded(format string, records []harness.Record) (map[string]map[string]string, error) {
	byKey := map[string]map[string]string{}
	for key, r := range harness.Fold(records) {
		message, err := harness.RowOf(format, r.Value)
		if err != nil {
			return nil, fmt.Errorf("key %s: %w", key, err)
		}
		var values map[string]any
		decoder := json.NewDecoder(strings.NewReader(string(message)))
		decoder.UseNumber()
		if err := decoder.Decode(&values); err != nil {
			return nil, fmt.Errorf("key %s: %w", key, err)
		}
		row := map[string]string{}
		for name, v := range values {
			row[name] = harness.Null
			if v != nil {
				row[name] = fmt.Sprint(v)
			}
		}
		byKey[row["id"]] = row
	}
	return byKey, nil
}

// settled waits until a topic folds to its table, and checks that what both releases wrote is there once: changes by their places, rows of the
// snapshot by their keys.
func (s *shop) settled(t *testing.T, topic string) {
	t.Helper()
	table := s.tables[topic]
	if topic == "topics.shop.items" {
		table = s.tables["my.shop.items"]
	}
	want, err := rows(t.Context(), table)
	if err != nil {
		t.Fatal(err)
	}
	for patience := time.Now().Add(2 * time.Minute); ; time.Sleep(500 * time.Millisecond) {
		records, err := harness.ReadTopic(t.Context(), s.kafka.Brokers(), topic)
		if err == nil { // the topic is there
			got, failed := folded(formats[topic], records)
			if failed != nil {
				t.Fatalf("%s: %v", topic, failed)
			}
			if err = harness.SameRows(topic, got, want); err == nil {
				s.once(t, topic, records)
				return
			}
		}
		if time.Now().After(patience) {
			t.Fatal(err)
		}
	}
}

func (s *shop) once(t *testing.T, topic string, records []harness.Record) {
	t.Helper()
	if topic != "topics.shop.items" { // whose changes have the places of the topic
		if err := harness.CheckOnce(records); err != nil {
			t.Errorf("%s: %v", topic, err)
		}
	}
	read := map[string]int{}
	for i := range records {
		if r := &records[i]; r.Headers["cdc.op"] == "r" {
			if read[string(r.Key)]++; read[string(r.Key)] == 2 {
				t.Errorf("%s: the row %s was read twice: a snapshot began anew", topic, r.Key)
			}
		}
	}
	t.Logf("%s: %d records, %d rows of the snapshot, equal to the table", topic, len(records), len(read))
}
