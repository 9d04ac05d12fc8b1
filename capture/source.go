// Package capture holds the ports that a source of changes implements. A source is one folder below this one and one
// line in main.go's wiring table.
//
//	main.go ── capture.Kind ──▶ Config (decoded from YAML, validated) ──▶ Source ──▶ batches
package capture

import (
	"context"
	"errors"
	"log/slog"

	"cdcbridge/changelog"
	"cdcbridge/internal/fault"
)

// Source reads the changes of one database in log order. It is used by one pipeline attempt and then closed: every
// failure ends the attempt, and the next one opens a fresh Source from the durable checkpoint.
//
// Open, Stream and Close are called in this order by one goroutine; Ack and Stats may be called by others at any time
// between Open and Close.
type Source interface {
	// Open connects, verifies that the checkpoint belongs to this server and can still be served, checks the server's
	// settings, and returns the checkpoint that Stream will start from: cp itself, or the resolved start position when
	// cp.Pos is empty. Every identity and purge fault is found here. It reads no change.
	Open(ctx context.Context, cp changelog.Checkpoint) (changelog.Checkpoint, error)

	// Stream sends batches to out until ctx is cancelled (it then returns ctx.Err()) or something fails. It owns its
	// connection, blocks while out is not read, keeps the connection alive meanwhile, gives every batch away for good,
	// does not close out, and has ended all that it started when it returns. A source that has an end returns ErrComplete when it
	// has given everything away.
	Stream(ctx context.Context, out chan<- *changelog.Batch) error

	// Ack tells that everything up to p is durable in the target. It never blocks.
	Ack(p changelog.Position)

	// Stats returns a snapshot of the source's counters. It never blocks.
	Stats() Stats

	// Close gives the connection back. It is called once, after Stream has returned.
	Close() error
}

// TopicReader is implemented by sources that read topics.
type TopicReader interface {
	// Reads reports that the source, which is open, reads a topic of the cluster that the pipeline writes to, if there is one of that
	// name. It is safe for concurrent use.
	Reads(topic string) bool
}

// ErrComplete is what Stream returns when there is nothing more to do.
var ErrComplete = errors.New("the source is complete")

// Checker looks at a server before anything runs and returns every finding, good and bad. An error means that the look
// itself was not possible.
type Checker interface {
	Check(ctx context.Context) ([]Finding, error)
}

// TableLister is implemented by checkers that can tell which tables are captured now.
type TableLister interface {
	// Tables lists the captured tables that exist now, in any order. Their names, their columns' names and Key are filled.
	Tables(ctx context.Context) ([]changelog.Table, error)
}

// TableDescriber is implemented by checkers that can tell what the captured tables look like.
type TableDescriber interface {
	// Describe gives the captured tables that exist now, in the order of their names, as changes of them would have them now but for
	// ID and Version.
	Describe(ctx context.Context) ([]*changelog.Table, error)
}

// Severity grades a Finding.
type Severity string

// Severities of findings.
const (
	OK      Severity = "ok"      // as it should be
	Warning Severity = "warning" // works, and may bite
	Problem Severity = "problem" // would stop the daemon or lose rows
)

// Finding is one thing that a check has looked at.
type Finding struct {
	Area     string   `json:"area"`    // "mysql", "kafka", "topic shop.orders", …
	Subject  string   `json:"subject"` // what was looked at: "binlog_row_image"
	Detail   string   `json:"detail"`  // what was found: "MINIMAL"
	Severity Severity `json:"severity"`
	Remedy   string   `json:"remedy,omitempty"` // what to do about it
	Code     string   `json:"code,omitempty"`   // the fault that the daemon would stop with
}

// ProblemOf makes a finding of a fault; another error comes back.
func ProblemOf(area, subject string, err error) (Finding, error) {
	f := fault.As(err)
	if f == nil {
		return Finding{}, err
	}
	detail := f.Op
	if f.Err != nil {
		detail += ": " + f.Err.Error()
	}
	return Finding{Area: area, Subject: subject, Detail: detail, Severity: Problem, Remedy: f.Hint, Code: string(f.Code)}, nil
}

// Stats are a source's counters since Open and where it stands.
type Stats struct {
	Connected    bool
	Transactions uint64
	Changes      uint64 // captured row changes
	Events       uint64 // log events read, captured or not
	Bytes        uint64 // log bytes read
	Position     string // where the stream stands, for people
	Server       string // host:port of the server that is read; empty: the source does not say
	EventTime    int64  // commit time of the newest transaction read, microseconds since the Unix epoch; 0: none yet
	LastEvent    int64  // wall clock when anything, a heartbeat included, last came from the server, same unit
	CaughtUp     bool   // the server had nothing more when it was last asked

	// What the server keeps for this source alone, and the most that it will keep, in bytes of log; 0: nothing, no limit, or unknown.
	RetainedBytes, RetainedLimit uint64

	// Of a source that reads topics.
	Partitions []PartitionStats // in the order of topic and partition; not to be modified
	Watermark  int64            // no later change has an earlier event time, microseconds since the Unix epoch; 0: unknown
	Skipped    uint64           // records that could not be read and were left out
	Parked     uint64           // of these, those that went to the dead-letter topic
	Repeated   uint64           // changes that were dropped because they had been there before
	Commits    GroupCommits     // of the consumer group's offsets, as far as the source makes them

	Snapshots []TableSnapshot // tables that are being read, wait for it, or were read since the source was opened; not to be modified
}

// GroupCommits count commits of a consumer group's offsets.
type GroupCommits struct{ Succeeded, Failed uint64 }

// PartitionStats is where a source stands in a partition that it reads.
type PartitionStats struct {
	Topic     string `json:"topic"`
	Partition int32  `json:"partition"`
	Offset    int64  `json:"offset"`    // of the next record to read
	Committed int64  `json:"committed"` // of the next record after the newest commit
	End       int64  `json:"end"`       // up to which records can be read now; -1: not known yet
	Records   uint64 `json:"records"`   // read since the source was opened
	Bytes     uint64 `json:"bytes"`     // of their batches, as they came over the wire
	Watermark int64  `json:"watermark"` // greatest event time less the lateness, microseconds since the Unix epoch; 0: none yet
	Idle      bool   `json:"idle"`      // silent for so long that the pipeline's watermark does not wait for it
	Held      bool   `json:"held"`      // not read for now, because its event times are too far ahead of the others'
}

// TableSnapshot is how far the snapshot of a table is.
type TableSnapshot struct {
	Table     string         `json:"table"`           // schema.table
	Status    SnapshotStatus `json:"status"`          //
	Where     string         `json:"where,omitempty"` // condition; empty: all rows
	Rows      uint64         `json:"rows"`            // rows read, those included that later changes have made superfluous
	Estimate  int64          `json:"estimate"`        // the server's estimate of all rows, without the condition; -1: unknown
	Bytes     uint64         `json:"bytes"`           // of the rows in memory
	PerSecond float64        `json:"per_second"`      // rows, over the last seconds
	Began     int64          `json:"began"`           // wall clock, microseconds since the Unix epoch; 0: not yet
	Ended     int64          `json:"ended"`           // the same
	Waits     string         `json:"waits,omitempty"` // what it waits for, or why it was cancelled, for people; empty: nothing to say
}

// SnapshotStatus is where the snapshot of a table stands. It is part of checkpoints and of the /status document.
type SnapshotStatus string

// States of a table's snapshot.
const (
	SnapshotWaiting   SnapshotStatus = "waiting"   // its turn has not come
	SnapshotReading   SnapshotStatus = "reading"   //
	SnapshotPaused    SnapshotStatus = "paused"    // by request
	SnapshotDone      SnapshotStatus = "done"      // every row has left
	SnapshotCancelled SnapshotStatus = "cancelled" // by request
	SnapshotSkipped   SnapshotStatus = "skipped"   // by configuration
	SnapshotGone      SnapshotStatus = "gone"      // the table was dropped
)

// Config is one source's section of a pipeline's configuration, with defaults already in it. The loader fills the
// struct behind the pointer from YAML by its mapstructure tags, then validates it.
type Config interface {
	// Validate returns every problem, each beginning with the key it is about: "tables: is required".
	Validate() []error

	// New makes the source. It does no I/O.
	New(env Env) Source

	// Checker makes the preflight of the same server. It does no I/O.
	Checker(env Env) Checker
}

// Parker is implemented by configs of sources that can put aside what they cannot read.
type Parker interface {
	// ParksIn is the topic of the pipeline's target cluster that it goes to, "" for none.
	ParksIn() string
}

// Env is what a source gets from the daemon beside its own configuration.
type Env struct {
	Pipeline string // the pipeline's name
	Log      *slog.Logger
	Snapshot bool     // tables are read: a start that is not said is the end of the log
	Unread   []string // of those, the full names of the ones that are not read all the same

	// Batch tells at which size in bytes a batch is to leave the source, given the one that its configuration asks for: less while many
	// pipelines share the process's memory. It may tell otherwise each time. It never blocks; nil: what the configuration asks for.
	Batch func(most int) int

	// Aside asks for a source that somebody only looks through while the pipeline has its own: it begins at the end of the log,
	// uses and leaves behind nothing that outlives its connections (slot, server id, offsets of a group), writes nothing, and gives
	// changes as the log has them, with Unchanged where it has no value. A truncation is a note.
	Aside bool
}

// BatchBytes is what Batch tells.
func (e *Env) BatchBytes(most int) int {
	if e.Batch == nil {
		return most
	}
	return e.Batch(most)
}

// Kind is one row of the wiring table: a name that the configuration's source.type can have.
type Kind struct {
	Name   string
	Config func() Config // a fresh section with defaults
}
