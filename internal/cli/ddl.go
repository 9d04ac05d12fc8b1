package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"cdcbridge/capture"
	"cdcbridge/changelog"
	"cdcbridge/formats"
	"cdcbridge/internal/config"
	"cdcbridge/internal/fault"
	"cdcbridge/upsert"
)

// ddlRequest is what the flags of ddl flink say.
type ddlRequest struct {
	pipeline, output string
	brokers          string // as Flink reaches them; empty: as we do
	watermark        time.Duration
	noWatermark      bool
	format           outputFormat
}

func (a *app) ddlCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "ddl",
		Short:   "Print statements by which another system reads the topics",
		Example: "  cdcbridge ddl flink",
		Args:    usage(cobra.NoArgs),
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(a.ddlFlinkCommand())
	return cmd
}

func (a *app) ddlFlinkCommand() *cobra.Command {
	req := ddlRequest{watermark: time.Second, format: outputTable}
	timeout := 30 * time.Second
	cmd := &cobra.Command{
		Use:   "flink [SCHEMA.TABLE...]",
		Short: "Print CREATE TABLE statements of Flink SQL for the topics of captured tables",
		Long: "Asks the sources what their tables look like now, and prints for each table and output the statement by which Flink SQL\n" +
			"reads the topic: types, primary key, metadata columns, watermark, connector and format. Without names: all captured tables.\n" +
			"Patterns such as shop.* name several. It changes nothing.",
		Example: "  cdcbridge ddl flink > tables.sql\n" +
			"  cdcbridge ddl flink shop.orders 'shop.item*' --brokers kafka.internal:9092",
		RunE: func(cmd *cobra.Command, args []string) error {
			if req.watermark < 0 {
				return usageError{errors.New("--watermark must not be negative")}
			}
			filter, err := tablePatterns(args)
			if err != nil {
				return usageError{err}
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), timeout)
			defer cancel()
			return a.ddlFlink(ctx, &req, filter)
		},
	}
	cmd.Flags().StringVar(&req.pipeline, "pipeline", "", "only this pipeline")
	cmd.Flags().StringVar(&req.output, "output-name", "", "only this output")
	cmd.Flags().StringVar(&req.brokers, "brokers", "", "the brokers as Flink reaches them (default: those of the configuration)")
	cmd.Flags().DurationVar(&req.watermark, "watermark", req.watermark, "how late a change may come")
	cmd.Flags().BoolVar(&req.noWatermark, "no-watermark", false, "leave the watermark out")
	cmd.Flags().DurationVar(&timeout, "timeout", timeout, "how long asking the sources may take")
	cmd.Flags().VarP(&req.format, "output", "o", "how to print")
	return cmd
}

// tablePatterns makes a filter of the arguments, nil of none.
func tablePatterns(args []string) (*capture.Filter, error) {
	if len(args) == 0 {
		return nil, nil
	}
	return capture.NewFilter(args, nil)
}

// flinkStatement is the JSON document of one statement.
type flinkStatement struct {
	Pipeline  string `json:"pipeline"`
	Output    string `json:"output"`
	Table     string `json:"table"` // schema.table in the source
	Topic     string `json:"topic"`
	Name      string `json:"name"`      // of the table in Flink, unquoted
	Statement string `json:"statement"` // without the semicolon
}

func (a *app) ddlFlink(ctx context.Context, req *ddlRequest, filter *capture.Filter) error {
	cfg, err := a.load()
	if err != nil {
		return err
	}
	var tables []flinkTable
	for i := range cfg.Pipelines {
		if p := &cfg.Pipelines[i]; req.pipeline == "" || req.pipeline == p.Spec.Name {
			more, err := flinkTables(ctx, p, req.output, filter)
			if err != nil {
				return fmt.Errorf("pipeline %s: %w", p.Spec.Name, err)
			}
			tables = append(tables, more...)
		}
	}
	if len(tables) == 0 {
		return usageError{errors.New("no captured table of the configuration fits what was asked for")}
	}
	nameFlinkTables(tables)
	brokers := req.brokers
	if brokers == "" {
		brokers = strings.Join(cfg.Kafka.Brokers, ",")
	}
	var out []flinkStatement
	for i := range tables {
		t := &tables[i]
		text := t.statement(brokers, req)
		if secured(cfg) {
			text = securedRemark + text
		}
		out = append(out, flinkStatement{t.pipeline, t.target.Output.Name, t.target.Table.FullName(), t.target.Options.Topic, t.name, text})
	}
	return a.printFlink(out, req.format)
}

const securedRemark = "-- The brokers ask who connects, or encrypt: add 'properties.security.protocol' and what belongs to it to the WITH clause.\n"

func secured(cfg *config.Config) bool { return cfg.Kafka.TLS.Enabled || cfg.Kafka.SASL.Mechanism != "" }

func (a *app) printFlink(out []flinkStatement, format outputFormat) error {
	if format == outputJSON {
		return a.printJSON(out)
	}
	for i, s := range out {
		if i > 0 {
			s.Statement = "\n" + s.Statement
		}
		if _, err := fmt.Fprintln(a.out, s.Statement+";"); err != nil {
			return fmt.Errorf("printing statements: %w", err)
		}
	}
	return nil
}

// flinkTables asks a pipeline's source for its tables and the outputs' formats for what Flink must know of them.
func flinkTables(ctx context.Context, p *config.Pipeline, output string, filter *capture.Filter) ([]flinkTable, error) {
	outputs := slices.Clone(p.Spec.Outputs)
	if output != "" {
		outputs = slices.DeleteFunc(outputs, func(o upsert.Output) bool { return o.Name != output })
	}
	if len(outputs) == 0 {
		return nil, nil
	}
	checker := p.Spec.Source.Checker(capture.Env{Pipeline: p.Spec.Name, Log: slog.New(slog.DiscardHandler)})
	describer, ok := checker.(capture.TableDescriber)
	if !ok {
		return nil, fault.NewFinal(fault.Config, "asking the source for its tables", fmt.Errorf("a source of the type %s cannot tell them", p.SourceType), "")
	}
	found, err := describer.Describe(ctx)
	if err != nil {
		return nil, err
	}
	var wanted []*changelog.Table
	for _, t := range found {
		if filter == nil || filter.Match(t.Namespace(), t.Name) {
			wanted = append(wanted, t)
		}
	}
	targets, err := upsert.Targets(p.Spec.Name, outputs, p.Spec.Tables, wanted)
	if err != nil {
		return nil, err
	}
	var tables []flinkTable
	for _, t := range targets {
		d, ok := t.Output.Format.(formats.FlinkDescriber)
		if !ok {
			return nil, fault.NewFinal(fault.Config, "describing output "+t.Output.Name, errors.New("Flink SQL does not read its format"), "Name another output with --output-name.")
		}
		ft, err := d.Flink(t.Table, t.Options)
		if err != nil {
			return nil, err
		}
		if !shown(tables, &t, &ft) {
			tables = append(tables, flinkTable{pipeline: p.Spec.Name, target: t, FlinkTable: ft})
		}
	}
	return tables, nil
}

// shown reports that the rows of the same table of another shard are in the topic, and that one statement reads both.
func shown(tables []flinkTable, t *upsert.Target, ft *formats.FlinkTable) bool {
	return t.Output.KeyPrefix != "" && slices.ContainsFunc(tables, func(o flinkTable) bool {
		return o.target.Options.Topic == t.Options.Topic && reflect.DeepEqual(o.FlinkTable, *ft)
	})
}
