package main

import (
	"context"
	"database/sql"
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
	my     *servers.MySQL
	kafka  *servers.Kafka
	db     *sql.DB
	dir    string // of the daemon's configurations
	serial int    // makes pipeline names unique
	report *report
}

// newStand starts the servers. Their settings are those of a small production machine: a database that fsyncs once a second,
// a broker that takes messages of 32 MiB.
func newStand(ctx context.Context, o options) (_ *stand, err error) {
	s := &stand{options: o, report: &report{}}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close())
		}
	}()
	if s.dir, err = os.MkdirTemp("", "cdcbridge-bench-"); err != nil {
		return nil, err
	}
	s.my, err = servers.StartMySQL(ctx, servers.MySQLOptions{Extra: []string{
		"--innodb-buffer-pool-size=256M", "--innodb-redo-log-capacity=512M", "--max-allowed-packet=64M", "--binlog-cache-size=1M",
	}})
	if err != nil {
		return nil, err
	}
	s.kafka, err = servers.StartKafka(ctx, servers.KafkaOptions{
		// The servers package favours a fast start; a broker that is measured may use the optimizing compiler.
		Heap:  "512m -XX:TieredStopAtLevel=4",
		Extra: map[string]string{"message.max.bytes": "33554432", "replica.fetch.max.bytes": "33554432"},
	})
	if err != nil {
		return nil, err
	}
	if s.db, err = s.my.DB(""); err != nil {
		return nil, err
	}
	s.db.SetMaxIdleConns(0) // a load's session settings end with it
	s.report.Machine, err = describeMachine(ctx, s.db)
	return s, err
}

func (s *stand) close() error {
	var errs []error
	if s.db != nil {
		errs = append(errs, s.db.Close())
	}
	if s.my != nil {
		errs = append(errs, s.my.Stop())
	}
	if s.kafka != nil {
		errs = append(errs, s.kafka.Stop())
	}
	if s.dir != "" {
		errs = append(errs, os.RemoveAll(s.dir))
	}
	return errors.Join(errs...)
}

// fresh makes an empty schema under an empty binlog.
func (s *stand) fresh(ctx context.Context) error {
	return s.unlogged(ctx, append(append([]string{"DROP DATABASE IF EXISTS bench"}, schema...), "RESET BINARY LOGS AND GTIDS")...)
}

// unlogged runs statements that leave nothing in the binlog.
func (s *stand) unlogged(ctx context.Context, statements ...string) error {
	conn, err := s.db.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	for _, q := range append(append([]string{"SET SESSION sql_log_bin=0"}, statements...), "SET SESSION sql_log_bin=1") {
		if _, err := conn.ExecContext(ctx, q); err != nil {
			return fmt.Errorf("running %.80s: %w", q, err)
		}
	}
	return nil
}

// pipeline gives a new pipeline's name and its configuration.
func (s *stand) pipeline(v variant) (name, config string) {
	s.serial++
	name = fmt.Sprintf("b%d", s.serial)
	tls := "{mode: disabled}"
	if v.defaults {
		tls = "{mode: preferred}"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "kafka:\n  brokers: [%s]\n  topics:\n    partitions: %d\n", strings.Join(s.kafka.Brokers(), ", "), partitions)
	if v.large {
		b.WriteString("    config: [{name: max.message.bytes, value: \"33554432\"}]\n")
	}
	fmt.Fprintf(&b, "pipelines:\n  - {name: %s, source: {type: mysql, host: %s, port: %d, user: %s, password: %s, tables: [\"bench.*\"], tls: %s",
		name, s.my.Host(), s.my.Port(), s.my.User(), s.my.Password(), tls)
	if s.source != "" {
		b.WriteString(", " + s.source)
	}
	b.WriteString("}, outputs: [")
	for i, format := range v.formats {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "{name: o%d, format: %s, topic: \"{pipeline}.o%d.{table}\"}", i, format, i)
	}
	b.WriteString("]")
	if s.setting != "" {
		b.WriteString(", " + s.setting)
	}
	b.WriteString("}\n")
	return name, b.String()
}

// variant is one way of draining a backlog.
type variant struct {
	label    string
	formats  []string // one output each
	defaults bool     // TLS to the database as it is without any setting; else none, like the raw dump beside it
	large    bool     // topics take messages of 32 MiB
}
