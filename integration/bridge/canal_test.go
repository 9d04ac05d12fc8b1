package bridge

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"cdcbridge/integration/harness"
	"cdcbridge/integration/servers"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// canal is a Canal that writes all tables of a shop to one topic.
type canal struct {
	*servers.Canal
	shop  *shop
	kafka *servers.Kafka
	topic string
}

// newCanal reads the log from its beginning, or from here on where messages are to say GTIDs.
func newCanal(t *testing.T, s *shop, kafka *servers.Kafka, o servers.CanalOptions) *canal {
	t.Helper()
	o.File, o.Offset, o.Tables = "binlog.000001", 4, s.schema+`\..*`
	return &canal{servers.CanalFor(t, s.mysql, kafka, o), s, kafka, o.Topic}
}

func (s *shop) executed(t *testing.T) (set string) {
	t.Helper()
	if err := s.db.QueryRowContext(t.Context(), "SELECT REPLACE(@@gtid_executed, '\n', '')").Scan(&set); err != nil {
		t.Fatal(err)
	}
	return set
}

// messages gives each message about rows to a function, with its record.
func (c *canal) messages(t *testing.T, each func(m *canalMessage, r *kgo.Record)) {
	t.Helper()
	err := harness.EachRecord(t.Context(), c.kafka.Brokers(), c.topic, func(r *kgo.Record) {
		m := &canalMessage{}
		if err := json.Unmarshal(r.Value, m); err != nil {
			t.Fatalf("Canal wrote %s: %v", r.Value, err)
		}
		if r.Key != nil {
			t.Fatalf("Canal wrote a key: %s", r.Key)
		}
		if m.Data != nil {
			each(m, r)
		}
	})
	if err != nil {
		t.Fatalf("reading %s: %v", c.topic, err)
	}
}

// canalMessage is what is looked at of a flat message.
type canalMessage struct {
	Type, Table string
	Data, Old   []map[string]*string
	PKNames     []string
	DDL         bool `json:"isDdl"`
	ES, ID      int64
}

// moved counts the rows whose key changes.
func (m *canalMessage) moved() (n int) {
	for _, row := range m.Old {
		for _, name := range m.PKNames {
			if _, ok := row[name]; ok {
				n++
				break
			}
		}
	}
	return n
}

// caughtUp waits until Canal has written all rows of done.
func (c *canal) caughtUp(t *testing.T) {
	t.Helper()
	eventually(t, 2*time.Minute, func() (string, bool) {
		if err := c.Check(); err != nil {
			t.Fatal(err)
		}
		seen := map[string]bool{}
		c.messages(t, func(m *canalMessage, _ *kgo.Record) {
			if m.Table == "done" {
				for _, row := range m.Data {
					seen[*row["n"]] = true
				}
			}
		})
		return fmt.Sprintf("Canal has written %d rows of %d", len(seen), c.shop.steps), len(seen) == c.shop.steps
	})
}

// oneByOne makes a rest in which Canal writes what was committed, so that no batch of it has two transactions.
func (c *canal) oneByOne(t *testing.T) func() {
	adm := harness.AdminFor(t, c.kafka.Brokers())
	written := func() (sum int64) {
		ends, err := adm.ListEndOffsets(context.WithoutCancel(t.Context()), c.topic)
		if err == nil {
			ends.Each(func(o kadm.ListedOffset) { sum += o.Offset })
		}
		return sum
	}
	var before int64
	return func() {
		for deadline := time.Now().Add(10 * time.Second); written() <= before && time.Now().Before(deadline); {
			time.Sleep(20 * time.Millisecond)
		}
		time.Sleep(50 * time.Millisecond) // for the rest of it
		before = written()
	}
}

// canals are two shops on one server, in which much and little happens, and the bridges of what Canal writes about them.
type canals struct {
	kafka        *servers.Kafka
	fast, slow   *shop
	flat         *canal // one partition
	hashed, calm *canal // six, by the hash of the key; the second does not say GTIDs
	bridges      []*pipeline
}

func newCanals(t *testing.T) *canals {
	t.Helper()
	c := &canals{kafka: servers.KafkaFor(t, servers.KafkaOptions{})}
	my := servers.MySQLFor(t, servers.MySQLOptions{})
	c.fast, c.slow = newMySQLShop(t, my, "shop"), newMySQLShop(t, my, "slow")
	c.flat = newCanal(t, c.fast, c.kafka, servers.CanalOptions{Topic: "flat"})
	c.hashed = newCanal(t, c.fast, c.kafka, servers.CanalOptions{Topic: "hashed", Partitions: 6, GTID: c.fast.executed(t)})
	c.calm = newCanal(t, c.slow, c.kafka, servers.CanalOptions{Topic: "calm", Partitions: 6})
	outputs := map[string]string{"row": "plain-json", "can": "canal-json", "dbz": "debezium-json"}
	c.bridges = []*pipeline{
		{name: "fromflat", shop: c.fast, source: "topics: [flat], format: canal-json", outputs: outputs},
		{name: "fromhashed", shop: c.fast, source: "topics: [hashed], format: canal-json, order: source", outputs: outputs},
		{name: "fromcalm", shop: c.slow, source: "topics: [calm], format: canal-json, order: source", outputs: outputs},
		{name: "fromhashedonce", shop: c.fast, source: "topics: [hashed], format: canal-json, order: source, deduplicate: true", says: some, outputs: map[string]string{"row": "plain-json"}},
		{name: "fromagain", shop: c.fast, source: "topics: [flat], format: canal-json, deduplicate: true", says: some, outputs: map[string]string{"row": "plain-json"}},
	}
	return c
}

// caughtUp waits until Canal has written all of it.
func (c *canals) caughtUp(t *testing.T) {
	t.Helper()
	c.fast.step(t)
	c.slow.step(t)
	for _, one := range []*canal{c.flat, c.hashed, c.calm} {
		one.caughtUp(t)
	}
}

// TestFromCanal reads MySQL by Canal, into one partition and by the hash of the new key into six. The bridge makes of either what the tables have, of six
// partitions with order: source; without that it stops at the first key that changes. Both Canal and the bridge are killed.
//
// By the hash, messages of one batch of Canal's have no order among partitions but what rows tell of themselves. Where much happens it must say GTIDs,
// which have one.
func TestFromCanal(t *testing.T) {
	began, seed := time.Now(), harness.FreshSeed(t)
	c := newCanals(t)
	c.caughtUp(t) // or the first batch would have all that was written before
	flink := make(chan func() *servers.Flink, 1)
	go func() {
		f, err := servers.StartFlink(t.Context())
		flink <- func() *servers.Flink { return keep(t, f, err) }
	}()
	kills, r := harness.Longer(10, 100), rand.New(rand.NewPCG(seed, 1))
	quiet := []func(){c.fast.during(t, seed, 2, shortly), c.slow.during(t, seed+10, 1, c.calm.oneByOne(t))}
	d := killed(t, config(c.kafka, c.bridges...), r, kills/2)
	for range harness.Longer(1, 6) {
		for _, one := range []*canal{c.flat, c.hashed} {
			if err := one.Restart(); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(harness.Longer(0, 8*time.Second)) // it comes up and goes on
		running(t, d)
	}
	c.fast.widen(t, func() { c.caughtUp(t) })
	d.Kill()
	d = killed(t, config(c.kafka, c.bridges...), r, kills-kills/2-1)
	for _, stop := range quiet {
		stop()
	}
	c.caughtUp(t)
	settle(t, d, c.kafka.Brokers(), 2*time.Minute, c.bridges...)
	harness.StopFor(t, d)
	facts := map[string]any{"seed": seed, "kills": kills, "records": settle(t, nil, c.kafka.Brokers(), 0, c.bridges...), "said again by Canal": c.flat.again(t),
		"transactions": c.fast.committed.Load() + c.slow.committed.Load(), "checked": "fold of every topic == SELECT *; every message of Canal is in the topics once"}
	compacted(t, c.kafka, c.bridges...)
	if facts["said again by Canal"] == 0 {
		t.Error("Canal said nothing again: the test proves little")
	}
	for i, one := range []*canal{c.flat, c.hashed, c.calm} {
		one.complete(t, c.bridges[i])
		facts["keys moved in "+one.topic] = one.moved(t)
	}
	c.hashed.complete(t, c.bridges[3])
	c.flat.complete(t, c.bridges[4])
	t.Log(facts)
	harness.Evidence(t, began, facts)
	f := (<-flink)()
	t.Run("moved", func(t *testing.T) { c.hashed.stops(t) })
	t.Run("flink", func(t *testing.T) { c.flat.inFlink(t, f, c.bridges[0]) })
}

// written are the messages about rows by table and by what they say; the values are the records that say so, as "topic/partition@offset".
func (c *canal) written(t *testing.T) map[string]map[string][]string {
	t.Helper()
	out := map[string]map[string][]string{}
	c.messages(t, func(m *canalMessage, r *kgo.Record) {
		m.ID = 0
		text, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		if out[m.Table] == nil {
			out[m.Table] = map[string][]string{}
		}
		out[m.Table][string(text)] = append(out[m.Table][string(text)], fmt.Sprintf("%s/%d@%d", r.Topic, r.Partition, r.Offset))
	})
	return out
}

// again counts the messages that Canal has written before.
func (c *canal) again(t *testing.T) (n int) {
	t.Helper()
	for _, said := range c.written(t) {
		for _, records := range said {
			n += len(records) - 1
		}
	}
	return n
}

// moved counts the rows that got other keys.
func (c *canal) moved(t *testing.T) (n int) {
	t.Helper()
	c.messages(t, func(m *canalMessage, _ *kgo.Record) { n += m.moved() })
	if n < 5 {
		t.Errorf("%s: %d keys changed: the test proves little", c.topic, n)
	}
	return n
}

// complete checks that a bridge has every message about rows, or what they say once if it takes out what is said again.
func (c *canal) complete(t *testing.T, p *pipeline) {
	t.Helper()
	said := c.written(t)
	for _, of := range tables {
		p.complete(t, c.kafka.Brokers(), of, said[of.name])
	}
}

// stops lets a bridge read the partitions without order between them.
func (c *canal) stops(t *testing.T) {
	p := &pipeline{name: "unordered", shop: c.shop, source: "topics: [" + c.topic + "], format: canal-json", outputs: map[string]string{"row": "plain-json"}}
	d := harness.StartFor(t, config(c.kafka, p))
	s := harness.StateFor(t, d, time.Minute, "failed")
	if s.Code != "key_moved" || !strings.Contains(s.Error, c.topic) || !strings.Contains(s.Hint, "order: source") {
		t.Errorf("stopped with %s: %s\n%s", s.Code, s.Error, s.Hint)
	}
}
