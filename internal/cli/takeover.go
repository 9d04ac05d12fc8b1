package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/spf13/cobra"

	"cdcbridge/changelog"
	"cdcbridge/internal/config"
	"cdcbridge/internal/daemon"
	"cdcbridge/internal/kafkawire"
	"cdcbridge/upsert"
)

// takeover is what the flags say of a command that takes a pipeline over, which fences a daemon that runs it.
type takeover struct {
	url    string // of the daemon that is asked whether it runs the pipeline
	yes    bool   // do it, instead of only saying what would be done
	output outputFormat
}

func (o *takeover) flags(cmd *cobra.Command) {
	o.output = outputTable
	cmd.Flags().BoolVar(&o.yes, "yes", false, "do it, instead of only saying what would be done")
	cmd.Flags().StringVar(&o.url, "url", "", "address of the daemon, to see whether it runs the pipeline (default http.listen of the configuration)")
	cmd.Flags().VarP(&o.output, "output", "o", "how to print")
}

// running reports whether the daemon runs the pipeline. One that does not answer may still run elsewhere.
func (o *takeover) running(ctx context.Context, cfg *config.Config, pipeline string) bool {
	if o.url == "" {
		o.url = localURL(cfg.HTTP.Listen)
	}
	_, s, err := askStatus(ctx, o.url)
	if err != nil {
		return false
	}
	for i := range s.Pipelines {
		if p := &s.Pipelines[i]; p.Name == pipeline {
			return p.State != daemon.Failed && p.State != daemon.Stopped && p.State != daemon.Completed
		}
	}
	return false
}

// announce says before it happens that the daemon, if it runs the pipeline, will be fenced.
func (a *app) announce(o *takeover, pipeline string, running bool) error {
	if !running {
		return nil
	}
	_, err := fmt.Fprintf(a.err, "The daemon at %s runs pipeline %s: it is fenced now, and its pipeline stays down until it is restarted.\n", o.url, pipeline)
	return err
}

// undone says what is left to be done when nothing was; advice is what to do with a daemon that runs the pipeline.
func (o *takeover) undone(running bool, advice string) string {
	const text = "Nothing has been changed; with --yes it is. "
	if running {
		return text + "The daemon at " + o.url + " runs the pipeline: " + advice + ", for it will be fenced."
	}
	return text + "No daemon was found to run the pipeline at " + o.url + "; one that runs elsewhere would be fenced."
}

// takeOver takes a pipeline over, so that nobody else writes to it, and does something with its checkpoint.
func takeOver(ctx context.Context, wire kafkawire.Config, cfg upsert.Config, id upsert.Identity, do func(*upsert.Sink, changelog.Checkpoint) error) (err error) {
	sink := upsert.NewSink(wire, cfg, id, slog.New(slog.DiscardHandler))
	defer func() { err = errors.Join(err, sink.Close(context.WithoutCancel(ctx))) }()
	cp, err := sink.Open(ctx)
	if err != nil {
		return fmt.Errorf("opening the checkpoint: %w", err)
	}
	return do(sink, cp)
}
