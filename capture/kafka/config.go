package kafka

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"time"

	"cdcbridge/capture"
	"cdcbridge/formats"
	"cdcbridge/internal/kafkawire"
)

// Config is the source section of a pipeline that reads topics.
type Config struct {
	// Cluster is where the topics are. Without brokers it is the cluster that the pipeline writes to, with its tls and sasl.
	Cluster kafkawire.Config `mapstructure:",squash"`

	TopicsConfig   `mapstructure:",squash"`
	MessagesConfig `mapstructure:",squash"`
	OffsetsConfig  `mapstructure:",squash"`
	OrderConfig    `mapstructure:",squash"`

	Start     StartConfig     `mapstructure:"start"`
	End       EndConfig       `mapstructure:"end"`
	Watermark WatermarkConfig `mapstructure:"watermark"`

	BatchBytes int `mapstructure:"batch_bytes"` // size at which a batch goes out, bytes in memory. Default 1048576

	format formats.ReaderMaker
	target kafkawire.Config
}

// TopicsConfig says which topics are read.
type TopicsConfig struct {
	Topics            []string      `mapstructure:"topics"`             // exact names
	TopicPattern      string        `mapstructure:"topic_pattern"`      // instead or beside: a regular expression (RE2) for whole names
	Exclude           []string      `mapstructure:"exclude"`            // exact names that the pattern does not mean; default none
	DiscoveryInterval time.Duration `mapstructure:"discovery_interval"` // how often new topics and partitions are looked for. Default 30s; 0: only at the start
}

// MessagesConfig says what the records are, and what becomes of those that are no rows.
type MessagesConfig struct {
	Format            string `mapstructure:"format"`              // of the messages; required
	IgnoreParseErrors bool   `mapstructure:"ignore_parse_errors"` // records that cannot be read are left out and counted. Default false: they stop the pipeline
	DeadLetter        string `mapstructure:"dead_letter"`         // topic that such records go to, as they are; default none. It implies that they do not stop the pipeline

	// OnTruncate is what to do about a truncated table: "fail" (default) stops with the code diverged, "ignore" leaves its rows in
	// the target, "tombstone" ends all of them there.
	OnTruncate string `mapstructure:"on_truncate"`
}

// OffsetsConfig says what becomes of offsets.
type OffsetsConfig struct {
	Group         string `mapstructure:"group"`          // consumer group that offsets are committed for. Default: cdcbridge- and the pipeline's name
	CommitOffsets bool   `mapstructure:"commit_offsets"` // for tools that look at lag, and for start.from committed. Default true

	// OnOffsetLost is what to do when a topic no longer has the records to go on with: "fail" (default) stops with the code
	// offset_lost, "earliest" goes on with the first ones that it has.
	OnOffsetLost string `mapstructure:"on_offset_lost"`
}

// OrderConfig says in which order partitions are read, and what is left out.
type OrderConfig struct {
	// Order is "none" (default): each partition in its own order; or "source": the partitions of a topic are merged by the positions
	// that the messages have in the log of their database.
	Order            string        `mapstructure:"order"`
	OrderIdleTimeout time.Duration `mapstructure:"order_idle_timeout"` // with source: how long a partition without records is waited for. Default 5s

	Deduplicate bool `mapstructure:"deduplicate"` // leave out what was read before, by its position in the log of the database. Default false
}

// StartConfig says where the pipeline begins, at its first start, in the partitions that there are then.
type StartConfig struct {
	From      string            `mapstructure:"from"`      // earliest (default), latest, committed (offsets of the group), timestamp or offsets
	Timestamp string            `mapstructure:"timestamp"` // with timestamp: 2026-01-31T12:00:00Z or milliseconds since 1970
	Offsets   []PartitionOffset `mapstructure:"offsets"`   // with offsets
	Fallback  string            `mapstructure:"fallback"`  // where the mode has no offset for a partition: earliest, latest, or fail (default)
}

// EndConfig says where a bounded run ends. It is resolved once, at the pipeline's first start.
type EndConfig struct {
	At        string            `mapstructure:"at"`        // none (default), latest, timestamp or offsets
	Timestamp string            `mapstructure:"timestamp"` // with timestamp: up to the first record of that time or later
	Offsets   []PartitionOffset `mapstructure:"offsets"`   // with offsets: up to, without it
}

// PartitionOffset is an offset of one partition.
type PartitionOffset struct {
	Topic     string `mapstructure:"topic"`
	Partition int32  `mapstructure:"partition"`
	Offset    int64  `mapstructure:"offset"`
}

// WatermarkConfig says what time it is in a topic.
type WatermarkConfig struct {
	From        string        `mapstructure:"from"`         // record (its timestamp), source (default: what the message says of the change in the database) or column
	Column      string        `mapstructure:"column"`       // with column: its name
	Lateness    time.Duration `mapstructure:"lateness"`     // how much earlier than the greatest event time so far a change may be. Default 0
	IdleTimeout time.Duration `mapstructure:"idle_timeout"` // after how much silence a partition is not waited for. Default 0: never
	MaxDrift    time.Duration `mapstructure:"max_drift"`    // how far a partition may be ahead of the slowest one before it is not read for a while. Default 0: as far as it gets
}

// Words of the settings.
const (
	fromEarliest  = "earliest"
	fromLatest    = "latest"
	fromCommitted = "committed"
	fromTimestamp = "timestamp"
	fromOffsets   = "offsets"
	wordFail      = "fail"
	wordNone      = "none"

	truncateIgnore    = "ignore"
	truncateTombstone = "tombstone"

	orderSource = "source"

	timeOfRecord = "record"
	timeOfSource = "source"
	timeOfColumn = "column"
)

const (
	minBatchBytes = 4 << 10
	maxBatchBytes = 64 << 20
)

// NewConfig gives a section with the defaults in it.
func NewConfig() capture.Config {
	return &Config{
		TopicsConfig:   TopicsConfig{DiscoveryInterval: 30 * time.Second},
		MessagesConfig: MessagesConfig{OnTruncate: wordFail},
		OffsetsConfig:  OffsetsConfig{CommitOffsets: true, OnOffsetLost: wordFail},
		OrderConfig:    OrderConfig{Order: wordNone, OrderIdleTimeout: 5 * time.Second},
		Start:          StartConfig{From: fromEarliest, Fallback: wordFail},
		End:            EndConfig{At: wordNone},
		Watermark:      WatermarkConfig{From: timeOfSource},
		BatchBytes:     1 << 20,
	}
}

// MessageFormat is the name of the format of the messages.
func (c *Config) MessageFormat() string { return c.Format }

// Read gives what reads the messages, and the cluster that the pipeline writes to.
func (c *Config) Read(format formats.ReaderMaker, target kafkawire.Config) {
	c.format, c.target = format, target
}

// aside is the configuration of a source with Env.Aside.
func (c *Config) aside() *Config {
	a := *c
	a.CommitOffsets, a.OnTruncate, a.OnOffsetLost = false, truncateIgnore, fromEarliest
	a.Start, a.End = StartConfig{From: fromLatest, Fallback: wordFail}, EndConfig{At: wordNone}
	return &a
}

// New makes the source. It does no I/O.
func (c *Config) New(env capture.Env) capture.Source { return newSource(c, env) }

// Checker makes the preflight of the same topics. It does no I/O.
func (c *Config) Checker(env capture.Env) capture.Checker { return newChecker(c, env) }

// wire is how to reach the topics.
func (c *Config) wire() kafkawire.Config {
	w := c.Cluster
	if len(w.Brokers) == 0 {
		return c.target
	}
	if w.RequestTimeout == 0 {
		w.RequestTimeout = c.target.RequestTimeout
	}
	if w.ClientID == "" {
		w.ClientID = c.target.ClientID
	}
	return w
}

// group is the consumer group that offsets are committed for.
func (c *Config) group(pipeline string) string {
	if c.Group != "" {
		return c.Group
	}
	return "cdcbridge-" + pipeline
}

// ParksIn implements capture.Parker.
func (c *Config) ParksIn() string { return c.DeadLetter }

// skips reports that a record that cannot be read does not stop the pipeline.
func (c *Config) skips() bool { return c.IgnoreParseErrors || c.DeadLetter != "" }

// bounded reports a run that ends.
func (c *Config) bounded() bool { return c.End.At != wordNone }

// Validate returns every problem, each beginning with its key.
func (c *Config) Validate() []error {
	var errs []error
	if len(c.Cluster.Brokers) > 0 {
		errs = append(errs, c.Cluster.Validate()...)
	} else if c.Cluster.TLS != (kafkawire.TLS{}) || c.Cluster.SASL != (kafkawire.SASL{}) {
		errs = append(errs, errors.New("brokers: is required beside tls and sasl; without all of them the topics are those of the cluster in the kafka section"))
	}
	errs = append(errs, c.TopicsConfig.validate()...)
	errs = append(errs, c.MessagesConfig.validate(c)...)
	errs = append(errs, c.Start.validate()...)
	errs = append(errs, c.End.validate()...)
	errs = append(errs, c.Watermark.validate()...)
	errs = append(errs, oneOf("on_offset_lost", c.OnOffsetLost, wordFail, fromEarliest)...)
	errs = append(errs, oneOf("order", c.Order, wordNone, orderSource)...)
	if c.Order == orderSource && c.Watermark.MaxDrift > 0 {
		errs = append(errs, errors.New("watermark.max_drift: does not go together with order: source, which keeps partitions together as it is"))
	}
	if c.OrderIdleTimeout < 10*time.Millisecond {
		errs = append(errs, fmt.Errorf("order_idle_timeout: %v is less than 10ms", c.OrderIdleTimeout))
	}
	if len(c.Group) > maxGroup {
		errs = append(errs, fmt.Errorf("group: is longer than %d bytes", maxGroup))
	}
	if c.BatchBytes < minBatchBytes || c.BatchBytes > maxBatchBytes {
		errs = append(errs, fmt.Errorf("batch_bytes: %d is not between %d and %d", c.BatchBytes, minBatchBytes, maxBatchBytes))
	}
	return errs
}

const maxGroup = 1000

func (c *TopicsConfig) validate() []error {
	var errs []error
	if len(c.Topics) == 0 && c.TopicPattern == "" {
		errs = append(errs, errors.New(`topics: is required, for example ["shop.public.orders"], or topic_pattern`))
	}
	if _, err := regexp.Compile(c.TopicPattern); err != nil {
		errs = append(errs, fmt.Errorf("topic_pattern: %w", err))
	}
	for _, list := range []struct {
		key   string
		names []string
	}{{"topics", c.Topics}, {"exclude", c.Exclude}} {
		for i, name := range list.names {
			if err := topicName(name); err != nil {
				errs = append(errs, fmt.Errorf("%s[%d]: %w", list.key, i, err))
			} else if slices.Contains(list.names[:i], name) {
				errs = append(errs, fmt.Errorf("%s[%d]: %s was named before", list.key, i, name))
			}
		}
	}
	for i, name := range c.Exclude {
		if slices.Contains(c.Topics, name) {
			errs = append(errs, fmt.Errorf("exclude[%d]: %s is one of topics", i, name))
		}
	}
	if c.DiscoveryInterval != 0 && c.DiscoveryInterval < 100*time.Millisecond {
		errs = append(errs, fmt.Errorf("discovery_interval: %v is neither 0 nor 100ms or more", c.DiscoveryInterval))
	}
	return errs
}

var topicNames = regexp.MustCompile(`^[a-zA-Z0-9._-]{1,249}$`)

func topicName(name string) error {
	if !topicNames.MatchString(name) || name == "." || name == ".." {
		return fmt.Errorf("%q is not the name of a topic: 1 to 249 letters, digits, '.', '_' and '-'", name)
	}
	return nil
}

func (c *MessagesConfig) validate(all *Config) []error {
	errs := oneOf("on_truncate", c.OnTruncate, wordFail, truncateIgnore, truncateTombstone)
	if c.DeadLetter == "" {
		return errs
	}
	if err := topicName(c.DeadLetter); err != nil {
		return append(errs, fmt.Errorf("dead_letter: %w", err))
	}
	if slices.Contains(all.Topics, c.DeadLetter) {
		errs = append(errs, fmt.Errorf("dead_letter: %s is one of topics", c.DeadLetter))
	}
	return errs
}

func (c *StartConfig) validate() []error {
	errs := oneOf("start.from", c.From, fromEarliest, fromLatest, fromCommitted, fromTimestamp, fromOffsets)
	errs = append(errs, oneOf("start.fallback", c.Fallback, fromEarliest, fromLatest, wordFail)...)
	return append(errs, places("start", "from", c.From, c.Timestamp, c.Offsets)...)
}

func (c *EndConfig) validate() []error {
	errs := oneOf("end.at", c.At, wordNone, fromLatest, fromTimestamp, fromOffsets)
	return append(errs, places("end", "at", c.At, c.Timestamp, c.Offsets)...)
}

func (c *WatermarkConfig) validate() []error {
	errs := oneOf("watermark.from", c.From, timeOfRecord, timeOfSource, timeOfColumn)
	if (c.From == timeOfColumn) != (c.Column != "") {
		errs = append(errs, fmt.Errorf("watermark.column: goes together with from: %s", timeOfColumn))
	}
	for _, d := range []struct {
		key   string
		value time.Duration
	}{{"lateness", c.Lateness}, {"idle_timeout", c.IdleTimeout}, {"max_drift", c.MaxDrift}} {
		if d.value < 0 {
			errs = append(errs, fmt.Errorf("watermark.%s: must not be negative", d.key))
		}
	}
	return errs
}
