// Package upsert writes changes as keyed records into Kafka topics, transactionally: rows and source position become
// durable together or not at all.
//
//	batch ──Materializer (workers)──▶ Chunk of sealed-to-be record batches ──Sink (committer)──▶ one Kafka transaction
//
// What becomes of a change is in materialize.go, which topic it goes to in plan.go and topics.go, the transaction itself
// in transaction.go, and what is kept beside the rows in state.go.
package upsert

import (
	"fmt"

	"cdcbridge/capture"
	"cdcbridge/changelog"
	"cdcbridge/formats"
	"cdcbridge/internal/shape"
)

// Mode says what a topic is for.
type Mode string

// Modes of an output.
const (
	// Upsert: one key per row on a compacted topic. A delete is followed by a tombstone, a key change is a delete and a
	// tombstone of the old key and an insert of the new one. Tables without key are refused.
	Upsert Mode = "upsert"
	// Changelog: every change as it was, append-only, no tombstones; tables without key have records without key.
	Changelog Mode = "changelog"
)

// Output is one way in which a pipeline writes its changes. Every output of a change is in the same transaction.
type Output struct {
	Name     string
	Mode     Mode
	Topic    string          // template: {pipeline}, {database}, {schema}, {table}
	Tables   *capture.Filter // nil: every captured table
	Format   formats.Format
	Settings TopicSettings
	Adopt    bool // may write into a filled topic that no checkpoint of this pipeline knows

	// NoTombstones leaves the tombstones of mode upsert out. Log compaction then never removes the keys of deleted rows, and
	// readers that fold the topic by key must know the format's own deletes.
	NoTombstones bool
	Keys         []KeyRule        // record keys other than the primary key; a TableRule with a key wins
	Metadata     []shape.Metadata // what is added to each row or record
	Outbox       *Outbox          // the rows are messages: Mode is Changelog, and there is no Format; nil: they are rows
	KeyPrefix    string           // added column that keys begin with, so that several tables can be in one compacted topic; "": none
}

// takes reports whether the output writes the table.
func (o *Output) takes(t *changelog.Table) bool {
	return o.Tables == nil || o.Tables.Match(t.Namespace(), t.Name)
}

// TopicSettings are how a topic is created when it does not exist.
type TopicSettings struct {
	Partitions  int               // 0: the broker's default
	Replication int               // 0: the broker's default
	Config      map[string]string // extra topic settings, winning over ours
	Create      bool              // false: a missing topic is topic_missing
}

// Validate checks an output's settings.
func (o *Output) Validate() []error {
	var errs []error
	if o.Mode != Upsert && o.Mode != Changelog {
		errs = append(errs, fmt.Errorf("mode: %q is neither upsert nor changelog", o.Mode))
	}
	if o.Topic == "" {
		errs = append(errs, fmt.Errorf("topic: is required"))
	}
	return append(errs, shape.Validate(o.Metadata, o.KeyPrefix)...)
}
