package daemon

import (
	"slices"
	"sync"
	"time"

	"cdcbridge/internal/fault"
)

// ReloadResult is how a reload went.
type ReloadResult string

// Results of a reload. They are part of the /status document.
const (
	ReloadApplying ReloadResult = "applying" // the file is read, or pipelines that end are draining
	ReloadApplied  ReloadResult = "applied"  // the pipelines are those of the file
	ReloadRefused  ReloadResult = "refused"  // the file is wrong: everything goes on as it was
)

// ReloadStatus is how the configuration was read again, in /status.
type ReloadStatus struct {
	At     time.Time    `json:"at"` // when it was asked for
	Result ReloadResult `json:"result"`

	// Of a refusal.
	Code  string `json:"code,omitempty"`
	Error string `json:"error,omitempty"`
	Hint  string `json:"hint,omitempty"`
	Doc   string `json:"doc,omitempty"` // where the code is explained

	Added   []string `json:"added"`   // pipelines that are new
	Removed []string `json:"removed"` // pipelines that are gone
	Changed []string `json:"changed"` // pipelines that were drained and started anew
	Retried []string `json:"retried"` // pipelines that had failed, and are tried again

	Settings     []string `json:"settings"`      // what is set otherwise than before, by its path
	NeedsRestart []string `json:"needs_restart"` // what is set otherwise than at the start of the process, and takes effect at the next one

	Applied     uint64     `json:"applied_total"` // reloads that took effect, since the daemon's start
	Refused     uint64     `json:"refused_total"` // reloads that were refused
	LastApplied *time.Time `json:"last_applied,omitempty"`
}

func newReloadStatus(at time.Time) ReloadStatus {
	return ReloadStatus{
		At: at.UTC(), Result: ReloadApplying, Added: []string{}, Removed: []string{}, Changed: []string{}, Retried: []string{}, Settings: []string{}, NeedsRestart: []string{},
	}
}

func (s *ReloadStatus) refuse(f *fault.Fault) {
	s.Result = ReloadRefused
	s.Code, s.Error, s.Hint, s.Doc = string(f.Code), causeOf(f), f.Hint, f.Code.Doc()
}

// reloads are what is known of all reloads.
type reloads struct {
	last             *ReloadStatus // never written to
	applied, refused uint64
	appliedAt        time.Time
	needsRestart     []string // as of the last one that was applied
}

// set publishes a reload. A refused one changes nothing, so what needed a restart before needs it still.
func (r *reloads) set(mu *sync.Mutex, s ReloadStatus) {
	mu.Lock()
	defer mu.Unlock()
	switch s.Result {
	case ReloadApplied:
		r.applied++
		r.appliedAt = time.Now().UTC()
		r.needsRestart = s.NeedsRestart
	case ReloadRefused:
		r.refused++
		s.NeedsRestart = append(s.NeedsRestart, r.needsRestart...)
	case ReloadApplying:
	}
	s.Applied, s.Refused = r.applied, r.refused
	if !r.appliedAt.IsZero() {
		at := r.appliedAt
		s.LastApplied = &at
	}
	s.Added, s.Removed, s.Changed, s.Retried = slices.Clone(s.Added), slices.Clone(s.Removed), slices.Clone(s.Changed), slices.Clone(s.Retried)
	r.last = &s
}

func (d *Daemon) lastReload() *ReloadStatus {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.reload.last
}
