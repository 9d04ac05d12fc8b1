package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"cdcbridge/integration/servers"
)

// partitions of every topic that is measured.
const partitions = 3

// stand is what measurements run on: one database and one broker beside each other.
type stand struct {
	options
	kafka  *servers.Kafka
	db     database // the one that runs
	rival  *rival   // Kafka Connect, once a suite has wanted it; else nil
	dir    string   // of the daemon's configurations
	serial int      // makes pipeline names unique
	warmed bool     // the broker has its code compiled
	report *report
}

// newStand starts a broker that takes messages of 32 MiB. Databases start when a suite wants them.
func newStand(ctx context.Context, o options) (_ *stand, err error) {
	s := &stand{options: o, report: &report{Machine: describeMachine(ctx)}}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close())
		}
	}()
	if s.dir, err = os.MkdirTemp("", "cdcbridge-bench-"); err != nil {
		return nil, err
	}
	s.kafka, err = servers.StartKafka(ctx, servers.KafkaOptions{
		// The servers package favours a fast start; a broker that is measured may use the optimizing compiler.
		Heap:  "512m -Xms512m -XX:TieredStopAtLevel=4",
		Extra: map[string]string{"message.max.bytes": "33554432", "replica.fetch.max.bytes": "33554432"},
	})
	return s, err
}

func (s *stand) close() error {
	var errs []error
	if s.rival != nil {
		errs = append(errs, s.rival.connect.Stop())
	}
	if s.db != nil {
		errs = append(errs, s.db.close())
	}
	if s.kafka != nil {
		errs = append(errs, s.kafka.Stop())
	}
	if s.dir != "" {
		errs = append(errs, os.RemoveAll(s.dir))
	}
	return errors.Join(errs...)
}

// pipeline gives a new pipeline's name and its configuration, ready to read the database's log.
func (s *stand) pipeline(ctx context.Context, v variant) (name, config string, err error) {
	s.serial++
	name = fmt.Sprintf("b%d", s.serial)
	topics := fmt.Sprintf("partitions: %d", cmp.Or(v.partitions, partitions))
	if v.large {
		topics += ", config: [{name: max.message.bytes, value: \"33554432\"}]"
	}
	kafka := "topics: {" + topics + "}"
	if v.compression != "" {
		kafka += ", compression: " + v.compression
	}
	var outputs []string
	for i, format := range v.formats {
		outputs = append(outputs, fmt.Sprintf("{name: o%d, format: %s, topic: \"{pipeline}.o%d.{table}\"}", i, format, i))
	}
	rest := fmt.Sprintf("delivery: %s, snapshot: %s, outputs: [%s]", cmp.Or(v.delivery, "exactly_once"), cmp.Or(v.snapshot, "{mode: never}"), strings.Join(outputs, ", "))
	return name, s.config(name, kafka, s.db.source(name, v.defaults), rest), s.db.prepare(ctx, name)
}

// config is that of one pipeline: keys of kafka, of its source and of itself, with what the command line adds to the last two.
func (s *stand) config(name, kafka, source, rest string) string {
	if s.source != "" {
		source += ", " + s.source
	}
	if s.setting != "" {
		rest += ", " + s.setting
	}
	return fmt.Sprintf("kafka: {brokers: [%s], %s}\npipelines:\n  - {name: %s, source: {%s}, %s}\n", strings.Join(s.kafka.Brokers(), ", "), kafka, name, source, rest)
}

// variant is one way of draining a backlog.
type variant struct {
	label    string
	formats  []string // one output each
	defaults bool     // TLS to the database as it is without any setting; else none, like the raw dump beside it
	large    bool     // topics take messages of 32 MiB
	snapshot string   // the snapshot section; none when empty

	compression string // of batches; "": the default
	delivery    string // "": exactly once
	partitions  int    // of each topic; 0: as everywhere
}
