package capture

import (
	"cmp"
	"slices"
	"time"

	"cdcbridge/changelog"
)

// snapshotTable is a table in the hands of the merger: how far it was read, and what is under way.
type snapshotTable struct {
	name string
	scan ScanTable
	rec  *tableRecord
	rule SnapshotTable

	ranges   []*tableRange // of rec.Ranges, when they are known
	cutting  uint64        // the number of the job that looks for bounds; 0: none
	outdated bool          // scan is not what the table is now; somebody looks
	touched  touched       // while windows are open
	listed   bool          // is part of the statistics
	meter    meter
	waits    string    // why it does not go on, for people
	since    time.Time // when it began to wait
	warned   bool      // the log has said so
	fails    int       // in a row
	retry    time.Time // not before
	pause    time.Duration
}

// tableRange is a stretch of a table's key.
type tableRange struct {
	index   int
	next    Cursor    // where the next window begins
	read    bool      // nothing is left behind next
	windows []*window // those under way, in the order of their keys
}

// window is a chunk on its way.
type window struct {
	table   *snapshotTable
	rng     *tableRange
	chunk   Chunk
	from    uint64 // the first batch whose changes it must know
	dropped bool   // what is read for it is of no use
	again   bool   // it waits to be given to a reader once more

	scanned bool // what follows is known
	got     Scanned
	batch   *changelog.Batch
	passed  bool // the stream has passed its end
}

func newSnapshotTable(scan ScanTable, rec *tableRecord, rule SnapshotTable) *snapshotTable {
	t := &snapshotTable{name: scan.FullName(), scan: scan, rec: rec, rule: rule, listed: rec.active()}
	if rec.active() && rec.Ranges != nil && !slices.Equal(rec.Key, scan.Key) {
		rec.restart()
	}
	rec.Keyless = t.keyless()
	t.resume()
	return t
}

// restart forgets how far the table was read.
func (r *tableRecord) restart() {
	r.Key, r.Ranges, r.Rows, r.Written, r.Bytes, r.Began, r.Ended = nil, nil, 0, 0, 0, nil, nil
	if r.Status == SnapshotReading {
		r.Status = SnapshotWaiting
	}
}

// resume takes over where the record says that the table's ranges stand.
func (t *snapshotTable) resume() {
	t.ranges = nil
	for i, r := range t.rec.Ranges {
		t.ranges = append(t.ranges, &tableRange{index: i, next: r.After, read: r.Done})
	}
}

// cut sets the ranges that lie between bounds.
func (t *snapshotTable) cut(bounds []Cursor) {
	t.cutting = 0
	t.rec.Key, t.rec.Ranges = t.scan.Key, nil
	after := Cursor("")
	for _, b := range append(slices.Clone(bounds), "") {
		t.rec.Ranges = append(t.rec.Ranges, rangeRecord{After: after, UpTo: b})
		after = b
	}
	t.resume()
}

const (
	// rowsPerRange is how many rows make it worth to read another range of the same table at the same time.
	rowsPerRange = 200_000
	// rangesPerReader evens out ranges of different length.
	rangesPerReader = 4
)

// pieces is in how many ranges the table should be cut.
func (t *snapshotTable) pieces(readers int) int {
	if readers == 1 || t.rec.Where != "" || t.keyless() {
		return 1
	}
	return int(min(max(t.scan.Rows/rowsPerRange, 1), int64(readers*rangesPerReader)))
}

// compare orders tables by when they are read.
func (t *snapshotTable) compare(o *snapshotTable) int {
	return cmp.Or(cmp.Compare(o.rule.Priority, t.rule.Priority), cmp.Compare(t.name, o.name))
}

// ready reports a table that may be read now.
func (t *snapshotTable) ready(at time.Time) bool {
	return t.rec.wanted() && !t.outdated && !at.Before(t.retry)
}

// vacant gives a range that has no more than depth windows under way, all of them read, and rows to be read.
func (t *snapshotTable) vacant(depth int) *tableRange {
	for _, r := range t.ranges {
		if r.read || len(r.windows) > depth || slices.ContainsFunc(r.windows, func(w *window) bool { return !w.scanned }) {
			continue
		}
		return r
	}
	return nil
}

// held notes why the table does not go on, and lets it rest a little.
func (t *snapshotTable) held(why string, longest time.Duration) {
	if t.waits == "" {
		t.since, t.warned = time.Now(), false
	}
	t.waits = why
	t.pause = min(max(2*t.pause, 10*time.Millisecond), longest)
	t.retry = time.Now().Add(t.pause)
}

// moved notes that the table goes on.
func (t *snapshotTable) moved() { t.waits, t.pause, t.fails = "", 0, 0 }

// stats is the table's line of the statistics.
func (t *snapshotTable) stats() TableSnapshot {
	s := TableSnapshot{
		Table: t.name, Status: t.rec.Status, Where: t.rec.Where, Rows: t.rec.Rows, Estimate: t.scan.Rows, Bytes: t.rec.Bytes, Waits: t.waits,
	}
	if t.rec.Began != nil {
		s.Began = t.rec.Began.UnixMicro()
	}
	if t.rec.Ended != nil {
		s.Ended = t.rec.Ended.UnixMicro()
	}
	if t.rec.Status == SnapshotReading {
		s.PerSecond = t.meter.rate(t.rec.Rows)
	}
	return s
}

// meter measures rows per second over the last seconds.
type meter struct {
	at    time.Time
	rows  uint64
	value float64
}

func (m *meter) rate(rows uint64) float64 {
	at := time.Now()
	passed := at.Sub(m.at)
	switch {
	case m.at.IsZero() || rows < m.rows:
		m.at, m.rows, m.value = at, rows, 0
	case passed >= time.Second:
		latest := float64(rows-m.rows) / passed.Seconds()
		if m.value == 0 {
			m.value = latest
		}
		m.at, m.rows, m.value = at, rows, (m.value+latest)/2
	}
	return m.value
}
