// Package bridge runs what others use today, Debezium and Canal, writes with them what changes in real databases, and lets cdcbridge turn their topics into
// compacted ones: what those fold to must be the tables, whatever is killed meanwhile, and Flink must read it. The same query over Canal's own topic fails.
package bridge
