package daemon

import (
	"github.com/prometheus/client_golang/prometheus"

	"cdcbridge/capture"
)

// snapshotMetrics are the metrics of snapshots. Only tables that are being read have series of their own.
type snapshotMetrics struct{ tables, rows, estimate, rate *prometheus.Desc }

func newSnapshotMetrics() snapshotMetrics {
	return snapshotMetrics{
		tables:   desc("snapshot_tables", "Tables by the status of their snapshot, of those that are being read, wait for it, or were read lately.", "pipeline", "status"),
		rows:     desc("snapshot_rows", "Rows read of a table that is being read.", "pipeline", "table"),
		estimate: desc("snapshot_estimated_rows", "The server's estimate of its rows; absent when unknown.", "pipeline", "table"),
		rate:     desc("snapshot_rows_per_second", "Rows read per second over the last seconds.", "pipeline", "table"),
	}
}

func (m *snapshotMetrics) describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{m.tables, m.rows, m.estimate, m.rate} {
		ch <- d
	}
}

// snapshotStatuses are the values of the label status.
var snapshotStatuses = []capture.SnapshotStatus{
	capture.SnapshotWaiting, capture.SnapshotReading, capture.SnapshotPaused, capture.SnapshotDone, capture.SnapshotCancelled, capture.SnapshotGone,
}

func (m *snapshotMetrics) collect(ch chan<- prometheus.Metric, p *PipelineStatus) {
	count := map[capture.SnapshotStatus]int{}
	for i := range p.Snapshots {
		t := &p.Snapshots[i]
		count[t.Status]++
		if t.Status != capture.SnapshotReading && t.Status != capture.SnapshotPaused {
			continue
		}
		ch <- prometheus.MustNewConstMetric(m.rows, prometheus.GaugeValue, float64(t.Rows), p.Name, t.Table)
		ch <- prometheus.MustNewConstMetric(m.rate, prometheus.GaugeValue, t.PerSecond, p.Name, t.Table)
		if t.Estimate >= 0 {
			ch <- prometheus.MustNewConstMetric(m.estimate, prometheus.GaugeValue, float64(t.Estimate), p.Name, t.Table)
		}
	}
	for _, status := range snapshotStatuses {
		ch <- prometheus.MustNewConstMetric(m.tables, prometheus.GaugeValue, float64(count[status]), p.Name, string(status))
	}
}
