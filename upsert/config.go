package upsert

import (
	"fmt"
	"strings"
	"time"

	"cdcbridge/internal/kafkawire"
)

// Config says how a pipeline delivers: part of the `kafka:` section of the configuration.
type Config struct {
	// StateTopic holds the checkpoints of all pipelines of a tenant: compacted, 16 partitions.
	StateTopic string `mapstructure:"state_topic"`

	// StateReplication is the replication factor with which the state topic is created; 0 takes the cluster's default.
	StateReplication int `mapstructure:"state_replication"`

	// TransactionalIDPrefix stands before the pipeline's name in its transactional id. Tenants of one cluster differ in it.
	TransactionalIDPrefix string `mapstructure:"transactional_id_prefix"`

	// TransactionTimeout is the time after which Kafka aborts a transaction whose writer has fallen silent. Readers of the
	// topics wait that long in the worst case. A transaction is split at a third of it.
	TransactionTimeout time.Duration `mapstructure:"transaction_timeout"`

	// Compression of the record batches: none, gzip, snappy, lz4 or zstd.
	Compression string `mapstructure:"compression"`

	// CreateTopics lets the daemon create missing topics, the state topic included.
	CreateTopics bool `mapstructure:"create_topics"`

	// AtLeastOnce has rows written outside of transactions: readable at once, and again after a crash. It is a setting of each
	// pipeline.
	AtLeastOnce bool `mapstructure:"-"`
}

// DefaultConfig returns the defaults.
func DefaultConfig() Config {
	return Config{
		StateTopic:            "cdcbridge.state",
		TransactionalIDPrefix: "cdcbridge-",
		TransactionTimeout:    15 * time.Second,
		Compression:           "lz4",
		CreateTopics:          true,
	}
}

// Bounds of transaction_timeout: below, a stall of a broker would end every transaction; above, readers would wait too long
// for a daemon that is gone.
const (
	minTransactionTimeout = 3 * time.Second
	maxTransactionTimeout = 15 * time.Minute
)

// Validate returns every problem, each beginning with the setting's name.
func (c *Config) Validate() []error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if !validTopicName(c.StateTopic) {
		bad("state_topic: %q is no topic name: 1 to %d letters, digits, '.', '_' and '-'", c.StateTopic, maxTopicName)
	}
	if c.StateReplication < 0 || c.StateReplication > 1<<15-1 {
		bad("state_replication: %d is no number of replicas", c.StateReplication)
	}
	if c.TransactionTimeout < minTransactionTimeout || c.TransactionTimeout > maxTransactionTimeout {
		bad("transaction_timeout: %s is not between %s and %s", c.TransactionTimeout, minTransactionTimeout, maxTransactionTimeout)
	}
	if _, err := kafkawire.ParseCodec(c.Compression); err != nil {
		bad("compression: %w", err)
	}
	return errs
}

// validTopicName reports whether Kafka accepts name for a topic.
func validTopicName(name string) bool {
	const allowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-"
	return name != "" && name != "." && name != ".." && len(name) <= maxTopicName && only(name, allowed)
}

func only(s, allowed string) bool {
	for i := range len(s) {
		if strings.IndexByte(allowed, s[i]) < 0 {
			return false
		}
	}
	return true
}
