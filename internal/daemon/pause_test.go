package daemon

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"cdcbridge/internal/pipeline"
)

// TestAPauseIsWanted: a paused pipeline is ready for as long as it lasts, goes from one state to the other without any delay, counts no
// restart, and stops in an orderly way.
func TestAPauseIsWanted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &fakePipeline{scripts: []script{
			{runs: time.Minute, err: pipeline.ErrPauseChanged, stats: pipeline.Stats{Position: "binlog.1:4", Source: idle()}},
			{paused: true, runs: 48 * time.Hour, err: pipeline.ErrPauseChanged, stats: pipeline.Stats{Position: "binlog.1:4"}},
			{stats: pipeline.Stats{Source: idle()}},
		}}
		b := supervise(Pipeline{Name: "shop", New: p.next})
		for _, at := range []struct {
			after time.Duration
			state State
			count int
		}{{30 * time.Second, Running, 1}, {31 * time.Second, Paused, 2}, {47 * time.Hour, Paused, 2}, {2 * time.Hour, Running, 3}} {
			time.Sleep(at.after)
			if at.state == Running {
				p.current().set(func(s *pipeline.Stats) { s.Source.CaughtUp, s.Source.LastEvent = true, time.Now().UnixMicro() })
			}
			s := b.Status().Pipelines[0]
			if s.State != at.state || !s.Ready || p.count() != at.count || len(s.Restarts) > 0 || s.Code != "" || s.Position != "binlog.1:4" {
				t.Errorf("want %s: %d attempts, %+v", at.state, p.count(), s)
			}
		}
		if log := b.log.String(); !strings.Contains(log, `msg="pipeline paused"`) || strings.Contains(log, "WARN") {
			t.Error(log)
		}
		if err := b.stop(t); err != nil || b.state(0) != Stopped {
			t.Errorf("%s: %v", b.state(0), err)
		}
	})
}
