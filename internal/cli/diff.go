package cli

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"

	"cdcbridge/capture"
	"cdcbridge/internal/config"
)

// difference is one thing that another configuration would change.
type difference struct {
	Pipeline string `json:"pipeline,omitempty"`
	Setting  string `json:"setting"` // its path, below the pipeline if there is one; "table" for a table, "pipeline" for a whole pipeline
	Before   string `json:"before"`  // "***" for a secret
	After    string `json:"after"`
	Effect   string `json:"effect"`
}

// comparison is the JSON document of validate --diff.
type comparison struct {
	Old         string       `json:"old"`
	New         string       `json:"new"`
	Differences []difference `json:"differences"`
}

// diff shows what the configuration would change against an older one.
func (a *app) diff(ctx context.Context, old string, output outputFormat, offline bool) error {
	was, err := config.Load(old, a.registry)
	if err != nil {
		return err
	}
	is, err := a.load()
	if err != nil {
		return err
	}
	c := comparison{Old: old, New: a.configPath, Differences: compareSettings(was, is)}
	if !offline {
		tables, err := compareTables(ctx, was, is)
		if err != nil {
			return err
		}
		c.Differences = append(c.Differences, tables...)
	}
	slices.SortStableFunc(c.Differences, func(x, y difference) int { return strings.Compare(x.Pipeline, y.Pipeline) })
	return a.printComparison(&c, output)
}

// wholePipeline is the setting of a pipeline that comes or goes.
const wholePipeline = "pipeline"

// compareSettings tells what is set otherwise. Of pipelines that come or go it only says that.
func compareSettings(was, is *config.Config) []difference {
	list := []difference{}
	old, now := pipelinesOf(was), pipelinesOf(is)
	for name := range old {
		if now[name] == nil {
			list = append(list, difference{name, wholePipeline, "there", "gone", "it ends; its topics, its checkpoint and, on PostgreSQL, its slot stay, and the slot keeps log: drop it if it is gone for good. For another name there is cdcbridge state rename"})
		}
	}
	for name := range now {
		if old[name] == nil {
			list = append(list, difference{name, wholePipeline, "not there", "new", "it starts: from its checkpoint if it has one, else it reads its tables and the changes from now on"})
		}
	}
	before, after := byPath(was), byPath(is)
	paths := map[string]bool{}
	for path := range before {
		paths[path] = true
	}
	for path := range after {
		paths[path] = true
	}
	for path := range paths {
		b, hadIt := before[path]
		n, hasIt := after[path]
		if hadIt && hasIt && b.Same(n) {
			continue
		}
		pipeline, setting := splitPath(path)
		if pipeline != "" && (old[pipeline] == nil || now[pipeline] == nil) || b.Value == "" && n.Value == "" {
			continue
		}
		if output, whole := wholeOutput(setting); whole && hadIt != hasIt {
			if d := outputChange(pipeline, output, hasIt); !slices.Contains(list, d) {
				list = append(list, d)
			}
			continue
		}
		list = append(list, difference{pipeline, setting, b.Value, n.Value, effectOf(pipeline, setting)})
	}
	slices.SortFunc(list, func(x, y difference) int {
		return cmp.Or(cmp.Compare(x.Pipeline, y.Pipeline), cmp.Compare(x.Setting, y.Setting))
	})
	return list
}

// wholeOutput gives the output that a setting is one of.
func wholeOutput(setting string) (output string, ok bool) {
	end := strings.IndexByte(setting, ']')
	if !strings.HasPrefix(setting, "outputs[") || end < 0 {
		return "", false
	}
	return setting[:end+1], true
}

// outputChange is one difference for all settings of an output that comes or goes.
func outputChange(pipeline, output string, comes bool) difference {
	if comes {
		return difference{pipeline, output, "not there", "new", "it writes changes from the position on; for rows from before there is cdcbridge snapshot, which writes to all outputs"}
	}
	return difference{pipeline, output, "there", "gone", "its topics stay as they are; when it comes back there is a gap: let it write new topics"}
}

func byPath(cfg *config.Config) map[string]config.Setting {
	m := make(map[string]config.Setting, len(cfg.Settings))
	for _, s := range cfg.Settings {
		m[s.Path] = s
	}
	return m
}

func pipelinesOf(cfg *config.Config) map[string]*config.Pipeline {
	m := map[string]*config.Pipeline{}
	for i := range cfg.Pipelines {
		m[cfg.Pipelines[i].Spec.Name] = &cfg.Pipelines[i]
	}
	return m
}

// splitPath takes the pipeline off a path. Names may hold dots, and no brackets.
func splitPath(path string) (pipeline, setting string) {
	rest, ok := strings.CutPrefix(path, "pipelines[")
	if !ok {
		return "", path
	}
	pipeline, setting, _ = strings.Cut(rest, "].")
	return pipeline, setting
}

// effect is what a change of settings does.
type effect struct{ of, does string }

// fileEffects are those of settings of the file, by the beginning of their paths; the first that fits counts, here and below.
// docs/operations.md has the same tables with more words.
var fileEffects = []effect{
	{"kafka.state_topic", "all pipelines have no checkpoint in the other topic: filled topics stop them with state_missing. Export the states, and import them there"},
	{"kafka.transactional_id_prefix", "only after a clean stop: by the id a start fences its predecessor"},
	{"kafka.brokers", "the same cluster by other names: none. Another cluster has no checkpoint: the pipelines begin anew there"},
	{"kafka.topics", "topics that are made from now on; those that are there stay as they are"},
	{"kafka.", "connections, speed or time limits; no rows"},
	{"http.", "where and what HTTP serves, after a restart"},
	{"log.format", "the log, after a restart"},
	{"log.", "the log"},
	{"shutdown_timeout", "how long a drain may take"},
}

// pipelineEffects are those of settings of a pipeline, by the beginning of their paths below "pipelines[…].".
var pipelineEffects = []effect{
	{"source.tables", "tables that match now are read, and their changes come from the position on; topics of others stay as they are"},
	{"source.exclude_tables", "as tables"},
	{"source.topic", "topics that are meant now are read from their beginning; others are left where they are"},
	{"source.exclude", "as topics"},
	{"source.password", "the next connection"},
	{"source.host", "must be a server of the same history: with GTIDs any of them, else it stops with wrong_server"},
	{"source.port", "as host"},
	{"source.database", "another database has another log: it stops with wrong_server. Take a new pipeline"},
	{"source.type", "another source has no use for the checkpoint. Take a new pipeline"},
	{"source.slot", "another slot is not at the position: it stops with slot_missing or slot_lost, unless the old name was only written out"},
	{"source.start", "none once there is a checkpoint"},
	{"source.end", "none once there is a checkpoint"},
	{"source.", "from the position on"},
	{"snapshot.", "mode and tables: what was not read yet; the rest is speed and memory"},
	{"delivery", "from the position on; what was written before stays as it is"},
	{"commit.", "speed and latency"},
	{"memory", "memory and speed"},
	{"workers", "memory and speed"},
	{"on_failure", "what a final error ends"},
	{"progress_topic", "the topic gets its records from the position on"},
	{"tables[", "new records have the new form, old ones stay as they are; cdcbridge snapshot writes all rows once more"},
	{"tables", "of the rules that fit a table and an output the first one counts: others may count now"},
}

// tableEffects are those of settings of a rule for tables, by the beginning of their paths below "tables[…].", where they are not only about
// the form of new records.
var tableEffects = []effect{
	{"key", "new records have other keys; those under the old ones stay. If readers need all rows there, start over in another topic"},
	{"filter", "new changes are judged by the new filter; rows in the topic that only the old one wanted stay, and rows that only the new one wants are missing until cdcbridge snapshot reads them. If readers need exactly the rows, start over in another topic"},
	{"outputs", "the rules of the outputs that come or go, from the position on"},
	{"name", "the rules of the tables that come or go, from the position on"},
}

// outputEffects are those of settings of an output, by the end of their paths.
var outputEffects = []effect{
	{"topic", "new records go to another topic, which lacks what was written before. If readers need all rows there, start over"},
	{"message_key_columns", "new records have other keys; those under the old ones stay"},
	{"key_prefix", "new records have other keys; those under the old ones stay"},
	{"tables", "what is taken now comes from the position on; a table that goes and comes back leaves a gap"},
}

func effectOf(pipeline, setting string) string {
	table := pipelineEffects
	if pipeline == "" {
		table = fileEffects
	}
	if rest, ok := strings.CutPrefix(setting, "tables["); ok {
		_, rest, _ = strings.Cut(rest, "].")
		if does := effectIn(tableEffects, rest); does != "" {
			return does
		}
	}
	if does := effectIn(table, setting); does != "" {
		return does
	}
	last := setting[strings.LastIndexByte(setting, '.')+1:]
	for _, e := range outputEffects {
		if last == e.of {
			return e.does
		}
	}
	return "new records have the new form, old ones stay as they are"
}

// effectIn finds what the first entry says that fits; "": none does.
func effectIn(table []effect, setting string) string {
	for _, e := range table {
		if strings.HasPrefix(setting, e.of) {
			return e.does
		}
	}
	return ""
}

// compareTables asks the sources of pipelines that are in both which tables are captured.
func compareTables(ctx context.Context, was, is *config.Config) ([]difference, error) {
	var list []difference
	old := pipelinesOf(was)
	for name, n := range pipelinesOf(is) {
		b := old[name]
		if b == nil {
			continue
		}
		before, known, err := capturedBy(ctx, b)
		if err != nil {
			return nil, fmt.Errorf("asking for the tables of pipeline %s as it was (--offline leaves that out): %w", name, err)
		}
		if !known {
			continue
		}
		after, _, err := capturedBy(ctx, n)
		if err != nil {
			return nil, fmt.Errorf("asking for the tables of pipeline %s (--offline leaves that out): %w", name, err)
		}
		for table := range after {
			if !before[table] {
				list = append(list, difference{name, "table " + table, "not captured", "captured", "its rows are read unless snapshot.mode is never, and its changes come from the position on"})
			}
		}
		for table := range before {
			if !after[table] {
				list = append(list, difference{name, "table " + table, "captured", "not captured", "its topic stays as it is; when it comes back there is a gap"})
			}
		}
	}
	slices.SortFunc(list, func(x, y difference) int {
		return cmp.Or(cmp.Compare(x.Pipeline, y.Pipeline), cmp.Compare(x.Setting, y.Setting))
	})
	return list, nil
}

// capturedBy lists the tables of a pipeline. known is false for a source that cannot tell.
func capturedBy(ctx context.Context, p *config.Pipeline) (tables map[string]bool, known bool, err error) {
	lister, ok := p.Spec.Source.Checker(capture.Env{Pipeline: p.Spec.Name, Log: slog.New(slog.DiscardHandler)}).(capture.TableLister)
	if !ok {
		return nil, false, nil
	}
	found, err := lister.Tables(ctx)
	tables = map[string]bool{}
	for i := range found {
		tables[found[i].FullName()] = true
	}
	return tables, true, err
}

func (a *app) printComparison(c *comparison, output outputFormat) error {
	if output == outputJSON {
		return a.printJSON(c)
	}
	if len(c.Differences) == 0 {
		_, err := fmt.Fprintf(a.out, "%s would change nothing against %s.\n", c.New, c.Old)
		return err
	}
	g := grid{head: []string{"PIPELINE", "SETTING", "BEFORE", "AFTER", "EFFECT"}, wraps: []int{1, 2, 3, 4}}
	for _, d := range c.Differences {
		g.rows = append(g.rows, []string{orDash(d.Pipeline), d.Setting, orDash(d.Before), orDash(d.After), d.Effect})
	}
	_, err := io.WriteString(a.out, g.render(a.gridWidth(a.out))+fmt.Sprintf("\n%d differences; nothing has been changed\n", len(c.Differences)))
	return err
}
