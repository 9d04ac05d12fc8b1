package daemon

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// partitionMetrics are the metrics of sources that read topics. They are those of Flink's Kafka connector and of its sources, in the
// form that Prometheus has for them.
type partitionMetrics struct {
	partitions   *prometheus.Desc
	perPartition []partitionNumber
}

// partitionNumber is a metric that is one number of a partition.
type partitionNumber struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
	of   func(p *PartitionProgress) (float64, bool)
}

func newPartitionMetrics() partitionMetrics {
	m := partitionMetrics{partitions: desc("source_partitions", "Partitions that are read, by whether the watermark waits for them and they may be read now.", "pipeline", "state")}
	add := func(kind prometheus.ValueType, name, help string, of func(p *PartitionProgress) (float64, bool)) {
		m.perPartition = append(m.perPartition, partitionNumber{desc(name, help, "pipeline", "topic", "partition"), kind, of})
	}
	add(prometheus.GaugeValue, "source_current_offset", "Offset of the last record read (currentOffset in Flink); -1: none.", func(p *PartitionProgress) (float64, bool) {
		return float64(p.Offset - 1), true
	})
	add(prometheus.GaugeValue, "source_committed_offset", "Offset at which the committed checkpoint goes on (committedOffset in Flink).", func(p *PartitionProgress) (float64, bool) {
		return float64(p.Committed), true
	})
	add(prometheus.GaugeValue, "source_records_lag", "Offsets that are there and not read; absent when unknown.", func(p *PartitionProgress) (float64, bool) {
		if p.Lag == nil {
			return 0, false
		}
		return float64(*p.Lag), true
	})
	add(prometheus.CounterValue, "source_partition_records_total", "Records read since the source was opened.", func(p *PartitionProgress) (float64, bool) {
		return float64(p.Records), true
	})
	add(prometheus.CounterValue, "source_partition_bytes_total", "Bytes of record batches read since the source was opened, as they come over the wire.", func(p *PartitionProgress) (float64, bool) {
		return float64(p.Bytes), true
	})
	add(prometheus.GaugeValue, "source_partition_watermark_timestamp_seconds", "Watermark of the partition; absent without one.", func(p *PartitionProgress) (float64, bool) {
		return unix(p.Watermark)
	})
	add(prometheus.GaugeValue, "source_partition_idle", "1 when the pipeline's watermark does not wait for the partition.", func(p *PartitionProgress) (float64, bool) {
		return truth(p.Idle), true
	})
	return m
}

func (m *partitionMetrics) describe(ch chan<- *prometheus.Desc) {
	ch <- m.partitions
	for _, n := range m.perPartition {
		ch <- n.desc
	}
}

func (m *partitionMetrics) collect(ch chan<- prometheus.Metric, p *PipelineStatus) {
	active, idle, held := 0, 0, 0
	for i := range p.Partitions {
		one := &p.Partitions[i]
		switch {
		case one.Idle:
			idle++
		case one.Held:
			held++
		default:
			active++
		}
		number := strconv.Itoa(int(one.Partition))
		for _, n := range m.perPartition {
			if v, known := n.of(one); known {
				ch <- prometheus.MustNewConstMetric(n.desc, n.kind, v, p.Name, one.Topic, number)
			}
		}
	}
	if len(p.Partitions) == 0 {
		return
	}
	for state, n := range map[string]int{"active": active, "idle": idle, "held": held} {
		ch <- prometheus.MustNewConstMetric(m.partitions, prometheus.GaugeValue, float64(n), p.Name, state)
	}
}

// unix gives the seconds since 1970; false: there is no time.
func unix(t *time.Time) (float64, bool) {
	if t == nil {
		return 0, false
	}
	return float64(t.UnixMicro()) / float64(time.Second/time.Microsecond), true
}
