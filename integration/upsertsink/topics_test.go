package upsertsink

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"cdcbridge/capture"
	"cdcbridge/internal/fault"
	kw "cdcbridge/internal/kafkawire"
	"cdcbridge/upsert"
)

// until writes and commits until it fails.
func (r *run) until(ctx context.Context, t *testing.T) error {
	t.Helper()
	for range 400 {
		if err := r.write(ctx, 3); err != nil {
			return err
		}
		if err := r.commit(ctx); err != nil {
			return err
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Fatal("nothing went wrong")
	return nil
}

// filled is a pipeline of which three rows are committed.
func (e *env) filled(t *testing.T) (*pipeline, *run) {
	t.Helper()
	p := e.pipeline(t)
	r := p.mustOpen(t, "a")
	r.mustWrite(t, 3)
	r.mustCommit(t)
	return p, r
}

// mustEnd says that a final fault ends the run, and that it keeps the pipeline from being opened again.
func (r *run) mustEnd(t *testing.T, code fault.Code) {
	t.Helper()
	wantFault(t, r.until(t.Context(), t), code, true)
	_, err := r.open(t.Context(), "a")
	wantFault(t, err, code, true)
}

func (e *env) testTopicDeleted(t *testing.T) {
	p, r := e.filled(t)
	if _, err := e.admin(t).DeleteTopics(t.Context(), p.topic); err != nil {
		t.Fatal(err)
	}
	r.mustEnd(t, fault.TopicMissing)
}

func (e *env) testTopicReplaced(t *testing.T) {
	p, r := e.filled(t)
	adm := e.admin(t)
	if _, err := adm.DeleteTopics(t.Context(), p.topic); err != nil {
		t.Fatal(err)
	}
	for {
		policy := "compact"
		if _, err := adm.CreateTopic(t.Context(), 3, 1, map[string]*string{"cleanup.policy": &policy}, p.topic); err == nil {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	r.mustEnd(t, fault.TopicReplaced)
}

func (e *env) testPartitionsAdded(t *testing.T) {
	p, r := e.filled(t)
	if _, err := e.admin(t).CreatePartitions(t.Context(), 1, p.topic); err != nil {
		t.Fatal(err)
	}
	r.mustEnd(t, fault.PartitionsChanged)
}

// testPolicies looks at topics that somebody else has created.
func (e *env) testPolicies(t *testing.T) {
	p := e.pipeline(t)
	adm := e.admin(t)
	create := func(topic string, settings ...string) {
		t.Helper()
		m := map[string]*string{}
		for i := 0; i < len(settings); i += 2 {
			m[settings[i]] = &settings[i+1]
		}
		if _, err := adm.CreateTopic(t.Context(), 2, 1, m, topic); err != nil {
			t.Fatal(err)
		}
	}
	r := p.mustOpen(t, "a")
	topic := func(name string, mode upsert.Mode) (*upsert.Topic, error) {
		return r.sink.Topic(t.Context(), name, &upsert.Output{Mode: mode})
	}
	create(p.name+".deletes", "cleanup.policy", "delete", "max.message.bytes", "5000", "compression.type", "zstd")
	_, err := topic(p.name+".deletes", upsert.Upsert)
	wantFault(t, err, fault.TopicNotCompacted, true)
	got, err := topic(p.name+".deletes", upsert.Changelog)
	if err != nil {
		t.Fatal(err)
	}
	if !got.WallClock || !got.Recompress || got.MaxBatch != 5000 || got.Partitions != 2 {
		t.Errorf("topic %+v", got)
	}
	create(p.name+".both", "cleanup.policy", "compact,delete")
	_, err = topic(p.name+".both", upsert.Upsert)
	wantFault(t, err, fault.TopicNotCompacted, true)
	create(p.name+".replicas", "cleanup.policy", "compact", "min.insync.replicas", "2")
	_, err = topic(p.name+".replicas", upsert.Upsert)
	wantFault(t, err, fault.TopicSettings, true)
	_, err = topic(p.name+".missing", upsert.Upsert)
	wantFault(t, err, fault.TopicMissing, true)
	create(p.name+".good", "cleanup.policy", "compact", "compression.type", "lz4")
	good, err := topic(p.name+".good", upsert.Upsert)
	if err != nil || good.WallClock || good.Recompress {
		t.Errorf("topic %+v: %v", good, err)
	}
	if again, err := topic(p.name+".good", upsert.Upsert); again != good || err != nil {
		t.Errorf("the same topic is another one: %+v, %v", again, err)
	}
	if good.Index == r.topic.Index || got.Index == good.Index {
		t.Errorf("indexes %d, %d and %d are not distinct", r.topic.Index, got.Index, good.Index)
	}

	q := e.pipeline(t)
	create(q.cfg.StateTopic, "cleanup.policy", "compact")
	_, err = q.open(t.Context(), "a")
	wantFault(t, err, fault.TopicSettings, true)
	q = e.pipeline(t)
	policy := "delete"
	if _, err := adm.CreateTopic(t.Context(), 16, 1, map[string]*string{"cleanup.policy": &policy}, q.cfg.StateTopic); err != nil {
		t.Fatal(err)
	}
	_, err = q.open(t.Context(), "a")
	wantFault(t, err, fault.TopicNotCompacted, true)
	q = e.pipeline(t)
	q.cfg.CreateTopics = false
	_, err = q.open(t.Context(), "a")
	wantFault(t, err, fault.TopicMissing, true)
}

func (e *env) testTimestamp(t *testing.T) {
	p := e.pipeline(t)
	p.output.Settings.Config = map[string]string{"message.timestamp.after.max.ms": "3600000"}
	r := p.mustOpen(t, "a")
	section := kw.AppendRecord(nil, &kw.Record{Key: []byte("k"), Value: []byte("v")})
	c := &upsert.Chunk{Records: 1, Parts: []upsert.Part{part(r.topic, 0, kw.None, time.Now().Add(24*time.Hour).UnixMilli(), section, 1)}}
	wantFault(t, r.sink.Write(t.Context(), c), fault.Timestamp, true)
}

// testSplit lowers max.message.bytes under a running sink: batches are cut in two until they fit.
func (e *env) testSplit(t *testing.T) {
	p := e.pipeline(t)
	p.output.Settings.Partitions = 1
	r := p.mustOpen(t, "a")
	r.mustWrite(t, 100)
	r.mustCommit(t)
	if err := setTopic(t, e, p.topic, "max.message.bytes", "500"); err != nil {
		t.Fatal(err)
	}
	e.awaitLimit(t, p.topic)
	for _, codec := range []kw.Codec{kw.None, kw.LZ4} {
		if err := r.sink.Write(t.Context(), r.chunk(100, codec)); err != nil {
			t.Fatal(err)
		}
	}
	r.mustWrite(t, 3)
	r.mustCommit(t)
	if n := r.sink.Stats().Splits; n < 2 {
		t.Errorf("%d splits", n)
	}
	p.mustHold(t, 303)
}

// awaitLimit waits until the broker refuses a record of 600 bytes. Those that it took before are in a transaction that is aborted.
func (e *env) awaitLimit(t *testing.T, topic string) {
	t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(e.brokers...), kgo.TransactionalID(topic), kgo.ProducerBatchCompression(kgo.NoCompression()), kgo.MetadataMinAge(100*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	for refused := false; !refused; time.Sleep(20 * time.Millisecond) {
		if err := cl.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		err := cl.ProduceSync(t.Context(), &kgo.Record{Topic: topic, Key: []byte("limit"), Value: make([]byte, 600)}).FirstErr()
		if refused = errors.Is(err, kerr.MessageTooLarge); err != nil && !refused {
			t.Fatal(err)
		}
		if err := cl.EndTransaction(t.Context(), kgo.TryAbort); err != nil {
			t.Fatal(err)
		}
	}
}

func (e *env) testTooLarge(t *testing.T) {
	p := e.pipeline(t)
	p.output.Settings.Config = map[string]string{"max.message.bytes": "1000"}
	r := p.mustOpen(t, "a")
	if r.topic.MaxBatch != 1000 {
		t.Errorf("max batch %d", r.topic.MaxBatch)
	}
	section := kw.AppendRecord(nil, &kw.Record{Key: []byte("k"), Value: []byte(strings.Repeat("v", 2000))})
	c := &upsert.Chunk{Records: 1, Parts: []upsert.Part{part(r.topic, 0, kw.None, time.Now().UnixMilli(), section, 1)}}
	wantFault(t, r.sink.Write(t.Context(), c), fault.RecordTooLarge, true)
}

// testCheck runs the preflight beside a running sink, which must not notice.
func (e *env) testCheck(t *testing.T) {
	p := e.pipeline(t)
	findings := p.checkAll(t)
	for _, f := range findings {
		if f.Severity == capture.Problem {
			t.Errorf("on a fresh cluster: %+v", f)
		}
	}
	r := p.mustOpen(t, "a")
	r.mustWrite(t, 5)
	p.checkAll(t)
	r.mustWrite(t, 5)
	r.mustCommit(t)
	p.checkAll(t)
	r.mustWrite(t, 5)
	r.mustCommit(t)
	p.mustHold(t, 15)

	p.cfg.TransactionTimeout = 2 * time.Hour
	if err := setTopic(t, e, p.topic, "cleanup.policy", "delete"); err != nil {
		t.Fatal(err)
	}
	codes := map[string]bool{}
	for _, f := range p.checkAll(t) {
		if f.Severity == capture.Problem {
			codes[f.Code] = true
			if f.Remedy == "" {
				t.Errorf("no remedy: %+v", f)
			}
		}
	}
	if !codes[string(fault.TransactionTimeout)] || !codes[string(fault.TopicNotCompacted)] {
		t.Errorf("problems %v", codes)
	}
}

func (p *pipeline) checkAll(t *testing.T) []capture.Finding {
	t.Helper()
	return p.checkUses(t, upsert.TopicUse{Topic: p.topic, Output: &p.output})
}

// setTopic changes a setting and waits until the broker tells it.
func setTopic(t *testing.T, e *env, topic, name, value string) error {
	t.Helper()
	adm := e.admin(t)
	if _, err := adm.AlterTopicConfigs(t.Context(), []kadm.AlterConfig{{Op: kadm.SetConfig, Name: name, Value: &value}}, topic); err != nil {
		return err
	}
	for {
		all, err := adm.DescribeTopicConfigs(t.Context(), topic)
		if err != nil {
			return err
		}
		for _, c := range all[0].Configs {
			if c.Key == name && c.MaybeValue() == value {
				return nil
			}
		}
		time.Sleep(20 * time.Millisecond)
	}
}
