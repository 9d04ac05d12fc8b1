package daemon

import (
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// metricsHandler serves /metrics from a registry of this daemon's own.
func (d *Daemon) metricsHandler() http.Handler {
	reg := prometheus.NewPedanticRegistry()
	reg.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		newCollector(d.Status),
	)
	return promhttp.HandlerFor(reg, promhttp.HandlerOpts{})
}

// collector turns the status into metrics whenever somebody scrapes. Nothing is counted twice, and nothing is looked up
// while rows flow.
type collector struct {
	status                 func() Status
	build, state, restarts *prometheus.Desc
	commitSecond           *prometheus.Desc
	reloads                reloadMetrics
	snapshots              snapshotMetrics
	partitions             partitionMetrics
	numbers                []number
}

// number is a metric that is one number of a pipeline's status.
type number struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
	of   func(p *PipelineStatus) (float64, bool)
}

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("cdcbridge_"+name, help, labels, nil)
}

func newCollector(status func() Status) *collector {
	c := &collector{
		status:       status,
		build:        desc("build_info", "Always 1; the label holds the release.", "version"),
		state:        desc("pipeline_state", "1 for the state that the pipeline is in, 0 for the others.", "pipeline", "state"),
		restarts:     desc("restarts_total", "Attempts that were followed by another one, by the code of their failure.", "pipeline", "code"),
		commitSecond: desc("commit_duration_seconds", "How long commits of Kafka transactions took.", "pipeline"),
		reloads:      newReloadMetrics(),
		snapshots:    newSnapshotMetrics(),
		partitions:   newPartitionMetrics(),
	}
	c.counter("changes_total", "Row changes committed.", func(k *Counters) uint64 { return k.Changes })
	c.counter("snapshot_changes_total", "Of the row changes committed, rows that snapshots read.", func(k *Counters) uint64 { return k.SnapshotChanges })
	c.counter("transactions_total", "Source transactions committed.", func(k *Counters) uint64 { return k.Transactions })
	c.counter("records_total", "Records committed.", func(k *Counters) uint64 { return k.Records })
	c.counter("written_bytes_total", "Bytes of record batches committed, compressed.", func(k *Counters) uint64 { return k.Bytes })
	c.counter("commits_total", "Kafka transactions committed.", func(k *Counters) uint64 { return k.Commits })
	c.counter("split_commits_total", "Kafka transactions that ended inside a source transaction.", func(k *Counters) uint64 { return k.Splits })
	c.counter("aborts_total", "Kafka transactions aborted.", func(k *Counters) uint64 { return k.Aborts })
	c.counter("repeated_calls_total", "Calls to Kafka that had to be made again.", func(k *Counters) uint64 { return k.Repeated })
	c.counter("source_transactions_total", "Source transactions read.", func(k *Counters) uint64 { return k.SourceTransactions })
	c.counter("source_changes_total", "Captured row changes read.", func(k *Counters) uint64 { return k.SourceChanges })
	c.counter("source_events_total", "Log events read, captured or not.", func(k *Counters) uint64 { return k.SourceEvents })
	c.counter("source_bytes_total", "Log bytes read.", func(k *Counters) uint64 { return k.SourceBytes })
	c.counters("attempts_total", "Attempts begun.", func(p *PipelineStatus) uint64 { return p.Attempts })
	c.gauge("ready", "1 when the pipeline runs and its position moves or its source is idle.", func(p *PipelineStatus) (float64, bool) { return truth(p.Ready), true })
	c.gauge("caught_up", "1 when the source has nothing more.", func(p *PipelineStatus) (float64, bool) { return truth(p.CaughtUp), true })
	c.gauge("lag_seconds", "Age of what is not yet readable; 0 when all is; absent when unknown.", func(p *PipelineStatus) (float64, bool) { return deref(p.LagSeconds) })
	c.gauge("open_transaction_seconds", "Age of the open Kafka transaction; 0 without one.", func(p *PipelineStatus) (float64, bool) {
		v, _ := deref(p.OpenTransactionSeconds)
		return v, true
	})
	c.gauge("in_flight_bytes", "Bytes of batches and chunks between source and commit.", func(p *PipelineStatus) (float64, bool) { return float64(p.InFlightBytes), true })
	c.gauge("memory_budget_bytes", "What in_flight_bytes may reach.", func(p *PipelineStatus) (float64, bool) { return float64(p.MemoryBytes), p.MemoryBytes > 0 })
	c.gauge("source_retained_bytes", "Log that the source's server keeps for this pipeline alone; absent when it keeps none.", func(p *PipelineStatus) (float64, bool) {
		return float64(p.RetainedBytes), p.RetainedBytes > 0
	})
	c.gauge("source_retained_limit_bytes", "What source_retained_bytes may reach before the log is lost; absent without limit.", func(p *PipelineStatus) (float64, bool) {
		return float64(p.RetainedLimitBytes), p.RetainedLimitBytes > 0
	})
	c.topics()
	return c
}

// topics adds the metrics of sources that read topics. Only pipelines with such a source have the gauges.
func (c *collector) topics() {
	c.counter("source_skipped_records_total", "Records of topics that could not be read and were left out (numRecordsInErrors in Flink).", func(k *Counters) uint64 { return k.SkippedRecords })
	c.counter("source_parked_records_total", "Of the skipped records, those that went to the dead-letter topic.", func(k *Counters) uint64 { return k.ParkedRecords })
	c.counter("source_repeated_changes_total", "Changes dropped because they had been there before.", func(k *Counters) uint64 { return k.RepeatedChanges })
	c.counter("source_commits_succeeded_total", "Commits of the consumer group's offsets (commitsSucceeded in Flink).", func(k *Counters) uint64 { return k.CommitsSucceeded })
	c.counter("source_commits_failed_total", "Commits of the consumer group's offsets that failed (commitsFailed in Flink).", func(k *Counters) uint64 { return k.CommitsFailed })
	c.gauge("source_pending_records", "Offsets of all partitions that are there and not read (pendingRecords in Flink); absent when unknown.", func(p *PipelineStatus) (float64, bool) {
		sum, known := p.Pending()
		return float64(sum), known
	})
	c.gauge("last_commit_timestamp_seconds", "When the last Kafka transaction was committed.", func(p *PipelineStatus) (float64, bool) {
		return unix(p.LastCommit)
	})
	c.gauge("watermark_timestamp_seconds", "What comes later has event times at or after it; absent while unknown.", func(p *PipelineStatus) (float64, bool) {
		return unix(p.Watermark)
	})
	c.gauge("watermark_lag_seconds", "Age of the watermark (watermarkLag in Flink); absent while unknown.", func(p *PipelineStatus) (float64, bool) {
		if p.Watermark == nil {
			return 0, false
		}
		return time.Since(*p.Watermark).Seconds(), true
	})
}

func (c *collector) counter(name, help string, of func(*Counters) uint64) {
	c.counters(name, help, func(p *PipelineStatus) uint64 { return of(&p.Counters) })
}

func (c *collector) counters(name, help string, of func(*PipelineStatus) uint64) {
	c.numbers = append(c.numbers, number{desc(name, help, "pipeline"), prometheus.CounterValue, func(p *PipelineStatus) (float64, bool) { return float64(of(p)), true }})
}

func (c *collector) gauge(name, help string, of func(*PipelineStatus) (float64, bool)) {
	c.numbers = append(c.numbers, number{desc(name, help, "pipeline"), prometheus.GaugeValue, of})
}

// Describe implements prometheus.Collector.
func (c *collector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{c.build, c.state, c.restarts, c.commitSecond} {
		ch <- d
	}
	c.reloads.describe(ch)
	c.snapshots.describe(ch)
	c.partitions.describe(ch)
	for _, n := range c.numbers {
		ch <- n.desc
	}
}

// Collect implements prometheus.Collector.
func (c *collector) Collect(ch chan<- prometheus.Metric) {
	s := c.status()
	ch <- prometheus.MustNewConstMetric(c.build, prometheus.GaugeValue, 1, s.Version)
	c.reloads.collect(ch, &s)
	for i := range s.Pipelines {
		p := &s.Pipelines[i]
		for _, n := range c.numbers {
			if v, known := n.of(p); known {
				ch <- prometheus.MustNewConstMetric(n.desc, n.kind, v, p.Name)
			}
		}
		c.snapshots.collect(ch, p)
		c.partitions.collect(ch, p)
		for _, state := range States {
			ch <- prometheus.MustNewConstMetric(c.state, prometheus.GaugeValue, truth(p.State == state), p.Name, string(state))
		}
		for code, n := range p.Restarts {
			ch <- prometheus.MustNewConstMetric(c.restarts, prometheus.CounterValue, float64(n), p.Name, code)
		}
		ch <- prometheus.MustNewConstSummary(c.commitSecond, p.Counters.Commits, p.Counters.CommitSeconds, nil, p.Name)
	}
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

func deref(f *float64) (float64, bool) {
	if f == nil {
		return 0, false
	}
	return *f, true
}
