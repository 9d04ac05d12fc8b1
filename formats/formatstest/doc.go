// Package formatstest is the conformance suite of package formats: what every wire format must do, whatever its messages
// look like. A format is done when Run passes for its Kind.
//
//	suite.go     Run and what its checks share
//	database.go  the kinds of databases, and their tables
//	columns.go   the fixture: one column of every kind that MySQL has, with its edge values
//	postgres.go  the same for PostgreSQL
//	values.go    every value survives, is valid JSON and differs from every other
//	images.go    operations, before and after images, tombstones, key changes
//	keys.go      equal keys ↔ equal bytes, key order
//	conduct.go   refusals, memory, concurrency
//	roundtrip.go what a reader reads is what was written: RoundTrip; travel.go its other checks, random.go its random rows,
//	             reading.go what reading costs
//	side.go      records beside the rows: Sides
//	golden.go    golden files
//	orders.go    the table that benchmarks use
//
// The suite looks at messages only through the format's own Decoder and through encoding/json, so it says nothing about
// how a value is written; golden files of the format do that.
package formatstest
