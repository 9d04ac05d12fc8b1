// Package kafkawire tests internal/kafkawire on real Kafka clusters of every kind that is supported, with franz-go as the
// independent reader and writer.
package kafkawire
