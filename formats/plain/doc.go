// Package plain writes and reads plain-json: the row itself as a JSON object, a tombstone for a delete. It is what Flink's
// upsert-kafka connector reads and writes with the format json for key and value.
//
//	config.go     options, preset "flink", Kind
//	format.go     Compile: everything that depends on the table only
//	encoder.go    the value of a record; key.go its key; fields.go what else a value can say
//	column.go     how a column of a given type is written, chosen once per table version
//	number.go, text.go, time.go, nested.go   one family of types each
//	flink.go      the table that Flink SQL reads a topic as
//	decoder.go    reading fields back as they stand in the message
//	reader.go, table.go, guess.go, inbound*.go   reading typed rows back
//
// Every value has one form, whatever the database and whether it was streamed or read, and every form can be read back: nothing
// is lost but infinities, NaN and zero dates where special_values says so. In topics that are compacted a key column looks in the
// value as it does in the key, because upsert-kafka takes a deleted row's key from the one and all others from the other.
package plain
