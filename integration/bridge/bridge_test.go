package bridge

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"cdcbridge/integration/harness"
	"cdcbridge/integration/servers"
)

// pipeline is one bridge: the section of its source, and the formats that it writes to topics {pipeline}.{output}.{table}.
type pipeline struct {
	name    string
	shop    *shop
	source  string            // YAML, without type
	outputs map[string]string // format by the name of the output
	more    string            // further keys, one a line
	says    int               // of the records that say a change again, these are read: all, one or some
}

func (p *pipeline) topic(output string, t table) string {
	return fmt.Sprintf("%s.%s.%s", p.name, output, t.name)
}

// config is that of a daemon with these pipelines.
func config(kafka *servers.Kafka, all ...*pipeline) string {
	var b strings.Builder
	fmt.Fprintf(&b, "kafka: {brokers: [%s], topics: {partitions: 3}}\npipelines:\n", strings.Join(kafka.Brokers(), ", "))
	for _, p := range all {
		fmt.Fprintf(&b, "  - name: %s\n    source: {type: kafka, discovery_interval: 1s, %s}\n", p.name, p.source)
		for _, line := range strings.Split(p.more, "\n") {
			fmt.Fprintf(&b, "    %s\n", line)
		}
		b.WriteString("    outputs:\n")
		for name, format := range p.outputs {
			fmt.Fprintf(&b, "      - {name: %s, format: %s, preset: flink, topic: \"{pipeline}.%s.{table}\"}\n", name, format, name)
		}
	}
	return b.String()
}

// check compares every topic of the pipeline with its table.
func (p *pipeline) check(ctx context.Context, brokers []string) (records int, err error) {
	for _, t := range tables {
		for output, format := range p.outputs {
			all, err := p.shop.compare(ctx, brokers, t, p.topic(output, t), format)
			if err != nil {
				return 0, err
			}
			if err := once(all); err != nil {
				return 0, fmt.Errorf("%s: %w", p.topic(output, t), err)
			}
			records += len(all)
		}
	}
	return records, nil
}

// settle waits until all topics fold to their tables, and fails with the last difference otherwise. Nobody may write meanwhile.
func settle(t *testing.T, d *harness.Daemon, brokers []string, limit time.Duration, all ...*pipeline) (records int) {
	t.Helper()
	deadline := time.Now().Add(limit)
	for _, p := range all {
		for {
			n, err := p.check(t.Context(), brokers)
			if err == nil {
				records += n
				break
			}
			if d != nil {
				running(t, d)
			}
			if time.Now().After(deadline) {
				t.Fatalf("pipeline %s: %v", p.name, err)
			}
			time.Sleep(300 * time.Millisecond)
		}
	}
	return records
}

// running fails when a pipeline of the daemon has given up.
func running(t *testing.T, d *harness.Daemon) {
	t.Helper()
	if err := d.Alive(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// compacted checks that the topics of the pipelines keep the last record of each key and nothing else.
func compacted(t *testing.T, kafka *servers.Kafka, all ...*pipeline) {
	t.Helper()
	var names []string
	for _, p := range all {
		for output := range p.outputs {
			for _, of := range tables {
				names = append(names, p.topic(output, of))
			}
		}
	}
	found, err := harness.AdminFor(t, kafka.Brokers()).DescribeTopicConfigs(t.Context(), names...)
	if err != nil {
		t.Fatal(err)
	}
	for _, topic := range found {
		for _, c := range topic.Configs {
			if c.Key == "cleanup.policy" && c.MaybeValue() != "compact" {
				t.Errorf("%s has the policy %s", topic.Name, c.MaybeValue())
			}
		}
		if topic.Err != nil {
			t.Errorf("%s: %v", topic.Name, topic.Err)
		}
	}
}

// once verifies that no change of a record that was read is written twice.
func once(all []harness.Record) error {
	seen := map[string]harness.Record{}
	for _, r := range all {
		id := r.Headers["cdc.pos"] + " " + r.Headers["cdc.ord"] + " " + r.Headers["cdc.op"] + " " + string(r.Key)
		if r.Value == nil {
			id += " tombstone"
		}
		if r.Headers["cdc.pos"] == "" || !strings.Contains(r.Headers["cdc.pos"], "@") {
			return fmt.Errorf("%d/%d does not say which record it comes from: %v", r.Partition, r.Offset, r.Headers)
		}
		if old, ok := seen[id]; ok {
			return fmt.Errorf("%s is in %d/%d and again in %d/%d", id, old.Partition, old.Offset, r.Partition, r.Offset)
		}
		seen[id] = r
	}
	return nil
}

// origins are the records that a topic was made of, as "topic/partition@offset".
func origins(all []harness.Record) map[string]bool {
	out := map[string]bool{}
	for _, r := range all {
		out[r.Headers["cdc.pos"]] = true
	}
	return out
}

// How many of the records that say the same change are read.
const (
	all  = iota // of them
	one         // alone
	some        // at least one: what has been said long ago is not remembered
)

// accounted compares the records that a topic was made of with those that there are, by the change that they say.
func accounted(got map[string]bool, said map[string][]string, want int) error {
	seen := 0
	for what, records := range said {
		n := 0
		for _, r := range records {
			if got[r] {
				n++
			}
		}
		seen += n
		if n == 0 || want == all && n != len(records) || want == one && n != 1 {
			return fmt.Errorf("%.300s is in %v, and of those %d are read", what, records, n)
		}
	}
	if seen != len(got) {
		return fmt.Errorf("%d records are read, of %d that are there", len(got), seen)
	}
	return nil
}

// complete checks that the topics of a table were made of every record about it, or of one for each change that records say if what is said again is taken out.
func (p *pipeline) complete(t *testing.T, brokers []string, of table, said map[string][]string) {
	t.Helper()
	for output := range p.outputs {
		all, err := harness.ReadTopic(t.Context(), brokers, p.topic(output, of))
		if err != nil {
			t.Fatal(err)
		}
		if err := accounted(origins(all), said, p.says); err != nil {
			t.Errorf("%s: %v", p.topic(output, of), err)
		}
	}
}

// killed runs the daemon again and again for a moment and ends it with SIGKILL. The last one goes on, for whoever calls to stop.
func killed(t *testing.T, config string, r *rand.Rand, kills int) *harness.Daemon {
	t.Helper()
	for range kills {
		d := harness.StartFor(t, config)
		time.Sleep(time.Duration(400+r.IntN(2500)) * time.Millisecond)
		running(t, d)
		d.Kill()
	}
	return harness.StartFor(t, config)
}

// eventually waits until something is so, and fails with what it says otherwise.
func eventually(t *testing.T, limit time.Duration, so func() (string, bool)) {
	t.Helper()
	for deadline := time.Now().Add(limit); ; time.Sleep(200 * time.Millisecond) {
		now, ok := so()
		if ok {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("after %v: %s", limit, now)
		}
	}
}
