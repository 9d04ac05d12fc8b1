package main

import (
	"context"
	"database/sql"
	"fmt"
)

// database is a server with the schema "bench", from whose log the daemon reads.
type database interface {
	name() string // as source.type has it
	version(ctx context.Context) (string, error)
	pool() *sql.DB
	close() error

	session() []string // what every session of a load begins with

	// fresh makes an empty schema under an empty log.
	fresh(ctx context.Context) error

	// unloggedSession makes a session leave nothing in the log, where the server can; forget empties the log and leaves the tables.
	unloggedSession() []string
	forget(ctx context.Context) error

	// selectAll reads the table orders as fast as the server sends it and looks at nothing.
	selectAll(ctx context.Context) (ceiling, error)

	// prepare lets a pipeline read the log from where fresh has left it. Its source's settings are those of source, with TLS
	// as it is without any setting when defaults are wanted, else none, like the raw dump.
	prepare(ctx context.Context, pipeline string) error
	source(pipeline string, defaults bool) string

	// connector is what a connector of Debezium needs to read it. begin leaves in the log what the connector cannot do without, nothing that is captured;
	// remembered is in the offset of one that knows where it stands.
	connector(name string) map[string]string
	begin(ctx context.Context) error
	remembered() string

	// dump reads the whole backlog as fast as the server sends it and looks at nothing but the kinds of messages.
	dump(ctx context.Context, b backlog) (ceiling, error)

	// thousand is a statement that inserts the orders first … first+limit-1, at most a thousand; one inserts the order that
	// its argument names.
	thousand(first, limit int64) string
	one() string
}

// use starts the server, unless it is the one that runs, in place of the other, and warms it up.
func (s *stand) use(ctx context.Context, name string) error {
	if s.db != nil && s.db.name() == name {
		return nil
	}
	if name == onTopics {
		return nil // whatever database runs does nothing meanwhile
	}
	if s.db != nil {
		err := s.db.close()
		s.db = nil
		if err != nil {
			return fmt.Errorf("stopping the database before: %w", err)
		}
	}
	if err := s.start(ctx, name); err != nil {
		return fmt.Errorf("starting %s: %w", name, err)
	}
	if err := warm(ctx, s); err != nil {
		return fmt.Errorf("warming up: %w", err)
	}
	return nil
}

func (s *stand) start(ctx context.Context, name string) (err error) {
	switch name {
	case onMySQL:
		s.db, err = startMySQL(ctx)
	case onPostgres:
		s.db, err = startPostgres(ctx)
	default:
		err = fmt.Errorf("no database is called %q", name)
	}
	if err != nil {
		return err
	}
	version, err := s.db.version(ctx)
	if err != nil {
		return fmt.Errorf("asking for the server's version: %w", err)
	}
	s.report.Machine.addDatabase(version)
	return nil
}
