package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"cdcbridge/capture"
	"cdcbridge/changelog"
	"cdcbridge/formats"
	"cdcbridge/internal/config"
	"cdcbridge/internal/fault"
	"cdcbridge/internal/kafkawire"
)

// conversion is what the flags of convert say.
type conversion struct {
	from, to  config.FormatFlags
	mode      string
	tables    string
	guess     bool
	name      string
	ignore    bool
	in, out   lineFormat
	reading   inspection
	converted int
	skipped   int
	leftOut   int
}

func (a *app) convertCommand() *cobra.Command {
	c := conversion{mode: "changelog", in: lineValue, out: lineValue, name: "cdcbridge", reading: inspection{from: "earliest"}}
	cmd := &cobra.Command{
		Use:   "convert --from FORMAT --to FORMAT [TOPIC...]",
		Short: "Turn messages of one format into messages of another",
		Long: "Reads messages from standard input, one a line, or from topics of the cluster of the configuration, and prints\n" +
			"them in another format, one a line. docs/convert.md says what is kept and what cannot be.",
		Example: "  cdcbridge convert --from canal-json --to debezium-json --guess-types < messages.txt\n" +
			"  cdcbridge convert --from debezium-json --to canal-json --tables shop cdc.shop.orders\n" +
			"  kcat -C -J -t canal.shop -b kafka:9092 | cdcbridge convert --from canal-json --to plain-json --mode upsert -i kcat -o kcat",
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, cancel := signal.NotifyContext(cmd.Context(), syscall.SIGINT, syscall.SIGTERM)
			defer cancel()
			return a.convert(ctx, &c, args)
		},
	}
	f := cmd.Flags()
	f.StringVar(&c.from.Name, "from", "", "format of the messages that are read")
	f.StringVar(&c.from.Preset, "from-preset", "", "preset that they were written with")
	f.StringArrayVar(&c.from.Options, "from-option", nil, "option that they were written with, key=value; may be repeated")
	f.StringVar(&c.to.Name, "to", "", "format of the messages that are printed")
	f.StringVar(&c.to.Preset, "to-preset", "", "preset to write with")
	f.StringArrayVar(&c.to.Options, "to-option", nil, "option to write with, key=value; may be repeated")
	f.StringVar(&c.mode, "mode", c.mode, "changelog: one message a change; upsert: as in a compacted topic, with tombstones and split key changes")
	f.StringVar(&c.tables, "tables", "", "pipeline of the configuration whose source says what the tables' columns are")
	f.BoolVar(&c.guess, "guess-types", false, "take values as JSON has them where nothing says what the columns are")
	f.StringVar(&c.name, "name", c.name, "name of the source that the messages name")
	f.BoolVar(&c.ignore, "ignore-parse-errors", false, "skip and count messages that cannot be read")
	f.VarP(&c.in, "input", "i", "what a line of standard input is: a value, or a record as kcat -J prints them")
	f.VarP(&c.out, "output", "o", "what to print: the values alone, or records as kcat -J prints them")
	f.StringVar(&c.reading.from, "start", c.reading.from, "topics: where to begin, earliest or latest")
	f.IntVar(&c.reading.max, "max", 0, "topics: stop after that many records (0: no limit)")
	f.BoolVar(&c.reading.follow, "follow", false, "topics: wait for more at their end")
	return cmd
}

func (c *conversion) check() error {
	switch {
	case c.from.Name == "" || c.to.Name == "":
		return usageError{errors.New("--from and --to are required")}
	case c.mode != "changelog" && c.mode != "upsert":
		return usageError{errors.New("--mode must be changelog or upsert")}
	case c.reading.from != "latest" && c.reading.from != "earliest":
		return usageError{errors.New("--start must be earliest or latest")}
	}
	return nil
}

func (a *app) convert(ctx context.Context, c *conversion, topics []string) error {
	if err := c.check(); err != nil {
		return err
	}
	var cfg *config.Config
	var err error
	if len(topics) > 0 || c.tables != "" {
		if cfg, err = a.load(); err != nil {
			return err
		}
	}
	conv, err := a.newConverter(ctx, c, cfg)
	if err != nil {
		return err
	}
	if len(topics) > 0 {
		err = convertTopics(ctx, conv, cfg, c, topics)
	} else {
		err = convertLines(ctx, conv, a.in, c.in)
	}
	if flushed := conv.out.flush(); err == nil {
		err = flushed
	}
	conv.report(a.err)
	return err
}

func convertTopics(ctx context.Context, conv *converter, cfg *config.Config, c *conversion, topics []string) error {
	client := kafkawire.NewClient(cfg.Kafka)
	defer client.Close()
	starts, err := startsOf(ctx, client, topics, c.reading.from)
	if err != nil {
		return ignoreStop(ctx, err)
	}
	rec := formats.Record{}
	return ignoreStop(ctx, tail(ctx, client, starts, &c.reading, func(r *kafkawire.FetchedRecord) error {
		rec = formats.Record{Topic: r.Topic, Partition: r.Partition, Offset: r.Offset, Timestamp: r.Timestamp, Key: r.Key, Value: r.Value, Headers: rec.Headers[:0]}
		r.Headers.Each(func(name, value []byte) bool {
			rec.Headers = append(rec.Headers, formats.Header{Name: string(name), Value: value})
			return true
		})
		if err := conv.record(&rec, fmt.Sprintf("record %s/%d@%d", r.Topic, r.Partition, r.Offset)); err != nil || !c.reading.follow {
			return err
		}
		return conv.out.flush()
	}))
}

// newConverter wires reader and writer.
func (a *app) newConverter(ctx context.Context, c *conversion, cfg *config.Config) (*converter, error) {
	from, err := c.from.Format(a.registry)
	if err != nil {
		return nil, fmt.Errorf("--from: %w", err)
	}
	to, err := c.to.Format(a.registry)
	if err != nil {
		return nil, fmt.Errorf("--to: %w", err)
	}
	maker, ok := from.(formats.ReaderMaker)
	if !ok {
		return nil, usageError{fmt.Errorf("messages of the format %s cannot be read into rows", c.from.Name)}
	}
	known, err := describedBy(ctx, cfg, c.tables)
	if err != nil {
		return nil, err
	}
	shapes := &capture.Shapes{}
	conv := &converter{
		conversion: c, format: to.Format(formats.Env{Server: c.name, Version: a.version}), upsert: c.mode == "upsert",
		out: newLineWriter(a.out, c.out), plans: map[planKey]*conversionPlan{}, err: a.err,
	}
	conv.reader = maker.Reader(formats.ReaderOptions{
		Described: !c.guess,
		Table:     known,
		Intern: func(t *changelog.Table) *changelog.Table {
			t.Inferred = false // --guess-types says that the guess will do
			return shapes.Intern(t)
		},
	})
	if w, ok := conv.format.(formats.SideWriter); ok {
		conv.side = w.Side(formats.SideOptions{Prefix: c.name, Upsert: conv.upsert})
	}
	return conv, nil
}

// describedBy asks the source of a pipeline for its tables.
func describedBy(ctx context.Context, cfg *config.Config, pipeline string) (func(namespace, name string) *changelog.Table, error) {
	if pipeline == "" {
		return nil, nil
	}
	for i := range cfg.Pipelines {
		p := &cfg.Pipelines[i]
		if p.Spec.Name != pipeline {
			continue
		}
		checker := p.Spec.Source.Checker(capture.Env{Pipeline: pipeline, Log: slog.New(slog.DiscardHandler)})
		describer, ok := checker.(capture.TableDescriber)
		if !ok {
			return nil, fault.NewFinal(fault.Config, "asking the source for its tables", fmt.Errorf("a source of the type %s cannot tell them", p.SourceType), "Leave --tables out.")
		}
		ctx, cancel := context.WithTimeout(ctx, time.Minute)
		defer cancel()
		found, err := describer.Describe(ctx)
		if err != nil {
			return nil, fmt.Errorf("asking the source of pipeline %s for its tables: %w", pipeline, err)
		}
		byName := map[[2]string]*changelog.Table{}
		for _, t := range found {
			byName[[2]string{t.Namespace(), t.Name}] = t
		}
		return func(namespace, name string) *changelog.Table { return byName[[2]string{namespace, name}] }, nil
	}
	return nil, usageError{fmt.Errorf("the configuration has no pipeline %q", pipeline)}
}

// report tells what became of the messages, on standard error.
func (c *converter) report(w io.Writer) {
	text := fmt.Sprintf("%d messages converted", c.converted)
	if c.skipped > 0 {
		text += fmt.Sprintf(", %d skipped that could not be read", c.skipped)
	}
	if c.leftOut > 0 {
		text += fmt.Sprintf(", %d left out that are no changes of rows and have no form in %s with these options", c.leftOut, c.to.Name)
	}
	_, _ = fmt.Fprintln(w, text)
}

// planKey tells plans apart.
type planKey struct {
	table *changelog.Table
	topic string
}
