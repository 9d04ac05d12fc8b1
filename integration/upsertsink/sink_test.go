// Package upsertsink tests the Kafka side of upsert on real brokers: both transactional protocols, takeovers, pins, and a
// failure at every call. franz-go is the independent reader.
package upsertsink

import (
	"context"

	"fmt"
	"io"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"

	"cdcbridge/changelog"
	"cdcbridge/integration/harness"
	"cdcbridge/integration/servers"
	"cdcbridge/internal/fault"
	kw "cdcbridge/internal/kafkawire"
	"cdcbridge/upsert"
)

// env is one cluster.
type env struct {
	kafka   *servers.Kafka
	brokers []string
	proto   kw.Protocol
	repeats bool // its pipelines deliver at least once
}

var kinds = []struct {
	name    string
	options servers.KafkaOptions
	proto   kw.Protocol
}{
	{"KIP890", servers.KafkaOptions{}, kw.KIP890},
	{"Classic", servers.KafkaOptions{TransactionVersion: "0"}, kw.Classic},
	{"Kafka39", servers.KafkaOptions{Version: "39"}, kw.Classic},
}

func TestSink(t *testing.T) {
	for _, kind := range kinds {
		if kind.name == "Classic" && !harness.Long {
			continue // an older Kafka speaks it too
		}
		t.Run(kind.name, func(t *testing.T) {
			options := kind.options
			options.Extra = map[string]string{"transaction.abort.timed.out.transaction.cleanup.interval.ms": "500"} // for TimedOut
			k := servers.KafkaFor(t, options)
			e := &env{kafka: k, brokers: k.Brokers(), proto: kind.proto}
			t.Run("Delivers", e.testDelivers)
			t.Run("Verification", e.testVerification)
			if harness.Long && e.proto == kw.KIP890 {
				t.Run("ManyOffsets", e.testManyOffsets) // a thousand partitions keep a broker busy
			}
			if harness.Long || e.proto == kw.KIP890 {
				t.Run("Prepared", e.testPrepared) // and so do a hundred topics
			}
			t.Run("Group", func(t *testing.T) {
				for name, test := range map[string]func(*testing.T){
					"Crash": e.testCrash, "Abort": e.testAbort, "TwoSinks": e.testTwoSinks, "Asleep": e.testAsleep, "AsleepBeforeATopic": e.testAsleepBeforeATopic,
					"TimedOut": e.testTimedOut, "SharedState": e.testSharedState, "StateMissing": e.testStateMissing,
					"DeadTransaction": e.testDeadTransaction, "TopicDeleted": e.testTopicDeleted, "TopicReplaced": e.testTopicReplaced,
					"PartitionsAdded": e.testPartitionsAdded, "Policies": e.testPolicies, "Timeout": e.testTimeout,
					"Timestamp": e.testTimestamp, "Split": e.testSplit, "TooLarge": e.testTooLarge, "LargeState": e.testLargeState,
					"Check": e.testCheck, "CheckTopics": e.testCheckTopics, "CheckProducer": e.testCheckProducer, "CheckCheckpoint": e.testCheckCheckpoint,
					"NewerState": e.testNewerState, "Requests": e.testRequests,
					"StateRestored": e.testStateRestored, "StateRenamed": e.testStateRenamed,
					"LateEndTxn": e.testLateEndTxn, "LateCopies": e.testLateCopies,
					"StartIsClaimed": e.testStartIsClaimed, "CommitsUntilTheTakeover": e.testCommitsUntilTheTakeover,
					"UnsureZombie": e.testUnsureZombie, "JoinsBeforeItWrites": e.testJoinsBeforeItWrites, "SequencesRunOn": e.testSequencesRunOn,
					"GroupOffsets": e.testGroupOffsets, "GroupInUse": e.testGroupInUse, "LateOffsets": e.testLateOffsets, "Progress": e.testProgress,
					"StateTopicIsSmall": e.testStateTopicIsSmall, "StateTopicChanges": e.testStateTopicChanges, "CompactedState": e.testCompactedState,
				} {
					t.Run(name, func(t *testing.T) {
						t.Parallel()
						test(t)
					})
				}
			})
		})
	}
}

var serial atomic.Int64

// pipeline is one pipeline with its own name, topic and state topic.
type pipeline struct {
	*env
	name, topic string
	wire        kw.Config
	cfg         upsert.Config
	output      upsert.Output
	group       string // consumer group whose offsets are committed along with the rows; "": none
}

func (e *env) pipeline(t *testing.T) *pipeline {
	id := fmt.Sprintf("p%d", serial.Add(1))
	cfg := upsert.DefaultConfig()
	cfg.StateTopic = id + ".state"
	cfg.AtLeastOnce = e.repeats
	return &pipeline{
		env: e, name: id, topic: id + "." + strings.ReplaceAll(t.Name(), "/", "."), cfg: cfg,
		wire: kw.Config{Brokers: e.brokers},
		output: upsert.Output{
			Name: "out", Mode: upsert.Upsert, Topic: "{table}",
			Settings: upsert.TopicSettings{Partitions: 3, Create: true},
		},
	}
}

// run is one attempt: a sink that was opened, and has claimed when it could.
type run struct {
	*pipeline
	sink  *upsert.Sink
	topic *upsert.Topic
	next  int // row to be written next; row n is written once
}

func (p *pipeline) newSink(instance string) *upsert.Sink {
	return upsert.NewSink(p.wire, p.cfg, upsert.Identity{Pipeline: p.name, Instance: instance}, slog.New(slog.NewTextHandler(io.Discard, nil)))
}

// open opens an attempt and claims the pipeline.
func (p *pipeline) open(ctx context.Context, instance string) (*run, error) {
	r := &run{pipeline: p, sink: p.newSink(instance)}
	cp, err := r.sink.Open(ctx)
	if err != nil {
		return r, err
	}
	if cp.Pos == "" {
		cp.Pos = "0"
	}
	if r.next, err = strconv.Atoi(string(cp.Pos)); err != nil {
		return r, err
	}
	if err := r.sink.Claim(ctx, changelog.Checkpoint{Pos: cp.Pos}); err != nil {
		return r, err
	}
	r.topic, err = r.sink.Topic(ctx, p.pipelineTopic(), &p.output)
	return r, err
}

func (p *pipeline) pipelineTopic() string { return p.topic }

func (p *pipeline) mustOpen(t *testing.T, instance string) *run {
	t.Helper()
	r, err := p.open(t.Context(), instance)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.close() })
	return r
}

func (r *run) close() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = r.sink.Close(ctx) // an abort that fails is no matter
}

// keys is how many keys the rows have: row n has key n mod keys.
const keys = 7

// chunk makes the next n rows.
func (r *run) chunk(n int, codec kw.Codec) *upsert.Chunk {
	type open struct {
		section []byte
		count   int32
	}
	byPartition := map[int32]*open{}
	for i := r.next; i < r.next+n; i++ {
		key := []byte("k" + strconv.Itoa(i%keys))
		at := kw.PartitionOf(key, r.topic.Partitions)
		o := byPartition[at]
		if o == nil {
			o = &open{}
			byPartition[at] = o
		}
		o.section = kw.AppendRecord(o.section, &kw.Record{OffsetDelta: o.count, Key: key, Value: []byte(strconv.Itoa(i))})
		o.count++
	}
	c := &upsert.Chunk{Records: n, Changes: n}
	now := time.Now().UnixMilli()
	for at := range r.topic.Partitions {
		if o := byPartition[at]; o != nil {
			c.Parts = append(c.Parts, part(r.topic, at, codec, now, o.section, o.count))
			c.Bytes += len(c.Parts[len(c.Parts)-1].Batch)
		}
	}
	r.next += n
	c.Next = []changelog.Checkpoint{{Pos: changelog.Position(strconv.Itoa(r.next))}}
	return c
}

func part(topic *upsert.Topic, partition int32, codec kw.Codec, now int64, section []byte, count int32) upsert.Part {
	batch, err := kw.AppendCompressed(kw.ReserveBatchHeader(nil), codec, section)
	if err != nil {
		panic(err)
	}
	h := kw.BatchHeader{Count: count, BaseTimestamp: now, MaxTimestamp: now, Codec: codec}
	return upsert.Part{Topic: topic, Partition: partition, Header: h, Batch: batch}
}

func (r *run) write(ctx context.Context, n int) error { return r.sink.Write(ctx, r.chunk(n, kw.LZ4)) }

func (r *run) commit(ctx context.Context) error {
	_, err := r.sink.Commit(ctx, r.checkpoint(), nil)
	return err
}

func (r *run) writeAndCommit(ctx context.Context, n int) error {
	if err := r.write(ctx, n); err != nil {
		return err
	}
	return r.commit(ctx)
}

// checkpoint covers the rows written so far.
func (r *run) checkpoint() changelog.Checkpoint {
	return changelog.Checkpoint{Pos: changelog.Position(strconv.Itoa(r.next)), Group: r.offsets(r.next)}
}

func (r *run) mustWrite(t *testing.T, n int) {
	t.Helper()
	if err := r.write(t.Context(), n); err != nil {
		t.Fatal(err)
	}
}

func (r *run) mustCommit(t *testing.T) {
	t.Helper()
	if err := r.commit(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// check verifies that the topic holds the rows 0 to n-1, as the pipeline delivers them.
func (p *pipeline) check(n int) error {
	if !p.cfg.AtLeastOnce {
		return p.checkOnce(n)
	}
	records, err := harness.ReadTopic(context.Background(), p.brokers, p.topic)
	if err != nil {
		return err
	}
	return checkRepeats(records, n)
}

// checkOnce verifies that the topic holds the rows 0 to n-1 exactly once, those of a key in order.
func (p *pipeline) checkOnce(n int) error {
	records, err := harness.ReadTopic(context.Background(), p.brokers, p.topic)
	if err != nil {
		return err
	}
	var rows []int
	last := map[string]int{}
	for _, r := range records {
		row, err := strconv.Atoi(string(r.Value))
		if err != nil {
			return err
		}
		if before, ok := last[string(r.Key)]; ok && before >= row {
			return fmt.Errorf("key %s: row %d after row %d", r.Key, row, before)
		}
		last[string(r.Key)] = row
		rows = append(rows, row)
	}
	slices.Sort(rows)
	want := make([]int, n)
	for i := range want {
		want[i] = i
	}
	if !slices.Equal(rows, want) {
		return fmt.Errorf("rows %v, want 0 to %d once each", rows, n-1)
	}
	return nil
}

// mustHold is check with patience: a commit is answered before the markers are in all partitions. What is too much never goes
// away again, so waiting hides nothing.
func (p *pipeline) mustHold(t *testing.T, n int) {
	t.Helper()
	for patience := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		err := p.check(n)
		if err == nil {
			return
		}
		if time.Now().After(patience) {
			t.Fatal(err)
		}
	}
}

func wantFault(t *testing.T, err error, code fault.Code, final bool) {
	t.Helper()
	f := fault.As(err)
	if f == nil || f.Code != code || f.Final != final || f.Hint == "" {
		t.Fatalf("got %v (final %v), want %s (final %v) with a hint", err, fault.IsFinal(err), code, final)
	}
}

func (e *env) admin(t *testing.T) *kadm.Client {
	t.Helper()
	return harness.AdminFor(t, e.brokers)
}

func (e *env) testDelivers(t *testing.T) {
	p := e.pipeline(t)
	r := p.mustOpen(t, "a")
	for range 40 {
		r.mustWrite(t, 5)
		r.mustWrite(t, 1)
		if r.sink.OpenSince().IsZero() {
			t.Fatal("a transaction is open and OpenSince does not say so")
		}
		r.mustCommit(t)
	}
	if !r.sink.OpenSince().IsZero() {
		t.Error("no transaction is open and OpenSince says so")
	}
	p.mustHold(t, 240)
	stats := r.sink.Stats()
	if stats.Protocol != e.proto.String() || stats.Committed != 41 || stats.Repeated > 40 {
		t.Errorf("stats: %+v", stats)
	}
	var bySize []time.Duration
	for range 100 {
		start := time.Now()
		r.mustWrite(t, 1)
		r.mustCommit(t)
		bySize = append(bySize, time.Since(start))
	}
	slices.Sort(bySize)
	t.Logf("cycle of one row: p50 %v, p99 %v; %+v", bySize[50], bySize[98], r.sink.Stats())
	p.mustHold(t, 340)
}

// testCrash drops sinks at every stage without closing them and goes on from what the next one finds.
func (e *env) testCrash(t *testing.T) {
	p := e.pipeline(t)
	committed := 0
	for i := range 6 {
		r, err := p.open(t.Context(), "i"+strconv.Itoa(i))
		if err != nil {
			t.Fatal(err)
		}
		defer r.close()
		if r.next != committed {
			t.Fatalf("attempt %d starts at %d, want %d", i, r.next, committed)
		}
		r.mustWrite(t, 10)
		if i%3 != 0 {
			r.mustCommit(t)
			committed = r.next
			r.mustWrite(t, 3)
		}
	}
	p.mustHold(t, committed)
}

func (e *env) testAbort(t *testing.T) {
	p := e.pipeline(t)
	r := p.mustOpen(t, "a")
	r.mustWrite(t, 5)
	if err := r.sink.Abort(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := r.write(t.Context(), 1); err == nil {
		t.Fatal("an aborted sink takes rows")
	}
	if n := r.sink.Stats().Aborted; n != 1 {
		t.Errorf("%d aborted transactions, want 1", n)
	}
	p.mustHold(t, 0)
	r = p.mustOpen(t, "a")
	r.mustWrite(t, 4)
	r.mustCommit(t)
	p.mustHold(t, 4)
	if err := r.write(t.Context(), 2); err != nil {
		t.Fatal(err)
	}
	if err := r.sink.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	p.mustHold(t, 4)
	if err := r.sink.Abort(t.Context()); err != nil {
		t.Errorf("a second abort: %v", err)
	}
}
