// Package changelog is the vocabulary of cdcbridge: tables, rows, changes and the batches that carry them from a source
// to the sink.
//
//	Batch ─┬─ Txns     whole source transactions, or one part of one large transaction
//	       ├─ Runs     changes of one table from one log event
//	       ├─ Changes  row changes, in log order
//	       ├─ Notes    what is not a row change, at its place
//	       └─ Next     the checkpoint that holds once everything above is durable
//
// The package knows no database, no wire format and no Kafka, and imports the standard library only.
package changelog
