package main

import (
	"bufio"
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"cdcbridge/integration/servers"
)

const onPostgres = "postgres"

// postgresDB is PostgreSQL with the settings of a small production machine, without fsync. A backlog is what the slot
// "backlog" keeps; each reader gets a copy of that slot.
type postgresDB struct {
	server *servers.Postgres
	db     *sql.DB
	slots  []string // copies that were made since the last fresh
}

const (
	pgDatabase    = "bench"
	pgPublication = "bench"
	pgBacklog     = "backlog"
)

func startPostgres(ctx context.Context) (_ *postgresDB, err error) {
	p := &postgresDB{}
	p.server, err = servers.StartPostgres(ctx, servers.PostgresOptions{Settings: map[string]string{
		"shared_buffers": "256MB", "max_wal_size": "4GB", "autovacuum": "off", "logical_decoding_work_mem": "64MB",
		"max_replication_slots": "100", // each reader of a backlog has its own until the next one is filled
	}})
	if err != nil {
		return nil, err
	}
	if p.db, err = p.server.DB(pgDatabase); err != nil {
		return nil, errors.Join(err, p.server.Stop())
	}
	return p, nil
}

func (p *postgresDB) name() string      { return onPostgres }
func (p *postgresDB) session() []string { return nil }
func (p *postgresDB) pool() *sql.DB     { return p.db }
func (p *postgresDB) close() error      { return errors.Join(p.db.Close(), p.server.Stop()) }

func (p *postgresDB) version(ctx context.Context) (v string, err error) {
	err = p.db.QueryRowContext(ctx, "SHOW server_version").Scan(&v)
	return "PostgreSQL " + v, err
}

// slotOf is the slot of a pipeline.
func slotOf(pipeline string) string { return "slot_" + pipeline }

func (p *postgresDB) source(pipeline string, defaults bool) string {
	tls := "disabled"
	if defaults {
		tls = "preferred"
	}
	return fmt.Sprintf(`type: postgres, host: %s, port: %d, user: %s, password: %s, database: %s, tables: ["bench.*"], tls: {mode: %s}, create: none, publication: %s, slot: %s`,
		p.server.Host(), p.server.Port(), p.server.User(), p.server.Password(), pgDatabase, tls, pgPublication, slotOf(pipeline))
}

func (p *postgresDB) connector(name string) map[string]string {
	p.slots = append(p.slots, slotOf(name)) // which the connector makes
	return map[string]string{
		"connector.class": "io.debezium.connector.postgresql.PostgresConnector", "database.hostname": p.server.Host(), "database.port": strconv.Itoa(p.server.Port()),
		"database.user": p.server.User(), "database.password": p.server.Password(), "database.dbname": pgDatabase, "database.sslmode": "disable",
		"plugin.name": "pgoutput", "slot.name": slotOf(name), "publication.name": pgPublication, "publication.autocreate.mode": "disabled", "schema.include.list": "bench",
	}
}

func (p *postgresDB) begin(context.Context) error { return nil }
func (p *postgresDB) remembered() string          { return `"lsn` }

// pgOrder computes the row of 12 columns from n, about 250 bytes on the wire.
const pgOrder = `n, 100000 + (n * 7919) % 900000, 4000 + n % 5000,
	(ARRAY['new', 'paid', 'packed', 'shipped', 'returned'])[1 + n % 5], (ARRAY['EUR', 'USD', 'CHF'])[1 + n % 3],
	'please leave the parcel of order ' || n || ' at the door of the neighbour, thank you', (ARRAY['eu-central-1', 'eu-west-1', 'us-east-1', 'ap-south-1'])[1 + n % 4],
	(n * 37 % 1000000)::numeric / 100, 1 + n % 9, '2024-05-06 07:08:09.123'::timestamp + n * interval '1 second', '2024-05-06 09:08:10.456+00'::timestamptz + n * interval '1 second', n % 6`

// pgSchema is made anew for each suite. The procedure lives in a schema that is not captured.
var pgSchema = []string{
	"DROP SCHEMA IF EXISTS bench CASCADE", "DROP SCHEMA IF EXISTS benchload CASCADE", "DROP PUBLICATION IF EXISTS " + pgPublication,
	"CREATE SCHEMA benchload", "CREATE SCHEMA bench",
	`CREATE TABLE bench.orders (
	id BIGINT PRIMARY KEY, customer_id BIGINT NOT NULL, product_id BIGINT NOT NULL,
	status VARCHAR(16) NOT NULL, currency VARCHAR(3) NOT NULL, note VARCHAR(255), region VARCHAR(32),
	amount NUMERIC(10,2) NOT NULL, quantity INT NOT NULL, ordered_at TIMESTAMP(3) NOT NULL, updated_at TIMESTAMPTZ(3) NOT NULL, priority SMALLINT)`,
	"CREATE TABLE bench.documents (id INT PRIMARY KEY, revision INT NOT NULL, body TEXT)",
	"ALTER TABLE bench.documents ALTER body SET STORAGE EXTERNAL",
	`CREATE PROCEDURE benchload.single(first BIGINT, count BIGINT) LANGUAGE plpgsql AS $$
	BEGIN
		FOR i IN 0 .. count - 1 LOOP
			INSERT INTO bench.orders SELECT ` + pgOrder + ` FROM (SELECT first + i AS n) t;
			COMMIT;
		END LOOP;
	END $$`,
	"CREATE PUBLICATION " + pgPublication + " FOR TABLES IN SCHEMA bench WITH (publish_via_partition_root = true)",
}

func (p *postgresDB) fresh(ctx context.Context) error {
	for _, slot := range append(p.slots, pgBacklog) {
		if err := p.dropSlot(ctx, slot); err != nil {
			return fmt.Errorf("dropping the slot %s: %w", slot, err)
		}
	}
	p.slots = nil
	for _, q := range append(pgSchema, "CHECKPOINT", "SELECT pg_create_logical_replication_slot('"+pgBacklog+"', 'pgoutput')") {
		if _, err := p.db.ExecContext(ctx, q); err != nil {
			return fmt.Errorf("running %.80s: %w", q, err)
		}
	}
	return nil
}

func (p *postgresDB) unloggedSession() []string { return nil }

func (p *postgresDB) forget(ctx context.Context) error {
	if err := p.dropSlot(ctx, pgBacklog); err != nil {
		return fmt.Errorf("dropping the slot %s: %w", pgBacklog, err)
	}
	for _, q := range []string{"VACUUM ANALYZE bench.orders", "CHECKPOINT", "SELECT pg_create_logical_replication_slot('" + pgBacklog + "', 'pgoutput')"} {
		if _, err := p.db.ExecContext(ctx, q); err != nil {
			return fmt.Errorf("running %.80s: %w", q, err)
		}
	}
	return nil
}

// selectAll copies the table out as text.
func (p *postgresDB) selectAll(ctx context.Context) (ceiling, error) {
	c, err := pgconn.Connect(ctx, p.server.DSN(pgDatabase))
	if err != nil {
		return ceiling{}, fmt.Errorf("connecting for a bare read: %w", err)
	}
	defer c.Close(ctx)
	var size counter
	before := readUsage()
	began := time.Now()
	tag, err := c.CopyTo(ctx, &size, "COPY bench.orders TO STDOUT")
	return ceiling{Rows: tag.RowsAffected(), Bytes: int64(size), Seconds: time.Since(began).Seconds(), Shares: readUsage().since(before, 0)}, err
}

// counter counts what is written to it.
type counter int64

func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}

// dropSlot waits for the walsender of a reader that has gone: the server finds out when it writes the next time.
func (p *postgresDB) dropSlot(ctx context.Context, slot string) error {
	for {
		var inUse bool
		err := p.db.QueryRowContext(ctx, "SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = $1 AND active", slot).Scan(&inUse)
		if errors.Is(err, sql.ErrNoRows) {
			_, err = p.db.ExecContext(ctx, "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = $1", slot)
			return err
		}
		if err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func (p *postgresDB) prepare(ctx context.Context, pipeline string) error {
	slot := slotOf(pipeline)
	if _, err := p.db.ExecContext(ctx, "SELECT pg_copy_logical_replication_slot($1, $2)", pgBacklog, slot); err != nil {
		return fmt.Errorf("copying the slot of the backlog: %w", err)
	}
	p.slots = append(p.slots, slot)
	return nil
}

func (p *postgresDB) thousand(first, limit int64) string {
	return fmt.Sprintf("INSERT INTO bench.orders SELECT %s FROM generate_series(%d::bigint, %d) n", pgOrder, first, first+limit-1)
}

func (p *postgresDB) one() string {
	return "INSERT INTO bench.orders SELECT " + pgOrder + " FROM (SELECT $1::bigint AS n) t"
}

// dump counts the transactions that the walsender sends, and their rows, until all have come.
func (p *postgresDB) dump(ctx context.Context, b backlog) (ceiling, error) {
	name := fmt.Sprintf("raw%d", len(p.slots))
	if err := p.prepare(ctx, name); err != nil {
		return ceiling{}, err
	}
	c, err := pgconn.Connect(ctx, p.server.DSN(pgDatabase)+" replication=database")
	if err != nil {
		return ceiling{}, fmt.Errorf("connecting for a raw drain: %w", err)
	}
	before := readUsage()
	began := time.Now()
	start := fmt.Sprintf("START_REPLICATION SLOT %s LOGICAL 0/0 (proto_version '1', publication_names '%s')", slotOf(name), pgPublication)
	c.Frontend().SendQuery(&pgproto3.Query{String: start})
	if err := c.Frontend().Flush(); err != nil {
		return ceiling{}, errors.Join(err, c.Close(ctx))
	}
	raw, err := c.Hijack()
	if err != nil {
		return ceiling{}, errors.Join(err, c.Close(ctx))
	}
	defer raw.Conn.Close()
	res, err := countWAL(bufio.NewReaderSize(raw.Conn, 256<<10), b.txns)
	if err != nil {
		return ceiling{}, fmt.Errorf("reading the walsender's stream: %w", err)
	}
	res.Seconds, res.Shares = time.Since(began).Seconds(), readUsage().since(before, 0)
	if res.Rows != b.changes {
		return res, fmt.Errorf("the stream has %d rows, the backlog %d", res.Rows, b.changes)
	}
	return res, nil
}

// countWAL frames messages and looks at the byte that says what each is: CopyData, in it XLogData, in it pgoutput's.
func countWAL(r *bufio.Reader, txns int64) (res ceiling, err error) {
	const header, xlogData = 5, 25
	for res.Commits < txns {
		head, err := r.Peek(header + xlogData + 1)
		if err != nil && len(head) < header {
			return res, err
		}
		size := int64(binary.BigEndian.Uint32(head[1:])) + 1
		switch {
		case head[0] == 'E':
			return res, fmt.Errorf("the server sent an error: %q", head)
		case head[0] == 'd' && size > header+xlogData && len(head) > header+xlogData && head[header] == 'w':
			res.Bytes += size
			switch head[header+xlogData] {
			case 'I', 'U', 'D':
				res.Rows++
			case 'C':
				res.Commits++
			}
		}
		if _, err := io.CopyN(io.Discard, r, size); err != nil {
			return res, err
		}
	}
	res.Commits = 0 // of Kafka there are none
	return res, nil
}
