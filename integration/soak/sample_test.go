package soak

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"cdcbridge/integration/harness"
)

// sample is what the daemon said of itself at one moment.
type sample struct {
	at         time.Duration // since the beginning
	memory     float64       // resident, bytes
	goroutines float64
	files      float64            // descriptors that are open
	changes    float64            // committed so far, of all pipelines
	lag        map[string]float64 // seconds, by pipeline; none where it is unknown
}

// measure asks for the metrics.
func measure(ctx context.Context, d *harness.Daemon, at time.Duration) (sample, error) {
	s := sample{at: at, lag: map[string]float64{}}
	code, text, err := d.Get(ctx, "/metrics")
	if err != nil || code != 200 {
		return s, fmt.Errorf("asking for metrics: %d %w", code, err)
	}
	seen := 0
	for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan(); {
		name, number, ok := strings.Cut(lines.Text(), " ")
		value, err := strconv.ParseFloat(number, 64)
		if !ok || name == "#" || err != nil {
			continue
		}
		name, labels, _ := strings.Cut(name, "{")
		seen++
		switch name {
		case "process_resident_memory_bytes":
			s.memory = value
		case "go_goroutines":
			s.goroutines = value
		case "process_open_fds":
			s.files = value
		case "cdcbridge_changes_total":
			s.changes += value
		case "cdcbridge_lag_seconds":
			s.lag[strings.Trim(strings.TrimPrefix(labels, "pipeline="), `"}`)] = value
		default:
			seen--
		}
	}
	if seen < 4 || s.memory == 0 || s.goroutines == 0 || s.files == 0 {
		return s, fmt.Errorf("metrics are missing in %.200s", text)
	}
	return s, nil
}

// watch takes samples until ctx ends. A pipeline that gives up is an error.
func watch(ctx context.Context, d *harness.Daemon, every time.Duration, began time.Time) ([]sample, error) {
	var all []sample
	ticks := time.NewTicker(every)
	defer ticks.Stop()
	for {
		select {
		case <-ctx.Done():
			return all, nil
		case <-ticks.C:
		}
		asking, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
		err := d.Alive(asking)
		var s sample
		if err == nil {
			s, err = measure(asking, d, time.Since(began))
		}
		cancel()
		if err != nil {
			return all, err
		}
		all = append(all, s)
	}
}

// What may differ between the medians of the second quarter and of the last one. A leak of one goroutine or descriptor a
// round, or of half a megabyte a minute in an hour, is beyond it.
const (
	moreMemory = 4 << 20 // bytes, beside a tenth of what there was
	moreOthers = 2       // goroutines, descriptors
)

// quantity is one of the things that must stay flat.
type quantity struct {
	name string
	unit string
	of   func(sample) float64
	more func(before float64) float64 // what it may become
}

var quantities = []quantity{
	{"resident memory", "MiB", func(s sample) float64 { return s.memory / (1 << 20) }, func(v float64) float64 { return 1.1*v + moreMemory>>20 }},
	{"goroutines", "", func(s sample) float64 { return s.goroutines }, func(v float64) float64 { return v + moreOthers }},
	{"file descriptors", "", func(s sample) float64 { return s.files }, func(v float64) float64 { return v + moreOthers }},
}

// flat is an error where the median of the last quarter is above that of the second one by more than may be. The first
// quarter is the time in which caches and pools fill.
func flat(all []sample) error {
	if len(all) < 40 {
		return fmt.Errorf("%d samples are too few to compare", len(all))
	}
	for _, q := range quantities {
		before, after := median(quarter(all, 1), q.of), median(quarter(all, 3), q.of)
		if after > q.more(before) {
			return fmt.Errorf("%s grow: %.1f %s in the second quarter, %.1f in the last one", q.name, before, q.unit, after)
		}
	}
	return nil
}

// quarter i of the samples, counted from 0.
func quarter(all []sample, i int) []sample { return all[len(all)*i/4 : len(all)*(i+1)/4] }

func median(all []sample, of func(sample) float64) float64 { return quantile(all, 0.5, of) }

func quantile(all []sample, q float64, of func(sample) float64) float64 {
	values := make([]float64, len(all))
	for i, s := range all {
		values[i] = of(s)
	}
	if len(values) == 0 {
		return 0
	}
	slices.Sort(values)
	return values[min(len(values)-1, int(q*float64(len(values))))]
}

// lagging are the pipelines of which a lag is known, in order.
func lagging(all []sample) []string {
	names := map[string]bool{}
	for _, s := range all {
		for name := range s.lag {
			names[name] = true
		}
	}
	return slices.Sorted(maps.Keys(names))
}
