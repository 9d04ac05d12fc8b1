package upsertsink

import (
	"encoding/json"
	"strconv"
	"testing"
	"time"

	"cdcbridge/changelog"
	"cdcbridge/integration/harness"
	"cdcbridge/internal/fault"
	"cdcbridge/upsert"
)

// testProgress reads the progress topic of two pipelines: each commit that was reported has one record there, in the transaction
// of its rows, and one that was aborted has none.
func (e *env) testProgress(t *testing.T) {
	one, two := e.pipeline(t), e.pipeline(t)
	topic := one.name + ".progress"
	began := time.Now().UnixMilli()
	for k, p := range []*pipeline{one, two} {
		r := p.mustOpen(t, "a")
		if err := r.sink.OpenProgress(t.Context(), topic); err != nil {
			t.Fatal(err)
		}
		for i := int64(1); i <= 3; i++ {
			r.mustWrite(t, 5)
			r.sink.Report(upsert.Progress{Watermark: i*1_000_000 + 999, CommitTime: i * 2_000_000, InTxn: i == 3})
			r.mustCommit(t)
		}
		if _, err := r.sink.Commit(t.Context(), changelog.Checkpoint{Pos: "99"}, nil); err != nil { // no rows, and as reported last
			t.Fatal(err)
		}
		if k == 0 {
			r.mustWrite(t, 5)
			r.sink.Report(upsert.Progress{Watermark: 9_000_000})
			if err := r.sink.Abort(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	var got []harness.Record
	for patience := time.Now().Add(time.Minute); len(got) < 8 && time.Now().Before(patience); time.Sleep(20 * time.Millisecond) {
		var err error
		if got, err = harness.ReadTopic(t.Context(), e.brokers, topic); err != nil {
			t.Fatal(err)
		}
	}
	if len(got) != 8 {
		t.Fatalf("%d records, want 4 of each pipeline", len(got))
	}
	for i, r := range got {
		var v struct {
			Version    int
			Watermark  int64 `json:"watermark_ms"`
			CommitTime int64 `json:"commit_time_ms"`
			WrittenAt  int64 `json:"written_at_ms"`
			Changes    int
			Records    int
			Split      bool
			Position   string
		}
		if err := json.Unmarshal(r.Value, &v); err != nil {
			t.Fatal(err)
		}
		p, n := one, int64(i%4+1)
		if i >= 4 {
			p = two
		}
		rows, position, last := 5, strconv.Itoa(int(5*n)), min(n, 3)
		if n == 4 {
			rows, position = 0, "99"
		}
		if string(r.Key) != `{"pipeline":"`+p.name+`"}` || v.Version != 1 || v.Watermark != last*1000 || v.CommitTime != last*2000 || v.Changes != rows ||
			v.Records != rows || v.Split != (last == 3) || v.Position != position || v.WrittenAt < began || v.WrittenAt > time.Now().UnixMilli() {
			t.Errorf("record %d: %s %s", i, r.Key, r.Value)
		}
	}
	r := two.mustOpen(t, "b")
	if err := r.sink.OpenProgress(t.Context(), topic); err != nil {
		t.Fatal(err)
	}
	e.mustRefuseProgress(t)
}

// mustRefuseProgress: a topic that would forget the newest record of a silent pipeline is refused.
func (e *env) mustRefuseProgress(t *testing.T) {
	t.Helper()
	p := e.pipeline(t)
	name := p.name + ".deleting"
	if _, err := e.admin(t).CreateTopic(t.Context(), 1, 1, nil, name); err != nil {
		t.Fatal(err)
	}
	wantFault(t, p.mustOpen(t, "a").sink.OpenProgress(t.Context(), name), fault.TopicNotCompacted, true)
}
