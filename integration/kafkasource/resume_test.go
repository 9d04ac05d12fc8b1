package kafkasource

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"cdcbridge/capture"
	"cdcbridge/capture/kafka"
	"cdcbridge/changelog"
	dbz "cdcbridge/formats/debezium"
	"cdcbridge/internal/fault"
	kw "cdcbridge/internal/kafkawire"
)

// attempt is one source of this process, from a checkpoint to the end of its bounded run.
type attempt struct {
	read   map[string][]string        // by partition: what was read, in order
	points []changelog.Checkpoint     // whole ones, behind each batch
	counts []map[string]int           // of what was read up to there
	state  map[string]changelog.State // the newest
	opened changelog.Checkpoint
}

// run reads to the end. It takes the batches as slowly as it gets them, and keeps none.
func (a *attempt) run(ctx context.Context, cfg capture.Config, from changelog.Checkpoint) error {
	a.read, a.state = map[string][]string{}, map[string]changelog.State{}
	src := cfg.New(capture.Env{Pipeline: "resume"})
	opened, err := src.Open(ctx, from)
	if err != nil {
		return err
	}
	a.opened = opened
	for _, s := range slices.Concat(from.State, opened.State) {
		a.state[s.Key] = s
	}
	out, ended := make(chan *changelog.Batch), make(chan error, 1)
	go func() {
		ended <- src.Stream(ctx, out)
		close(out)
	}()
	for b := range out {
		a.take(b)
		src.Ack(b.Next.Pos)
		b.Release()
	}
	if err := src.Close(); err != nil {
		return err
	}
	if err := <-ended; !errors.Is(err, capture.ErrComplete) {
		return fmt.Errorf("the stream ended with %w", err)
	}
	return nil
}

func (a *attempt) take(b *changelog.Batch) {
	for i := range b.Runs {
		r := &b.Runs[i]
		rec := &b.Records[r.Record-1]
		partition := fmt.Sprintf("%s/%d", rec.Topic, rec.Partition)
		for _, ch := range b.Changes[r.From:r.To] {
			a.read[partition] = append(a.read[partition], fmt.Sprintf("%d %v %s %s", rec.Offset, ch.Op, r.Table.FullName(), rec.Key))
		}
	}
	for _, s := range b.Next.State {
		a.state[s.Key] = changelog.State{Key: s.Key, Value: slices.Clone(s.Value)}
	}
	point := changelog.Checkpoint{Pos: changelog.Position(strings.Clone(string(b.Next.Pos)))}
	for _, key := range slices.Sorted(maps.Keys(a.state)) {
		point.State = append(point.State, a.state[key])
	}
	counts := map[string]int{}
	for partition, read := range a.read {
		counts[partition] = len(read)
	}
	a.points, a.counts = append(a.points, point), append(a.counts, counts)
}

// TestResumeEverywhere goes on from the checkpoint of each batch of a run, over deletes and their tombstones, aborted transactions and
// tables that appear on the way: what it reads is what the run read behind that batch.
func TestResumeEverywhere(t *testing.T) {
	t.Parallel()
	e := modern.get(t)
	s, table := e.newSource(t, unique(t)+".in.orders", 3), newShop(debezium, 7, 3)
	w := e.writer(t, unique(t))
	for range 6 {
		s.write(t, table.some(30)...)
		restore := table.keep()
		w.begin(t, s, table.some(10)...)(false)
		restore()
		w.begin(t, s, table.some(20)...)(true)
		for i, m := range table.some(3) { // of another table, whose key looks the same
			m.value = []byte(strings.ReplaceAll(string(m.value), `"table":"orders"`, fmt.Sprintf(`"table":"orders%d"`, i)))
			if len(m.value) > 0 {
				s.write(t, m)
			}
		}
	}
	config := func(edit ...func(*kafka.Config)) capture.Config {
		c := kafka.NewConfig().(*kafka.Config)
		c.Topics, c.Format, c.BatchBytes, c.End.At = []string{s.topic}, "debezium-json", 4<<10, "latest"
		for _, do := range edit {
			do(c)
		}
		if errs := c.Validate(); len(errs) > 0 {
			t.Fatal(errs)
		}
		c.Read(dbz.NewConfig(), kw.Config{Brokers: e.brokers})
		return c
	}
	var whole attempt
	if err := whole.run(t.Context(), config(), changelog.Checkpoint{}); err != nil {
		t.Fatal(err)
	}
	total := 0
	for _, read := range whole.read {
		total += len(read)
	}
	if total != len(s.changes) || len(whole.points) < 20 {
		t.Fatalf("%d changes of %d in %d batches", total, len(s.changes), len(whole.points))
	}
	for k, point := range whole.points {
		var rest attempt
		if err := rest.run(t.Context(), config(), point); err != nil {
			t.Fatalf("from batch %d: %v", k, err)
		}
		for partition, read := range whole.read {
			if want := read[whole.counts[k][partition]:]; !slices.Equal(rest.read[partition], want) {
				t.Fatalf("from batch %d, %s: read %q, want %q", k, partition, rest.read[partition], want)
			}
		}
	}
	refusals(t, config, whole.points[len(whole.points)/2])
}

// refusals are checkpoints that no source goes on from.
func refusals(t *testing.T, config func(...func(*kafka.Config)) capture.Config, point changelog.Checkpoint) {
	t.Helper()
	edited := func(prefix, old, fresh string) changelog.Checkpoint {
		cp := changelog.Checkpoint{Pos: point.Pos}
		found := false
		for _, st := range point.State {
			if strings.HasPrefix(st.Key, prefix) && strings.Contains(string(st.Value), old) {
				st.Value, found = []byte(strings.Replace(string(st.Value), old, fresh, 1)), true
			}
			cp.State = append(cp.State, st)
		}
		if !found {
			t.Fatalf("no state of %s has %q", prefix, old)
		}
		return cp
	}
	for name, c := range map[string]struct {
		cp   changelog.Checkpoint
		code fault.Code
	}{
		"another cluster":       {changelog.Checkpoint{Pos: `{"cluster":"MkU3OEVBNTcwNTJENDM2Qg","records":5}`, State: point.State}, fault.WrongServer},
		"position of a binlog":  {changelog.Checkpoint{Pos: "v1;binlog.000001;4", State: point.State}, fault.WrongServer},
		"a newer release":       {edited("partition/", `"min_reader":1`, `"min_reader":9`), fault.StateNewer},
		"a lesson of a newer":   {edited("lesson/", `"min_reader":1`, `"min_reader":9`), fault.StateNewer},
		"no JSON":               {edited("partition/", `{`, `[`), fault.Decode},
		"offset beyond the end": {edited("partition/", `"offset":`, `"offset":9`), fault.TopicTruncated},
	} {
		var a attempt
		ctx, cancel := context.WithTimeout(t.Context(), patience/3) // one that is not refused is read for ever
		err := a.run(ctx, config(func(k *kafka.Config) { k.End.At = "none" }), c.cp)
		cancel()
		if !fault.Is(err, c.code) || !fault.IsFinal(err) || fault.As(err).Hint == "" {
			t.Errorf("%s: %v, want %s with a hint", name, err, c.code)
		}
	}
	// What a newer release adds beside what we know, and says that we may read, is left alone.
	var a attempt
	if err := a.run(t.Context(), config(), edited("partition/", `"version":1`, `"version":2,"more":{"a":[1]}`)); err != nil {
		t.Errorf("unknown members: %v", err)
	}
}
