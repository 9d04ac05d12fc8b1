package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os/signal"
	"syscall"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"cdcbridge/capture"
	"cdcbridge/changelog"
	"cdcbridge/internal/config"
	"cdcbridge/upsert"
)

// checkpoints are the committed checkpoints of pipelines.
type checkpoints interface {
	// Read gives the checkpoint of a pipeline and disturbs nobody.
	Read(ctx context.Context, p *config.Pipeline) (changelog.Checkpoint, error)

	// Replace takes the pipeline over, so that nobody else writes to it, and commits what change makes of its checkpoint.
	Replace(ctx context.Context, p *config.Pipeline, change func(changelog.Checkpoint) (changelog.Checkpoint, error)) error
}

func (kafkaState) Read(ctx context.Context, p *config.Pipeline) (changelog.Checkpoint, error) {
	return upsert.ReadCheckpoint(ctx, p.Spec.Kafka, p.Spec.Delivery, p.Spec.Name)
}

func (kafkaState) Replace(ctx context.Context, p *config.Pipeline, change func(changelog.Checkpoint) (changelog.Checkpoint, error)) error {
	id := upsert.Identity{Pipeline: p.Spec.Name, Instance: "reset-" + newInstance()}
	return takeOver(ctx, p.Spec.Kafka, p.Spec.Delivery, id, func(sink *upsert.Sink, cp changelog.Checkpoint) error {
		next, err := change(cp)
		if err != nil {
			return err
		}
		if err := sink.Claim(ctx, next); err != nil {
			return fmt.Errorf("writing the checkpoint: %w", err)
		}
		return nil
	})
}

// resetting is what the flags of reset say.
type resetting struct {
	takeover

	to string
}

func (a *app) resetCommand() *cobra.Command {
	r := resetting{}
	cmd := &cobra.Command{
		Use:   "reset PIPELINE --to WHERE",
		Short: "Have a pipeline that reads topics go on at other offsets",
		Long: "Shows at which offsets the pipeline would go on, and with --yes makes it so, in one Kafka transaction. Nothing is taken back:\n" +
			"what is read again is written again, and what is passed over is missing in the target.\n\n" +
			"WHERE is earliest, latest, timestamp=2026-01-31T12:00:00Z (or milliseconds since 1970), or offsets=TOPIC:PARTITION:OFFSET,…\n" +
			"which leaves all other partitions where they are. Stop the daemon first; one that runs is fenced and stays down until it is restarted.",
		Example: "  cdcbridge reset shop --to earliest                      # says what would happen\n" +
			"  cdcbridge reset shop --to timestamp=2026-01-31T12:00:00Z --yes\n" +
			"  cdcbridge reset shop --to offsets=canal.shop:0:1234,canal.shop:1:99 --yes",
		Args:              usage(cobra.ExactArgs(1)),
		ValidArgsFunction: a.firstIsPipeline,
		RunE: func(cmd *cobra.Command, args []string) error {
			if r.to == "" {
				return usageError{errors.New("say with --to where to go on: earliest, latest, timestamp=… or offsets=…")}
			}
			ctx, cancel := signal.NotifyContext(cmd.Context(), syscall.SIGINT, syscall.SIGTERM)
			defer cancel()
			return a.reset(ctx, &r, args[0])
		},
	}
	cmd.Flags().StringVar(&r.to, "to", "", "where to go on: earliest, latest, timestamp=… or offsets=…")
	r.flags(cmd)
	return cmd
}

// resetDoc is the JSON document of reset.
type resetDoc struct {
	Pipeline string              `json:"pipeline"`
	To       string              `json:"to"`
	Moves    []capture.ResetMove `json:"moves"`
	Notes    []string            `json:"notes"`
	Running  bool                `json:"running"` // a daemon ran the pipeline when it was asked
	Done     bool                `json:"done"`
}

func (a *app) reset(ctx context.Context, r *resetting, name string) error {
	cfg, p, err := a.loadPipeline(name, "say which pipeline")
	if err != nil {
		return err
	}
	kind, ok := p.Spec.Source.(capture.Resettable)
	if !ok {
		return usageError{fmt.Errorf("a source of type %s has no offsets to go back to; cdcbridge snapshot reads its tables again", p.SourceType)}
	}
	planner := kind.Resetter(capture.Env{Pipeline: p.Spec.Name, Log: slog.New(slog.DiscardHandler)})
	cp, err := a.committed.Read(ctx, p)
	if err != nil {
		return fmt.Errorf("resetting pipeline %s: %w", p.Spec.Name, err)
	}
	plan, err := planner.Plan(ctx, cp, r.to)
	if err != nil {
		return fmt.Errorf("resetting pipeline %s: %w", p.Spec.Name, err)
	}
	doc := resetDoc{Pipeline: p.Spec.Name, To: r.to, Notes: append([]string{}, plan.Notes...), Running: r.running(ctx, cfg, p.Spec.Name)}
	if doc.Moves = moved(plan.Moves); len(doc.Moves) == 0 || !r.yes {
		return a.printReset(&doc, r)
	}
	if err := a.announce(&r.takeover, doc.Pipeline, doc.Running); err != nil {
		return err
	}
	err = a.committed.Replace(ctx, p, func(cp changelog.Checkpoint) (changelog.Checkpoint, error) {
		plan, err := planner.Plan(ctx, cp, r.to) // the pipeline may have moved since
		doc.Moves = moved(plan.Moves)
		return plan.Next, err
	})
	if err != nil {
		return fmt.Errorf("resetting pipeline %s: %w", p.Spec.Name, err)
	}
	doc.Done = true
	return a.printReset(&doc, r)
}

// moved leaves out what stays where it is.
func moved(moves []capture.ResetMove) []capture.ResetMove {
	changed := []capture.ResetMove{}
	for _, m := range moves {
		if m.From != m.To {
			changed = append(changed, m)
		}
	}
	return changed
}

func (a *app) printReset(doc *resetDoc, r *resetting) error {
	if r.output == outputJSON {
		return a.printJSON(doc)
	}
	var page bytes.Buffer
	if len(doc.Moves) == 0 {
		fmt.Fprintf(&page, "Pipeline %s is there already: nothing to do.\n", doc.Pipeline)
		_, err := page.WriteTo(a.out)
		return err
	}
	verb := "would go on"
	if doc.Done {
		verb = "goes on"
	}
	fmt.Fprintf(&page, "Pipeline %s %s at other offsets:\n\n", doc.Pipeline, verb)
	t := tabwriter.NewWriter(&page, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "PARTITION\tBEFORE\tNOW\tTHAT IS")
	for _, m := range doc.Moves {
		from := "-"
		if m.From >= 0 {
			from = grouped(m.From)
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", m.Place, from, grouped(m.To), meaning(m))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for _, n := range doc.Notes {
		fmt.Fprintf(&page, "\n%s", n)
	}
	if len(doc.Notes) > 0 {
		page.WriteByte('\n')
	}
	page.WriteString("\n" + doc.rest(r) + "\n")
	_, err := page.WriteTo(a.out)
	return err
}

// meaning says what a move does, for people.
func meaning(m capture.ResetMove) string {
	switch {
	case m.From < 0:
		return "new"
	case m.To < m.From:
		return grouped(m.From-m.To) + " offsets are read again"
	}
	return grouped(m.To-m.From) + " offsets are passed over"
}

// rest says what is left to be done.
func (d *resetDoc) rest(r *resetting) string {
	switch {
	case d.Done && d.Running:
		return "Restart the daemon: it goes on there."
	case d.Done:
		return "Start the daemon: it goes on there."
	}
	return r.undone(d.Running, "stop it first, or restart it afterwards")
}
