// Package differential holds what cdcbridge writes against what the programs wrote whose formats those are.
//
//	testdata/mysql.sql ──▶ real server ──▶ Debezium on Kafka Connect ──▶ testdata/*.golden   (long tier, with -update)
//	                   └─▶ real server ──▶ cdcbridge ──▶ records ── equal but for testdata/allowed.yaml? ──▶ testdata/*.golden
//
// The servers of the two runs differ, so what only a run decides (times of the clock, positions, ids, the program's version) is taken out of both; in
// the long tier both read one server, and positions and transactions are compared too.
//
// After a change of a script the goldens are recorded again:
//
//	go test ./differential -run TestRecordDebezium -update -timeout 30m
package differential
