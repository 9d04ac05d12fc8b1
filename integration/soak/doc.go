// Package soak runs one daemon for a long time under a mixed load, while servers and connections go and come back and its
// configuration changes, and looks at two things: whether what it holds stays flat (memory, goroutines, file descriptors), and
// whether the topics are the tables in the end.
//
//	MySQL ──▶ shop (debezium-json) ──▶ topics ──▶ bridge (plain-json) ──▶ topics
//	      └─▶ audit (changelog, comes and goes)
//	PostgreSQL ──▶ ledger (canal-json) ──▶ topics
//
// `make soak` does it for an hour and writes docs/soak.md anew; `make test` does one round of the same.
package soak
