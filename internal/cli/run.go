package cli

import (
	"context"
	"crypto/rand"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"github.com/spf13/cobra"

	"cdcbridge/internal/daemon"
)

func (a *app) runCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "run",
		Short: "Run the pipelines of the configuration until a signal comes",
		Long: "Runs the pipelines until SIGTERM or SIGINT, then drains and commits within shutdown_timeout.\n" +
			"A second signal stops at once; nothing is lost, the next start reads again what was not committed.\n" +
			"SIGHUP has the configuration read again: pipelines that differ are drained and started anew, others go on.\n" +
			"When every pipeline is complete (snapshot mode only, topics with an end), it ends by itself with 0. On a terminal it shows snapshots.",
		Example: "  cdcbridge run\n" +
			"  cdcbridge run -c /etc/cdcbridge/cdcbridge.yaml",
		Args: usage(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return a.run(cmd.Context()) },
	}
}

func (a *app) run(ctx context.Context) error {
	signals, hangups := make(chan os.Signal, 2), make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	signal.Notify(hangups, syscall.SIGHUP)
	defer signal.Stop(signals)
	defer signal.Stop(hangups)
	cfg, err := a.load()
	if err != nil {
		return err
	}
	stderr := a.err
	board := a.newBoard(a.err)
	if board != nil {
		stderr = board
	}
	r := newReloader(a, cfg, stderr)
	r.memory.limit(cfg)
	ctx, cancel := context.WithCancel(ctx)
	var others sync.WaitGroup
	defer others.Wait()
	defer cancel()
	others.Go(func() { r.memory.follow(ctx) })
	asked := hangups
	if board != nil {
		asked = make(chan os.Signal, 1)
		others.Go(func() { a.sortHangups(ctx, hangups, asked, signals) })
	}
	d := daemon.New(daemon.Options{
		Pipelines: r.pipelines(cfg), HTTP: cfg.HTTP, ShutdownTimeout: cfg.ShutdownTimeout, Reload: daemon.Reload{Asked: asked, Load: r.load}, Version: a.version, Log: r.log,
	})
	if board != nil {
		others.Go(func() { board.follow(ctx, d.Status) })
	}
	return d.Run(ctx, signals)
}

// newInstance names this process among all that may run the same pipelines. It is new at each start: a process that was
// frozen and comes back is another instance than the one that took over.
func newInstance() string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return host + "-" + rand.Text()
}
