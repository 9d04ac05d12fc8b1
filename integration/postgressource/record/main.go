// Command record makes capture/postgres/testdata/stream-*: what real walsenders sent for the statements of workload.sql, and
// what SELECT and the catalogue said of the tables afterwards. It is needed only when workload.sql changes or another release
// is to be covered; look at the difference before committing it.
//
//	go run ./postgressource/record        (in integration/)
package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"database/sql"
	_ "embed"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"cdcbridge/integration/servers"
)

//go:embed workload.sql
var workload string

const (
	out      = "../capture/postgres/testdata"
	database = "recorded"
)

// recording is what the stream is compared with.
type recording struct {
	Start  string           // LSN that the stream began at
	Tables map[string]table // by name
}

type table struct {
	OID     uint32
	Key     []string
	Columns []string
	NotNull []string
	Rows    [][]*string
}

func main() {
	for _, version := range []string{"15", "18"} {
		if err := record(context.Background(), version); err != nil {
			fmt.Fprintf(os.Stderr, "record: PostgreSQL %s: %v\n", version, err)
			os.Exit(1)
		}
	}
}

func record(ctx context.Context, version string) (err error) {
	p, err := servers.StartPostgres(ctx, servers.PostgresOptions{Version: version})
	if err != nil {
		return err
	}
	defer func() { _ = p.Stop() }()
	db, err := p.DB(database)
	if err != nil {
		return err
	}
	defer db.Close()
	db.SetMaxOpenConns(1) // some statements are about the session
	before, during, ok := strings.Cut(workload, "-- the slot is made here\n")
	if !ok {
		return fmt.Errorf("workload.sql does not say where the slot is made")
	}
	if _, err := db.ExecContext(ctx, before); err != nil {
		return fmt.Errorf("preparing: %w", err)
	}
	r := recording{Tables: map[string]table{}}
	if err := db.QueryRowContext(ctx, "SELECT lsn FROM pg_create_logical_replication_slot('recorded', 'pgoutput')").Scan(&r.Start); err != nil {
		return err
	}
	for _, s := range strings.Split(during, ";\n\n") { // each paragraph is a transaction of its own
		if _, err := db.ExecContext(ctx, s); err != nil {
			return fmt.Errorf("%s: %w", s, err)
		}
	}
	var end string
	if err := db.QueryRowContext(ctx, "SELECT pg_current_wal_lsn()").Scan(&end); err != nil {
		return err
	}
	frames, err := stream(ctx, p.DSN(database), r.Start)
	if err != nil {
		return err
	}
	if err := r.read(ctx, db); err != nil {
		return err
	}
	text, err := json.Marshal(r)
	if err != nil {
		return err
	}
	if err := write("stream-"+version+".wal.gz", frames); err != nil {
		return err
	}
	return write("stream-"+version+".json.gz", text)
}

// stream records what a walsender sends until the last statement's message.
func stream(ctx context.Context, dsn, from string) ([]byte, error) {
	cfg, err := pgconn.ParseConfig(dsn)
	if err != nil {
		return nil, err
	}
	cfg.RuntimeParams["replication"] = "database"
	c, err := pgconn.ConnectConfig(ctx, cfg)
	if err != nil {
		return nil, err
	}
	defer c.Close(ctx)
	c.Frontend().Send(&pgproto3.Query{String: "START_REPLICATION SLOT recorded LOGICAL " + from + " (proto_version '1', publication_names 'recorded', messages 'true')"})
	if err := c.Frontend().Flush(); err != nil {
		return nil, err
	}
	var frames []byte
	for {
		m, err := c.ReceiveMessage(ctx)
		if err != nil {
			return nil, err
		}
		switch m := m.(type) {
		case *pgproto3.CopyBothResponse, *pgproto3.NoticeResponse:
		case *pgproto3.CopyData:
			frames = append(binary.BigEndian.AppendUint32(append(frames, 'd'), uint32(4+len(m.Data))), m.Data...)
			if bytes.Contains(m.Data, []byte("the end of the recording")) {
				return frames, nil
			}
		default:
			return nil, fmt.Errorf("a %T", m)
		}
	}
}

// read takes down the tables that are there now.
func (r *recording) read(ctx context.Context, db *sql.DB) error {
	var text string
	err := db.QueryRowContext(ctx, `SELECT json_agg(json_build_object('OID', c.oid::bigint, 'name', c.relname,
		'Key', coalesce((SELECT json_agg(a.attname ORDER BY array_position(i.indkey::int2[], a.attnum)) FROM pg_index i JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = ANY (i.indkey) WHERE i.indrelid = c.oid AND i.indisprimary), '[]'),
		'Columns', (SELECT json_agg(attname ORDER BY attnum) FROM pg_attribute WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped),
		'NotNull', coalesce((SELECT json_agg(attname ORDER BY attnum) FROM pg_attribute WHERE attrelid = c.oid AND attnum > 0 AND attnotnull), '[]')))::text
		FROM pg_class c WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition`).Scan(&text)
	if err != nil {
		return err
	}
	var list []struct {
		Name string
		table
	}
	if err := json.Unmarshal([]byte(text), &list); err != nil {
		return err
	}
	for _, t := range list {
		rows, err := db.QueryContext(ctx, `SELECT * FROM public."`+t.Name+`" ORDER BY 1`)
		if err != nil {
			return err
		}
		for rows.Next() {
			vals, ptrs := make([]*string, len(t.Columns)), make([]any, len(t.Columns))
			for i := range vals {
				ptrs[i] = &vals[i]
			}
			if err := rows.Scan(ptrs...); err != nil {
				return err
			}
			t.Rows = append(t.Rows, vals)
		}
		if err := rows.Err(); err != nil {
			return err
		}
		r.Tables[t.Name] = t.table
	}
	return nil
}

func write(name string, data []byte) error {
	var b bytes.Buffer
	z, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		return err
	}
	if _, err := z.Write(data); err != nil {
		return err
	}
	if err := z.Close(); err != nil {
		return err
	}
	if err := os.MkdirAll(out, 0o755); err != nil {
		return err
	}
	fmt.Printf("%s: %d bytes, %d compressed\n", name, len(data), b.Len())
	return os.WriteFile(filepath.Join(out, name), b.Bytes(), 0o644)
}
