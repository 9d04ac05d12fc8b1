package cli

import (
	"fmt"
	"strings"

	"cdcbridge/capture"
	"cdcbridge/changelog"
	"cdcbridge/upsert"
)

// starter is what a starter configuration is written of.
type starter struct {
	from    *origin
	name    string   // of the pipeline
	brokers []string // that are written to
	format  string
	preset  string
	tables  []proposal // empty: the pattern that takes all
	notes   []string   // about the server
}

// proposal is a table and what becomes of it.
type proposal struct {
	table    changelog.Table
	topic    string
	problems []capture.Finding // that keep it from being captured
	warnings []capture.Finding
}

const defaultTemplate = "{pipeline}.{schema}.{table}"

// text writes the file. Passwords are never in it.
func (s *starter) text() string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("# Written by cdcbridge init. config.example.yaml has every key with its default and its meaning.")
	line("#   cdcbridge validate   says what is missing on the servers")
	line("#   cdcbridge run        runs it")
	for _, n := range s.notes {
		line("#\n# %s", strings.ReplaceAll(commentText(n), "\n", "\n#   "))
	}
	line("")
	line("kafka:")
	line("  brokers: [%s]%s", yamlList(s.brokers), "          # some of them; the others are learnt from these")
	line("  # tls: {enabled: true, ca_file: /etc/ssl/kafka.pem}")
	line("  # sasl: {mechanism: scram-sha-512, user: cdcbridge, password_file: /run/secrets/kafka}")
	line("  # topics: {partitions: 6, replication: 3}   # of topics that are made; the default is the broker's")
	line("")
	line("pipelines:")
	line("  - name: %s", yamlText(s.name)+"          # checkpoint, topics and transactional id are named after it: keep it")
	line("    source:")
	s.source(line)
	line("    format: %s", yamlText(s.format)+"          # debezium-json, canal-json or plain-json")
	if s.preset == "" {
		line("    # preset: flink                  # every column readable by Flink SQL")
	} else {
		line("    preset: %s", yamlText(s.preset))
	}
	line("    topic: %s          # one compacted topic a table", `"`+defaultTemplate+`"`)
	line("    # snapshot: {mode: never}        # leave out the rows that are there already; the default reads them first")
	return b.String()
}

// source writes the keys of the source.
func (s *starter) source(line func(string, ...any)) {
	o := s.from
	line("      type: %s", o.kind)
	if o.kind == "kafka" {
		if strings.Join(o.brokers, ",") != strings.Join(s.brokers, ",") {
			line("      brokers: [%s]", yamlList(o.brokers))
		}
		line("      topics: [%s]          # or topic_pattern: a regular expression; new topics are picked up", yamlList(o.topics))
		line("      format: %s          # of the messages that are read", yamlText(o.format))
		line("      # order: source                # where a key can change its partition")
		line("      # deduplicate: true            # what the writer repeats after a restart is dropped")
		return
	}
	line("      host: %s", yamlText(o.host))
	if o.port != "" {
		line("      port: %s", o.port)
	}
	if o.kind == "postgres" {
		line("      database: %s", yamlText(o.database))
	}
	line("      user: %s", yamlText(o.user))
	line("      password: ${%s}          # from the environment; or password_file: /run/secrets/%s", o.variable(), o.kind)
	if o.tlsMode != "" || len(o.files) > 0 {
		line("      tls:")
		if o.tlsMode != "" {
			line("        mode: %s", o.tlsMode)
		}
		for _, key := range []string{"ca_file", "cert_file", "key_file"} {
			if o.files[key] != "" {
				line("        %s: %s", key, yamlText(o.files[key]))
			}
		}
	}
	s.list(line)
}

// taken is how many tables can be captured as they are.
func (s *starter) taken() int {
	n := 0
	for i := range s.tables {
		if len(s.tables[i].problems) == 0 {
			n++
		}
	}
	return n
}

// list writes the tables, one a line with its key and its topic; those that cannot be captured as they are stand there as comments.
func (s *starter) list(line func(string, ...any)) {
	if s.taken() == 0 {
		line("      # No table was found that can be captured as it is; the pattern takes what will be made.")
		line("      tables: [%s]", yamlText(s.from.pattern()))
	} else {
		line("      tables:          # exact names, or patterns: %s takes all tables, those that will be made included", oneLine(s.from.pattern()))
	}
	for i := range s.tables {
		p := &s.tables[i]
		name := yamlText(p.table.FullName())
		for _, f := range p.warnings {
			line("        # %s: %s", oneLine(p.table.FullName()), oneLine(f.Detail+". "+f.Remedy))
		}
		if len(p.problems) == 0 {
			line("        - %s          # key %s; topic %s", name, oneLine(keyNames(&p.table)), oneLine(p.topic))
			continue
		}
		for _, f := range p.problems {
			line("        # %s: %s", oneLine(p.table.FullName()), oneLine(f.Detail+". "+f.Remedy))
		}
		line("        # - %s", commentText(name))
	}
}

func keyNames(t *changelog.Table) string {
	var names []string
	for _, i := range t.Key {
		names = append(names, t.Columns[i].Name)
	}
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}

func yamlList(texts []string) string {
	var parts []string
	for _, t := range texts {
		parts = append(parts, yamlText(t))
	}
	return strings.Join(parts, ", ")
}

// oneLine makes one line of a comment.
func oneLine(s string) string { return commentText(strings.Join(strings.Fields(s), " ")) }

// commentText takes out of a text what would end a comment, but for line ends, which who writes several lines sees to.
func commentText(s string) string {
	return strings.Map(func(r rune) rune {
		if r != '\n' && needsEscape(r) {
			return '?'
		}
		return r
	}, s)
}

// proposals judges each table with the findings about it.
func proposals(pipeline string, tables []changelog.Table, found []capture.Finding) []proposal {
	list := make([]proposal, 0, len(tables))
	for i := range tables {
		p := proposal{table: tables[i], topic: upsert.TopicName(defaultTemplate, pipeline, &tables[i])}
		name := p.table.FullName()
		if strings.ContainsAny(name, "*?") {
			p.problems = append(p.problems, capture.Finding{Detail: "its name has wildcards in it", Remedy: "Take it by a pattern"})
		}
		for _, f := range found {
			if !strings.HasSuffix(f.Subject, " "+name) && f.Subject != name {
				continue
			}
			switch f.Severity {
			case capture.Problem:
				p.problems = append(p.problems, f)
			case capture.Warning:
				p.warnings = append(p.warnings, f)
			case capture.OK:
			}
		}
		list = append(list, p)
	}
	return list
}
