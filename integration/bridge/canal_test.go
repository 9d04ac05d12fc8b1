package bridge

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"cdcbridge/integration/harness"
	"cdcbridge/integration/servers"

	"github.com/twmb/franz-go/pkg/kgo"
)

// canal is a Canal that writes all tables of a shop to one topic.
type canal struct {
	*servers.Canal
	shop  *shop
	kafka *servers.Kafka
	topic string
}

func newCanal(t *testing.T, s *shop, kafka *servers.Kafka, topic string, partitions int32) *canal {
	t.Helper()
	o := servers.CanalOptions{File: "binlog.000001", Offset: 4, Tables: `shop\..*`, Topic: topic, Partitions: partitions}
	return &canal{servers.CanalFor(t, s.mysql, kafka, o), s, kafka, topic}
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
	eventually(t, time.Minute, func() (string, bool) {
		if err := c.Check(); err != nil {
			t.Fatal(err)
		}
		seen := map[string]bool{}
		c.messages(t, func(m *canalMessage, r *kgo.Record) {
			if m.Table == "done" {
				for _, row := range m.Data {
					seen[*row["n"]] = true
				}
			}
		})
		return fmt.Sprintf("Canal has written %d rows of %d", len(seen), c.shop.steps), len(seen) == c.shop.steps
	})
}

// TestCanal reads MySQL by Canal twice, into one partition and by the hash of the new key into six. The bridge makes of both what the tables have,
// of the second with order: source; without that it stops at the first key that changes.
func TestCanal(t *testing.T) {
	began, seed := time.Now(), freshSeed(t)
	kafka := servers.KafkaFor(t, servers.KafkaOptions{})
	flink := make(chan func() *servers.Flink, 1)
	go func() {
		f, err := servers.StartFlink(t.Context())
		flink <- func() *servers.Flink { return keep(t, f, err) }
	}()
	s := newMySQLShop(t, servers.MySQLFor(t, servers.MySQLOptions{}))
	flat, hashed := newCanal(t, s, kafka, "flat", 1), newCanal(t, s, kafka, "hashed", 6)
	outputs := map[string]string{"row": "plain-json", "can": "canal-json", "dbz": "debezium-json"}
	bridges := []*pipeline{
		{name: "fromflat", shop: s, source: "topics: [flat], format: canal-json", outputs: outputs},
		{name: "fromhashed", shop: s, source: "topics: [hashed], format: canal-json, order: source", outputs: outputs},
		{name: "fromagain", shop: s, source: "topics: [flat], format: canal-json, deduplicate: true", outputs: map[string]string{"row": "plain-json"}},
	}
	kills, r := longer(10, 100), rand.New(rand.NewPCG(seed, 1))
	quiet := s.during(t, seed, 2, 10*time.Millisecond)
	d := killed(t, config(kafka, bridges...), r, kills/2)
	if err := flat.Restart(); err != nil {
		t.Fatal(err)
	}
	s.widen(t, func() {
		s.step(t)
		flat.caughtUp(t)
		hashed.caughtUp(t)
	})
	d.Kill()
	d = killed(t, config(kafka, bridges...), r, kills-kills/2-1)
	quiet()
	s.step(t)
	flat.caughtUp(t)
	hashed.caughtUp(t)
	settle(t, d, kafka.Brokers(), time.Minute, bridges...)
	stop(t, d)
	records := settle(t, nil, kafka.Brokers(), 0, bridges...)
	compacted(t, kafka, bridges...)
	if flat.again(t) == 0 {
		t.Error("Canal said nothing again: the test proves little")
	}
	facts := map[string]any{"seed": seed, "kills": kills, "records": records, "transactions": s.committed.Load(), "said again by Canal": flat.again(t),
		"checked": "fold of every topic == SELECT *; every message of Canal is in the topics once"}
	for i, c := range []*canal{flat, hashed} {
		facts["keys moved in "+c.topic] = c.complete(t, bridges[i])
	}
	t.Log(facts)
	harness.Evidence(t, began, facts)
	t.Run("moved", func(t *testing.T) { hashed.stops(t) })
	f := (<-flink)()
	if t.Failed() {
		return
	}
	t.Run("flink", func(t *testing.T) { flat.inFlink(t, f, bridges[0]) })
}

// again counts the messages that Canal has written before.
func (c *canal) again(t *testing.T) (n int) {
	t.Helper()
	seen := map[string]bool{}
	c.messages(t, func(m *canalMessage, r *kgo.Record) {
		m.ID = 0
		text, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		if seen[string(text)] {
			n++
		}
		seen[string(text)] = true
	})
	return n
}

// complete checks that the bridge has every message about rows, and returns how many keys changed, some of them to another partition.
func (c *canal) complete(t *testing.T, p *pipeline) (moved int) {
	t.Helper()
	want := map[string]map[string]bool{}
	partitions := map[int32]bool{}
	c.messages(t, func(m *canalMessage, r *kgo.Record) {
		if want[m.Table] == nil {
			want[m.Table] = map[string]bool{}
		}
		want[m.Table][fmt.Sprintf("%s/%d@%d", r.Topic, r.Partition, r.Offset)] = true
		moved += m.moved()
		partitions[r.Partition] = true
	})
	for _, of := range tables {
		for output := range p.outputs {
			all, err := harness.ReadTopic(t.Context(), c.kafka.Brokers(), p.topic(output, of))
			if err != nil {
				t.Fatal(err)
			}
			got := origins(all)
			for r := range want[of.name] {
				if !got[r] {
					t.Errorf("%s lacks what is in %s", p.topic(output, of), r)
				}
				delete(got, r)
			}
			for r := range got {
				t.Errorf("%s comes from %s, which is not there", p.topic(output, of), r)
			}
		}
	}
	if moved < 10 {
		t.Errorf("%s: %d keys changed: the test proves little", c.topic, moved)
	}
	return moved
}

// stops lets a bridge read the partitions without order between them.
func (c *canal) stops(t *testing.T) {
	p := &pipeline{name: "unordered", shop: c.shop, source: "topics: [" + c.topic + "], format: canal-json", outputs: map[string]string{"row": "plain-json"}}
	d := harness.StartFor(t, config(c.kafka, p))
	s, err := d.WaitState(t.Context(), "failed")
	if err != nil {
		t.Fatal(err)
	}
	if s.Code != "key_moved" || !strings.Contains(s.Error, c.topic) || !strings.Contains(s.Hint, "order: source") {
		t.Errorf("stopped with %s: %s\n%s", s.Code, s.Error, s.Hint)
	}
}
