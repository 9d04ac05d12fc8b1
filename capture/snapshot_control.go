package capture

import (
	"context"
	"fmt"
	"slices"
	"time"

	"cdcbridge/changelog"
	"cdcbridge/internal/fault"
)

// listing is a request, or no more than a wish to know, with the tables that exist now.
type listing struct {
	entry   changelog.State // of the request; no key: there is none
	request SnapshotRequest
	wrong   error // the request cannot be understood
	found   []ScanTable
}

// Request implements Requester.
func (s *snapshotSource) Request(entry changelog.State) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, again := s.seen[entry.Key]; again || entry.Value == nil {
		return
	}
	s.seen[entry.Key] = struct{}{}
	s.asks = append(s.asks, entry)
	s.want()
}

// list has the tables listed anew.
func (s *snapshotSource) list() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.listing = true
	s.want()
}

func (s *snapshotSource) want() {
	select {
	case s.wanted <- struct{}{}:
	default:
	}
}

// look takes requests up one after the other and lists the tables for each: the merger must not wait for a server.
func (s *snapshotSource) look(ctx context.Context, to chan<- listing) {
	for {
		select {
		case <-s.wanted:
		case <-ctx.Done():
			return
		}
		for {
			l, more := s.nextAsk()
			if !more {
				break
			}
			if !s.listed(ctx, &l) {
				return
			}
			select {
			case to <- l:
			case <-ctx.Done():
				return
			}
		}
	}
}

func (s *snapshotSource) nextAsk() (l listing, more bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.asks) > 0 {
		l.entry = s.asks[0]
		s.asks = s.asks[1:]
		l.request, l.wrong = ParseSnapshotRequest(l.entry.Value)
		return l, true
	}
	more = s.listing
	s.listing = false
	return l, more
}

// listed asks the server until it answers. It reports false when ctx has ended.
func (s *snapshotSource) listed(ctx context.Context, l *listing) bool {
	for {
		var err error
		if l.found, err = s.src.Scannable(ctx); err == nil {
			return true
		}
		if ctx.Err() == nil {
			s.log.Warn("listing the tables for a snapshot failed, it is tried again", "error", err)
		}
		select {
		case <-ctx.Done():
			return false
		case <-time.After(time.Second):
		}
	}
}

// apply does what a listing asks for, and writes that down together with the end of the request.
func (m *merger) apply(ctx context.Context, l listing) error {
	if err := m.refresh(l.found); err != nil {
		return err
	}
	if l.entry.Key == "" {
		return nil
	}
	done := []changelog.State{{Key: l.entry.Key}}
	if l.wrong != nil {
		m.s.log.Error("a request is not carried out", "request", l.entry.Key, "error", l.wrong, "hint", "Make requests with cdcbridge snapshot or with the signal table.")
		return m.write(ctx, done)
	}
	meant, err := l.request.matcher()
	if err != nil {
		return err // it was parsed with them
	}
	count := 0
	if l.request.Action == SnapshotStart {
		for _, found := range l.found {
			if meant(found.Schema, found.Name) && m.start(found, l) {
				count++
			}
		}
	} else {
		for _, t := range m.tables {
			if meant(t.scan.Schema, t.scan.Name) && m.steer(t, l.request.Action) {
				count++
			}
		}
	}
	m.s.log.Info("a request is carried out", "request", l.request.String(), "by", l.request.By, "tables", count)
	return m.write(ctx, done)
}

// refresh takes over what the tables whose keys have changed are now.
func (m *merger) refresh(found []ScanTable) error {
	for _, t := range m.tables {
		i := slices.IndexFunc(found, func(f ScanTable) bool { return f.FullName() == t.name })
		switch {
		case !t.outdated:
		case i < 0:
			t.outdated = false
			t.rec.Status, t.rec.Ended = SnapshotGone, now()
			m.changed = append(m.changed, t)
		case len(found[i].Key) == 0:
			return fault.NewFinal(fault.NoKey, "reading a table", fmt.Errorf("the table %s has no key any more by which it could be read in chunks", t.name),
				"Give the table a primary key, or cancel its snapshot with cdcbridge snapshot --cancel.")
		default:
			t.outdated, t.scan = false, found[i]
		}
	}
	return nil
}

// start has a table read from its beginning.
func (m *merger) start(found ScanTable, l listing) bool {
	name := found.FullName()
	if len(found.Key) == 0 {
		m.s.log.Error("a table cannot be read again", "table", name, "error", "it has no key by which it could be read in chunks", "hint", "Give it a primary key.")
		return false
	}
	where := l.request.Where
	rec := tableRecord{Status: SnapshotWaiting, Incremental: true, Where: where, Request: l.entry.Key}
	i := slices.IndexFunc(m.tables, func(t *snapshotTable) bool { return t.name == name })
	if i < 0 {
		t := newSnapshotTable(found, &rec, m.s.cfg.table(name))
		m.tables = append(m.tables, t)
		m.changed = append(m.changed, t)
		return true
	}
	t := m.tables[i]
	m.dropTable(t)
	t.scan, t.listed, t.meter = found, true, meter{}
	*t.rec = rec
	t.resume()
	t.moved()
	m.changed = append(m.changed, t)
	return true
}

// steer pauses, resumes or ends the reading of a table. It reports whether that was a change.
func (m *merger) steer(t *snapshotTable, action SnapshotAction) bool {
	reading := t.rec.Status == SnapshotWaiting || t.rec.Status == SnapshotReading
	switch {
	case action == SnapshotPause && reading:
		m.dropTable(t)
		t.rec.Status = SnapshotPaused
	case action == SnapshotResume && t.rec.Status == SnapshotPaused:
		t.rec.Status = SnapshotWaiting
		t.moved()
	case action == SnapshotCancel && t.rec.active():
		m.dropTable(t)
		t.rec.Status, t.rec.Ended = SnapshotCancelled, now()
	default:
		return false
	}
	m.changed = append(m.changed, t)
	return true
}
