package daemon

import (
	"fmt"
	"log/slog"
	"math"
	"strconv"
	"strings"
	"time"

	"cdcbridge/capture"
)

// SnapshotProgress is the snapshot of one table in /status.
type SnapshotProgress struct {
	capture.TableSnapshot
	Percent    *float64 `json:"percent"`     // of the server's estimate, 100 only at the end; null when unknown, as with a condition
	EtaSeconds *float64 `json:"eta_seconds"` // until all rows are read at the present rate; null when unknown
}

// mostPercent is what a snapshot reaches before it is done: the server's estimate is no more than that.
const mostPercent = 99

// progressOf says how far a snapshot is.
func progressOf(t capture.TableSnapshot) SnapshotProgress {
	p := SnapshotProgress{TableSnapshot: t}
	done := 100.0
	switch {
	case t.Status == capture.SnapshotDone:
		p.Percent = &done
	case t.Status == capture.SnapshotWaiting && t.Rows == 0, t.Estimate <= 0, t.Where != "":
	case t.Status == capture.SnapshotReading, t.Status == capture.SnapshotPaused, t.Status == capture.SnapshotWaiting:
		percent := math.Min(100*float64(t.Rows)/float64(t.Estimate), mostPercent)
		p.Percent = &percent
		if left := float64(t.Estimate) - float64(t.Rows); left > 0 && t.PerSecond >= 1 && t.Status == capture.SnapshotReading {
			seconds := left / t.PerSecond
			p.EtaSeconds = &seconds
		}
	}
	return p
}

// String is the progress in a few words, for the log and for people: "1 200 000 rows, 34 % of about 3 500 000, 152 000 rows/s, 15 s left".
func (p SnapshotProgress) String() string {
	parts := []string{Grouped(p.Rows) + " rows"}
	if p.Status == capture.SnapshotDone {
		if took := time.Duration(p.Ended-p.Began) * time.Microsecond; p.Began > 0 && took > 0 {
			parts = append(parts, "done in "+roughly(took))
		} else {
			parts = append(parts, "done")
		}
		return strings.Join(parts, ", ")
	}
	if p.Percent != nil && p.Status != capture.SnapshotCancelled {
		parts = append(parts, fmt.Sprintf("%d %% of about %s", int(*p.Percent), Grouped(uint64(p.Estimate))))
	}
	if p.Status == capture.SnapshotReading && p.PerSecond >= 1 {
		parts = append(parts, Grouped(uint64(p.PerSecond))+" rows/s")
	}
	if p.EtaSeconds != nil {
		parts = append(parts, roughly(time.Duration(*p.EtaSeconds*float64(time.Second)))+" left")
	}
	if p.Status != capture.SnapshotReading {
		parts = append(parts, string(p.Status))
	}
	if p.Waits != "" && (p.Status == capture.SnapshotReading || p.Status == capture.SnapshotWaiting) {
		parts = append(parts, "waits: "+p.Waits)
	}
	return strings.Join(parts, ", ")
}

// Grouped writes a number with a space between thousands, for people.
func Grouped(n uint64) string {
	s := strconv.FormatUint(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + " " + s[i:]
	}
	return s
}

// roughly writes a span for people: "15 s", "3 min 20 s", "2 h 5 min".
func roughly(d time.Duration) string {
	switch d = max(d, 0); {
	case d < time.Second:
		return "less than 1 s"
	case d < 2*time.Minute:
		return fmt.Sprintf("%d s", d/time.Second)
	case d < time.Hour:
		return fmt.Sprintf("%d min %d s", d/time.Minute, d%time.Minute/time.Second)
	}
	return fmt.Sprintf("%d h %d min", d/time.Hour, d%time.Hour/time.Minute)
}

// snapshotEvery is how often the log says how far the snapshot of a table is.
const snapshotEvery = 10 * time.Second

// snapshotLog writes how snapshots go on. It belongs to one runner's goroutine.
type snapshotLog struct {
	log  *slog.Logger
	told map[string]told // by table
}

type told struct {
	status capture.SnapshotStatus
	began  int64 // of the snapshot, so that one that is asked for again is another one
	at     time.Time
}

// sample looks at the snapshots of an attempt: one that is read is told of now and then, and each once when it ends or is paused.
func (l *snapshotLog) sample(tables []capture.TableSnapshot, now time.Time) {
	for _, t := range tables {
		before := l.told[t.Table]
		same := before.status == t.Status && before.began == t.Began
		tell := false
		switch t.Status {
		case capture.SnapshotReading:
			if same && now.Sub(before.at) < snapshotEvery {
				continue
			}
			tell = same
		case capture.SnapshotPaused, capture.SnapshotDone, capture.SnapshotCancelled, capture.SnapshotGone:
			tell = !same
		case capture.SnapshotWaiting, capture.SnapshotSkipped:
		}
		if tell {
			l.log.Info("snapshot of "+t.Table+": "+progressOf(t).String(), "table", t.Table, "status", string(t.Status), "rows", t.Rows)
		}
		if l.told == nil {
			l.told = map[string]told{}
		}
		l.told[t.Table] = told{t.Status, t.Began, now}
	}
}
