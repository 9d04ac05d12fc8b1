package daemon

import (
	"errors"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"cdcbridge/internal/fault"
	"cdcbridge/internal/pipeline"
)

func TestStartRunDrain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &fakePipeline{scripts: []script{{opens: time.Second, drain: 3 * time.Second, stats: pipeline.Stats{Position: "binlog.1:4"}}}}
		b := supervise(Pipeline{Name: "shop", New: p.next})
		synctest.Wait()
		if s := b.state(0); s != Starting {
			t.Fatalf("state %s", s)
		}
		time.Sleep(2 * time.Second)
		if s := b.state(0); s != Running {
			t.Fatalf("state %s", s)
		}
		began := time.Now()
		b.signals <- syscall.SIGTERM
		time.Sleep(time.Second)
		if s := b.state(0); s != Stopping {
			t.Fatalf("state %s", s)
		}
		if err := <-b.done; err != nil || time.Since(began) != 3*time.Second {
			t.Fatalf("%v after %s", err, time.Since(began))
		}
		want := `level=INFO msg="daemon started" version=v9 http="" pipelines=1
level=INFO msg="pipeline starting" pipeline=shop state=starting attempt=1
level=INFO msg="pipeline running" pipeline=shop state=running attempt=1 position=binlog.1:4 resumed=false
level=INFO msg="daemon stopping" why="signal terminated" deadline=30s
level=INFO msg="pipeline stopping" pipeline=shop state=stopping attempt=1
level=INFO msg="pipeline stopped" pipeline=shop state=stopped attempt=1
level=INFO msg="daemon stopped"
`
		if got := b.log.String(); sortedHead(got, 2) != sortedHead(want, 2) {
			t.Errorf("got\n%swant\n%s", got, want)
		}
	})
}

// sortedHead orders the first n lines, which two goroutines write.
func sortedHead(s string, n int) string {
	lines := strings.SplitAfter(s, "\n")
	if len(lines) > n && lines[0] > lines[1] {
		lines[0], lines[1] = lines[1], lines[0]
	}
	return strings.Join(lines, "")
}

func TestConnectionFaultsAreRetriedForEver(t *testing.T) {
	for _, code := range []fault.Code{fault.Unreachable, fault.Source, fault.KafkaStorage, fault.TransactionsDown} {
		alone(t, script{err: fault.New(code, "connecting", errBroken, "Wait.")}, func(t *testing.T, p *fakePipeline, b *bench) {
			time.Sleep(time.Hour)
			if s := b.state(0); s != Retrying && s != Starting {
				t.Fatalf("%s: %s", code, s)
			}
			if n := p.count(); n < 120 || n > 250 { // every 15 to 30 s
				t.Errorf("%s: %d attempts in an hour", code, n)
			}
			s := b.Status().Pipelines[0]
			if s.Code != string(code) || s.Hint != "Wait." || s.Error != "connecting: pipe broken" || s.NextAttempt == nil || s.Restarts[string(code)] < 120 {
				t.Errorf("status %+v", s)
			}
		})
	}
}

func TestBackoffGrowsWithJitter(t *testing.T) {
	alone(t, script{err: fault.New(fault.Unreachable, "", errBroken, "")}, func(t *testing.T, p *fakePipeline, _ *bench) {
		time.Sleep(5 * time.Minute)
		p.mu.Lock()
		begun := slices.Clone(p.begun)
		p.mu.Unlock()
		jitter := false
		for i, most := 1, 500*time.Millisecond; i < len(begun); i, most = i+1, min(2*most, 30*time.Second) {
			gap := begun[i].Sub(begun[i-1])
			if gap < most/2 || gap > most {
				t.Errorf("delay %d is %s, not in [%s, %s]", i, gap, most/2, most)
			}
			jitter = jitter || gap != most && gap != most/2
		}
		if len(begun) < 10 || !jitter {
			t.Errorf("%d attempts, jitter %v", len(begun), jitter)
		}
	})
}

func TestNoProgressEndsAfterTenAttempts(t *testing.T) {
	alone(t, script{runs: time.Second, err: fault.New(fault.Corrupt, "verifying", errBroken, "Look at the disk.")}, func(t *testing.T, p *fakePipeline, b *bench) {
		time.Sleep(time.Hour)
		s := b.Status().Pipelines[0]
		if s.State != Failed || s.Code != string(fault.NoProgress) || p.count() != 10 || s.Attempts != 10 || s.Restarts["corrupt"] != 9 {
			t.Fatalf("%d attempts: %+v", p.count(), s)
		}
		if !strings.Contains(s.Error, "pipe broken") || !strings.Contains(s.Hint, "Look at the disk.") {
			t.Errorf("cause or hint is lost: %+v", s)
		}
	})
}

func TestKafkaGetsAnHour(t *testing.T) {
	alone(t, script{err: fault.New(fault.Kafka, "producing", errBroken, "Start the missing brokers.")}, func(t *testing.T, p *fakePipeline, b *bench) {
		time.Sleep(59 * time.Minute)
		if s := b.state(0); s == Failed || p.count() < 100 {
			t.Fatalf("%s after %d attempts", s, p.count())
		}
		time.Sleep(2 * time.Minute)
		if s := b.Status().Pipelines[0]; s.State != Failed || s.Code != string(fault.NoProgress) {
			t.Errorf("got %+v", s)
		}
	})
}

func TestProgressKeepsRetrying(t *testing.T) {
	alone(t, script{
		runs: time.Second, err: fault.New(fault.Kafka, "producing", errBroken, ""),
		stats: pipeline.Stats{Progress: 1, Changes: 5, Commits: 1, Position: "p"},
	}, func(t *testing.T, p *fakePipeline, b *bench) {
		time.Sleep(time.Minute)
		s := b.Status().Pipelines[0]
		if s.State == Failed || p.count() < 35 { // 1 s of work, at most 0.5 s of delay
			t.Fatalf("%d attempts: %+v", p.count(), s)
		}
		if least := 5 * uint64(p.count()-1); s.Counters.Changes < least || s.Position != "p" {
			t.Errorf("the numbers of ended attempts are lost: %+v", s)
		}
	})
}

func TestRareFailuresOfAnIdlePipelineDoNotAddUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &fakePipeline{scripts: []script{{
			runs: 10 * time.Minute, err: fault.New(fault.Kafka, "committing", errBroken, ""), stats: pipeline.Stats{Source: idle()},
		}}}
		b := supervise(Pipeline{Name: "shop", New: p.next})
		time.Sleep(24 * time.Hour)
		if s := b.state(0); s == Failed || p.count() < 100 {
			t.Fatalf("%s after %d attempts", s, p.count())
		}
		if err := b.stop(t); err != nil {
			t.Error(err)
		}
	})
}

func TestFinalFaultStaysDownAndOthersGoOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bad := &fakePipeline{scripts: []script{{runs: time.Second, err: fault.NewFinal(fault.BinlogPurged, "opening the binlog stream", errBroken, "Re-snapshot.")}}}
		good := &fakePipeline{scripts: []script{{}}}
		b := supervise(Pipeline{Name: "bad", New: bad.next}, Pipeline{Name: "good", New: good.next})
		time.Sleep(time.Hour)
		s := b.Status()
		if s.Ready || s.Pipelines[0].State != Failed || s.Pipelines[1].State != Running || bad.count() != 1 {
			t.Fatalf("got %+v", s)
		}
		if p := s.Pipelines[0]; p.Code != "binlog_purged" || p.Hint != "Re-snapshot." {
			t.Errorf("got %+v", p)
		}
		if !strings.Contains(b.log.String(), `level=ERROR msg="pipeline failed" pipeline=bad state=failed attempt=1 code=binlog_purged error="opening the binlog stream: pipe broken" hint=Re-snapshot. doc=docs/errors.md#binlog_purged`) {
			t.Errorf("log\n%s", b.log)
		}
		if err := b.stop(t); err != nil {
			t.Error(err)
		}
	})
}

func TestExitOnFailureDrainsTheOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bad := &fakePipeline{scripts: []script{{runs: time.Second, err: fault.NewFinal(fault.Fenced, "committing", errBroken, "")}}}
		good := &fakePipeline{scripts: []script{{drain: 5 * time.Second}}}
		b := supervise(Pipeline{Name: "bad", New: bad.next, ExitOnFailure: true}, Pipeline{Name: "good", New: good.next})
		began := time.Now()
		err := <-b.done
		if !fault.Is(err, fault.Fenced) || time.Since(began) != 6*time.Second || b.state(1) != Stopped {
			t.Errorf("%v after %s, the other is %s", err, time.Since(began), b.state(1))
		}
	})
}

func TestErrorsWithoutCodeAreInternal(t *testing.T) {
	alone(t, script{err: errBroken}, func(t *testing.T, _ *fakePipeline, b *bench) {
		time.Sleep(time.Hour)
		if s := b.Status().Pipelines[0]; s.State != Failed || s.Restarts["internal"] != 9 {
			t.Errorf("got %+v", s)
		}
	})
}

func TestAnAttemptThatEndsByItselfIsNotForgotten(t *testing.T) {
	alone(t, script{runs: time.Second, ends: true}, func(t *testing.T, _ *fakePipeline, b *bench) {
		time.Sleep(time.Hour)
		if s := b.Status().Pipelines[0]; s.State != Failed || s.Restarts["internal"] != 9 {
			t.Errorf("got %+v", s)
		}
	})
}

func TestSecondSignalAborts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &fakePipeline{scripts: []script{{drain: 20 * time.Second}}}
		b := supervise(Pipeline{Name: "shop", New: p.next})
		time.Sleep(time.Second)
		began := time.Now()
		b.signals <- syscall.SIGTERM
		time.Sleep(2 * time.Second)
		b.signals <- syscall.SIGINT
		if err := <-b.done; !errors.Is(err, errSecondSignal) || time.Since(began) != 2*time.Second {
			t.Errorf("%v after %s", err, time.Since(began))
		}
	})
}

func TestDrainHasADeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &fakePipeline{scripts: []script{{drain: time.Hour}}}
		b := supervise(Pipeline{Name: "shop", New: p.next})
		time.Sleep(time.Second)
		began := time.Now()
		if err := b.stop(t); !errors.Is(err, errDrainTime) || time.Since(began) != 30*time.Second {
			t.Errorf("%v after %s", err, time.Since(began))
		}
	})
}

func TestFailedDrainIsAnError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &fakePipeline{scripts: []script{{drained: fault.New(fault.Unreachable, "committing", errBroken, "")}}}
		b := supervise(Pipeline{Name: "shop", New: p.next})
		time.Sleep(time.Second)
		if err := b.stop(t); !fault.Is(err, fault.Unreachable) || b.state(0) != Stopped {
			t.Errorf("%v, %s", err, b.state(0))
		}
	})
}

func TestSignalWhileWaitingStopsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &fakePipeline{scripts: []script{{err: fault.New(fault.Unreachable, "", errBroken, "")}}}
		b := supervise(Pipeline{Name: "shop", New: p.next})
		time.Sleep(10 * time.Minute)
		began := time.Now()
		if err := b.stop(t); err != nil || time.Since(began) != 0 || b.state(0) != Stopped {
			t.Errorf("%v after %s, %s", err, time.Since(began), b.state(0))
		}
	})
}

func TestReadiness(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &fakePipeline{scripts: []script{{opens: time.Second, stats: pipeline.Stats{Source: idle()}}}}
		b := supervise(Pipeline{Name: "shop", New: p.next})
		ready := func(want bool, when string) {
			t.Helper()
			r := b.readiness(time.Now())
			if r.Ready != want || want != (len(r.Reasons) == 0) {
				t.Errorf("%s: %+v", when, r)
			}
		}
		synctest.Wait()
		ready(false, "starting")
		time.Sleep(2 * time.Second)
		ready(true, "just running")
		a := p.current()
		heard := func(busy bool) {
			a.set(func(s *pipeline.Stats) {
				s.Source.CaughtUp, s.Source.LastEvent = !busy, time.Now().UnixMicro()
			})
		}
		time.Sleep(10 * time.Minute)
		heard(false)
		ready(true, "idle")
		time.Sleep(70 * time.Second)
		ready(false, "no heartbeat for a minute")
		heard(true)
		ready(false, "busy and stuck")
		a.set(func(s *pipeline.Stats) { s.Progress++ })
		time.Sleep(time.Second)
		ready(true, "moves again")
		time.Sleep(31 * time.Second)
		ready(false, "stands still")
		heard(false)
		a.set(func(s *pipeline.Stats) { s.OpenSince = 1 })
		ready(false, "the source is idle and rows hang in an open transaction")
		a.set(func(s *pipeline.Stats) { s.OpenSince = 0 })
		time.Sleep(time.Second)
		a.set(func(s *pipeline.Stats) { s.InFlight = 1 })
		ready(true, "a heartbeat is just on its way")
		time.Sleep(10 * time.Second)
		ready(false, "something hangs in flight")
		b.signals <- syscall.SIGTERM
		if err := <-b.done; err != nil {
			t.Error(err)
		}
		ready(false, "stopped")
	})
}

func TestWatchdogSeesAHangingRunner(t *testing.T) {
	alone(t, script{}, func(t *testing.T, p *fakePipeline, b *bench) {
		time.Sleep(time.Hour)
		if !b.isAlive(time.Now()) {
			t.Error("a healthy runner is not alive")
		}
		a := p.current()
		hang := make(chan struct{}) // as a lock that nobody gives back would do
		a.mu.Lock()
		a.hang = hang
		a.mu.Unlock()
		time.Sleep(time.Minute)
		if b.isAlive(time.Now()) {
			t.Error("a hanging runner is alive")
		}
		close(hang)
	})
}
