package upsertsink

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"cdcbridge/changelog"
	"cdcbridge/internal/fault"
	kw "cdcbridge/internal/kafkawire"
)

// testLargeState has a checkpoint that takes many batches, with values that are not text, and entries that go.
func (e *env) testLargeState(t *testing.T) {
	p := e.pipeline(t)
	r := p.mustOpen(t, "a")
	var state []changelog.State
	for i := range 300 {
		state = append(state, changelog.State{Key: fmt.Sprintf("k%03d", i), Value: []byte(strings.Repeat("x", 4000) + strconv.Itoa(i))})
	}
	state[1].Value = []byte{0xff, 0, 1}
	state[2].Value = []byte{}
	if _, err := r.sink.Commit(t.Context(), changelog.Checkpoint{Pos: "5", State: state}, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := r.sink.Commit(t.Context(), changelog.Checkpoint{State: []changelog.State{{Key: "k000"}}}, nil); err != nil {
		t.Fatal(err)
	}
	sink := p.newSink("b")
	defer sink.Close(context.Background())
	cp, err := sink.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if cp.Pos != "5" || !slices.EqualFunc(cp.State, state[1:], func(a, b changelog.State) bool { return a.Key == b.Key && string(a.Value) == string(b.Value) }) {
		t.Errorf("position %q with %d entries, want 5 with %d", cp.Pos, len(cp.State), len(state)-1)
	}
}

func (e *env) testNewerState(t *testing.T) {
	p := e.pipeline(t)
	p.mustOpen(t, "a").close()
	cl, err := kgo.NewClient(kgo.SeedBrokers(e.brokers...), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	ours := `{"pipeline":"` + p.name + `","kind":"future"}`
	put := func(key, value string) {
		t.Helper()
		rec := &kgo.Record{Topic: p.cfg.StateTopic, Partition: kw.PartitionOf([]byte(p.name), 16), Key: []byte(key), Value: []byte(value)}
		if value == "" {
			rec.Value = nil
		}
		if err := cl.ProduceSync(t.Context(), rec).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	put(ours, `{"version":2,"min_reader":1,"new":true}`)
	p.mustOpen(t, "b").close()
	put(ours, `{"version":2,"min_reader":2,"new":true}`)
	_, err = p.open(t.Context(), "c")
	wantFault(t, err, fault.StateNewer, true)
	put(ours, "nonsense")
	_, err = p.open(t.Context(), "c")
	wantFault(t, err, fault.Decode, true)
	put(ours, "")
	p.mustOpen(t, "d").close()
	put("foreign", "record")
	_, err = p.open(t.Context(), "e")
	wantFault(t, err, fault.Decode, true)
	put("foreign", "")
	p.mustOpen(t, "f").close()
}
