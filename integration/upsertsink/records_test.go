package upsertsink

import (
	"slices"
	"testing"

	"cdcbridge/changelog"
	"cdcbridge/internal/fault"
	"cdcbridge/upsert"
)

func (p *pipeline) records(t *testing.T) []upsert.StateRecord {
	t.Helper()
	recs, err := upsert.ReadRecords(t.Context(), p.wire, p.cfg, p.name)
	if err != nil {
		t.Fatal(err)
	}
	return recs
}

// named is the same pipeline under another name: with the state topic, and so the topics, of the first.
func (p *pipeline) named(name string) *pipeline {
	other := *p
	other.name = name
	return &other
}

// mustOpenSink opens a sink that claims nothing.
func (p *pipeline) mustOpenSink(t *testing.T, instance string) *upsert.Sink {
	t.Helper()
	r := &run{pipeline: p, sink: p.newSink(instance)}
	t.Cleanup(r.close)
	if _, err := r.sink.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	return r.sink
}

func names(recs []upsert.StateRecord) (list []string) {
	for _, r := range recs {
		list = append(list, r.Kind+" "+r.Name)
	}
	return list
}

// testStateRestored goes back to an export: what came later goes, the daemon that runs is fenced, and the pipeline goes on from there.
func (e *env) testStateRestored(t *testing.T) {
	p := e.pipeline(t)
	r := p.mustOpen(t, "daemon")
	r.mustWrite(t, 10)
	if _, err := r.sink.Commit(t.Context(), changelog.Checkpoint{Pos: "10", State: []changelog.State{{Key: "kept", Value: []byte{0xff}}}}, nil); err != nil {
		t.Fatal(err)
	}
	export := p.records(t)
	if want := []string{"claim ", "entry kept", "pin " + p.topic, "pin " + p.cfg.StateTopic, "position "}; !slices.Equal(names(export), want) {
		t.Fatalf("exported %q, want %q", names(export), want)
	}
	if _, err := r.sink.Commit(t.Context(), changelog.Checkpoint{Pos: "12", State: []changelog.State{{Key: "kept", Value: []byte("later")}, {Key: "new", Value: []byte("x")}}}, nil); err != nil {
		t.Fatal(err)
	}
	err := p.mustOpenSink(t, "import-0").Restore(t.Context(), upsert.Restoring{Records: export, StateTopic: p.cfg.StateTopic})
	wantFault(t, err, fault.Config, true)
	if got := upsert.PositionOf(p.records(t)); got != "12" {
		t.Fatalf("what was refused has moved it to %s", got)
	}
	if err := p.mustOpenSink(t, "import-1").Restore(t.Context(), upsert.Restoring{Records: export, StateTopic: p.cfg.StateTopic, Replace: true}); err != nil {
		t.Fatal(err)
	}
	if got := p.records(t); !slices.Equal(names(got), names(export)) || upsert.PositionOf(got) != "10" || string(got[1].Value) != string(export[1].Value) {
		t.Errorf("restored %s", got)
	}
	r.next = 10
	wantFault(t, r.writeAndCommit(t.Context(), 1), fault.Fenced, true)
	p.mustKeep(t, "next", "kept=\xff")

	// A topic of the export that is gone would stop the next start: it is found before anything is written.
	lost := slices.Clone(export)
	lost[2].Name = p.topic + ".lost"
	err = p.mustOpenSink(t, "import-2").Restore(t.Context(), upsert.Restoring{Records: lost, StateTopic: p.cfg.StateTopic, Replace: true})
	wantFault(t, err, fault.TopicMissing, true)

	// Another state topic: the export names the one that it comes from, and no pin of that may come along.
	other := p.named(p.name)
	other.cfg.StateTopic = p.name + ".state2"
	if err := other.mustOpenSink(t, "import-3").Restore(t.Context(), upsert.Restoring{Records: export, StateTopic: p.cfg.StateTopic}); err != nil {
		t.Fatal(err)
	}
	if got := other.records(t); !slices.Contains(names(got), "pin "+other.cfg.StateTopic) || slices.Contains(names(got), "pin "+p.cfg.StateTopic) {
		t.Errorf("restored %q", names(got))
	}
	other.mustKeep(t, "elsewhere", "kept=\xff")
}

// testStateRenamed moves a state in one transaction, to a partition of its own, and fences the old name for good.
func (e *env) testStateRenamed(t *testing.T) {
	p := e.pipeline(t)
	r := p.mustOpen(t, "daemon")
	r.mustWrite(t, 10)
	if _, err := r.sink.Commit(t.Context(), changelog.Checkpoint{Pos: "10", State: []changelog.State{{Key: "kept", Value: []byte("x")}}}, nil); err != nil {
		t.Fatal(err)
	}
	before := p.records(t)
	taken := p.named(p.name + "-taken")
	taken.topic = taken.name
	taken.mustOpen(t, "other")
	wantFault(t, p.mustOpenSink(t, "rename-0").Rename(t.Context(), taken.name), fault.Config, true)
	none := p.named(p.name + "-none")
	wantFault(t, none.mustOpenSink(t, "rename-1").Rename(t.Context(), "any"), fault.StateMissing, true)

	renamed := p.named(p.name + "-renamed")
	if err := p.mustOpenSink(t, "rename-2").Rename(t.Context(), renamed.name); err != nil {
		t.Fatal(err)
	}
	after := renamed.records(t)
	if !slices.Equal(names(after), names(before)) || string(after[2].Value) != string(before[2].Value) || upsert.PositionOf(after) != "10" {
		t.Errorf("before %s, after %s", before, after)
	}
	_, err := upsert.ReadRecords(t.Context(), p.wire, p.cfg, p.name)
	wantFault(t, err, fault.StateMissing, true)
	wantFault(t, r.writeAndCommit(t.Context(), 1), fault.Fenced, true)
	_, err = p.open(t.Context(), "daemon") // as if it came back from a long sleep
	wantFault(t, err, fault.Fenced, true)
	next := renamed.mustKeep(t, "next", "kept=x")
	next.next = 10
	if next.topic, err = next.sink.Topic(t.Context(), p.topic, &p.output); err != nil {
		t.Fatal(err)
	}
	next.mustWrite(t, 5)
	next.mustCommit(t)
	p.mustHold(t, 15)
}
