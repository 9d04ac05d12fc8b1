package upsertsink

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"

	"cdcbridge/changelog"
	"cdcbridge/formats"
	"cdcbridge/formats/canal"
	"cdcbridge/formats/debezium"
	"cdcbridge/formats/plain"
	"cdcbridge/integration/harness"
	"cdcbridge/integration/servers"
	"cdcbridge/internal/fault"
	kw "cdcbridge/internal/kafkawire"
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

// writer writes batches of real tables, as a pipeline does.
type writer struct {
	*run
	planner      *upsert.Planner
	materializer *upsert.Materializer
}

// writer opens a pipeline that merges shards.
func (p *pipeline) writer(t *testing.T, instance string, settings map[string]string) *writer {
	t.Helper()
	return p.writerOf(t, instance, upsert.Output{
		Name: "rows", Mode: upsert.Upsert, Topic: p.topic, Format: plain.Kind().Config().Format(formats.Env{Server: p.name}),
		KeyPrefix: "shard", Metadata: []shape.Metadata{{Name: "shard", From: shape.Database, As: shape.Field}},
		Settings: upsert.TopicSettings{Partitions: 3, Create: true, Config: settings},
	})
}

func (p *pipeline) writerOf(t *testing.T, instance string, outputs ...upsert.Output) *writer {
	t.Helper()
	r := &run{pipeline: p, sink: p.newSink(instance)}
	cp, err := r.sink.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.close)
	if cp.Pos == "" {
		cp.Pos = "start"
	}
	if err := r.sink.Claim(t.Context(), changelog.Checkpoint{Pos: cp.Pos}); err != nil {
		t.Fatal(err)
	}
	return &writer{r, upsert.NewPlanner(p.name, outputs, nil, r.sink.Topic), upsert.NewMaterializer(kw.LZ4)}
}

func shard(id int, database string) *changelog.Table {
	return &changelog.Table{ID: id, Origin: "mysql", Database: database, Name: "orders", Key: []int{0}, Columns: []changelog.Column{
		{Name: "id", Type: changelog.Type{Kind: changelog.KindInt, Bits: 64}, SourceType: "bigint"}}}
}

// committedAt is when all changes were. With older times Kafka would roll the segments at once, and compact them under the test.
var committedAt = time.Now().UnixMicro()

// batch is one change of each of the rows from..to-1 of a table.
func batch(table *changelog.Table, op changelog.Op, from, to int) *changelog.Batch {
	b := changelog.NewBatch()
	b.Txns = append(b.Txns, changelog.Txn{ID: "t", Commit: committedAt, First: true, Last: true})
	for id := from; id < to; id++ {
		row := b.NewRow(1)
		row[0] = changelog.Int(int64(id))
		ch := changelog.Change{Op: op, After: row, Index: uint64(id)}
		if op == changelog.Delete {
			ch.Before, ch.After = row, nil
		}
		b.Changes = append(b.Changes, ch)
	}
	b.Runs = append(b.Runs, changelog.Run{Table: table, To: len(b.Changes), File: "f", Pos: 4})
	return b
}

// mustGive writes a batch, and ends what it ends before that.
func (w *writer) mustGive(t *testing.T, b *changelog.Batch) {
	t.Helper()
	ctx := t.Context()
	var plans upsert.Plans
	for i := range b.Runs {
		run, err := w.planner.Plans(ctx, b.Runs[i].Table)
		if err != nil {
			t.Fatal(err)
		}
		plans.Runs = append(plans.Runs, run)
	}
	var err error
	if plans.Parking, err = w.planner.Parking(ctx, b); err != nil {
		t.Fatal(err)
	}
	ended, err := w.planner.Truncations(ctx, b, 1)
	if err != nil {
		t.Fatal(err)
	}
	if len(ended) > 0 {
		if _, err := w.sink.Truncate(ctx, ended); err != nil {
			t.Fatal(err)
		}
	}
	chunk, err := w.materializer.Chunk(b, plans, committedAt, 1)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.sink.Write(ctx, chunk); err != nil {
		t.Fatal(err)
	}
}

func (w *writer) mustCommit(t *testing.T, pos string) {
	t.Helper()
	if _, err := w.sink.Commit(t.Context(), changelog.Checkpoint{Pos: changelog.Position(pos)}); err != nil {
		t.Fatal(err)
	}
}

func truncation(table *changelog.Table) *changelog.Batch {
	b := changelog.NewBatch()
	b.Records = append(b.Records, changelog.Record{Topic: "in", Partition: 1, Offset: 99})
	b.Notes = append(b.Notes, changelog.Note{Kind: changelog.Truncate, Txn: -1, Table: table, Policy: upsert.PolicyTombstone, Record: 1, Time: committedAt})
	return b
}

// settled reads a topic when nothing in it is undecided: a commit is answered before its control batches are in all partitions.
func (e *env) settled(t *testing.T, topic string) []harness.Record {
	t.Helper()
	adm := e.admin(t)
	for patience := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		stable, err := adm.ListCommittedOffsets(t.Context(), topic)
		if err != nil {
			t.Fatal(err)
		}
		ends, err := adm.ListEndOffsets(t.Context(), topic)
		if err != nil {
			t.Fatal(err)
		}
		undecided := false
		ends.Each(func(o kadm.ListedOffset) {
			s, ok := stable.Lookup(topic, o.Partition)
			undecided = undecided || !ok || s.Offset < o.Offset
		})
		if !undecided {
			break
		}
		if time.Now().After(patience) {
			t.Fatalf("%s has an open transaction", topic)
		}
	}
	records, err := harness.ReadTopic(t.Context(), e.brokers, topic)
	if err != nil {
		t.Fatal(err)
	}
	return records
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
