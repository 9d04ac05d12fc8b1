package capture

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// SnapshotMode says when a pipeline reads its tables.
type SnapshotMode string

// Modes of snapshots.
const (
	SnapshotInitial    SnapshotMode = "initial"     // every table once, when the pipeline or the table is new
	SnapshotNever      SnapshotMode = "never"       // only when it is asked for
	SnapshotWhenNeeded SnapshotMode = "when_needed" // as initial, and all of them again when the server has lost the position
	SnapshotOnly       SnapshotMode = "only"        // as initial; when all tables are read the pipeline ends
)

// SnapshotConfig is the snapshot section of a pipeline.
type SnapshotConfig struct {
	Mode    SnapshotMode `mapstructure:"mode"`    // default initial
	Readers int          `mapstructure:"readers"` // connections that read tables, each its own chunk. Default 2

	// A chunk is what one statement reads and one Kafka transaction holds, with the place where to go on. An ALTER TABLE waits for
	// one chunk at most. A table without key is read in one piece, which may be four times as large and take a minute.
	ChunkTime  time.Duration `mapstructure:"chunk_time"`  // how long the read of a chunk should take. Default 200ms
	ChunkBytes int           `mapstructure:"chunk_bytes"` // how large a chunk may become, bytes in memory. Default 4194304

	// SignalTable is a captured table ("schema.table") whose inserted rows are requests, as Debezium's signal table. Its rows are not
	// written to any topic. Default none.
	SignalTable string `mapstructure:"signal_table"`

	Tables []SnapshotTable `mapstructure:"tables"` // what is special about single tables; default nothing

	// Skips tells further tables that are read only when asked; nil: none. It is no setting: it comes from what is made of the tables.
	Skips func(schema, table string) bool `mapstructure:"-"`
}

// SnapshotTable is what is special about the snapshot of a table.
type SnapshotTable struct {
	Name     string `mapstructure:"name"`     // exact, "schema.table"; required
	Where    string `mapstructure:"where"`    // condition in the server's SQL; default all rows
	Priority int    `mapstructure:"priority"` // tables with a higher one are read first. Default 0
	Skip     bool   `mapstructure:"skip"`     // read it only when asked. Default false
}

// DefaultSnapshotConfig reads every table once.
func DefaultSnapshotConfig() SnapshotConfig {
	return SnapshotConfig{Mode: SnapshotInitial, Readers: 2, ChunkTime: 200 * time.Millisecond, ChunkBytes: 4 << 20}
}

// Reads says that tables are read without anybody's asking.
func (c SnapshotConfig) Reads() bool { return c.Mode != SnapshotNever }

// Unread names the tables that are not read even so.
func (c SnapshotConfig) Unread() []string {
	var names []string
	if c.SignalTable != "" {
		names = append(names, c.SignalTable)
	}
	for _, t := range c.Tables {
		if t.Skip {
			names = append(names, t.Name)
		}
	}
	return names
}

const (
	maxReaders    = 64
	minChunkBytes = 64 << 10
	maxChunkBytes = 64 << 20
)

// Validate returns every problem, each beginning with its key.
func (c SnapshotConfig) Validate() []error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	switch c.Mode {
	case SnapshotInitial, SnapshotNever, SnapshotWhenNeeded, SnapshotOnly:
	default:
		bad("mode: must be initial, never, when_needed or only, not %q", c.Mode)
	}
	if c.Readers < 1 || c.Readers > maxReaders {
		bad("readers: must be from 1 to %d", maxReaders)
	}
	if c.ChunkTime < 10*time.Millisecond || c.ChunkTime > time.Minute {
		bad("chunk_time: must be from 10ms to 1m")
	}
	if c.ChunkBytes < minChunkBytes || c.ChunkBytes > maxChunkBytes {
		bad("chunk_bytes: must be from 64KiB to 64MiB")
	}
	if c.SignalTable != "" {
		if err := exactName(c.SignalTable); err != nil {
			bad("signal_table: %w", err)
		}
	}
	seen := map[string]bool{}
	for i, t := range c.Tables {
		if err := exactName(t.Name); err != nil {
			bad("tables[%d].name: %w", i, err)
		} else if seen[t.Name] {
			bad("tables[%d].name: %q is listed twice", i, t.Name)
		}
		seen[t.Name] = true
	}
	return errs
}

func exactName(name string) error {
	schema, table, ok := strings.Cut(name, ".")
	if !ok || schema == "" || table == "" {
		return errors.New("must be the exact name of a table such as shop.orders")
	}
	return nil
}

// table gives what is special about a table.
func (c SnapshotConfig) table(name string) SnapshotTable {
	rule := SnapshotTable{Name: name}
	for _, t := range c.Tables {
		if t.Name == name {
			rule = t
		}
	}
	schema, table, _ := strings.Cut(name, ".")
	rule.Skip = rule.Skip || c.Skips != nil && c.Skips(schema, table)
	return rule
}
