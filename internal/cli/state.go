package cli

import (
	"bytes"
	"context"
	"fmt"
	"os/signal"
	"syscall"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"cdcbridge/changelog"
	"cdcbridge/internal/config"
	"cdcbridge/internal/fault"
	"cdcbridge/upsert"
)

// stateRecords are the states of pipelines, record by record. Names need not be in the configuration.
type stateRecords interface {
	// Records gives the committed state of a pipeline and disturbs nobody. One without a checkpoint is a state_missing fault.
	Records(ctx context.Context, cfg *config.Config, pipeline string) ([]upsert.StateRecord, error)

	// Restore takes a pipeline over and makes records its state.
	Restore(ctx context.Context, cfg *config.Config, pipeline string, r upsert.Restoring) error

	// Rename takes a pipeline over and moves its state to another name.
	Rename(ctx context.Context, cfg *config.Config, from, to string) error
}

func (kafkaState) Records(ctx context.Context, cfg *config.Config, pipeline string) ([]upsert.StateRecord, error) {
	return upsert.ReadRecords(ctx, cfg.Kafka, cfg.Delivery, pipeline)
}

func (kafkaState) Restore(ctx context.Context, cfg *config.Config, pipeline string, r upsert.Restoring) error {
	return takeOver(ctx, cfg.Kafka, cfg.Delivery, stateIdentity(pipeline), func(s *upsert.Sink, _ changelog.Checkpoint) error { return s.Restore(ctx, r) })
}

func (kafkaState) Rename(ctx context.Context, cfg *config.Config, from, to string) error {
	return takeOver(ctx, cfg.Kafka, cfg.Delivery, stateIdentity(from), func(s *upsert.Sink, _ changelog.Checkpoint) error { return s.Rename(ctx, to) })
}

func stateIdentity(pipeline string) upsert.Identity {
	return upsert.Identity{Pipeline: pipeline, Instance: "state-" + newInstance()}
}

func (a *app) stateCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "state",
		Short: "Export, import and rename what Kafka remembers of a pipeline",
		Long: "The state of a pipeline is its position, what its source must remember, and which topics it has written to.\n" +
			"It is in the state topic; these commands read it from there and write it there, in one transaction.",
		Example: "  cdcbridge state export shop > shop.json\n" +
			"  cdcbridge state import shop shop.json --yes\n" +
			"  cdcbridge state rename shop web-shop --yes",
		Args: usage(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(a.stateExportCommand(), a.stateImportCommand(), a.stateRenameCommand())
	return cmd
}

// stateChange is what the flags of import and rename say.
type stateChange struct {
	takeover

	replace bool // import: write over a state that is there
}

func (a *app) stateRenameCommand() *cobra.Command {
	c := stateChange{}
	cmd := &cobra.Command{
		Use:   "rename PIPELINE NAME",
		Short: "Give a pipeline another name without starting over",
		Long: "Shows what it means, and with --yes moves the whole state to the other name, in one transaction. Then change the name in the configuration,\n" +
			"and set there what the old name stood for, as it says: slot, publication, group, topics. Stop the daemon first; one that runs is fenced.",
		Example: "  cdcbridge state rename shop web-shop        # says what would happen\n" +
			"  cdcbridge state rename shop web-shop --yes",
		Args:              usage(cobra.ExactArgs(2)),
		ValidArgsFunction: a.firstIsPipeline,
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, cancel := signal.NotifyContext(cmd.Context(), syscall.SIGINT, syscall.SIGTERM)
			defer cancel()
			return a.renameState(ctx, &c, args[0], args[1])
		},
	}
	c.flags(cmd)
	return cmd
}

func (a *app) renameState(ctx context.Context, c *stateChange, from, to string) error {
	cfg, err := a.load()
	if err != nil {
		return err
	}
	if !config.ValidPipelineName(to) || from == to {
		return usageError{fmt.Errorf("%q cannot be the new name: it must be another one, of letters, digits, '.', '_' and '-', at most 100", to)}
	}
	recs, err := a.states.Records(ctx, cfg, from)
	if err != nil {
		return fmt.Errorf("renaming pipeline %s: %w", from, err)
	}
	switch _, err := a.states.Records(ctx, cfg, to); {
	case err == nil:
		return fault.NewFinal(fault.Config, "renaming pipeline "+from, fmt.Errorf("there is a pipeline %s with a checkpoint", to), "Take a name that is free.")
	case !fault.Is(err, fault.StateMissing):
		return fmt.Errorf("renaming pipeline %s: %w", from, err)
	}
	doc := newStateDoc("rename", from, recs)
	doc.To, doc.Notes = to, renameNotes(cfg, from, to)
	return a.changeState(ctx, cfg, c, doc, func() error { return a.states.Rename(ctx, cfg, from, to) })
}

// stateDoc is the JSON document of import and rename.
type stateDoc struct {
	Action   string         `json:"action"` // import or rename
	Pipeline string         `json:"pipeline"`
	To       string         `json:"to,omitempty"`     // rename: the new name
	Before   string         `json:"before,omitempty"` // import: the position that is replaced
	Position string         `json:"position"`         // the position that the pipeline goes on at
	Records  map[string]int `json:"records"`          // how many of each kind
	Notes    []string       `json:"notes"`
	Running  bool           `json:"running"` // a daemon ran the pipeline when it was asked
	Done     bool           `json:"done"`
}

func newStateDoc(action, pipeline string, recs []upsert.StateRecord) *stateDoc {
	doc := &stateDoc{Action: action, Pipeline: pipeline, Position: upsert.PositionOf(recs), Records: map[string]int{}, Notes: []string{}}
	for _, r := range recs {
		doc.Records[r.Kind]++
	}
	return doc
}

// changeState says what would be done, and does it when that was asked for.
func (a *app) changeState(ctx context.Context, cfg *config.Config, c *stateChange, doc *stateDoc, do func() error) error {
	doc.Running = c.running(ctx, cfg, doc.Pipeline)
	if !c.yes {
		return a.printState(doc, c)
	}
	if err := a.announce(&c.takeover, doc.Pipeline, doc.Running); err != nil {
		return err
	}
	if err := do(); err != nil {
		return fmt.Errorf("%s of the state of pipeline %s: %w", doc.Action, doc.Pipeline, err)
	}
	doc.Done = true
	return a.printState(doc, c)
}

func (a *app) printState(doc *stateDoc, c *stateChange) error {
	if c.output == outputJSON {
		return a.printJSON(doc)
	}
	var page bytes.Buffer
	t := tabwriter.NewWriter(&page, 0, 0, 2, ' ', 0)
	row := func(name, value string) {
		if value != "" {
			fmt.Fprintf(t, "%s\t%s\n", name, value)
		}
	}
	row("pipeline", doc.Pipeline)
	row("new name", doc.To)
	row("position before", doc.Before)
	row("position", doc.Position)
	row("records", fmt.Sprintf("%d topics, %d other entries", doc.Records["pin"], doc.Records["entry"]))
	if err := t.Flush(); err != nil {
		return err
	}
	for _, n := range doc.Notes {
		fmt.Fprintf(&page, "\n%s\n", n)
	}
	fmt.Fprintf(&page, "\n%s\n", doc.rest(c))
	_, err := page.WriteTo(a.out)
	return err
}

// rest says what is left to be done.
func (d *stateDoc) rest(c *stateChange) string {
	switch {
	case d.Done && d.Action == "rename":
		return "It is renamed. Change the configuration as said above, and start the daemon."
	case d.Done:
		return "It is imported. Start the daemon: it goes on there."
	}
	return c.undone(d.Running, "stop it first")
}
