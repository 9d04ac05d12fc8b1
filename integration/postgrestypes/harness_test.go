package postgrestypes

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"cdcbridge/capture"
	"cdcbridge/capture/postgres"
	"cdcbridge/changelog"
	"cdcbridge/integration/servers"

	"github.com/jackc/pgx/v5/pgconn"
)

const (
	patience = 60 * time.Second
	database = "types"
)

// bench is one server with a database, a session that asks it, and a slot.
type bench struct {
	t  testing.TB
	p  *servers.Postgres
	pg *pgconn.PgConn
}

// newBench makes a database whose settings print everything differently than the source needs it.
func newBench(t testing.TB, version string) *bench {
	t.Helper()
	b := &bench{t: t, p: servers.PostgresFor(t, servers.PostgresOptions{Version: version})}
	db, err := b.p.DB(database)
	if err != nil {
		t.Fatal(err)
	}
	_ = db.Close()
	for _, s := range []string{"datestyle = 'SQL, DMY'", "intervalstyle = 'iso_8601'", "timezone = 'Asia/Kathmandu'", "extra_float_digits = -5", "bytea_output = 'escape'", "xmloption = 'document'"} {
		if err := b.p.Exec(t.Context(), database, "ALTER DATABASE "+database+" SET "+s); err != nil {
			t.Fatal(err)
		}
	}
	if b.pg, err = pgconn.Connect(t.Context(), b.p.DSN(database)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.pg.Close(context.Background()) })
	b.exec("SET datestyle = ISO", "SET intervalstyle = postgres", "SET timezone = UTC", "SET extra_float_digits = 3", "SET bytea_output = hex", "SET lc_monetary = 'C'")
	return b
}

func (b *bench) exec(statements ...string) {
	b.t.Helper()
	for _, s := range statements {
		if _, err := b.pg.Exec(b.t.Context(), s).ReadAll(); err != nil {
			b.t.Fatalf("%.300s: %v", s, err)
		}
	}
}

// rows asks for text; NULL is null.
func (b *bench) rows(query string) [][]string {
	b.t.Helper()
	results, err := b.pg.Exec(b.t.Context(), query).ReadAll()
	if err != nil {
		b.t.Fatalf("%.300s: %v", query, err)
	}
	var out [][]string
	for _, row := range results[len(results)-1].Rows {
		line := make([]string, len(row))
		for i, v := range row {
			line[i] = string(v)
			if v == nil {
				line[i] = null
			}
		}
		out = append(out, line)
	}
	return out
}

// open makes publication and slot, with which new tables are captured at once, and opens a source at it.
func (b *bench) open() capture.Source {
	b.t.Helper()
	b.exec("CREATE PUBLICATION types FOR ALL TABLES WITH (publish_via_partition_root = true)", "SELECT pg_create_logical_replication_slot('types', 'pgoutput')")
	c := b.config()
	if errs := c.Validate(); len(errs) > 0 {
		b.t.Fatal(errs)
	}
	src := c.New(capture.Env{Pipeline: "types", Log: slog.New(slog.DiscardHandler)})
	b.t.Cleanup(func() { _ = src.Close() })
	if _, err := src.Open(b.t.Context(), changelog.Checkpoint{}); err != nil {
		b.t.Fatal(err)
	}
	return src
}

func (b *bench) config() *postgres.Config {
	c := postgres.NewConfig().(*postgres.Config)
	c.Host, c.Port, c.User, c.Password, c.Database = b.p.Host(), b.p.Port(), b.p.User(), capture.Secret(b.p.Password()), database
	c.Tables, c.Slot, c.Publication, c.Create = []string{"*.*"}, "types", "types", "none"
	return c
}

// follow streams and hands every change to see, until that says enough. It gives the error that ended the stream before.
func follow(t testing.TB, src capture.Source, see func(*changelog.Table, *changelog.Change) (enough bool)) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	out, ended := make(chan *changelog.Batch), make(chan error, 1)
	go func() {
		ended <- src.Stream(ctx, out)
		close(out)
	}()
	enough := false
	for batch := range out {
		for _, run := range batch.Runs {
			for i := run.From; i < run.To && !enough; i++ {
				if enough = see(run.Table, &batch.Changes[i]); enough {
					cancel()
				}
			}
		}
		batch.Release()
	}
	err := <-ended
	if enough && errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}
