package soak

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// result is what a run has shown.
type result struct {
	plan
	transactions int64 // of the databases, committed
	lost         int64 // that the server's end or a cut connection took along
	records      int   // in the topics at the end
	samples      []sample
	events       []event
}

// medians are those of all quarters, by quantity.
func (r result) medians() map[string][4]float64 {
	all := map[string][4]float64{}
	for _, q := range quantities {
		var m [4]float64
		for i := range m {
			m[i] = median(quarter(r.samples, i), q.of)
		}
		all[q.name] = m
	}
	return all
}

// table is the run in numbers.
func (r result) table() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s, %d rounds, %d things that happened. The databases committed %d transactions (%d more were interrupted), the daemon %.0f row changes; %d records are in the topics.\n\n",
		r.duration, r.rounds, len(r.events), r.transactions, r.lost, r.samples[len(r.samples)-1].changes, r.records)
	b.WriteString("| | median of quarter 1 | 2 | 3 | 4 | largest |\n|---|---|---|---|---|---|\n")
	all := r.medians()
	for _, q := range quantities {
		name, m := q.name, all[q.name]
		if q.unit != "" {
			name += ", " + q.unit
		}
		fmt.Fprintf(&b, "| %s | %.0f | %.0f | %.0f | %.0f | %.0f |\n", name, m[0], m[1], m[2], m[3], quantile(r.samples, 1, q.of))
	}
	for _, name := range lagging(r.samples) {
		known := slices.DeleteFunc(slices.Clone(r.samples), func(s sample) bool { _, ok := s.lag[name]; return !ok })
		of := func(s sample) float64 { return s.lag[name] }
		fmt.Fprintf(&b, "| lag of %s, s |", name)
		for i := range 4 {
			fmt.Fprintf(&b, " %.2f |", median(quarter(known, i), of))
		}
		fmt.Fprintf(&b, " %.1f |\n", quantile(known, 1, of))
	}
	return b.String()
}

// Where the numbers stand in the page.
const begin, end = "<!-- soak: begin -->\n", "<!-- soak: end -->"

// publish writes the numbers into soak.md and the plot beside it.
func (r result) publish(docs string) error {
	page, err := os.ReadFile(filepath.Join(docs, "soak.md"))
	if err != nil {
		return err
	}
	head, rest, ok := strings.Cut(string(page), begin)
	_, tail, closed := strings.Cut(rest, end)
	if !ok || !closed {
		return errors.New("soak.md has no place for the numbers")
	}
	if err := os.WriteFile(filepath.Join(docs, "soak.md"), []byte(head+begin+r.table()+end+tail), 0o644); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(docs, "images", "soak.svg"), r.plot(), 0o644)
}

// TestReport: the page gets the numbers and keeps its words; the plot is a drawing that browsers read.
func TestReport(t *testing.T) {
	r := result{plan: plan{duration: time.Hour, rounds: 2}, transactions: 9, records: 7, events: []event{{time.Minute, "broker <killed>"}}}
	for i := range 100 {
		r.samples = append(r.samples, sample{at: time.Duration(i) * time.Minute, memory: float64(i) * (1 << 20), goroutines: 7, files: 8, lag: map[string]float64{"shop": 0.5}})
	}
	docs := t.TempDir()
	if err := os.Mkdir(filepath.Join(docs, "images"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, before := range []string{"", "old numbers\n", "longer\nold\nnumbers\n"} { // and it can be done again
		if err := os.WriteFile(filepath.Join(docs, "soak.md"), []byte("# Words\n"+begin+before+end+"\nmore\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := r.publish(docs); err != nil {
			t.Fatal(err)
		}
		page, err := os.ReadFile(filepath.Join(docs, "soak.md"))
		if want := "# Words\n" + begin + r.table() + end + "\nmore\n"; err != nil || string(page) != want {
			t.Fatalf("%v\n%s\nwant\n%s", err, page, want)
		}
	}
	if table := r.table(); !strings.Contains(table, "| resident memory, MiB | 12 | 37 | 62 | 87 | 99 |\n") || !strings.Contains(table, "| lag of shop, s | 0.50 |") {
		t.Errorf("the table is\n%s", table)
	}
	if err := os.WriteFile(filepath.Join(docs, "soak.md"), []byte("# Words\n"), 0o644); err != nil || r.publish(docs) == nil {
		t.Error("numbers went into a page that has no place for them", err)
	}
	plot, err := os.ReadFile(filepath.Join(docs, "images", "soak.svg"))
	if err != nil {
		t.Fatal(err)
	}
	lines := 0
	for d := xml.NewDecoder(bytes.NewReader(plot)); ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if e, ok := token.(xml.StartElement); ok && e.Name.Local == "polyline" {
			lines++
		}
	}
	if lines != 4 || !strings.Contains(string(plot), "broker &lt;killed&gt;") {
		t.Errorf("%d lines in\n%s", lines, plot)
	}
}
