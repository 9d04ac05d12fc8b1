package web

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"math"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"regexp"
	"sync"
	"syscall"
	"testing"
	"time"

	"cdcbridge/capture"
	"cdcbridge/internal/daemon"
	"cdcbridge/internal/fault"
	"cdcbridge/internal/pipeline"
)

// act is a pipeline that shows the numbers of a script and does nothing else.
type act struct {
	name  string
	stats func() pipeline.Stats
	err   error // it fails with
}

// Run implements daemon.Attempt.
func (a *act) Run(ctx context.Context, stop <-chan struct{}) error {
	if a.err != nil {
		return a.err
	}
	select {
	case <-stop:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Stats implements daemon.Attempt.
func (a *act) Stats() pipeline.Stats {
	if a.stats == nil {
		return pipeline.Stats{}
	}
	s := a.stats()
	s.Running = true
	return s
}

// stand is a daemon with acts. It ends with the test, or when it is stopped.
type stand struct {
	url  string // of the daemon itself
	stop func()
}

func start(t *testing.T, acts ...*act) *stand {
	t.Helper()
	o := daemon.Options{HTTP: daemon.HTTP{Listen: "127.0.0.1:0"}, ShutdownTimeout: time.Second, Version: "v1.0.0", Log: slog.New(slog.DiscardHandler)}
	for _, a := range acts {
		o.Pipelines = append(o.Pipelines, daemon.Pipeline{Name: a.name, New: func() daemon.Attempt { return a }})
	}
	return serve(t, o)
}

// serve runs a daemon.
func serve(t *testing.T, o daemon.Options) *stand {
	t.Helper()
	d := daemon.New(o)
	signals, done := make(chan os.Signal, 1), make(chan error, 1)
	s := &stand{stop: sync.OnceFunc(func() {
		signals <- syscall.SIGTERM
		if err := <-done; err != nil {
			t.Error(err)
		}
	})}
	go func() { done <- d.Run(context.WithoutCancel(t.Context()), signals) }()
	select {
	case addr := <-d.Addr():
		s.url = "http://" + addr.String()
	case err := <-done:
		t.Fatal(err)
	}
	t.Cleanup(s.stop) // after the tabs that look at it are closed
	return s
}

// born finds the times of a daemon's life in its status.
var born = regexp.MustCompile(`("(?:started_at|since)": )"[^"]+"`)

// hour is what a pipeline's last hour was like, minute by minute of it.
type hour struct{ lag, changes, commit, retained func(minute float64) float64 }

// after serves the daemon as it would be after an hour: its own history begins with the test, so that of the script takes its place.
func (s *stand) after(t *testing.T, left any, hours map[string]hour) string {
	t.Helper()
	target, err := url.Parse(s.url)
	if err != nil {
		t.Fatal(err)
	}
	begin := time.Now().Add(-time.Hour).Unix()
	mux := http.NewServeMux()
	proxy := httputil.NewSingleHostReverseProxy(target)
	proxy.ModifyResponse = func(r *http.Response) error {
		body, err := io.ReadAll(r.Body)
		body = born.ReplaceAll(body, []byte(`$1"`+time.Unix(begin, 0).UTC().Format(time.RFC3339)+`"`))
		r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
		r.Header.Del("Content-Length")
		return err
	}
	mux.Handle("/", proxy)
	mux.HandleFunc("GET /status/history", func(w http.ResponseWriter, r *http.Request) {
		samples := 360
		if r.URL.Query().Get("since") != "0" {
			samples = 0 // the hour is over
		}
		var pipelines []map[string]any
		for name, h := range hours {
			p := map[string]any{"name": name, "retained_limit_seconds": left}
			at := []int64{}
			for i := range samples {
				at = append(at, begin+int64(10*(i+1)))
			}
			p["at"] = at
			for key, of := range map[string]func(float64) float64{"lag_seconds": h.lag, "changes_per_second": h.changes, "commit_seconds": h.commit, "retained_bytes": h.retained} {
				column := make([]*float64, samples)
				for i := range column {
					if of == nil {
						continue
					}
					if v := of(float64(i) / 6); !math.IsNaN(v) {
						column[i] = &v
					}
				}
				p[key] = column
			}
			pipelines = append(pipelines, p)
		}
		if err := json.NewEncoder(w).Encode(map[string]any{"interval_seconds": 10, "pipelines": pipelines}); err != nil {
			t.Error(err)
		}
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server.URL
}

func ago(d time.Duration) int64 { return time.Now().Add(-d).UnixMicro() }

// wave goes up and down between two numbers.
func wave(low, high, period float64) func(float64) float64 {
	return func(minute float64) float64 {
		v := 0.5
		for i, part := range []float64{0.22, 0.12, 0.08, 0.08} { // ever faster, never in step
			v += part * math.Sin(2*math.Pi*minute/period*math.Pow(3.7, float64(i))+period)
		}
		return low + (high-low)*v
	}
}

// base are the numbers of a pipeline that does well.
func base() pipeline.Stats {
	return pipeline.Stats{
		Changes: 18_402_377, Commits: 36_020, CommitTotal: 12 * time.Minute, Progress: uint64(time.Now().UnixNano()), Position: "1/8A3C5E20",
		CommitTime: ago(time.Second), LastCommit: ago(time.Second), InFlight: 1 << 20, Memory: 48 << 20,
		Source: capture.Stats{Connected: true, Server: "db1:5432", Position: "1/8A3C5F00", EventTime: ago(400 * time.Millisecond), LastEvent: ago(0), RetainedBytes: 3 << 30, RetainedLimit: 50 << 30},
	}
}

func healthy() []*act {
	return []*act{{name: "shop", stats: base}, {name: "bridge", stats: func() pipeline.Stats {
		s := base()
		s.Position, s.Source.Server, s.Source.RetainedBytes, s.Source.RetainedLimit, s.Source.CaughtUp, s.InFlight = "canal.shop/0@88301", "kafka:9092", 0, 0, true, 0
		for i := range int32(3) {
			s.Source.Partitions = append(s.Source.Partitions, capture.PartitionStats{Topic: "canal.shop", Partition: i, Offset: 88_301, Committed: 88_290, End: 88_312, Watermark: ago(130 * time.Second), Idle: i == 2})
		}
		return s
	}}}
}

func lagging() []*act {
	return []*act{{name: "shop", stats: func() pipeline.Stats {
		s := base()
		s.Source.EventTime, s.CommitTime, s.InFlight = ago(14*time.Minute), ago(14*time.Minute), 47<<20
		s.Source.RetainedBytes = 41 << 30
		return s
	}}}
}

func failed() []*act {
	return []*act{
		{name: "shop", err: fault.NewFinal(fault.SlotLost, "starting replication", errHostile, "Drop the slot, start over, and raise max_slot_wal_keep_size.")},
		{name: "crm", stats: base},
	}
}

func snapshotting() []*act {
	return []*act{{name: "shop", stats: func() pipeline.Stats {
		s := base()
		s.Source.Snapshots = []capture.TableSnapshot{
			{Table: "public.customers", Status: capture.SnapshotDone, Rows: 120_000, Estimate: 120_000},
			{Table: "public.orders", Status: capture.SnapshotReading, Rows: 1_200_000, Estimate: 3_500_000, PerSecond: 152_000, Began: ago(8 * time.Second)},
			{Table: "public.order_items", Status: capture.SnapshotWaiting, Estimate: 9_800_000},
		}
		return s
	}}}
}
