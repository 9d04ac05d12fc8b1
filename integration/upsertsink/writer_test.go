package upsertsink

import (
	"context"
	"testing"
	"time"

	"cdcbridge/changelog"
	"cdcbridge/formats"
	"cdcbridge/formats/plain"
	"cdcbridge/integration/harness"
	kw "cdcbridge/internal/kafkawire"
	"cdcbridge/internal/shape"
	"cdcbridge/upsert"
)

// writer writes batches of real tables, as a pipeline does.
type writer struct {
	*run
	planner      *upsert.Planner
	materializer *upsert.Materializer
}

// writer opens a pipeline that merges shards.
func (p *pipeline) writer(t *testing.T, instance string, settings map[string]string) *writer {
	t.Helper()
	return p.writerOf(t, instance, upsert.Output{
		Name: "rows", Mode: upsert.Upsert, Topic: p.topic, Format: plain.Kind().Config().Format(formats.Env{Server: p.name}),
		KeyPrefix: "shard", Metadata: []shape.Metadata{{Name: "shard", From: shape.Database, As: shape.Field}},
		Settings: upsert.TopicSettings{Partitions: 3, Create: true, Config: settings},
	})
}

func (p *pipeline) writerOf(t *testing.T, instance string, outputs ...upsert.Output) *writer {
	t.Helper()
	r := &run{pipeline: p, sink: p.newSink(instance)}
	cp, err := r.sink.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.close)
	if cp.Pos == "" {
		cp.Pos = "start"
	}
	if err := r.sink.Claim(t.Context(), changelog.Checkpoint{Pos: cp.Pos}); err != nil {
		t.Fatal(err)
	}
	return &writer{r, upsert.NewPlanner(p.name, outputs, nil, r.sink.Topic), upsert.NewMaterializer(kw.LZ4)}
}

func shard(id int, database string) *changelog.Table {
	return &changelog.Table{ID: id, Origin: "mysql", Database: database, Name: "orders", Key: []int{0}, Columns: []changelog.Column{
		{Name: "id", Type: changelog.Type{Kind: changelog.KindInt, Bits: 64}, SourceType: "bigint"}}}
}

// committedAt is when all changes were. With older times Kafka would roll the segments at once, and compact them under the test.
var committedAt = time.Now().UnixMicro()

// batch is one change of each of the rows from..to-1 of a table.
func batch(table *changelog.Table, op changelog.Op, from, to int) *changelog.Batch {
	b := changelog.NewBatch()
	b.Txns = append(b.Txns, changelog.Txn{ID: "t", Commit: committedAt, First: true, Last: true})
	for id := from; id < to; id++ {
		row := b.NewRow(1)
		row[0] = changelog.Int(int64(id))
		ch := changelog.Change{Op: op, After: row, Index: uint64(id)}
		if op == changelog.Delete {
			ch.Before, ch.After = row, nil
		}
		b.Changes = append(b.Changes, ch)
	}
	b.Runs = append(b.Runs, changelog.Run{Table: table, To: len(b.Changes), File: "f", Pos: 4})
	return b
}

// mustGive writes a batch, and ends what it ends before that.
func (w *writer) mustGive(t *testing.T, b *changelog.Batch) {
	t.Helper()
	ctx := t.Context()
	var plans upsert.Plans
	for i := range b.Runs {
		run, err := w.planner.Plans(ctx, b.Runs[i].Table)
		if err != nil {
			t.Fatal(err)
		}
		plans.Runs = append(plans.Runs, run)
	}
	var err error
	if plans.Parking, err = w.planner.Parking(ctx, b); err != nil {
		t.Fatal(err)
	}
	ended, err := w.planner.Truncations(ctx, b, 1)
	if err != nil {
		t.Fatal(err)
	}
	if len(ended) > 0 {
		if _, err := w.sink.Truncate(ctx, ended); err != nil {
			t.Fatal(err)
		}
	}
	chunk, err := w.materializer.Chunk(committedAt, upsert.Planned{Batch: b, Plans: plans, Seq: 1})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.sink.Write(ctx, chunk); err != nil {
		t.Fatal(err)
	}
}

func (w *writer) mustCommit(t *testing.T, pos string) {
	t.Helper()
	if _, err := w.sink.Commit(t.Context(), changelog.Checkpoint{Pos: changelog.Position(pos)}, nil); err != nil {
		t.Fatal(err)
	}
}

// settled reads a topic when nothing in it is undecided: a commit is answered before its control batches are in all partitions.
func (e *env) settled(t *testing.T, topic string) []harness.Record {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if _, err := harness.StableEnds(ctx, e.admin(t), topic); err != nil {
		t.Fatal(err)
	}
	records, err := harness.ReadTopic(t.Context(), e.brokers, topic)
	if err != nil {
		t.Fatal(err)
	}
	return records
}
