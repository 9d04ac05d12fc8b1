package endtoend

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"

	"cdcbridge/integration/harness"
	"cdcbridge/integration/servers"
)

// rig is one broker and one server for pipelines of their own databases and topics.
type rig struct {
	kafka *servers.Kafka
	my    *servers.MySQL
}

// TestValuesAndTimes is about values that are large, topics that say how large they may be, and clocks.
func TestValuesAndTimes(t *testing.T) {
	t.Parallel()
	g := &rig{
		servers.KafkaFor(t, servers.KafkaOptions{Proxied: true, Heap: "512m"}),
		servers.MySQLFor(t, servers.MySQLOptions{Extra: []string{"--max-allowed-packet=128M", "--innodb-redo-log-capacity=256M"}}),
	}
	t.Run("LargeValues", g.testLargeValues)
	t.Run("TopicsThatUnpack", g.testTopicsThatUnpack)
	t.Run("ClockAhead", g.testClockAhead)
	t.Run("LatestIsResolvedOnce", g.testLatestIsResolvedOnce)
	t.Run("SlowKafka", g.testSlowKafka)
}

// docs adds a table for large values to the bench.
func (g *rig) docs(t *testing.T, name string) (*bench, setup) {
	t.Helper()
	b := newBench(t, g.my, name)
	b.exec(t, "CREATE TABLE "+name+".docs (id INT PRIMARY KEY, body LONGTEXT, scan LONGBLOB)")
	return b, setup{name: name, b: b, brokers: g.kafka.Brokers(), table: "docs"}
}

// same waits until the topics of the table fold to it.
func (g *rig) same(t *testing.T, b *bench, name string, limit time.Duration) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	for _, o := range outputs {
		for {
			_, err := compareTopic(ctx, b, g.kafka.Brokers(), table{b.name, name}, b.name+"."+o.name+"."+name, o.format)
			if err == nil {
				break
			}
			if time.Sleep(200 * time.Millisecond); ctx.Err() != nil {
				t.Fatalf("%.500v", err)
			}
		}
	}
}

// testLargeValues has rows with 10 MB of text or 10 MB of bytes, which topics accept whose limits were raised. They are
// inserted, updated, moved to another key and deleted.
func (g *rig) testLargeValues(t *testing.T) {
	b, s := g.docs(t, "large")
	config := strings.Replace(s.yaml(), "{partitions: 3}", "{partitions: 3, config: [{name: max.message.bytes, value: '50000000'}]}", 1)
	d := start(t, config)
	r := rand.New(rand.NewPCG(harness.FreshSeed(t), 5))
	words, scan := make([]byte, 10<<20), make([]byte, 10<<20)
	for i := range words {
		words[i], scan[i] = "abcdefghij klmnopq \"rstuvw\\\nxyz"[r.IntN(31)], byte(r.Uint32())
	}
	for id, row := range [][2][]byte{{words, nil}, {nil, scan}, {words[:2<<20], scan[:2<<20]}} {
		if _, err := b.conn.ExecContext(t.Context(), "INSERT INTO large.docs VALUES (?, ?, ?)", id, row[0], row[1]); err != nil {
			t.Fatal(err)
		}
	}
	b.exec(t, "UPDATE large.docs SET body = REVERSE(body) WHERE id = 0", "UPDATE large.docs SET id = 7 WHERE id = 1", "DELETE FROM large.docs WHERE id = 2")
	harness.StateFor(t, d, 30*time.Second, "running")
	g.same(t, b, "docs", 120*time.Second)
	peak, err := d.PeakMemory()
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("peak memory %d MiB", peak>>20)
	harness.StopFor(t, d)
}

// testTopicsThatUnpack writes rows that compress well into a topic that keeps them so and into one that unpacks them. The
// second one counts what they are unpacked; a row that is too large there stops the pipeline, and goes through when the limit
// was raised.
func (g *rig) testTopicsThatUnpack(t *testing.T) {
	b, s := g.docs(t, "unpack")
	adm := harness.AdminFor(t, g.kafka.Brokers())
	for topic, compression := range map[string]string{"unpack.dbz.docs": "producer", "unpack.can.docs": "uncompressed"} {
		createTopic(t, adm, topic, 3, map[string]string{"cleanup.policy": "compact", "max.message.bytes": "20000", "compression.type": compression})
	}
	d := start(t, s.yaml())
	for i := range 5 {
		b.exec(t, fmt.Sprintf("INSERT INTO unpack.docs SELECT id + %d, REPEAT('x', 1000 + id), NULL FROM (WITH RECURSIVE n AS (SELECT 1 AS id UNION ALL SELECT id + 1 FROM n WHERE id < 100) SELECT id FROM n) s", 1000*i))
	}
	g.same(t, b, "docs", 60*time.Second)
	b.exec(t, "INSERT INTO unpack.docs VALUES (9999, REPEAT('y', 30000), NULL)")
	waitFailed(t, d, 30*time.Second, "record_too_large")
	if st := harness.StateFor(t, d, time.Second, "failed"); !strings.Contains(st.Error, "unpack.can.docs") {
		t.Errorf("the error names another topic: %+v", st)
	}
	harness.StopFor(t, d)
	if _, err := adm.AlterTopicConfigs(t.Context(), alter("max.message.bytes", "60000"), "unpack.can.docs"); err != nil {
		t.Fatal(err)
	}
	d = start(t, s.yaml())
	g.same(t, b, "docs", 60*time.Second)
	harness.StopFor(t, d)
}

// testClockAhead commits rows by a clock that is a day ahead and by one that is ten years behind. Brokers refuse records from
// the future, so those get the wall clock; the message says what the source's clock said.
func (g *rig) testClockAhead(t *testing.T) {
	b := newBench(t, g.my, "clock")
	began := time.Now()
	for i, shift := range []time.Duration{24 * time.Hour, -10 * 365 * 24 * time.Hour} {
		conn, err := b.conn.Conn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		at := began.Add(shift)
		for _, s := range []string{
			fmt.Sprintf("SET timestamp=%d", at.Unix()), fmt.Sprintf("SET original_commit_timestamp=%d", at.UnixMicro()),
			fmt.Sprintf("INSERT INTO clock.orders (id, customer) VALUES (%d, 1)", i), "SET timestamp=DEFAULT", "SET original_commit_timestamp=DEFAULT",
		} {
			if _, err := conn.ExecContext(t.Context(), s); err != nil && !strings.HasSuffix(s, "commit_timestamp=DEFAULT") {
				t.Fatalf("%s: %v", s, err)
			}
		}
		_ = conn.Close()
	}
	d := start(t, setup{name: "clock", b: b, brokers: g.kafka.Brokers(), table: "orders"}.yaml())
	g.same(t, b, "orders", 60*time.Second)
	records, err := harness.ReadTopic(t.Context(), g.kafka.Brokers(), "clock.dbz.orders")
	if err != nil || len(records) != 2 {
		t.Fatalf("%d records: %v", len(records), err)
	}
	for _, r := range records {
		var m struct {
			Source struct {
				TSMs int64 `json:"ts_ms"`
			} `json:"source"`
			After struct {
				ID int `json:"id"`
			} `json:"after"`
		}
		if err := json.Unmarshal(r.Value, &m); err != nil {
			t.Fatal(err)
		}
		said := time.UnixMilli(m.Source.TSMs)
		switch m.After.ID {
		case 0:
			if r.Time.Before(began.Add(-time.Second)) || r.Time.After(time.Now().Add(time.Second)) || said.Sub(began) < 23*time.Hour {
				t.Errorf("a row of tomorrow: record time %v, source time %v", r.Time, said)
			}
		case 1:
			if want := began.Add(-10 * 365 * 24 * time.Hour); r.Time.Sub(want).Abs() > 2*time.Second || said.Sub(want).Abs() > 2*time.Second {
				t.Errorf("an old row: record time %v, source time %v, want %v", r.Time, said, want)
			}
		}
	}
	harness.StopFor(t, d)
}

// testLatestIsResolvedOnce begins at the end of the log and is killed before any row has come. What is written while it is
// down belongs to it.
func (g *rig) testLatestIsResolvedOnce(t *testing.T) {
	b := newBench(t, g.my, "latest")
	b.exec(t, "INSERT INTO latest.names VALUES ('before', 1)")
	config := setup{name: "latest", b: b, brokers: g.kafka.Brokers(), table: "names", source: ", start: latest"}.yaml()
	d := start(t, config)
	harness.StateFor(t, d, 30*time.Second, "running")
	d.Kill()
	b.exec(t, "INSERT INTO latest.names VALUES ('down', 2)")
	d = start(t, config)
	harness.StateFor(t, d, 30*time.Second, "running")
	b.exec(t, "INSERT INTO latest.names VALUES ('after', 3)")
	waitRecords(t, g.kafka.Brokers(), "latest.can.names", 2)
	harness.StopFor(t, d)
	records, err := harness.ReadTopic(t.Context(), g.kafka.Brokers(), "latest.can.names")
	if err != nil || len(records) != 2 {
		t.Fatalf("%d records: %v", len(records), err)
	}
	for _, r := range records {
		if strings.Contains(string(r.Value), "before") {
			t.Errorf("a row from before the start: %s", r.Value)
		}
	}
}

// testSlowKafka writes one transaction of the source over a slow network. It would take longer than Kafka lets a transaction
// take, so it leaves in several, each a third of the timeout long.
func (g *rig) testSlowKafka(t *testing.T) {
	b := newBench(t, g.my, "slow")
	proxy := g.kafka.Proxy(0)
	d := start(t, setup{
		name: "slow", b: b, brokers: g.kafka.Listener(servers.Proxied), table: "orders", kafka: ", transaction_timeout: 3s", source: ", batch_bytes: 8KiB", commit: "{max_bytes: 1GiB}",
	}.yaml())
	b.exec(t, "INSERT INTO slow.orders (id, customer) VALUES (0, 0)")
	waitRecords(t, g.kafka.Brokers(), "slow.can.orders", 1)
	if err := proxy.Latency(250 * time.Millisecond); err != nil {
		t.Fatal(err)
	}
	var rows []string
	for i := range 900 {
		rows = append(rows, fmt.Sprintf("(%d, 1, REPEAT('n', 60), 'sku', 'city')", 1+i))
	}
	b.exec(t, "INSERT INTO slow.orders (id, customer, note, sku, city) VALUES "+strings.Join(rows, ","))
	began := time.Now()
	g.same(t, b, "orders", 60*time.Second)
	took := time.Since(began)
	if err := proxy.Latency(0); err != nil {
		t.Fatal(err)
	}
	s := harness.StateFor(t, d, 10*time.Second, "running")
	t.Logf("%d splits in %v", s.Counters.Splits, took)
	if s.Counters.Splits < 2 || took < 3*time.Second {
		t.Errorf("%d splits in %v: the test proves nothing", s.Counters.Splits, took)
	}
	if codes := restarts(t, d); len(codes) > 0 {
		t.Errorf("attempts failed: %v", codes)
	}
	harness.StopFor(t, d)
	g.same(t, b, "orders", 10*time.Second)
}

// alter changes one setting of a topic.
func alter(name, value string) []kadm.AlterConfig {
	return []kadm.AlterConfig{{Op: kadm.SetConfig, Name: name, Value: &value}}
}
