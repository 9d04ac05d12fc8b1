package cli

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"cdcbridge/capture"
	"cdcbridge/internal/daemon"
)

// bridge is a pipeline that reads a topic of n partitions and one of a single partition. The first two of the topic have a watermark,
// the others are idle.
func bridge(n int) daemon.PipelineStatus {
	p := daemon.PipelineStatus{Name: "bridge", State: daemon.Running}
	for i := range n {
		lag := int64(1000 * i)
		one := daemon.PartitionProgress{PartitionStats: capture.PartitionStats{Topic: "orders", Partition: int32(i), Offset: 12_345, Committed: 12_000, Idle: i > 1, Held: i == 1}, Lag: &lag}
		if i < 2 {
			at := time.Date(2026, 1, 2, 3, 4, 5-i, 250_000_000, time.UTC)
			one.Watermark = &at
		}
		p.Partitions = append(p.Partitions, one)
	}
	p.Partitions = append(p.Partitions, daemon.PartitionProgress{PartitionStats: capture.PartitionStats{Topic: "rates", End: -1}})
	return p
}

func statusPage(t *testing.T, offsets bool, pipelines ...daemon.PipelineStatus) string {
	t.Helper()
	var page bytes.Buffer
	if err := printStatus(&page, &daemon.Status{Pipelines: pipelines}, time.Now(), offsets); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(page.String(), "\n")
	for i := range lines {
		lines[i] = strings.Join(strings.Fields(lines[i]), " ")
	}
	return strings.Join(lines, "\n")
}

func TestStatusListsFewPartitions(t *testing.T) {
	page := statusPage(t, false, bridge(3))
	for _, want := range []string{
		"\nPIPELINE TOPIC PARTITION READ UP TO COMMITTED LAG WATERMARK\n",
		"\nbridge orders 0 12 345 12 000 0 2026-01-02T03:04:05.250Z\n",
		"\nbridge orders 1 12 345 12 000 1 000 2026-01-02T03:04:04.250Z held: too far ahead\n",
		"\nbridge orders 2 12 345 12 000 2 000 - idle\n",
		"\nbridge rates 0 0 0 ? -\n",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("%q is missing in\n%s", want, page)
		}
	}
}

func TestStatusSumsManyPartitionsUp(t *testing.T) {
	many := bridge(1000)
	many.Counters = daemon.Counters{SkippedRecords: 1234, ParkedRecords: 34, RepeatedChanges: 5, CommitsSucceeded: 9, CommitsFailed: 1}
	page := statusPage(t, false, many, bridge(2), daemon.PipelineStatus{Name: "db"})
	for _, want := range []string{
		"\nbridge orders all 1000 499 500 000 2026-01-02T03:04:04.250Z 998 idle, 1 held: too far ahead\n",
		"\nbridge rates all 1 0 or more -\n",
		"\nbridge orders 1 12 345 12 000 1 000 2026-01-02T03:04:04.250Z held: too far ahead\n",
		"\nWith --offsets each partition is listed.\n",
		"\nbridge: 1 234 records could not be read and were left out, 34 of them are in the dead-letter topic\n",
		"\nbridge: 5 changes had been there before and were dropped\n",
		"\nbridge: 1 of 10 commits of the group's offsets failed; the daemon's log says why\n",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("%q is missing in\n%s", want, page)
		}
	}
	page = statusPage(t, true, many)
	for i := range 1000 {
		if want := fmt.Sprintf("\nbridge orders %d 12 345 ", i); !strings.Contains(page, want) {
			t.Fatalf("%q is missing", want)
		}
	}
	if strings.Contains(page, "--offsets") || strings.Contains(statusPage(t, true, daemon.PipelineStatus{Name: "db"}), "TOPIC") {
		t.Error("there is more than there should be")
	}
}
