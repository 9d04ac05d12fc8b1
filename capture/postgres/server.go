package postgres

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/jackc/pglogrepl"

	"cdcbridge/internal/fault"
)

// serverFacts is what a server says of itself, read at one moment.
type serverFacts struct {
	version  string            // "18.6 (Debian …)"
	number   int               // 180006
	system   string            // system identifier
	timeline uint32            // on which it writes
	flushed  pglogrepl.LSN     // its log is on its disk up to here; 0 on a standby
	database string            // the one that we are connected to
	standby  bool              // it is in recovery
	settings map[string]string // those that wantedSettings names, in their units; what the release does not have is missing
}

var wantedSettings = []string{
	"wal_level", "max_replication_slots", "max_wal_senders", "max_slot_wal_keep_size", "idle_replication_slot_timeout", "wal_sender_timeout",
	"tcp_keepalives_idle", "synchronous_standby_names", "synchronized_standby_slots", "logical_decoding_work_mem", "fsync", "full_page_writes",
}

// The releases that can do what the configuration asks for, as server_version_num.
const (
	oldestServer   = 150000
	originSince    = 160000
	failoverSince  = 170000
	generatedSince = 180000
)

// readFacts asks the server at the other end of a connection. Only a walsender knows its timeline of this moment; over another
// connection it is that of the last checkpoint.
func readFacts(ctx context.Context, c *conn, as session) (*serverFacts, error) {
	const op = "identifying the server"
	sql := "IDENTIFY_SYSTEM"
	if !as.replication {
		sql = "SELECT system_identifier, timeline_id, redo_lsn, current_database() FROM pg_control_system(), pg_control_checkpoint()"
	}
	rows, err := c.query(ctx, sql)
	if err != nil {
		return nil, err
	}
	if len(rows) != 1 || len(rows[0]) < 4 {
		return nil, fault.New(fault.Source, op, fmt.Errorf("%s gave %d rows", abbreviate(sql, 20), len(rows)), "")
	}
	f := &serverFacts{system: rows[0][0], database: rows[0][3], settings: map[string]string{}}
	timeline, err := strconv.ParseUint(rows[0][1], 10, 32)
	if err != nil {
		return nil, fault.New(fault.Source, op, err, "")
	}
	f.timeline = uint32(timeline)
	rows, err = c.query(ctx, "SELECT current_setting('server_version'), current_setting('server_version_num'), pg_is_in_recovery(), "+
		"CASE WHEN pg_is_in_recovery() THEN '0/0' ELSE pg_current_wal_flush_lsn()::text END")
	if err != nil {
		return nil, err
	}
	f.version, f.standby = rows[0][0], rows[0][2] == "t"
	if f.number, err = strconv.Atoi(rows[0][1]); err != nil {
		return nil, fault.New(fault.Source, op, err, "")
	}
	if f.flushed, err = parseLSN(rows[0][3]); err != nil {
		return nil, err
	}
	rows, err = c.query(ctx, "SELECT name, setting FROM pg_settings WHERE name IN ('"+strings.Join(wantedSettings, "','")+"')")
	for _, r := range rows {
		f.settings[r[0]] = r[1]
	}
	return f, err
}

// sameServer makes sure that the connection beside the stream leads to the stream's server: behind one address there may be
// several.
func (f *serverFacts) sameServer(ctx context.Context, side *conn) error {
	rows, err := side.query(ctx, "SELECT system_identifier, pg_is_in_recovery() FROM pg_control_system()")
	if err != nil {
		return err
	}
	if rows[0][0] != f.system || (rows[0][1] == "t") != f.standby {
		return fault.New(fault.Unreachable, "comparing two connections", errors.New("they lead to different servers"),
			"A load balancer or a changed address stands before the servers: point host at the primary.")
	}
	return nil
}

// sameTimeline makes sure that what a server says of its timeline, by timelineSQL, is the stream's. One that was promoted meanwhile has
// another one.
func (f *serverFacts) sameTimeline(said string) error {
	if n, err := strconv.ParseUint(said, 16, 32); err != nil || uint32(n) != f.timeline {
		return fault.New(fault.Unreachable, "comparing two connections", fmt.Errorf("they lead to timelines %d and %s", f.timeline, strings.TrimLeft(said, "0")),
			"A load balancer or a changed address stands before the servers: point host at the primary.")
	}
	return nil
}

// integer is a setting as a number, fallback when it is missing.
func (f *serverFacts) integer(name string, fallback int64) int64 {
	n, err := strconv.ParseInt(f.settings[name], 10, 64)
	if err != nil {
		return fallback
	}
	return n
}

// parseLSN reads the text of a pg_lsn, "" as 0.
func parseLSN(s string) (pglogrepl.LSN, error) {
	if s == "" {
		return 0, nil
	}
	high, low, ok := strings.Cut(s, "/")
	h, errHigh := strconv.ParseUint(high, 16, 32)
	l, errLow := strconv.ParseUint(low, 16, 32)
	if !ok || errHigh != nil || errLow != nil {
		return 0, fault.New(fault.Source, "reading a log position", fmt.Errorf("%q is none", s), "")
	}
	return pglogrepl.LSN(h<<32 | l), nil
}
