package endtoend

import (
	"context"
	"encoding/json"
)

// table is one that the workload writes and the pipelines capture.
type table struct{ schema, name string }

// database is a database under test: a schema with columns of all types, the statements that change it, and what is true of it.
type database interface {
	writer

	source() string // how a pipeline reaches it: the beginning of the source section
	tables() []table
	pattern(table string) string // of the configuration, for the tables of that name
	topic(t table) string        // what the placeholder of template becomes
	template() string            // the end of the topic's name

	// columns are those that the log carries. rows is the table as the oracle reads it, key text → column → text.
	columns(ctx context.Context, t table) ([]column, error)
	rows(ctx context.Context, t table, format string, columns []column) (map[string]map[string]string, error)

	// changes are the captured row changes in the server's own log as another program decodes it, by transaction, in order.
	changes(ctx context.Context) (map[string][]change, error)
	transaction(id string) string // the name in changes of the transaction that a record's header names
}

// change is a row change in a server's log.
type change struct {
	table
	partly bool // the log has the new row in part. A topic may lack the change if the row is gone by now, in which case its delete follows
}

// column is a column as the oracle compares it. The texts of rows and messages are normalized.
type column interface {
	label() string
	inKey() bool
	normalize(text string) string
	decode(format string, raw json.RawMessage) (string, error) // raw is not null
}
