package endtoend

import (
	"bufio"
	"bytes"
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"cdcbridge/integration/harness"
	"cdcbridge/integration/servers"
)

// shownImage is a line of inspect --source.
type shownImage struct {
	Mark  string         `json:"mark"`
	Txn   string         `json:"txn"`
	Ord   *uint64        `json:"ord"`
	Topic string         `json:"topic"`
	Table string         `json:"table"`
	Key   map[string]any `json:"key"`
	Row   map[string]any `json:"row"`
	Text  string         `json:"text"`
}

// brief is what tests compare: mark, table, key and row.
func (s *shownImage) brief(t *testing.T) string {
	t.Helper()
	line := s.Mark + " " + s.Table
	for _, part := range []map[string]any{s.Key, s.Row} {
		if part == nil {
			continue
		}
		text, err := json.Marshal(part)
		if err != nil {
			t.Fatal(err)
		}
		line += " " + string(text)
	}
	return line
}

// onlooker is an inspect --source that runs.
type onlooker struct {
	cmd  *exec.Cmd
	out  bytes.Buffer // read when it has ended
	errs *bufio.Reader
	said string // on standard error before it began to read
}

// lookOn runs inspect --source and waits until it reads.
func lookOn(t *testing.T, config, pipeline string) *onlooker {
	t.Helper()
	bin, err := harness.Binary()
	if err != nil {
		t.Fatal(err)
	}
	o := &onlooker{cmd: exec.Command(bin, "inspect", "--source", "--pipeline", pipeline, "-o", "json", "-c", config)}
	o.cmd.Stdout = &o.out
	errs, err := o.cmd.StderrPipe()
	if err == nil {
		err = o.cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = o.cmd.Process.Kill() })
	o.errs = bufio.NewReader(errs)
	for !strings.Contains(o.said, "from now on") {
		line, err := o.errs.ReadString('\n')
		o.said += line
		if err != nil {
			t.Fatalf("%s: inspect ended before it read: %s", pipeline, o.said)
		}
	}
	return o
}

// end presses Ctrl-C and gives what was printed.
func (o *onlooker) end(t *testing.T) []shownImage {
	t.Helper()
	if err := o.cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	rest, _ := io.ReadAll(o.errs) // until it has ended
	if err := o.cmd.Wait(); err != nil || len(rest) > 0 {
		t.Errorf("inspect ended with %v, and said %s", err, rest)
	}
	var all []shownImage
	for line := range strings.Lines(o.out.String()) {
		var s shownImage
		if err := json.Unmarshal([]byte(line), &s); err != nil {
			t.Fatalf("%v in %s", err, line)
		}
		all = append(all, s)
	}
	return all
}

// onlookers is what a daemon and those who look on share.
type onlookers struct {
	kafka  *servers.Kafka
	my     *sql.DB
	pg     *servers.Postgres
	daemon *harness.Daemon
}

// lookedAt starts the servers, and a daemon that captures all three kinds of sources. The MySQL source has a server id of its own,
// and the connection of a second one with it would end the first.
func lookedAt(t *testing.T) *onlookers {
	t.Helper()
	o := &onlookers{kafka: servers.KafkaFor(t, servers.KafkaOptions{}), pg: servers.PostgresFor(t, servers.PostgresOptions{})}
	my := servers.MySQLFor(t, servers.MySQLOptions{})
	var err error
	if o.my, err = my.DB("shop"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = o.my.Close() })
	o.mysql(t, "CREATE TABLE orders (id INT PRIMARY KEY, price DECIMAL(8,2), note VARCHAR(20))", "INSERT INTO orders VALUES (1, 1.5, 'old')")
	if _, err := o.pg.DB("shop"); err != nil {
		t.Fatal(err)
	}
	o.postgres(t, "CREATE TABLE orders (id INT PRIMARY KEY, n INT, large TEXT)", "ALTER TABLE orders ALTER large SET STORAGE EXTERNAL", "INSERT INTO orders SELECT 1, 1, repeat('x', 10000)")
	o.daemon = harness.StartFor(t, fmt.Sprintf(`
kafka: {brokers: [%s]}
pipelines:
  - {name: my, source: {type: mysql, host: %s, port: %d, user: %s, password: "%s", server_id: 4711, tables: [shop.*], on_truncate: note}, format: debezium-json}
  - {name: pg, source: {type: postgres, host: %s, port: %d, database: shop, user: %s, password: "%s", tables: [public.orders], on_truncate: note}, format: debezium-json}
  - {name: topics, source: {type: kafka, topic_pattern: my.shop.orders, discovery_interval: 200ms, format: debezium-json, on_truncate: ignore}, format: plain-json}
`, strings.Join(o.kafka.Brokers(), ", "), my.Host(), my.Port(), my.User(), my.Password(), o.pg.Host(), o.pg.Port(), o.pg.User(), o.pg.Password()))
	for _, topic := range []string{"my.shop.orders", "pg.public.orders", "topics.shop.orders"} {
		o.wait(t, topic, 1)
	}
	return o
}

func (o *onlookers) mysql(t *testing.T, statements ...string) {
	t.Helper()
	for _, s := range statements {
		if _, err := o.my.ExecContext(t.Context(), s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
}

func (o *onlookers) postgres(t *testing.T, statements ...string) {
	t.Helper()
	if err := o.pg.Exec(t.Context(), "shop", statements...); err != nil {
		t.Fatal(err)
	}
}

// wait waits until a topic has so many records, which the daemon has written by way of its own sources.
func (o *onlookers) wait(t *testing.T, topic string, records int) {
	t.Helper()
	for patience := time.Now().Add(time.Minute); ; time.Sleep(100 * time.Millisecond) {
		n := 0
		err := harness.EachRecord(t.Context(), o.kafka.Brokers(), topic, func(*kgo.Record) { n++ })
		if err == nil && n >= records {
			return
		}
		if time.Now().After(patience) {
			t.Fatalf("%d records in %s, not %d: %v", n, topic, records, err)
		}
	}
}

// kept is what servers keep for somebody: slots with who uses them, topics, and groups.
func (o *onlookers) kept(t *testing.T) (slots, rest string) {
	t.Helper()
	slots, err := o.pg.One(t.Context(), "shop", "SELECT coalesce(string_agg(slot_name || ' ' || temporary || ' ' || active_pid, ', ' ORDER BY temporary, slot_name), '') FROM pg_replication_slots")
	if err != nil {
		t.Fatal(err)
	}
	publications, err := o.pg.One(t.Context(), "shop", "SELECT string_agg(pubname || ' ' || tablename, ', ' ORDER BY 1) FROM pg_publication_tables")
	if err != nil {
		t.Fatal(err)
	}
	adm := harness.AdminFor(t, o.kafka.Brokers())
	topics, err := adm.ListTopics(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	groups, err := adm.ListGroups(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return slots, fmt.Sprint(publications, topics.Names(), groups.Groups())
}

// TestInspectSource looks on at all three kinds of sources while a daemon captures them: who looks on sees what is written from then on, and
// neither the daemon nor a server notices.
func TestInspectSource(t *testing.T) {
	o := lookedAt(t)
	slots, rest := o.kept(t)
	looks := map[string]*onlooker{}
	for _, pipeline := range []string{"my", "pg", "topics"} {
		looks[pipeline] = lookOn(t, o.daemon.Config(), pipeline)
	}
	during, _ := o.kept(t)
	if own, temporary, _ := strings.Cut(during, ", "); own != slots || !strings.HasPrefix(temporary, "cdcbridge_aside_") || !strings.Contains(temporary, " true ") {
		t.Errorf("slots: %s, before: %s", during, slots)
	}
	o.mysql(t, "INSERT INTO orders VALUES (2, 2.5, 'new')", "UPDATE orders SET id = 3, price = 3 WHERE id = 2", "DELETE FROM orders WHERE id = 3", "ALTER TABLE orders ADD more INT", "TRUNCATE orders", "INSERT INTO orders VALUES (4, 4, NULL, 7)")
	o.postgres(t, "BEGIN; INSERT INTO orders VALUES (2, 2, 'y'); UPDATE orders SET n = 3 WHERE id = 1; COMMIT", "DELETE FROM orders WHERE id = 1", "TRUNCATE orders", "INSERT INTO orders VALUES (5, 5, NULL)")
	o.wait(t, "my.shop.orders", 8)   // with tombstones
	o.wait(t, "pg.public.orders", 5) // the updated row may be gone when its large value is asked for
	o.wait(t, "topics.shop.orders", 6)
	time.Sleep(500 * time.Millisecond) // the daemon was not slower than the onlookers by more than that
	want := map[string][]string{
		"my": {`+I shop.orders {"id":2} {"id":2,"note":"new","price":"2.50"}`,
			`-U shop.orders {"id":2} {"id":2,"note":"new","price":"2.50"}`, `+U shop.orders {"id":3} {"id":3,"note":"new","price":"3.00"}`,
			`-D shop.orders {"id":3} {"id":3,"note":"new","price":"3.00"}`, "ddl shop.orders", "truncate shop.orders", `+I shop.orders {"id":4} {"id":4,"more":7,"note":null,"price":"4.00"}`},
		"pg": {`+I public.orders {"id":2} {"id":2,"large":"y","n":2}`, `+U public.orders {"id":1} {"id":1,"n":3}`, `-D public.orders {"id":1} {"id":1}`,
			"truncate public.orders", `+I public.orders {"id":5} {"id":5,"large":null,"n":5}`},
	}
	for _, pipeline := range []string{"my", "pg", "topics"} {
		var got []string
		seen := looks[pipeline].end(t)
		for i := range seen {
			got = append(got, seen[i].brief(t))
			if pipeline == "topics" && (seen[i].Topic != "my.shop.orders" || seen[i].Table != "shop.orders") {
				t.Errorf("topics: %+v", seen[i])
			}
		}
		if w, ok := want[pipeline]; ok && !slices.Equal(got, w) {
			t.Errorf("%s: inspect has printed\n%s\nwant\n%s", pipeline, strings.Join(got, "\n"), strings.Join(w, "\n"))
		}
		if pipeline == "topics" && len(got) < 5 {
			t.Errorf("topics: inspect has printed %q only", got)
		}
	}
	o.undisturbed(t, slots, rest)
}

// undisturbed fails the test when the daemon or a server has noticed.
func (o *onlookers) undisturbed(t *testing.T, slots, rest string) {
	t.Helper()
	if s, r := o.kept(t); s != slots || r != rest {
		t.Errorf("kept afterwards: %s; %s\nbefore: %s; %s", s, r, slots, rest)
	}
	_, body, err := o.daemon.Get(t.Context(), "/status")
	if err != nil {
		t.Fatal(err)
	}
	var status struct {
		Pipelines []struct {
			Name     string            `json:"name"`
			State    string            `json:"state"`
			Attempts int               `json:"attempts"`
			Restarts map[string]uint64 `json:"restarts"`
		} `json:"pipelines"`
	}
	if err := json.Unmarshal(body, &status); err != nil {
		t.Fatal(err)
	}
	for _, p := range status.Pipelines {
		if p.State != "running" || p.Attempts != 1 || len(p.Restarts) > 0 {
			t.Errorf("the daemon's pipeline was disturbed: %+v", p)
		}
	}
}
