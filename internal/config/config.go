// Package config loads the configuration file strictly: an unknown key, a value of the wrong type and a setting that
// cannot work are all reported at once, each with its path and line. It is the only importer of viper.
//
//	YAML ──viper──▶ plain values and lines (file.go) ──▶ section structs of each package, by reflection (decode.go)
//	     ──▶ their Validate ──▶ pipeline specs (pipeline.go)
//
// Texts may hold ${NAME} and ${NAME:-default} from the environment (env.go). A secret such as password may come from a
// file by password_file, and no message ever shows one.
package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"sort"
	"time"

	"cdcbridge/capture"
	"cdcbridge/formats"
	"cdcbridge/internal/daemon"
	"cdcbridge/internal/kafkawire"
	"cdcbridge/internal/pipeline"
	"cdcbridge/upsert"
)

// Registry is the wiring table: what source.type and format can say.
type Registry struct {
	Sources []capture.Kind
	Formats []formats.Kind
	Version string // release of cdcbridge, which some formats write into messages
}

// Config is a whole configuration, checked as far as that is possible without a server.
type Config struct {
	Kafka           kafkawire.Config
	Delivery        upsert.Config
	HTTP            daemon.HTTP
	Log             Log
	ShutdownTimeout time.Duration // how long a drain may take after the first signal
	Pipelines       []Pipeline
	Settings        []Setting // all that is in effect, in the order of their paths
}

// Pipeline is one pipeline with what the supervisor and the tools need beside its spec.
type Pipeline struct {
	Spec          pipeline.Spec
	SourceType    string           // name of the source's kind
	Formats       []formats.Config // of each of Spec.Outputs, for their decoders; nil of an outbox
	ExitOnFailure bool             // a final fault ends the whole process
	Fingerprint   string           // equal exactly when everything that the pipeline depends on is set alike, the kafka section and secrets included
}

// Log is the log section.
type Log struct {
	Level  string `mapstructure:"level"`  // debug, info, warn or error
	Format string `mapstructure:"format"` // text or json, on standard error
}

var levels = map[string]slog.Level{"debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError}

// Validate returns every problem.
func (l *Log) Validate() []error {
	var errs []error
	if _, ok := levels[l.Level]; !ok {
		errs = append(errs, fmt.Errorf("level: must be debug, info, warn or error, not %q", l.Level))
	}
	if l.Format != "text" && l.Format != "json" {
		errs = append(errs, fmt.Errorf("format: must be text or json, not %q", l.Format))
	}
	return errs
}

// SetLevel sets the level that the section describes.
func (l *Log) SetLevel(level *slog.LevelVar) { level.Set(levels[l.Level]) }

// Logger makes a logger of the form that the section describes. Its level is what level says at each line.
func (l *Log) Logger(w io.Writer, level slog.Leveler) *slog.Logger {
	opts := &slog.HandlerOptions{Level: level}
	if l.Format == "json" {
		return slog.New(slog.NewJSONHandler(w, opts))
	}
	return slog.New(slog.NewTextHandler(w, opts))
}

// document is the file as a whole.
type document struct {
	Kafka           kafkaSection      `mapstructure:"kafka"`
	HTTP            daemon.HTTP       `mapstructure:"http"`
	Log             Log               `mapstructure:"log"`
	ShutdownTimeout time.Duration     `mapstructure:"shutdown_timeout"`
	Pipelines       []pipelineSection `mapstructure:"pipelines"`
}

type kafkaSection struct {
	Wire     kafkawire.Config `mapstructure:",squash"`
	Delivery upsert.Config    `mapstructure:",squash"`
	Topics   topics           `mapstructure:"topics"`
}

func newDocument() *document {
	return &document{
		Kafka: kafkaSection{
			Wire:     kafkawire.Config{ClientID: "cdcbridge", RequestTimeout: 30 * time.Second},
			Delivery: upsert.DefaultConfig(),
		},
		HTTP:            daemon.DefaultHTTP(),
		Log:             Log{Level: "info", Format: "text"},
		ShutdownTimeout: 30 * time.Second,
	}
}

// Load reads and checks the file at path. The error is a final fault with code config; errors.As finds Problems in it,
// which are all that is wrong.
func Load(path string, reg Registry) (*Config, error) {
	f, err := readFile(path)
	if err != nil {
		return nil, Problems{{Text: fileProblem(err)}}.asFault(path)
	}
	return f.load(path, reg, os.LookupEnv)
}

// LoadText is Load of what a file would hold; name stands for it in errors, and lookup for the environment.
func LoadText(name, text string, reg Registry, lookup func(string) (string, bool)) (*Config, error) {
	f, err := readText(text)
	if err != nil {
		return nil, Problems{{Text: err.Error()}}.asFault(name)
	}
	return f.load(name, reg, lookup)
}

func (f *file) load(name string, reg Registry, lookup func(string) (string, bool)) (*Config, error) {
	if len(f.twice) > 0 {
		return nil, Problems(f.twice).asFault(name)
	}
	d := newDecoder(f.lines)
	d.lookup = lookup
	doc := newDocument()
	d.decode("", f.root, doc)
	cfg := d.build(doc, reg)
	if len(d.problems) > 0 {
		sort.SliceStable(d.problems, func(i, j int) bool { return d.problems[i].before(d.problems[j]) })
		return nil, d.problems.asFault(name)
	}
	cfg.Settings = d.settle(doc)
	return cfg, nil
}

// before sorts by line, what has none at the end.
func (p Problem) before(q Problem) bool {
	if p.Line == 0 || q.Line == 0 {
		return p.Line > q.Line
	}
	return p.Line < q.Line
}

func fileProblem(err error) string {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err.Error() + "; name the file with --config"
	}
	return err.Error()
}

// build checks the sections and makes the result. The sections may have problems already.
func (d *decoder) build(doc *document, reg Registry) *Config {
	cfg := &Config{Kafka: doc.Kafka.Wire, Delivery: doc.Kafka.Delivery, HTTP: doc.HTTP, Log: doc.Log, ShutdownTimeout: doc.ShutdownTimeout}
	d.validated("kafka", doc.Kafka.Wire.Validate())
	d.validated("kafka", doc.Kafka.Delivery.Validate())
	d.validated("kafka.topics", doc.Kafka.Topics.validate())
	d.validated("http", doc.HTTP.Validate())
	d.validated("log", doc.Log.Validate())
	if doc.ShutdownTimeout <= 0 {
		d.report("shutdown_timeout", "must be positive")
	}
	if len(doc.Pipelines) == 0 && !d.blamed["pipelines"] {
		d.report("pipelines", "needs at least one pipeline")
	}
	names := map[string]int{}
	for i := range doc.Pipelines {
		if d.blamed[pipelinePath(i)] {
			continue
		}
		b := builder{decoder: d, doc: doc, reg: reg, at: pipelinePath(i), section: &doc.Pipelines[i]}
		b.uniqueName(names, i)
		noted := len(d.settings)
		p := b.pipeline()
		p.Fingerprint = b.fingerprint(d.settings[noted:])
		cfg.Pipelines = append(cfg.Pipelines, p)
	}
	return cfg
}
