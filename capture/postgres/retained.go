package postgres

import (
	"context"
	"fmt"
	"time"

	"cdcbridge/capture"
)

// This file watches how much log the server keeps for the slot. Without a limit it fills the server's disk; with one
// (max_slot_wal_keep_size) the slot is lost when it is reached.

const (
	lookEvery = time.Minute
	warnAgain = 10 * time.Minute // the same danger is not logged at every look

	unlimitedWarning = 10 << 30 // bytes of retained log from which a slot without limit is worth a warning
	soon             = time.Hour
)

// retention is a judgement of one look.
type retention struct {
	retained int64
	limit    int64         // 0: none
	left     time.Duration // until the limit strikes at the present rate; 0: no forecast
	danger   bool
}

// judge looks at a slot; limitMB is max_slot_wal_keep_size, rate the growth of the log in bytes a second.
func judge(slot *slotFacts, limitMB int64, rate float64) retention {
	r := retention{retained: slot.retained}
	if limitMB < 0 {
		r.danger = r.retained >= unlimitedWarning
		return r
	}
	r.limit = limitMB << 20
	// The server's own word is the better one: it counts whole segments, and its limit may have another source.
	if slot.safe >= 0 {
		r.limit = max(r.limit, r.retained+slot.safe)
	}
	if rate > 0 && slot.safe >= 0 {
		r.left = max(time.Duration(min(float64(slot.safe)/rate, 1e8)*float64(time.Second)), time.Second)
	}
	r.danger = slot.wal == "unreserved" || r.retained > r.limit/4*3 || r.retained > r.limit/2 && r.left > 0 && r.left < soon
	return r
}

const retentionHint = "The stream acknowledges only what Kafka has: see why the pipeline stands or is slow (status, logs), or raise max_slot_wal_keep_size."

func (r retention) text() string {
	if r.limit == 0 {
		return bytesText(r.retained) + " of log retained, without limit (max_slot_wal_keep_size is -1)"
	}
	s := fmt.Sprintf("%s of log retained of %s at most", bytesText(r.retained), bytesText(r.limit))
	if r.left > 0 {
		s += fmt.Sprintf("; without progress the slot is lost in %v", r.left.Round(time.Second))
	}
	return s
}

// retention judges a slot for validate.
func (fs *findings) retention(slot *slotFacts, limitMB int64, rate float64) {
	r := judge(slot, limitMB, rate)
	subject, detail := "slot "+slot.name, r.text()
	if slot.active {
		detail += ", used by " + slot.user
	}
	switch {
	case r.danger:
		fs.warn(subject, detail, retentionHint)
	case r.limit == 0:
		fs.warn(subject, detail, "A long standstill of the daemon fills the server's disk. Set max_slot_wal_keep_size to what the disk has room for.")
	default:
		fs.ok(subject, detail)
	}
}

// watch looks at the slot once a minute until ctx ends, and writes logical messages if it is to, over a connection of its own: the
// stream must not wait for it. What fails is logged and tried again; the stream finds out by itself what is wrong.
func (s *source) watch(ctx context.Context) {
	w := watcher{s: s}
	defer w.leave()
	looks := time.NewTicker(lookEvery)
	defer looks.Stop()
	var emits <-chan time.Time
	if s.cfg.EmitInterval > 0 {
		t := time.NewTicker(s.cfg.EmitInterval)
		defer t.Stop()
		emits = t.C
	}
	w.try(ctx, "looking at the replication slot", w.look)
	for {
		select {
		case <-ctx.Done():
			return
		case <-looks.C:
			w.try(ctx, "looking at the replication slot", w.look)
		case <-emits:
			w.try(ctx, "writing a logical message", w.emit)
		}
	}
}

// watcher is the state of watch.
type watcher struct {
	s    *source
	c    *conn // nil when there is none
	last lookResult
}

// lookResult is what one look saw.
type lookResult struct {
	at      time.Time
	slot    slotFacts
	limitMB int64
	end     uint64 // of the server's log
	warned  time.Time
}

// rate is the log's growth since an earlier look, in bytes a second; 0 when there was none.
func (l lookResult) rate(before lookResult) float64 {
	if before.at.IsZero() || l.end <= before.end {
		return 0
	}
	return float64(l.end-before.end) / max(l.at.Sub(before.at).Seconds(), 0.001)
}

func (w *watcher) try(ctx context.Context, op string, do func(context.Context) error) {
	err := w.reach(ctx)
	if err == nil {
		err = do(ctx)
	}
	if err != nil {
		w.leave()
	}
	if err != nil && ctx.Err() == nil {
		w.s.env.Log.Warn(op, "slot", w.s.cfg.Slot, "error", err)
	}
}

func (w *watcher) reach(ctx context.Context) (err error) {
	if w.c == nil {
		w.c, err = connect(ctx, w.s.cfg, session{pipeline: w.s.env.Pipeline})
	}
	return err
}

func (w *watcher) leave() {
	if w.c != nil {
		w.c.close()
		w.c = nil
	}
}

// emit writes a logical message. It does not wait for synchronous standbys, which may be what is broken.
func (w *watcher) emit(ctx context.Context) error {
	_, err := w.c.query(ctx, "BEGIN; SET LOCAL synchronous_commit = local; SELECT pg_logical_emit_message(true, 'cdcbridge', "+quote(w.s.env.Pipeline)+"); COMMIT")
	return err
}

func (w *watcher) look(ctx context.Context) error {
	now := lookResult{at: time.Now(), warned: w.last.warned}
	rows, err := w.c.query(ctx, "SELECT pg_current_wal_flush_lsn(), setting::bigint FROM pg_settings WHERE name = 'max_slot_wal_keep_size'")
	if err != nil {
		return err
	}
	end, err := parseLSN(rows[0][0])
	if err != nil {
		return err
	}
	now.end = uint64(end)
	w.s.end.Store(now.end)
	if now.limitMB, err = parseBytes(rows[0][1]); err != nil {
		return err
	}
	slot, err := readSlot(ctx, w.c, w.s.cfg.Slot)
	if err != nil {
		return err
	}
	if slot == nil {
		return missingSlot(w.s.cfg, w.s.from)
	}
	now.slot = *slot
	r := judge(slot, now.limitMB, now.rate(w.last))
	w.s.retained.Store(uint64(max(r.retained, 0)))
	w.s.limit.Store(uint64(max(r.limit, 0)))
	if r.danger && now.at.Sub(now.warned) >= warnAgain {
		w.s.env.Log.Warn("the server keeps much log for the replication slot", "slot", slot.name, "detail", r.text(), "hint", retentionHint)
		now.warned = now.at
	}
	w.last = now
	return nil
}

// withRetention adds what the last look saw.
func (s *source) withRetention(st capture.Stats) capture.Stats {
	st.RetainedBytes, st.RetainedLimit = s.retained.Load(), s.limit.Load()
	return st
}
