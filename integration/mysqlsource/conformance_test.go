package mysqlsource

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"maps"
	"strings"
	"testing"

	"cdcbridge/capture"
	"cdcbridge/capture/capturetest"
	"cdcbridge/changelog"
	"cdcbridge/integration/harness"
	"cdcbridge/integration/servers"
)

// conformers are the servers that the suite runs on: with and without GTIDs, with compressed transactions and with logs that do not describe tables;
// in the long tier each of it on every version.
func conformers() map[string]servers.MySQLOptions {
	compressed := "--binlog-transaction-compression=ON"
	all := map[string]servers.MySQLOptions{
		"97":                           {},
		"97 without GTIDs, compressed": {Extra: append([]string{compressed}, withoutGTIDs...)},
		"57":                           {Version: "57"},
		"maria118 NO_LOG":              {Version: "maria118", Metadata: "NO_LOG"},
		"maria1011 compressed":         {Version: "maria1011", Extra: []string{"--log-bin-compress=ON", "--log-bin-compress-min-len=10"}},
	}
	if harness.Long {
		maps.Copy(all, map[string]servers.MySQLOptions{
			"80 compressed":     {Version: "80", Extra: []string{compressed}},
			"80 without GTIDs":  {Version: "80", Extra: withoutGTIDs},
			"57 without GTIDs":  {Version: "57", Extra: withoutGTIDs},
			"maria118":          {Version: "maria118"},
			"maria1011 MINIMAL": {Version: "maria1011", Metadata: "MINIMAL"},
		})
	}
	return all
}

// TestConformance runs the suite that every source passes. It looks at the memory and the goroutines of the whole process, so nothing runs beside it.
func TestConformance(t *testing.T) {
	for name, o := range conformers() {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, o)
			b.exec("CREATE DATABASE other")
			capturetest.Run(t, &capturetest.Database{
				Server: conformanceServer{b, name == "97"}, Captured: "shop", Other: "other", Types: types, Tampered: tampered, Undescribed: o.Version == "57" || o.Metadata != "",
				Quote: func(name string) string { return "`" + strings.ReplaceAll(name, "`", "``") + "`" },
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
	c.Start, c.Tables, c.ExcludeTables = "latest", o.Tables, o.Exclude
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
	return conformanceSession{c, s.m.Version() == "57"}, err
}

// Restart is in order on one server and a crash on the others: in order a server waits eight seconds for those who read its log.
func (s conformanceServer) Restart(ctx context.Context) error {
	if !s.orderly {
		if err := s.m.Kill(); err != nil {
			return err
		}
	}
	return s.m.Restart(ctx)
}

func (s conformanceServer) Disconnect(ctx context.Context) error {
	rows, err := s.db.QueryContext(ctx, "SELECT id FROM information_schema.processlist WHERE command LIKE 'Binlog Dump%'")
	if err != nil {
		return err
	}
	defer rows.Close()
	var ids []int64
	for rows.Next() {
		var id int64
		if err := rows.Scan(&id); err != nil {
			return err
		}
		ids = append(ids, id)
	}
	for _, id := range ids {
		if _, err := s.db.ExecContext(ctx, fmt.Sprintf("KILL %d", id)); err != nil {
			return err
		}
	}
	return rows.Err()
}

// Forget has nothing to do: the server knows nothing of its readers.
func (s conformanceServer) Forget(context.Context, string) error { return nil }

type conformanceSession struct {
	c   *sql.Conn
	old bool // MySQL 5.7
}

func (s conformanceSession) Exec(ctx context.Context, statement string) error {
	if s.old {
		statement = strings.Replace(statement, "RENAME COLUMN v TO w", "ADD COLUMN w VARCHAR(16000) AFTER id, DROP COLUMN v", 1)
	}
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
	{SQL: "tinyint(1)", Literal: "1"}, {SQL: "tinyint unsigned", Literal: "200"}, {SQL: "smallint", Literal: "-3"}, {SQL: "mediumint", Literal: "-70000"}, {SQL: "int", Literal: "0"},
	{SQL: "bigint unsigned", Literal: "18446744073709551615"}, {SQL: "year", Literal: "2024"}, {SQL: "float", Literal: "1.5"}, {SQL: "double", Literal: "-0.1"}, {SQL: "decimal(10,2)", Literal: "12.30"},
	{SQL: "bit(10)", Literal: "b'1000000001'"}, {SQL: "char(3)", Literal: "''"}, {SQL: "varchar(20)", Literal: "'ä☃'"}, {SQL: "varchar(300)", Literal: "'x'"}, {SQL: "text", Literal: "''"},
	{SQL: "longtext", Literal: "REPEAT('y', 300)"}, {SQL: "binary(4)", Literal: "x'00'"}, {SQL: "varbinary(20)", Literal: "x'00ff'"}, {SQL: "blob", Literal: "x''"}, {SQL: "enum('x','☃')", Literal: "'☃'"},
	{SQL: "set('a','b','c')", Literal: "'a,c'"}, {SQL: "json", Literal: "'null'"}, {SQL: "date", Literal: "'2024-05-06'"}, {SQL: "time(3)", Literal: "'-838:59:59.000'"}, {SQL: "datetime(6)", Literal: "'2024-05-06 07:08:09.123456'"},
	{SQL: "timestamp(3)", Literal: "'2024-05-06 07:08:09.123'"}, {SQL: "point", Literal: "ST_GeomFromText('POINT(1 2)')"},
}
