package postgressource

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"strings"
	"testing"

	"cdcbridge/capture"
	"cdcbridge/capture/capturetest"
	"cdcbridge/changelog"
	"cdcbridge/integration/servers"
)

// TestConformance runs the suite that every source passes. Servers give a walsender up after two seconds of silence, so that
// the suite's pauses are long. One of them streams large transactions before they commit. The suite looks at the memory and the goroutines of the
// whole process, so nothing runs beside it.
func TestConformance(t *testing.T) {
	for _, v := range versions {
		t.Run(v, func(t *testing.T) {
			b := newBench(t, servers.PostgresOptions{Version: v, Settings: map[string]string{"wal_sender_timeout": "2s", "logical_decoding_work_mem": "64kB"}})
			b.exec("CREATE SCHEMA shop", "CREATE SCHEMA other", "CREATE TYPE public.mood AS ENUM ('sad', 'ok')", "CREATE TYPE public.pair AS (a int, b text)", "CREATE DOMAIN public.price AS numeric(8,2)")
			capturetest.Run(t, &capturetest.Database{
				Server: conformanceServer{b, v == "18"}, Captured: "shop", Other: "other", Types: types, Tampered: tampered,
				Quote: func(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` },
			})
		})
	}
}

// conformanceServer lets the suite use a server.
type conformanceServer struct {
	*bench
	orderly bool
}

func (s conformanceServer) Config(o capturetest.Options) capture.Config {
	c := s.config()
	c.Tables, c.ExcludeTables, c.Streaming = o.Tables, o.Exclude, !s.orderly
	if o.Batch > 0 {
		c.BatchBytes = o.Batch
	}
	if o.Password != "" {
		c.Password = capture.Secret(o.Password)
	}
	return c
}

func (s conformanceServer) Connect(ctx context.Context) (capturetest.Session, error) {
	c, err := s.db.Conn(ctx)
	return conformanceSession{c}, err
}

// Restart is in order on one server and a crash on the others.
func (s conformanceServer) Restart(ctx context.Context) error {
	if !s.orderly {
		if err := s.p.Shutdown(ctx, servers.Immediate); err != nil {
			return err
		}
		return s.p.Start(ctx)
	}
	return s.p.Restart(ctx, nil)
}

func (s conformanceServer) Disconnect(ctx context.Context) error {
	_, err := s.p.EndWalsenders(ctx)
	return err
}

// Forget waits until the server has noticed that nobody reads the slot.
func (s conformanceServer) Forget(ctx context.Context, pipeline string) error {
	name := "cdcbridge_" + pipeline
	return s.p.Exec(ctx, "shop", "DROP PUBLICATION IF EXISTS "+name,
		`DO $$ BEGIN FOR i IN 1..100 LOOP
			EXIT WHEN NOT EXISTS (SELECT FROM pg_replication_slots WHERE slot_name = '`+name+`' AND active);
			PERFORM pg_sleep(0.05);
		END LOOP; END $$`,
		"SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = '"+name+"'")
}

type conformanceSession struct{ c *sql.Conn }

func (s conformanceSession) Exec(ctx context.Context, statement string) error {
	_, err := s.c.ExecContext(ctx, statement)
	return err
}

// Close ends the session for good, so that an open transaction does not come back from the pool.
func (s conformanceSession) Close() error {
	_ = s.c.Raw(func(any) error { return driver.ErrBadConn })
	return s.c.Close()
}

// tampered changes what a position says about the rows that are done.
func tampered(p changelog.Position) []changelog.Position {
	text := string(p)
	at := strings.Index(text, `"sum":"`) + len(`"sum":"`)
	return []changelog.Position{
		changelog.Position(text[:at] + "0123456789abcdef" + text[at+16:]),
		changelog.Position(strings.Replace(text, `"rows":`, `"rows":9`, 1)), // more rows than the transaction has
	}
}

var types = []capturetest.Type{
	{SQL: "boolean", Literal: "false"}, {SQL: "smallint", Literal: "-3"}, {SQL: "integer", Literal: "0"}, {SQL: "bigint", Literal: "9223372036854775807"}, {SQL: "oid", Literal: "4294967295"},
	{SQL: "real", Literal: "1.5"}, {SQL: "double precision", Literal: "'NaN'"}, {SQL: "numeric(10,2)", Literal: "12.30"}, {SQL: "numeric", Literal: "'-Infinity'"}, {SQL: "numeric(5,-2)", Literal: "12300"},
	{SQL: "money", Literal: "'12.30'"}, {SQL: "text", Literal: "''"}, {SQL: "varchar(20)", Literal: "'ä☃'"}, {SQL: "char(3)", Literal: "'x'"}, {SQL: `"char"`, Literal: "'x'"}, {SQL: "name", Literal: "'n'"},
	{SQL: "bytea", Literal: `'\x'`}, {SQL: "uuid", Literal: "'97e59da4-e909-11f1-8a1b-02fc00000001'"}, {SQL: "json", Literal: "'null'"}, {SQL: "jsonb", Literal: `'{"a": [1, null]}'`}, {SQL: "xml", Literal: "'<a/>'"},
	{SQL: "date", Literal: "'infinity'"}, {SQL: "time(3)", Literal: "'24:00:00'"}, {SQL: "timetz", Literal: "'07:08:09.123+05:30'"}, {SQL: "timestamp(6)", Literal: "'0044-03-15 12:00:00 BC'"},
	{SQL: "timestamptz(3)", Literal: "'2024-05-06 07:08:09.123+00'"}, {SQL: "interval", Literal: "'1 year -2 days 03:04:05.6'"}, {SQL: "inet", Literal: "'::1/64'"}, {SQL: "cidr", Literal: "'10.0.0.0/8'"},
	{SQL: "macaddr", Literal: "'08:00:2b:01:02:03'"}, {SQL: "bit(3)", Literal: "B'101'"}, {SQL: "varbit(5)", Literal: "B''"}, {SQL: "public.mood", Literal: "'sad'"}, {SQL: "public.price", Literal: "1.5"},
	{SQL: "public.pair", Literal: "'(1,\"a b\")'"}, {SQL: "int[]", Literal: "'{1,NULL,3}'"}, {SQL: "text[]", Literal: "'{}'"}, {SQL: "public.mood[]", Literal: "'{sad}'"}, {SQL: "numeric(6,2)[]", Literal: "'{{1.5,2},{3,NULL}}'"},
	{SQL: "int4range", Literal: "'empty'"}, {SQL: "tstzrange", Literal: "'[2024-05-06 07:08:09+00,)'"}, {SQL: "int8multirange", Literal: "'{[1,3),[5,7)}'"}, {SQL: "tsvector", Literal: "'a:1 b'"},
	{SQL: "tsquery", Literal: "'a & b'"}, {SQL: "point", Literal: "'(1,2)'"}, {SQL: "path", Literal: "'[(0,0),(1,1)]'"}, {SQL: "pg_lsn", Literal: "'16/B374D848'"}, {SQL: "xid", Literal: "'7'"}, {SQL: "regclass", Literal: "'pg_class'"},
}
