package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pglogrepl"

	"cdcbridge/internal/fault"
)

// slotFacts is a row of pg_replication_slots.
type slotFacts struct {
	name      string
	kind      string // "logical" or "physical"
	plugin    string
	database  string
	temporary bool
	active    bool
	user      string // who streams from it: "cdcbridge shop (pid 4711)"
	restart   pglogrepl.LSN
	confirmed pglogrepl.LSN // what was acknowledged: nothing before it is sent again
	wal       string        // wal_status: reserved, extended, unreserved or lost
	safe      int64         // bytes that may still be written before the slot is lost; -1: no limit
	retained  int64         // bytes of log that are kept for it
	twoPhase  bool
	failover  bool
	lost      string // why it was invalidated, "" when it was not
}

// readSlot looks a slot up: nil when there is none. On a standby retained is 0.
func readSlot(ctx context.Context, c *conn, name string) (*slotFacts, error) {
	// By way of jsonb, because each release has more columns.
	rows, err := c.query(ctx, "SELECT s.slot_name, s.slot_type, s.plugin, s.database, s.temporary, s.active, s.restart_lsn, s.confirmed_flush_lsn, s.wal_status, s.safe_wal_size, "+
		"CASE WHEN pg_is_in_recovery() THEN 0 ELSE pg_wal_lsn_diff(pg_current_wal_lsn(), s.restart_lsn) END, s.two_phase, coalesce(to_jsonb(s)->>'failover', ''), "+
		"coalesce(to_jsonb(s)->>'invalidation_reason', CASE WHEN to_jsonb(s)->>'conflicting' = 'true' THEN 'conflicting' END, ''), "+
		"coalesce((SELECT a.application_name FROM pg_stat_activity a WHERE a.pid = s.active_pid), '') || ' (pid ' || s.active_pid || ')' "+
		"FROM pg_replication_slots s WHERE s.slot_name = $1", name)
	if err != nil || len(rows) == 0 {
		return nil, err
	}
	r := rows[0]
	s := &slotFacts{name: r[0], kind: r[1], plugin: r[2], database: r[3], temporary: r[4] == "t", active: r[5] == "t", wal: r[8],
		safe: -1, twoPhase: r[11] == "t", failover: r[12] == "true", lost: r[13], user: r[14]}
	if s.restart, err = parseLSN(r[6]); err != nil {
		return nil, err
	}
	if s.confirmed, err = parseLSN(r[7]); err != nil {
		return nil, err
	}
	if r[9] != "" {
		if s.safe, err = parseBytes(r[9]); err != nil {
			return nil, err
		}
	}
	if r[10] != "" {
		s.retained, err = parseBytes(r[10])
	}
	if s.wal == "lost" && s.lost == "" {
		s.lost = "wal_removed"
	}
	return s, err
}

const (
	opSlot = "checking the replication slot"

	slotLostHint = "The server no longer keeps the changes that come next. Drop the slot (SELECT pg_drop_replication_slot('…')), start over as docs/operations.md says, " +
		"and give max_slot_wal_keep_size room for the longest standstill."
)

// problem says with a fault why nothing can be streamed from the slot to a database's pipeline. From is the checkpoint, 0
// without one.
func (s *slotFacts) problem(database string, from pglogrepl.LSN) error {
	name := "the slot " + s.name
	final := func(code fault.Code, hint, format string, args ...any) error {
		return fault.NewFinal(code, opSlot, fmt.Errorf(name+" "+format, args...), hint)
	}
	other := "Set slot to another name, or drop this one if nobody needs it: SELECT pg_drop_replication_slot('" + s.name + "')."
	switch {
	case s.kind != "logical":
		return final(fault.SourceSettings, other, "is a %s one", s.kind)
	case s.plugin != plugin:
		return final(fault.SourceSettings, other, "decodes with %s and not with %s", s.plugin, plugin)
	case s.database != database:
		return final(fault.SourceSettings, other, "is of the database %s and the source reads %s", s.database, database)
	case s.temporary:
		return final(fault.SourceSettings, other, "is temporary")
	case s.twoPhase:
		return final(fault.SourceSettings, "Drop it and let it be made again with two_phase = false: "+
			"a prepared transaction that was acknowledged before its commit is never sent again.", "has two_phase set")
	case s.lost != "":
		return final(fault.SlotLost, slotLostHint, "is invalid (%s)", s.lost)
	case s.active:
		return fault.New(fault.SlotInUse, opSlot, fmt.Errorf("%s is used by %s", name, s.user), slotInUseHint)
	case from != 0 && s.confirmed > from:
		return final(fault.SlotLost, slotLostHint, "goes on from %s and the checkpoint is at %s: it was made again, or somebody else has read from it", s.confirmed, from)
	}
	return nil
}

const plugin = "pgoutput"

// missingSlot is the fault for a slot that should be there.
func missingSlot(cfg *Config, from *position) error {
	if from != nil {
		return fault.NewFinal(fault.SlotMissing, opSlot, fmt.Errorf("the slot %s is gone, and with it the changes since %s", cfg.Slot, from.lsn),
			"It was dropped, or a failover led to a server that had no copy of it (failover: true keeps one, PostgreSQL 17 and later). Start over as docs/operations.md says.")
	}
	return fault.NewFinal(fault.SlotMissing, opSlot, fmt.Errorf("there is no slot %s, and create is %q", cfg.Slot, cfg.Create), "Run "+createSlotSQL(cfg)+", after the publication was made.")
}

func createSlotSQL(cfg *Config) string {
	sql := "SELECT lsn FROM pg_create_logical_replication_slot(" + quote(cfg.Slot) + ", '" + plugin + "', false, false"
	if cfg.Failover {
		sql += ", true"
	}
	return sql + ")"
}

// slowSlot is how long making a slot may take before somebody should know why.
const slowSlot = 10 * time.Second

// createSlot makes the slot by a statement of its own transaction. The server first waits for every transaction that writes now, which may take long: there is no
// limit but ctx, and the log tells what is waited for.
func (s *source) createSlot(ctx context.Context, on *conn, sql string) error {
	slow := time.AfterFunc(slowSlot, func() {
		s.env.Log.Warn("waiting for running transactions to end before the replication slot can be made", "slot", s.cfg.Slot,
			"hint", "SELECT pid, xact_start, query FROM pg_stat_activity WHERE backend_xid IS NOT NULL ORDER BY xact_start shows them")
	})
	defer slow.Stop()
	stop := context.AfterFunc(ctx, func() {
		short, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = on.pg.CancelRequest(short) // else the server would go on waiting, and make a slot that nobody reads
	})
	defer stop()
	op := "making the replication slot " + s.cfg.Slot
	if _, err := on.pg.Exec(ctx, sql).ReadAll(); err != nil {
		return serverFault(op, cause(ctx, err))
	}
	return nil
}

// ensureSlot gives the slot ready to stream, made if it is missing and may be. Old is what readSlot gave.
func (s *source) ensureSlot(ctx context.Context, old *slotFacts) (*slotFacts, error) {
	if old != nil {
		return old, s.keepOnStandbys(ctx, old)
	}
	if err := s.createSlot(ctx, s.side, createSlotSQL(s.cfg)); err != nil {
		return nil, err
	}
	s.env.Log.Info("made the replication slot", "slot", s.cfg.Slot, "failover", s.cfg.Failover)
	return s.madeSlot(ctx)
}

// madeSlot looks a slot up that was made just now.
func (s *source) madeSlot(ctx context.Context) (*slotFacts, error) {
	made, err := readSlot(ctx, s.side, s.cfg.Slot)
	if err == nil && made == nil {
		err = fault.New(fault.Source, opSlot, fmt.Errorf("the slot %s vanished as soon as it was made", s.cfg.Slot), "")
	}
	return made, err
}

// keepOnStandbys turns an existing slot into a failover slot when the configuration asks for one.
func (s *source) keepOnStandbys(ctx context.Context, slot *slotFacts) error {
	if !s.cfg.Failover || slot.failover {
		return nil
	}
	alter := "ALTER_REPLICATION_SLOT " + identifier(slot.name) + " (FAILOVER true)"
	if s.cfg.Create == createNone {
		return fault.NewFinal(fault.SourceSettings, opSlot, fmt.Errorf("failover is set and the slot %s is no failover slot", slot.name), "Run "+alter+" on a replication connection, or set failover to false.")
	}
	if _, err := s.repl.query(ctx, alter); err != nil {
		return err
	}
	slot.failover = true
	return nil
}

// startFault gives a refused START_REPLICATION its code. The next Open looks closer.
func startFault(op string, err error) error {
	switch state(err) {
	case "55000":
		return fault.New(fault.SlotLost, op, err, slotLostHint)
	case "42704":
		return fault.New(fault.SlotMissing, op, err, "The slot or the publication was dropped.")
	}
	return serverFault(op, err)
}

func parseBytes(s string) (int64, error) {
	var n int64
	if _, err := fmt.Sscan(s, &n); err != nil {
		return 0, fault.New(fault.Source, "reading a size", errors.New(abbreviate(s, 40)+" is none"), "")
	}
	return n, nil
}

// bytesText prints a size for people.
func bytesText(n int64) string {
	const units = "KMGTPE"
	if n < 1<<10 {
		return fmt.Sprintf("%d B", n)
	}
	f, i := float64(n)/(1<<10), 0
	for f >= 1<<10 && i < len(units)-1 {
		f /= 1 << 10
		i++
	}
	return fmt.Sprintf("%.1f %ciB", f, units[i])
}
