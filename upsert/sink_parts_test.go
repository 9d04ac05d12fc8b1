package upsert

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"cdcbridge/capture"
	"cdcbridge/internal/fault"
	"cdcbridge/internal/kafkawire"
)

func TestPinCheck(t *testing.T) {
	p := pin{ID: kafkawire.TopicID{1}, Partitions: 2}
	two := []kafkawire.Partition{{}, {}}
	for name, tc := range map[string]struct {
		found *kafkawire.Topic
		code  fault.Code
		final bool
	}{
		"same":      {&kafkawire.Topic{ID: p.ID, Partitions: two}, "", false},
		"gone":      {nil, fault.TopicMissing, true},
		"unknown":   {&kafkawire.Topic{Code: kafkawire.UnknownTopicOrPartition}, fault.TopicMissing, true},
		"replaced":  {&kafkawire.Topic{ID: kafkawire.TopicID{2}, Partitions: two}, fault.TopicReplaced, true},
		"grown":     {&kafkawire.Topic{ID: p.ID, Partitions: append(two, kafkawire.Partition{})}, fault.PartitionsChanged, true},
		"hidden":    {&kafkawire.Topic{Code: kafkawire.TopicAuthorizationFailed}, fault.Permission, true},
		"electing":  {&kafkawire.Topic{Code: kafkawire.LeaderNotAvailable}, fault.Kafka, false},
		"both ways": {&kafkawire.Topic{ID: kafkawire.TopicID{2}}, fault.TopicReplaced, true},
	} {
		err := p.check("t", tc.found)
		if fault.CodeOf(err) != tc.code || fault.IsFinal(err) != tc.final {
			t.Errorf("%s: %v, want %q, final %v", name, err, tc.code, tc.final)
		}
	}
}

func TestPinBook(t *testing.T) {
	known := pin{ID: kafkawire.TopicID{1}, Partitions: 1}
	fresh := pin{ID: kafkawire.TopicID{2}, Partitions: 2}
	late := pin{ID: kafkawire.TopicID{3}, Partitions: 3}
	b := newPinBook(map[string]pin{"known": known})
	b.add("known", known)
	if len(b.take()) != 0 {
		t.Error("a durable pin is written again")
	}
	b.add("fresh", fresh)
	if _, durable, ok := b.lookup("fresh"); durable || !ok {
		t.Error("a pin is durable before its commit")
	}
	if !b.waiting() {
		t.Error("a pin that is not durable does not wait")
	}
	taken := b.take()
	b.add("late", late) // by the feeder, while the commit runs
	if again := b.take(); len(again) != 2 || len(taken) != 1 || taken[0].topic != "fresh" {
		t.Errorf("taken %v, then %v", taken, again)
	}
	b.settle(taken)
	if p, durable, _ := b.lookup("fresh"); !durable || p != fresh {
		t.Error("a pin is not durable after its commit")
	}
	if left := b.take(); len(left) != 1 || left[0].topic != "late" {
		t.Errorf("left %v", left)
	}
	if b.settle(b.take()); b.waiting() || newPinBook(map[string]pin{"known": known}).waiting() {
		t.Error("a pin that is durable waits")
	}
	if all := b.all(); len(all) != 3 || all[0].topic != "fresh" || all[1].topic != "known" || all[2].topic != "late" {
		t.Errorf("all %v", all)
	}
}

func TestClaimsNameWhomTheyReplace(t *testing.T) {
	claim := claimSeen{offset: -1}
	if claim.supersedes("a") {
		t.Error("no claim supersedes somebody")
	}
	take := func(instance string) {
		claim = claimSeen{instance: instance, superseded: claim.supersededBy(instance), offset: claim.offset + 1}
	}
	take("a")
	take("a") // opened again
	if len(claim.superseded) != 0 {
		t.Errorf("superseded %v", claim.superseded)
	}
	take("b")
	take("b")
	take("c")
	for instance, want := range map[string]bool{"a": true, "b": true, "c": false, "d": false} {
		if claim.supersedes(instance) != want {
			t.Errorf("%s superseded: %v", instance, !want)
		}
	}
	for i := range 3 * maxSuperseded {
		take(fmt.Sprint("x", i))
	}
	if len(claim.superseded) != maxSuperseded || !claim.supersedes(fmt.Sprint("x", 3*maxSuperseded-2)) {
		t.Errorf("superseded %v", claim.superseded)
	}
}

func TestTopicLimits(t *testing.T) {
	base := map[string]string{"max.message.bytes": "1048588", "compression.type": "producer", "cleanup.policy": "compact", "message.timestamp.before.max.ms": "9223372036854775807"}
	for _, tc := range []struct {
		set, value            string
		recompress, wallClock bool
	}{
		{"", "", false, false},
		{"compression.type", "lz4", false, false},
		{"compression.type", "zstd", true, false},
		{"compression.type", "uncompressed", true, false},
		{"cleanup.policy", "delete", false, true},
		{"cleanup.policy", "compact,delete", false, true},
		{"message.timestamp.before.max.ms", "86400000", false, true},
	} {
		settings := map[string]string{}
		for k, v := range base {
			settings[k] = v
		}
		settings[tc.set] = tc.value
		topic := &Topic{}
		if err := topic.limits(settings, "lz4"); err != nil {
			t.Fatal(err)
		}
		if topic.MaxBatch != 1048588 || topic.Recompress != tc.recompress || topic.WallClock != tc.wallClock {
			t.Errorf("%s=%s: %+v", tc.set, tc.value, topic)
		}
	}
	if err := (&Topic{}).limits(map[string]string{}, "lz4"); !fault.Is(err, fault.TopicSettings) {
		t.Errorf("without settings: %v", err)
	}
}

func TestExamineState(t *testing.T) {
	good := map[string]string{"min.insync.replicas": "1"}
	for k, v := range stateSettings {
		good[k] = v
	}
	topic := &kafkawire.Topic{Partitions: slices.Repeat([]kafkawire.Partition{{Replicas: []int32{1}}}, statePartitions)}
	if f := examineState("s", topic, good); len(f) != 0 {
		t.Errorf("a good topic: %+v", f)
	}
	for setting, value := range map[string]string{
		"segment.bytes": "1073741824", "segment.ms": "604800000", "min.cleanable.dirty.ratio": "0.5", "delete.retention.ms": "86400000",
		"unclean.leader.election.enable": "true", "cleanup.policy": "delete", "min.insync.replicas": "2",
		"message.timestamp.before.max.ms": "59999",
	} {
		bad := map[string]string{}
		for k, v := range good {
			bad[k] = v
		}
		bad[setting] = value
		f := examineState("s", topic, bad)
		if len(f) != 1 || f[0].Subject != setting || f[0].Remedy == "" || (f[0].Severity == capture.Problem) != (f[0].Code != "") {
			t.Errorf("%s=%s: %+v", setting, value, f)
		}
	}
	topic.Partitions = topic.Partitions[1:]
	if f := examineState("s", topic, good); len(f) != 1 || f[0].Severity != capture.Problem {
		t.Errorf("15 partitions: %+v", f)
	}
}

func TestConfigValidate(t *testing.T) {
	cfg := DefaultConfig()
	if errs := cfg.Validate(); len(errs) != 0 {
		t.Errorf("the defaults: %v", errs)
	}
	bad := Config{StateTopic: "a b", StateReplication: -1, TransactionTimeout: time.Second, Compression: "rar"}
	errs := bad.Validate()
	for i, key := range []string{"state_topic", "state_replication", "transaction_timeout", "compression"} {
		if i >= len(errs) || !strings.HasPrefix(errs[i].Error(), key+":") {
			t.Fatalf("problems %v, want one of %s", errs, key)
		}
	}
	for name, want := range map[string]bool{"": false, ".": false, "..": false, "a": true, "A_b-c.9": true, "ä": false, strings.Repeat("a", 250): false} {
		if validTopicName(name) != want {
			t.Errorf("%q: %v", name, !want)
		}
	}
}

func TestHalve(t *testing.T) {
	for _, codec := range []kafkawire.Codec{kafkawire.None, kafkawire.LZ4, kafkawire.Zstd} {
		part := batchOf(t, codec, 5)
		first, second, err := halve(part)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, half := range []*Part{first, second} {
			kafkawire.SealBatch(half.Batch, &half.Header)
			got = append(got, recordsOf(t, half)...)
		}
		if want := recordsOf(t, part); !slices.Equal(got, want) || first.Header.Count != 2 || second.Header.Count != 3 {
			t.Errorf("%v: halves %v, want %v", codec, got, want)
		}
		if second.Header.MaxTimestamp != 1004 || first.Header.MaxTimestamp != 1001 {
			t.Errorf("timestamps %d and %d", first.Header.MaxTimestamp, second.Header.MaxTimestamp)
		}
	}
	l := &lane{at: kafkawire.TopicPartition{Topic: "t"}, queue: []*Part{batchOf(t, kafkawire.None, 1)}}
	if err := (&producer{counters: &counters{}}).split(l); !fault.Is(err, fault.RecordTooLarge) || !fault.IsFinal(err) {
		t.Errorf("one record: %v", err)
	}
}

func batchOf(t *testing.T, codec kafkawire.Codec, n int32) *Part {
	t.Helper()
	var section []byte
	for i := range n {
		r := kafkawire.Record{OffsetDelta: i, TimestampDelta: int64(i), Key: fmt.Append(nil, "k", i), Headers: kafkawire.AppendRecordHeader(nil, "h", []byte{byte(i)}), HeaderCount: 1}
		if i%2 == 0 {
			r.Value = []byte("value")
		}
		section = kafkawire.AppendRecord(section, &r)
	}
	batch, err := kafkawire.AppendCompressed(kafkawire.ReserveBatchHeader(nil), codec, section)
	if err != nil {
		t.Fatal(err)
	}
	p := &Part{Topic: &Topic{}, Header: kafkawire.BatchHeader{Count: n, BaseTimestamp: 1000, MaxTimestamp: 1000 + int64(n) - 1, Codec: codec}, Batch: batch}
	kafkawire.SealBatch(p.Batch, &p.Header)
	return p
}

func recordsOf(t *testing.T, p *Part) []string {
	t.Helper()
	b, _, ok, err := kafkawire.NextBatch(p.Batch)
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	it, _, err := b.Records(nil)
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	var r kafkawire.FetchedRecord
	for it.Next(&r) {
		h, _ := r.Headers.Get("h")
		list = append(list, fmt.Sprintf("%d %s %q %v %x", r.Timestamp, r.Key, r.Value, r.Value == nil, h))
	}
	return list
}
