package capture_test

import (
	"bytes"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"cdcbridge/capture"
	"cdcbridge/changelog"
)

// calmRun is a pipeline over a model without accidents: one reader, one table "ints" of so many rows, chunks of ten rows.
func calmRun(t *testing.T, rows int) *modelRun {
	r := newModelRun(t, 1)
	r.cfg.Readers, r.sloth, r.commit = 1, 0, 1
	r.log = slog.New(slog.NewTextHandler(&testLog{t: t}, &slog.HandlerOptions{Level: slog.LevelWarn}))
	r.tune = calm
	r.db.slow = 0
	r.db.add("ints", []string{"a"}, rows)
	return r
}

func calm(s *modelSource) {
	s.rows, s.fixed, s.lag, s.scanTime, s.estimate, s.ahead = 10, true, 0, 0, 100, 0
}

// testLog passes the log on to the test.
type testLog struct{ t *testing.T }

func (l *testLog) Write(p []byte) (int, error) {
	l.t.Log(strings.TrimSpace(string(p)))
	return len(p), nil
}

// heard is a log to be searched.
type heard struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (h *heard) Write(p []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.buf.Write(p)
}

func (h *heard) has(text string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return strings.Contains(h.buf.String(), text)
}

// live is an attempt that runs in the background.
type live struct {
	r    *modelRun
	stop atomic.Bool
	done chan struct{}
}

// begin starts an attempt.
func (r *modelRun) begin() *live {
	r.t.Helper()
	l := &live{r: r, done: make(chan struct{})}
	go func() {
		defer close(l.done)
		if _, err := r.attempt(1000*time.Hour, func(capture.Source) bool { return l.stop.Load() }); err != nil {
			r.t.Errorf("opening: %v", err)
		}
	}()
	l.pass(100 * time.Millisecond)
	return l
}

// pass lets time pass.
func (l *live) pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// end ends the attempt; everything is committed. It gives the error of Stream.
func (l *live) end() error {
	l.stop.Store(true)
	<-l.done
	return l.r.ended
}

// status is what the statistics say of a table.
func (l *live) status(table string) capture.TableSnapshot {
	l.r.mu.Lock()
	src := l.r.src
	l.r.mu.Unlock()
	if src == nil {
		return capture.TableSnapshot{}
	}
	for _, s := range src.Stats().Snapshots {
		if s.Table == "shop."+table {
			return s
		}
	}
	return capture.TableSnapshot{}
}

// count counts the rows of a table that were read, and committed.
func (s *modelSink) count(table string) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, times := range s.committed.reads[table] {
		n += times
	}
	return n
}

// insert commits one transaction with rows of a table, which must not be there, and gives its place.
func (db *modelDB) insert(table string, keys ...modelKey) int {
	db.mu.Lock()
	defer db.mu.Unlock()
	t := db.tables[table]
	x := &modelTxn{}
	for _, k := range keys {
		db.versions++
		c := modelChange{op: changelog.Insert, table: table, shape: t.shape, old: k, key: k, row: modelRow{db.versions, db.pad()}, locks: []modelKey{k}}
		t.locked[k]++
		c.apply(t.head)
		x.changes = append(x.changes, c)
	}
	db.commit(x)
	return len(db.log) - 1
}

// update commits one transaction that changes rows of a table in place.
func (db *modelDB) update(table string, keys ...modelKey) { db.updateRows(table, false, keys) }

// updatePartly does the same, and the log does not carry all of the rows.
func (db *modelDB) updatePartly(table string, keys ...modelKey) { db.updateRows(table, true, keys) }

func (db *modelDB) updateRows(table string, partial bool, keys []modelKey) {
	db.mu.Lock()
	defer db.mu.Unlock()
	t := db.tables[table]
	x := &modelTxn{}
	for _, k := range keys {
		db.versions++
		c := modelChange{op: changelog.Update, table: table, shape: t.shape, old: k, key: k, before: t.head[k], row: modelRow{db.versions, db.pad()}, locks: []modelKey{k}}
		if partial {
			c.partial, c.row.pad = true, c.before.pad
		}
		t.locked[k]++
		c.apply(t.head)
		x.changes = append(x.changes, c)
	}
	db.commit(x)
}

// signalTable adds the signal table.
func (r *modelRun) signalTable() {
	t := r.db.add("signals", []string{"a"}, 0)
	t.signals = true
	t.shape = &changelog.Table{Version: 1, Origin: "model", Database: "shop", Name: "signals", Key: []int{0}, Columns: []changelog.Column{
		{Name: "id", Type: changelog.Type{Kind: changelog.KindString}}, {Name: "type", Type: changelog.Type{Kind: changelog.KindString}}, {Name: "data", Type: changelog.Type{Kind: changelog.KindString}},
	}}
	r.sink.signal, r.cfg.SignalTable = "signals", "shop.signals"
}

// signal commits a transaction that inserts a row into the signal table, between two changes of other rows.
func (db *modelDB) signal(id, kind, data string) {
	db.mu.Lock()
	defer db.mu.Unlock()
	t := db.tables["ints"]
	x := &modelTxn{}
	for i := range 3 {
		db.versions++
		c := modelChange{op: changelog.Insert, row: modelRow{db.versions, db.pad()}, key: modelKey{A: int64(100_000 + db.versions)}}
		if i == 1 {
			s := db.tables["signals"]
			c.table, c.shape, c.signal = s.name, s.shape, [3]string{id, kind, data}
		} else {
			c.table, c.shape, c.old, c.locks = t.name, t.shape, c.key, []modelKey{c.key}
			t.locked[c.key]++
			c.apply(t.head)
		}
		x.changes = append(x.changes, c)
	}
	db.commit(x)
}

// keys gives the keys that a table has, in order.
func (db *modelDB) keys(table string) []modelKey {
	return (&modelReader{s: &modelSource{db: db}}).keys(table)
}

// inBubble runs a test in virtual time.
func inBubble(t *testing.T, test func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, test)
}
