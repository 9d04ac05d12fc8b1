package daemon

import (
	"encoding/json"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"cdcbridge/capture"
	"cdcbridge/internal/fault"
	"cdcbridge/internal/pipeline"
)

// TestHistoryHoldsAnHour: a sample every ten seconds, rates between two of them, and nothing older than an hour.
func TestHistoryHoldsAnHour(t *testing.T) {
	alone(t, script{stats: pipeline.Stats{Source: idle()}}, func(t *testing.T, p *fakePipeline, b *bench) {
		begun := time.Now()
		time.Sleep(5 * time.Second) // between two samples
		for i := range 450 {
			time.Sleep(10 * time.Second)
			p.current().set(func(s *pipeline.Stats) {
				s.Changes += uint64(i)
				s.Commits += 2
				s.CommitTotal += 50 * time.Millisecond
			})
		}
		time.Sleep(time.Second)
		h := b.History(0).Pipelines[0]
		if h.Name != "shop" || len(h.At) != 360 || len(h.LagSeconds) != 360 || len(h.ChangesPerSecond) != 360 || len(h.CommitSeconds) != 360 || len(h.RetainedBytes) != 360 {
			t.Fatalf("%s: %d %d %d %d %d", h.Name, len(h.At), len(h.LagSeconds), len(h.ChangesPerSecond), len(h.CommitSeconds), len(h.RetainedBytes))
		}
		if oldest, newest := begun.Unix()+910, begun.Unix()+4500; h.At[0] != oldest || h.At[359] != newest {
			t.Errorf("from %d to %d, not from %d to %d", h.At[0], h.At[359], oldest, newest)
		}
		for i := 1; i < 360; i++ {
			if h.At[i] != h.At[i-1]+10 || math.Abs(float64(h.ChangesPerSecond[i]-h.ChangesPerSecond[i-1])-0.1) > 1e-9 || math.Abs(float64(h.CommitSeconds[i])-0.025) > 1e-9 || h.LagSeconds[i] != 0 {
				t.Fatalf("sample %d: at %d, %v changes/s after %v, %v s a commit, lag %v", i, h.At[i], h.ChangesPerSecond[i], h.ChangesPerSecond[i-1], h.CommitSeconds[i], h.LagSeconds[i])
			}
		}
		if late := b.History(begun.Unix() + 4480).Pipelines[0]; len(late.At) != 2 || late.At[1] != h.At[359] || len(late.LagSeconds) != 2 {
			t.Errorf("the newest two are %+v", late)
		}
	})
}

// TestHistoryOfAPipelineThatIsDown: its lag grows while nothing is committed, what ended attempts have counted stays, and what nobody
// knows is null.
func TestHistoryOfAPipelineThatIsDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		committed := time.Now().UnixMicro()
		p := &fakePipeline{scripts: []script{{
			runs: 15 * time.Second, err: fault.NewFinal(fault.SlotLost, "streaming", errBroken, "Start over."),
			stats: pipeline.Stats{Changes: 100, Commits: 1, CommitTotal: time.Second, CommitTime: committed, Source: capture.Stats{EventTime: committed, RetainedBytes: 5, RetainedLimit: 9}},
		}}}
		b := supervise(Pipeline{Name: "shop", New: p.next})
		time.Sleep(41 * time.Second)
		h := b.History(0).Pipelines[0]
		body, err := json.Marshal(h)
		if err != nil {
			t.Fatal(err)
		}
		_, rest, _ := strings.Cut(string(body), `],"lag_seconds"`)
		want := `:[10,20,30,40],"changes_per_second":[null,0,0,0],"commit_seconds":[1,null,null,null],"retained_bytes":[5,null,null,null],"retained_limit_seconds":null}`
		if rest != want {
			t.Errorf("got  %s\nwant %s", rest, want)
		}
		if err := b.stop(t); err != nil {
			t.Error(err)
		}
	})
}

func TestForecastOfRetainedLog(t *testing.T) {
	begin := time.Unix(1_800_000_000, 0)
	grown := func(n int, of func(i int) (retained reading, limit uint64)) *history {
		h := &history{}
		for i := range n {
			retained, limit := of(i)
			h.add(sample{at: begin.Add(time.Duration(i) * historyEvery), retained: retained, limit: limit})
		}
		return h
	}
	for name, c := range map[string]struct {
		h    *history
		want float64 // NaN: none
	}{
		"no sample":           {&history{}, math.NaN()},
		"one sample":          {grown(1, func(int) (reading, uint64) { return 5, 100 }), math.NaN()},
		"steady growth":       {grown(31, func(i int) (reading, uint64) { return reading(10 * i), 1300 }), 1000},
		"a ring that is full": {grown(500, func(i int) (reading, uint64) { return reading(10 * i), 5990 }), 1000},
		"the last ten minutes": {grown(200, func(i int) (reading, uint64) { // growth begins late
			return reading(1000 + 10*max(0, i-100)), 2990
		}), 1000},
		"nothing known before": {grown(20, func(i int) (reading, uint64) {
			if i < 10 {
				return unknown, 0
			}
			return reading(10 * i), 290
		}), 100},
		"nothing known now": {grown(20, func(i int) (reading, uint64) {
			if i == 19 {
				return unknown, 0
			}
			return reading(10 * i), 290
		}), math.NaN()},
		"no limit":    {grown(31, func(i int) (reading, uint64) { return reading(10 * i), 0 }), math.NaN()},
		"no growth":   {grown(31, func(int) (reading, uint64) { return 7, 100 }), math.NaN()},
		"it shrinks":  {grown(31, func(i int) (reading, uint64) { return reading(500 - i), 1000 }), math.NaN()},
		"it is there": {grown(31, func(i int) (reading, uint64) { return reading(10 * i), 200 }), 0},
	} {
		got := float64(c.h.after("shop", 0).RetainedLimitSeconds)
		if math.IsNaN(got) != math.IsNaN(c.want) || math.Abs(got-c.want) > 1e-6 {
			t.Errorf("%s: %v, not %v", name, got, c.want)
		}
	}
}

func TestHistoryOverHTTP(t *testing.T) {
	d := New(Options{Pipelines: twoPipelines(), Log: logTo(t.Output())})
	d.runners[0].history.add(sample{at: time.Unix(1_800_000_000, 0), lag: 1.25, changes: 1234567.8, commits: unknown, retained: 4 << 40})
	get := func(path string) (int, string) {
		w := httptest.NewRecorder()
		d.handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		return w.Code, w.Body.String()
	}
	const empty = `"at":[],"lag_seconds":[],"changes_per_second":[],"commit_seconds":[],"retained_bytes":[],"retained_limit_seconds":null}`
	const bad = `{"name":"bad",` + empty + "]}\n"
	const head = `{"interval_seconds":10,"pipelines":[{"name":"good",`
	want := head + `"at":[1800000000],"lag_seconds":[1.25],"changes_per_second":[1.23457e+06],"commit_seconds":[null],"retained_bytes":[4.39805e+12],"retained_limit_seconds":null},` + bad
	if code, body := get("/status/history"); code != 200 || body != want {
		t.Errorf("%d %s\nwant %s", code, body, want)
	}
	if code, body := get("/status/history?since=1800000000"); code != 200 || body != head+empty+","+bad {
		t.Errorf("%d %s", code, body)
	}
	if code, body := get("/status/history?since=noon"); code != 400 || !strings.Contains(body, `"noon"`) {
		t.Errorf("%d %s", code, body)
	}
}
