package daemon

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"cdcbridge/capture"
	"cdcbridge/internal/pipeline"
)

func TestProgressForPeople(t *testing.T) {
	const second = int64(time.Second / time.Microsecond)
	for want, s := range map[string]capture.TableSnapshot{
		"0 rows, waiting":                         {Status: capture.SnapshotWaiting, Estimate: 5},
		"0 rows, waiting, waits: for the standby": {Status: capture.SnapshotWaiting, Estimate: 5, Waits: "for the standby"},
		"1 200 000 rows, 34 % of about 3 500 000, 152 000 rows/s, 15 s left": {Status: capture.SnapshotReading, Rows: 1_200_000, Estimate: 3_500_000, PerSecond: 152_000},
		"999 rows, 99 % of about 1 000":                                      {Status: capture.SnapshotReading, Rows: 999, Estimate: 1000, PerSecond: 0.5},
		"1 200 rows, 99 % of about 1 000, 10 rows/s":                         {Status: capture.SnapshotReading, Rows: 1200, Estimate: 1000, PerSecond: 10},
		"1 200 rows, 10 rows/s":                                              {Status: capture.SnapshotReading, Rows: 1200, Estimate: 100_000, PerSecond: 10, Where: "id > 5"},
		"0 rows":                                                             {Status: capture.SnapshotReading, Estimate: -1},
		"7 rows, 7 % of about 100, paused":                                   {Status: capture.SnapshotPaused, Rows: 7, Estimate: 100, PerSecond: 10, Waits: "for nothing any more"},
		"7 rows, cancelled":                                                  {Status: capture.SnapshotCancelled, Rows: 7, Estimate: 100},
		"7 rows, gone":                                                       {Status: capture.SnapshotGone, Rows: 7, Estimate: 100},
		"7 200 000 rows, 50 % of about 14 400 000, 1 000 rows/s, 2 h 0 min left": {Status: capture.SnapshotReading, Rows: 7_200_000, Estimate: 14_400_000, PerSecond: 1000},
		"999 rows, 99 % of about 1 000, 10 rows/s, less than 1 s left":           {Status: capture.SnapshotReading, Rows: 999, Estimate: 1000, PerSecond: 10},
		"0 rows, 0 % of about 14 400, 24 rows/s, 10 min 0 s left":                {Status: capture.SnapshotReading, Estimate: 14_400, PerSecond: 24},
		"12 345 678 rows, done in 3 min 20 s":                                    {Status: capture.SnapshotDone, Rows: 12_345_678, Estimate: 5, Began: 1, Ended: 1 + 200*second},
		"1 rows, done":                                                           {Status: capture.SnapshotDone, Rows: 1},
	} {
		if got := progressOf(s).String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	p := progressOf(capture.TableSnapshot{Table: "shop.orders", Status: capture.SnapshotReading, Rows: 25, Estimate: 100, PerSecond: 5})
	doc, err := json.Marshal(p)
	if err != nil || !strings.HasPrefix(string(doc), `{"table":"shop.orders","status":"reading","rows":25,`) || !strings.HasSuffix(string(doc), `"percent":25,"eta_seconds":15}`) {
		t.Errorf("%s %v", doc, err)
	}
}

// TestSnapshotsAreToldEveryTenSeconds: one line for each table that is read, one at its end, and one when it is paused.
func TestSnapshotsAreToldEveryTenSeconds(t *testing.T) {
	reading := func(rows uint64) []capture.TableSnapshot {
		return []capture.TableSnapshot{
			{Table: "shop.orders", Status: capture.SnapshotReading, Began: 1, Rows: rows, Estimate: 3000, PerSecond: 100},
			{Table: "shop.items", Status: capture.SnapshotWaiting, Estimate: -1},
		}
	}
	alone(t, script{stats: pipeline.Stats{Source: capture.Stats{Snapshots: reading(0)}}}, func(t *testing.T, p *fakePipeline, b *bench) {
		snapshots := func(s []capture.TableSnapshot) {
			p.current().set(func(st *pipeline.Stats) { st.Source.Snapshots = s })
		}
		time.Sleep(9 * time.Second)
		snapshots(reading(900))
		time.Sleep(2 * time.Second)
		snapshots(reading(2000))
		time.Sleep(10 * time.Second)
		if s := b.Status().Pipelines[0].Snapshots; len(s) != 2 || s[0].Rows != 2000 || s[0].Percent == nil || *s[0].EtaSeconds != 10 || s[1].Percent != nil {
			t.Errorf("status %+v", s)
		}
		ended := reading(2900)
		ended[0].Status, ended[1].Status = capture.SnapshotDone, capture.SnapshotPaused
		snapshots(ended)
		time.Sleep(time.Minute)
		again := reading(10)
		again[0].Began = 2
		snapshots(again)
		time.Sleep(time.Second)
		again = slices.Clone(again)
		again[0].Status = capture.SnapshotCancelled
		snapshots(again)
		time.Sleep(time.Minute)
		var got []string
		for line := range strings.Lines(b.log.String()) {
			if _, text, ok := strings.Cut(line, "snapshot of "); ok {
				got = append(got, text)
			}
		}
		want := []string{
			"shop.orders: 900 rows, 30 % of about 3 000, 100 rows/s, 21 s left\" pipeline=shop table=shop.orders status=reading rows=900\n",
			"shop.orders: 2 000 rows, 66 % of about 3 000, 100 rows/s, 10 s left\" pipeline=shop table=shop.orders status=reading rows=2000\n",
			"shop.orders: 2 900 rows, done\" pipeline=shop table=shop.orders status=done rows=2900\n",
			"shop.items: 0 rows, paused\" pipeline=shop table=shop.items status=paused rows=0\n",
			"shop.orders: 10 rows, cancelled\" pipeline=shop table=shop.orders status=cancelled rows=10\n",
		}
		if strings.Join(got, "") != strings.Join(want, "") {
			t.Errorf("got\n%swant\n%s", strings.Join(got, ""), strings.Join(want, ""))
		}
	})
}

// TestCompletedPipelinesEndTheDaemon: a pipeline that has an end is completed and ready, is not tried again, and when all are
// completed the daemon ends by itself.
func TestCompletedPipelinesEndTheDaemon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		done := []capture.TableSnapshot{{Table: "shop.orders", Status: capture.SnapshotDone, Began: 1, Rows: 77}}
		stats := pipeline.Stats{Changes: 77, Progress: 1, Position: "binlog.1:4", Source: capture.Stats{Snapshots: done}}
		quick := &fakePipeline{scripts: []script{{runs: time.Minute, err: capture.ErrComplete, stats: stats}}}
		slow := &fakePipeline{scripts: []script{{runs: time.Hour, err: capture.ErrComplete}}}
		began := time.Now()
		b := supervise(Pipeline{Name: "quick", New: quick.next}, Pipeline{Name: "slow", New: slow.next})
		time.Sleep(10 * time.Minute)
		p := b.Status().Pipelines[0]
		if p.State != Completed || !p.Ready || quick.count() != 1 || p.Counters.Changes != 77 || p.Position != "binlog.1:4" || len(p.Snapshots) != 1 || p.Snapshots[0].Rows != 77 {
			t.Errorf("%d attempts: %+v", quick.count(), p)
		}
		if err := <-b.done; err != nil || time.Since(began) != time.Hour {
			t.Errorf("ended after %s: %v", time.Since(began), err)
		}
		log := b.log.String()
		if !strings.Contains(log, "snapshot of shop.orders: 77 rows, done") || strings.Count(log, `level=INFO msg="pipeline completed"`) != 2 || !strings.HasSuffix(log, "level=INFO msg=\"daemon stopped\"\n") {
			t.Error(log)
		}
	})
}

// TestACompletedPipelineDoesNotEndOthers: the daemon goes on for them, and stops in an orderly way.
func TestACompletedPipelineDoesNotEndOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		quick := &fakePipeline{scripts: []script{{runs: time.Minute, err: capture.ErrComplete}}}
		steady := &fakePipeline{scripts: []script{{}}}
		b := supervise(Pipeline{Name: "quick", New: quick.next}, Pipeline{Name: "steady", New: steady.next})
		time.Sleep(time.Hour)
		if b.state(0) != Completed || b.state(1) != Running {
			t.Errorf("%s and %s", b.state(0), b.state(1))
		}
		if err := b.stop(t); err != nil || b.state(0) != Completed || b.state(1) != Stopped {
			t.Errorf("%s and %s: %v", b.state(0), b.state(1), err)
		}
	})
}
