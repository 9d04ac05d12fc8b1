package cli

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"cdcbridge/capture"
	"cdcbridge/changelog"
	"cdcbridge/internal/config"
	"cdcbridge/internal/daemon"
	"cdcbridge/internal/fault"
)

// fakeRequests takes requests up at once, or when it is told to.
type fakeRequests struct {
	mu      sync.Mutex
	written []changelog.State
	to      string
	fail    error
	holds   chan struct{} // nil: taken up at once
}

func (f *fakeRequests) Put(_ context.Context, p *config.Pipeline, e changelog.State) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.written, f.to = append(f.written, e), p.Spec.Name
	return f.fail
}

func (f *fakeRequests) Taken(ctx context.Context, _ *config.Pipeline, key string) error {
	if key != f.written[0].Key {
		return errors.New("another key")
	}
	if f.holds == nil {
		return nil
	}
	select {
	case <-f.holds:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// statusServer answers with one document after the other; the last one stays. A document is the snapshots of pipeline shop.
func statusServer(t *testing.T, docs ...[]capture.TableSnapshot) string {
	t.Helper()
	var mu sync.Mutex
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		s := daemon.Status{Version: "v9", Pipelines: []daemon.PipelineStatus{{Name: "shop", State: daemon.Running}, {Name: "crm", State: daemon.Running}}}
		for _, d := range docs[0] {
			s.Pipelines[0].Snapshots = append(s.Pipelines[0].Snapshots, daemon.SnapshotProgress{TableSnapshot: d})
		}
		s.Pipelines[1].Snapshots = []daemon.SnapshotProgress{{TableSnapshot: capture.TableSnapshot{Table: "shop.orders", Status: capture.SnapshotReading}}}
		if len(docs) > 1 {
			docs = docs[1:]
		}
		if err := json.NewEncoder(w).Encode(s); err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// callWith runs a command line with requests and, when width is not 0, on a terminal.
func callWith(requests requestState, width int, args ...string) (code int, stdout, stderr string) {
	var out, errs syncBuffer
	a := &app{registry: registry(nil, nil), version: "v9", out: &out, err: &errs, state: requests, terminal: func(w io.Writer) int {
		if w == &errs {
			return width
		}
		return 0
	}}
	code = execute(a, args)
	return code, out.String(), errs.String()
}

func TestSnapshotWritesARequest(t *testing.T) {
	file := configFile(t, "")
	for _, c := range []struct {
		args []string
		want capture.SnapshotRequest
		says string
	}{
		{[]string{"shop.orders"}, capture.SnapshotRequest{Action: capture.SnapshotStart, Tables: []string{"shop.orders"}}, "Asked pipeline shop to read all rows of shop.orders, from the beginning, while changes flow.\nIt is done within about a second"},
		{[]string{"shop.*", "crm.?", "--where", "id > 5", "--pipeline", "shop"}, capture.SnapshotRequest{Action: capture.SnapshotStart, Tables: []string{"shop.*", "crm.?"}, Where: "id > 5"}, "to read the rows where id > 5 of shop.*, crm.?,"},
		{[]string{"--pause"}, capture.SnapshotRequest{Action: capture.SnapshotPause}, "to pause the snapshot of every table that is being read."},
		{[]string{"--resume", "shop.orders"}, capture.SnapshotRequest{Action: capture.SnapshotResume, Tables: []string{"shop.orders"}}, "to go on with the snapshot of shop.orders."},
		{[]string{"--cancel"}, capture.SnapshotRequest{Action: capture.SnapshotCancel}, "to cancel the snapshot of every table"},
	} {
		var f fakeRequests
		code, out, errs := callWith(&f, 0, append([]string{"snapshot", "-c", file}, c.args...)...)
		if code != exitOK || !strings.Contains(out, c.says) || errs != "" || len(f.written) != 1 || f.to != "shop" {
			t.Fatalf("%v: %d %q %q, %d written", c.args, code, out, errs, len(f.written))
		}
		got, err := capture.ParseSnapshotRequest(f.written[0].Value)
		if err != nil || got.Action != c.want.Action || !slices.Equal(got.Tables, c.want.Tables) || got.Where != c.want.Where || got.By == "" || time.Since(got.Time) > time.Minute {
			t.Errorf("%v: %+v %v", c.args, got, err)
		}
		if key := f.written[0].Key; !strings.HasPrefix(key, capture.RequestPrefix+"20") || len(key) < 30 {
			t.Errorf("key %s", key)
		}
	}
	var f fakeRequests
	code, out, _ := callWith(&f, 80, "snapshot", "-c", file, "shop.orders", "-o", "json")
	var doc asked
	mustJSON(t, out, &doc)
	if code != exitOK || doc.Pipeline != "shop" || doc.Request != f.written[0].Key || doc.Action != capture.SnapshotStart {
		t.Errorf("%d %s", code, out)
	}
}

func TestSnapshotRefusesWhatMakesNoSense(t *testing.T) {
	one, two := configFile(t, ""), configFile(t, "")
	text, err := os.ReadFile(two)
	if err != nil {
		t.Fatal(err)
	}
	more := strings.Replace(string(text), "format: lines}]", "format: lines}, {name: crm, source: {type: fake}, format: lines}]", 1)
	if err := os.WriteFile(two, []byte(more), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		file string
		args []string
		want string
	}{
		{one, nil, "name the tables that shall be read"},
		{one, []string{"orders"}, "is not of the form schema.table"},
		{one, []string{"--pause", "--cancel"}, "exclude each other"},
		{one, []string{"--resume", "--where", "x"}, "--where does not go together with --resume"},
		{one, []string{"a.b", "--pipeline", "shpo"}, "there is no pipeline shpo; known are shop"},
		{two, []string{"a.b"}, "say with --pipeline which one: shop, crm"},
	} {
		var f fakeRequests
		code, out, errs := callWith(&f, 0, append([]string{"snapshot", "-c", c.file}, c.args...)...)
		if code != exitUsage || !strings.Contains(errs, c.want) || out != "" || len(f.written) != 0 {
			t.Errorf("%v: %d %q %q", c.args, code, out, errs)
		}
	}
	f := fakeRequests{fail: fault.NewFinal(fault.StateMissing, "writing", errors.New("the pipeline crm has no checkpoint"), "Check the name.")}
	if code, _, errs := callWith(&f, 0, "snapshot", "-c", two, "a.b", "--pipeline", "crm"); code != exitFailure || f.to != "crm" || !strings.Contains(errs, "no checkpoint\nWhat to do: Check the name.") {
		t.Errorf("%d %s", code, errs)
	}
}

// TestSnapshotFollowsOnATerminal: bars while tables are read, then what has become of each; other tables and other pipelines
// are left out.
func TestSnapshotFollowsOnATerminal(t *testing.T) {
	other := capture.TableSnapshot{Table: "shop.other", Status: capture.SnapshotReading}
	url := statusServer(t,
		[]capture.TableSnapshot{{Table: "shop.orders", Status: capture.SnapshotWaiting}, other},
		[]capture.TableSnapshot{{Table: "shop.orders", Status: capture.SnapshotReading, Rows: 1234, Estimate: 5000}, other},
		[]capture.TableSnapshot{{Table: "shop.orders", Status: capture.SnapshotDone, Rows: 5001, Began: 1, Ended: 7_000_001}, other},
	)
	code, out, errs := callWith(&fakeRequests{}, 120, "snapshot", "-c", configFile(t, ""), "shop.ord*", "--url", url)
	if code != exitOK || !strings.HasSuffix(out, "while changes flow.\nshop.orders: 5 001 rows, done in 7 s\n") {
		t.Errorf("%d %q", code, out)
	}
	if !strings.Contains(errs, "tables: 1 waiting\n") || !strings.Contains(errs, "\x1b[A\r\x1b[Jshop.orders ") || !strings.Contains(errs, "] 1 234 rows") || strings.Contains(errs, "other") || !strings.HasSuffix(errs, "\x1b[J") {
		t.Errorf("%q", errs)
	}
}

func TestSnapshotWaits(t *testing.T) {
	file := configFile(t, "")
	done := capture.TableSnapshot{Table: "shop.a", Status: capture.SnapshotDone, Rows: 1}
	for name, c := range map[string]struct {
		doc  []capture.TableSnapshot
		args []string
		code int
		want string
	}{
		"done":         {[]capture.TableSnapshot{done}, []string{"shop.*"}, exitOK, ""},
		"cancelled":    {[]capture.TableSnapshot{done, {Table: "shop.b", Status: capture.SnapshotCancelled}}, []string{"shop.*"}, exitFailure, "not read to the end: shop.b is cancelled"},
		"gone":         {[]capture.TableSnapshot{{Table: "shop.b", Status: capture.SnapshotGone}}, []string{"shop.*"}, exitFailure, "shop.b is gone"},
		"no such":      {[]capture.TableSnapshot{done}, []string{"shop.z"}, exitFailure, "has no such table to read"},
		"pause":        {[]capture.TableSnapshot{{Table: "shop.b", Status: capture.SnapshotPaused}}, []string{"--pause"}, exitOK, ""},
		"cancel":       {[]capture.TableSnapshot{{Table: "shop.b", Status: capture.SnapshotCancelled}}, []string{"--cancel"}, exitOK, ""},
		"not followed": {[]capture.TableSnapshot{{Table: "shop.b", Status: capture.SnapshotReading}}, []string{"shop.b", "--wait=false"}, exitOK, ""},
	} {
		args := append([]string{"snapshot", "-c", file, "--url", statusServer(t, c.doc), "-o", "json", "--wait"}, c.args...)
		code, out, errs := callWith(&fakeRequests{}, 0, args...)
		var doc asked
		mustJSON(t, out, &doc)
		if code != c.code || !strings.Contains(errs, c.want) || (c.want == "") != (errs == "") {
			t.Errorf("%s: %d %q", name, code, errs)
		}
		if name != "no such" && name != "not followed" && len(doc.Snapshots) != len(c.doc) {
			t.Errorf("%s: %s", name, out)
		}
	}
}

// TestSnapshotIsLeftRunning: Ctrl-C ends the command and not the snapshot, and says so, also while nobody has taken the request up.
func TestSnapshotIsLeftRunning(t *testing.T) {
	file := configFile(t, "")
	url := statusServer(t, []capture.TableSnapshot{{Table: "shop.orders", Status: capture.SnapshotReading}})
	for _, c := range []struct {
		f     *fakeRequests
		width int
		more  []string
		code  int
	}{
		{&fakeRequests{}, 80, nil, exitOK},
		{&fakeRequests{}, 0, []string{"--wait"}, exitFailure},
		{&fakeRequests{holds: make(chan struct{})}, 80, nil, exitOK},
	} {
		interrupt := time.AfterFunc(700*time.Millisecond, func() {
			if err := syscall.Kill(os.Getpid(), syscall.SIGINT); err != nil {
				t.Error(err)
			}
		})
		code, out, errs := callWith(c.f, c.width, append([]string{"snapshot", "-c", file, "shop.orders", "--url", url}, c.more...)...)
		interrupt.Stop()
		if code != c.code || !strings.Contains(strings.ToLower(out+errs), "the snapshot goes on without this command") {
			t.Errorf("%d %q %q", code, out, errs)
		}
	}
}

// TestSnapshotSaysWhyItWaits: when no daemon takes the request up, it says that there is none.
func TestSnapshotSaysWhyItWaits(t *testing.T) {
	url := "http://" + freeAddress(t)
	f := &fakeRequests{holds: make(chan struct{})}
	time.AfterFunc(tellAfter+time.Second, func() {
		if err := syscall.Kill(os.Getpid(), syscall.SIGINT); err != nil {
			t.Error(err)
		}
	})
	code, out, _ := callWith(f, 80, "snapshot", "-c", configFile(t, ""), "shop.orders", "--url", url)
	if code != exitOK || !strings.Contains(out, "No daemon answers at "+url+"; the request waits in Kafka") {
		t.Errorf("%d %q", code, out)
	}
}
