package daemon

import (
	"errors"
	"os"
	"strings"
	"time"
)

// Reload is how the configuration is read again while the daemon runs.
type Reload struct {
	Asked <-chan os.Signal // each value asks for it

	// Load reads and checks the whole configuration. It changes nothing; its errors leave everything as it is. It may do I/O, and is
	// not called before the last one has taken effect.
	Load func() (*Next, error)
}

// Next is what a configuration that was read again says.
type Next struct {
	Pipelines       []Pipeline
	ShutdownTimeout time.Duration
	Settings        []string // those that differ from what was in effect, by their paths
	NeedsRestart    []string // those that differ from what the process was started with, and take effect only when it is started again
	Apply           func()   // makes settings that are no pipeline's take effect
}

// change is a reload that is going on. What ends has ended before anything starts, as when the process is started again: two pipelines that
// write one topic, or an old and a new name for one slot, never do so at the same time.
type change struct {
	load   chan loaded // what Load gives, once
	status ReloadStatus
	next   *Next            // nil: not loaded yet
	left   map[*runner]bool // are to end, and have not yet
	late   <-chan time.Time // when they must have
	starts map[string]bool  // names of pipelines that are to start
}

// loaded is the result of Load.
type loaded struct {
	next *Next
	err  error
}

func (c *change) whenLoaded() <-chan loaded {
	if c == nil || c.next != nil {
		return nil
	}
	return c.load
}

func (c *change) whenLate() <-chan time.Time {
	if c == nil {
		return nil
	}
	return c.late
}

// ends reports whether the runner ends because of the change.
func (c *change) ends(r *runner) bool { return c != nil && c.left[r] }

// askReload begins a reload, or remembers that another one is to follow.
func (s *supervisor) askReload() {
	switch {
	case s.o.Reload.Load == nil, s.deadline != nil:
		return
	case s.change != nil:
		s.again = true
		return
	}
	s.o.Log.Info("reading the configuration again")
	s.systemd.reloading()
	c := &change{load: make(chan loaded, 1), status: newReloadStatus(time.Now())}
	s.change = c
	s.reload.set(&s.mu, c.status)
	s.running.Go(func() {
		next, err := s.o.Reload.Load()
		c.load <- loaded{next, err}
	})
}

// loaded goes on with what the configuration says, or with nothing when it is wrong.
func (s *supervisor) loaded(l loaded) {
	c := s.change
	if l.err != nil {
		f := asFault(l.err)
		c.status.refuse(f)
		s.o.Log.Error("the configuration is refused; everything goes on as it was", "code", string(f.Code), "error", causeOf(f), "hint", f.Hint, "doc", f.Code.Doc())
		s.endChange("reload refused at " + c.status.At.Format(time.TimeOnly) + ", everything goes on as it was: " + string(f.Code) + ": " + causeOf(f))
		return
	}
	c.next, c.left, c.starts = l.next, map[*runner]bool{}, map[string]bool{}
	c.next.Apply()
	s.timeout = c.next.ShutdownTimeout
	for _, r := range s.compare() {
		if r.now.runs {
			c.left[r] = true
			r.now.end()
		}
	}
	s.reload.set(&s.mu, c.status)
	c.late = time.After(s.timeout)
	s.replace()
}

// compare tells the pipelines that come, go and are another from those that stay. It gives the runners that are to end.
func (s *supervisor) compare() (end []*runner) {
	c := s.change
	next := map[string]*Pipeline{}
	for i := range c.next.Pipelines {
		next[c.next.Pipelines[i].Name] = &c.next.Pipelines[i]
	}
	for _, r := range s.all() {
		name := r.p.Name
		p := next[name]
		delete(next, name)
		switch {
		case p == nil:
			c.status.Removed = append(c.status.Removed, name)
		case p.Fingerprint != r.p.Fingerprint:
			c.status.Changed = append(c.status.Changed, name)
		case r.hasFailed(): // it waits for somebody to act, and somebody has
			c.status.Retried = append(c.status.Retried, name)
		default:
			continue
		}
		c.starts[name] = p != nil
		end = append(end, r)
	}
	for _, p := range c.next.Pipelines {
		if next[p.Name] != nil {
			c.status.Added = append(c.status.Added, p.Name)
			c.starts[p.Name] = true
		}
	}
	c.status.Settings, c.status.NeedsRestart = notNil(c.next.Settings), notNil(c.next.NeedsRestart)
	return end
}

// endedForChange takes note of a runner that has drained, or could not.
func (s *supervisor) endedForChange(e ending) {
	if errors.Is(e.err, errReloadTime) { // the runner itself has told of other failures
		s.o.Log.Warn("pipeline did not drain in time", "pipeline", e.r.p.Name, "error", errReloadTime)
	}
	delete(s.change.left, e.r)
	s.replace()
}

// cutChange gives up the drains of those that take too long. Nothing is lost: what follows goes on from what was committed.
func (s *supervisor) cutChange() {
	s.change.late = nil
	for r := range s.change.left {
		r.now.cut(errReloadTime)
	}
}

// replace puts the new pipelines in the place of the old ones, once those that are to end have ended.
func (s *supervisor) replace() {
	c := s.change
	if len(c.left) > 0 {
		return
	}
	old := map[string]*runner{}
	for _, r := range s.all() {
		old[r.p.Name] = r
	}
	var all, start []*runner
	for _, p := range c.next.Pipelines {
		r := old[p.Name]
		switch {
		case r == nil:
			r = newRunner(p, s.o.Log)
		case c.starts[p.Name]:
			r.become(p)
		}
		all = append(all, r)
		if c.starts[p.Name] {
			start = append(start, r)
		}
	}
	s.mu.Lock()
	s.runners = all
	s.mu.Unlock()
	for _, r := range start {
		s.start(r)
	}
	c.status.Result = ReloadApplied
	s.o.Log.Info("the configuration is in effect", "added", list(c.status.Added), "removed", list(c.status.Removed), "changed", list(c.status.Changed),
		"retried", list(c.status.Retried), "settings", list(c.status.Settings))
	said := "reloaded at " + c.status.At.Format(time.TimeOnly)
	if needs := list(c.status.NeedsRestart); needs != "" {
		s.o.Log.Warn("settings take effect only after a restart", "settings", needs)
		said += "; these settings need a restart: " + needs
	}
	s.endChange(said)
}

// endChange publishes how the reload went and begins the next one, if there is to be one.
func (s *supervisor) endChange(said string) {
	s.reload.set(&s.mu, s.change.status)
	s.systemd.reloaded(said)
	s.change = nil
	if s.again {
		s.again = false
		s.askReload()
	}
}

// giveUpChange forgets a reload, since the daemon stops: nothing of it is started any more.
func (s *supervisor) giveUpChange() { s.change, s.again = nil, false }

func (r *runner) hasFailed() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.state == Failed
}

func list(names []string) string { return strings.Join(names, ", ") }

// notNil is the list as JSON has it: none is [].
func notNil(names []string) []string { return append([]string{}, names...) }
