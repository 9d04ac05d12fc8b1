package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
)

// database is the server that the shop is in. There is one kind a source of cdcbridge (postgres.go, mysql.go).
type database interface {
	// Name is the product with its version.
	Name() string
	// Open gives a pool on the empty database of the shop. The caller closes it.
	Open() (*sql.DB, error)
	// Language is what its SQL has of its own.
	Language() language
	// Source is the pipeline's source, in YAML.
	Source() string
	// Login is the command by which a person comes in.
	Login() string
	// Stop ends the server and removes its data.
	Stop() error
}

// broker is the Kafka that the topics are in (broker.go).
type broker interface {
	Name() string
	Brokers() []string
	Stop() error
}

// stand is a running database beside a running broker.
type stand struct {
	database
	broker
}

// start runs both at once, as the first takes seconds and the second may do so too. What ran already is stopped on an error.
func start(ctx context.Context, source, topics string) (*stand, error) {
	sources := map[string]func(context.Context) (database, error){"postgres": startPostgres, "mysql": startMySQL}
	brokers := map[string]func(context.Context) (broker, error){"embedded": startFake, "kafka": startKafka}
	if topics == "" {
		topics = map[string]string{"postgres": "embedded", "mysql": "kafka"}[source]
	}
	if sources[source] == nil || brokers[topics] == nil {
		return nil, fmt.Errorf("no source %q with broker %q: choose from postgres and mysql, embedded and kafka", source, topics)
	}
	type started struct {
		broker
		err error
	}
	done := make(chan started, 1)
	go func() {
		b, err := brokers[topics](ctx)
		done <- started{b, err}
	}()
	db, err := sources[source](ctx)
	b := <-done
	if err = errors.Join(err, b.err); err == nil {
		return &stand{db, b.broker}, nil
	}
	if db != nil {
		err = errors.Join(err, db.Stop())
	}
	if b.broker != nil {
		err = errors.Join(err, b.Stop())
	}
	return nil, err
}

// Name tells both.
func (s *stand) Name() string { return s.database.Name() + " and " + s.broker.Name() }

// Stop ends both.
func (s *stand) Stop() error { return errors.Join(s.database.Stop(), s.broker.Stop()) }

// configuration is all that cdcbridge is told.
func (s *stand) configuration() string {
	return fmt.Sprintf(`kafka:
  brokers: [%s]
  topics: {partitions: 3}
pipelines:
  - name: demo
    source:
%s
    format: debezium-json
    preset: flink   # decimals as text, ISO times without zone, base64: what Flink SQL reads without a function
`, strings.Join(s.Brokers(), ", "), strings.TrimRight(indent(6, s.Source()), "\n"))
}

// indent moves each line to the right.
func indent(by int, text string) string {
	space := strings.Repeat(" ", by)
	return space + strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n"+space)
}
