package kafkasource

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"cdcbridge/integration/harness"
)

// bridge is a pipeline from topics to topics. Its rows go to the topic NAME.orders.
type bridge struct {
	e      *env // cluster that it writes to
	name   string
	source string // keys of the source section beside type and discovery_interval
	output string // keys of the output beside its topic; rows in plain-json by default
	commit string // the commit section, many small transactions by default
	kafka  string // keys of the kafka section beside brokers, ", key: value"; three partitions a topic by default
	listen string // listener that is written to, the one without a login by default
}

// reads is a bridge that reads everything in the topics of a dialect.
func (e *env) reads(t *testing.T, d dialect, more string, topics ...string) bridge {
	return bridge{e: e, name: unique(t), source: d.section() + ", topics: [" + strings.Join(topics, ", ") + "]" + more}
}

// finds is a bridge that reads everything in the topics whose names a pattern is for.
func (e *env) finds(t *testing.T, d dialect, pattern, more string) bridge {
	return bridge{e: e, name: unique(t), source: d.section() + ", topic_pattern: '" + pattern + "'" + more}
}

func (d dialect) section() string {
	if d.options == "" {
		return "format: " + d.format
	}
	return "format: " + d.format + ", options: " + d.options
}

func (b *bridge) out() string { return b.name + ".orders" }

func (b *bridge) yaml() string {
	output, commit := b.output, b.commit
	if output == "" {
		output = "format: plain-json"
	}
	if commit == "" {
		commit = "{max_interval: 50ms}"
	}
	brokers := b.e.brokers
	if b.listen != "" {
		brokers = b.e.kafka.Listener(b.listen)
	}
	kafka := b.kafka
	if !strings.Contains(kafka, "topics:") {
		kafka += ", topics: {partitions: 3}"
	}
	interval := ", discovery_interval: 250ms"
	if strings.Contains(b.source, "discovery_interval") {
		interval = ""
	}
	return fmt.Sprintf(`
kafka: {brokers: [%s]%s}
pipelines:
  - name: %s
    source: {type: kafka, %s%s}
    commit: %s
    outputs: [{name: rows, topic: "{pipeline}.{table}", %s}]
`, strings.Join(brokers, ", "), kafka, b.name, b.source, interval, commit, output)
}

func (b *bridge) start(t *testing.T) *harness.Daemon {
	t.Helper()
	return harness.StartFor(t, b.yaml())
}

// running starts it and waits until it has found its place.
func (b *bridge) running(t *testing.T) *harness.Daemon {
	t.Helper()
	d := b.start(t)
	waitFor(t, d, "running")
	return d
}

func waitFor(t *testing.T, d *harness.Daemon, states ...string) harness.PipelineStatus {
	t.Helper()
	return harness.StateFor(t, d, patience, states...)
}

// fails starts the bridge, waits until it has given up, and checks that it says why: the code, the words that name the place and the
// cause, and a remedy.
func (b *bridge) fails(t *testing.T, code string, words ...string) *harness.Daemon {
	t.Helper()
	d := b.start(t)
	gaveUp(t, d, code, words...)
	return d
}

func gaveUp(t *testing.T, d *harness.Daemon, code string, words ...string) {
	t.Helper()
	s := waitFor(t, d, "failed")
	if s.Code != code || s.Hint == "" {
		t.Fatalf("the bridge stopped with code %q and hint %q, want code %q and a hint: %s", s.Code, s.Hint, code, s.Error)
	}
	for _, w := range words {
		if !strings.Contains(s.Error+" "+s.Hint, w) {
			t.Errorf("the error does not speak of %q: %s (%s)", w, s.Error, s.Hint)
		}
	}
}

// completes runs a bounded bridge to its end, which must be a success.
func (b *bridge) completes(t *testing.T) {
	t.Helper()
	d := b.start(t)
	select {
	case <-d.Exited():
		if code := d.ExitCode(); code != 0 {
			t.Fatalf("the bounded run ended with %d:\n%s", code, d.Log())
		}
	case <-time.After(patience):
		t.Fatalf("the bounded run does not end:\n%s", d.Log())
	}
}

// command runs cdcbridge and gives what it printed and its exit code.
func command(t *testing.T, args ...string) (out string, code int) {
	t.Helper()
	code, out, errs := harness.Command(t, args...)
	return out + errs, code
}
