package mysqlddl

import (
	"context"
	"database/sql"
	"fmt"
	"io"
	"strconv"
	"strings"

	"cdcbridge/capture/mysql/schema"
	"cdcbridge/integration/servers"
)

// bench is a server with a catalogue that follows it.
type bench struct {
	version string
	db      *sql.DB
	conn    *sql.Conn // the session that runs statements
	maria   bool
	number  int
	catalog *schema.Catalog
	server  schema.Server
	file    string // of the log, and how far it was read
	pos     uint64
	applied int  // statements
	asked   int  // times that the server was asked for what a statement does not tell
	random  bool // statements are random: it may be any
}

func newBench(ctx context.Context, m *servers.MySQL) (*bench, error) {
	b := &bench{version: m.Version(), maria: m.MariaDB()}
	var err error
	if b.db, err = m.DB(""); err != nil {
		return nil, err
	}
	b.db.SetMaxIdleConns(0) // a session that is closed is gone, with its settings
	if b.conn, err = b.db.Conn(ctx); err != nil {
		return nil, err
	}
	if b.server, err = b.facts(ctx); err != nil {
		return nil, err
	}
	b.number = b.server.Version
	return b, nil
}

func (b *bench) close() error { return b.db.Close() }

// facts reads what the catalogue must know of the server.
func (b *bench) facts(ctx context.Context) (schema.Server, error) {
	s := schema.Server{MariaDB: b.maria, Collations: map[string]string{}, Defaults: map[string]string{}}
	rows, err := b.query(ctx, "SELECT VERSION(), @@lower_case_table_names, @@explicit_defaults_for_timestamp, @@collation_server")
	if err != nil {
		return s, err
	}
	var major, minor, patch int
	if _, err := fmt.Sscanf(rows[0][0], "%d.%d.%d", &major, &minor, &patch); err != nil {
		return s, fmt.Errorf("reading the version %q: %w", rows[0][0], err)
	}
	s.Version = major*10000 + minor*100 + patch
	s.LowerCaseNames, s.ImplicitTimestamps, s.Collation = rows[0][1] != "0", rows[0][2] == "0", rows[0][3]
	name := "COLLATION_NAME"
	if b.maria {
		name = "FULL_COLLATION_NAME"
	}
	if rows, err = b.query(ctx, "SELECT "+name+", CHARACTER_SET_NAME FROM information_schema.COLLATION_CHARACTER_SET_APPLICABILITY"); err != nil {
		return s, err
	}
	for _, f := range rows {
		s.Collations[f[0]] = f[1]
	}
	if b.maria && s.Version >= 110200 {
		if _, err := b.conn.ExecContext(ctx, "SET SESSION character_set_collations=''"); err != nil {
			return s, err
		}
	}
	if rows, err = b.query(ctx, "SELECT CHARACTER_SET_NAME, DEFAULT_COLLATE_NAME FROM information_schema.CHARACTER_SETS"); err != nil {
		return s, err
	}
	for _, f := range rows {
		s.Defaults[f[0]] = f[1]
	}
	return s, nil
}

// query gives all rows as texts; NULL is "\x00".
func (b *bench) query(ctx context.Context, q string) (_ [][]string, err error) {
	rows, err := b.conn.QueryContext(ctx, q)
	if err != nil {
		return nil, fmt.Errorf("asking %s: %w", q, err)
	}
	defer rows.Close()
	names, err := rows.Columns()
	if err != nil {
		return nil, err
	}
	var out [][]string
	for rows.Next() {
		fields := make([]sql.NullString, len(names))
		into := make([]any, len(names))
		for i := range fields {
			into[i] = &fields[i]
		}
		if err := rows.Scan(into...); err != nil {
			return nil, err
		}
		row := make([]string, len(names))
		for i, f := range fields {
			if row[i] = f.String; !f.Valid {
				row[i] = null
			}
		}
		out = append(out, row)
	}
	return out, rows.Err()
}

const null = "\x00"

// session reads what the log says of the session that runs statements.
func (b *bench) session(ctx context.Context) (schema.Session, error) {
	q := "SELECT IFNULL(DATABASE(),''), @@sql_mode, @@collation_database, @@collation_server, @@collation_connection"
	switch {
	case !b.maria && b.number >= 80011:
		q += ", @@default_collation_for_utf8mb4, ''"
	case b.maria && b.number >= 110200:
		q += ", '', @@character_set_collations"
	default:
		q += ", '', ''"
	}
	rows, err := b.query(ctx, q)
	if err != nil {
		return schema.Session{}, err
	}
	f := rows[0]
	s := schema.Session{Database: f[0], Collation: f[2], Server: f[3], Connection: f[4], UTF8MB4: f[5]}
	for mode, bit := range map[string]uint64{"REAL_AS_FLOAT": 1, "ANSI_QUOTES": 4, "ORACLE": 512, "NO_BACKSLASH_ESCAPES": 1 << 20} {
		if strings.Contains(","+f[1]+",", ","+mode+",") {
			s.SQLMode |= bit
		}
	}
	if f[6] != "" {
		s.Defaults = map[string]string{}
		for pair := range strings.SplitSeq(f[6], ",") {
			charset, collation, _ := strings.Cut(pair, "=")
			s.Defaults[charset] = collation
		}
	}
	return s, nil
}

// mark notes where the log ends.
func (b *bench) mark(ctx context.Context) error {
	q := "SHOW MASTER STATUS"
	if !b.maria && b.number >= 80400 {
		q = "SHOW BINARY LOG STATUS"
	}
	rows, err := b.query(ctx, q)
	if err != nil {
		return err
	}
	b.file = rows[0][0]
	b.pos, err = strconv.ParseUint(rows[0][1], 10, 64)
	return err
}

// logged gives the statements that were logged since the mark, each with its database, and moves the mark.
func (b *bench) logged(ctx context.Context) ([][2]string, error) {
	rows, err := b.query(ctx, fmt.Sprintf("SHOW BINLOG EVENTS IN '%s' FROM %d", b.file, b.pos))
	if err != nil {
		return nil, err
	}
	var out [][2]string
	for _, f := range rows {
		end, err := strconv.ParseUint(f[4], 10, 64)
		if err != nil {
			return nil, err
		}
		b.pos = max(b.pos, end)
		if f[2] != "Query" {
			continue
		}
		database, statement := "", f[5]
		for _, quote := range []string{"`", `"`} {
			if rest, ok := strings.CutPrefix(statement, "use "+quote); ok {
				if database, statement, ok = strings.Cut(rest, quote+"; "); !ok {
					return nil, fmt.Errorf("reading the log: %q: %w", f[5], io.ErrUnexpectedEOF)
				}
				break
			}
		}
		out = append(out, [2]string{database, statement})
	}
	return out, nil
}
