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
	r.danger = r.retained > r.limit/2 && (slot.wal == "unreserved" || r.retained > r.limit/4*3 || r.left > 0 && r.left < soon) || slot.wal == "unreserved"
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

// watch looks at the slot once a minute until ctx ends, over a connection of its own, which it opens for each look: the stream
// must not wait for it. A look that fails is logged and tried again; the stream finds out by itself what is wrong.
func (s *source) watch(ctx context.Context) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	var last lookResult
	for {
		now, err := s.look(ctx)
		if err != nil && ctx.Err() == nil {
			s.env.Log.Warn("looking at the replication slot", "slot", s.cfg.Slot, "error", err)
		}
		if err == nil {
			s.report(judge(&now.slot, now.limitMB, now.rate(last)), now, &last)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
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

func (s *source) look(ctx context.Context) (lookResult, error) {
	out := lookResult{at: time.Now()}
	c, err := connect(ctx, s.cfg, session{pipeline: s.env.Pipeline})
	if err != nil {
		return out, err
	}
	defer c.close()
	rows, err := c.query(ctx, "SELECT pg_current_wal_lsn(), setting::bigint FROM pg_settings WHERE name = 'max_slot_wal_keep_size'")
	if err != nil {
		return out, err
	}
	end, err := parseLSN(rows[0][0])
	if err != nil {
		return out, err
	}
	out.end = uint64(end)
	if out.limitMB, err = parseBytes(rows[0][1]); err != nil {
		return out, err
	}
	slot, err := readSlot(ctx, c, s.cfg.Slot)
	if err != nil {
		return out, err
	}
	if slot == nil {
		return out, missingSlot(s.cfg, s.from)
	}
	out.slot = *slot
	return out, nil
}

// warnAgain is how often the same danger is logged.
const warnAgain = 10 * time.Minute

// report publishes a look's numbers and warns, not at every look.
func (s *source) report(r retention, now lookResult, last *lookResult) {
	s.retained.Store(uint64(max(r.retained, 0)))
	s.limit.Store(uint64(max(r.limit, 0)))
	now.warned = last.warned
	if r.danger && now.at.Sub(last.warned) >= warnAgain {
		s.env.Log.Warn("the server keeps much log for the replication slot", "slot", s.cfg.Slot, "detail", r.text(), "hint", retentionHint)
		now.warned = now.at
	}
	*last = now
}

// withRetention adds what the last look saw.
func (s *source) withRetention(st capture.Stats) capture.Stats {
	st.RetainedBytes, st.RetainedLimit = s.retained.Load(), s.limit.Load()
	return st
}
