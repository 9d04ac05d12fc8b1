package upsertsink

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"cdcbridge/changelog"
	"cdcbridge/formats"
	"cdcbridge/formats/canal"
	"cdcbridge/formats/debezium"
	"cdcbridge/formats/plain"
	"cdcbridge/integration/harness"
	"cdcbridge/integration/servers"
	"cdcbridge/internal/fault"
	"cdcbridge/internal/shape"
	"cdcbridge/upsert"
)

// TestTruncations ends the keys of one of two shards in a topic that both are in, and parks records in the same transaction.
func TestTruncations(t *testing.T) {
	for _, kind := range kinds[:2] {
		t.Run(kind.name, func(t *testing.T) {
			options := kind.options
			options.Proxied = true
			k := servers.KafkaFor(t, options)
			e := &env{kafka: k, brokers: k.Listener(servers.Proxied), proto: kind.proto}
			t.Run("Ends", e.testTruncation)
			t.Run("Deletes", e.testTruncationDeletes)
			t.Run("Shard", e.testTruncatedShard)
			t.Run("Split", e.testSplitTruncation)
			t.Run("Parked", e.testParked)
		})
	}
}

func truncation(table *changelog.Table) *changelog.Batch {
	b := changelog.NewBatch()
	b.Records = append(b.Records, changelog.Record{Topic: "in", Partition: 1, Offset: 99})
	b.Notes = append(b.Notes, changelog.Note{Kind: changelog.Truncate, Txn: -1, Table: table, Policy: upsert.PolicyTombstone, Record: 1, Time: committedAt})
	return b
}

// ends counts, of each key of a shard, the tombstones, and says which keys have a value at the end.
func (p *pipeline) ends(t *testing.T, database string) (tombstones map[int]int, live map[int]bool) {
	t.Helper()
	records := p.settled(t, p.topic)
	tombstones, live = map[int]int{}, map[int]bool{}
	for _, r := range records {
		var key struct {
			Shard string
			ID    int
		}
		if err := json.Unmarshal(r.Key, &key); err != nil {
			t.Fatal(err)
		}
		if key.Shard != database {
			continue
		}
		if r.Headers["cdc.table"] != database+".orders" {
			t.Fatalf("key %s has the table %s", r.Key, r.Headers["cdc.table"])
		}
		if live[key.ID] = r.Value != nil; r.Value == nil {
			tombstones[key.ID]++
		}
	}
	return tombstones, live
}

// testTruncation: each key that has a value gets one tombstone, none of the other shard does; a crash before the commit repeats
// nothing, and what comes behind the truncation stays.
func (e *env) testTruncation(t *testing.T) {
	p := e.pipeline(t)
	w := p.writer(t, "a", nil)
	one, two := shard(0, "shop1"), shard(1, "shop2")
	w.mustGive(t, batch(one, changelog.Insert, 0, 2000))
	w.mustGive(t, batch(two, changelog.Insert, 0, 2000))
	w.mustCommit(t, "1")
	w.mustGive(t, batch(one, changelog.Delete, 0, 500))
	w.mustCommit(t, "2")
	w.mustGive(t, batch(one, changelog.Insert, 100, 200))
	w.mustGive(t, batch(one, changelog.Update, 1500, 2000))
	w.mustCommit(t, "3")

	w.mustGive(t, truncation(one)) // and dies before it has committed it
	w.close()

	w = p.writer(t, "b", nil)
	b := batch(one, changelog.Insert, 1990, 2010)
	with := truncation(one)
	b.Notes, b.Records = with.Notes, with.Records
	w.mustGive(t, b)
	w.mustCommit(t, "4")
	both := truncation(one) // of a few rows
	both.Notes = append(both.Notes, truncation(two).Notes[0], truncation(shard(2, "shop3")).Notes[0])
	w.mustGive(t, both)
	list, err := w.planner.Truncations(t.Context(), both, 1)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.sink.Truncate(t.Context(), list); !fault.Is(err, fault.Internal) {
		t.Errorf("with a transaction that is open: %v", err)
	}
	w.mustCommit(t, "5")
	w.mustGive(t, truncation(one)) // of an empty table
	w.mustCommit(t, "6")

	ended, live := p.ends(t, "shop1")
	for id := range 2010 {
		want := 1
		switch {
		case id >= 100 && id < 200, id >= 1990 && id < 2000: // inserted twice
			want = 2
		}
		if ended[id] != want || live[id] {
			t.Errorf("row %d has %d tombstones, not %d; live %v", id, ended[id], want, live[id])
		}
	}
	other, live := p.ends(t, "shop2")
	for id := range 2000 {
		if other[id] != 1 || live[id] {
			t.Errorf("row %d of the other shard has %d tombstones", id, other[id])
		}
	}
	records := p.settled(t, p.topic)
	last := records[len(records)-1]
	if last.Value != nil || last.Headers["cdc.pos"] != "in/1@99" || last.Headers["cdc.op"] != "x" || last.Headers["cdc.pipeline"] != p.name || last.Time.UnixMilli() != committedAt/1000 {
		t.Errorf("the last tombstone has %v, %s", last.Headers, last.Time)
	}
}

// testTruncationDeletes: readers of envelopes are told of each row that went, with what it was, also when nothing is known of the table
// but its name; and not of one that was deleted before.
func (e *env) testTruncationDeletes(t *testing.T) {
	for name, kind := range map[string]formats.Kind{"debezium": debezium.Kind(), "canal": canal.Kind()} {
		for _, known := range []bool{true, false} {
			p := e.pipeline(t)
			p.topic += fmt.Sprintf(".%s.%v", name, known)
			cfg := kind.Config()
			w := p.writerOf(t, "a", upsert.Output{
				Name: "out", Mode: upsert.Upsert, Topic: p.topic, Format: cfg.Format(formats.Env{Server: p.name}), NoTombstones: known,
				Settings: upsert.TopicSettings{Partitions: 2, Create: true},
			})
			table := shard(0, "shop")
			w.mustGive(t, batch(table, changelog.Insert, 0, 30))
			w.mustGive(t, batch(table, changelog.Delete, 0, 10))
			w.mustCommit(t, "1")
			if !known {
				table = &changelog.Table{ID: 1, Origin: "mysql", Database: "shop", Name: "orders"}
			}
			w.mustGive(t, truncation(table))
			w.mustCommit(t, "2")
			records := e.settled(t, p.topic)
			deletes, tombstones := map[string]int{}, map[string]int{}
			for _, r := range records {
				if r.Value == nil {
					tombstones[string(r.Key)]++
					continue
				}
				ev, err := cfg.Decoder().Decode(r.Key, r.Value)
				if err != nil {
					t.Fatal(err)
				}
				if ev.Op == changelog.Delete {
					deletes[string(ev.Before[0].JSON)]++
				}
			}
			for id := range 30 {
				row := strconv.Itoa(id)
				if name == "canal" {
					row = strconv.Quote(row)
				}
				ends := 1
				if known {
					ends = 0
				}
				if key := `{"id":` + row + `}`; deletes[row] != 1 || tombstones[key] != ends {
					t.Errorf("%s, known %v: row %d has %d deletes and %d tombstones", name, known, id, deletes[row], tombstones[key])
				}
			}
		}
	}
}

// testTruncatedShard: of a table that comes from several topics only the rows of the topic in which the truncation is end.
func (e *env) testTruncatedShard(t *testing.T) {
	p := e.pipeline(t)
	w := p.writerOf(t, "a", upsert.Output{
		Name: "rows", Mode: upsert.Upsert, Topic: p.topic, Format: plain.Kind().Config().Format(formats.Env{Server: p.name}),
		KeyPrefix: "from", Metadata: []shape.Metadata{{Name: "from", From: shape.Topic, As: shape.Field}}, Settings: upsert.TopicSettings{Partitions: 2, Create: true},
	})
	table := shard(0, "shop")
	for _, topic := range []string{"in", "other"} {
		b := batch(table, changelog.Insert, 0, 20)
		b.Records = append(b.Records, changelog.Record{Topic: topic})
		b.Runs[0].Record = 1
		w.mustGive(t, b)
	}
	w.mustCommit(t, "1")
	w.mustGive(t, truncation(&changelog.Table{ID: 1, Origin: "mysql", Database: "shop", Name: "orders"}))
	w.mustCommit(t, "2")
	live := map[string]int{}
	for _, r := range harness.Fold(p.settled(t, p.topic)) {
		live[r.Headers["cdc.shard"]]++
	}
	if live["in"] != 0 || live["other"] != 20 {
		t.Errorf("rows by topic: %v", live)
	}
}

// testSplitTruncation: more keys than fit into one transaction's time.
func (e *env) testSplitTruncation(t *testing.T) {
	p := e.pipeline(t)
	p.cfg.TransactionTimeout = 3 * time.Second // split at one
	w := p.writer(t, "a", map[string]string{"max.message.bytes": "512"})
	table := shard(0, "shop1")
	const rows = 200
	w.mustGive(t, batch(table, changelog.Insert, 0, rows))
	w.mustCommit(t, "1")
	before := w.sink.Stats().Committed
	if err := e.kafka.Proxy(0).Latency(25 * time.Millisecond); err != nil {
		t.Fatal(err)
	}
	w.mustGive(t, truncation(table))
	if n := w.sink.Stats().Committed - before; n == 0 {
		t.Error("all was in one transaction")
	} else {
		t.Logf("%d transactions", n+1)
	}
	if err := e.kafka.Proxy(0).Latency(0); err != nil {
		t.Fatal(err)
	}
	w.mustCommit(t, "2")
	ended, _ := p.ends(t, "shop1")
	for id := range rows {
		if ended[id] != 1 {
			t.Fatalf("row %d has %d tombstones", id, ended[id])
		}
	}
}

// testParked: a record is in the dead-letter topic if and only if the position behind it is committed. The topic keeps what has no
// key, and may be shared.
func (e *env) testParked(t *testing.T) {
	p := e.pipeline(t)
	dead := p.topic + ".dead"
	give := func(w *writer, offset int64) {
		b := changelog.NewBatch()
		b.Records = append(b.Records, changelog.Record{Topic: "in", Partition: 1, Offset: offset, Timestamp: 5, Value: []byte("{"), Headers: []changelog.RecordHeader{{Name: "trace", Value: []byte("t")}}})
		b.Notes = append(b.Notes, changelog.Note{Kind: changelog.Parked, Txn: -1, Record: 1, Prefix: dead, Code: "decode", Text: "unexpected end"})
		w.mustGive(t, b)
	}
	w := p.writer(t, "a", nil)
	give(w, 7)
	w.mustCommit(t, "1")
	give(w, 8)
	w.close()
	w = p.writer(t, "b", nil)
	give(w, 8)
	w.mustCommit(t, "2")
	other := e.pipeline(t)
	o := other.writer(t, "a", nil)
	give(o, 9)
	o.mustCommit(t, "1")

	records := e.settled(t, dead)
	var got []string
	for _, r := range records {
		h := r.Headers
		got = append(got, fmt.Sprintf("%s=%s %s %s %s/%s@%s %s %s: %s", r.Key, r.Value, h["trace"], h["cdc.parked.pipeline"], h["cdc.parked.topic"], h["cdc.parked.partition"], h["cdc.parked.offset"],
			h["cdc.parked.timestamp"], h["cdc.parked.code"], h["cdc.parked.reason"]))
	}
	want := fmt.Sprintf("={ t %[1]s in/1@7 5 decode: unexpected end\n={ t %[1]s in/1@8 5 decode: unexpected end\n={ t %[2]s in/1@9 5 decode: unexpected end", p.name, other.name)
	if strings.Join(got, "\n") != want {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), want)
	}
	settings, err := e.admin(t).DescribeTopicConfigs(t.Context(), dead)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range settings[0].Configs {
		if c.Key == "cleanup.policy" && *c.Value != "delete" {
			t.Errorf("the policy of the dead-letter topic is %s", *c.Value)
		}
	}
}
