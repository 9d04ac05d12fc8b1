package main

import (
	"regexp"
	"strings"
	"testing"
)

var (
	firstCell = regexp.MustCompile(`(?m)^\|[^|]*\|`)
	summed    = regexp.MustCompile(`_(sum|count)$`) // of a summary
)

// TestDocsNameWhatThereIs finds each metric that a page names in docs/metrics.md, which is written from the daemon's own, and
// each key with its section (source.tables) in docs/configuration.md, which is written from the example of all keys.
func TestDocsNameWhatThereIs(t *testing.T) {
	pages := docPages(t)
	metric := regexp.MustCompile("`(cdcbridge_[a-z_]+)(?:\\{[^`]*\\})?`")
	key := regexp.MustCompile("`((?:source|options|snapshot|kafka|commit|http|log)\\.[a-z_.\\[\\]]+)`")
	message := regexp.MustCompile(`^source\.(ts_|version$|name$|pos$|gtid$|txId$|xmin$|thread$|sequence$|snapshot$|query$|lsn$|table$|database$|schema$|timestamp$|position$|file$)`)
	metrics, keys := 0, 0
	for path, text := range pages {
		if strings.HasPrefix(path, "docs/adr/") || strings.HasPrefix(path, "docs/evidence/") || path == "CONTRIBUTING.md" {
			continue // what was so when it was decided, or seen; files
		}
		text = fence.ReplaceAllString(text, "")
		if path == "docs/migration.md" {
			text = firstCell.ReplaceAllString(text, "") // names of other programs
		}
		for _, m := range metric.FindAllStringSubmatch(text, -1) {
			metrics++
			if name := summed.ReplaceAllString(m[1], ""); !strings.HasSuffix(name, "_") && !strings.Contains(pages["docs/metrics.md"], "`"+name+"`") {
				t.Errorf("%s names the metric %s, which there is not", path, name)
			}
		}
		for _, m := range key.FindAllStringSubmatch(text, -1) {
			if message.MatchString(m[1]) {
				continue // of a message: its member, or what metadata is taken from
			}
			keys++
			if name := m[1]; !strings.Contains(pages["docs/configuration.md"], "`"+name+"`") && !strings.Contains(pages["docs/configuration.md"], "`"+name+".") {
				t.Errorf("%s names the key %s, which there is not", path, name)
			}
		}
	}
	if metrics < 30 || keys < 50 {
		t.Errorf("found %d metrics and %d keys only", metrics, keys)
	}
}
