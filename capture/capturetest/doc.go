// Package capturetest is the conformance suite of package capture: what every source must do, whatever its log looks like. A
// source is done when Run passes on its real server.
//
//	suite.go       Run, and the port through which the suite uses a server
//	bench.go       one test's tables and pipeline, statements, attempts
//	recording.go   what came out of a stream, and what holds for every batch
//	order.go       transactions, savepoints, key changes, tables that are not captured, shapes
//	resume.go      every checkpoint continues exactly, parts of transactions included
//	flow.go        drained, idle, back-pressure, memory of batches
//	conduct.go     cancelling, Ack, Stats, Close
//	outage.go      a server that restarts, a connection that is cut
//	refusals.go    checkpoints and passwords that are wrong, the preflight
//	values.go      NULL in every column, every type, names
//
// The suite looks at a source through the port alone, so it says nothing about how a position is written or what a value of
// some type is; tests of the source do that.
package capturetest
