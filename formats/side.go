package formats

import (
	"time"

	"cdcbridge/changelog"
)

// About says what a record beside the rows is about.
type About uint8

// What records beside the rows can be about. None of them is written unless the format's options ask for it.
const (
	AboutBegin     About = iota + 1 // a transaction begins: its first captured change follows
	AboutEnd                        // a transaction has ended: its last captured change came before
	AboutStatement                  // a DDL note
	AboutTruncate                   // a Truncate note
	AboutMessage                    // a Message note
	AboutHeartbeat                  // a Heartbeat note
)

// TableTopic is what SideEncoder.Topic answers for records that go where the rows of the note's table go.
const TableTopic = "{table's topic}"

// SideWriter is implemented by formats that have records for what is not a change of a row.
type SideWriter interface {
	// Side prepares their encoder for one output; nil: the options ask for no such record.
	Side(o SideOptions) SideEncoder
}

// SideOptions are what an output decides about the records beside its rows.
type SideOptions struct {
	Prefix string // what the names of its topics begin with: the pipeline's name unless configured
	Upsert bool   // the topics of its rows are compacted: no record without key may go there
}

// SideEncoder writes records beside the rows. It is immutable and safe for concurrent use.
type SideEncoder interface {
	// Topic names the topic that such records go to; "" when none are written, or TableTopic. It is never compacted by us.
	Topic(a About) string

	// AppendSide appends key and value of one record. A nil key means a record without key. ok is false when there is nothing to
	// say about this one.
	AppendSide(key, value []byte, b *Beside) (k, v []byte, ok bool, err error)

	// Partition is where such records go: a number, or -1 for the partition that the key hashes to.
	Partition(a About) int32
}

// Beside is what one record beside the rows is about. It is the caller's again when the record is written.
type Beside struct {
	About   About
	Context *Context          // its Txn is the transaction, nil outside of one; its Run is nil
	Note    *changelog.Note   // nil for a transaction's begin and end
	Counts  []changelog.Count // for its end only: the captured changes of all of it by table, in the order of their first ones where that is known
}

// HeaderWriter is implemented by encoders whose records all carry further headers, after ours and after those of KeyLinker.
type HeaderWriter interface {
	RecordHeaders() []Header
}

// Header is one header of a record.
type Header struct {
	Name  string
	Value []byte
}

// SideHeaderWriter is implemented by side encoders whose records carry further headers, after ours. Records in a table's topic have
// those of its encoder instead.
type SideHeaderWriter interface {
	SideHeaders(b *Beside) []Header
}

// StatementWriter is implemented by side encoders that write one record for a statement, however many tables it is about. Others
// get each note of it, one for each of its captured tables. The note that they get has what the statement did to all of them.
type StatementWriter interface{ OneForStatement() }

// Beater is implemented by side encoders that write a record now and then to show that the pipeline is alive.
type Beater interface {
	// BeatEvery is how often a Heartbeat note is to come; 0: never.
	BeatEvery() time.Duration
}
