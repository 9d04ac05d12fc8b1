package daemon

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"cdcbridge/capture"
	"cdcbridge/internal/fault"
	"cdcbridge/internal/pipeline"
)

// runs is a pipeline that runs until it is stopped, and drains at once.
func runs() *fakePipeline { return &fakePipeline{scripts: []script{{}}} }

func (p *fakePipeline) as(name, fingerprint string) Pipeline {
	return Pipeline{Name: name, New: p.next, Fingerprint: fingerprint}
}

// reloaded asks for a reload and waits until it is over.
func (b *bench) reloaded(t *testing.T, ps ...Pipeline) *ReloadStatus {
	t.Helper()
	b.file.next.Pipelines = ps
	b.hangups <- syscall.SIGHUP
	for range 1000 {
		time.Sleep(100 * time.Millisecond)
		if s := b.Status().Reload; s != nil && s.Result != ReloadApplying {
			return s
		}
	}
	t.Fatalf("the reload does not end: %+v", b.Status().Reload)
	return nil
}

// are checks which pipelines there are, in their order, and where they stand.
func (b *bench) are(t *testing.T, want string) {
	t.Helper()
	time.Sleep(time.Second)
	var got []string
	for _, p := range b.Status().Pipelines {
		got = append(got, p.Name+":"+string(p.State))
	}
	if text := strings.Join(got, " "); text != want {
		t.Errorf("pipelines are %q, want %q", text, want)
	}
	var names []string
	for _, h := range b.History(0).Pipelines {
		names = append(names, h.Name)
	}
	if len(names) != len(got) {
		t.Errorf("the history has %q", names)
	}
}

func same(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: %q, want %q", what, got, want)
	}
}

// TestReload: what is equal goes on untouched, what is another drains and starts anew, what is new starts, what is gone drains and ends.
func TestReload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kept, was, is, gone, fresh := runs(), runs(), runs(), runs(), runs()
		was.scripts[0].stats = pipeline.Stats{Changes: 7, Position: "p7"}
		b := supervise(kept.as("kept", "1"), was.as("other", "1"), gone.as("gone", "1"))
		b.are(t, "kept:running other:running gone:running")
		b.file.next.Settings, b.file.next.NeedsRestart = []string{"log.level"}, []string{"http.listen"}
		s := b.reloaded(t, fresh.as("fresh", "1"), is.as("other", "2"), kept.as("kept", "1"))
		b.are(t, "fresh:running other:running kept:running")
		if kept.count() != 1 || was.count() != 1 || is.count() != 1 || gone.count() != 1 || fresh.count() != 1 {
			t.Errorf("attempts: %d %d %d %d %d", kept.count(), was.count(), is.count(), gone.count(), fresh.count())
		}
		if s.Result != ReloadApplied || s.Code != "" || s.Applied != 1 || s.Refused != 0 || s.LastApplied == nil || b.file.applied != 1 {
			t.Errorf("reload %+v, applied %d times", s, b.file.applied)
		}
		same(t, "added", s.Added, "fresh")
		same(t, "removed", s.Removed, "gone")
		same(t, "changed", s.Changed, "other")
		same(t, "retried", s.Retried)
		same(t, "settings", s.Settings, "log.level")
		same(t, "needs a restart", s.NeedsRestart, "http.listen")
		if o := b.Status().Pipelines[1]; o.Counters.Changes != 7 || o.Attempts != 2 || len(o.Restarts) != 0 {
			t.Errorf("what the pipeline has counted is lost: %+v", o)
		}
		for _, want := range []string{
			`level=INFO msg="the configuration is in effect" added=fresh removed=gone changed=other retried="" settings=log.level`,
			`level=WARN msg="settings take effect only after a restart" settings=http.listen`,
			`level=INFO msg="pipeline stopped" pipeline=gone state=stopped attempt=1`,
		} {
			if !strings.Contains(b.log.String(), want+"\n") {
				t.Errorf("the log lacks %s:\n%s", want, b.log)
			}
		}
		if err := b.stop(t); err != nil {
			t.Error(err)
		}
	})
}

// TestReloadOfABadFile changes nothing, and says what is wrong until a good one comes.
func TestReloadOfABadFile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := runs()
		b := supervise(p.as("shop", "1"))
		b.file.next.NeedsRestart = []string{"http.pprof"}
		if s := b.reloaded(t, p.as("shop", "1")); s.Result != ReloadApplied {
			t.Errorf("reload %+v", s)
		}
		b.file.err = fault.NewFinal(fault.Config, "reading c.yaml", errors.New("1 problem:\n  log.level: must be one"), "Correct the file.")
		s := b.reloaded(t)
		if s.Result != ReloadRefused || s.Code != "config" || s.Error != "reading c.yaml: 1 problem:\n  log.level: must be one" || s.Hint != "Correct the file." || s.Doc != "docs/errors.md#config" || s.Applied != 1 || s.Refused != 1 {
			t.Errorf("reload %+v", s)
		}
		same(t, "needs a restart still", s.NeedsRestart, "http.pprof")
		if !strings.Contains(b.log.String(), `level=ERROR msg="the configuration is refused; everything goes on as it was" code=config error="reading c.yaml: 1 problem:\n  log.level: must be one" hint="Correct the file." doc=docs/errors.md#config`) {
			t.Errorf("log\n%s", b.log)
		}
		b.are(t, "shop:running")
		b.file.err, b.file.next.NeedsRestart = nil, nil
		if s := b.reloaded(t, p.as("shop", "1")); s.Result != ReloadApplied || s.Code != "" || len(s.NeedsRestart) != 0 || s.Applied != 2 || p.count() != 1 || b.file.applied != 2 {
			t.Errorf("reload %+v, %d attempts", s, p.count())
		}
		if err := b.stop(t); err != nil {
			t.Error(err)
		}
	})
}

// TestReloadTriesAgainWhatHasFailed: somebody has acted.
func TestReloadTriesAgainWhatHasFailed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bad := &fakePipeline{scripts: []script{{err: fault.NewFinal(fault.Permission, "opening", errBroken, "Grant it.")}, {}}}
		b := supervise(bad.as("bad", "1"))
		b.are(t, "bad:failed")
		s := b.reloaded(t, bad.as("bad", "1"))
		b.are(t, "bad:running")
		same(t, "retried", s.Retried, "bad")
		same(t, "changed", s.Changed)
		if p := b.Status().Pipelines[0]; p.Code != "" || p.Attempts != 2 {
			t.Errorf("got %+v", p)
		}
		if err := b.stop(t); err != nil {
			t.Error(err)
		}
	})
}

// TestReloadStartsNothingBeforeAllHasEnded, and cuts off what does not drain in time.
func TestReloadStartsNothingBeforeAllHasEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow, stuck, fresh := &fakePipeline{scripts: []script{{drain: 5 * time.Second}}}, &fakePipeline{scripts: []script{{drain: time.Hour}}}, runs()
		b := supervise(slow.as("slow", "1"), stuck.as("stuck", "1"))
		time.Sleep(time.Second)
		b.file.next = Next{Pipelines: []Pipeline{slow.as("slow", "2"), fresh.as("fresh", "1")}, ShutdownTimeout: 10 * time.Second}
		began := time.Now()
		b.hangups <- syscall.SIGHUP
		time.Sleep(8 * time.Second)
		b.are(t, "slow:stopped stuck:stopping")
		if s := b.Status().Reload; s.Result != ReloadApplying || fresh.count() != 0 || slow.count() != 1 {
			t.Errorf("reload %+v, %d and %d attempts", s, fresh.count(), slow.count())
		}
		time.Sleep(2 * time.Second)
		b.are(t, "slow:running fresh:running")
		fresh.mu.Lock()
		if took := fresh.begun[0].Sub(began); took != 10*time.Second {
			t.Errorf("it took %s", took)
		}
		fresh.mu.Unlock()
		if !strings.Contains(b.log.String(), `msg="pipeline did not drain in time" pipeline=stuck`) {
			t.Errorf("log\n%s", b.log)
		}
		if err := b.stop(t); err != nil { // the stuck one's failure is no failure of the daemon
			t.Error(err)
		}
	})
}

// TestReloadsThatCrossOthers: one that is asked for during another follows it, and a signal to stop ends both.
func TestReloadsThatCrossOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, fresh := &fakePipeline{scripts: []script{{drain: 8 * time.Second}}}, runs()
		b := supervise(p.as("shop", "1"))
		b.file.takes = time.Second
		b.file.next.Pipelines = []Pipeline{p.as("shop", "2")}
		for range 3 {
			b.hangups <- syscall.SIGHUP
			synctest.Wait()
		}
		time.Sleep(20 * time.Second)
		if s := b.Status().Reload; s.Applied != 2 || s.Result != ReloadApplied || p.count() != 2 || len(s.Changed) != 0 {
			t.Errorf("reload %+v, %d attempts", s, p.count())
		}
		b.file.next.Pipelines = []Pipeline{fresh.as("fresh", "1")}
		b.hangups <- syscall.SIGHUP
		time.Sleep(2 * time.Second)
		began := time.Now()
		if err := b.stop(t); err != nil || time.Since(began) != 7*time.Second || fresh.count() != 0 {
			t.Errorf("%v after %s, %d attempts", err, time.Since(began), fresh.count())
		}
	})
}

// TestReloadOfCompletedPipelines: the daemon lives as long as something is to be done or read.
func TestReloadOfCompletedPipelines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		done, p := &fakePipeline{scripts: []script{{runs: time.Second, err: capture.ErrComplete}}}, runs()
		b := supervise(done.as("done", "1"), p.as("shop", "1"))
		time.Sleep(5 * time.Second)
		if s := b.reloaded(t, done.as("done", "1"), p.as("shop", "1")); len(s.Changed)+len(s.Retried) != 0 || done.count() != 1 {
			t.Errorf("reload %+v, %d attempts", s, done.count())
		}
		if s := b.reloaded(t, done.as("done", "2"), p.as("shop", "1")); len(s.Changed) != 1 || done.count() != 2 {
			t.Errorf("reload %+v, %d attempts", s, done.count())
		}
		b.are(t, "done:completed shop:running")
		b.file.next.Pipelines = []Pipeline{done.as("done", "2")}
		b.hangups <- syscall.SIGHUP
		if err := <-b.done; err != nil {
			t.Error(err)
		}
		b.are(t, "done:completed")
	})
}

// TestFailureOfADrainForAReload is no reason to stop: what was not committed is read again.
func TestFailureOfADrainForAReload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &fakePipeline{scripts: []script{{drained: fault.New(fault.Unreachable, "committing", errBroken, "Wait.")}, {}}}
		b := supervise(p.as("shop", "1"))
		time.Sleep(time.Second)
		if s := b.reloaded(t, p.as("shop", "2")); s.Result != ReloadApplied {
			t.Errorf("reload %+v", s)
		}
		b.are(t, "shop:running")
		if !strings.Contains(b.log.String(), `level=WARN msg="pipeline stopped" pipeline=shop state=stopped attempt=1 code=unreachable`) {
			t.Errorf("log\n%s", b.log)
		}
		if err := b.stop(t); err != nil {
			t.Error(err)
		}
	})
}

// TestReloadInMetrics: what /status says of reloads, as numbers.
func TestReloadInMetrics(t *testing.T) {
	at := time.Unix(1_700_000_000, 500_000_000)
	for name, c := range map[string]struct {
		s    Status
		want string
	}{
		"never":   {Status{StartedAt: at}, "1 1.7000000005e+09 0 0 0"},
		"applied": {Status{StartedAt: at, Reload: &ReloadStatus{Result: ReloadApplied, Applied: 3, Refused: 2, NeedsRestart: []string{"http.listen"}, LastApplied: ptr(at.Add(time.Second))}}, "1 1.7000000015e+09 3 2 1"},
		"refused": {Status{StartedAt: at, Reload: &ReloadStatus{Result: ReloadRefused, Refused: 2}}, "0 1.7000000005e+09 0 2 0"},
	} {
		reg := prometheus.NewPedanticRegistry()
		reg.MustRegister(newCollector(func() Status { return c.s }))
		all, err := reg.Gather()
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]float64{}
		for _, f := range all {
			for _, m := range f.GetMetric() {
				name := strings.TrimPrefix(f.GetName(), "cdcbridge_config_")
				if l := m.GetLabel(); len(l) > 0 {
					name += " " + l[0].GetValue()
				}
				got[name] = m.GetGauge().GetValue() + m.GetCounter().GetValue()
			}
		}
		text := fmt.Sprint(got["last_reload_successful"], got["last_reload_success_timestamp_seconds"], got["reloads_total applied"], got["reloads_total refused"], got["restart_needed_settings"])
		if text != c.want {
			t.Errorf("%s: %s, want %s", name, text, c.want)
		}
	}
}

func ptr[T any](v T) *T { return &v }
