package mysql

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"cdcbridge/capture"
	"cdcbridge/changelog"
	"cdcbridge/internal/fault"
)

// This file tells a reader of tables when the stream has passed a place in the log. The stream stands at what its last event,
// heartbeat or rotation says; the position to resume from is another matter and may lag behind.

// watches are the places that somebody waits for. While the stream waits for an event, a new one wakes it: the place may be
// passed already, and on an idle server nothing else would come for a heartbeat's time.
type watches struct {
	any atomic.Bool // there are places

	mu     sync.Mutex
	places []watched
	asleep *pollConn // what the stream waits at for an event; nil: it does not wait
	due    bool      // a place came since the stream last woke
}

type watched struct {
	at   logPlace
	text string
	err  error // the text is no place
}

// Watch implements capture.Scanner.
func (s *source) Watch(end capture.Place) {
	at, err := parsePlace(end)
	s.watches.add(watched{at, string(end), err})
}

func (w *watches) add(p watched) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.places = append(w.places, p)
	w.any.Store(true)
	w.due = true
	if w.asleep != nil {
		_ = w.asleep.SetReadDeadline(time.Unix(1, 0)) // of a broken connection the read itself tells
	}
}

// sleep sets the deadline of a read between two events. Until awake is called, a new place ends the read at once.
func (w *watches) sleep(raw *pollConn, deadline time.Time) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asleep = raw
	if w.due {
		deadline = time.Unix(1, 0)
	}
	return raw.SetReadDeadline(deadline)
}

// awake keeps new places away from the deadlines of the reads that follow.
func (w *watches) awake() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asleep, w.due = nil, false
}

// passed takes the places out that are not beyond at.
func (w *watches) passed(at logPlace) (texts []string, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.places = slices.DeleteFunc(w.places, func(p watched) bool {
		if p.err != nil {
			err = p.err
		}
		if at.before(p.at) {
			return false
		}
		texts = append(texts, p.text)
		return true
	})
	w.any.Store(len(w.places) > 0)
	return texts, err
}

// forget ends what the stream was asked.
func (w *watches) forget() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.places, w.asleep, w.due = nil, nil, false
	w.any.Store(false)
}

// answer hands the batch over with a note for each watched place that the stream has passed. Between the events of a
// transaction it waits for the transaction's end.
func (s *stream) answer(ctx context.Context) error {
	if !s.src.watches.any.Load() || s.txn.active || s.file == "" {
		return nil
	}
	texts, err := s.src.watches.passed(logPlace{s.file, s.off})
	if err != nil {
		return fault.NewFinal(fault.Internal, "watching a place in the log", err, "This is a bug: report it with the log.")
	}
	if len(texts) == 0 {
		return nil
	}
	for _, text := range texts {
		s.batch.Notes = append(s.batch.Notes, changelog.Note{Kind: changelog.Watermark, At: len(s.batch.Changes), Txn: -1, Text: text})
	}
	return s.emit(ctx, !s.queued)
}

// before orders places of one server: its files are numbered, and a longer number is a later one.
func (l logPlace) before(m logPlace) bool {
	if l.file != m.file {
		return len(l.file) < len(m.file) || len(l.file) == len(m.file) && l.file < m.file
	}
	return l.pos < m.pos
}

// place is the text of a capture.Place: "binlog.000002:1234".
func (l logPlace) place() capture.Place {
	return capture.Place(l.file + ":" + strconv.FormatUint(l.pos, 10))
}

func parsePlace(p capture.Place) (logPlace, error) {
	i := strings.LastIndexByte(string(p), ':')
	if i <= 0 {
		return logPlace{}, fmt.Errorf("%q is no place in a binary log", p)
	}
	pos, err := strconv.ParseUint(string(p[i+1:]), 10, 64)
	if err != nil {
		return logPlace{}, fmt.Errorf("%q is no place in a binary log: %w", p, err)
	}
	return logPlace{string(p[:i]), pos}, nil
}
