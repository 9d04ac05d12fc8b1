// Package differential holds what cdcbridge writes against what the programs wrote whose formats those are.
//
//	testdata/mysql.sql ──▶ real server ──▶ Debezium on Kafka Connect ──▶ testdata/*.golden   (long tier, with -update)
//	                   └─▶ real server ──▶ cdcbridge ──▶ records ── equal but for testdata/allowed.yaml? ──▶ testdata/*.golden
//
// The servers of the two runs differ, so what only a run decides (times of the clock, positions, ids, the program's version) is taken out of both; in
// the long tier both read one server, and positions and transactions are compared too, but for testdata/beside.yaml. What the lists say is put to the server
// that both have read: values to its tables, places and transactions to its own view of its log (seen_test.go).
//
// After a change of a script the goldens are recorded again:
//
//	go test ./differential -run 'TestRecord(Debezium|Canal)' -update -timeout 30m
//
// Canal is held against in the same way, in the files canal*: its messages have as many rows as an event of the log, no keys and no snapshot. So it is started
// before the first statement, its messages are taken apart, and mode upsert is held against what follows from them. It asks the server for columns when it
// meets a row, so that it is waited for before a table changes. The goldens in testdata/canal have the messages as they were.
package differential
