package bridge

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"cdcbridge/integration/harness"
	"cdcbridge/integration/servers"
)

// epoch is where the event times of the scenarios begin.
var epoch = time.Date(2024, 5, 6, 7, 0, 0, 0, time.UTC)

// lateness of all scenarios.
const lateness = 5 * time.Second

// scenario is a topic whose partitions have different times in them.
type scenario struct {
	name       string
	partitions int32
	ours       string // of our watermark section, beside from and lateness
	flink      string // options of Flink's table that mean the same
	from       string // record, source (of messages of Debezium) or column
	acts       []act
}

// act are records, and what the watermark is when both have read all of them that they will.
type act struct {
	records []event
	pause   time.Duration // after each of them; 0: all come at once

	held  bool          // some need not be read yet, for they are too far ahead
	probe int32         // where a record of long ago can be put, which both read now and which changes nothing
	want  time.Duration // the watermark, less the epoch; negative: there is none
}

// event is one record: where, and when it was.
type event struct {
	partition int32
	at        time.Duration
}

// seconds gives events of a partition at these seconds.
func seconds(partition int32, at ...float64) (all []event) {
	for _, s := range at {
		all = append(all, event{partition, time.Duration(s * float64(time.Second))})
	}
	return all
}

// span gives an event every step seconds.
func span(partition int32, from, to, step float64) (all []event) {
	for s := from; s <= to; s += step {
		all = append(all, seconds(partition, s)...)
	}
	return all
}

func join(lists ...[]event) (all []event) {
	for _, l := range lists {
		all = append(all, l...)
	}
	return all
}

var scenarios = []scenario{
	{
		name: "unequal", partitions: 3, from: "source",
		acts: []act{
			{records: join(span(0, 0, 500, 1), seconds(1, 30, 20, 250.75, 60, 249), span(2, 0, 900, 100)), probe: 1, want: 250*time.Second + 750*time.Millisecond - lateness},
			{records: seconds(1, 100, 700, 3, 600), probe: 1, want: 500*time.Second - lateness},
		},
	},
	{
		name: "idle", partitions: 3, from: "column",
		ours: "idle_timeout: 2s", flink: "'scan.watermark.idle-timeout' = '2 s'",
		acts: []act{
			// Partition 2 has nothing at all, partition 1 falls silent first.
			{records: join(seconds(1, 40), span(0, 100, 130, 2)), pause: 300 * time.Millisecond, probe: 0, want: 130*time.Second - lateness},
			// It wakes up, behind the others: the watermark does not go back, and waits for it until it is silent again.
			{records: join(seconds(1, 50), span(0, 131, 140, 1)), pause: 300 * time.Millisecond, probe: 0, want: 140*time.Second - lateness},
		},
	},
	{
		name: "drift", partitions: 2, from: "record",
		ours:  "max_drift: 30s",
		flink: "'scan.watermark.alignment.group' = 'drift', 'scan.watermark.alignment.max-drift' = '30 s', 'scan.watermark.alignment.update-interval' = '200 ms'",
		acts: []act{
			{records: join(span(1, 0, 50, 1), span(0, 0, 60, 10)), probe: 1, want: 50*time.Second - lateness},
			{records: span(0, 70, 1000, 1), held: true, probe: 1, want: 50*time.Second - lateness}, // partition 0 waits
			{records: seconds(1, 2000), probe: 0, want: 1000*time.Second - lateness},
		},
	},
}

// TestWatermarks holds the watermark of a pipeline against what CURRENT_WATERMARK says in Flink of the same topic.
func TestWatermarks(t *testing.T) {
	kafka := servers.KafkaFor(t, servers.KafkaOptions{})
	f := servers.FlinkFor(t)
	cl, err := kgo.NewClient(kgo.SeedBrokers(kafka.Brokers()...), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.MetadataMinAge(100*time.Millisecond), kgo.ProducerLinger(0))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	for _, s := range scenarios {
		t.Run(s.name, func(t *testing.T) { s.run(t, kafka, f, cl) })
	}
}

// produce sends records whose times are those of the events, in their timestamps or in a column.
func (s *scenario) produce(t *testing.T, cl *kgo.Client, id int, events ...event) {
	t.Helper()
	var all []*kgo.Record
	for i, e := range events {
		at := epoch.Add(e.at)
		r := &kgo.Record{Topic: s.name, Partition: e.partition, Key: fmt.Appendf(nil, `{"id":%d}`, id+i),
			Value: fmt.Appendf(nil, `{"id":%d,"ts":"%s"}`, id+i, at.Format("2006-01-02T15:04:05.000Z"))}
		switch s.from {
		case "record":
			r.Timestamp = at
		case "source":
			r.Value = fmt.Appendf(nil, `{"before":null,"after":{"id":%d},"source":{"name":"s","db":"shop","table":"unequal","ts_ms":%d},"op":"c"}`, id+i, at.UnixMilli())
		}
		all = append(all, r)
	}
	if err := cl.ProduceSync(t.Context(), all...).FirstErr(); err != nil {
		t.Fatal(err)
	}
}

func (s *scenario) run(t *testing.T, kafka *servers.Kafka, f *servers.Flink, cl *kgo.Client) {
	if _, err := kadm.NewClient(cl).CreateTopic(t.Context(), s.partitions, 1, nil, s.name); err != nil {
		t.Fatal(err)
	}
	from := "from: " + s.from
	if s.from == "column" {
		from += ", column: ts"
	}
	if s.ours != "" {
		from += ", "
	}
	d := harness.StartFor(t, config(kafka, &pipeline{name: s.name, source: fmt.Sprintf("topics: [%s], format: %s, watermark: {%s%s, lateness: 5s}", s.name, s.format(), from, s.ours),
		outputs: map[string]string{"row": "plain-json"}, more: "progress_topic: progress"}))
	n := 0
	for _, a := range s.acts {
		n += len(a.records) + 1
	}
	first := []event{{0, -time.Hour}}
	if s.name == "drift" {
		first = append(first, event{1, -time.Hour}) // or Flink may hold the one while the other has nothing
	}
	s.produce(t, cl, -100, first...)
	answer, failed, reads := make(chan servers.FlinkResult, 1), make(chan error, 1), make(chan servers.FlinkRow, n+len(first))
	go func() {
		r, err := f.Run(t.Context(), servers.FlinkScript{SQL: s.query(kafka), Limit: n + len(first), Timeout: 3 * time.Minute, Each: func(r servers.FlinkRow) { reads <- r }})
		answer <- r
		failed <- err
		close(reads)
	}()
	for range first { // what follows is read as it comes, or partitions would be idle at other times than they are here
		if _, ok := <-reads; !ok {
			t.Fatalf("Flink has read nothing: %v", <-failed)
		}
	}
	id, sent, read := 1, len(first), len(first)
	for i, a := range s.acts {
		if a.pause == 0 {
			s.produce(t, cl, id, a.records...)
		}
		for k, e := range a.records {
			if a.pause > 0 {
				s.produce(t, cl, id+k, e)
				time.Sleep(a.pause)
			}
		}
		id += len(a.records)
		s.reached(t, d, &a)
		for sent += len(a.records); read < sent && !a.held; read++ {
			if _, ok := <-reads; !ok {
				break
			}
		}
		sent++                      // the probe
		time.Sleep(3 * time.Second) // Flink moves its watermark now and then; ours must stay where it is
		s.reached(t, d, &a)
		s.produce(t, cl, -1-i, event{a.probe, -time.Hour})
	}
	r := <-answer
	if err := <-failed; err != nil || r.Timeout {
		t.Fatalf("Flink gave %d rows of %d, timeout %v: %v", len(r.Rows), n, r.Timeout, err)
	}
	got := map[string]string{}
	for _, row := range r.Rows {
		got[unquoted(t, string(row.Values[0]))] = strings.Trim(string(row.Values[1]), `"`)
	}
	for i, a := range s.acts {
		flink, err := time.Parse(time.RFC3339Nano, got[fmt.Sprint(-1-i)])
		if err != nil || !flink.Equal(epoch.Add(a.want)) {
			t.Errorf("act %d: Flink says %q, ours was %v", i, got[fmt.Sprint(-1-i)], epoch.Add(a.want))
		}
	}
	harness.StopFor(t, d)
	s.written(t, kafka, s.acts[len(s.acts)-1].want)
}

// written looks for the watermark in the topic that tells how far pipelines are.
func (s *scenario) written(t *testing.T, kafka *servers.Kafka, want time.Duration) {
	t.Helper()
	all, err := harness.ReadTopic(t.Context(), kafka.Brokers(), "progress")
	if err != nil {
		t.Fatal(err)
	}
	last, ok := harness.Fold(all)[`{"pipeline":"`+s.name+`"}`]
	var progress struct {
		Watermark int64 `json:"watermark_ms"`
	}
	if !ok || json.Unmarshal(last.Value, &progress) != nil || !time.UnixMilli(progress.Watermark).Equal(epoch.Add(want)) {
		t.Errorf("the progress topic has %s, want the watermark %v", last.Value, epoch.Add(want))
	}
}

// format of the messages.
func (s *scenario) format() string {
	if s.from == "source" {
		return "debezium-json"
	}
	return "plain-json"
}

// query gives each record with the watermark of when it was read.
func (s *scenario) query(kafka *servers.Kafka) string {
	at, format := "", "'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601'"
	switch s.from {
	case "record":
		at = " METADATA FROM 'timestamp'"
	case "source":
		at, format = " METADATA FROM 'value.source.timestamp' VIRTUAL", "'format' = 'debezium-json'"
	}
	if s.flink != "" {
		format += ", " + s.flink
	}
	return fmt.Sprintf(`CREATE TABLE %s (id INT, ts TIMESTAMP_LTZ(3)%s, WATERMARK FOR ts AS ts - INTERVAL '5' SECOND) WITH ('connector' = 'kafka', 'topic' = '%s', 'properties.bootstrap.servers' = '%s',
		'scan.startup.mode' = 'earliest-offset', %s); SELECT id, CURRENT_WATERMARK(ts) FROM %s`, s.name, at, s.name, strings.Join(kafka.Brokers(), ","), format, s.name)
}

// reached waits until the pipeline's watermark is what it should be, and it has read what it is to read.
func (s *scenario) reached(t *testing.T, d *harness.Daemon, a *act) {
	t.Helper()
	eventually(t, time.Minute, func() (string, bool) {
		running(t, d)
		all, err := d.Status(t.Context())
		if err != nil || len(all) == 0 {
			return fmt.Sprint(err), false
		}
		p := &all[0]
		read := a.held || p.LagSeconds != nil && *p.LagSeconds == 0 && p.CaughtUp
		return fmt.Sprintf("want %v, all read %v: %+v", epoch.Add(a.want), !a.held, *p), read && p.Watermark != nil && p.Watermark.Equal(epoch.Add(a.want))
	})
}
