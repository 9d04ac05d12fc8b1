package postgres

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pglogrepl"

	"cdcbridge/capture"
	"cdcbridge/changelog"
)

// A place of this source is an LSN in the server's own form. The stream has passed it when its position, which transactions and
// keepalives move, has reached it.

const (
	// watchedWait is how long the stream waits for a message while a place is watched.
	watchedWait = 5 * time.Millisecond
	// watchedAsk is how often it asks the server for its position meanwhile: a server says where it stands by itself only when
	// a transaction of ours ends or after long silence.
	watchedAsk = 10 * time.Millisecond
)

// watches are the places that somebody waits for. The stream looks at least only, as long as nothing is due.
type watches struct {
	least atomic.Uint64 // the first of list; 0: there is none
	mu    sync.Mutex
	list  []watched
	wake  func() // ends the wait of the stream that runs; nil: none does
}

type watched struct {
	lsn  pglogrepl.LSN
	text capture.Place
}

// Watch implements capture.Scanner.
func (s *source) Watch(end capture.Place) {
	lsn, err := strictLSN(string(end))
	if err != nil || lsn == 0 {
		return // no Scan of ours has said it
	}
	w := &s.watches
	w.mu.Lock()
	defer w.mu.Unlock()
	w.list = append(w.list, watched{lsn, end})
	w.settle()
	if w.wake != nil {
		w.wake()
	}
}

func (w *watches) settle() {
	least := uint64(0)
	for _, p := range w.list {
		if least == 0 || uint64(p.lsn) < least {
			least = uint64(p.lsn)
		}
	}
	w.least.Store(least)
}

// attach lets a stream be woken.
func (w *watches) attach(wake func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.wake = wake
}

// forget is for the end of a stream.
func (w *watches) forget() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.list, w.wake = nil, nil
	w.settle()
}

func (w *watches) any() bool { return w.least.Load() != 0 }

func (w *watches) due(lsn pglogrepl.LSN) bool {
	least := w.least.Load()
	return least != 0 && uint64(lsn) >= least
}

// passed takes the places up to lsn out.
func (w *watches) passed(lsn pglogrepl.LSN) (out []capture.Place) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.list = slices.DeleteFunc(w.list, func(p watched) bool {
		if p.lsn > lsn {
			return false
		}
		out = append(out, p.text)
		return true
	})
	w.settle()
	return out
}

// due reports that the stream stands between two transactions and has passed a place that is watched. With a transaction half
// done, of which the rest comes later, it stands within that.
func (s *stream) due() bool {
	return s.src.watches.due(s.pos.lsn) && !s.txn.active && s.pos.txn == nil && s.txn.resume == nil
}

// markPassed notes the places that were passed at the end of the batch.
func (s *stream) markPassed() {
	if !s.due() {
		return
	}
	for _, p := range s.src.watches.passed(s.pos.lsn) {
		s.batch.Notes = append(s.batch.Notes, changelog.Note{Kind: changelog.Watermark, At: len(s.batch.Changes), Txn: -1, Text: string(p)})
	}
}

// patience is how long the stream waits for a message. While a place is watched it asks the server where it stands.
func (s *stream) patience() (time.Duration, error) {
	if !s.src.watches.any() {
		if s.owing || !s.held.IsZero() {
			return linger, nil
		}
		return idleMove / 4, nil
	}
	if s.queued || s.txn.active {
		return watchedWait, nil
	}
	return watchedWait, s.r.ask(watchedAsk)
}
