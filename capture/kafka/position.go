package kafka

import (
	"encoding/json"
	"fmt"

	"cdcbridge/changelog"
	"cdcbridge/internal/fault"
)

// position is what the pipeline's position says. Where the source stands is in the states of the partitions; the position binds them
// to a cluster, and moves whenever one of them does.
type position struct {
	Cluster string `json:"cluster"`
	Records uint64 `json:"records"` // offsets passed since the pipeline's first start

	Watermark int64 `json:"watermark,omitempty"` // of the pipeline, microseconds since the Unix epoch: it never goes back
}

func (p *position) text() (changelog.Position, error) {
	text, err := json.Marshal(p)
	if err != nil {
		return "", fault.NewFinal(fault.Internal, "writing the position", err, "Report this as a bug.")
	}
	return changelog.Position(text), nil
}

func parsePosition(text changelog.Position) (position, error) {
	var p position
	err := json.Unmarshal([]byte(text), &p)
	if err == nil && p.Cluster == "" {
		err = fmt.Errorf("it names no cluster")
	}
	if err != nil {
		return p, fault.NewFinal(fault.WrongServer, "reading the position", fmt.Errorf("%.200q: %w", text, err),
			"The checkpoint is that of a source of another type. Give the pipeline a new name, or begin anew with cdcbridge reset.")
	}
	return p, nil
}

// serves makes sure that the offsets of a checkpoint are those of this cluster.
func (p *position) serves(cluster string) error {
	if p.Cluster == cluster {
		return nil
	}
	return fault.NewFinal(fault.WrongServer, "checking the cluster", fmt.Errorf("the checkpoint is of the cluster %s and the brokers belong to %s", p.Cluster, cluster),
		"Offsets mean nothing in another cluster. Correct brokers, or begin anew with cdcbridge reset --to earliest or --to timestamp.")
}
