package cli

import (
	"context"
	"errors"
	"fmt"
	"os/signal"
	"regexp"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"cdcbridge/changelog"
	"cdcbridge/formats"
	"cdcbridge/internal/config"
	"cdcbridge/internal/fault"
	"cdcbridge/internal/kafkawire"
)

// inspection is what the flags of inspect say.
type inspection struct {
	source   bool
	pipeline string // with source
	from     string
	format   string
	max      int
	follow   bool
	output   outputFormat
}

func (a *app) inspectCommand() *cobra.Command {
	in := inspection{from: "latest", follow: true, output: outputTable}
	cmd := &cobra.Command{
		Use:   "inspect TOPIC... | --source [SCHEMA.TABLE...]",
		Short: "Print the changes in topics as a read_committed reader sees them, or those of a source before they go there",
		Long: "Reads topics from the cluster of the configuration, decodes them with the format of the output that writes\n" +
			"them, and prints one line an image: +I new row, -U old row, +U changed row, -D deleted row, -T tombstone.\n\n" +
			"With --source it prints the changes of a pipeline's source from now on, as its log has them, whether a daemon runs the\n" +
			"pipeline or not: nothing is written, and slot, consumer group and topics are left alone. PostgreSQL must have the publication\n" +
			"and one more replication slot free, which is gone when the command ends. Columns that the log has no value of are left out.",
		Example: "  cdcbridge inspect cdc.shop.orders\n" +
			"  cdcbridge inspect cdc.shop.orders --from earliest --follow=false -o json\n" +
			"  cdcbridge inspect somebody.elses.topic --format canal-json --max 10\n" +
			"  cdcbridge inspect --source 'shop.order*'",
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := in.check(cmd, args); err != nil {
				return usageError{err}
			}
			ctx, cancel := signal.NotifyContext(cmd.Context(), syscall.SIGINT, syscall.SIGTERM)
			defer cancel()
			if in.source {
				return a.inspectSource(ctx, &in, args)
			}
			return a.inspect(ctx, &in, args)
		},
	}
	cmd.Flags().BoolVar(&in.source, "source", false, "print the changes of a pipeline's source, from now on")
	cmd.Flags().StringVar(&in.pipeline, "pipeline", "", "with --source: the pipeline whose source it is (default: the only one)")
	cmd.Flags().StringVar(&in.from, "from", in.from, "where to begin: earliest or latest")
	cmd.Flags().IntVar(&in.max, "max", 0, "stop after that many records, or changes of a source (0: no limit)")
	cmd.Flags().BoolVar(&in.follow, "follow", true, "wait for more at the end of the topics")
	cmd.Flags().StringVar(&in.format, "format", "", "format of the topics (default: that of the output whose topic template fits)")
	cmd.Flags().VarP(&in.output, "output", "o", "how to print")
	return cmd
}

// check says what does not go together.
func (in *inspection) check(cmd *cobra.Command, args []string) error {
	if in.from != "latest" && in.from != "earliest" {
		return errors.New("--from must be earliest or latest")
	}
	if in.max < 0 {
		return errors.New("--max must not be negative")
	}
	if !in.source {
		if in.pipeline != "" {
			return errors.New("--pipeline goes together with --source; topics are found by their names")
		}
		if len(args) == 0 {
			return errors.New("name a topic, or say --source")
		}
		return nil
	}
	for _, flag := range []string{"from", "follow", "format"} {
		if cmd.Flags().Changed(flag) {
			return fmt.Errorf("--%s is about topics; --source begins now and goes on", flag)
		}
	}
	return nil
}

func (a *app) inspect(ctx context.Context, in *inspection, topics []string) error {
	cfg, err := a.load()
	if err != nil {
		return err
	}
	decoders := map[string]formats.Decoder{}
	for _, topic := range topics {
		if decoders[topic], err = a.decoderFor(cfg, topic, in.format); err != nil {
			return err
		}
	}
	client := kafkawire.NewClient(cfg.Kafka)
	defer client.Close()
	starts, err := startsOf(ctx, client, topics, in.from)
	if err != nil {
		return ignoreStop(ctx, err)
	}
	p := printer{out: a.out, json: in.output == outputJSON}
	return ignoreStop(ctx, tail(ctx, client, starts, in, func(r *kafkawire.FetchedRecord) error {
		ev, err := decoders[r.Topic].Decode(r.Key, r.Value)
		if err != nil {
			return fmt.Errorf("record %s/%d@%d: %w", r.Topic, r.Partition, r.Offset, err)
		}
		return p.print(r, ev)
	}))
}

// ignoreStop makes nothing of the error of a command that was asked to stop.
func ignoreStop(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// decoderFor finds how a topic is to be read: as the flag says, or as the output that writes it does.
func (a *app) decoderFor(cfg *config.Config, topic, format string) (formats.Decoder, error) {
	if format != "" {
		var names []string
		for _, k := range a.registry.Formats {
			if k.Name == format {
				return k.Config().Decoder(), nil
			}
			names = append(names, k.Name)
		}
		return nil, usageError{fmt.Errorf("--format must be one of %s", strings.Join(names, ", "))}
	}
	for _, p := range cfg.Pipelines {
		for i, o := range p.Spec.Outputs {
			if fits(o.Topic, p.Spec.Name, topic) {
				if o.Outbox != nil {
					return messageDecoder{}, nil
				}
				return p.Formats[i].Decoder(), nil
			}
		}
	}
	return nil, usageError{fmt.Errorf("no output of the configuration writes to topic %s; name its format with --format", topic)}
}

// placeholder is what a topic template has of a table or a row.
var placeholder = regexp.MustCompile(`\{[^}]*\}`)

// fits reports whether a topic can come from a template: the constant parts must occur in their order.
func fits(template, pipeline, topic string) bool {
	parts := placeholder.ReplaceAllString(strings.ReplaceAll(template, "{pipeline}", pipeline), "\x00")
	constants := strings.Split(parts, "\x00")
	rest, ok := strings.CutPrefix(topic, constants[0])
	if !ok || len(constants) == 1 {
		return ok && rest == ""
	}
	for _, c := range constants[1 : len(constants)-1] {
		// A placeholder has at least one character.
		if rest == "" {
			return false
		}
		i := strings.Index(rest[1:], c)
		if i < 0 {
			return false
		}
		rest = rest[1+i+len(c):]
	}
	last := constants[len(constants)-1]
	return len(rest) > len(last) && strings.HasSuffix(rest, last)
}

// startsOf finds the partitions of the topics and the offsets at which to begin.
func startsOf(ctx context.Context, client *kafkawire.Client, topics []string, from string) ([]kafkawire.Progress, error) {
	meta, err := client.Metadata(ctx, topics...)
	if err != nil {
		return nil, fmt.Errorf("looking up the topics: %w", err)
	}
	var parts []kafkawire.TopicPartition
	for _, name := range topics {
		t := meta.Topic(name)
		switch {
		case t == nil || t.Code == kafkawire.UnknownTopicOrPartition:
			return nil, fault.New(fault.TopicMissing, "looking up topic "+name, nil, "Check the name; topics are created when the first row of their table comes.")
		case t.Code != kafkawire.OK:
			return nil, kafkawire.CodeFault("looking up topic "+name, t.Code)
		}
		for i := range t.Partitions {
			parts = append(parts, kafkawire.TopicPartition{Topic: name, Partition: t.Partitions[i].Index})
		}
	}
	at := kafkawire.LatestOffset
	if from == "earliest" {
		at = kafkawire.EarliestOffset
	}
	answers, err := client.ListOffsets(ctx, parts, kafkawire.ReadCommitted, at)
	if err != nil {
		return nil, fmt.Errorf("looking up the offsets: %w", err)
	}
	starts := make([]kafkawire.Progress, len(answers))
	for i, o := range answers {
		starts[i] = kafkawire.Progress{TopicPartition: o.TopicPartition, Offset: o.Offset}
	}
	return starts, nil
}

var errEnough = errors.New("enough records")

// tail hands committed records to emit until there are enough, the end is reached and not to be waited at, or ctx ends.
func tail(ctx context.Context, client *kafkawire.Client, starts []kafkawire.Progress, in *inspection, emit func(*kafkawire.FetchedRecord) error) error {
	f := client.NewFetcher(kafkawire.FetcherConfig{}, starts...)
	for n := 0; ; {
		err := f.Poll(ctx, func(r *kafkawire.FetchedRecord) error {
			if err := emit(r); err != nil {
				return err
			}
			if n++; n == in.max {
				return errEnough
			}
			return nil
		})
		switch {
		case errors.Is(err, errEnough):
			return nil
		case err != nil:
			return fmt.Errorf("reading: %w", err)
		case !in.follow && atEnd(f.Progress()):
			return nil
		}
	}
}

func atEnd(all []kafkawire.Progress) bool {
	for i := range all {
		if !all[i].CaughtUp() {
			return false
		}
	}
	return true
}

// opMarks are how the images of each operation are marked.
var opMarks = map[changelog.Op]struct{ before, after string }{
	changelog.Read:   {"", "+I"},
	changelog.Insert: {"", "+I"},
	changelog.Upsert: {"", "+U"},
	changelog.Update: {"-U", "+U"},
	changelog.Delete: {"-D", ""},
}
