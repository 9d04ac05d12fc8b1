package main

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// suite is one part of the benchmark.
type suite struct {
	on          string // the database
	name, title string
	run         func(context.Context, *stand) error
	named       bool // runs only when -only names it
}

const dbz, can = "debezium-json", "canal-json"

var suites = []suite{
	{onMySQL, "drain", "backlog of multi-row transactions", backlogs{
		name: "drain", load: loadOrders, ceilings: true,
		variants: []variant{
			{label: "debezium-json", formats: []string{dbz}},
			{label: "debezium-json, at least once", formats: []string{dbz}, delivery: "at_least_once"},
			{label: "canal-json", formats: []string{can}},
			{label: "both as two outputs", formats: []string{dbz, can}},
			{label: "debezium-json, no compression", formats: []string{dbz}, compression: "none"},
			{label: "debezium-json, zstd", formats: []string{dbz}, compression: "zstd"},
		}, rival: true,
	}.run, false},
	{onMySQL, "single", "backlog of one-row transactions", backlogs{
		name: "single", load: loadSingle, ceilings: true, rival: true,
		variants: []variant{
			{label: "debezium-json", formats: []string{dbz}},
			{label: "debezium-json, at least once", formats: []string{dbz}, delivery: "at_least_once"},
		},
	}.run, false},
	{onMySQL, "big", "all rows in one transaction", backlogs{
		name: "big", load: loadBig, variants: []variant{{label: "debezium-json", formats: []string{dbz}}},
	}.run, false},
	{onMySQL, "values", "20 rows with one value of 10 MB each", backlogs{
		name: "values", load: loadValues, variants: []variant{{label: "debezium-json", formats: []string{dbz}, large: true}},
	}.run, false},
	{onMySQL, "megabyte", "rows with one value of 1 MB each", backlogs{
		name: "megabyte", load: loadMegabytes, variants: []variant{{label: "debezium-json", formats: []string{dbz}, large: true}},
	}.run, false},
	{onMySQL, "wide", "rows of 100 columns", backlogs{
		name: "wide", load: loadWide, ceilings: true,
		variants: []variant{{label: "debezium-json", formats: []string{dbz}}, {label: "canal-json", formats: []string{can}}},
	}.run, false},
	{onMySQL, "tables-10", "the same rows as drain in 10 tables", backlogs{
		name: "tables-10", load: loadTables(10), variants: []variant{{label: "debezium-json", formats: []string{dbz}, partitions: 1}},
	}.run, false},
	{onMySQL, "tables-5000", "the same rows as drain in 5 000 tables", backlogs{
		name: "tables-5000", load: loadTables(5000), variants: []variant{{label: "debezium-json", formats: []string{dbz}, partitions: 1}}, once: true,
	}.run, false},
	{onMySQL, "mixed", "updates and deletes, 100 rows a transaction", backlogs{
		name: "mixed", load: loadMixed, variants: []variant{{label: "debezium-json", formats: []string{dbz}}},
	}.run, false},
	{onMySQL, "compressed", "backlog of compressed transactions", backlogs{
		name: "compressed", load: loadCompressed, ceilings: true,
		variants: []variant{{label: "debezium-json", formats: []string{dbz}}},
	}.run, false},
	{onMySQL, "snapshot", "a table of three times the rows, read while others write", measureSnapshot, false},
	{onMySQL, "latency", "commit to readable, default settings", measureLatency, false},
	{onPostgres, "pg-drain", "backlog of 1 000-row transactions", backlogs{
		name: "pg-drain", load: loadOrders, ceilings: true, rival: true,
		variants: []variant{
			{label: "debezium-json", formats: []string{dbz}},
			{label: "debezium-json, at least once", formats: []string{dbz}, delivery: "at_least_once"},
		},
	}.run, false},
	{onPostgres, "pg-single", "backlog of one-row transactions", backlogs{
		name: "pg-single", load: loadSingle, ceilings: true, rival: true,
		variants: []variant{{label: "debezium-json", formats: []string{dbz}}},
	}.run, false},
	{onPostgres, "pg-big", "all rows in one transaction", backlogs{
		name: "pg-big", load: loadBig, variants: []variant{{label: "debezium-json", formats: []string{dbz}}},
	}.run, false},
	{onPostgres, "pg-toast", "updates around unchanged values of 100 KB", backlogs{
		name: "pg-toast", load: loadToast, variants: []variant{{label: "debezium-json", formats: []string{dbz}}},
	}.run, false},
	{onPostgres, "pg-snapshot", "a table of three times the rows, read while others write", measureSnapshot, false},
	{onPostgres, "pg-latency", "commit to readable, default settings", measureLatency, false},
	{onTopics, "topic", "messages of Debezium in one partition, rows in six", measureTopics, false},
	{onTopics, "topic-wide", "the same in a thousand partitions", measureWideTopics, false},
	{onMySQL, "micro", "decode and encode alone", measureMicro, false},
	{onMySQL, "growth", "what a row costs as rows, tables and pipelines grow", measureGrowth, true},
}

// warming is how long the broker works before anything is measured: its optimizing compiler takes a core of the two for most of the first
// minute, and a broker in production has that behind it.
const warming = time.Minute

// warm brings the database up and makes the broker work without measuring: a few drains, and what they wrote again and again.
func warm(ctx context.Context, s *stand) error {
	progress("== warming up")
	began := time.Now()
	if err := s.db.fresh(ctx); err != nil {
		return err
	}
	small := *s
	small.rows, small.profile = 100_000, ""
	defer func() { s.serial = small.serial }()
	b, err := loadOrders(ctx, &small)
	if err != nil {
		return err
	}
	var batches *load
	for range 3 {
		_, topics, err := small.drain(ctx, variant{label: "the warm-up", formats: []string{dbz}}, b)
		if err != nil {
			return err
		}
		if batches == nil {
			if batches, err = small.encodeTopic(ctx, topics[0]); err != nil {
				return err
			}
		}
		if err := s.deleteTopics(ctx, topics...); err != nil {
			return err
		}
	}
	for !s.warmed && time.Since(began) < warming {
		if _, err := small.produce(ctx, batches); err != nil {
			return err
		}
	}
	s.warmed = true
	return nil
}

// backlogs is a suite that fills the log once and drains it several times, ceilings and variants in turn.
type backlogs struct {
	name     string
	load     func(context.Context, *stand) (backlog, error)
	variants []variant
	ceilings bool
	rival    bool // Debezium drains it too, with -debezium
	once     bool // however many runs there are: most of each would be the broker's, which makes thousands of topics
}

func (b backlogs) run(ctx context.Context, s *stand) error {
	if b = b.only(s.variant); len(b.variants) == 0 {
		progress("   nothing in it is labelled %q", s.variant)
		return nil
	}
	if err := s.db.fresh(ctx); err != nil {
		return err
	}
	if b.compared(s) {
		if err := s.prepareRivals(ctx); err != nil {
			return fmt.Errorf("preparing Debezium: %w", err)
		}
	}
	began := time.Now()
	filled, err := b.load(ctx, s)
	if err != nil {
		return fmt.Errorf("filling the log: %w", err)
	}
	progress("   %d rows written in %.1f s", filled.changes, time.Since(began).Seconds())
	var batches *load
	for n := range b.runs(s) {
		if b.ceilings {
			res, err := s.db.dump(ctx, filled)
			if err != nil {
				return err
			}
			s.report.ceiling(b.name, "raw log of the server", res)
			progress("   run %d: raw log of the server %s rows/s", n+1, thousands(float64(res.Rows)/res.Seconds))
		}
		for i, v := range b.variants {
			smp, topics, err := s.drain(ctx, v, filled)
			if err != nil {
				return err
			}
			s.report.drain(b.name, v.label, smp)
			progress("   run %d: %s %s rows/s, %.2f µs of CPU a row, %d MB", n+1, v.label, thousands(float64(smp.Rows)/smp.Seconds), 1e6*smp.CPUSeconds/float64(smp.Rows), smp.PeakMemory>>20)
			if b.ceilings && batches == nil && i == 0 {
				if batches, err = s.encodeTopic(ctx, topics[0]); err != nil {
					return err
				}
			}
			if err := s.deleteTopics(ctx, topics...); err != nil {
				return err
			}
		}
		if err := b.compare(ctx, s, n, filled); err != nil {
			return err
		}
		if b.ceilings {
			res, err := s.produce(ctx, batches)
			if err != nil {
				return err
			}
			s.report.ceiling(b.name, "produce only", res)
			progress("   run %d: produce only %s rows/s", n+1, thousands(float64(res.Rows)/res.Seconds))
		}
	}
	return nil
}

func (b backlogs) compared(s *stand) bool { return b.rival && s.debezium }

// compare has Debezium drain the backlog too, in the nth run, where that is wanted.
func (b backlogs) compare(ctx context.Context, s *stand, n int, filled backlog) error {
	if !b.compared(s) {
		return nil
	}
	smp, err := s.drainRival(ctx, n, filled)
	if err != nil {
		return fmt.Errorf("draining with Debezium: %w", err)
	}
	s.report.drain(b.name, rivalLabel, smp)
	progress("   run %d: %s %s rows/s, %.1f µs of CPU a row, %d MB", n+1, rivalLabel, thousands(float64(smp.Rows)/smp.Seconds), 1e6*smp.CPUSeconds/float64(smp.Rows), smp.PeakMemory>>20)
	return nil
}

// runs is how often the backlog is drained.
func (b backlogs) runs(s *stand) int {
	if b.once {
		return 1
	}
	return s.runs
}

// only is the suite with nothing but the variant of that label; without label it is all of it.
func (b backlogs) only(label string) backlogs {
	if label != "" {
		b.ceilings = false
		b.variants = slices.DeleteFunc(slices.Clone(b.variants), func(v variant) bool { return v.label != label })
	}
	return b
}
