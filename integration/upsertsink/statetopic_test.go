package upsertsink

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"

	"cdcbridge/capture"
	"cdcbridge/changelog"
	"cdcbridge/integration/harness"
	"cdcbridge/internal/fault"
	kw "cdcbridge/internal/kafkawire"
)

// testStateTopicIsSmall looks at the state topic that was made: 16 partitions, one of which has all records of a pipeline, and
// settings with which a start stays quick.
func (e *env) testStateTopicIsSmall(t *testing.T) {
	p := e.pipeline(t)
	r := p.mustOpen(t, "a")
	r.mustWrite(t, 3)
	r.mustCommit(t)
	all, err := e.admin(t).DescribeTopicConfigs(t.Context(), p.cfg.StateTopic)
	if err != nil {
		t.Fatal(err)
	}
	have := map[string]string{}
	for _, c := range all[0].Configs {
		have[c.Key] = c.MaybeValue()
	}
	for setting, want := range map[string]string{
		"cleanup.policy": "compact", "segment.bytes": "16777216", "segment.ms": "600000", "min.cleanable.dirty.ratio": "0.1", "delete.retention.ms": "600000",
	} {
		if have[setting] != want {
			t.Errorf("%s is %s, want %s", setting, have[setting], want)
		}
	}
	for _, f := range p.checkAll(t) {
		if f.Area == "topic "+p.cfg.StateTopic && f.Severity != capture.OK {
			t.Errorf("%+v", f)
		}
	}
	topics, err := e.admin(t).ListTopics(t.Context(), p.cfg.StateTopic)
	if n := len(topics[p.cfg.StateTopic].Partitions); err != nil || n != 16 {
		t.Errorf("%d partitions: %v", n, err)
	}
	records, err := harness.ReadTopic(t.Context(), e.brokers, p.cfg.StateTopic)
	if err != nil || len(records) < 4 { // two positions, a claim, two pins
		t.Fatalf("%d records: %v", len(records), err)
	}
	for _, rec := range records {
		if rec.Partition != kw.PartitionOf([]byte(p.name), 16) {
			t.Errorf("%s is in partition %d", rec.Key, rec.Partition)
		}
	}
}

// testStateTopicChanges takes the state topic away from running pipelines, which must not commit another row, and from
// stopped ones, which must not begin anew.
func (e *env) testStateTopicChanges(t *testing.T) {
	adm := e.admin(t)
	for _, c := range []struct {
		change        string
		running, next fault.Code
	}{
		{"deleted", fault.TopicMissing, fault.StateMissing},
		{"replaced", fault.TopicReplaced, fault.StateMissing},
		{"grown", fault.PartitionsChanged, fault.TopicSettings},
	} {
		t.Run(c.change, func(t *testing.T) {
			t.Parallel()
			p := e.pipeline(t)
			r := p.mustOpen(t, "a")
			r.mustWrite(t, 3)
			r.mustCommit(t)
			if c.change == "grown" {
				if _, err := adm.CreatePartitions(t.Context(), 1, p.cfg.StateTopic); err != nil {
					t.Fatal(err)
				}
			} else if _, err := adm.DeleteTopics(t.Context(), p.cfg.StateTopic); err != nil {
				t.Fatal(err)
			}
			for policy := "compact"; c.change == "replaced"; time.Sleep(20 * time.Millisecond) {
				if _, err := adm.CreateTopic(t.Context(), 16, 1, map[string]*string{"cleanup.policy": &policy}, p.cfg.StateTopic); err == nil {
					break
				}
			}
			wantFault(t, r.until(t.Context(), t), c.running, true)
			r.close()
			_, err := p.open(t.Context(), "b")
			wantFault(t, err, c.next, true)
		})
	}
}

// testCompactedState lets the log cleaner work on the state topic while checkpoints, aborted transactions and other
// pipelines' records come: every open finds the newest checkpoint and the newest entries.
func (e *env) testCompactedState(t *testing.T) {
	p := e.pipeline(t)
	settings := map[string]*string{}
	for k, v := range map[string]string{
		"cleanup.policy": "compact", "segment.ms": "300", "min.cleanable.dirty.ratio": "0.001", "delete.retention.ms": "100", "max.compaction.lag.ms": "500",
	} {
		settings[k] = &v
	}
	if _, err := e.admin(t).CreateTopic(t.Context(), 16, 1, settings, p.cfg.StateTopic); err != nil {
		t.Fatal(err)
	}
	neighbour := e.pipeline(t)
	neighbour.cfg.StateTopic = p.cfg.StateTopic
	for i := 0; kw.PartitionOf([]byte(neighbour.name), 16) != kw.PartitionOf([]byte(p.name), 16); i++ {
		neighbour.name = fmt.Sprintf("n%d-%d", serial.Load(), i)
	}
	other := neighbour.mustOpen(t, "n")
	committed := 0
	for opens := 0; ; opens++ {
		r := p.mustOpen(t, "i"+strconv.Itoa(opens))
		if r.next != committed {
			t.Fatalf("open %d begins at %d, want %d", opens, r.next, committed)
		}
		for range 5 {
			r.mustWrite(t, 2)
			cp := changelog.Checkpoint{Pos: changelog.Position(strconv.Itoa(r.next)), State: []changelog.State{{Key: "k" + strconv.Itoa(opens%3), Value: []byte(strconv.Itoa(r.next))}}}
			if _, err := r.sink.Commit(t.Context(), cp, nil); err != nil {
				t.Fatal(err)
			}
			committed = r.next
			other.mustWrite(t, 1)
			other.mustCommit(t)
		}
		if opens%2 == 0 { // left behind in a transaction, which the next open aborts
			r.mustWrite(t, 2)
		}
		records, err := harness.ReadTopic(t.Context(), e.brokers, p.cfg.StateTopic)
		if err != nil {
			t.Fatal(err)
		}
		// Two pipelines write at least 20 position records a round, of which a clean topic keeps a few.
		if kept := countOf(records, `"position"`); opens > 5 && kept < 10*opens {
			t.Logf("the cleaner left %d position records after %d opens", kept, opens)
			break
		}
		if opens > 200 {
			t.Fatal("the cleaner does not run")
		}
		time.Sleep(100 * time.Millisecond)
	}
	p.mustHold(t, committed)
}

func countOf(records []harness.Record, word string) (n int) {
	for _, r := range records {
		if strings.Contains(string(r.Key), word) {
			n++
		}
	}
	return n
}

// testVerification warns of brokers that let a late Produce join a later transaction of the classic protocol.
func (e *env) testVerification(t *testing.T) {
	const setting = "transaction.partition.verification.enable"
	p := e.pipeline(t)
	found := func() (n int) {
		for _, f := range p.checkAll(t) {
			if f.Subject == setting {
				if f.Severity != capture.Warning || f.Remedy == "" {
					t.Errorf("%+v", f)
				}
				n++
			}
		}
		return n
	}
	if n := found(); n != 0 {
		t.Errorf("%d warnings about a broker that verifies", n)
	}
	e.setBroker(t, setting, "false")
	defer e.setBroker(t, setting, "true")
	want := 0
	if e.proto == kw.Classic {
		want = 1
	}
	for patience := time.Now().Add(time.Minute); found() != want; time.Sleep(100 * time.Millisecond) {
		if time.Now().After(patience) {
			t.Fatalf("%d warnings about a broker that does not verify, want %d", found(), want)
		}
	}
}

// setBroker changes a setting of the broker while it runs.
func (e *env) setBroker(t *testing.T, name, value string) {
	t.Helper()
	results, err := e.admin(t).AlterBrokerConfigs(context.WithoutCancel(t.Context()), []kadm.AlterConfig{{Op: kadm.SetConfig, Name: name, Value: &value}}, 1)
	if err == nil {
		err = results[0].Err
	}
	if err != nil {
		t.Fatalf("setting %s: %v", name, err)
	}
}
