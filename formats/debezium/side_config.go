package debezium

import (
	"fmt"
	"time"
)

// SideConfig says what is written beside the rows. All of it goes to topics of its own but truncations, and nothing is written
// unless it is asked for.
type SideConfig struct {
	// ProvideTransactionMetadata fills the transaction block of rows and writes a record where each transaction begins and ends:
	// provide.transaction.metadata.
	ProvideTransactionMetadata bool `mapstructure:"provide_transaction_metadata"`

	// TopicTransaction is how the name of their topic ends: topic.transaction.
	TopicTransaction string `mapstructure:"topic_transaction"`

	// IncludeSchemaChanges writes a record for each statement that changes the definition of a captured table of MySQL or MariaDB:
	// include.schema.changes.
	IncludeSchemaChanges bool `mapstructure:"include_schema_changes"`

	// IncludeLogicalMessages writes a record for each logical message of PostgreSQL, which the source has to bring. Debezium has no
	// such option: it always writes them.
	IncludeLogicalMessages bool `mapstructure:"include_logical_messages"`

	// HeartbeatIntervalMs is how often a record shows that the pipeline lives, milliseconds; 0: never: heartbeat.interval.ms.
	HeartbeatIntervalMs int `mapstructure:"heartbeat_interval_ms"`

	// TopicHeartbeatPrefix is how the name of their topic begins: topic.heartbeat.prefix.
	TopicHeartbeatPrefix string `mapstructure:"topic_heartbeat_prefix"`

	// SkippedOperations is t, or none: a TRUNCATE is written to its table's topic, in mode changelog: skipped.operations. Rows are never skipped.
	SkippedOperations string `mapstructure:"skipped_operations"`
}

// Values of SideConfig.SkippedOperations.
const (
	skipTruncate = "t"
	skipNone     = "none"
)

func defaultSides() SideConfig {
	return SideConfig{TopicTransaction: "transaction", TopicHeartbeatPrefix: "__debezium-heartbeat", SkippedOperations: skipTruncate}
}

// maxHeartbeat is a day: what is rarer shows nothing.
const maxHeartbeat = 24 * time.Hour

func (c *SideConfig) validate() []error {
	var errs []error
	if c.TopicTransaction == "" {
		errs = append(errs, fmt.Errorf("topic_transaction: must not be empty"))
	}
	if c.TopicHeartbeatPrefix == "" {
		errs = append(errs, fmt.Errorf("topic_heartbeat_prefix: must not be empty"))
	}
	if n := c.HeartbeatIntervalMs; n < 0 || n > int(maxHeartbeat/time.Millisecond) {
		errs = append(errs, fmt.Errorf("heartbeat_interval_ms: %d is not between 0 and %d", n, maxHeartbeat/time.Millisecond))
	}
	switch c.SkippedOperations {
	case skipTruncate, skipNone:
	case "c", "u", "d":
		errs = append(errs, fmt.Errorf("skipped_operations: rows are never skipped: it is t or none, not %q", c.SkippedOperations))
	default:
		errs = append(errs, fmt.Errorf("skipped_operations: %q is neither t nor none", c.SkippedOperations))
	}
	return errs
}
