package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
)

// report is everything that was measured.
type report struct {
	Machine   machine        `json:"machine"`
	Drains    []drainRow     `json:"drains"`
	Ceilings  []ceilingRow   `json:"ceilings"`
	Latencies []latencyRow   `json:"latencies"`
	Micro     []microResult  `json:"micro"`
	Growth    []point        `json:"growth,omitempty"`
	rows      []tableRow     // in the order of their first run
	places    map[string]int // of rows, by suite and label
}

type drainRow struct {
	Suite, Label string
	sample
}

type ceilingRow struct {
	Suite, Label string
	ceiling
}

type latencyRow struct {
	Database string `json:"database"`
	Aim      int    `json:"aim"` // rows a second
	latencies
}

// tableRow is all runs of one line of the table.
type tableRow struct {
	suite, label string
	drains       []sample
	ceilings     []ceiling
}

func (r *report) row(suite, label string) *tableRow {
	key := suite + "\x00" + label
	at, ok := r.places[key]
	if !ok {
		if r.places == nil {
			r.places = map[string]int{}
		}
		at = len(r.rows)
		r.places[key] = at
		r.rows = append(r.rows, tableRow{suite: suite, label: label})
	}
	return &r.rows[at]
}

func (r *report) drain(suite, label string, s sample) {
	r.Drains = append(r.Drains, drainRow{suite, label, s})
	row := r.row(suite, label)
	row.drains = append(row.drains, s)
}

func (r *report) ceiling(suite, label string, c ceiling) {
	r.Ceilings = append(r.Ceilings, ceilingRow{suite, label, c})
	row := r.row(suite, label)
	row.ceilings = append(row.ceilings, c)
}

func (r *report) latency(database string, rate int, l latencies) {
	r.Latencies = append(r.Latencies, latencyRow{database, rate, l})
}

func (r *report) writeJSON(path string) error {
	data, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(data, '\n'), 0o644)
}

// print writes the tables in Markdown.
func (r *report) print(w io.Writer) error {
	var page bytes.Buffer
	m := &r.Machine
	fmt.Fprintf(&page, "%s, commit %s\n%d cores of %s, %d GiB, Linux %s, %s, %s, Kafka %s\nload average %s before, %s after\n\n",
		m.Time.Format("2006-01-02 15:04 UTC"), m.Commit, m.Cores, m.CPU, (m.Memory+1<<29)>>30, m.Kernel, m.Go, strings.Join(m.Databases, ", "), m.Kafka, m.LoadBefore, m.LoadAfter)
	if len(r.rows) > 0 {
		lines := [][]string{{"workload", "what", "rows/s median (min–max)", "steady", "µs CPU/row", "allocations/row", "peak MB", "commits", "rows, MB a commit", "cores: us, database, Kafka, others"}}
		for i := range r.rows {
			lines = append(lines, r.rows[i].cells())
		}
		table(&page, lines)
	}
	if len(r.Growth) > 0 {
		lines := [][]string{{"what grows", "to", "rows drained", "µs CPU/row", "peak MB"}}
		for _, p := range r.Growth {
			lines = append(lines, []string{p.Of, thousands(float64(p.Size)), thousands(float64(p.Rows)), number(p.Micros), fmt.Sprint(p.PeakMemory >> 20)})
		}
		table(&page, lines)
	}
	if len(r.Latencies) > 0 {
		lines := [][]string{{"database", "rows/s", "p50 ms", "p99 ms", "max ms", "p50, p99 from sending", "peak MB", "commits", "cores: us, database, Kafka, others"}}
		for i := range r.Latencies {
			l := &r.Latencies[i]
			lines = append(lines, []string{l.Database, number(l.Rate), number(l.P50), number(l.P99), number(l.Max), number(l.FromSend50) + ", " + number(l.FromSend99),
				fmt.Sprint(l.PeakMemory >> 20), fmt.Sprint(l.Commits), l.Shares.text()})
		}
		table(&page, lines)
	}
	if len(r.Micro) > 0 {
		lines := [][]string{{"go test -bench, fastest of several runs", "ns a row", "allocations a row"}}
		for _, m := range r.Micro {
			lines = append(lines, []string{m.Name, number(m.Nanoseconds), fmt.Sprintf("%.2f", m.Allocations)})
		}
		table(&page, lines)
	}
	_, err := page.WriteTo(w)
	return err
}

// table writes lines, the first of which is the head, in Markdown.
func table(page *bytes.Buffer, lines [][]string) {
	t := tabwriter.NewWriter(page, 0, 0, 1, ' ', 0)
	for i, cells := range lines {
		fmt.Fprintf(t, "| %s\t|\n", strings.Join(cells, "\t| "))
		if i == 0 {
			fmt.Fprintf(t, "| %s\t|\n", strings.Join(slices.Repeat([]string{"---"}, len(cells)), "\t| "))
		}
	}
	_ = t.Flush() // into memory
	page.WriteByte('\n')
}

func (t *tableRow) cells() []string {
	if len(t.drains) == 0 {
		rate := spread(t.ceilings, func(c ceiling) float64 { return float64(c.Rows) / c.Seconds })
		c := middle(t.ceilings, func(c ceiling) float64 { return c.Seconds })
		what := fmt.Sprintf("%s MB/s", thousands(float64(c.Bytes)/1e6/c.Seconds))
		if c.Events > 0 {
			what += fmt.Sprintf(", %s rows an event", number(float64(c.Rows)/float64(c.Events)))
		}
		commits := ""
		if c.Commits > 0 {
			commits = fmt.Sprint(c.Commits)
		}
		return []string{t.suite, t.label, rate, "", "", "", "", commits, what, c.Shares.text()}
	}
	rate := spread(t.drains, func(s sample) float64 { return float64(s.Rows) / s.Seconds })
	s := middle(t.drains, func(s sample) float64 { return s.Seconds })
	steady := ""
	if s.SteadySeconds > 0.5 {
		steady = thousands(float64(s.SteadyRows) / s.SteadySeconds)
	}
	peak := slices.MaxFunc(t.drains, func(a, b sample) int { return int(a.PeakMemory - b.PeakMemory) }).PeakMemory
	cpu := middleOf(t.drains, func(s sample) float64 { return 1e6 * s.CPUSeconds / float64(s.Rows) })
	each, commits, allocs := "", "", ""
	if s.Commits > 0 { // nobody counts those of Debezium
		each, commits = fmt.Sprintf("%s, %s", thousands(float64(s.Rows)/float64(s.Commits)), number(float64(s.Bytes)/1e6/float64(s.Commits))), fmt.Sprint(s.Commits)
	}
	if s.Mallocs > 0 {
		allocs = number(middleOf(t.drains, func(s sample) float64 { return float64(s.Mallocs) / float64(s.Rows) }))
	}
	if lag := slices.MaxFunc(t.drains, func(a, b sample) int { return cmp.Compare(a.MaxLag, b.MaxLag) }).MaxLag; lag > 0 {
		each += fmt.Sprintf("; lag of the stream ≤ %s s", number(lag))
	}
	return []string{t.suite, t.label, rate, steady, number(cpu), allocs, fmt.Sprint(peak >> 20), commits, each, s.Shares.text()}
}

func (s shares) text() string {
	return fmt.Sprintf("%.2f, %.2f, %.2f, %.2f", s.Daemon, s.Database, s.Kafka, s.Others)
}

// spread renders the median with minimum and maximum.
func spread[T any](runs []T, of func(T) float64) string {
	lo, hi := of(runs[0]), of(runs[0])
	for _, r := range runs {
		lo, hi = min(lo, of(r)), max(hi, of(r))
	}
	text := thousands(middleOf(runs, of))
	if len(runs) > 1 {
		text += fmt.Sprintf(" (%s–%s)", thousands(lo), thousands(hi))
	}
	return text
}

// middle is the run with the median of a number, the lower one of two.
func middle[T any](runs []T, of func(T) float64) T {
	sorted := slices.SortedFunc(slices.Values(runs), func(a, b T) int {
		switch x, y := of(a), of(b); {
		case x < y:
			return -1
		case x > y:
			return 1
		}
		return 0
	})
	return sorted[(len(sorted)-1)/2]
}

func middleOf[T any](runs []T, of func(T) float64) float64 { return of(middle(runs, of)) }

// thousands renders a large number with spaces between groups of three digits.
func thousands(v float64) string {
	digits := fmt.Sprintf("%.0f", v)
	var b strings.Builder
	for i, c := range digits {
		if i > 0 && (len(digits)-i)%3 == 0 {
			b.WriteByte(' ')
		}
		b.WriteRune(c)
	}
	return b.String()
}

// number renders three significant digits.
func number(v float64) string {
	switch {
	case v >= 100:
		return fmt.Sprintf("%.0f", v)
	case v >= 10:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.2f", v)
}
