// Package kafka reads changes from topics that others write: messages of Debezium, Canal, Flink, or rows with keys.
//
//	enumerator ─▶ which topics and partitions there are, now and later     enumerator.go
//	readers    ─▶ committed records of them, one goroutine a broker        reader.go, broker.go, lane.go
//	stream     ─▶ decodes, one record after the other, and fills batches   stream.go, decode.go
//
// Where a pipeline stands is one small state record a partition (partition.go), in the same transaction as the rows. What the
// decoder must have seen to understand what comes next is kept likewise (lesson.go).
package kafka

import "cdcbridge/capture"

// Kind is this package's row of the wiring table.
func Kind() capture.Kind { return capture.Kind{Name: "kafka", Config: NewConfig} }
