package servers

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// StandbyOptions says what standby to make.
type StandbyOptions struct {
	Slot     string            // its physical slot on the primary, which Standby makes; "": standby1
	Settings map[string]string // on top of the primary's
	HBA      []string          // nil: the primary's
	Port     int               // 0: a free one

	// FailoverSlots (17 and later) sets both sides up so that logical slots made with failover => true are kept on the
	// standby too, and are not ahead of it: sync_replication_slots there, synchronized_standby_slots here. One such
	// standby at a time: the next one takes its place.
	FailoverSlots bool
}

// Standby makes a streaming hot standby of a running server from an online backup and returns when it answers. A logical slot
// is on it only after SyncSlot.
func (p *Postgres) Standby(ctx context.Context, o StandbyOptions) (_ *Postgres, err error) {
	if o.Slot == "" {
		o.Slot = "standby1"
	}
	options := p.options
	options.Port, options.Dir = o.Port, ""
	options.Settings = merged(p.options.Settings, o.standbySettings(p))
	if o.HBA != nil {
		options.HBA = o.HBA
	}
	s, err := newPostgres(ctx, options)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Stop())
		}
	}()
	// The slot comes first: from now on the primary keeps the WAL that the copy needs.
	if err := p.Exec(ctx, "", "SELECT pg_create_physical_replication_slot('"+o.Slot+"', true)"); err != nil {
		return nil, err
	}
	if err := p.backup(ctx, s); err != nil {
		return nil, fmt.Errorf("copying the primary at %s: %w", p.Addr(), err)
	}
	if err := s.writeData("standby.signal", ""); err != nil {
		return nil, err
	}
	if err := s.Start(ctx); err != nil {
		return nil, err
	}
	if o.FailoverSlots {
		return s, p.Exec(ctx, "", "ALTER SYSTEM SET synchronized_standby_slots = '"+o.Slot+"'", "SELECT pg_reload_conf()")
	}
	return s, nil
}

func (o *StandbyOptions) standbySettings(p *Postgres) map[string]string {
	settings := map[string]string{
		"primary_conninfo":  fmt.Sprintf("host=%s port=%d user=%s password=%s dbname=postgres application_name=%s", p.Host(), p.port, User, Password, o.Slot),
		"primary_slot_name": o.Slot, "hot_standby_feedback": "on", "wal_receiver_status_interval": "1s",
	}
	if o.FailoverSlots {
		settings["sync_replication_slots"] = "on"
	}
	return merged(settings, o.Settings)
}

// backup copies the data directory while the server runs, as pg_basebackup would.
func (p *Postgres) backup(ctx context.Context, to *Postgres) error {
	db, err := p.connect("")
	if err != nil {
		return err
	}
	defer db.Close()
	session, err := db.Conn(ctx) // a backup belongs to the session that began it
	if err != nil {
		return err
	}
	defer session.Close()
	if _, err := session.ExecContext(ctx, "SELECT pg_backup_start('standby', true)"); err != nil {
		return err
	}
	if err := copyCluster(p.DataDir(), to.DataDir()); err != nil {
		return err
	}
	var label string
	if err := session.QueryRowContext(ctx, "SELECT labelfile FROM pg_backup_stop(false)").Scan(&label); err != nil {
		return err
	}
	return to.writeData("backup_label", label)
}

// notCopied are the files of a running server that a copy of it must not have, and the folders whose content it makes anew. (PostgreSQL
// documentation, "Base backup": pg_basebackup leaves out the same.)
var (
	notCopied = []string{"postmaster.pid", "postmaster.opts", "postgresql.auto.conf", "current_logfiles", "backup_label"}
	copyEmpty = []string{"pg_wal", "pg_replslot", "pg_dynshmem", "pg_notify", "pg_serial", "pg_snapshots", "pg_stat_tmp", "pg_subtrans"}
)

// copyCluster reads files that are being written and some that vanish; the WAL from the backup's start mends the copy.
func copyCluster(from, to string) error {
	return filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		name, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		target := filepath.Join(to, name)
		switch top, rest, _ := strings.Cut(name, string(filepath.Separator)); {
		case slices.Contains(notCopied, name):
			return nil
		case rest != "" && slices.Contains(copyEmpty, top) && rest != "archive_status" && rest != "summaries":
			if d.IsDir() {
				return filepath.SkipDir
			}
			return nil
		case d.IsDir():
			return errors.Join(os.Mkdir(target, 0o700), giveToServer(target))
		case !d.Type().IsRegular():
			return fmt.Errorf("%s is neither a file nor a directory", path)
		}
		return copyFile(path, target)
	})
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close(), giveToServer(to))
}

// Promote makes a standby a primary of a new timeline and returns when it takes writes.
func (p *Postgres) Promote(ctx context.Context) error {
	return p.eventually(ctx, "being promoted", func(db *sql.DB) (bool, error) {
		var done bool
		err := db.QueryRowContext(ctx, "SELECT CASE WHEN pg_is_in_recovery() THEN pg_promote(true, 60) ELSE true END").Scan(&done)
		return done, err
	})
}

// CatchUp returns when this standby shows all that the primary has committed up to now.
func (p *Postgres) CatchUp(ctx context.Context, primary *Postgres) error {
	db, err := primary.connect("")
	if err != nil {
		return err
	}
	defer db.Close()
	var lsn string
	if err := db.QueryRowContext(ctx, "SELECT pg_current_wal_insert_lsn()::text").Scan(&lsn); err != nil {
		return fmt.Errorf("asking the primary for its position: %w", err)
	}
	return p.eventually(ctx, "catching up to "+lsn, func(db *sql.DB) (bool, error) {
		var there bool
		err := db.QueryRowContext(ctx, "SELECT pg_last_wal_replay_lsn() >= $1::pg_lsn", lsn).Scan(&there)
		return there, err
	})
}

// SyncSlot returns when a logical slot with failover => true is kept on this standby for good, so that it survives a
// promotion. The primary's consumer must be reading the slot meanwhile: it has to pass a record of running
// transactions, which this writes.
func (p *Postgres) SyncSlot(ctx context.Context, primary *Postgres, slot string) error {
	return p.eventually(ctx, "keeping the slot "+slot, func(db *sql.DB) (bool, error) {
		if err := primary.Exec(ctx, "", "SELECT pg_log_standby_snapshot()"); err != nil {
			return false, err
		}
		var kept bool
		err := db.QueryRowContext(ctx,
			"SELECT EXISTS (SELECT FROM pg_replication_slots WHERE slot_name = $1 AND synced AND NOT temporary AND invalidation_reason IS NULL)", slot).Scan(&kept)
		return kept, err
	})
}

// eventually asks every 100 ms, for a minute at most.
func (p *Postgres) eventually(ctx context.Context, what string, done func(*sql.DB) (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	db, err := p.connect("")
	if err != nil {
		return err
	}
	defer db.Close()
	for {
		ok, err := done(db)
		if err != nil {
			return fmt.Errorf("%s, of the PostgreSQL at %s: %w", what, p.Addr(), err)
		}
		if ok {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s, of the PostgreSQL at %s: %w%s", what, p.Addr(), ctx.Err(), logTail(p.Log()))
		case <-time.After(100 * time.Millisecond):
		}
	}
}
