package upsertsink

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"cdcbridge/changelog"
	"cdcbridge/internal/fault"
	kw "cdcbridge/internal/kafkawire"
)

// sourceTopic is what the groups of the tests say that they have read.
const (
	sourceTopic      = "source.of.groups"
	sourcePartitions = 3

	offsetsTopic = "__consumer_offsets"
)

// source creates the topic if it is not there.
func (e *env) source(t *testing.T) {
	t.Helper()
	made, err := e.admin(t).CreateTopics(t.Context(), sourcePartitions, 1, nil, sourceTopic)
	if err == nil && made[sourceTopic].Err != nil && !errors.Is(made[sourceTopic].Err, kerr.TopicAlreadyExists) {
		err = made[sourceTopic].Err
	}
	if err != nil {
		t.Fatal(err)
	}
}

// offsets are those of the group when it has read up to row n: n, n+1 and n+2.
func (p *pipeline) offsets(n int) *changelog.GroupOffsets {
	if p.group == "" {
		return nil
	}
	g := &changelog.GroupOffsets{Group: p.group}
	for i := range int32(sourcePartitions) {
		g.Offsets = append(g.Offsets, changelog.GroupOffset{Topic: sourceTopic, Partition: i, Offset: int64(n) + int64(i), LeaderEpoch: i - 1})
	}
	return g
}

// committed asks the group's coordinator, with a client that is not ours, for what no open transaction changes. -1: nothing.
func (p *pipeline) committed(ctx context.Context) ([sourcePartitions]int64, error) {
	var at [sourcePartitions]int64
	cl, err := kgo.NewClient(kgo.SeedBrokers(p.brokers...))
	if err != nil {
		return at, err
	}
	defer cl.Close()
	for patience := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		req := kmsg.NewPtrOffsetFetchRequest()
		req.Group, req.RequireStable = p.group, true
		group := kmsg.NewOffsetFetchRequestGroup()
		group.Group = p.group
		topic := kmsg.NewOffsetFetchRequestTopic()
		topic.Topic, topic.Partitions = sourceTopic, []int32{0, 1, 2}
		ofGroup := kmsg.NewOffsetFetchRequestGroupTopic()
		ofGroup.Topic, ofGroup.Partitions = sourceTopic, topic.Partitions
		group.Topics, req.Topics = append(group.Topics, ofGroup), append(req.Topics, topic)
		req.Groups = append(req.Groups, group)
		res, err := req.RequestWith(ctx, cl)
		if err == nil {
			err = kerr.ErrorForCode(res.ErrorCode)
		}
		if err == nil && len(res.Groups) == 1 {
			err = kerr.ErrorForCode(res.Groups[0].ErrorCode)
			for _, tp := range res.Groups[0].Topics {
				for _, part := range tp.Partitions {
					at[part.Partition] = part.Offset
					if part.ErrorCode != 0 {
						err = kerr.ErrorForCode(part.ErrorCode)
					}
				}
			}
		}
		var code *kerr.Error // anything else is a broker that does not answer
		if err == nil || errors.As(err, &code) && !code.Retriable || ctx.Err() != nil || time.Now().After(patience) {
			return at, err
		}
	}
}

// checkGroup verifies that the group's offsets are those of n rows.
func (p *pipeline) checkGroup(ctx context.Context, n int) error {
	if p.group == "" {
		return nil
	}
	got, err := p.committed(ctx)
	if err != nil {
		return fmt.Errorf("reading the group's offsets: %w", err)
	}
	for i, o := range got {
		if want := int64(n + i); o != want && (n > 0 || o != -1) {
			return fmt.Errorf("the group is at %v after %d rows", got, n)
		}
	}
	return nil
}

func (p *pipeline) mustBeAt(t *testing.T, n int) {
	t.Helper()
	if err := p.checkGroup(t.Context(), n); err != nil {
		t.Fatal(err)
	}
}

func (e *env) grouped(t *testing.T) *pipeline {
	e.source(t)
	p := e.pipeline(t)
	p.group = "group-of-" + p.name
	return p
}

// testGroupOffsets commits offsets with rows: they are the group's when the rows are there, and never when these were aborted.
func (e *env) testGroupOffsets(t *testing.T) {
	p := e.grouped(t)
	r := p.mustOpen(t, "a")
	for range 5 {
		r.mustWrite(t, 5)
		r.mustCommit(t)
		p.mustBeAt(t, r.next)
	}
	if _, err := r.sink.Commit(t.Context(), r.checkpoint(), nil); err != nil { // nothing but a checkpoint
		t.Fatal(err)
	}
	r.mustWrite(t, 5)
	p.mustBeAt(t, 25)

	cp := r.checkpoint()
	cp.Group.Offsets = append(cp.Group.Offsets, changelog.GroupOffset{Topic: p.name + ".is.gone", Offset: 7, LeaderEpoch: -1})
	if _, err := r.sink.Commit(t.Context(), cp, nil); err != nil { // the rows that were read of it are not lost with a topic
		t.Fatal(err)
	}
	p.mustBeAt(t, 30)
	p.mustHold(t, 30)

	victim, x := p.victim()
	dies := victim.mustOpen(t, "b")
	x.abandon(t, dies, false) // the offsets were told to the coordinator, and the transaction never ends
	r = p.mustOpen(t, "c")
	if r.next != 30 {
		t.Errorf("begins at %d", r.next)
	}
	p.mustBeAt(t, 30)
	r.mustWrite(t, 2)
	r.mustCommit(t)
	p.mustBeAt(t, 32)
	p.mustHold(t, 32)
}

// testGroupInUse has a consumer that is a member of the group. Our offsets must not overwrite its own, whatever the kind of the
// group, and they are committed when it has gone.
func (e *env) testGroupInUse(t *testing.T) {
	p := e.grouped(t)
	r := p.mustOpen(t, "a")
	r.mustWrite(t, 5)
	r.mustCommit(t)
	cl, err := kgo.NewClient(kgo.SeedBrokers(e.brokers...), kgo.ConsumerGroup(p.group), kgo.ConsumeTopics(sourceTopic), kgo.DisableAutoCommit())
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	ours := kw.NewClient(p.wire)
	defer ours.Close()
	for {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		cl.PollFetches(ctx)
		cancel()
		state, err := ours.DescribeGroup(t.Context(), p.group)
		if err != nil {
			t.Fatal(err)
		}
		if state.Live() && state.State == "Stable" {
			break
		}
	}
	r.mustWrite(t, 5)
	wantFault(t, r.commit(t.Context()), fault.GroupInUse, true)
	r.close()
	p.mustBeAt(t, 5)
	p.mustHold(t, 5)
	at := kw.TopicPartition{Topic: sourceTopic}
	wantFault(t, ours.CommitGroupOffsets(t.Context(), p.group, []kw.GroupOffset{{TopicPartition: at, Offset: 99, LeaderEpoch: -1}}), fault.GroupInUse, true)

	cl.Close() // leaves the group
	r = p.mustOpen(t, "b")
	r.mustWrite(t, 5)
	r.mustCommit(t)
	p.mustBeAt(t, 10)
	p.mustHold(t, 10)
}

const (
	apiAddOffsets      = 25
	apiTxnOffsetCommit = 28
)

// testLateOffsets delays the first copies of the calls that commit offsets past their repetition, into the next transaction and
// between two: an old offset never comes after a newer one.
func (e *env) testLateOffsets(t *testing.T) {
	apis := []uint16{apiTxnOffsetCommit}
	if e.proto == kw.Classic {
		apis = append(apis, apiAddOffsets)
	}
	for _, api := range apis {
		p := e.grouped(t)
		r, d := p.detoured(t)
		r.mustWrite(t, 5)
		d.take(api)
		r.mustCommit(t)
		r.mustWrite(t, 5)
		d.arrive(t) // in the middle of the next transaction
		r.mustCommit(t)
		p.mustBeAt(t, 10)

		r.mustWrite(t, 5)
		d.take(api)
		r.mustCommit(t)
		d.arrive(t) // between two transactions
		r.mustOutlive(t, 25)
		p.mustBeAt(t, 25)
	}
}

// testManyOffsets commits more offsets than fit into a batch of __consumer_offsets.
func (e *env) testManyOffsets(t *testing.T) {
	p := e.pipeline(t)
	p.group = p.name
	const partitions = 1500
	adm := e.admin(t)
	name := p.name + ".wide"
	if _, err := adm.CreateTopic(t.Context(), partitions, 1, nil, name); err != nil {
		t.Fatal(err)
	}
	defer func() { _, _ = adm.DeleteTopics(context.Background(), name) }()
	r := p.mustOpen(t, "a")
	cp := changelog.Checkpoint{Pos: "1", Group: &changelog.GroupOffsets{Group: p.group}}
	for i := range int32(partitions) {
		cp.Group.Offsets = append(cp.Group.Offsets, changelog.GroupOffset{Topic: name, Partition: i, Offset: int64(i) * 3, LeaderEpoch: -1})
	}
	start := time.Now()
	if _, err := r.sink.Commit(t.Context(), cp, nil); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d offsets took %v", partitions, time.Since(start))
	var offsets kadm.OffsetResponses
	for patience := time.Now().Add(time.Minute); len(offsets[name]) < partitions && time.Now().Before(patience); time.Sleep(20 * time.Millisecond) {
		var err error
		if offsets, err = adm.FetchOffsets(t.Context(), p.group); err != nil {
			t.Fatal(err)
		}
	}
	for i := range int32(partitions) {
		if o, ok := offsets.Lookup(name, i); !ok || o.At != int64(i)*3 {
			t.Fatalf("partition %d: %+v %v", i, o, ok)
		}
	}
}
