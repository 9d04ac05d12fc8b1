package config

import (
	"fmt"
	"strings"

	"cdcbridge/capture"
	"cdcbridge/formats"
	"cdcbridge/internal/kafkawire"
	"cdcbridge/internal/pipeline"
	"cdcbridge/internal/shape"
	"cdcbridge/upsert"
)

// pipelineSection is one element of pipelines.
type pipelineSection struct {
	Name      string                 `mapstructure:"name"`
	Source    section                `mapstructure:"source"`
	Writing   writing                `mapstructure:",squash"` // shorthand for one output
	Outputs   []outputSection        `mapstructure:"outputs"`
	Tables    []tableSection         `mapstructure:"tables"`
	Snapshot  capture.SnapshotConfig `mapstructure:"snapshot"`
	Delivery  string                 `mapstructure:"delivery"`
	Commit    pipeline.CommitPolicy  `mapstructure:"commit"`
	Memory    int64                  `mapstructure:"memory"`
	Workers   int                    `mapstructure:"workers"`
	OnFailure string                 `mapstructure:"on_failure"`

	ProgressTopic string `mapstructure:"progress_topic"`
}

// writing is how an output writes.
type writing struct {
	Format string `mapstructure:"format"`
	Preset string `mapstructure:"preset"`
	Mode   string `mapstructure:"mode"`
	Topic  string `mapstructure:"topic"`
	Adopt  bool   `mapstructure:"adopt"`

	TombstonesOnDelete bool   `mapstructure:"tombstones_on_delete"`
	MessageKeyColumns  string `mapstructure:"message_key_columns"`

	Metadata  []metadataSection `mapstructure:"metadata"`
	KeyPrefix string            `mapstructure:"key_prefix"`

	Options section `mapstructure:"options"`
	Outbox  section `mapstructure:"outbox"` // instead of the format, its options and what is about rows
}

// metadataSection is one element of metadata.
type metadataSection struct {
	Name string `mapstructure:"name"`
	From string `mapstructure:"from"`
	As   string `mapstructure:"as"`
}

func (m *metadataSection) setDefaults() { m.As = shape.Field }

// outputSection is one element of outputs.
type outputSection struct {
	Name    string   `mapstructure:"name"`
	Writing writing  `mapstructure:",squash"`
	Tables  []string `mapstructure:"tables"`
}

const defaultTopic = "{pipeline}.{schema}.{table}"

// What delivery may be.
const (
	exactlyOnce = "exactly_once"
	atLeastOnce = "at_least_once"
)

// placeholders are what a topic template may hold.
var placeholders = []string{"pipeline", "database", "schema", "table"}

func (p *pipelineSection) setDefaults() {
	p.Writing.setDefaults()
	p.Snapshot = capture.DefaultSnapshotConfig()
	p.Delivery = exactlyOnce
	p.Commit = pipeline.DefaultCommitPolicy()
	p.Memory = pipeline.DefaultMemory
	p.Workers = pipeline.DefaultWorkers
	p.OnFailure = "stay"
}

func (o *outputSection) setDefaults() { o.Writing.setDefaults() }

func (w *writing) setDefaults() {
	w.Mode = string(upsert.Upsert)
	w.Topic = defaultTopic
	w.TombstonesOnDelete = true
}

func pipelinePath(i int) string { return fmt.Sprintf("pipelines[%d]", i) }

// builder makes a pipeline of its section.
type builder struct {
	*decoder
	doc     *document
	reg     Registry
	at      string // path of the section
	section *pipelineSection

	messagesRead bool // the source reads topics
}

func (b *builder) uniqueName(names map[string]int, i int) {
	name := b.section.Name
	at := join(b.at, "name")
	switch first, taken := names[name]; {
	case b.blamed[at]:
	case name == "":
		b.report(at, "is required")
	case !ValidPipelineName(name):
		b.report(at, "may hold letters, digits, '.', '_' and '-', at most 100 of them, since topics are named after it")
	case taken:
		b.report(at, "%q is also the name of %s; transactions and state are kept by name", name, pipelinePath(first))
	default:
		names[name] = i
	}
}

// ValidPipelineName reports whether a pipeline may have that name.
func ValidPipelineName(s string) bool {
	for i := range len(s) {
		c := s[i]
		if c != '.' && c != '_' && c != '-' && (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') {
			return false
		}
	}
	return len(s) <= 100 && s != "." && s != ".."
}

func (b *builder) pipeline() Pipeline {
	s := b.section
	p := Pipeline{ExitOnFailure: s.OnFailure == "exit"}
	p.Spec = pipeline.Spec{
		Name: s.Name, Kafka: b.doc.Kafka.Wire, Delivery: b.doc.Kafka.Delivery,
		Snapshot: s.Snapshot, Commit: s.Commit, Memory: s.Memory, Workers: s.Workers, ProgressTopic: s.ProgressTopic,
	}
	p.Spec.Delivery.AtLeastOnce = s.Delivery == atLeastOnce
	p.SourceType, p.Spec.Source = b.source()
	_, b.messagesRead = p.Spec.Source.(messageSource)
	b.outputs(&p)
	b.outboxes(&p)
	if s.ProgressTopic != "" {
		b.validated(b.at, upsert.ValidateProgress(s.ProgressTopic, &b.doc.Kafka.Delivery, p.Spec.Outputs))
	}
	if parker, ok := p.Spec.Source.(capture.Parker); ok && parker.ParksIn() != "" {
		b.validated(join(b.at, "source"), upsert.ValidateDeadLetter(parker.ParksIn(), s.ProgressTopic, &b.doc.Kafka.Delivery, p.Spec.Outputs))
	}
	p.Spec.Tables = b.tables(p.Spec.Outputs)
	b.validated(join(b.at, "snapshot"), s.Snapshot.Validate())
	b.validated(join(b.at, "commit"), s.Commit.Validate())
	if s.Delivery != exactlyOnce && s.Delivery != atLeastOnce {
		b.report(join(b.at, "delivery"), "must be %s or %s, not %q", exactlyOnce, atLeastOnce, s.Delivery)
	}
	if s.OnFailure != "stay" && s.OnFailure != "exit" {
		b.report(join(b.at, "on_failure"), "must be stay or exit, not %q", s.OnFailure)
	}
	if s.Memory < minMemory && !b.blamed[join(b.at, "memory")] {
		b.report(join(b.at, "memory"), "must be at least 1MiB")
	}
	if s.Workers < 1 || s.Workers > maxWorkers {
		b.report(join(b.at, "workers"), "must be from 1 to %d", maxWorkers)
	}
	return p
}

const (
	minMemory  = 1 << 20
	maxWorkers = 1024
)

// source decodes the source section into the config of its kind. It is nil after a problem.
func (b *builder) source() (string, capture.Config) {
	at := join(b.at, "source")
	if b.blamed[at] {
		return "", nil
	}
	var names []string
	for _, k := range b.reg.Sources {
		names = append(names, k.Name)
	}
	kind, ok := b.kindName(at, b.section.Source, names)
	if !ok {
		return "", nil
	}
	for _, k := range b.reg.Sources {
		if k.Name == kind {
			cfg := k.Config()
			messages, reads := cfg.(messageSource)
			if !reads {
				b.decode(at, without(b.section.Source, "type"), cfg)
			} else {
				b.decode(at, without(without(b.section.Source, "type"), "options"), cfg)
				b.messages(at, messages)
			}
			b.validated(at, cfg.Validate())
			b.settings = append(b.settings, Setting{Path: join(at, "type"), Value: kind})
			b.effective(at, cfg)
			return kind, cfg
		}
	}
	b.report(join(at, "type"), "%s", unknown(fmt.Sprintf("%q is not a source", kind), kind, names))
	return "", nil
}

// messageSource is implemented by configs of sources that read messages of a format from Kafka. Their options are those of the
// format.
type messageSource interface {
	// MessageFormat is the name of the format.
	MessageFormat() string

	// Read gives what reads the messages, and the cluster that the pipeline writes to, which is where they are unless the section
	// names another one.
	Read(format formats.ReaderMaker, target kafkawire.Config)
}

// messages finds the format of a source's messages.
func (b *builder) messages(at string, source messageSource) {
	cfg := b.format(at, &writing{Format: source.MessageFormat(), Options: b.sourceOptions(at)})
	if cfg == nil {
		return
	}
	maker, ok := cfg.(formats.ReaderMaker)
	if !ok {
		b.report(join(at, "format"), "messages of the format %s cannot be read", source.MessageFormat())
		return
	}
	source.Read(maker, b.doc.Kafka.Wire)
}

func (b *builder) sourceOptions(at string) section {
	raw := b.section.Source["options"]
	if raw == nil {
		return nil
	}
	options, ok := asMap(raw)
	if !ok {
		b.report(join(at, "options"), "must be a group of keys, not %s", describe(raw))
	}
	return options
}

func (b *builder) kindName(at string, s section, names []string) (string, bool) {
	raw := s["type"]
	if raw == nil {
		b.report(join(at, "type"), "is required; one of %s", strings.Join(names, ", "))
		return "", false
	}
	return b.text(join(at, "type"), raw)
}

func without(s section, key string) section {
	rest := make(section, len(s))
	for k, v := range s {
		if k != key {
			rest[k] = v
		}
	}
	return rest
}

// formatEnv is what formats of this pipeline get.
func (b *builder) formatEnv() formats.Env {
	return formats.Env{Server: b.section.Name, Version: b.reg.Version}
}
