package capture

import (
	"context"
	"errors"
	"time"

	"cdcbridge/changelog"
)

// Scanner is a Source whose tables can be read while its stream flows. What it needs for that, beside rows, is to tell two
// things exactly: that a read shows everything that the stream has given away up to some position, and a place in the log by
// which everything that a read can have seen has been streamed. WithSnapshot builds snapshots on these two.
//
// Scannable, Reader and Watch may be called by any goroutine between Open and Close, also while Stream runs.
type Scanner interface {
	Source

	// Scannable lists the captured tables that exist now, in any order.
	Scannable(ctx context.Context) ([]ScanTable, error)

	// Reader opens a connection of its own to read chunks with. It fails when that leads to another server than the stream's.
	Reader(ctx context.Context) (Reader, error)

	// Watch asks the stream to say when it has passed a place: it puts a Watermark note with the place as its text at the end
	// of a batch that ends between two transactions, when everything up to the place is in this batch or in earlier ones, and
	// gives that batch away at once, also when there is nothing else in it. It never blocks. A place that is passed already is
	// answered by the next batch. What a stream was asked is forgotten when it ends.
	Watch(end Place)

	// StartOver gives up what the server still holds of a position that was lost (a replication slot that was invalidated), so that
	// the Open of another source without a checkpoint begins anew. It is called instead of Open, on a source of its own.
	StartOver(ctx context.Context) error
}

// Place is a source's own text for a place in its log. Only the source that made it reads it.
type Place string

// Cursor is a source's own text for the key of a row, which sorts by the index of the key. Only the source that made it reads it.
type Cursor string

// ScanTable is a table that can be read.
type ScanTable struct {
	Schema string // the database on MySQL
	Name   string
	Key    []string // columns by which it is read in chunks, in the order of their index; empty: there is no such index, and it is read whole
	Rows   int64    // the server's estimate; -1: unknown
	Bytes  int64    // the same of its size
}

// FullName is "schema.table".
func (t ScanTable) FullName() string { return t.Schema + "." + t.Name }

// Reader reads chunks over one connection, one at a time. It keeps what it has learnt of a table's rows to choose how many to ask
// for. After an error other than NotYet it can only be closed.
type Reader interface {
	// Bounds cuts a table into up to n ranges of about the same number of rows and gives the upper bound of each but the last.
	// It is quick, or gives none. It fails with ErrTableGone when there is no such table.
	Bounds(ctx context.Context, t ScanTable, n int) ([]Cursor, error)

	// Scan appends a chunk's rows to b, in the order of the key: one Txn with Snapshot, First and Last set, one Run, changes with Op Read. An empty
	// chunk leaves b empty. It gives NotYet when the server does not show what the chunk must have seen, within a fraction of a
	// second; b is then as it was.
	//
	// A table with an empty Key is read whole, in any order: After and UpTo are empty, and so is Last. Time is then how long the read
	// may take at most. Done says whether Bytes did suffice; if not, the rows that there are are of no use.
	Scan(ctx context.Context, c Chunk, b *changelog.Batch) (Scanned, error)

	Close()
}

// Chunk says what to read.
type Chunk struct {
	Table ScanTable
	After Cursor             // rows with greater keys; empty: from the first one
	UpTo  Cursor             // rows with no greater keys; empty: to the last one
	Where string             // a condition in the server's SQL; empty: all rows
	Seen  changelog.Position // the rows must show everything that the stream has given away up to here
	Bytes int                // stop at about this size of the batch
	Time  time.Duration      // stop when the read has taken about this long
}

// Scanned says what was read.
type Scanned struct {
	End  Place  // everything that the read can have seen is in the log up to here
	Last Cursor // key of the last row; empty: there was none
	Done bool   // there is no row between Last and UpTo
	Rows int
}

// NotYet says why a read must be repeated later: something that the stream has given away is not visible yet.
type NotYet struct{ Why string }

// Error says why.
func (n NotYet) Error() string { return n.Why }

// What a Scan may meet that ends the reading of its table as it was begun.
var (
	ErrTableGone  = errors.New("the table is gone")
	ErrKeyChanged = errors.New("the table's key is another one now") // or the type of one of its columns
)
