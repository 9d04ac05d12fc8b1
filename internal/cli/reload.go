package cli

import (
	"context"
	"io"
	"log/slog"
	"os"
	"slices"
	"strings"

	"cdcbridge/internal/config"
	"cdcbridge/internal/daemon"
	"cdcbridge/internal/pipeline"
)

// reloader reads the configuration of a running daemon again.
type reloader struct {
	app      *app
	instance string
	log      *slog.Logger
	level    *slog.LevelVar // of log
	memory   memory
	shared   *pipeline.Shared

	started *config.Config // what the process was started with
	current *config.Config // what is in effect, but for what needs a restart
}

func newReloader(a *app, cfg *config.Config, stderr io.Writer) *reloader {
	level := &slog.LevelVar{}
	cfg.Log.SetLevel(level)
	log := cfg.Log.Logger(stderr, level)
	return &reloader{app: a, instance: newInstance(), log: log, level: level, memory: memory{log: log}, shared: pipeline.NewShared(sharedMemory(cfg)), started: cfg, current: cfg}
}

// load implements daemon.Reload.
func (r *reloader) load() (*daemon.Next, error) {
	cfg, err := r.app.load()
	if err != nil {
		return nil, err
	}
	return &daemon.Next{
		Pipelines: r.pipelines(cfg), ShutdownTimeout: cfg.ShutdownTimeout, Settings: changedSettings(r.current, cfg), NeedsRestart: needRestart(r.started, cfg),
		Apply: func() {
			r.current = cfg
			cfg.Log.SetLevel(r.level)
			r.memory.limit(cfg)
			r.shared.Resize(sharedMemory(cfg))
		},
	}, nil
}

// pipelines turns the configuration into what the daemon runs.
func (r *reloader) pipelines(cfg *config.Config) []daemon.Pipeline {
	var ps []daemon.Pipeline
	for _, p := range cfg.Pipelines {
		env := pipeline.Env{Instance: r.instance, Log: r.log.With("pipeline", p.Spec.Name), Shared: r.shared}
		ps = append(ps, daemon.Pipeline{
			Name:          p.Spec.Name,
			ExitOnFailure: p.ExitOnFailure,
			Fingerprint:   p.Fingerprint,
			New:           func() daemon.Attempt { return pipeline.New(p.Spec, env) },
		})
	}
	return ps
}

// changedSettings are the paths of what is set otherwise. Pipelines that come or go are not among them.
func changedSettings(was, is *config.Config) []string {
	var paths []string
	for _, d := range compareSettings(was, is) {
		switch {
		case d.Pipeline == "":
			paths = append(paths, d.Setting)
		case d.Setting != wholePipeline:
			paths = append(paths, "pipelines["+d.Pipeline+"]."+d.Setting)
		}
	}
	return paths
}

// appliedAtOnce are the settings of the file that a reload applies, by the beginning of their paths. Those of kafka are settings of every
// pipeline.
var appliedAtOnce = []string{"kafka.", "log.level", "shutdown_timeout"}

// needRestart are the paths of settings that differ and that no reload applies.
func needRestart(started, is *config.Config) []string {
	var paths []string
	for _, d := range compareSettings(started, is) {
		if d.Pipeline == "" && !slices.ContainsFunc(appliedAtOnce, func(of string) bool { return strings.HasPrefix(d.Setting, of) }) {
			paths = append(paths, d.Setting)
		}
	}
	return paths
}

// sortHangups tells the two meanings of SIGHUP of a daemon on a terminal apart: somebody asks for a reload, or the terminal is gone. A daemon
// whose terminal is gone stops, or it would run on where nobody sees it; a shell that hangs up says so twice, and the second one is no
// wish to stop at once.
func (a *app) sortHangups(ctx context.Context, hangups <-chan os.Signal, asked, stop chan<- os.Signal) {
	for {
		var s os.Signal
		select {
		case <-ctx.Done():
			return
		case s = <-hangups:
		}
		if a.columns(a.err) == 0 {
			select {
			case stop <- s:
			case <-ctx.Done():
			}
			return
		}
		select {
		case asked <- s:
		case <-ctx.Done():
			return
		}
	}
}
