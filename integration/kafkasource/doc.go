// Package kafkasource tests the Kafka source on real brokers, through the daemon as people run it: where it starts and ends, what it
// finds while it runs, what upstream transactions, kills, lost topics and bad records do to it. franz-go writes what it reads, and reads
// what it writes.
package kafkasource
