package cli

import (
	"fmt"
	"strings"
	"time"

	"cdcbridge/formats"
	"cdcbridge/upsert"
)

// flinkTable is a table as Flink will read it.
type flinkTable struct {
	formats.FlinkTable
	pipeline string
	target   upsert.Target
	name     string
}

// nameFlinkTables gives each its name: the table's, with the schema before it where two schemas have such a table, and the topic's
// where two outputs write one table.
func nameFlinkTables(tables []flinkTable) {
	candidates := func(t *flinkTable) [3]string {
		s := t.target.Table
		return [3]string{s.Name, s.Namespace() + "_" + s.Name, t.target.Options.Topic}
	}
	var uses [3]map[string]int
	for i := range uses {
		uses[i] = map[string]int{}
		for k := range tables {
			uses[i][candidates(&tables[k])[i]]++
		}
	}
	taken := map[string]bool{}
	for k := range tables {
		t := &tables[k]
		for i, name := range candidates(t) {
			if t.name = name; uses[i][name] == 1 && !taken[name] {
				break
			}
		}
		for n := 2; taken[t.name]; n++ { // several tables in one topic of a log of changes
			t.name = fmt.Sprintf("%s_%d", candidates(t)[1], n)
		}
		taken[t.name] = true
	}
}

// statement is the CREATE TABLE. What a reader must know stands before it, why a type is not the obvious one behind its column.
func (t *flinkTable) statement(brokers string, req *ddlRequest) string {
	var b strings.Builder
	source := t.target.Table
	fmt.Fprintf(&b, "-- %s of pipeline %s\n", line(source.FullName()), t.pipeline)
	for _, r := range t.Remarks {
		fmt.Fprintf(&b, "-- %s\n", line(r))
	}
	fmt.Fprintf(&b, "CREATE TABLE %s (\n", flinkName(t.name))
	items := t.columns()
	if key := t.target.Options.Key; len(key) > 0 && !t.Append {
		var names []string
		for _, i := range key {
			names = append(names, flinkName(t.Columns[i].Name))
		}
		items = append(items, item{text: "PRIMARY KEY (" + strings.Join(names, ", ") + ") NOT ENFORCED"})
	}
	if t.Event != "" && !req.noWatermark {
		items = append(items, item{text: "WATERMARK FOR " + flinkName(t.Event) + " AS " + flinkName(t.Event) + lateness(req.watermark)})
	}
	for i, it := range items {
		b.WriteString("  " + it.text)
		if i < len(items)-1 {
			b.WriteByte(',')
		}
		if it.note != "" {
			b.WriteString(" -- " + line(it.note))
		}
		b.WriteByte('\n')
	}
	b.WriteByte(')')
	if source.Comment != "" {
		b.WriteString(" COMMENT " + flinkText(source.Comment))
	}
	b.WriteString(" WITH (\n")
	options := t.options(brokers)
	for i, o := range options {
		fmt.Fprintf(&b, "  %s = %s", flinkText(o.Name), flinkText(o.Value))
		if i < len(options)-1 {
			b.WriteByte(',')
		}
		b.WriteByte('\n')
	}
	b.WriteByte(')')
	return b.String()
}

// item is one entry of the statement's list.
type item struct{ text, note string }

func (t *flinkTable) columns() []item {
	of := t.target.Table.Columns
	var items []item
	for i, c := range t.Columns {
		text := flinkName(c.Name) + " " + c.Type
		if c.From != "" {
			text = flinkName(c.Name) + " AS " + c.From
		}
		if i < len(of) && of[i].Comment != "" {
			text += " COMMENT " + flinkText(of[i].Comment)
		}
		items = append(items, item{text, c.Note})
	}
	for _, c := range t.Metadata {
		text := flinkName(c.Name) + " " + c.Type
		if c.From != "" {
			text += " METADATA FROM " + flinkText(c.From) + " VIRTUAL"
		}
		items = append(items, item{text, c.Note})
	}
	return items
}

func (t *flinkTable) options(brokers string) []formats.FlinkOption {
	options := []formats.FlinkOption{
		{Name: "connector", Value: t.Connector},
		{Name: "topic", Value: t.target.Options.Topic},
		{Name: "properties.bootstrap.servers", Value: brokers},
		{Name: "properties.isolation.level", Value: "read_committed"},
	}
	if t.Connector == "kafka" { // upsert-kafka always reads all
		options = append(options, formats.FlinkOption{Name: "scan.startup.mode", Value: "earliest-offset"})
	}
	return append(options, t.Options...)
}

// lateness is how far behind the newest change the watermark is.
func lateness(d time.Duration) string {
	if d < time.Millisecond {
		return ""
	}
	text := fmt.Sprintf("%d.%03d", d/time.Second, d%time.Second/time.Millisecond)
	unit := "SECOND"
	if d >= 100*time.Second { // its default are two digits
		unit = "SECOND(9)"
	}
	return " - INTERVAL '" + strings.TrimSuffix(text, ".000") + "' " + unit
}

// flinkName quotes an identifier.
func flinkName(s string) string { return "`" + strings.ReplaceAll(s, "`", "``") + "`" }

// flinkText quotes a text.
func flinkText(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

// line keeps a comment on its line.
func line(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' || r == '\r' || r == '\u0085' || r == '\u2028' || r == '\u2029' {
			return ' '
		}
		return r
	}, s)
}
