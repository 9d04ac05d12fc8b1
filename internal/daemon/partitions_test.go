package daemon

import (
	"strings"
	"testing"
	"time"

	"cdcbridge/capture"
	"cdcbridge/internal/pipeline"
)

func topicsPipeline(err error) Pipeline {
	at := time.Date(2026, 1, 2, 3, 4, 5, 250_000_000, time.UTC).UnixMicro()
	p := &fakePipeline{scripts: []script{{runs: time.Second, err: err, stats: pipeline.Stats{Progress: 1, Source: capture.Stats{
		Connected: true, Watermark: at, Skipped: 5, Parked: 2, Repeated: 9, Commits: capture.GroupCommits{Succeeded: 4, Failed: 1},
		Partitions: []capture.PartitionStats{
			{Topic: "orders", Partition: 0, Offset: 100, Committed: 90, End: 130, Records: 77, Bytes: 4096, Watermark: at},
			{Topic: "orders", Partition: 1, End: -1},
			{Topic: "items", Partition: 0, Offset: 7, Committed: 7, End: 7, Idle: true},
			{Topic: "items", Partition: 1, Offset: 8, Committed: 7, End: 9, Held: true},
		},
	}}}}}
	return Pipeline{Name: "bridge", New: p.next}
}

func TestPartitionsInStatusAndMetrics(t *testing.T) {
	s := serve(t, Options{Pipelines: []Pipeline{topicsPipeline(nil), {Name: "db", New: (&fakePipeline{scripts: []script{{}}}).next}}})
	var status Status
	eventually(t, "a running pipeline", func() bool {
		status = s.status(t)
		return status.Pipelines[0].State == Running && status.Pipelines[1].State == Running
	})
	p := status.Pipelines[0]
	if len(p.Partitions) != 4 || p.Watermark == nil || p.Watermark.Format(time.RFC3339Nano) != "2026-01-02T03:04:05.25Z" || p.Counters.ParkedRecords != 2 {
		t.Fatalf("%+v", p)
	}
	first, second := p.Partitions[0], p.Partitions[1]
	if first.Topic != "orders" || first.Offset != 100 || first.Lag == nil || *first.Lag != 30 || first.Watermark == nil || !first.Watermark.Equal(*p.Watermark) {
		t.Errorf("%+v", first)
	}
	if second.Lag != nil || second.Watermark != nil {
		t.Errorf("%+v", second)
	}
	if db := status.Pipelines[1]; db.Partitions == nil || len(db.Partitions) > 0 || db.Watermark != nil {
		t.Errorf("%+v", db)
	}
	_, body := s.get(t, "/metrics")
	for _, want := range []string{
		`cdcbridge_source_current_offset{partition="0",pipeline="bridge",topic="orders"} 99`,
		`cdcbridge_source_current_offset{partition="1",pipeline="bridge",topic="orders"} -1`,
		`cdcbridge_source_committed_offset{partition="0",pipeline="bridge",topic="orders"} 90`,
		`cdcbridge_source_records_lag{partition="0",pipeline="bridge",topic="orders"} 30`,
		`cdcbridge_source_records_lag{partition="0",pipeline="bridge",topic="items"} 0`,
		`cdcbridge_source_partition_records_total{partition="0",pipeline="bridge",topic="orders"} 77`,
		`cdcbridge_source_partition_bytes_total{partition="0",pipeline="bridge",topic="orders"} 4096`,
		`cdcbridge_source_partition_watermark_timestamp_seconds{partition="0",pipeline="bridge",topic="orders"} 1.76732304525e+09`,
		`cdcbridge_source_partition_idle{partition="0",pipeline="bridge",topic="items"} 1`,
		`cdcbridge_source_partitions{pipeline="bridge",state="active"} 2`,
		`cdcbridge_source_partitions{pipeline="bridge",state="idle"} 1`,
		`cdcbridge_source_partitions{pipeline="bridge",state="held"} 1`,
		`cdcbridge_source_pending_records{pipeline="bridge"} 31`,
		`cdcbridge_source_skipped_records_total{pipeline="bridge"} 5`,
		`cdcbridge_source_parked_records_total{pipeline="bridge"} 2`,
		`cdcbridge_source_repeated_changes_total{pipeline="bridge"} 9`,
		`cdcbridge_source_commits_succeeded_total{pipeline="bridge"} 4`,
		`cdcbridge_source_commits_failed_total{pipeline="bridge"} 1`,
		`cdcbridge_watermark_timestamp_seconds{pipeline="bridge"} 1.76732304525e+09`,
		`cdcbridge_watermark_lag_seconds{pipeline="bridge"} `,
	} {
		if !strings.Contains(body, "\n"+want) {
			t.Errorf("%s is missing", want)
		}
	}
	for _, stray := range []string{`lag{partition="1",pipeline="bridge",topic="orders"}`, `timestamp_seconds{partition="1",pipeline="bridge",topic="orders"}`, `source_partitions{pipeline="db"`, `watermark_lag_seconds{pipeline="db"}`, `pending_records{pipeline="db"}`} {
		if strings.Contains(body, stray) {
			t.Errorf("%s is shown, which nobody knows", stray)
		}
	}
	s.stop(t)
}

// TestPartitionsOutliveAnAttempt: what a person wants to know when a pipeline is down is where it stands.
func TestPartitionsOutliveAnAttempt(t *testing.T) {
	s := serve(t, Options{Pipelines: []Pipeline{topicsPipeline(errBroken)}})
	eventually(t, "a failed attempt", func() bool {
		p := s.status(t).Pipelines[0]
		return p.State == Retrying && len(p.Partitions) == 4 && p.Watermark != nil && p.Counters.SkippedRecords == 5
	})
	s.stop(t)
}
