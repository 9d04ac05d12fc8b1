package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
)

// microPackages have benchmarks of the 12-column row; decode + encode is the sum of two of them.
var microPackages = []string{"./capture/mysql", "./formats/debezium", "./formats/canal"}

// microResult is the fastest of several runs of one benchmark, which is nearest to its CPU time on a machine that others
// use too.
type microResult struct {
	Name        string  `json:"name"`
	Nanoseconds float64 `json:"ns"`          // of one row or one transaction
	Allocations float64 `json:"allocations"` // the most of all runs
	Runs        int     `json:"runs"`
}

// measureMicro runs the packages' own benchmarks of the orders row, one after the other.
func measureMicro(ctx context.Context, s *stand) error {
	args := append([]string{"test", "-run", "^$", "-bench", "Orders|OneRow", "-benchmem", "-benchtime", "200ms", "-count", "10", "-p", "1"}, microPackages...)
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir, cmd.Stderr = checkout(), os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("running the packages' benchmarks: %w\n%s", err, out)
	}
	s.report.Micro = parseMicro(string(out))
	for _, m := range s.report.Micro {
		progress("   %s: %.0f ns, %.2f allocations", m.Name, m.Nanoseconds, m.Allocations)
	}
	return nil
}

// parseMicro reads what go test -bench prints.
func parseMicro(out string) []microResult {
	var results []microResult
	pkg := ""
lines:
	for line := range strings.Lines(out) {
		if name, ok := strings.CutPrefix(strings.TrimSpace(line), "pkg: "); ok {
			pkg = strings.TrimPrefix(name, "cdcbridge/")
		}
		f := strings.Fields(line)
		if len(f) < 4 || !strings.HasPrefix(f[0], "Benchmark") {
			continue
		}
		name := strings.TrimPrefix(f[0], "Benchmark")
		if dash := strings.LastIndexByte(name, '-'); dash > 0 {
			name = name[:dash] // the number of processors
		}
		m := microResult{Name: pkg + " " + name, Runs: 1}
		m.Nanoseconds, m.Allocations = perRow(f[2:])
		for i := range results {
			if r := &results[i]; r.Name == m.Name {
				r.Nanoseconds, r.Allocations, r.Runs = min(r.Nanoseconds, m.Nanoseconds), max(r.Allocations, m.Allocations), r.Runs+1
				continue lines
			}
		}
		results = append(results, m)
	}
	return results
}

// perRow reads pairs of number and unit. A benchmark whose operation is many rows says how long one takes, or how many it
// does a second.
func perRow(pairs []string) (nanoseconds, allocations float64) {
	perOp, per := 0.0, 0.0
	for i := 0; i+1 < len(pairs); i += 2 {
		v, err := strconv.ParseFloat(pairs[i], 64)
		if err != nil {
			continue
		}
		switch pairs[i+1] {
		case "ns/op":
			perOp = v
		case "ns/row":
			per = v
		case "txn/s":
			per = 1e9 / v
		case "allocs/op":
			allocations = v
		}
	}
	if per == 0 {
		return perOp, allocations
	}
	return per, allocations * per / perOp
}
