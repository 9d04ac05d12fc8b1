package formats

import (
	"cmp"

	"cdcbridge/changelog"
)

// Record is one record of a Kafka topic, or of a stream of messages without topic.
type Record struct {
	Topic     string
	Partition int32
	Offset    int64
	Timestamp int64  // milliseconds since the Unix epoch
	Key       []byte // nil: none
	Value     []byte // nil: a tombstone
	Headers   []Header
}

// Reader turns records into changes with typed values, which any format can then write again. Unlike Decoder it knows tables:
// those that its options name, those that the messages describe (a schema, mysqlType), and tables of what can be told from
// JSON alone (texts, numbers, booleans, documents) otherwise. It belongs to one goroutine.
type Reader interface {
	// Read appends the changes of one record to the batch, and to its notes what is no change of a row. The rows live as long as
	// the batch; nothing is kept of the record. An error is a fault that says what is wrong with the record; the batch is then as
	// it was.
	Read(b *changelog.Batch, r *Record) error
}

// Place is where a message stands in the log of its database, as far as it says so itself.
type Place struct {
	// Log names the order that the place is in: places of one log are one before the other by Major, then Minor, then Row. "": the
	// message says no place, and stands behind the one before it in its partition.
	Log               string
	Major, Minor, Row uint64

	Time    int64 // microseconds since the Unix epoch: the order of places of different logs, for want of a better one
	Bunched bool  // several changes can have one place, in an order that nothing tells beyond that of their partition
}

// Compare is less than 0 when p comes first, more than 0 when q does.
func (p *Place) Compare(q *Place) int {
	if p.Log != q.Log {
		return cmp.Compare(p.Time, q.Time)
	}
	return cmp.Or(cmp.Compare(p.Major, q.Major), cmp.Compare(p.Minor, q.Minor), cmp.Compare(p.Row, q.Row))
}

// Locator is implemented by Readers of messages that say where in the log of their database they stand.
type Locator interface {
	// Locate tells the place of a record. It learns nothing: Read is called later all the same, and tells what is wrong with a record
	// that cannot be read, which has no place.
	Locate(r *Record) Place
}

// ReaderOptions are what is known of the messages.
type ReaderOptions struct {
	// Table gives the table that messages are about, nil when it is not known. namespace is schema or database.
	Table func(namespace, name string) *changelog.Table

	// Described refuses messages about tables that nobody describes, where the format's forms do not say what their values are:
	// a number may be a date, and a text the bytes of a decimal. They are otherwise taken as JSON has them.
	Described bool

	// Intern gives each version of a table one Table, see capture.Shapes; never nil.
	Intern func(t *changelog.Table) *changelog.Table
}

// ReaderMaker is implemented by the Config of formats that have a Reader. It reads what was written with these options, and,
// where a message says itself how it was written, that.
type ReaderMaker interface {
	Reader(o ReaderOptions) Reader
}
