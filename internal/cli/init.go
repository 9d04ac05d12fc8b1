package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"cdcbridge/capture"
	"cdcbridge/changelog"
	"cdcbridge/internal/config"
	"cdcbridge/internal/fault"
	"cdcbridge/internal/kafkawire"
	"cdcbridge/upsert"
)

// initial is what the flags of init say.
type initial struct {
	brokers              []string
	name, format, preset string
	force                bool
	timeout              time.Duration
}

func (a *app) initCommand() *cobra.Command {
	in := initial{name: "cdc", format: "debezium-json", timeout: 30 * time.Second}
	cmd := &cobra.Command{
		Use:   "init ADDRESS",
		Short: "Write a commented configuration for a database, or for topics",
		Long: "Connects to the server, changes nothing there, and writes a configuration to the file that -c names (- prints it): the tables with their keys and\n" +
			"topics, and what is in the way of which table. A password is never written: it stays in the environment, as MYSQL_PASSWORD, MARIADB_PASSWORD or\n" +
			"POSTGRES_PASSWORD, which is also where it is taken from when ADDRESS has none. Others can see ADDRESS in the list of processes.\n\n" +
			"ADDRESS is mysql://USER@HOST:PORT/DATABASE (no database: all), mariadb://…, postgres://USER@HOST:PORT/DATABASE with sslmode and\n" +
			"sslrootcert as parameters, or kafka://BROKER:PORT/TOPIC,TOPIC.",
		Example: "  cdcbridge init mysql://cdc@db1/shop\n" +
			"  cdcbridge init 'postgres://cdc@db1/shop?sslmode=verify-full' --brokers kafka:9092 --preset flink\n" +
			"  cdcbridge init kafka://kafka:9092/canal.shop --name shop -c -",
		Args:              usage(cobra.ExactArgs(1)),
		ValidArgsFunction: cobra.FixedCompletions([]string{"mysql://", "mariadb://", "postgres://", "kafka://"}, cobra.ShellCompDirectiveNoSpace|cobra.ShellCompDirectiveNoFileComp),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, cancel := signal.NotifyContext(cmd.Context(), syscall.SIGINT, syscall.SIGTERM)
			defer cancel()
			ctx, stop := context.WithTimeout(ctx, in.timeout)
			defer stop()
			return a.initialize(ctx, &in, args[0])
		},
	}
	cmd.Flags().StringSliceVar(&in.brokers, "brokers", nil, "the brokers to write to (default localhost:9092, or those of ADDRESS)")
	cmd.Flags().StringVar(&in.name, "name", in.name, "name of the pipeline")
	cmd.Flags().StringVar(&in.format, "format", in.format, "format to write")
	cmd.Flags().StringVar(&in.preset, "preset", "", "preset of the format")
	cmd.Flags().BoolVar(&in.force, "force", false, "write over a file that is there")
	cmd.Flags().DurationVar(&in.timeout, "timeout", in.timeout, "how long looking at the server may take")
	return cmd
}

func (a *app) initialize(ctx context.Context, in *initial, address string) error {
	from, err := parseOrigin(address)
	if err != nil {
		return usageError{err}
	}
	if _, err := os.Stat(a.configPath); err == nil && a.configPath != "-" && !in.force {
		return usageError{fmt.Errorf("the file %s is there already; name another one with -c, or say --force", a.configPath)}
	}
	s := &starter{from: from, name: in.name, brokers: in.brokers, format: in.format, preset: in.preset}
	if len(s.brokers) == 0 {
		s.brokers = []string{"localhost:9092"}
		if from.kind == "kafka" {
			s.brokers = from.brokers
		}
	}
	if err := a.explore(ctx, s); err != nil {
		return err
	}
	text := s.text()
	if _, err := a.loadDraft(s, text); err != nil {
		return fmt.Errorf("checking what was written: %w", err)
	}
	return a.writeStarter(s, text)
}

// loadDraft reads what was written as the daemon will. It has the password from the address or from the environment.
func (a *app) loadDraft(s *starter, text string) (*config.Config, error) {
	return config.LoadText("the new configuration", text, a.registry, func(name string) (string, bool) {
		if s.from.password != "" && name == s.from.variable() {
			return s.from.password, true
		}
		return os.LookupEnv(name)
	})
}

// explore looks at the server and fills in what it finds.
func (a *app) explore(ctx context.Context, s *starter) error {
	if s.from.kind == "kafka" {
		if s.from.format != "" {
			return nil
		}
		return s.recognize(ctx)
	}
	cfg, err := a.loadDraft(s, s.text())
	if err != nil {
		return err
	}
	p := &cfg.Pipelines[0]
	checker := p.Spec.Source.Checker(capture.Env{Pipeline: s.name, Log: slog.New(slog.DiscardHandler), Snapshot: true})
	lister, ok := checker.(capture.TableLister)
	if !ok {
		return fault.NewFinal(fault.Config, "looking at the tables", fmt.Errorf("a source of type %s cannot list them", p.SourceType), "Write the file by hand after config.example.yaml.")
	}
	tables, err := lister.Tables(ctx)
	if err != nil {
		return fmt.Errorf("looking at the tables: %w", err)
	}
	slices.SortFunc(tables, func(x, y changelog.Table) int { return strings.Compare(x.FullName(), y.FullName()) })
	found, err := checker.Check(ctx)
	if err != nil {
		return fmt.Errorf("looking at the server: %w", err)
	}
	s.tables = proposals(s.name, tables, append(found, upsert.Unwritable(s.name, p.Spec.Outputs, nil, tables)...))
	for _, f := range found {
		if f.Severity == capture.Problem && !s.about(f.Subject) {
			s.notes = append(s.notes, fmt.Sprintf("%s: %s\n%s", f.Subject, oneLine(f.Detail), f.Remedy))
		}
	}
	return nil
}

// about reports a subject that is one of the tables.
func (s *starter) about(subject string) bool {
	return slices.ContainsFunc(s.tables, func(p proposal) bool { return strings.HasSuffix(" "+subject, " "+p.table.FullName()) })
}

// recognize finds the format of the first topic by its last record.
func (s *starter) recognize(ctx context.Context) error {
	client := kafkawire.NewClient(kafkawire.Config{Brokers: s.from.brokers, ClientID: "cdcbridge", RequestTimeout: 10 * time.Second})
	defer client.Close()
	starts, err := startsOf(ctx, client, s.from.topics[:1], "earliest")
	if err != nil {
		return err
	}
	err = tail(ctx, client, starts, &inspection{}, func(r *kafkawire.FetchedRecord) error {
		if s.from.format = formatOf(r.Value); s.from.format != "" {
			return errEnough
		}
		return nil
	})
	if err != nil && !errors.Is(err, errEnough) {
		return err
	}
	if s.from.format == "" {
		return usageError{fmt.Errorf("no record of topic %s tells its format; say it behind the address: ?format=canal-json", s.from.topics[0])}
	}
	return nil
}

// formatOf tells a format by the members of a message, "" when they tell nothing.
func formatOf(value []byte) string {
	var m map[string]json.RawMessage
	if json.Unmarshal(value, &m) != nil {
		return ""
	}
	has := func(names ...string) bool {
		return !slices.ContainsFunc(names, func(n string) bool { _, ok := m[n]; return !ok })
	}
	switch {
	case has("payload", "schema"), has("op", "source"), has("op", "after"), has("op", "before"):
		return "debezium-json"
	case has("type", "data", "isDdl"), has("type", "data", "database", "table"):
		return "canal-json"
	}
	return ""
}

// writeStarter writes the file, and says what comes next.
func (a *app) writeStarter(s *starter, text string) error {
	if a.configPath == "-" {
		_, err := fmt.Fprint(a.out, text)
		return err
	}
	if err := os.WriteFile(a.configPath, []byte(text), 0o644); err != nil {
		return usageError{fmt.Errorf("writing the configuration: %w", err)}
	}
	var said strings.Builder
	for _, n := range s.notes {
		said.WriteString(n + "\n")
	}
	export := ""
	if s.from.kind != "kafka" {
		fmt.Fprintf(&said, "%d tables, %d of them left out, each with the reason in the file.\n", len(s.tables), len(s.tables)-s.taken())
		export = "  export " + s.from.variable() + "=…\n"
	}
	flag := ""
	if filepath.Clean(a.configPath) != "cdcbridge.yaml" {
		flag = " -c " + a.configPath
	}
	_, err := fmt.Fprintf(a.out, "Wrote %s.\n%sNext:\n%s  cdcbridge validate%s\n  cdcbridge run%s\n", a.configPath, &said, export, flag, flag)
	return err
}
