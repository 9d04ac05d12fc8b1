package cli

import (
	"context"
	"io"
	"log/slog"
	"os"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"

	"cdcbridge/internal/fault"
)

// TestReloader: what differs, what takes effect at once, and what does not.
func TestReloader(t *testing.T) {
	before := debug.SetMemoryLimit(-1)
	defer debug.SetMemoryLimit(before)
	t.Setenv("GOMEMLIMIT", "")
	file := configFile(t, "http: {listen: '127.0.0.1:1'}\n")
	a := &app{registry: registry(nil, nil), configPath: file}
	cfg, err := a.load()
	if err != nil {
		t.Fatal(err)
	}
	var log syncBuffer
	r := newReloader(a, cfg, &log)
	first := r.pipelines(cfg)
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	const kafka, shop = "kafka: {brokers: ['127.0.0.1:1'], request_timeout: 1s}\n", "{name: shop, source: {type: fake}, format: lines}"

	write(kafka + "pipelines: [{name: web, source: {type: fake}, format: lines}, " + shop + "]\n" +
		"http: {listen: '127.0.0.1:2', pprof: true}\nlog: {level: debug, format: json}\nshutdown_timeout: 7s\n")
	next, err := r.load()
	if err != nil {
		t.Fatal(err)
	}
	if len(next.Pipelines) != 2 || next.Pipelines[1].Name != "shop" || next.Pipelines[1].Fingerprint != first[0].Fingerprint || next.Pipelines[0].Fingerprint == first[0].Fingerprint || next.ShutdownTimeout.Seconds() != 7 {
		t.Errorf("got %+v", next)
	}
	if want := []string{"http.listen", "http.pprof", "log.format", "log.level", "shutdown_timeout"}; !slices.Equal(next.Settings, want) {
		t.Errorf("settings %q", next.Settings)
	}
	if want := []string{"http.listen", "http.pprof", "log.format"}; !slices.Equal(next.NeedsRestart, want) {
		t.Errorf("need a restart: %q", next.NeedsRestart)
	}
	pipelineLog := r.log.With("pipeline", "shop") // as one that runs has it
	pipelineLog.Debug("before")
	next.Apply()
	pipelineLog.Debug("after")
	if text := log.String(); strings.Contains(text, "msg=before") || !strings.Contains(text, "msg=after") {
		t.Errorf("the level does not follow: %s", text)
	}
	if got, want := debug.SetMemoryLimit(-1), int64(40+96+2*2)<<20; got != want {
		t.Errorf("memory limit %d, want %d", got, want)
	}

	write(kafka + "pipelines: [{name: shop, source: {type: fake, password: hunter2}, format: lines}]\nhttp: {listen: '127.0.0.1:2'}\nlog: {level: debug, format: json}\nshutdown_timeout: 7s\n")
	if next, err = r.load(); err != nil {
		t.Fatal(err)
	}
	if want := []string{"http.pprof", "pipelines[shop].source.password"}; !slices.Equal(next.Settings, want) || next.Pipelines[0].Fingerprint == first[0].Fingerprint {
		t.Errorf("settings %q", next.Settings)
	}
	if want := []string{"http.listen", "log.format"}; !slices.Equal(next.NeedsRestart, want) {
		t.Errorf("need a restart: %q", next.NeedsRestart)
	}

	write(kafka + "pipelines: [{name: shop, source: {type: fake, password: hunter2}, format: nil}]\nlog: {level: loud}\n")
	if _, err = r.load(); !fault.Is(err, fault.Config) || !strings.Contains(err.Error(), "log.level") || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("got %v", err)
	}
	if !r.log.Enabled(t.Context(), slog.LevelDebug) {
		t.Error("a bad file changes the level")
	}
}

// TestHangupOfATerminal: a daemon on a terminal stops when that is gone, and reloads as long as it is there.
func TestHangupOfATerminal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		there := 80
		a := &app{err: io.Discard, terminal: func(io.Writer) int { return there }}
		hangups, asked, stop := make(chan os.Signal, 1), make(chan os.Signal, 1), make(chan os.Signal, 2)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			a.sortHangups(ctx, hangups, asked, stop)
		}()
		hangups <- syscall.SIGHUP
		synctest.Wait()
		if len(asked) != 1 || len(stop) != 0 {
			t.Errorf("%d reloads, %d stops", len(asked), len(stop))
		}
		<-asked
		there = 0
		for range 2 {
			hangups <- syscall.SIGHUP
			synctest.Wait()
		}
		if len(asked) != 0 || len(stop) != 1 || <-stop != syscall.SIGHUP {
			t.Errorf("%d reloads, %d stops", len(asked), len(stop))
		}
		<-ended
	})
}
