package daemon

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"cdcbridge/capture"
	"cdcbridge/internal/fault"
	"cdcbridge/internal/pipeline"
	"cdcbridge/upsert"
)

// served is a daemon with a real HTTP listener.
type served struct {
	url     string
	signals chan os.Signal
	done    chan error
}

func serve(t *testing.T, o Options) *served {
	t.Helper()
	if o.HTTP.Listen == "" {
		o.HTTP.Listen = "127.0.0.1:0"
	}
	o.ShutdownTimeout, o.Version, o.Log = 10*time.Second, "v9", logTo(io.Discard)
	d := New(o)
	s := &served{signals: make(chan os.Signal, 2), done: make(chan error, 1)}
	go func() { s.done <- d.Run(context.Background(), s.signals) }()
	select {
	case addr := <-d.Addr():
		s.url = "http://" + addr.String()
	case err := <-s.done:
		t.Fatalf("ended at once: %v", err)
	}
	return s
}

func (s *served) stop(t *testing.T) {
	t.Helper()
	s.signals <- syscall.SIGTERM
	if err := <-s.done; err != nil {
		t.Errorf("stopping: %v", err)
	}
	if resp, err := http.Get(s.url + "/healthz"); err == nil {
		_ = resp.Body.Close()
		t.Error("HTTP is still served after the end")
	}
}

func (s *served) get(t *testing.T, path string) (int, string) {
	t.Helper()
	resp, err := http.Get(s.url + path)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

// eventually waits until ok, at most ten seconds.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for range 500 {
		if ok() {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Fatalf("never seen: %s", what)
}

func twoPipelines() []Pipeline {
	long := time.Now().Add(-time.Hour)
	good := &fakePipeline{scripts: []script{{stats: pipeline.Stats{
		Changes: 42, Read: 12, Transactions: 7, Records: 50, Bytes: 4096, Commits: 4, Splits: 1, Progress: 4, Position: "binlog.000007:1234",
		CommitTime: long.UnixMicro(), LastCommit: long.UnixMicro(), CommitTotal: 2 * time.Second, Memory: 48 << 20, InFlight: 0,
		Source: capture.Stats{Connected: true, CaughtUp: true, Events: 99, Bytes: 5000, Position: "binlog.000007:1300", EventTime: long.UnixMicro(), LastEvent: time.Now().UnixMicro(), RetainedBytes: 7000, RetainedLimit: 9000,
			Snapshots: []capture.TableSnapshot{{Table: "shop.orders", Status: capture.SnapshotReading, Rows: 5, Estimate: 9, PerSecond: 1.5}, {Table: "shop.items", Status: capture.SnapshotDone, Rows: 3, Estimate: 3}}},
		Sink: upsert.SinkStats{Aborted: 2, Repeated: 3},
	}}}}
	bad := &fakePipeline{scripts: []script{{err: fault.NewFinal(fault.WrongServer, "opening the source", errBroken, "Point it at the old server.")}}}
	return []Pipeline{{Name: "good", New: good.next}, {Name: "bad", New: bad.next}}
}

// status asks for /status.
func (s *served) status(t *testing.T) (status Status) {
	t.Helper()
	_, body := s.get(t, "/status")
	if err := json.Unmarshal([]byte(body), &status); err != nil {
		t.Fatal(err)
	}
	return status
}

// settled waits until the first pipeline runs and the second one has failed.
func (s *served) settled(t *testing.T) (status Status) {
	t.Helper()
	eventually(t, "running and failed", func() bool {
		status = s.status(t)
		return status.Pipelines[0].State == Running && status.Pipelines[1].State == Failed
	})
	return status
}

func TestHTTP(t *testing.T) {
	s := serve(t, Options{Pipelines: twoPipelines()})
	if code, body := s.get(t, "/healthz"); code != 200 || body != "ok\n" {
		t.Errorf("healthz %d %s", code, body)
	}
	status := s.settled(t)
	good, bad := status.Pipelines[0], status.Pipelines[1]
	if status.Version != "v9" || status.Ready || !good.Ready || bad.Ready {
		t.Errorf("status %+v", status)
	}
	if good.Position != "binlog.000007:1234" || good.ReadPosition != "binlog.000007:1300" || good.LagSeconds == nil || *good.LagSeconds != 0 || good.Counters.Changes != 42 || good.Counters.Aborts != 2 {
		t.Errorf("good %+v", good)
	}
	if bad.Code != "wrong_server" || bad.Error != "opening the source: pipe broken" || bad.Hint != "Point it at the old server." || bad.Doc != "docs/errors.md#wrong_server" {
		t.Errorf("bad %+v", bad)
	}
	code, body := s.get(t, "/readyz")
	var ready Readiness
	if err := json.Unmarshal([]byte(body), &ready); err != nil {
		t.Fatal(err)
	}
	if code != 503 || ready.Ready || len(ready.Reasons) != 1 || ready.Reasons[0] != (Reason{"bad", Failed, "wrong_server", "opening the source: pipe broken", "Point it at the old server.", "docs/errors.md#wrong_server"}) {
		t.Errorf("readyz %d %s", code, body)
	}
	if code, _ := s.get(t, "/debug/pprof/"); code != 404 {
		t.Errorf("pprof is served unasked: %d", code)
	}
	resp, err := http.Post(s.url+"/status", "text/plain", strings.NewReader("x"))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != 405 {
		t.Errorf("POST: %s", resp.Status)
	}
	s.stop(t)
}

func TestStatusHasStableNames(t *testing.T) {
	s := serve(t, Options{Pipelines: twoPipelines()})
	defer s.stop(t)
	s.settled(t) // an attempt that fails while it is stopped is another story
	var doc map[string]any
	_, body := s.get(t, "/status")
	if err := json.Unmarshal([]byte(body), &doc); err != nil {
		t.Fatal(err)
	}
	p := doc["pipelines"].([]any)[0].(map[string]any)
	for _, key := range []string{"name", "state", "since", "ready", "attempts", "restarts", "position", "read_position", "lag_seconds", "caught_up", "in_flight_bytes", "memory_bytes", "counters", "snapshots"} {
		if _, ok := p[key]; !ok {
			t.Errorf("%s is missing in %v", key, p)
		}
	}
}

func TestMetrics(t *testing.T) {
	s := serve(t, Options{Pipelines: twoPipelines()})
	var body string
	eventually(t, "a running pipeline", func() bool {
		_, body = s.get(t, "/metrics")
		return strings.Contains(body, `cdcbridge_pipeline_state{pipeline="good",state="running"} 1`)
	})
	for _, want := range []string{
		`cdcbridge_build_info{version="v9"} 1`,
		`cdcbridge_changes_total{pipeline="good"} 42`,
		`cdcbridge_snapshot_changes_total{pipeline="good"} 12`,
		`cdcbridge_written_bytes_total{pipeline="good"} 4096`,
		`cdcbridge_aborts_total{pipeline="good"} 2`,
		`cdcbridge_source_events_total{pipeline="good"} 99`,
		`cdcbridge_commit_duration_seconds_sum{pipeline="good"} 2`,
		`cdcbridge_commit_duration_seconds_count{pipeline="good"} 4`,
		`cdcbridge_lag_seconds{pipeline="good"} 0`,
		`cdcbridge_source_retained_bytes{pipeline="good"} 7000`,
		`cdcbridge_source_retained_limit_bytes{pipeline="good"} 9000`,
		`cdcbridge_snapshot_rows{pipeline="good",table="shop.orders"} 5`,
		`cdcbridge_snapshot_estimated_rows{pipeline="good",table="shop.orders"} 9`,
		`cdcbridge_snapshot_rows_per_second{pipeline="good",table="shop.orders"} 1.5`,
		`cdcbridge_snapshot_tables{pipeline="good",status="done"} 1`,
		`cdcbridge_snapshot_tables{pipeline="bad",status="reading"} 0`,
		`cdcbridge_ready{pipeline="good"} 1`,
		`cdcbridge_ready{pipeline="bad"} 0`,
		`cdcbridge_pipeline_state{pipeline="good",state="failed"} 0`,
		`cdcbridge_changes_total{pipeline="bad"} 0`,
		`cdcbridge_config_reloads_total{result="applied"} 0`,
		`cdcbridge_config_last_reload_successful 1`,
		`cdcbridge_config_restart_needed_settings 0`,
		`go_goroutines `,
		`process_resident_memory_bytes `,
	} {
		if !strings.Contains(body, "\n"+want) {
			t.Errorf("%s is missing", want)
		}
	}
	if strings.Contains(body, `cdcbridge_lag_seconds{pipeline="bad"}`) {
		t.Error("a lag that nobody knows is shown")
	}
	s.stop(t)
}

func TestPprofOnRequest(t *testing.T) {
	s := serve(t, Options{HTTP: HTTP{Listen: "127.0.0.1:0", Pprof: true}, Pipelines: twoPipelines()})
	if code, body := s.get(t, "/debug/pprof/goroutine?debug=1"); code != 200 || !strings.Contains(body, "goroutine profile") {
		t.Errorf("pprof %d", code)
	}
	s.stop(t)
}

// TestPageIsServed: the page, and the one that its links to codes lead to, beside everything else.
func TestPageIsServed(t *testing.T) {
	s := serve(t, Options{HTTP: HTTP{Listen: "127.0.0.1:0", Pprof: true}, Pipelines: twoPipelines()})
	if code, body := s.get(t, "/"); code != 200 || !strings.Contains(body, "<title>cdcbridge</title>") {
		t.Errorf("page %d %s", code, body)
	}
	doc := s.settled(t).Pipelines[1].Doc
	path, anchor, _ := strings.Cut(doc, "#")
	if code, body := s.get(t, "/"+path); code != 200 || !strings.Contains(body, `id="`+anchor+`"`) {
		t.Errorf("%s: %d", doc, code)
	}
	if code, _ := s.get(t, "/nothing"); code != 404 {
		t.Errorf("nothing: %d", code)
	}
	s.stop(t)
}

func TestTakenPortIsAConfigFault(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	p := &fakePipeline{scripts: []script{{}}}
	d := New(Options{HTTP: HTTP{Listen: l.Addr().String()}, Pipelines: []Pipeline{{Name: "shop", New: p.next}}, Log: logTo(io.Discard)})
	if err := d.Run(context.Background(), nil); !fault.Is(err, fault.Config) || p.count() != 0 {
		t.Errorf("%v after %d attempts", err, p.count())
	}
}
