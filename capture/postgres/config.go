package postgres

import (
	"errors"
	"fmt"
	"hash/fnv"
	"strings"
	"time"

	"cdcbridge/capture"
)

// Config is the source section of a pipeline that reads PostgreSQL.
type Config struct {
	Host     string         `mapstructure:"host"`     // name, address, or directory of the server's socket; required
	Port     int            `mapstructure:"port"`     // default 5432
	Database string         `mapstructure:"database"` // a slot belongs to one database; required
	User     string         `mapstructure:"user"`     // needs REPLICATION, SELECT on the captured tables and, to make a publication, their ownership; required
	Password capture.Secret `mapstructure:"password"` // never printed
	TLS      capture.TLS    `mapstructure:"tls"`

	Tables        []string `mapstructure:"tables"`         // patterns "schema.table" with * and ?; required
	ExcludeTables []string `mapstructure:"exclude_tables"` // patterns of tables to leave out; default none

	SlotConfig   `mapstructure:",squash"`
	StreamConfig `mapstructure:",squash"`
}

// SlotConfig is about what the server keeps for the pipeline.
type SlotConfig struct {
	// Slot and Publication are names of a to z, 0 to 9 and _. Default: cdcbridge_ and the pipeline's name.
	Slot        string `mapstructure:"slot"`
	Publication string `mapstructure:"publication"`

	// Create is "both" (default): slot and publication are made when they are missing, and the publication gets the tables
	// that it lacks. "none": somebody else makes them, and the source only checks.
	Create string `mapstructure:"create"`

	Failover                bool `mapstructure:"failover"`                   // the slot is kept on standbys too; PostgreSQL 17 and later. Default false
	PublishViaPartitionRoot bool `mapstructure:"publish_via_partition_root"` // a partition's changes carry the partitioned table's name. Default true

	// Publish narrows what single tables publish. It is written when the source adds the table to its publication.
	Publish []Published `mapstructure:"publish"`
}

// Published is what the publication has of one table.
type Published struct {
	Table   string   `mapstructure:"table"`   // exact name, "schema.table"
	Columns []string `mapstructure:"columns"` // these only; default all
	Where   string   `mapstructure:"where"`   // rows for which this SQL condition is true; default all
}

// StreamConfig is about the stream of changes.
type StreamConfig struct {
	Origin    string `mapstructure:"origin"`    // "any" (default), or "none": leave out what the server itself replicated from elsewhere; PostgreSQL 16 and later
	Streaming bool   `mapstructure:"streaming"` // large transactions are sent before they commit. Default false
	Messages  bool   `mapstructure:"messages"`  // logical messages become notes of the changelog. Default false

	// OnTruncate is what to do at a TRUNCATE of a captured table: "fail" (default) stops with the code diverged, "note"
	// puts a note into the changelog and goes on.
	OnTruncate string `mapstructure:"on_truncate"`

	// UnchangedValues is what to do about large values that an update left as they were, which the log does not carry unless
	// the table has REPLICA IDENTITY FULL: "reread" (default) reads them from the table; "leave" hands the change on without
	// them, for outputs in changelog mode, where the format writes its placeholder.
	UnchangedValues string `mapstructure:"unchanged_values"`

	HeartbeatInterval time.Duration `mapstructure:"heartbeat_interval"` // how often an idle server is asked for its position; silence for three of them ends the attempt. Default 1s
	EmitInterval      time.Duration `mapstructure:"emit_interval"`      // how often a logical message is written, so that the log moves on an idle server. Default 0: never
	ConnectTimeout    time.Duration `mapstructure:"connect_timeout"`    // for connecting, and for each statement. Default 10s
	BatchBytes        int           `mapstructure:"batch_bytes"`        // size at which a batch goes out, bytes in memory. Default 1048576

	SpoolMemory int    `mapstructure:"spool_memory"` // with streaming: what transactions that have not ended may take in memory together, bytes. Default 16777216
	SpoolDir    string `mapstructure:"spool_dir"`    // with streaming: where the rest of them goes. Default the system's directory for temporary files
}

// Words of create, origin and on_truncate.
const (
	createBoth   = "both"
	createNone   = "none"
	originAny    = "any"
	originNone   = "none"
	truncateFail = "fail"
	truncateNote = "note"

	unchangedReread = "reread"
	unchangedLeave  = "leave"
)

const (
	minBatchBytes = 4 << 10
	maxBatchBytes = 64 << 20
	minSpool      = 1 << 20
	maxSpool      = 1 << 30
	maxName       = 63 // NAMEDATALEN of every ordinary build, without its end
)

// NewConfig gives a section with the defaults in it.
func NewConfig() capture.Config {
	return &Config{
		Port: 5432, TLS: capture.TLS{Mode: capture.TLSPreferred},
		SlotConfig: SlotConfig{Create: createBoth, PublishViaPartitionRoot: true},
		StreamConfig: StreamConfig{
			Origin: originAny, OnTruncate: truncateFail, UnchangedValues: unchangedReread, HeartbeatInterval: time.Second, ConnectTimeout: 10 * time.Second, BatchBytes: 1 << 20, SpoolMemory: 16 << 20,
		},
	}
}

// Validate returns every problem, each beginning with its key.
func (c *Config) Validate() []error {
	var errs []error
	for _, r := range []struct{ key, value string }{{"host", c.Host}, {"database", c.Database}, {"user", c.User}} {
		if r.value == "" {
			errs = append(errs, fmt.Errorf("%s: is required", r.key))
		} else if strings.ContainsRune(r.value, 0) {
			errs = append(errs, fmt.Errorf("%s: has a zero byte in it", r.key))
		}
	}
	if c.Port < 1 || c.Port > 65535 {
		errs = append(errs, fmt.Errorf("port: %d is not a port number", c.Port))
	}
	if len(c.Tables) == 0 {
		errs = append(errs, errors.New(`tables: is required, for example ["public.*"]`))
	} else if _, err := capture.NewFilter(c.Tables, nil); err != nil {
		errs = append(errs, fmt.Errorf("tables: %w", err))
	}
	if _, err := capture.NewFilter(nil, c.ExcludeTables); err != nil {
		errs = append(errs, fmt.Errorf("exclude_tables: %w", err))
	}
	errs = append(errs, c.TLS.Validate()...)
	errs = append(errs, c.SlotConfig.validate()...)
	return append(errs, c.StreamConfig.validate()...)
}

func (c *SlotConfig) validate() []error {
	var errs []error
	for _, n := range []struct{ key, value string }{{"slot", c.Slot}, {"publication", c.Publication}} {
		if n.value != "" && (len(n.value) > maxName || serverName(n.value) != n.value) {
			errs = append(errs, fmt.Errorf("%s: %q is not a name of at most %d letters a to z, digits and _", n.key, n.value, maxName))
		}
	}
	if c.Create != createBoth && c.Create != createNone {
		errs = append(errs, fmt.Errorf("create: %q is neither %q nor %q", c.Create, createBoth, createNone))
	}
	seen := map[string]bool{}
	for i, p := range c.Publish {
		schema, table, ok := strings.Cut(p.Table, ".")
		switch {
		case !ok || schema == "" || table == "":
			errs = append(errs, fmt.Errorf("publish[%d].table: %q is not of the form schema.table", i, p.Table))
		case seen[p.Table]:
			errs = append(errs, fmt.Errorf("publish[%d].table: %s was named before", i, p.Table))
		case len(p.Columns) == 0 && p.Where == "":
			errs = append(errs, fmt.Errorf("publish[%d].columns: neither columns nor where is given", i))
		case c.Create == createNone:
			errs = append(errs, fmt.Errorf("publish[%d].table: has no effect when create is %q", i, createNone))
		}
		seen[p.Table] = true
	}
	return errs
}

func (c *StreamConfig) validate() []error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if c.Origin != originAny && c.Origin != originNone {
		bad("origin: %q is neither %q nor %q", c.Origin, originAny, originNone)
	}
	if c.OnTruncate != truncateFail && c.OnTruncate != truncateNote {
		bad("on_truncate: %q is neither %q nor %q", c.OnTruncate, truncateFail, truncateNote)
	}
	if c.UnchangedValues != unchangedReread && c.UnchangedValues != unchangedLeave {
		bad("unchanged_values: %q is neither %q nor %q", c.UnchangedValues, unchangedReread, unchangedLeave)
	}
	if c.HeartbeatInterval < 100*time.Millisecond || c.HeartbeatInterval > time.Hour {
		bad("heartbeat_interval: %v is not between 100ms and 1h", c.HeartbeatInterval)
	}
	if c.EmitInterval != 0 && c.EmitInterval < 100*time.Millisecond {
		bad("emit_interval: %v is neither 0 nor 100ms or more", c.EmitInterval)
	}
	if c.ConnectTimeout < 100*time.Millisecond {
		bad("connect_timeout: %v is less than 100ms", c.ConnectTimeout)
	}
	if c.BatchBytes < minBatchBytes || c.BatchBytes > maxBatchBytes {
		bad("batch_bytes: %d is not between %d and %d", c.BatchBytes, minBatchBytes, maxBatchBytes)
	}
	if c.SpoolMemory < minSpool || c.SpoolMemory > maxSpool {
		bad("spool_memory: %d is not between %d and %d", c.SpoolMemory, minSpool, maxSpool)
	}
	if c.Streaming && c.Messages {
		bad("messages: cannot be combined with streaming: the server does not say which of a transaction's savepoints a message belongs to")
	}
	return errs
}

// resolved is the configuration with the names that depend on the pipeline's.
func (c *Config) resolved(pipeline string) *Config {
	r := *c
	name := serverName("cdcbridge_" + strings.ToLower(pipeline))
	if len(name) > maxName {
		h := fnv.New32a()
		_, _ = h.Write([]byte(pipeline))
		name = fmt.Sprintf("%s_%08x", name[:maxName-9], h.Sum32())
	}
	if r.Slot == "" {
		r.Slot = name
	}
	if r.Publication == "" {
		r.Publication = name
	}
	return &r
}

// serverName puts _ in the place of every byte that a slot's name must not have.
func serverName(s string) string {
	b := []byte(s)
	for i, c := range b {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '_' {
			b[i] = '_'
		}
	}
	return string(b)
}

// New makes the source. It does no I/O.
func (c *Config) New(env capture.Env) capture.Source { return newSource(c, env) }

// Checker makes the preflight of the same server. It does no I/O.
func (c *Config) Checker(env capture.Env) capture.Checker {
	return &checker{cfg: c.resolved(env.Pipeline), env: env}
}
