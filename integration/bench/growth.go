package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// point is what one size of the growth study has cost.
type point struct {
	Of         string  `json:"of"` // what grows: rows, tables or pipelines
	Size       int64   `json:"size"`
	Rows       int64   `json:"rows"` // that were drained, by all pipelines together
	Micros     float64 `json:"us_per_row"`
	PeakMemory int64   `json:"peak_memory"`
}

// growing are the sizes, as far as the rows of -rows allow them.
var growing = map[string][]int64{
	"rows":      {10_000, 31_623, 100_000, 316_228, 1_000_000, 3_162_278, 10_000_000},
	"tables":    {1, 10, 100, 1000, 5000},
	"pipelines": {1, 2, 4, 8, 16, 32, 64},
}

// growthRows are drained where something else grows than rows, at most.
const growthRows = 500_000

// measureGrowth drains backlogs of growing sizes. What a daemon costs that drains nothing is taken off, so that a row costs what a row costs.
func measureGrowth(ctx context.Context, s *stand) error {
	if err := s.db.fresh(ctx); err != nil {
		return err
	}
	idle, err := s.drained(ctx, 1, 1, backlog{})
	if err != nil {
		return fmt.Errorf("measuring a daemon that has nothing to do: %w", err)
	}
	progress("   a daemon that drains nothing: %.2f s of CPU, %d MB", idle.CPUSeconds, idle.PeakMemory>>20)
	for _, of := range []string{"rows", "tables", "pipelines"} {
		for _, size := range growing[of] {
			small := *s
			small.rows = min(s.rows, growthRows)
			load, pipelines, parts := loadOrders, int64(1), 3
			switch of {
			case "rows":
				small.rows = size / 1000 * 1000
			case "tables":
				load, parts = loadTables(size), 1
			case "pipelines":
				pipelines, small.rows = size, small.rows/10
			}
			if small.rows > s.rows || of == "tables" && size > small.rows/100 {
				continue
			}
			p, err := small.grown(ctx, load, pipelines, parts)
			s.serial = small.serial
			if err != nil {
				return fmt.Errorf("measuring %d %s: %w", size, of, err)
			}
			p.Of, p.Size, p.Micros = of, size, max(0, p.Micros-1e6*idle.CPUSeconds/float64(p.Rows))
			s.report.Growth = append(s.report.Growth, p)
			progress("   %d %s: %.2f µs of CPU a row, %d MB", size, of, p.Micros, p.PeakMemory>>20)
		}
	}
	if s.plots == "" {
		return nil
	}
	return drawGrowth(s.plots, s.report.Growth)
}

// grown drains one backlog of one size, as often as there are runs, and gives the median of what a row cost and the largest peak.
func (s *stand) grown(ctx context.Context, load func(context.Context, *stand) (backlog, error), pipelines int64, parts int) (point, error) {
	if err := s.db.fresh(ctx); err != nil {
		return point{}, err
	}
	b, err := load(ctx, s)
	if err != nil {
		return point{}, fmt.Errorf("filling the log: %w", err)
	}
	var runs []sample
	p := point{Rows: pipelines * b.changes}
	for range s.runs {
		smp, err := s.drained(ctx, pipelines, parts, b)
		if err != nil {
			return p, err
		}
		runs = append(runs, smp)
		p.PeakMemory = max(p.PeakMemory, smp.PeakMemory)
	}
	p.Micros = middleOf(runs, func(s sample) float64 { return 1e6 * s.CPUSeconds / float64(p.Rows) })
	return p, nil
}

// drained drains the backlog once with each of so many pipelines of one daemon, and verifies what each has written.
func (s *stand) drained(ctx context.Context, pipelines int64, parts int, b backlog) (sample, error) {
	v := variant{formats: []string{dbz}, partitions: parts}
	var names []string
	var all string
	for range pipelines {
		name, config, err := s.pipeline(ctx, v)
		if err != nil {
			return sample{}, err
		}
		names = append(names, name)
		head, own, _ := strings.Cut(config, "pipelines:\n")
		if all == "" {
			all = head + "pipelines:\n"
		}
		all += own
	}
	smp, err := s.measure(ctx, fmt.Sprintf("%d pipelines", pipelines), names[0], all, backlog{changes: pipelines * b.changes, txns: b.txns})
	if err != nil || b.changes == 0 {
		return smp, err
	}
	for _, name := range names {
		topics, err := s.topics(ctx, name+".o0.")
		if err == nil {
			err = s.verify(ctx, topics, b.records)
		}
		if err = errors.Join(err, s.deleteTopics(ctx, topics...)); err != nil {
			return smp, err
		}
	}
	return smp, nil
}

// drawGrowth draws one figure for each thing that grows.
func drawGrowth(dir string, points []point) error {
	for of, unit := range map[string]string{"rows": "rows", "tables": "tables", "pipelines": "pipelines in one process"} {
		cpu, memory := curve{label: "µs of CPU a row"}, curve{label: "peak MB"}
		for _, p := range points {
			if p.Of == of {
				cpu.add(float64(p.Size), p.Micros)
				memory.add(float64(p.Size), float64(p.PeakMemory)/(1<<20))
			}
		}
		if len(cpu.x) == 0 {
			continue
		}
		if err := os.WriteFile(filepath.Join(dir, "growth-"+of+".svg"), drawing(unit, cpu, memory), 0o644); err != nil {
			return err
		}
	}
	return nil
}
