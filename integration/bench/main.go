// Command bench measures cdcbridge on real servers: rows a second, CPU and memory of the real binary while it drains
// backlogs from MySQL and PostgreSQL into Kafka exactly once, and the latency from database commit to a read_committed consumer. Beside
// each number stand the ceilings that the same servers gave in the same run.
//
//	go run ./bench [-only drain,single,…] [-rows 1000000] [-runs 5] [-debezium] [-json file] [-profile dir] [-plots dir]
//
//	stand        one Kafka broker, one database at a time                  stand.go, database.go, mysql.go, postgres.go
//	suite        fills a log, drains it in several ways                    suites.go, load.go
//	drain        runs the daemon until everything is committed, verifies   drain.go, topics.go
//	ceilings     dump.go, postgres.go (raw log), produce.go (batches made before)
//	topics       a topic as the source: topic.go
//	latency      latency.go
//	growth       growth.go, plot.go: only when it is named
//	rival        Debezium on Kafka Connect, exactly-once, on the same backlogs  debezium.go
//	report       table and JSON                                            report.go, machine.go
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
)

// options are the command line.
type options struct {
	only     []string
	rows     int64
	runs     int
	debezium bool // drains beside us
	json     string
	profile  string
	variant  string // drains only what has this label, and no ceilings
	plots    string // directory for the figures of the growth study
	source   string // more settings of the source
	setting  string // more settings of the pipeline
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		if !errors.Is(err, flag.ErrHelp) {
			fmt.Fprintln(os.Stderr, "bench:", err)
		}
		os.Exit(1)
	}
}

func parse(args []string) (options, error) {
	var o options
	names := make([]string, len(suites))
	for i, s := range suites {
		names[i] = s.name
	}
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	only := f.String("only", "", "comma-separated parts to run, of "+strings.Join(names, ", ")+" (default all but growth)")
	f.Int64Var(&o.rows, "rows", 1_000_000, "rows of the large backlogs; the others scale with it")
	f.IntVar(&o.runs, "runs", 5, "times that each backlog is drained; the table has the median")
	f.StringVar(&o.json, "json", "", "write every single measurement into this file")
	f.StringVar(&o.profile, "profile", "", "write profiles of the daemon's CPU and heap for each drain into this directory")
	f.StringVar(&o.source, "source", "", "more settings of the pipeline's source, to try them out: \"batch_bytes: 1048576\"")
	f.StringVar(&o.setting, "pipeline", "", "more settings of the pipeline: \"workers: 1, commit: {max_interval: 1s}\"")
	f.StringVar(&o.variant, "variant", "", "drain only what has this label in the table, without ceilings: for somebody who tunes one thing")
	f.StringVar(&o.plots, "plots", "", "draw what the part growth has measured into this directory, as SVG")
	f.BoolVar(&o.debezium, "debezium", false, "let Debezium on Kafka Connect, with exactly-once on, drain the backlogs of drain, single, pg-drain and pg-single too")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	if o.rows < 10_000 || o.runs < 1 || f.NArg() > 0 {
		return o, errors.New("-rows must be at least 10000, -runs at least 1, and there are no other arguments")
	}
	if *only != "" {
		o.only = strings.Split(*only, ",")
	}
	for _, name := range o.only {
		if !slices.Contains(names, name) {
			return o, fmt.Errorf("-only: %q is none of %s", name, strings.Join(names, ", "))
		}
	}
	return o, nil
}

func run(ctx context.Context, args []string) (err error) {
	o, err := parse(args)
	if err != nil {
		return err
	}
	for _, dir := range []string{o.profile, o.plots} {
		if dir == "" {
			continue
		}
		if err := os.MkdirAll(dir, 0o755); err != nil { // now, and not after an hour
			return err
		}
	}
	s, err := newStand(ctx, o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	for _, suite := range suites {
		if named := slices.Contains(o.only, suite.name); !named && (suite.named || len(o.only) > 0) {
			continue
		}
		progress("== %s: %s", suite.name, suite.title)
		failed := s.use(ctx, suite.on)
		if failed == nil {
			failed = suite.run(ctx, s)
		}
		if failed != nil { // what the others measure, or have measured in an hour, is not thrown away
			progress("   failed: %v", failed)
			err = errors.Join(err, fmt.Errorf("measuring %s: %w", suite.name, failed))
		}
		if ctx.Err() != nil {
			break
		}
	}
	s.report.Machine.LoadAfter = loadAverage()
	if o.json != "" {
		err = errors.Join(err, s.report.writeJSON(o.json))
	}
	return errors.Join(err, s.report.print(os.Stdout))
}

// progress tells on standard error what goes on; standard output is the report alone.
func progress(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }
