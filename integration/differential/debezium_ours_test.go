package differential

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"cdcbridge/integration/harness"
	"cdcbridge/integration/servers"
)

// pipeline is the configuration of cdcbridge for all variants at once: an output each, and one more for what has no key.
func (d *database) pipeline(brokers []string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "kafka: {brokers: [%s], topics: {partitions: 1}}\npipelines:\n  - name: differential\n    source: {%s, tables: [%s.*, \"Other s.*\"]}\n    snapshot: {readers: 1}\n    outputs:\n",
		strings.Join(brokers, ", "), d.source, d.schema)
	for _, v := range d.variants {
		var keyed, appended []string
		for _, table := range d.tables {
			_, name, _ := strings.Cut(table, ".")
			switch {
			case slices.Contains(v.without, name):
			case name == "keyless" || slices.Contains(v.append, name):
				appended = append(appended, strings.ReplaceAll(quoted(table), "$", "$$"))
			default:
				keyed = append(keyed, strings.ReplaceAll(quoted(table), "$", "$$"))
			}
		}
		options := "topic_prefix: " + v.name
		if !strings.Contains(v.options, "extended_headers_enabled") {
			options += ", extended_headers_enabled: true"
		}
		output := func(name, mode, options, more string, tables []string) {
			for _, part := range []string{v.options, more} {
				if part = strings.TrimSuffix(part, ", "); part != "" {
					options += ", " + part
				}
			}
			fmt.Fprintf(&b, "      - {name: %s, format: debezium-json, mode: %s, topic: \"%s.{schema}.{table}\", tables: [%s]", name, mode, v.name, strings.Join(tables, ", "))
			if mode == "upsert" && v.output != "" {
				b.WriteString(", " + v.output)
			}
			fmt.Fprintf(&b, ", options: {%s}}\n", options)
		}
		output(v.name, "upsert", options, v.sides, keyed)
		if len(appended) > 0 {
			output(v.name+"_log", "changelog", options, "", appended)
		}
	}
	return b.String()
}

// ours starts cdcbridge with an output for each variant.
func (d *database) ours(ctx context.Context, t *testing.T, c cleaner) reader {
	t.Helper()
	kafka := servers.KafkaFor(t, servers.KafkaOptions{})
	daemon := harness.StartFor(t, d.pipeline(kafka.Brokers()))
	alive := func() error { return daemon.Alive(ctx) }
	wait := func(n int) {
		for _, v := range d.variants {
			waitRows(ctx, t, kafka.Brokers(), d.doneTopic(v), n, alive)
		}
	}
	return reader{wait, func() map[string]records {
		if err := daemon.Stop(ctx); err != nil {
			t.Fatal(err)
		}
		out := map[string]records{}
		for _, v := range d.variants {
			out[v.name] = readAll(ctx, t, kafka.Brokers(), v.name, c)
		}
		return out
	}}
}
