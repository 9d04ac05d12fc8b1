package mysql

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"cdcbridge/capture"
)

// Config is the source section of a pipeline that reads MySQL.
type Config struct {
	Host     string         `mapstructure:"host"`     // name, address, or path of the server's socket; required unless there are hosts
	Hosts    []string       `mapstructure:"hosts"`    // servers of one replication topology, as name or name:port, instead of host: the first that answers and can go on from the checkpoint is read. Default none
	Port     int            `mapstructure:"port"`     // default 3306
	User     string         `mapstructure:"user"`     // needs REPLICATION SLAVE, REPLICATION CLIENT and SELECT on the captured tables; required
	Password capture.Secret `mapstructure:"password"` // never printed
	TLS      capture.TLS    `mapstructure:"tls"`

	Tables        []string `mapstructure:"tables"`         // patterns "database.table" with * and ?; required
	ExcludeTables []string `mapstructure:"exclude_tables"` // patterns of tables to leave out; default none

	// Start is where to begin without a checkpoint: "earliest" (the oldest log that the server has), "latest", or a GTID set of
	// transactions that are taken as done. Default "latest" when tables are read (snapshot), else "earliest".
	Start string `mapstructure:"start"`

	// ServerID is how the stream registers with the server. It must differ from every other replica's, or the two kick each
	// other off for ever. Default 0: random at each start.
	ServerID uint32 `mapstructure:"server_id"`

	HeartbeatInterval time.Duration `mapstructure:"heartbeat_interval"` // how often an idle server says so; silence for three of them ends the attempt. Default 1s
	ConnectTimeout    time.Duration `mapstructure:"connect_timeout"`    // for connecting, and for each statement before streaming. Default 10s

	// OnTruncate is what to do at a statement that changes rows of a captured table without logging them: TRUNCATE, DROP
	// TABLE, partition and tablespace statements, renames, ALTER TABLE that fills or converts columns. "fail" (default)
	// stops with the code diverged; "note" puts the statement into the changelog as one that changed rows and goes on; "ignore"
	// goes on as if it had changed none.
	OnTruncate string `mapstructure:"on_truncate"`

	// ShadowTables are patterns "database.table" of the tables that tools for online schema changes work with. They are not
	// captured, but for one that Tables names without wildcards. What happens to
	// them changes no rows of others, and a RENAME that swaps one with a captured table is an ALTER TABLE of that table. Default
	// are the names of gh-ost and pt-online-schema-change.
	ShadowTables []string `mapstructure:"shadow_tables"`

	// AcceptFKCascade names tables ("database.table") whose rows a foreign key may change without the log showing it.
	AcceptFKCascade []string `mapstructure:"accept_fk_cascade"`

	// SnapshotLock allows LOCK TABLES … READ for some milliseconds a chunk where tables cannot be read without: on a server
	// without GTIDs, and, for as long as the chunk is read, of an engine other than InnoDB. It needs the right LOCK TABLES. Default
	// false: such tables are refused.
	SnapshotLock bool `mapstructure:"snapshot_lock"`

	// UnchangedValues is what to do about values of a new row that the log does not carry unless binlog_row_image is FULL and
	// binlog_row_value_options empty: "reread" (default) reads them from the table; "leave" hands the change on without them, for
	// outputs in changelog mode, where the format writes its placeholder if it has one.
	UnchangedValues string `mapstructure:"unchanged_values"`

	// IncludeQuery hands the statement on with the rows that it changed, where the log has it: with binlog_rows_query_log_events on MySQL,
	// binlog_annotate_row_events on MariaDB. Default false.
	IncludeQuery bool `mapstructure:"include_query"`

	BatchBytes int `mapstructure:"batch_bytes"` // size at which a batch goes out, bytes in memory. Default 2097152
}

// Words of start and on_truncate.
const (
	startEarliest = "earliest"
	startLatest   = "latest"
	truncateFail  = "fail"
	truncateNote  = "note"

	truncateIgnore = "ignore"
)

// Words of unchanged_values.
const (
	unchangedReread = "reread"
	unchangedLeave  = "leave"
)

const (
	minBatchBytes = 4 << 10
	maxBatchBytes = 64 << 20
)

// NewConfig gives a section with the defaults in it.
func NewConfig() capture.Config {
	return &Config{
		UnchangedValues: unchangedReread,

		Port: 3306, TLS: capture.TLS{Mode: capture.TLSPreferred}, HeartbeatInterval: time.Second,
		ConnectTimeout: 10 * time.Second, OnTruncate: truncateFail, BatchBytes: 2 << 20,
		ShadowTables: []string{"*._*_gho", "*._*_ghc", "*._*_del", "*._*_new", "*._*_old"},
	}
}

// Validate returns every problem, each beginning with its key.
func (c *Config) Validate() []error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	c.validateHosts(bad)
	if c.User == "" {
		bad("user: is required")
	}
	if len(c.Tables) == 0 {
		bad(`tables: is required, for example ["shop.*"]`)
	} else if _, err := capture.NewFilter(c.Tables, nil); err != nil {
		bad("tables: %w", err)
	}
	if _, err := capture.NewFilter(nil, c.ExcludeTables); err != nil {
		bad("exclude_tables: %w", err)
	}
	if _, err := capture.NewFilter(c.AcceptFKCascade, nil); err != nil {
		bad("accept_fk_cascade: %w", err)
	}
	if err := validateStart(c.Start); err != nil {
		bad("start: %w", err)
	}
	if c.HeartbeatInterval < 100*time.Millisecond || c.HeartbeatInterval > time.Hour {
		bad("heartbeat_interval: %v is not between 100ms and 1h", c.HeartbeatInterval)
	}
	if c.ConnectTimeout < 100*time.Millisecond {
		bad("connect_timeout: %v is less than 100ms", c.ConnectTimeout)
	}
	if c.OnTruncate != truncateFail && c.OnTruncate != truncateNote && c.OnTruncate != truncateIgnore {
		bad("on_truncate: %q is neither %q nor %q nor %q", c.OnTruncate, truncateFail, truncateNote, truncateIgnore)
	}
	if _, err := capture.NewFilter(nil, c.ShadowTables); err != nil {
		bad("shadow_tables: %w", err)
	}
	if c.BatchBytes < minBatchBytes || c.BatchBytes > maxBatchBytes {
		bad("batch_bytes: %d is not between %d and %d", c.BatchBytes, minBatchBytes, maxBatchBytes)
	}
	if c.UnchangedValues != unchangedReread && c.UnchangedValues != unchangedLeave {
		bad("unchanged_values: %q is neither %q nor %q", c.UnchangedValues, unchangedReread, unchangedLeave)
	}
	return append(errs, c.TLS.Validate()...)
}

func validateStart(start string) error {
	if start == "" || start == startEarliest || start == startLatest {
		return nil
	}
	if state, err := parseDomainState(start); err == nil && !state.empty() {
		return nil // of MariaDB
	}
	set, err := parseGTIDSet(start)
	if err == nil && set.empty() {
		err = errors.New("it is empty")
	}
	if err != nil {
		return fmt.Errorf("%q is neither %q nor %q nor a GTID set: %w", start, startEarliest, startLatest, err)
	}
	return nil
}

// filter is what decides which tables are captured.
func (c *Config) filter() (*capture.Filter, error) {
	exclude := slices.Clone(c.ExcludeTables)
	for _, p := range c.ShadowTables {
		f, err := capture.NewFilter([]string{p}, nil)
		if err != nil {
			return nil, err
		}
		named := slices.ContainsFunc(c.Tables, func(t string) bool {
			database, table, _ := strings.Cut(t, ".")
			return !strings.ContainsAny(t, "*?") && f.Match(database, table)
		})
		if !named {
			exclude = append(exclude, p)
		}
	}
	return capture.NewFilter(c.Tables, exclude)
}

// aside is the configuration of a source with Env.Aside. Its server id is a random one: the pipeline's own would end its stream.
func (c *Config) aside() *Config {
	a := *c
	a.Start, a.ServerID, a.OnTruncate, a.UnchangedValues = startLatest, 0, truncateNote, unchangedLeave
	return &a
}

// New makes the source. It does no I/O.
func (c *Config) New(env capture.Env) capture.Source { return newSource(c, env) }

// Checker makes the preflight of the same server. It does no I/O.
func (c *Config) Checker(env capture.Env) capture.Checker { return &checker{cfg: c, env: env} }
