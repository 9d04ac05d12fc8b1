// Package formats holds the ports that a wire format implements. A format family is one folder below this one and one
// line in main.go's wiring table.
//
//	main.go ── formats.Kind ──▶ Config (decoded from YAML) ──▶ Format ──Compile(table)──▶ Encoder, used by many workers
package formats

import "cdcbridge/changelog"

// Format turns changes into messages of one wire format.
type Format interface {
	// Compile prepares an encoder for one table version. It does everything that depends on the shape only (names,
	// type mapping, constant text), so that encoding a row looks up nothing. The error is a fault, for example
	// unsupported_type, that names table and column.
	Compile(t *changelog.Table, o Options) (Encoder, error)
}

// Options are what an output decides about one table.
type Options struct {
	Key    []int  // indexes of the columns that form the record key, in key order; empty: keyless
	Topic  string // name of the topic that the records go to
	Upsert bool   // the topic is compacted: values must be complete and describe exactly one row
	Ends   bool   // nothing is wanted of the encoder but what an Ender does: the name of the table is enough

	// Like is an encoder that the same Format has compiled with the same Key and Upsert for a table of the same origin which has the very same
	// Columns; nil: none. What depends on nothing else may be taken from it: thousands of tables have few definitions between them.
	Like Encoder
}

// Encoder writes the messages of one table version. It is immutable and safe for concurrent use. All methods append to
// dst and return the grown slice; they keep nothing. An error is a fault and means that the row has no form in this
// format; dst is then to be discarded.
type Encoder interface {
	// AppendKey appends the record key of the row. It is called only when Options.Key is not empty, and reads only
	// those columns. Equal keys give equal bytes.
	AppendKey(dst []byte, row changelog.Row) ([]byte, error)

	// AppendValue appends the record value for one change. An Update whose key changed never comes here as one change
	// in an upsert topic: it arrives as a Delete with the old row and an Insert with the new one, see Context.Split.
	AppendValue(dst []byte, c *Context, ch *changelog.Change) ([]byte, error)
}

// KeyLinker is implemented by encoders whose format links the two halves of a key change by record headers.
type KeyLinker interface {
	// KeyLinkHeaders names the header on the delete and its tombstone that carries the new key, and the header on the
	// insert that carries the old key.
	KeyLinkHeaders() (newKey, oldKey string)

	// AppendKeyLink appends the header's value for the other record's key, as AppendKey made that.
	AppendKeyLink(dst, key []byte) []byte
}

// TombstoneOnly is implemented by encoders whose format has no record for a delete beside the tombstone. In an upsert topic
// their AppendValue is never given a Delete.
type TombstoneOnly interface{ TombstoneOnly() }

// MoveCounter is implemented by encoders that number the changes of a transaction, and count a change of the key as the two that it is
// in an upsert topic, and what a filter leaves out as none.
type MoveCounter interface {
	// CountsMoves reports that this one does, with its options.
	CountsMoves() bool
}

// Moves are how many changes before the present one were changes of a key, in its transaction, less those that were left out. They are
// added as unsigned numbers, whose sums are right all the same.
type Moves struct {
	Total uint64
	Table uint64 // of its table
}

// Context is what an encoder may need beside the change itself. It belongs to one worker and is filled per run.
type Context struct {
	Txn   *changelog.Txn
	Run   *changelog.Run
	Now   int64  // wall clock at which the batch is encoded, microseconds since the Unix epoch
	Split bool   // the change is one half of a key change
	Moves Moves  // for encoders that are MoveCounters; the second half of a key change counts the first one
	Seq   uint64 // number of the batch within the attempt, from 1: what canal-json writes as id
	kept  Kept
}

// Decoder reads messages of one wire format back. It is what inspect, verify, tests and a Kafka source use; it need not
// be as fast as the encoder.
type Decoder interface {
	// Decode reads one record. A nil value is a tombstone. The event borrows from key and value.
	Decode(key, value []byte) (*Event, error)
}

// Event is one decoded message.
type Event struct {
	Op        changelog.Op // 0 for a tombstone
	Tombstone bool
	Database  string
	Schema    string
	Table     string
	Time      int64 // when the change happened in the source, microseconds since the Unix epoch; 0: not said
	Key       []Field
	Before    []Field // nil: no such image
	After     []Field
}

// Field is one column of a decoded image: JSON is its value as it stands in the message, "null" included.
type Field struct {
	Name string
	JSON []byte
}

// Config is one format's options of an output, with defaults already in it. The loader fills the struct behind the
// pointer from YAML by its mapstructure tags.
type Config interface {
	// Preset applies a named set of options ("flink") before the user's own; false: no such preset.
	Preset(name string) bool

	// Validate returns every problem, each beginning with the key it is about.
	Validate() []error

	// Format makes the format. It does no I/O.
	Format(env Env) Format

	// Decoder makes a decoder for messages that were written with these options.
	Decoder() Decoder
}

// Env is what a format gets from the daemon beside its own options.
type Env struct {
	Server  string // logical name of the source: Debezium's topic.prefix; the pipeline's name by default
	Version string // release of cdcbridge
}

// Kind is one row of the wiring table: a name that an output's format can have.
type Kind struct {
	Name   string
	Config func() Config // fresh options with defaults
}
