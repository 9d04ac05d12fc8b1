package endtoend

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"testing"

	"cdcbridge/integration/servers"
)

// postgresDatabase is one database of a PostgreSQL server.
type postgresDatabase struct {
	pg   *servers.Postgres
	db   *sql.DB
	name string
}

// newPostgresBench makes a database with the test schema. A slot of the server's test_decoding keeps what the second oracle
// reads.
func newPostgresBench(t *testing.T, pg *servers.Postgres, name string) *bench {
	t.Helper()
	b := attachPostgres(t, pg, name)
	b.exec(t, pgSchema()...)
	b.exec(t, "SELECT pg_create_logical_replication_slot('witness_"+name+"', 'test_decoding')")
	return b
}

// attachPostgres takes a database that is there.
func attachPostgres(t *testing.T, pg *servers.Postgres, name string) *bench {
	t.Helper()
	db, err := pg.DB(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	p := &postgresDatabase{pg, db, name}
	return &bench{database: p, conn: db, name: name, load: &workload{db: db, writer: p}}
}

func (p *postgresDatabase) source() string {
	return fmt.Sprintf("type: postgres, host: %s, port: %d, database: %s, user: %s, password: %s", p.pg.Host(), p.pg.Port(), p.name, p.pg.User(), p.pg.Password())
}

func (p *postgresDatabase) tables() []table             { return pgTables }
func (p *postgresDatabase) pattern(table string) string { return "*." + table }
func (p *postgresDatabase) template() string            { return "{schema}.{table}" }

func (p *postgresDatabase) topic(t table) string {
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-", r) {
			return r
		}
		return '_'
	}, t.schema+"."+t.name)
}

// transaction leaves out the position of the commit, which test_decoding does not say.
func (p *postgresDatabase) transaction(id string) string {
	xid, _, _ := strings.Cut(id, ":")
	return xid
}

// changes reads the log by the server's own test_decoding, which shares no code with pgoutput's readers.
func (p *postgresDatabase) changes(ctx context.Context) (map[string][]change, error) {
	roots, err := p.tablePairs(ctx, `SELECT n.nspname, c.relname, rn.nspname, rc.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
		JOIN pg_class rc ON rc.oid = pg_partition_root(c.oid) JOIN pg_namespace rn ON rn.oid = rc.relnamespace WHERE c.relispartition`)
	if err != nil {
		return nil, err
	}
	whole, err := p.tablePairs(ctx, `SELECT n.nspname, c.relname, '', '' FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relreplident = 'f'`)
	if err != nil {
		return nil, err
	}
	conn, err := p.db.Conn(ctx)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	// PostgreSQL 18's test_decoding crashes at subtransactions of a rolled back transaction that did not fit into its memory.
	if _, err := conn.ExecContext(ctx, "SET logical_decoding_work_mem = '1GB'"); err != nil {
		return nil, err
	}
	defer func() { _, _ = conn.ExecContext(context.WithoutCancel(ctx), "RESET logical_decoding_work_mem") }()
	rows, err := conn.QueryContext(ctx, `SELECT xid::text, left(data, 300), data LIKE '%:unchanged-toast-datum%'
		FROM pg_logical_slot_peek_changes($1, NULL, NULL) WHERE data LIKE 'table %'`, "witness_"+p.name)
	if err != nil {
		return nil, fmt.Errorf("reading the log: %w", err)
	}
	defer rows.Close()
	out := map[string][]change{}
	for rows.Next() {
		var xid, text string
		var c change
		if err := rows.Scan(&xid, &text, &c.partly); err != nil {
			return nil, err
		}
		if c.table, err = loggedTable(text); err != nil {
			return nil, err
		}
		if root, ok := roots[c.table]; ok {
			c.table = root
		}
		if _, ok := whole[c.table]; ok {
			c.partly = false // the old row has it
		}
		if c.name != "uncaptured" {
			out[xid] = append(out[xid], c)
		}
	}
	return out, rows.Err()
}

// tablePairs reads two tables a row.
func (p *postgresDatabase) tablePairs(ctx context.Context, query string) (map[table]table, error) {
	rows, err := p.db.QueryContext(ctx, query)
	if err != nil {
		return nil, fmt.Errorf("reading the catalogue: %w", err)
	}
	defer rows.Close()
	out := map[table]table{}
	for rows.Next() {
		var one, other table
		if err := rows.Scan(&one.schema, &one.name, &other.schema, &other.name); err != nil {
			return nil, err
		}
		out[one] = other
	}
	return out, rows.Err()
}

// loggedTable reads the beginning of a line of test_decoding: table "My schema".orders: INSERT: and so on.
func loggedTable(line string) (table, error) {
	rest := strings.TrimPrefix(line, "table ")
	schema, rest, err := identifier(rest)
	if err != nil || !strings.HasPrefix(rest, ".") {
		return table{}, fmt.Errorf("no schema in %q: %w", line, err)
	}
	name, rest, err := identifier(rest[1:])
	if err != nil {
		return table{}, fmt.Errorf("no table in %q: %w", line, err)
	}
	for _, op := range []string{": INSERT:", ": UPDATE:", ": DELETE:"} {
		if strings.HasPrefix(rest, op) {
			return table{schema, name}, nil
		}
	}
	return table{}, fmt.Errorf("%q is no row change", line)
}

// identifier takes a name as SQL writes it from the beginning of text.
func identifier(text string) (name, rest string, err error) {
	if !strings.HasPrefix(text, `"`) {
		end := strings.IndexAny(text, ".:")
		if end < 0 {
			return "", "", errors.New("the name has no end")
		}
		return text[:end], text[end:], nil
	}
	for i := 1; i < len(text); i++ {
		switch {
		case text[i] != '"':
		case strings.HasPrefix(text[i:], `""`):
			i++
		default:
			return strings.ReplaceAll(text[1:i], `""`, `"`), text[i+1:], nil
		}
	}
	return "", "", errors.New("the quoted name has no end")
}
