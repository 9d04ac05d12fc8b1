// Package canal is the format canal-json: Canal's FlatMessage, plus what Canal's topics lack.
//
//	{"data":[{"id":"7","note":"b"}],"database":"shop","es":…,"gtid":"…","id":…,"isDdl":false,"mysqlType":{…},
//	 "old":[{"note":"a"}],"pkNames":["id"],"sql":"","sqlType":{…},"table":"orders","ts":…,"type":"UPDATE"}
//
// Members, their order and every value's text are Canal's. What differs, and why:
//
//   - One message describes one row, so that it can have a key. The key is the JSON object of the key columns in the
//     same text forms, {"id":"7"}; Canal's keys are null.
//   - What Canal destroys is kept: text of any character set, padded BINARY values, every digit of a decimal's scale.
//   - In a changelog, a row of which the log left columns out is completed from its other image, so that an update under
//     binlog_row_image=MINIMAL keeps its key. On a compacted topic such a row is an error: it would replace a whole one.
//   - gtid is the GTID of the change's own transaction. Canal writes the whole executed set, which is the same text
//     of some kilobytes on every record and says nothing about the row.
//   - A snapshot's row is an INSERT; Canal has no snapshots.
//   - What Canal has no form for, because MySQL has no such type, is written as PostgreSQL prints it: arrays, intervals,
//     hstore, bit strings, times with a zone.
//   - A source that has schemas writes the schema as database: database and table together name the table.
//
// # Files
//
//	config.go   options and the preset         format.go    compiling a table; the record key
//	message.go  the record value               column.go    which form a column's values take
//	value.go    texts of values, all but       temporal.go  dates and times
//	servertext.go, servertime.go  texts of PostgreSQL
//	sqltype.go  java.sql.Types                 compat*.go   what Canal makes of values that it damages
//	side.go     messages of statements         statement.go what Canal says of a statement
//	nested.go   arrays and maps as JSON        flink.go     what Flink SQL reads them as
//
//	parse.go, decode.go  messages of any writer, as they stand
//	reader.go   messages of any writer as typed changes; reader_message.go takes one apart, reader_shape.go,
//	            reader_describe.go and reader_guess.go find its table, reader_note.go has what is no row, reader_value.go, reader_decimal.go,
//	            reader_time.go and reader_server.go read texts of values, mysqltype.go and servertype.go texts of types
package canal
