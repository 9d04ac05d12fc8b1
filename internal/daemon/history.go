package daemon

import (
	"fmt"
	"math"
	"net/http"
	"strconv"
	"sync"
	"time"

	"cdcbridge/internal/pipeline"
)

const (
	historyEvery  = 10 * time.Second
	historyLength = int(time.Hour / historyEvery)

	// forecastOver is the time whose growth a forecast of retained log goes by. Sources look at it once a minute.
	forecastOver = 10 * time.Minute
)

// History is the document of /status/history: the last hour of each pipeline, as columns of which the i-th values belong together. Its
// fields are stable: later releases may add some and rename none. It lives in memory and begins with the process.
type History struct {
	IntervalSeconds int               `json:"interval_seconds"` // between two samples
	Pipelines       []PipelineHistory `json:"pipelines"`        // in the order of the configuration
}

// PipelineHistory are the samples of one pipeline, the oldest one first. null is what was not known.
type PipelineHistory struct {
	Name             string    `json:"name"`
	At               []int64   `json:"at"`                 // seconds since the Unix epoch
	LagSeconds       []reading `json:"lag_seconds"`        // as in /status
	ChangesPerSecond []reading `json:"changes_per_second"` // committed since the sample before
	CommitSeconds    []reading `json:"commit_seconds"`     // mean duration of the commits since the sample before; null: there was none
	RetainedBytes    []reading `json:"retained_bytes"`     // as in /status

	// How long it takes until the server's limit of retained log is reached at the rate of the last ten minutes; null when it does not
	// grow, has no limit, or is not known.
	RetainedLimitSeconds reading `json:"retained_limit_seconds"`
}

// reading is a number that may not be known: NaN, which JSON writes as null.
type reading float64

var unknown = reading(math.NaN())

// MarshalJSON implements json.Marshaler. Six digits are more than a plot can show.
func (r reading) MarshalJSON() ([]byte, error) {
	if f := float64(r); !math.IsNaN(f) && !math.IsInf(f, 0) {
		return strconv.AppendFloat(nil, f, 'g', 6, 64), nil
	}
	return []byte("null"), nil
}

func readingOf(f *float64) reading {
	if f == nil {
		return unknown
	}
	return reading(*f)
}

// sample is what one look at a pipeline saw.
type sample struct {
	at                              time.Time
	lag, changes, commits, retained reading
	limit                           uint64 // of retained, bytes; 0: none, or not known
}

// tally are the counters that rates are made of.
type tally struct {
	at               time.Time
	changes, commits uint64
	seconds          float64 // spent in commits
}

// history is a ring of the last samples of one pipeline. It may be read while it is written.
type history struct {
	before tally // of the sample before; the recorder's

	mu   sync.Mutex
	ring []sample
	next int // of a full ring: where the oldest one is
}

func (h *history) add(s sample) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.ring) < historyLength {
		h.ring = append(h.ring, s)
		return
	}
	h.ring[h.next] = s
	h.next = (h.next + 1) % historyLength
}

// after gives the samples that are newer than since, as /status/history shows them, and the forecast by all of them.
func (h *history) after(name string, since int64) PipelineHistory {
	h.mu.Lock()
	defer h.mu.Unlock()
	p := PipelineHistory{Name: name, At: []int64{}, LagSeconds: []reading{}, ChangesPerSecond: []reading{}, CommitSeconds: []reading{}, RetainedBytes: []reading{}}
	for i := range h.ring {
		s := h.oldest(i)
		if s.at.Unix() <= since {
			continue
		}
		p.At = append(p.At, s.at.Unix())
		p.LagSeconds = append(p.LagSeconds, s.lag)
		p.ChangesPerSecond = append(p.ChangesPerSecond, s.changes)
		p.CommitSeconds = append(p.CommitSeconds, s.commits)
		p.RetainedBytes = append(p.RetainedBytes, s.retained)
	}
	p.RetainedLimitSeconds = h.forecast()
	return p
}

// oldest is the i-th sample, beginning with the oldest one. The caller holds mu.
func (h *history) oldest(i int) *sample { return &h.ring[(h.next+i)%len(h.ring)] }

// forecast is the time until retained log reaches its limit. The caller holds mu.
func (h *history) forecast() reading {
	if len(h.ring) == 0 {
		return unknown
	}
	last := h.oldest(len(h.ring) - 1)
	first := last
	for i := len(h.ring) - 1; i >= 0; i-- {
		s := h.oldest(i)
		if math.IsNaN(float64(s.retained)) || last.at.Sub(s.at) > forecastOver {
			break
		}
		first = s
	}
	rate := float64(last.retained-first.retained) / last.at.Sub(first.at).Seconds()
	if last.limit == 0 || !(rate > 0) { // NaN: one sample alone, or nothing known
		return unknown
	}
	return reading(max(0, float64(last.limit)-float64(last.retained)) / rate)
}

// record looks at every pipeline each ten seconds until done is closed. Whatever state they are in, there is something to see.
func (d *Daemon) record(done <-chan struct{}) {
	tick := time.NewTicker(historyEvery)
	defer tick.Stop()
	for {
		select {
		case <-done:
			return
		case now := <-tick.C:
			for _, r := range d.all() {
				r.history.add(r.measure(now))
			}
		}
	}
}

// measure takes one sample. The attempt is asked without the lock, as one that hangs must not keep the watchdog from seeing it.
func (r *runner) measure(now time.Time) sample {
	r.mu.Lock()
	a := r.attempt
	r.mu.Unlock()
	var stats pipeline.Stats
	if a != nil {
		stats = a.Stats()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	s := sample{at: now, lag: readingOf(since(r.commitTime, now)), changes: unknown, commits: unknown, retained: unknown}
	total := r.before
	if a != nil && a == r.attempt { // else it has ended meanwhile, and before holds its numbers
		s.lag = readingOf(lag(stats, max(r.commitTime, stats.CommitTime), now))
		total = total.plus(countersOf(stats))
		if stats.Source.RetainedBytes > 0 {
			s.retained, s.limit = reading(stats.Source.RetainedBytes), stats.Source.RetainedLimit
		}
	}
	t := tally{now, total.Changes, total.Commits, total.CommitSeconds}
	b := r.history.before
	r.history.before = t
	if took := now.Sub(b.at).Seconds(); !b.at.IsZero() && took > 0 {
		s.changes = reading(float64(t.changes-b.changes) / took)
	}
	if n := t.commits - b.commits; n > 0 {
		s.commits = reading((t.seconds - b.seconds) / float64(n))
	}
	return s
}

// History tells how everything was in the last hour, as far as it is newer than since, in seconds since the Unix epoch.
func (d *Daemon) History(since int64) History {
	h := History{IntervalSeconds: int(historyEvery / time.Second), Pipelines: []PipelineHistory{}}
	for _, r := range d.all() {
		h.Pipelines = append(h.Pipelines, r.history.after(r.p.Name, since))
	}
	return h
}

func (d *Daemon) serveHistory(w http.ResponseWriter, req *http.Request) {
	since := int64(0)
	if text := req.URL.Query().Get("since"); text != "" {
		var err error
		if since, err = strconv.ParseInt(text, 10, 64); err != nil {
			http.Error(w, fmt.Sprintf("since: must be seconds since 1970, not %q", text), http.StatusBadRequest)
			return
		}
	}
	writeCompact(w, d.History(since))
}
