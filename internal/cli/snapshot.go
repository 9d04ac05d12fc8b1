package cli

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"os/user"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"cdcbridge/capture"
	"cdcbridge/changelog"
	"cdcbridge/internal/config"
	"cdcbridge/internal/daemon"
	"cdcbridge/upsert"
)

// snapshotting is what the flags of snapshot say.
type snapshotting struct {
	pipeline, where, url   string
	pause, resume, cancel  bool
	wait, waitSaid, follow bool // follow: wait, because it was said or because a person looks on
	output                 outputFormat
}

// requestState is where requests are written.
type requestState interface {
	// Put writes a request into the state of a pipeline.
	Put(ctx context.Context, p *config.Pipeline, e changelog.State) error
	// Taken waits until the pipeline has taken the request with that key up.
	Taken(ctx context.Context, p *config.Pipeline, key string) error
}

// kafkaState is the state topic.
type kafkaState struct{}

func (kafkaState) Put(ctx context.Context, p *config.Pipeline, e changelog.State) error {
	return upsert.PutEntry(ctx, p.Spec.Kafka, p.Spec.Delivery, p.Spec.Name, e)
}

func (kafkaState) Taken(ctx context.Context, p *config.Pipeline, key string) error {
	return upsert.AwaitRemoval(ctx, p.Spec.Kafka, p.Spec.Delivery, upsert.EntryAt{Pipeline: p.Spec.Name, Key: key, Every: 500 * time.Millisecond})
}

func (a *app) snapshotCommand() *cobra.Command {
	s := snapshotting{output: outputTable}
	cmd := &cobra.Command{
		Use:   "snapshot TABLE...",
		Short: "Have tables read again while changes flow, or pause, resume or cancel that",
		Long: "Writes a request into the pipeline's state in Kafka. The daemon takes it up within about a second, wherever it runs; one\n" +
			"that is not running does so when it starts. TABLE is schema.table (database.table on MySQL) and may hold * and ?.\n" +
			"With --pause, --resume and --cancel TABLE may be left out: all tables that are being read.\n\n" +
			"On a terminal, or with --wait, it shows progress until the tables are read; Ctrl-C leaves the snapshot running.\n" +
			"Exit code 1 with --wait when a table was not read to its end.",
		Example: "  cdcbridge snapshot shop.orders\n" +
			"  cdcbridge snapshot 'shop.*' --where \"updated > '2026-05-01'\" --pipeline cdc\n" +
			"  cdcbridge snapshot --pause                  # and --resume, --cancel\n" +
			"  cdcbridge snapshot shop.orders --wait       # in a script: exit code 1 when it was not read to its end",
		RunE: func(cmd *cobra.Command, args []string) error {
			s.waitSaid = cmd.Flags().Changed("wait")
			ctx, cancel := signal.NotifyContext(cmd.Context(), syscall.SIGINT, syscall.SIGTERM)
			defer cancel()
			return a.snapshot(ctx, &s, args)
		},
	}
	cmd.Flags().StringVar(&s.pipeline, "pipeline", "", "name of the pipeline (needed when the configuration has several)")
	cmd.Flags().StringVar(&s.where, "where", "", "condition in the server's SQL: only rows for which it is true")
	cmd.Flags().BoolVar(&s.pause, "pause", false, "stop reading, and remember where")
	cmd.Flags().BoolVar(&s.resume, "resume", false, "go on from there")
	cmd.Flags().BoolVar(&s.cancel, "cancel", false, "stop reading for good; what has been written stays")
	cmd.Flags().BoolVar(&s.wait, "wait", false, "wait for the end (default: on a terminal)")
	cmd.Flags().StringVar(&s.url, "url", "", "address of the daemon for the progress (default http.listen of the configuration)")
	cmd.Flags().VarP(&s.output, "output", "o", "how to print")
	return cmd
}

func (a *app) snapshot(ctx context.Context, s *snapshotting, tables []string) error {
	request, err := s.request(tables)
	if err != nil {
		return usageError{err}
	}
	value, err := request.Encode()
	if err != nil {
		return usageError{err}
	}
	cfg, p, err := a.loadPipeline(s.pipeline, "say with --pipeline which one")
	if err != nil {
		return err
	}
	if s.url == "" {
		s.url = localURL(cfg.HTTP.Listen)
	}
	s.follow = s.wait || !s.waitSaid && s.output == outputTable && a.columns(a.err) > 0
	key := capture.RequestPrefix + request.Time.Format("20060102T150405.000Z-") + strings.ToLower(rand.Text()[:8])
	if err := a.state.Put(ctx, p, changelog.State{Key: key, Value: value}); err != nil {
		return fmt.Errorf("asking pipeline %s: %w", p.Spec.Name, err)
	}
	doc := asked{Pipeline: p.Spec.Name, Request: key, Action: request.Action, Tables: request.Tables, Where: request.Where}
	if s.output == outputTable {
		if _, err := fmt.Fprintln(a.out, doc.promise(s.follow)); err != nil {
			return err
		}
	}
	var end error
	if s.follow {
		w := waiter{app: a, url: s.url, pipeline: p, key: key, request: request, text: s.output == outputTable}
		doc.Snapshots, end = w.wait(ctx)
		if errors.Is(end, errLeft) && !s.wait {
			_, end = fmt.Fprintf(a.out, "%s.\n", strings.ToUpper(end.Error()[:1])+end.Error()[1:])
		}
	}
	if s.output == outputJSON {
		return errors.Join(end, a.printJSON(doc))
	}
	return end
}

// request makes the request that the command line asks for.
func (s *snapshotting) request(tables []string) (capture.SnapshotRequest, error) {
	r := capture.SnapshotRequest{Action: capture.SnapshotStart, Tables: tables, Where: s.where, Time: time.Now().UTC(), By: whoami()}
	said := 0
	for _, f := range []struct {
		set    bool
		action capture.SnapshotAction
	}{{s.pause, capture.SnapshotPause}, {s.resume, capture.SnapshotResume}, {s.cancel, capture.SnapshotCancel}} {
		if f.set {
			r.Action = f.action
			said++
		}
	}
	switch {
	case said > 1:
		return r, errors.New("--pause, --resume and --cancel exclude each other")
	case said == 0 && len(tables) == 0:
		return r, errors.New("name the tables that shall be read, for example shop.orders or shop.*")
	case said == 1 && s.where != "":
		return r, fmt.Errorf("--where does not go together with --%s", r.Action)
	}
	return r, nil
}

// whoami names the person for the daemon's log.
func whoami() string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	if u, err := user.Current(); err == nil {
		return u.Username + "@" + host
	}
	return host
}

// loadPipeline reads the configuration file and finds the pipeline of that name; without one it must be the only pipeline. ask tells
// a person how to name one.
func (a *app) loadPipeline(name, ask string) (*config.Config, *config.Pipeline, error) {
	cfg, err := a.load()
	if err != nil {
		return nil, nil, err
	}
	p, err := choosePipeline(cfg, name, ask)
	if err != nil {
		return nil, nil, usageError{err}
	}
	return cfg, p, nil
}

func choosePipeline(cfg *config.Config, name, ask string) (*config.Pipeline, error) {
	var names []string
	for i := range cfg.Pipelines {
		if p := &cfg.Pipelines[i]; p.Spec.Name == name || name == "" && len(cfg.Pipelines) == 1 {
			return p, nil
		}
		names = append(names, cfg.Pipelines[i].Spec.Name)
	}
	if name == "" {
		return nil, fmt.Errorf("%s: %s", ask, strings.Join(names, ", "))
	}
	return nil, fmt.Errorf("there is no pipeline %s; known are %s", name, strings.Join(names, ", "))
}

// asked is the JSON document of snapshot.
type asked struct {
	Pipeline  string                    `json:"pipeline"`
	Request   string                    `json:"request"` // key of the request in the pipeline's state
	Action    capture.SnapshotAction    `json:"action"`
	Tables    []string                  `json:"tables,omitempty"`
	Where     string                    `json:"where,omitempty"`
	Snapshots []daemon.SnapshotProgress `json:"snapshots,omitempty"` // with --wait: of the tables that it was about, at the end
}

// promise says for people what will happen.
func (d *asked) promise(follow bool) string {
	tables := strings.Join(d.Tables, ", ")
	if tables == "" {
		tables = "every table that is being read"
	}
	text := "Asked pipeline " + d.Pipeline
	switch d.Action {
	case capture.SnapshotStart:
		rows := "all rows"
		if d.Where != "" {
			rows = "the rows where " + d.Where
		}
		text += fmt.Sprintf(" to read %s of %s, from the beginning, while changes flow.", rows, tables)
	case capture.SnapshotPause:
		text += " to pause the snapshot of " + tables + ". Changes flow on; --resume goes on where it stands."
	case capture.SnapshotResume:
		text += " to go on with the snapshot of " + tables + "."
	case capture.SnapshotCancel:
		text += " to cancel the snapshot of " + tables + ". What has been written stays."
	}
	if !follow {
		text += "\nIt is done within about a second when the pipeline runs, else when it starts; cdcbridge status shows how far it is."
	}
	return text
}

// errLeft says that a person has stopped looking on.
var errLeft = errors.New("the snapshot goes on without this command: cdcbridge status shows it, cdcbridge snapshot --cancel ends it")
