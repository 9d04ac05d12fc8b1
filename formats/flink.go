package formats

import "cdcbridge/changelog"

// FlinkTable is what Flink SQL must be told so that it reads the topic of one table.
type FlinkTable struct {
	Connector string        // "kafka", or "upsert-kafka"
	Columns   []FlinkColumn // of the row, in the table's order; behind them computed ones
	Metadata  []FlinkColumn // what the messages say beside, From is the metadata key, "" for a field of the row's own object
	Options   []FlinkOption // all of the WITH clause but connector, topic, brokers, isolation level and where to start
	Event     string        // name of the metadata column that a watermark can be built on; "": none
	Append    bool          // every change is a row of its own: Flink allows such a table no primary key
	Remarks   []string      // what a reader of the statement must know, one sentence each
}

// FlinkColumn is one column of a CREATE TABLE.
type FlinkColumn struct {
	Name string // unquoted
	Type string // "DECIMAL(10, 2)"; without NOT NULL
	From string // Metadata: the key; Columns: the expression of a computed column over physical ones, "" for a physical one
	Note string // why the type is not the obvious one; "": it is
}

// FlinkOption is one entry of the WITH clause.
type FlinkOption struct{ Name, Value string }

// FlinkDescriber is implemented by formats that Flink SQL can read.
type FlinkDescriber interface {
	Flink(t *changelog.Table, o Options) (FlinkTable, error)
}
