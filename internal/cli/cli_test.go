package cli

import (
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"cdcbridge/capture"
	"cdcbridge/internal/config"
	"cdcbridge/internal/daemon"
	"cdcbridge/internal/fault"
	"cdcbridge/internal/pipeline"
)

func TestWrongCommandLines(t *testing.T) {
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"validat"}, `unknown command "validat", did you mean validate?`},
		{[]string{"fly"}, `unknown command "fly"`},
		{[]string{"run", "--nope"}, "unknown flag: --nope"},
		{[]string{"run", "now"}, `unknown command "now" for "cdcbridge run"`},
		{[]string{"status", "-o", "xml"}, "must be table or json"},
		{[]string{"inspect"}, "name a topic, or say --source"},
		{[]string{"inspect", "t", "--from", "yesterday"}, "--from must be earliest or latest"},
	} {
		code, out, errs := call(registry(nil, nil), c.args...)
		if code != exitUsage || !strings.Contains(errs, c.want) || out != "" {
			t.Errorf("%v: %d %q %q", c.args, code, out, errs)
		}
	}
}

func TestHelpAndVersion(t *testing.T) {
	code, out, _ := call(registry(nil, nil))
	if code != exitOK || !strings.Contains(out, "inspect") || !strings.Contains(out, "completion") {
		t.Errorf("%d %s", code, out)
	}
	code, out, _ = call(registry(nil, nil), "version")
	if code != exitOK || !strings.HasPrefix(out, "cdcbridge v9 go1.") {
		t.Errorf("%d %s", code, out)
	}
	code, out, _ = call(registry(nil, nil), "completion", "bash")
	if code != exitOK || !strings.Contains(out, "__start_cdcbridge") {
		t.Errorf("%d", code)
	}
}

func TestWrongConfigurationIsExplained(t *testing.T) {
	file := configFile(t, "htpp: {}\nlog: {level: loud}\n")
	for _, command := range []string{"run", "status", "inspect"} {
		args := []string{command, "-c", file}
		if command == "inspect" {
			args = append(args, "topic")
		}
		code, _, errs := call(registry(nil, nil), args...)
		if code != exitConfig || !strings.Contains(errs, "\n  htpp: unknown key, did you mean http? (line 3)\n  log.level: ") || !strings.Contains(errs, "\nWhat to do: Correct the file") || !strings.Contains(errs, "docs/errors.md#config") {
			t.Errorf("%s: %d %s", command, code, errs)
		}
	}
	code, out, _ := call(registry(nil, nil), "validate", "-c", file)
	flat := strings.Join(strings.Fields(out), " ")
	for _, want := range []string{"AREA FINDING SEVERITY REMEDY config htpp: unknown key, did you mean http? (line 3) problem Correct the file;", "docs/errors.md#config", "2 checks, 2 problems, 0 warnings"} {
		if !strings.Contains(flat, want) {
			t.Errorf("%q is missing in\n%s", want, out)
		}
	}
	if code != exitConfig {
		t.Errorf("code %d", code)
	}
	code, out, _ = call(registry(nil, nil), "validate", "-o", "json", "-c", file)
	var v validation
	mustJSON(t, out, &v)
	if code != exitConfig || v.OK || len(v.Findings) != 2 || v.Findings[0].Subject != "htpp" || v.Findings[0].Code != "config" || v.Findings[0].Doc != "docs/errors.md#config" || v.Findings[0].Remedy == "" || v.Problems != 2 {
		t.Errorf("%d %+v", code, v)
	}
}

func TestMissingFileSaysSo(t *testing.T) {
	code, _, errs := call(registry(nil, nil), "run", "-c", filepath.Join(t.TempDir(), "none.yaml"))
	if code != exitConfig || !strings.Contains(errs, "no such file or directory; name the file with --config") {
		t.Errorf("%d %s", code, errs)
	}
}

func TestValidatePrintsEveryFinding(t *testing.T) {
	found := []capture.Finding{
		{Area: "fake", Subject: "version", Detail: "9.7", Severity: capture.OK},
		{Area: "fake", Subject: "sync_binlog", Detail: "0", Severity: capture.Warning, Remedy: "Set it to 1."},
	}
	file := configFile(t, "")
	code, out, _ := call(registry(found, nil), "validate", "-c", file)
	if code != exitConfig {
		t.Errorf("code %d", code)
	}
	lines := strings.Split(out, "\n")
	for _, want := range []string{"AREA FINDING SEVERITY REMEDY", "shop fake version: 9.7 ok -", "shop fake sync_binlog: 0 warning Set it to 1.", "1 problem, 1 warning"} {
		if !slices.ContainsFunc(lines, func(l string) bool { return strings.Contains(strings.Join(strings.Fields(l), " "), want) }) {
			t.Errorf("%q is missing in\n%s", want, out)
		}
	}
	if last := strings.LastIndex(out, "shop kafka"); last < strings.Index(out, "sync_binlog") || !strings.Contains(out[last:], "docs/errors.md#unreachable") {
		t.Errorf("the problem is not last, or leads nowhere, in\n%s", out)
	}
	code, out, _ = call(registry(found, nil), "validate", "-c", file, "-o", "json")
	var v validation
	mustJSON(t, out, &v)
	if code != exitConfig || v.OK || len(v.Findings) != 4 || v.Findings[2].Pipeline != "shop" {
		t.Errorf("%d %+v", code, v)
	}
	if !checkedWith.Snapshot || checkedWith.Pipeline != "shop" {
		t.Errorf("a pipeline that reads its tables is checked with %+v", checkedWith)
	}
}

func TestValidateOffline(t *testing.T) {
	code, out, _ := call(registry(nil, errors.New("asked")), "validate", "-c", configFile(t, ""), "--offline")
	if code != exitOK || !strings.Contains(out, "1 check, 0 problems, 0 warnings") {
		t.Errorf("%d %s", code, out)
	}
}

func TestValidateReportsACheckThatCouldNotBeMade(t *testing.T) {
	refused := fault.NewFinal(fault.Auth, "connecting", errors.New("access denied"), "Check the password.")
	_, out, _ := call(registry(nil, refused), "validate", "-c", configFile(t, ""))
	flat := strings.Join(strings.Fields(out), " ")
	if !strings.Contains(flat, "problem Check the password. ") || !strings.Contains(flat, " docs/errors.md#auth") {
		t.Errorf("got\n%s", out)
	}
}

func TestStatus(t *testing.T) {
	lag, half := 2.5, 50.0
	doc := daemon.Status{Version: "v9", StartedAt: time.Now().Add(-time.Hour), Pipelines: []daemon.PipelineStatus{
		{Name: "shop", State: daemon.Running, Since: time.Now(), LagSeconds: &lag, Position: "binlog.1:4", Server: "db2:3306", Counters: daemon.Counters{Changes: 77}, Snapshots: []daemon.SnapshotProgress{
			{TableSnapshot: capture.TableSnapshot{Table: "shop.orders", Status: capture.SnapshotReading, Rows: 1200, Estimate: 2400}, Percent: &half},
			{TableSnapshot: capture.TableSnapshot{Table: "shop.items", Status: capture.SnapshotDone, Rows: 5}},
		}},
		{Name: "crm", State: daemon.Failed, Since: time.Now(), Code: "binlog_purged", Error: "opening", Hint: "Re-snapshot.", Restarts: map[string]uint64{"kafka": 2, "source": 1}},
	}}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/status" {
			http.NotFound(w, r)
			return
		}
		if err := json.NewEncoder(w).Encode(doc); err != nil {
			t.Error(err)
		}
	}))
	defer server.Close()
	code, out, errs := call(registry(nil, nil), "status", "--url", server.URL)
	if code != exitOK {
		t.Fatalf("%d %s", code, errs)
	}
	for _, want := range []string{"cdcbridge v9, up 1h0m0s, not ready", "2.5s", "77", "binlog.1:4", "shop.orders  reading   1 200 rows, 50 % of about 2 400\n", "\nshop: tables whose snapshot is done: 1\n", "\nshop: reads from db2:3306\n", "crm [binlog_purged] opening\n  Re-snapshot.\n  More: docs/errors.md#binlog_purged\n"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is missing in\n%s", want, out)
		}
	}
	file := configFile(t, "http: {listen: '"+server.Listener.Addr().String()+"'}\n")
	code, out, _ = call(registry(nil, nil), "status", "-c", file, "-o", "json")
	var got daemon.Status
	mustJSON(t, out, &got)
	if code != exitOK || len(got.Pipelines) != 2 {
		t.Errorf("%d %s", code, out)
	}
	if code, _, errs = call(registry(nil, nil), "status", "--url", server.URL+"/other"); code != exitFailure || !strings.Contains(errs, "no status document") {
		t.Errorf("%d %s", code, errs)
	}
	server.Close()
	if code, _, errs = call(registry(nil, nil), "status", "--url", server.URL); code != exitFailure || !strings.Contains(errs, "What to do: Check that the daemon runs") {
		t.Errorf("%d %s", code, errs)
	}
}

func TestLocalURL(t *testing.T) {
	for in, want := range map[string]string{
		"127.0.0.1:8083": "http://127.0.0.1:8083", "0.0.0.0:1": "http://127.0.0.1:1", ":8083": "http://127.0.0.1:8083", "[::]:2": "http://127.0.0.1:2", "host:3": "http://host:3",
	} {
		if got := localURL(in); got != want {
			t.Errorf("%s: %s", in, got)
		}
	}
}

// TestRun starts the daemon without a Kafka to talk to, sees it retry, and stops it by a real signal.
func TestRun(t *testing.T) {
	listen := freeAddress(t)
	file := configFile(t, "http: {listen: '"+listen+"'}\nlog: {format: json}\n")
	var out, errs syncBuffer
	done := make(chan int, 1)
	go func() {
		done <- execute(&app{registry: registry(nil, nil), version: "v9", out: &out, err: &errs}, []string{"run", "-c", file})
	}()
	var s daemon.Status
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		code, text, _ := call(registry(nil, nil), "status", "-c", file, "-o", "json")
		if code == exitOK {
			mustJSON(t, text, &s)
			if len(s.Pipelines) == 1 && s.Pipelines[0].State == daemon.Retrying {
				break
			}
		}
		if time.Now().After(deadline) {
			t.Fatalf("never retrying: %+v\n%s", s, errs.String())
		}
	}
	if p := s.Pipelines[0]; p.Code != "unreachable" || p.Hint == "" || s.Version != "v9" {
		t.Errorf("status %+v", p)
	}
	if err := syscall.Kill(os.Getpid(), syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	select {
	case code := <-done:
		if code != exitOK {
			t.Errorf("code %d\n%s", code, errs.String())
		}
	case <-time.After(20 * time.Second):
		t.Fatal("does not stop")
	}
	for line := range strings.SplitSeq(strings.TrimSpace(errs.String()), "\n") {
		if !json.Valid([]byte(line)) {
			t.Errorf("not a JSON log line: %s", line)
		}
	}
}

func TestTakenPort(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	code, _, errs := call(registry(nil, nil), "run", "-c", configFile(t, "http: {listen: '"+l.Addr().String()+"'}\n"))
	if code != exitConfig || !strings.Contains(errs, "address already in use") || !strings.Contains(errs, "What to do: Set http.listen") {
		t.Errorf("%d %s", code, errs)
	}
}

func TestMemoryLimit(t *testing.T) {
	before := debug.SetMemoryLimit(-1)
	defer debug.SetMemoryLimit(before)
	a := &app{registry: registry(nil, nil), configPath: configFile(t, "")}
	cfg, err := a.load()
	if err != nil {
		t.Fatal(err)
	}
	log := cfg.Log.Logger(&syncBuffer{}, slog.LevelInfo)
	t.Setenv("GOMEMLIMIT", "1GiB")
	m := &memory{log: log}
	m.limit(cfg)
	m.fit(1 << 30)
	if got := debug.SetMemoryLimit(-1); got != before {
		t.Errorf("GOMEMLIMIT does not win: %d", got)
	}
	t.Setenv("GOMEMLIMIT", "")
	m.limit(cfg)
	const configured = (40 + 48 + 2*4) << 20
	for _, tc := range []struct{ live, want int64 }{
		{0, configured}, {48 << 20, configured}, {100 << 20, 170 << 20}, {98 << 20, 170 << 20}, {40 << 20, configured},
	} {
		m.fit(tc.live)
		if got := debug.SetMemoryLimit(-1); got != tc.want {
			t.Errorf("%d MiB are live: the limit is %d MiB, want %d", tc.live>>20, got>>20, tc.want>>20)
		}
	}
}

// TestMemoryLimitOfManyPipelines: they share what is in flight, and their budgets are not summed up.
func TestMemoryLimitOfManyPipelines(t *testing.T) {
	before := debug.SetMemoryLimit(-1)
	defer debug.SetMemoryLimit(before)
	t.Setenv("GOMEMLIMIT", "")
	m := &memory{log: slog.New(slog.DiscardHandler)}
	for _, tc := range []struct{ pipelines, memory, want int64 }{{1, 48, 88}, {2, 48, 136}, {64, 48, 40 + 96 + 64*2}, {64, 200, 40 + 400 + 64*2}} {
		var cfg config.Config
		for range tc.pipelines {
			cfg.Pipelines = append(cfg.Pipelines, config.Pipeline{Spec: pipeline.Spec{Memory: tc.memory << 20}})
		}
		m.limit(&cfg)
		if got := debug.SetMemoryLimit(-1) >> 20; got != tc.want {
			t.Errorf("%d pipelines of %d MiB: the limit is %d MiB, want %d", tc.pipelines, tc.memory, got, tc.want)
		}
	}
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}
