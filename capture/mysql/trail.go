package mysql

import (
	"slices"
	"sync"
)

// trail is what the stream of MariaDB's log leaves behind for those who read tables: where its transactions ended, by which they
// judge what the server tells of the log's visible part, and the XA transactions that may be committed in the log only.
type trail struct {
	mu      sync.Mutex
	at      logPlace            // where the stream stands, or stood a moment ago
	ends    [trailEnds]logPlace // of the last transactions of InnoDB, a ring
	next    int                 // where the next one goes
	samples []logPlace          // places beyond at that wait to be judged, in their order
	proven  logPlace            // all that ends up to here is visible, but for what settling says
	xa      map[string]bool     // XA transactions that were committed in the log, or prepared before the stream began
}

const (
	trailEnds    = 1024
	trailSamples = 256
)

// passed says where the stream stands. end says that the last transaction of InnoDB, whose commit the server orders by the log,
// ends exactly there.
func (t *trail) passed(at logPlace, end bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.at.before(at) {
		t.at = at
	}
	if end {
		t.ends[t.next%trailEnds] = at
		t.next++
	}
	for len(t.samples) > 0 && !at.before(t.samples[0]) {
		if end && t.samples[0] == at {
			t.proven = at
		}
		t.samples = t.samples[1:]
	}
}

// judge takes a place that the server has named as the end of the visible part of its log. It reports whether the stream has passed
// the place, so that what shows says is final. If not, the place is judged when it has.
func (t *trail) judge(p logPlace) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.at.before(p) {
		if i, known := slices.BinarySearchFunc(t.samples, p, compareLogPlaces); !known && len(t.samples) < trailSamples {
			t.samples = slices.Insert(t.samples, i, p)
		}
		return false
	}
	if t.proven.before(p) && slices.Contains(t.ends[:], p) {
		t.proven = p
	}
	return true
}

// shows reports whether all that the log has up to a place is proven to be visible.
func (t *trail) shows(p logPlace) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return !t.proven.before(p)
}

func compareLogPlaces(a, b logPlace) int { return b2i(b.before(a)) - b2i(a.before(b)) }

// settle says that the log has the commit of an XA transaction, or that it was prepared before the stream began.
func (t *trail) settle(id string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.xa == nil {
		t.xa = map[string]bool{}
	}
	t.xa[id] = true
}

// settling lists the XA transactions that may be committed in the log only.
func (t *trail) settling() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	ids := make([]string, 0, len(t.xa))
	for id := range t.xa {
		ids = append(ids, id)
	}
	return ids
}

// settled says that an XA transaction is over, or that the log shows it to be prepared and not more.
func (t *trail) settled(id string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.xa, id)
}

// leave tells the trail something, if anybody looks at it. A probe reads other parts of the log.
func (s *stream) leave(tell func(*trail)) {
	if t := s.src.trail; t != nil && s.probe == nil {
		tell(t)
	}
}
