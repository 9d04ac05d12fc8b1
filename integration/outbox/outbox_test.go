package outbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"

	"cdcbridge/integration/harness"
	"cdcbridge/integration/servers"
)

const services = 3

// TestEveryRowIsOneMessage kills the daemon again and again while services work, and holds all topics against what they have committed.
func TestEveryRowIsOneMessage(t *testing.T) {
	kafka := servers.KafkaFor(t, servers.KafkaOptions{})
	for name, open := range databases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := open(t)
			db.prepare(t)
			s := stand{database: db, brokers: kafka.Brokers(), adm: harness.AdminFor(t, kafka.Brokers()), pipeline: "shop-" + name, ledger: ledger{lanes: map[lane][]message{}, orders: map[int64]int64{}}}
			s.killed(t, harness.Longer(5, 60))
			s.strays(t)
		})
	}
}

// stand is one pipeline and its services.
type stand struct {
	*database
	brokers  []string
	adm      *kadm.Client
	pipeline string
	ledger   ledger
	kinds    atomic.Int64
}

// yaml cuts transactions of the database short, so that the daemon dies within some.
func (s *stand) yaml() string {
	return fmt.Sprintf(`
kafka: {brokers: [%s], topics: {partitions: 3}}
pipelines:
  - name: %s
    source: {%s, tables: [%[4]s.outbox, %[4]s.orders], batch_bytes: 16KiB}
    commit: {max_bytes: 4KiB}
    outputs:
      - {name: rows, format: plain-json, topic: "{pipeline}.{table}", tables: [%[4]s.orders]}
      - name: events
        topic: "{pipeline}.{aggregatetype}.v1"
        tables: [%[4]s.outbox]
        outbox: {headers: [{column: id}, {column: kind, name: eventType}, {column: raw}], on_update: ignore}
`, strings.Join(s.brokers, ", "), s.pipeline, s.source, s.schema)
}

func (s *stand) killed(t *testing.T, kills int) {
	began, seed := time.Now(), harness.FreshSeed(t)
	r := rand.New(rand.NewPCG(seed, 0))
	s.kinds.Store(2)
	d := harness.StartFor(t, s.yaml())
	harness.StateFor(t, d, time.Minute, "running")
	rest := s.work(t, seed)
	splits := uint64(0)
	for range kills {
		time.Sleep(time.Duration(300+r.IntN(1200)) * time.Millisecond)
		splits += splitsOf(t, d)
		if err := d.Alive(t.Context()); err != nil {
			t.Fatal(err)
		}
		s.kinds.Add(1) // there are topics that the next daemon has to make
		d.Kill()
		d = harness.StartFor(t, s.yaml())
	}
	harness.StateFor(t, d, time.Minute, "running")
	for end := time.Now().Add(time.Minute); splits+splitsOf(t, d) == 0 && time.Now().Before(end); {
		time.Sleep(250 * time.Millisecond)
	}
	rest()
	for end := time.Now().Add(harness.Longer(2*time.Minute, 10*time.Minute)); ; time.Sleep(250 * time.Millisecond) {
		err := s.check(t.Context())
		if err == nil {
			break
		}
		if aerr := d.Alive(t.Context()); aerr != nil || time.Now().After(end) {
			t.Fatal(errors.Join(err, aerr))
		}
	}
	if splits += splitsOf(t, d); splits == 0 {
		t.Error("no transaction was split: the test does not prove what it should")
	}
	harness.StopFor(t, d)
	if err := s.check(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d messages in %d topics, %d kills, %d splits seen", s.ledger.sent, s.kinds.Load(), kills, splits)
	harness.Evidence(t, began, map[string]any{"seed": seed, "kills": kills, "splits_seen": splits, "messages": s.ledger.sent, "topics": s.kinds.Load(),
		"checked": "each inserted row is one message as the service wrote it, in order per key; nothing else is in the topics; rows of the same transactions fold to the table"})
}

// strays has rows that name what no message may go to, or nothing: the pipeline stops, and nothing is written.
func (s *stand) strays(t *testing.T) {
	const daemons = "cdcbridge.state"
	for i, stray := range []struct{ kind, code string }{{daemons, "config"}, {"", "outbox"}, {s.pipeline + ".orders", "config"}} {
		name := fmt.Sprintf("%s-stray%d", s.pipeline, i)
		config := strings.NewReplacer("name: "+s.pipeline+"\n", "name: "+name+"\n", `"{pipeline}.{aggregatetype}.v1"`, `"{aggregatetype}"`,
			"{pipeline}.{table}", s.pipeline+".{table}", "plain-json, ", "plain-json, adopt: true, ", "name: events\n", "name: events\n        adopt: true\n").Replace(s.yaml())
		d := harness.StartFor(t, config)
		now := harness.StateFor(t, d, time.Minute, "running")
		for _, table := range now.Snapshots {
			if table.Table == s.schema+".outbox" && table.Status != "skipped" {
				t.Errorf("the outbox is read: %+v", table)
			}
		}
		q := "INSERT INTO orders (id, n) VALUES (?, 1)" // so that the topic of rows is known to be one
		if _, err := s.conn.ExecContext(t.Context(), s.statement(q), -1-i); err != nil {
			t.Fatal(err)
		}
		q = "INSERT INTO outbox (id, aggregatetype, aggregateid, payload) VALUES (?, ?, 1, '{}')"
		if _, err := s.conn.ExecContext(t.Context(), s.statement(q), name, stray.kind); err != nil {
			t.Fatal(err)
		}
		if now := harness.StateFor(t, d, time.Minute, "failed"); now.Code != stray.code {
			t.Errorf("a row that names %q gives %+v, want %s", stray.kind, now, stray.code)
		}
		d.Kill()
	}
	states, err := harness.ReadTopic(t.Context(), s.brokers, daemons)
	if err != nil || len(states) == 0 {
		t.Fatalf("%d states, %v", len(states), err)
	}
	for _, r := range states {
		if r.Headers["cdc.op"] != "" {
			t.Errorf("a message is among the states: %q", r.Key)
		}
	}
}

// splitsOf is how many commits of the daemon ended inside a transaction of the database; 0 while it does not listen yet.
func splitsOf(t *testing.T, d *harness.Daemon) uint64 {
	all, err := d.Status(t.Context())
	if err != nil || len(all) == 0 {
		return 0
	}
	return all[0].Counters.Splits
}

// work has the services work until the function is called, which returns when they have ended.
func (s *stand) work(t *testing.T, seed uint64) (rest func()) {
	ctx, cancel := context.WithCancel(t.Context())
	var working sync.WaitGroup
	for i := range services {
		one := service{db: s.database, ledger: &s.ledger, number: int64(i + 1), pipeline: s.pipeline, r: rand.New(rand.NewPCG(seed, uint64(i+1))), large: i == 0,
			kinds: func() int { return int(s.kinds.Load()) }}
		working.Go(func() {
			if err := one.run(ctx); err != nil {
				t.Errorf("service %d: %v", one.number, err)
			}
		})
	}
	return func() { cancel(); working.Wait() }
}

// check holds the topics against the ledger.
func (s *stand) check(ctx context.Context) error {
	topics, err := s.adm.ListTopics(ctx)
	if err != nil {
		return err
	}
	found := map[lane][]harness.Record{}
	for _, topic := range topics.Names() {
		if !strings.HasPrefix(topic, s.pipeline+".") {
			continue
		}
		records, err := harness.ReadTopic(ctx, s.brokers, topic)
		if err != nil {
			return err
		}
		if err := harness.CheckOnce(records); err != nil {
			return fmt.Errorf("topic %s: %w", topic, err)
		}
		if topic == s.pipeline+".orders" {
			if err := s.checkOrders(records); err != nil {
				return err
			}
			continue
		}
		for _, r := range records {
			key, err := strconv.ParseInt(string(r.Key), 10, 64)
			if err != nil {
				return fmt.Errorf("topic %s: %d/%d has the key %q", topic, r.Partition, r.Offset, r.Key)
			}
			l := lane{topic, key}
			found[l] = append(found[l], r)
		}
	}
	for l, records := range found {
		if err := s.checkLane(l, records); err != nil {
			return fmt.Errorf("topic %s, key %d: %w", l.topic, l.key, err)
		}
	}
	if len(found) != len(s.ledger.lanes) {
		return fmt.Errorf("there are messages with %d keys in topics, and %d were sent", len(found), len(s.ledger.lanes))
	}
	return nil
}

func (s *stand) checkLane(l lane, records []harness.Record) error {
	sent := s.ledger.lanes[l]
	for i, r := range records {
		if i == len(sent) {
			return fmt.Errorf("%d messages were sent, and there are %d, %s after them", len(sent), len(records), r.Headers["id"])
		}
		want := sent[i]
		if r.Headers["id"] != want.id || r.Headers["eventType"] != want.kind || r.Headers["raw"] != string(want.raw) {
			return fmt.Errorf("message %d has the headers %q, want %+v", i, r.Headers, want)
		}
		if r.Headers["cdc.table"] != s.schema+".outbox" || r.Headers["cdc.op"] != "c" || r.Headers["cdc.pipeline"] != s.pipeline {
			return fmt.Errorf("message %d has the headers %q", i, r.Headers)
		}
		if (r.Value == nil) != (want.payload == nil) || want.payload != nil && *want.payload != string(r.Value) {
			return fmt.Errorf("message %d is %q, want %+v", i, r.Value, want)
		}
	}
	if len(records) < len(sent) {
		return fmt.Errorf("%d messages were sent, and there are %d", len(sent), len(records))
	}
	return nil
}

// checkOrders: rows are where they were, beside the messages.
func (s *stand) checkOrders(records []harness.Record) error {
	rows := map[int64]int64{}
	for _, r := range harness.Fold(records) {
		var row struct{ ID, N int64 }
		if err := json.Unmarshal(r.Value, &row); err != nil {
			return err
		}
		rows[row.ID] = row.N
	}
	if len(rows) != len(s.ledger.orders) {
		return fmt.Errorf("%d orders are in the topic, and %d in the table", len(rows), len(s.ledger.orders))
	}
	for id, n := range s.ledger.orders {
		if rows[id] != n {
			return fmt.Errorf("order %d is %d in the topic, and %d in the table", id, rows[id], n)
		}
	}
	return nil
}
