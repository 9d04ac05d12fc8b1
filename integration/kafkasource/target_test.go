package kafkasource

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"cdcbridge/integration/harness"
)

// envelope is a message of Debezium about a row of orders that has only a key.
func envelope(database, op string, id int, now time.Time) message {
	at := fmt.Sprintf(`"source":{"connector":"mysql","db":"%s","table":"orders","ts_ms":%d,"file":"binlog.000001","pos":4,"row":0},"op":"%s"`, database, now.UnixMilli(), op)
	row := fmt.Sprintf(`{"id":%d}`, id)
	m := message{key: []byte(row), when: now}
	switch op {
	case "t":
		m.key, m.value = nil, []byte(`{`+at+`}`)
	case "d":
		m.value = []byte(`{"before":` + row + `,"after":null,` + at + `}`)
	default:
		m.value = []byte(`{"before":null,"after":` + row + `,` + at + `}`)
	}
	return m
}

// TestShardsMeetInOneTopic reads the same table of two databases from two topics into one compacted topic, with what is known of the
// records beside their rows.
func TestShardsMeetInOneTopic(t *testing.T) {
	t.Parallel()
	e := modern.get(t)
	name, now := unique(t), time.UnixMilli(time.Now().UnixMilli()).UTC()
	var topics []string
	for i, db := range []string{"shop1", "shop2"} {
		s := e.newSource(t, fmt.Sprintf("%s.in.%s.orders", name, db), 1)
		topics = append(topics, s.topic)
		for id := range 2 + i {
			m := envelope(db, "c", id, now)
			r := s.record(&m)
			r.Headers = []kgo.RecordHeader{{Key: "trace", Value: []byte(db)}}
			if err := s.cl.ProduceSync(t.Context(), r).FirstErr(); err != nil {
				t.Fatal(err)
			}
		}
		s.write(t, envelope(db, "d", 0, now))
	}
	b := e.reads(t, debezium, "", topics...)
	b.output = `format: plain-json, key_prefix: shard, metadata: [{name: shard, from: source.database}, {name: topic, from: topic}, {name: at, from: offset}, {name: part, from: partition},
      {name: type, from: timestamp-type}, {name: headers, from: headers}, {name: op, from: op}, {name: pos, from: source.position}, {name: ts, from: timestamp}, {name: key, from: key},
      {name: orig., from: headers, as: header}, {name: what, from: op, as: header}]`
	b.running(t)
	want := map[string]string{}
	row := func(db, topic string, id int) {
		want[fmt.Sprintf(`{"shard":"%s","id":%d}`, db, id)] = fmt.Sprintf(`{"id":%d,"shard":"%s","topic":"%s","at":%d,"part":0,"type":"CreateTime","headers":"{\"trace\":\"%s\"}","op":"c","pos":"%s/0@%d","ts":"%s","key":"{\"id\":%d}"}`,
			id, db, topic, id, db, topic, id, now.Format("2006-01-02T15:04:05.000Z"), id)
	}
	row("shop1", topics[0], 1)
	row("shop2", topics[1], 1)
	row("shop2", topics[1], 2)
	var records []harness.Record
	eventually(t, func() (err error) {
		if records, err = e.read(t.Context(), b.out()); err != nil {
			return err
		}
		if len(records) != 7 {
			return fmt.Errorf("%d records, not 5 rows and 2 tombstones", len(records))
		}
		return same("key", folded(records), want)
	})
	for _, r := range records {
		db, _, _ := strings.Cut(r.Headers["cdc.table"], ".")
		trace, what := db, "c"
		if r.Value == nil {
			trace, what = "", "x" // the delete that it comes from has no headers
		}
		if r.Headers["orig.trace"] != trace || r.Headers["what"] != what {
			t.Errorf("%s has the headers %v", r.Key, r.Headers)
		}
	}
}

// TestShardsOfPostgreSQL merges tables that differ in their database alone, and has one of them truncated.
func TestShardsOfPostgreSQL(t *testing.T) {
	t.Parallel()
	e, name := modern.get(t), unique(t)
	s := map[string]*source{}
	write := func(db, op string, ids ...int) {
		for _, id := range ids {
			m := envelope(db, op, id, time.Now())
			m.value = []byte(strings.Replace(string(m.value), `"connector":"mysql",`, `"connector":"postgresql","schema":"public","lsn":7,`, 1))
			s[db].write(t, m)
		}
	}
	for _, db := range []string{"db1", "db2"} {
		s[db] = e.newSource(t, name+".in."+db, 1)
		write(db, "c", 1, 2, 3)
		write(db, "d", 1)
	}
	b := e.reads(t, debezium, ", on_truncate: tombstone", s["db1"].topic, s["db2"].topic)
	b.output = `format: debezium-json, key_prefix: shard, metadata: [{name: shard, from: source.database}]`
	d := b.running(t)
	holds := func(keys ...string) {
		eventually(t, func() error {
			records, err := e.read(t.Context(), b.out())
			if err != nil {
				return err
			}
			if got := slices.Sorted(maps.Keys(folded(records))); !slices.Equal(got, keys) {
				return fmt.Errorf("the keys are %q, want %q", got, keys)
			}
			return nil
		})
	}
	holds(`{"shard":"db1","id":2}`, `{"shard":"db1","id":3}`, `{"shard":"db2","id":2}`, `{"shard":"db2","id":3}`)
	d.Kill()
	write("db1", "t", 0)
	write("db1", "c", 4)
	b.running(t)
	holds(`{"shard":"db1","id":4}`, `{"shard":"db2","id":2}`, `{"shard":"db2","id":3}`)
}

// TestTruncationWithoutAnOrder stops where rows of other partitions may have been there before it or not.
func TestTruncationWithoutAnOrder(t *testing.T) {
	t.Parallel()
	e := modern.get(t)
	s := e.newSource(t, unique(t)+".in.orders", 2)
	s.write(t, envelope("shop", "c", 1, time.Now()), envelope("shop", "t", 0, time.Now()))
	b := e.reads(t, debezium, ", on_truncate: tombstone", s.topic)
	b.fails(t, "diverged", s.topic, "shop.orders", "order: source").Kill()
}

// TestTruncatedTables has a table truncated among its changes, and kills the bridge again and again. Each key that had a value ends
// once for each truncation, and what comes behind one stays; of several partitions too where they are merged by their positions.
func TestTruncatedTables(t *testing.T) {
	for _, p := range protocols {
		t.Run(p.name, func(t *testing.T) { t.Parallel(); truncates(t, p.on.get(t), truncating{partitions: 1}) })
	}
	t.Run("InOrder", func(t *testing.T) {
		t.Parallel()
		truncates(t, modern.get(t), truncating{partitions: 3, more: ", order: source, order_idle_timeout: 10s"})
	})
	t.Run("Repeated", func(t *testing.T) {
		t.Parallel()
		truncates(t, modern.get(t), truncating{partitions: 1, more: ", deduplicate: true", repeats: true})
	})
}

// emptied is a table that is truncated now and then.
type emptied struct {
	r           *rand.Rand
	partitions  int
	pos         int // of the log that its changes come from
	began       time.Time
	live        map[int]bool
	ends        map[int]int // by key
	truncations int
}

// change makes the next message.
func (m *emptied) change() message {
	op, id := "c", m.r.IntN(200)
	switch n := m.r.IntN(20); {
	case n == 0 && len(m.live) > 0:
		op = "t"
		m.truncations++
		for k := range m.live {
			m.ends[k]++
		}
		clear(m.live)
	case n < 4 && m.live[id]:
		op = "d"
		m.ends[id]++
		delete(m.live, id)
	case m.live[id]:
		op = "u"
		fallthrough
	default:
		m.live[id] = true
	}
	return m.at(op, id)
}

// at makes a message in the partition of its key, of the next transaction.
func (m *emptied) at(op string, id int) message {
	m.pos++
	msg := envelope("shop", op, id, m.began.Add(time.Duration(m.pos)*time.Millisecond))
	if msg.key != nil {
		msg.partition = int32(id % m.partitions)
	}
	msg.value = []byte(strings.Replace(string(msg.value), `"pos":4`, fmt.Sprintf(`"pos":%d`, m.pos), 1))
	return msg
}

// truncating says how a table that is truncated is written and read.
type truncating struct {
	partitions int
	more       string // keys of the source section
	repeats    bool   // its writer goes on from a place before, now and then
}

func truncates(t *testing.T, e *env, how truncating) {
	t.Helper()
	seed := harness.FreshSeed(t)
	m := &emptied{r: rand.New(rand.NewPCG(seed, 1)), partitions: how.partitions, began: time.Now().Add(-time.Minute), live: map[int]bool{}, ends: map[int]int{}}
	s := e.newSource(t, unique(t)+".in.orders", int32(how.partitions))
	b := e.reads(t, debezium, ", on_truncate: tombstone"+how.more, s.topic)
	var written []message
	write := func() {
		var messages []message
		for range 1 + m.r.IntN(60) {
			messages = append(messages, m.change())
		}
		if how.partitions == 1 {
			s.write(t, messages...)
			if written = append(written, messages...); how.repeats {
				s.write(t, written[len(written)-m.r.IntN(min(len(written), 80)):]...)
			}
			return
		}
		for _, one := range messages { // a partition that is slower than the others could be late
			s.write(t, one)
		}
	}
	d := b.start(t)
	for range harness.Longer(5, 100) {
		write()
		waitFor(t, d, "running")
		for range m.r.IntN(4) {
			write()
		}
		d.Kill()
		d = b.start(t)
	}
	for m.truncations < 3 {
		write()
	}
	m.live[999] = true
	s.write(t, m.at("c", 999))
	want := map[string]string{}
	for id := range m.live {
		key := fmt.Sprintf(`{"id":%d}`, id)
		want[key] = key
	}
	records := b.folds(t, want)
	got := map[string]int{}
	for _, rec := range records {
		if rec.Value == nil {
			got[string(rec.Key)]++
		}
	}
	for id, n := range m.ends {
		if key := fmt.Sprintf(`{"id":%d}`, id); got[key] != n {
			t.Errorf("row %d ended %d times, and %d times in the topic", id, n, got[key])
		}
	}
	t.Logf("%d truncations, %d records", m.truncations, len(records))
}
