// Package pipeline runs one attempt of one pipeline: from the durable checkpoint until it is stopped or something fails.
//
//	Source ──Batch──▶ feeder (byte budget, plans) ──▶ workers (encode, compress) ──▶ committer (in order) ──▶ Kafka
//
// Each arrow is bounded, so back-pressure reaches the source's socket. Any failure ends the attempt; the supervisor in
// internal/daemon decides whether there is another one, which then opens everything anew from the checkpoint.
package pipeline

import (
	"fmt"
	"time"

	"cdcbridge/capture"
	"cdcbridge/internal/kafkawire"
	"cdcbridge/upsert"
)

// Spec is everything that defines a pipeline. It is immutable and serves any number of attempts.
type Spec struct {
	Name     string
	Source   capture.Config
	Outputs  []upsert.Output
	Tables   []upsert.TableRule
	Kafka    kafkawire.Config
	Delivery upsert.Config
	Snapshot capture.SnapshotConfig
	Commit   CommitPolicy
	Memory   int64 // bytes of batches and chunks in flight, at most
	Workers  int   // encode goroutines

	ProgressTopic string // topic that gets a record with the watermark in each Kafka transaction; "": none
}

// CommitPolicy says when a Kafka transaction is committed. A transaction ends at a source transaction's boundary when
// MaxInterval or MaxBytes is reached, or sooner when the source is drained and MinGap has passed since the last commit, three times MinGap
// while more is always waiting but is no backlog.
type CommitPolicy struct {
	MinGap       time.Duration `mapstructure:"min_gap"`       // at least this long between two commits
	MaxInterval  time.Duration `mapstructure:"max_interval"`  // age at which a transaction is committed
	MaxBytes     int64         `mapstructure:"max_bytes"`     // size at which a transaction is committed
	IdleInterval time.Duration `mapstructure:"idle_interval"` // how often a position is written when no rows come
}

// DefaultCommitPolicy favours latency: a lone change is readable in milliseconds, a busy stream gets big transactions.
func DefaultCommitPolicy() CommitPolicy {
	return CommitPolicy{MinGap: 15 * time.Millisecond, MaxInterval: 500 * time.Millisecond, MaxBytes: 16 << 20, IdleInterval: 10 * time.Second}
}

// Validate returns every problem.
func (c CommitPolicy) Validate() []error {
	var errs []error
	if c.MinGap < 0 {
		errs = append(errs, fmt.Errorf("min_gap: must not be negative"))
	}
	if c.MaxInterval <= 0 || c.MaxInterval < c.MinGap {
		errs = append(errs, fmt.Errorf("max_interval: must be positive and not below min_gap"))
	}
	if c.MaxBytes <= 0 {
		errs = append(errs, fmt.Errorf("max_bytes: must be positive"))
	}
	if c.IdleInterval <= 0 {
		errs = append(errs, fmt.Errorf("idle_interval: must be positive"))
	}
	return errs
}

// DefaultMemory and DefaultWorkers are the defaults of Spec's fields.
const (
	DefaultMemory  = 48 << 20
	DefaultWorkers = 2
)
