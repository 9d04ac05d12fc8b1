// Package fault gives every error that an operator can meet a stable code and a hint that says what to do.
//
// A Fault wraps the technical error. Code names the page anchor in docs/errors.md, Hint is one or two sentences in the
// imperative, Final says whether trying again without a person's help can ever work. Programs match on Code with Is or
// CodeOf, never on text.
package fault

import (
	"errors"
	"strings"
)

// Code is the stable, lower-case name of a kind of failure, for example "binlog_purged". Codes are never renamed.
type Code string

// Codes of the daemon, one anchor each in docs/errors.md.
const (
	Config             Code = "config"                   // the configuration is wrong
	Auth               Code = "auth"                     // a server refused user, password or certificate
	Permission         Code = "permission"               // the user lacks a grant or an ACL
	Unreachable        Code = "unreachable"              // a server does not answer
	SourceSettings     Code = "source_settings"          // the database server is not set up for change capture
	BinlogPurged       Code = "binlog_purged"            // the server no longer has the log that we must resume from
	SlotMissing        Code = "slot_missing"             // the replication slot does not exist any more
	SlotLost           Code = "slot_lost"                // the replication slot no longer has the log that we must resume from
	SlotInUse          Code = "slot_in_use"              // another connection streams from the replication slot
	WrongServer        Code = "wrong_server"             // the checkpoint belongs to another server
	ReplicaBehind      Code = "replica_behind"           // the server is a replica that has not got as far as the checkpoint
	FKCascade          Code = "fk_cascade"               // cascades into a captured table are not logged
	StatementDML       Code = "statement_dml"            // rows were changed by a statement that was logged as text
	Diverged           Code = "diverged"                 // a table changed without row events
	ReplayDiffers      Code = "replay_differs"           // the log shows other rows than it did before the restart
	StateMissing       Code = "state_missing"            // topics are filled and there is no checkpoint for them
	StateNewer         Code = "state_newer"              // the checkpoint was written by a newer release
	NoKey              Code = "no_key"                   // a table has no usable key
	PartitionsChanged  Code = "partitions_changed"       // somebody changed the partition count of a topic
	TopicReplaced      Code = "topic_replaced"           // a topic was deleted and created again
	TopicMissing       Code = "topic_missing"            // a topic does not exist
	TopicNotCompacted  Code = "topic_not_compacted"      // a topic's cleanup policy would lose rows
	TopicSettings      Code = "topic_settings"           // a topic's other settings make delivery unsafe
	UnsupportedType    Code = "unsupported_type"         // a column has a type that has no form
	KeyMoved           Code = "key_moved"                // a key changed its partition in a topic that is read without an order
	OffsetLost         Code = "offset_lost"              // a topic no longer has the records that we must resume from
	TopicTruncated     Code = "topic_truncated"          // a topic has lost records that were read already
	GroupInUse         Code = "group_in_use"             // a living consumer group has the name under which offsets are committed
	SchemaUnknown      Code = "schema_unknown"           // the log does not describe the table well enough
	Decode             Code = "decode"                   // an event of the log cannot be decoded
	Corrupt            Code = "corrupt"                  // a checksum does not match
	Incident           Code = "incident"                 // the server says that its log has lost changes
	Outbox             Code = "outbox"                   // a row of an outbox table is no message
	RecordTooLarge     Code = "record_too_large"         // one row is larger than the topic accepts
	Timestamp          Code = "timestamp_refused"        // the broker refuses a record's timestamp
	Fenced             Code = "fenced"                   // another instance has taken the pipeline over
	NoProgress         Code = "no_progress"              // restarts no longer move the position
	TransactionTimeout Code = "transaction_timeout"      // transaction_timeout is larger than the broker allows
	TransactionsDown   Code = "transactions_unavailable" // the cluster cannot run transactions now
	KafkaStorage       Code = "kafka_storage"            // a broker cannot write to its disk
	KafkaVersion       Code = "kafka_version"            // the cluster is too old
	Kafka              Code = "kafka"                    // any other answer of the cluster that ends an attempt
	Spool              Code = "spool"                    // a temporary file cannot be written or read
	Source             Code = "source"                   // any other failure of the source connection
	Internal           Code = "internal"                 // a broken invariant: a bug of ours
)

// Doc is where the code is explained: page and anchor, relative to the root of the project and of the daemon's HTTP server.
func (c Code) Doc() string { return "docs/errors.md#" + string(c) }

// Fault is an error with a stable code and a remedy.
type Fault struct {
	Code  Code
	Op    string // what was being done, gerund: "opening the binlog stream"
	Hint  string // what to do about it
	Err   error  // the cause, may be nil
	Final bool   // trying again cannot help before somebody acts
}

// New makes a fault that a retry may cure.
func New(code Code, op string, err error, hint string) *Fault {
	return &Fault{Code: code, Op: op, Err: err, Hint: hint}
}

// NewFinal makes a fault that needs a person.
func NewFinal(code Code, op string, err error, hint string) *Fault {
	return &Fault{Code: code, Op: op, Err: err, Hint: hint, Final: true}
}

// Error renders "code: op: cause (hint)".
func (f *Fault) Error() string {
	var b strings.Builder
	b.WriteString(string(f.Code))
	if f.Op != "" {
		b.WriteString(": ")
		b.WriteString(f.Op)
	}
	if f.Err != nil {
		b.WriteString(": ")
		b.WriteString(f.Err.Error())
	}
	if f.Hint != "" {
		b.WriteString(" (")
		b.WriteString(f.Hint)
		b.WriteString(")")
	}
	return b.String()
}

// Unwrap gives the cause.
func (f *Fault) Unwrap() error { return f.Err }

// As returns the outermost Fault in err's chain, or nil.
func As(err error) *Fault {
	var f *Fault
	if errors.As(err, &f) {
		return f
	}
	return nil
}

// CodeOf returns the code of the outermost Fault in err's chain, or "" if there is none.
func CodeOf(err error) Code {
	if f := As(err); f != nil {
		return f.Code
	}
	return ""
}

// Is reports whether err carries the given code.
func Is(err error, code Code) bool { return CodeOf(err) == code }

// IsFinal reports whether err can only be cured by a person.
func IsFinal(err error) bool {
	f := As(err)
	return f != nil && f.Final
}
