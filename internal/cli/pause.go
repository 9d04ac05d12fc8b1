package cli

import (
	"context"
	"fmt"
	"io"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"cdcbridge/internal/pipeline"
)

func (a *app) pauseCommand() *cobra.Command {
	return a.pausing(true, &cobra.Command{
		Use:   "pause [PIPELINE]",
		Short: "Have a pipeline commit what it has read, and read nothing until it is resumed",
		Long: "Writes a request into the pipeline's state in Kafka. The daemon takes it up within about a second, wherever it runs: it drains, commits, and\n" +
			"lets go of the source. The pause outlives restarts; /status says paused and /readyz stays green. The source must keep its log meanwhile:\n" +
			"a slot of PostgreSQL retains it, MySQL purges it when its time has come. PIPELINE may be left out when there is one.",
		Example: "  cdcbridge pause shop\n" +
			"  cdcbridge pause shop -o json",
	})
}

func (a *app) resumeCommand() *cobra.Command {
	return a.pausing(false, &cobra.Command{
		Use:     "resume [PIPELINE]",
		Short:   "Have a paused pipeline go on where it stands",
		Long:    "Writes a request into the pipeline's state in Kafka. The daemon takes it up within about a second, wherever it runs.",
		Example: "  cdcbridge resume shop",
	})
}

// pausing completes a command that asks for a pause or for its end.
func (a *app) pausing(pause bool, cmd *cobra.Command) *cobra.Command {
	output := outputTable
	cmd.Args = usage(cobra.MaximumNArgs(1))
	cmd.ValidArgsFunction = a.firstIsPipeline
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		ctx, cancel := signal.NotifyContext(cmd.Context(), syscall.SIGINT, syscall.SIGTERM)
		defer cancel()
		name := ""
		if len(args) > 0 {
			name = args[0]
		}
		return a.setPause(ctx, name, pause, output)
	}
	cmd.Flags().VarP(&output, "output", "o", "how to print")
	return cmd
}

// pauseDoc is the JSON document of pause and resume.
type pauseDoc struct {
	Pipeline string `json:"pipeline"`
	Paused   bool   `json:"paused"` // what was asked for
}

func (a *app) setPause(ctx context.Context, name string, pause bool, output outputFormat) error {
	_, p, err := a.loadPipeline(name, "say which pipeline")
	if err != nil {
		return err
	}
	entry, err := pipeline.Pause{Paused: pause, Time: time.Now().UTC(), By: whoami()}.Entry()
	if err != nil {
		return err
	}
	if err := a.state.Put(ctx, p, entry); err != nil {
		return fmt.Errorf("asking pipeline %s: %w", p.Spec.Name, err)
	}
	if output == outputJSON {
		return a.printJSON(pauseDoc{Pipeline: p.Spec.Name, Paused: pause})
	}
	text := "to go on where it stands"
	if pause {
		text = "to pause; cdcbridge resume " + p.Spec.Name + " ends that"
	}
	_, err = io.WriteString(a.out, fmt.Sprintf("Asked pipeline %s %s.\nIt is done within about a second when the daemon runs, else when it starts; cdcbridge status shows it.\n", p.Spec.Name, text))
	return err
}
