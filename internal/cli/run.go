package cli

import (
	"context"
	"crypto/rand"
	"log/slog"
	"os"
	"os/signal"
	"runtime/debug"
	"sync"
	"syscall"

	"github.com/spf13/cobra"

	"cdcbridge/internal/config"
	"cdcbridge/internal/daemon"
	"cdcbridge/internal/pipeline"
)

func (a *app) runCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "run",
		Short: "Run the pipelines of the configuration until a signal comes",
		Long: "Runs the pipelines until SIGTERM or SIGINT, then drains and commits within shutdown_timeout.\n" +
			"A second signal stops at once; nothing is lost, the next start reads again what was not committed.\n" +
			"When every pipeline is complete (snapshot mode only, topics with an end), it ends by itself with 0. On a terminal it shows snapshots.",
		Example: "  cdcbridge run\n" +
			"  cdcbridge run -c /etc/cdcbridge/cdcbridge.yaml",
		Args: usage(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return a.run(cmd.Context()) },
	}
}

func (a *app) run(ctx context.Context) error {
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	defer signal.Stop(signals)
	cfg, err := a.load()
	if err != nil {
		return err
	}
	stderr := a.err
	board := a.newBoard(a.err)
	if board != nil {
		stderr = board
	}
	log := cfg.Log.Logger(stderr)
	limitMemory(cfg, log)
	d := daemon.New(daemon.Options{
		Pipelines: pipelines(cfg, newInstance(), log), HTTP: cfg.HTTP, ShutdownTimeout: cfg.ShutdownTimeout, Version: a.version, Log: log,
	})
	if board != nil {
		following, end := context.WithCancel(ctx)
		var shown sync.WaitGroup
		shown.Go(func() { board.follow(following, d.Status) })
		defer shown.Wait()
		defer end()
	}
	return d.Run(ctx, signals)
}

// pipelines turns the configuration into what the daemon runs.
func pipelines(cfg *config.Config, instance string, log *slog.Logger) []daemon.Pipeline {
	var ps []daemon.Pipeline
	for _, p := range cfg.Pipelines {
		env := pipeline.Env{Instance: instance, Log: log.With("pipeline", p.Spec.Name)}
		ps = append(ps, daemon.Pipeline{
			Name:          p.Spec.Name,
			ExitOnFailure: p.ExitOnFailure,
			New:           func() daemon.Attempt { return pipeline.New(p.Spec, env) },
		})
	}
	return ps
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

// baseMemory is what the process needs beside the pipelines' budgets: code, connections, tables, compression buffers.
const baseMemory = 40 << 20

// limitMemory tells the garbage collector how much memory the process means to use, so that it works harder near that
// instead of letting the heap double. GOMEMLIMIT in the environment wins.
func limitMemory(cfg *config.Config, log *slog.Logger) {
	if os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	limit := int64(baseMemory)
	for _, p := range cfg.Pipelines {
		limit += p.Spec.Memory + int64(p.Spec.Snapshot.Readers)*int64(p.Spec.Snapshot.ChunkBytes)
	}
	debug.SetMemoryLimit(limit)
	log.Debug("memory limit set", "bytes", limit)
}
