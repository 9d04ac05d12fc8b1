package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"cdcbridge/internal/config"
	"cdcbridge/internal/fault"
	"cdcbridge/upsert"
)

// stateFileFormat is the version of stateFile. The records have versions of their own.
const stateFileFormat = 1

// stateFile is what export writes and import reads.
type stateFile struct {
	Format     int                  `json:"format"`
	Release    string               `json:"release"` // that wrote it
	Exported   time.Time            `json:"exported"`
	Pipeline   string               `json:"pipeline"`
	StateTopic string               `json:"state_topic"`
	Records    []upsert.StateRecord `json:"records"` // each with version and min_reader, as in Kafka
}

func (a *app) stateExportCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "export PIPELINE",
		Short: "Print the state of a pipeline as JSON",
		Long:  "Prints all records of the committed state. It changes nothing and disturbs nobody; the pipeline may run.",
		Example: "  cdcbridge state export shop > shop.json\n" +
			"  cdcbridge state export shop | jq -r '.records[] | select(.kind == \"position\").value.position'",
		Args:              usage(cobra.ExactArgs(1)),
		ValidArgsFunction: a.firstIsPipeline,
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, cancel := signal.NotifyContext(cmd.Context(), syscall.SIGINT, syscall.SIGTERM)
			defer cancel()
			return a.exportState(ctx, args[0])
		},
	}
}

func (a *app) exportState(ctx context.Context, pipeline string) error {
	cfg, err := a.load()
	if err != nil {
		return err
	}
	recs, err := a.states.Records(ctx, cfg, pipeline)
	if err != nil {
		return fmt.Errorf("exporting the state of pipeline %s: %w", pipeline, err)
	}
	return a.printJSON(stateFile{
		Format: stateFileFormat, Release: a.version, Exported: time.Now().UTC(), Pipeline: pipeline, StateTopic: cfg.Delivery.StateTopic, Records: recs,
	})
}

func (a *app) stateImportCommand() *cobra.Command {
	c := stateChange{}
	cmd := &cobra.Command{
		Use:   "import PIPELINE FILE",
		Short: "Write an exported state into Kafka",
		Long: "Shows what it means, and with --yes writes the state into the state topic, in one transaction. FILE is what export has printed; - reads\n" +
			"standard input. A pipeline that has a state keeps it, unless --replace is given too. The topics that the state tells of must be those that it\n" +
			"was exported with. Nothing is taken back in them: what came after the export is read and written again, as far as the source still has it.",
		Example: "  cdcbridge state import shop shop.json                    # says what would happen\n" +
			"  cdcbridge state import shop shop.json --yes\n" +
			"  cdcbridge state import shop - --replace --yes < shop.json",
		Args: usage(cobra.ExactArgs(2)),
		ValidArgsFunction: func(cmd *cobra.Command, args []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
			if len(args) == 1 {
				return nil, cobra.ShellCompDirectiveDefault
			}
			return a.firstIsPipeline(cmd, args, typed)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, cancel := signal.NotifyContext(cmd.Context(), syscall.SIGINT, syscall.SIGTERM)
			defer cancel()
			return a.importState(ctx, &c, args[0], args[1])
		},
	}
	c.flags(cmd)
	cmd.Flags().BoolVar(&c.replace, "replace", false, "write over the state that the pipeline has")
	return cmd
}

func (a *app) importState(ctx context.Context, c *stateChange, pipeline, path string) error {
	cfg, err := a.load()
	if err != nil {
		return err
	}
	if !config.ValidPipelineName(pipeline) {
		return usageError{fmt.Errorf("%q is no name of a pipeline", pipeline)}
	}
	file, err := a.readStateFile(path)
	if err != nil {
		return err
	}
	doc := newStateDoc("import", pipeline, file.Records)
	switch had, err := a.states.Records(ctx, cfg, pipeline); {
	case err == nil && !c.replace:
		return fault.NewFinal(fault.Config, "importing the state of pipeline "+pipeline, fmt.Errorf("it has a state, with the position %s", upsert.PositionOf(had)), "Export that first, then say --replace to write over it.")
	case err == nil:
		doc.Before = upsert.PositionOf(had)
	case !fault.Is(err, fault.StateMissing):
		return fmt.Errorf("importing the state of pipeline %s: %w", pipeline, err)
	}
	if file.Pipeline != pipeline {
		doc.Notes = append(doc.Notes, fmt.Sprintf("The export is of pipeline %s. Two pipelines must not share a slot, a consumer group or topics; to give one another name use cdcbridge state rename.", file.Pipeline))
	}
	doc.Notes = append(doc.Notes, fmt.Sprintf("It was exported at %s by release %s.", file.Exported.Format(time.RFC3339), file.Release))
	return a.changeState(ctx, cfg, c, doc, func() error {
		return a.states.Restore(ctx, cfg, pipeline, upsert.Restoring{Records: file.Records, StateTopic: file.StateTopic, Replace: c.replace})
	})
}

// maxStateFile bounds what is read of a file.
const maxStateFile = 1 << 30

// readStateFile reads an export, and checks what can be without a cluster.
func (a *app) readStateFile(path string) (*stateFile, error) {
	op := "reading " + path
	in := a.in
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return nil, usageError{err}
		}
		defer f.Close()
		in = f
	}
	text, err := io.ReadAll(io.LimitReader(in, maxStateFile))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", op, err)
	}
	return parseStateFile(op, text)
}

func parseStateFile(op string, text []byte) (*stateFile, error) {
	var file stateFile
	const hint = "Take a file that cdcbridge state export has written, unchanged."
	err := json.Unmarshal(text, &file)
	switch {
	case err != nil:
		return nil, fault.NewFinal(fault.Decode, op, err, hint)
	case file.Format > stateFileFormat:
		return nil, fault.NewFinal(fault.StateNewer, op, fmt.Errorf("the export has the format %d, this release knows %d", file.Format, stateFileFormat), "Use the release that wrote it or a newer one.")
	case file.Format < 1 || file.StateTopic == "" || file.Pipeline == "":
		return nil, fault.NewFinal(fault.Decode, op, errors.New("it is no export"), hint)
	}
	if err := upsert.CheckRecords(file.Records); err != nil {
		return nil, fmt.Errorf("%s: %w", op, err)
	}
	return &file, nil
}
