package daemon

import (
	"time"

	"cdcbridge/capture"
)

// PartitionProgress is where a pipeline stands in one partition that it reads, in /status.
type PartitionProgress struct {
	capture.PartitionStats
	Lag       *int64     `json:"lag"`                 // offsets that are there and not read; null: not known
	Watermark *time.Time `json:"watermark,omitempty"` // in place of the number
}

// partitionOf says where the source stands in a partition.
func partitionOf(p capture.PartitionStats) PartitionProgress {
	progress := PartitionProgress{PartitionStats: p, Watermark: timeOf(p.Watermark)}
	if p.End >= 0 {
		lag := max(0, p.End-p.Offset)
		progress.Lag = &lag
	}
	return progress
}

func (p *PipelineStatus) partitions(all []capture.PartitionStats) {
	for _, one := range all {
		p.Partitions = append(p.Partitions, partitionOf(one))
	}
}

// Pending is how many records are there and not read, as far as that is known: aborted records and markers of transactions count too.
// It is false for a source that reads no topics, or knows of no partition's end.
func (p *PipelineStatus) Pending() (sum int64, known bool) {
	for i := range p.Partitions {
		if lag := p.Partitions[i].Lag; lag != nil {
			sum, known = sum+*lag, true
		}
	}
	return sum, known
}
