// Package debezium writes and reads debezium-json: the envelope that Debezium's connectors produce through Kafka Connect's
// JSON converter, with schemas or without.
//
//	config*.go    options under Debezium's names, preset "flink", Kind
//	format.go     Compile: everything that depends on the table only
//	column.go     how a column of a given type is written, chosen once per table version
//	envelope.go   the value of a record: before, after, source, transaction, op, ts_ms, ts_us, ts_ns
//	source.go, source_postgres.go   the source block
//	key.go        the key of a record
//	schema.go     schemas of Kafka Connect; schema_*.go: of rows, columns and records; default.go: of a column's default
//	name.go       names that Avro and Kafka allow
//	header.go     headers that Debezium puts on every record
//	number.go, decimal.go, text.go, time.go, interval.go, bitstring.go, array.go, nested.go, vector.go   one family of types each
//	side*.go      records beside the rows: transactions, statements, truncations, messages, heartbeats
//	decoder.go    reading messages of any Debezium release since 1.9 back
//
// Messages are those of Debezium where Debezium is right and agrees with itself. Where its snapshot and its stream write
// one value in two ways, the stream's form is written always, because a key must have one form. Different on purpose:
//
//   - YEAR 0000 is 0 and an ENUM label is written as it is, commas included.
//   - A NOT NULL column whose old value is unknown is null in "before", not an invented default.
//   - A value that the log did not carry is never null or a placeholder in a compacted topic: it is refused.
//   - Both halves of a key change have the ordinals of the one row change that they are.
//   - source.version is the release of cdcbridge unless it is told otherwise.
//   - A payload is valid by the schema that it carries: an old row that is known in part has a schema that allows it.
//   - NULL in a column with a default is null.
//   - Infinite dates and timestamps are PostgreSQL's own greatest and least numbers, and the same for a snapshot as for a
//     stream; every type of PostgreSQL has a form, arrays of several dimensions too.
//   - In a key, values that are one key to the database have one form, and others have others: see docs/formats.md.
package debezium
