package upsertsink

import (
	"fmt"
	"testing"

	"cdcbridge/changelog"
	"cdcbridge/internal/fault"
	kw "cdcbridge/internal/kafkawire"
	"cdcbridge/upsert"
)

// testPrepared opens many topics at once: those that are missing are there afterwards, in the form that one by one they have, and what is wrong
// with a topic is told as without preparation.
func (e *env) testPrepared(t *testing.T) {
	const tables = 110 // more than one call makes
	p := e.pipeline(t)
	p.output.Settings.Partitions = 1
	adm := e.admin(t)
	r := p.mustOpen(t, "a")
	name := func(kind string, i int) string { return fmt.Sprintf("%s.%s%03d", p.name, kind, i) }
	for kind, policy := range map[string]string{"deletes": "delete", "empty": "compact", "filled": "compact"} {
		if _, err := adm.CreateTopic(t.Context(), 2, 1, map[string]*string{"cleanup.policy": &policy}, name(kind, 0)); err != nil {
			t.Fatal(err)
		}
	}
	other := e.pipeline(t)
	other.topic = name("filled", 0)
	o := other.mustOpen(t, "b")
	o.mustWrite(t, 5)
	o.mustCommit(t)

	forbidden := p.output
	forbidden.Settings.Create = false
	wanted := []upsert.Wanted{
		{Name: name("filled", 0), Output: &p.output}, {Name: name("deletes", 0), Output: &p.output}, {Name: name("empty", 0), Output: &p.output},
		{Name: name("forbidden", 0), Output: &forbidden}, {Name: "no topic", Output: &p.output},
	}
	for i := range tables {
		wanted = append(wanted, upsert.Wanted{Name: name("t", i), Output: &p.output})
	}
	if err := r.sink.Prepare(t.Context(), wanted); err != nil {
		t.Fatal(err)
	}
	var parts []upsert.Part
	for i, w := range wanted {
		topic, err := r.sink.Topic(t.Context(), w.Name, w.Output)
		switch i {
		case 0:
			wantFault(t, err, fault.StateMissing, true)
		case 1:
			wantFault(t, err, fault.TopicNotCompacted, true)
		case 3:
			wantFault(t, err, fault.TopicMissing, true)
		case 4:
			wantFault(t, err, fault.Config, true)
		default:
			if err != nil {
				t.Fatal(err)
			}
			if want := map[bool]int32{true: 2, false: 1}[i == 2]; topic.Partitions != want || topic.WallClock {
				t.Errorf("topic %+v", topic)
			}
			section := kw.AppendRecord(nil, &kw.Record{Key: []byte("k"), Value: []byte("v")})
			parts = append(parts, part(topic, 0, kw.None, committedAt/1000, section, 1))
		}
	}
	if err := r.sink.Write(t.Context(), &upsert.Chunk{Records: len(parts), Parts: parts}); err != nil {
		t.Fatal(err)
	}
	if _, err := r.sink.Commit(t.Context(), changelog.Checkpoint{Pos: "1"}, nil); err != nil {
		t.Fatal(err)
	}
	for _, i := range []int{0, tables - 1} {
		if records := e.settled(t, name("t", i)); len(records) != 1 {
			t.Errorf("%d records in %s", len(records), name("t", i))
		}
	}
	settings, err := adm.DescribeTopicConfigs(t.Context(), name("t", tables-1))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range settings[0].Configs {
		if c.Key == "cleanup.policy" && c.MaybeValue() != "compact" {
			t.Errorf("cleanup.policy is %s", c.MaybeValue())
		}
	}
	r.close()

	// The next attempt knows them: what holds records is its own, and what is gone is not made again.
	if _, err := adm.DeleteTopic(t.Context(), name("t", 1)); err != nil {
		t.Fatal(err)
	}
	next := p.newSink("c")
	defer func() { _ = next.Close(t.Context()) }()
	_, err = next.Open(t.Context())
	wantFault(t, err, fault.TopicMissing, true)
}
