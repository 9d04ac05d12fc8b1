package config

import (
	"fmt"
	"strings"

	"cdcbridge/formats"
	"cdcbridge/internal/shape"
	"cdcbridge/upsert"
)

// outputs makes the outputs of a pipeline, from the list or from the shorthand.
func (b *builder) outputs(p *Pipeline) {
	list := b.section.Outputs
	at := func(i int) string { return fmt.Sprintf("%s[%d]", join(b.at, "outputs"), i) }
	if list == nil {
		if b.blamed[join(b.at, "outputs")] {
			return
		}
		list = []outputSection{{Writing: b.section.Writing}}
		at = func(int) string { return b.at }
	} else {
		b.refuseShorthand()
		if len(list) == 0 {
			b.report(join(b.at, "outputs"), "needs at least one output")
		}
	}
	names := map[string]bool{}
	for i := range list {
		out, format := b.output(at(i), &list[i])
		if names[out.Name] && !b.blamed[join(at(i), "format")] {
			b.report(join(at(i), "name"), "%q is the name of another output; give each its own", out.Name)
		}
		names[out.Name] = true
		p.Spec.Outputs = append(p.Spec.Outputs, out)
		p.Formats = append(p.Formats, format)
	}
}

// refuseShorthand reports keys of the one-output form beside a list of outputs.
func (b *builder) refuseShorthand() {
	for _, key := range []string{"format", "preset", "mode", "topic", "adopt", "tombstones_on_delete", "message_key_columns", "metadata", "key_prefix", "options", "outbox"} {
		if at := join(b.at, key); b.lines[at] > 0 {
			b.report(at, "belongs into each of outputs when there is such a list")
		}
	}
}

func (b *builder) output(at string, s *outputSection) (upsert.Output, formats.Config) {
	if s.Writing.Outbox != nil {
		return b.outbox(at, s), nil
	}
	o := upsert.Output{
		Name: s.Name, Mode: upsert.Mode(s.Writing.Mode), Topic: s.Writing.Topic, Adopt: s.Writing.Adopt,
		NoTombstones: !s.Writing.TombstonesOnDelete, Metadata: b.metadata(at, s.Writing.Metadata), KeyPrefix: s.Writing.KeyPrefix,
		Settings: b.doc.Kafka.Topics.settings(b.doc.Kafka.Delivery.CreateTopics),
	}
	if o.Name == "" {
		o.Name = s.Writing.Format
	}
	o.Tables = b.tableFilter(at, s.Tables)
	var err error
	if o.Keys, err = upsert.ParseKeyRules(s.Writing.MessageKeyColumns); err != nil {
		b.report(join(at, "message_key_columns"), "%s", err)
	}
	b.topicTemplate(join(at, "topic"), o.Topic, false)
	b.validated(at, o.Validate())
	format := b.format(at, &s.Writing)
	if format != nil {
		o.Format = format.Format(b.formatEnv())
	}
	if c, ok := format.(formats.ModeChecker); ok {
		b.validated(join(at, "options"), c.CheckMode(formats.Mode{Upsert: o.Mode == upsert.Upsert, Tombstones: !o.NoTombstones}))
	}
	return o, format
}

// metadata makes what an output adds. What is wrong with it the output's own Validate says, but for what the source does not have.
func (b *builder) metadata(at string, list []metadataSection) []shape.Metadata {
	var all []shape.Metadata
	for i, s := range list {
		m := shape.Metadata{Name: s.Name, From: shape.From(s.From), As: s.As}
		if m.From.OfRecord() && !b.messagesRead && !b.blamed[join(b.at, "source")] {
			b.report(fmt.Sprintf("%s[%d].from", join(at, "metadata"), i), "%q exists only where the source reads topics", s.From)
		}
		all = append(all, m)
	}
	return all
}

// format decodes the options of an output into the config of its format: defaults, then the preset, then what the file
// says. It is nil after a problem.
func (b *builder) format(at string, w *writing) formats.Config {
	var names []string
	for _, k := range b.reg.Formats {
		names = append(names, k.Name)
	}
	if b.blamed[join(at, "format")] {
		return nil
	}
	if w.Format == "" {
		b.report(join(at, "format"), "is required; one of %s", strings.Join(names, ", "))
		return nil
	}
	for _, k := range b.reg.Formats {
		if k.Name != w.Format {
			continue
		}
		cfg := k.Config()
		if w.Preset != "" && !cfg.Preset(w.Preset) {
			b.report(join(at, "preset"), "%s has no preset %q", w.Format, w.Preset)
		}
		b.decode(join(at, "options"), w.Options, cfg)
		b.validated(join(at, "options"), cfg.Validate())
		b.effective(join(at, "options"), cfg)
		return cfg
	}
	b.report(join(at, "format"), "%s", unknown(fmt.Sprintf("%q is not a format", w.Format), w.Format, names))
	return nil
}

// topicTemplate checks the placeholders of a template; the names that come out of it are the sink's to check.
// columns says that they may also be columns, which the tables have or lack.
func (b *builder) topicTemplate(at, template string, columns bool) {
	rest := template
	for {
		i := strings.IndexAny(rest, "{}")
		if i < 0 {
			return
		}
		end := strings.IndexByte(rest[i:], '}')
		if rest[i] == '}' || end < 0 {
			b.report(at, "%q has a brace without its partner", template)
			return
		}
		name := rest[i+1 : i+end]
		if !isPlaceholder(name) && (!columns || !columnPlaceholder(name)) {
			b.report(at, "%s", unknown("{"+name+"} is not a placeholder", name, placeholders))
		}
		rest = rest[i+end+1:]
	}
}

func isPlaceholder(name string) bool {
	for _, p := range placeholders {
		if p == name {
			return true
		}
	}
	return false
}
