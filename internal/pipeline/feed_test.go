package pipeline

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"cdcbridge/changelog"
	"cdcbridge/internal/fault"
	"cdcbridge/upsert"
)

// TestNotesAreToldInTheLog: what is no row change makes no record unless a format has one, and needs no plan; the log has it, cut
// short.
func TestNotesAreToldInTheLog(t *testing.T) {
	var out bytes.Buffer
	f := &feeder{log: slog.New(slog.NewTextHandler(&out, nil)), planner: upsert.NewPlanner("p", nil, nil, nil)}
	b := changelog.NewBatch()
	defer b.Release()
	b.Txns = append(b.Txns, changelog.Txn{ID: "1305:54094928"})
	orders := &changelog.Table{Schema: "public", Name: "orders"}
	b.Notes = append(b.Notes,
		changelog.Note{Kind: changelog.Truncate, Txn: 0, Table: orders, Text: "TRUNCATE"},
		changelog.Note{Kind: changelog.DDL, Txn: -1, Text: "CREATE TABLE t ()"},
		changelog.Note{Kind: changelog.Message, Txn: 0, Prefix: "audit", Text: strings.Repeat("x", 500) + "end"},
		changelog.Note{Kind: changelog.Message, Txn: -1, Prefix: "ping"},
		changelog.Note{Kind: changelog.Heartbeat, Txn: -1},
		changelog.Note{Kind: changelog.Truncate, Txn: 0, Table: orders, Text: "TRUNCATE", Policy: upsert.PolicyTombstone})
	if plans, err := f.plan(t.Context(), b); err != nil || len(plans.Runs) != 0 || plans.Sides != nil {
		t.Fatalf("%v, %+v", err, plans)
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	for i, want := range []string{
		`level=WARN msg="a statement changed rows without logging them; the topic keeps what it has" table=public.orders statement=TRUNCATE`,
		`level=INFO msg="the table's definition changed" table="" statement="CREATE TABLE t ()"`,
		`level=INFO msg="a logical message is in the log" prefix=audit transaction=1305:54094928 bytes=503 content=` + strings.Repeat("x", 200),
		`level=INFO msg="a logical message is in the log" prefix=ping transaction="" bytes=0 content=""`,
		`level=WARN msg="a table was truncated; all its keys in compacted topics end" table=public.orders statement=TRUNCATE`,
	} {
		if i >= len(lines) || !strings.HasSuffix(lines[i], want) {
			t.Fatalf("line %d is not %s:\n%s", i, want, out.String())
		}
	}
	if len(lines) != 5 {
		t.Errorf("%d lines", len(lines))
	}
	for _, stray := range []changelog.NoteKind{changelog.Watermark, 99} {
		b.Notes = append(b.Notes[:0], changelog.Note{Kind: stray, Txn: -1, Text: "binlog.1:4"})
		if _, err := f.plan(t.Context(), b); !fault.Is(err, fault.Internal) || !fault.IsFinal(err) {
			t.Errorf("a note of kind %d: %v", stray, err)
		}
	}
}

// TestParkedRecordsAreToldOnceATopic: there may be very many.
func TestParkedRecordsAreToldOnceATopic(t *testing.T) {
	var out bytes.Buffer
	topic := func(_ context.Context, name string, _ *upsert.Output) (*upsert.Topic, error) {
		return &upsert.Topic{Name: name, Partitions: 1, MaxBatch: 1 << 20}, nil
	}
	f := &feeder{log: slog.New(slog.NewTextHandler(&out, nil)), planner: upsert.NewPlanner("p", nil, nil, topic)}
	b := changelog.NewBatch()
	defer b.Release()
	for i, topic := range []string{"in", "in", "other", "in"} {
		b.Records = append(b.Records, changelog.Record{Topic: topic, Offset: int64(i)})
		b.Notes = append(b.Notes, changelog.Note{Kind: changelog.Parked, Txn: -1, Record: i + 1, Prefix: "dead", Code: "decode", Text: "no JSON"})
	}
	if plans, err := f.plan(t.Context(), b); err != nil || plans.Parking == nil {
		t.Fatalf("%v, %+v", err, plans)
	}
	const tail = ` partition=0 offset=%d code=decode reason="no JSON" dead_letter=dead doc=docs/errors.md#decode`
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != 2 || !strings.HasSuffix(lines[0], "topic=in"+fmt.Sprintf(tail, 0)) || !strings.HasSuffix(lines[1], "topic=other"+fmt.Sprintf(tail, 2)) {
		t.Errorf("the log says\n%s", out.String())
	}
}
