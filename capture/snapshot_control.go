package capture

import (
	"context"
	"slices"
	"time"

	"cdcbridge/changelog"
)

// listing is a request, or no more than a wish to know, with the tables that exist now.
type listing struct {
	entry   changelog.State // of the request; no key: there is none
	request SnapshotRequest
	wrong   error // the request cannot be understood
	listed  bool  // found is filled: only who wants to read tables waits for the server
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
	s.pending++
	s.want()
}

// asked reports that a request is not carried out yet.
func (s *snapshotSource) asked() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.pending > 0
}

// answered notes that one is.
func (s *snapshotSource) answered() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pending--
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

// look takes requests up one after the other and lists the tables for those that need it: the merger must not wait for a server.
func (s *snapshotSource) look(ctx context.Context, src Scanner, to chan<- listing) {
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
			if l.listed && !s.listed(ctx, src, &l) {
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
		l.listed = l.wrong == nil && l.request.Action == SnapshotStart
		return l, true
	}
	l.listed = s.listing
	s.listing = false
	return l, l.listed
}

// listed asks the server until it answers. It reports false when ctx has ended.
func (s *snapshotSource) listed(ctx context.Context, src Scanner, l *listing) bool {
	for {
		var err error
		if l.found, err = src.Scannable(ctx); err == nil {
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
	if l.listed {
		m.refresh(l.found)
	}
	if l.entry.Key == "" {
		return nil
	}
	count := 0
	if l.wrong != nil {
		m.s.log.Error("a request is not carried out", "request", l.entry.Key, "error", l.wrong, "hint", "Make requests with cdcbridge snapshot or with the signal table.")
	} else {
		var err error
		if count, err = m.obey(l); err != nil {
			return err
		}
		m.s.log.Info("a request is carried out", "request", l.request.String(), "by", l.request.By, "tables", count)
	}
	if err := m.write(ctx, []changelog.State{{Key: l.entry.Key}}); err != nil {
		return err
	}
	m.s.answered()
	return nil
}

// obey carries a request out and counts the tables that it concerned.
func (m *merger) obey(l listing) (count int, err error) {
	meant, err := l.request.matcher()
	if err != nil {
		return 0, err // it was parsed with them
	}
	if l.request.Action != SnapshotStart {
		for _, t := range m.tables {
			if meant(t.scan.Schema, t.scan.Name) && m.steer(t, l.request.Action) {
				count++
			}
		}
		return count, nil
	}
	for _, found := range l.found {
		if meant(found.Schema, found.Name) && !m.s.isSignal(found.FullName()) {
			where, err := l.request.where(found.FullName())
			if err != nil {
				return 0, err // likewise
			}
			if m.start(found, laterRead{where, l.entry.Key}) {
				count++
			}
		}
	}
	byPriority(m.tables)
	m.regroup()
	return count, nil
}

// refresh takes over what the tables whose keys have changed are now. One without key may have got one.
func (m *merger) refresh(found []ScanTable) {
	for _, t := range m.tables {
		if !t.outdated && !t.withheld() {
			continue
		}
		i := slices.IndexFunc(found, func(f ScanTable) bool { return f.FullName() == t.name })
		switch {
		case i < 0 && !t.outdated: // who reads it will find out
		case i < 0:
			m.end(t, SnapshotGone)
		case len(found[i].Key) == 0 && t.rec.Incremental:
			m.s.log.Error("the snapshot of a table is cancelled", "table", t.name, "error", errNoKey, "hint", "Give it a primary key.")
			m.end(t, SnapshotCancelled)
		case t.keyless() != (len(found[i].Key) == 0):
			m.dropTable(t)
			t.rec.restart()
			t.resume()
			t.rec.Keyless = len(found[i].Key) == 0
			m.changed = append(m.changed, t)
			t.scan = found[i]
		default:
			t.scan = found[i]
		}
		t.outdated = false
	}
	m.regroup()
}

// start has a table read from its beginning.
func (m *merger) start(found ScanTable, what laterRead) bool {
	name := found.FullName()
	if len(found.Key) == 0 {
		m.s.log.Error("a table cannot be read again", "table", name, "error", errNoKey, "hint", "Give it a primary key.")
		return false
	}
	rec := tableRecord{Status: SnapshotWaiting, Incremental: true, Where: what.Where, Request: what.Request}
	i := slices.IndexFunc(m.tables, func(t *snapshotTable) bool { return t.name == name })
	if i < 0 {
		t := newSnapshotTable(found, &rec, m.s.cfg.table(name))
		m.tables = append(m.tables, t)
		m.changed = append(m.changed, t)
		return true
	}
	t := m.tables[i]
	m.changed = append(m.changed, t)
	if t.rec.active() && what.Where != "" {
		// What is being read now must be read to its end: the rows of another condition are not those that are left of it.
		rec.Then = t.rec.Then
		if t.rec.Where != what.Where {
			if !slices.ContainsFunc(rec.Then, func(l laterRead) bool { return l.Where == what.Where }) {
				t.rec.Then = append(t.rec.Then, what)
			}
			return true
		}
	}
	m.dropTable(t)
	t.scan, t.outdated, t.listed, t.meter = found, false, true, meter{}
	*t.rec = rec
	t.resume()
	t.moved()
	return true
}

// steer pauses, resumes or ends the reading of a table. It reports whether that was a change.
func (m *merger) steer(t *snapshotTable, action SnapshotAction) bool {
	switch {
	case action == SnapshotPause && t.rec.wanted():
		m.dropTable(t)
		t.rec.Status = SnapshotPaused
	case action == SnapshotResume && t.rec.Status == SnapshotPaused:
		t.rec.Status = SnapshotWaiting
		t.moved()
	case action == SnapshotCancel && t.rec.active():
		m.end(t, SnapshotCancelled)
	default:
		return false
	}
	m.changed = append(m.changed, t)
	return true
}
