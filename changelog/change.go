package changelog

import "strings"

// Op is what happened to a row.
type Op uint8

// Operations. There is no zero Op: a forgotten one is caught by every exhaustive switch.
const (
	Read   Op = iota + 1 // a snapshot read the row
	Insert               // After only
	Update               // Before (whole, key only, or nil when unknown) and After
	Delete               // Before (whole or key only)
	Upsert               // insert or update, unknown which; After only
)

// String names the operation for people.
func (o Op) String() string {
	switch o {
	case Read:
		return "read"
	case Insert:
		return "insert"
	case Update:
		return "update"
	case Delete:
		return "delete"
	case Upsert:
		return "upsert"
	}
	return "invalid"
}

// Fill says what became of the values of After that the log did not carry.
type Fill uint8

// Fills. The zero Fill is the ordinary case.
const (
	Logged Fill = iota // the log had them all; or they are Unchanged, and that is for the target to judge
	Reread             // they were read from the table later: they may be those of a later change of the row, which follows
	Gone               // the row was not there any more: they are Unchanged, and its delete or its move to another key follows
)

// Change is one row change. Its rows belong to the batch.
type Change struct {
	Op         Op
	Fill       Fill
	RowInEvent int32  // 0-based number of the row within its log event
	Index      uint64 // 0-based ordinal of the change among the captured changes of its transaction; stable over replays
	TableIndex uint64 // the same among the changes of this table in the transaction
	Pos        uint64 // LSN of the change's own log record (PostgreSQL); 0 where the run's Pos and RowInEvent say it
	Before     Row
	After      Row
}

// Run is a stretch of consecutive changes of one table that came in one log event. Whatever is decided per table version
// is looked up once a run, never once a row.
type Run struct {
	Table    *Table
	Txn      int    // index into Batch.Txns
	From, To int    // Batch.Changes[From:To]
	Pos      uint64 // byte offset at which the log event starts, in the file that Txn.Origin names
	File     string // log file of the event; valid until the batch is released
	Time     int64  // when the statement ran, microseconds since the Unix epoch, at the log's own resolution
	Query    string // MySQL and MariaDB: the statement, where the log has it and the source is asked for it; valid until the batch is released
	Record   int    // of Batch.Records, counted from 1: the record that the changes were read from; 0: there is none, or the run may still grow
	Snapshot Snapshot
}

// Record is the record of a Kafka topic that changes were read from. Its texts and bytes are valid until the batch is released.
type Record struct {
	Topic     string
	Partition int32
	Offset    int64
	Timestamp int64 // milliseconds since the Unix epoch
	LogAppend bool  // Timestamp is when the broker got it, not when its writer made it
	Key       []byte
	Value     []byte // only of a record that is parked
	Headers   []RecordHeader
}

// RecordHeader is one header of a Record.
type RecordHeader struct {
	Name  string
	Value []byte // nil: null
}

// Snapshot says whether the rows of a run were read from the table and, if so, where in a snapshot they stand.
type Snapshot uint8

// Places in a snapshot. The zero Snapshot is the ordinary case.
const (
	Streamed             Snapshot = iota // the changes come from the log
	SnapshotRow                          // of the pipeline's first snapshot
	SnapshotFirst                        // the run is the very first row of it
	SnapshotFirstOfTable                 // the run is the first row of a table
	SnapshotLastOfTable                  // the run is the last row of a table; a table of one row has this one only
	SnapshotLast                         // the run is the very last row of it
	SnapshotIncremental                  // of a snapshot that was asked for later
)

// Txn is one source transaction, or the part of it that this batch holds.
type Txn struct {
	ID     string // GTID, "file=…,pos=…" or "xid:lsn"; valid until the batch is released
	Commit int64  // commit time, microseconds since the Unix epoch
	Origin Origin
	First  bool // the batch holds the transaction's first captured change, or the transaction has none
	Last   bool // the batch holds the transaction's end

	// Done is how many changes of each captured table the parts of the transaction before this batch had, in the order of their
	// names; nil when First. Valid until the batch is released.
	Done []Count

	// Snapshot marks what is no transaction of the log: rows that were read from a table. ID is empty, Commit is when they were
	// read, by the server's clock, and Origin the place in the log where the read stands.
	Snapshot bool
}

// Count is a number of changes of one table.
type Count struct {
	Table   string // full name
	Changes uint64
}

// Origin says where in the source's log a transaction stands.
type Origin struct {
	File     string // log file at the transaction's begin; valid until the batch is released
	Pos      uint64 // offset of the transaction's begin in File; LSN of the commit on PostgreSQL
	GTID     string // "" without GTIDs; valid until the batch is released
	Name     string // what the writer of messages calls the server, "" when they do not say it; valid until the batch is released
	ServerID uint32
	Thread   uint64 // session that ran it, 0 when unknown

	// PostgreSQL only.
	XID        uint32 // transaction id without its epoch
	LastCommit uint64 // LSN at which the transaction before this one in the stream ended, behind its commit record; 0 when none was seen yet
	Replica    string // replication origin that the transaction came from, "" for a local one; valid until the batch is released
	ReplicaLSN uint64 // commit LSN at that origin

	// Canal only.
	Batch    uint64 // number of the batch of changes that it was in; it begins anew when Canal is restarted
	Built    int64  // when Canal made the message, by its clock, milliseconds since the Unix epoch; 0: not said
	Executed uint64 // how many transactions the server had executed with this one, by the GTIDs in the message; 0: not said
}

// Clone gives an origin that outlives the batch.
func (o Origin) Clone() Origin {
	o.File, o.GTID, o.Name, o.Replica = strings.Clone(o.File), strings.Clone(o.GTID), strings.Clone(o.Name), strings.Clone(o.Replica)
	return o
}

// NoteKind says what a Note is about.
type NoteKind uint8

// Kinds of notes.
const (
	Truncate  NoteKind = iota + 1 // all rows of Table went
	DDL                           // Text is the statement
	Message                       // a logical message in the log
	Heartbeat                     // the source is alive at Next
	Watermark                     // the stream has passed the place that Text names; see capture.Scanner. It never reaches a sink.
	Parked                        // Record could not be read and goes to the topic Prefix as it is; Text says why, Code under which code
)

// Note is something in the log that is not a row change.
type Note struct {
	Kind  NoteKind
	At    int    // stands before Batch.Changes[At]
	Txn   int    // index into Batch.Txns, -1 outside of a transaction
	Table *Table // nil when it concerns no single captured table

	Text   string // statement or message; valid until the batch is released
	Prefix string // Message: what it is filed under; valid until the batch is released

	// Where in the log the note stands, and when that was written there, as in Run. Valid until the batch is released. A message of PostgreSQL outside of a
	// transaction has no time in the log: it has that of the commit before it, 0 when none was seen yet.
	File string
	Pos  uint64
	Time int64

	Database string       // the statement's default database, or that of the log on PostgreSQL; valid until the batch is released
	Changed  []Definition // DDL: what the statement did to captured tables, in its order; nil when it did nothing to the definition of one. Of a statement with several notes each has what concerns its table

	Transactional bool   // Message: it belongs to the transaction Txn
	LastCommit    uint64 // Message outside of a transaction: as Origin.LastCommit

	Record int    // as Run.Record
	Code   string // Parked: the code of the fault
	Policy string // Truncate: what the source's configuration wants of the target, "" nothing or "tombstone"
}

// Definition is what a statement did to the definition of one table.
type Definition struct {
	Kind  DefinitionKind
	Name  string // of the table, after the statement
	Old   string // the name before, when the statement renamed it
	Table *Table // after the statement; nil when it was dropped, or when the source cannot tell what it looks like
}

// DefinitionKind is what became of a table's definition.
type DefinitionKind uint8

// Kinds of definitions.
const (
	Created DefinitionKind = iota + 1
	Altered                // renamed too
	Dropped
)
