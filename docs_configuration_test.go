package main

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

var update = flag.Bool("update", false, "rewrite the tables of docs/configuration.md")

const configurationPage = "docs/configuration.md"

// TestDocsConfigurationPage keeps the tables of docs/configuration.md in step with config.example.yaml, which other tests hold
// against the program. With -update it writes them anew.
func TestDocsConfigurationPage(t *testing.T) {
	b, err := os.ReadFile(configurationPage)
	if err != nil {
		t.Fatal(err)
	}
	tables := keyTables(readExample(t))
	seen := 0
	page := regexp.MustCompile(`(?m)^<!-- keys: (\S+) -->\n(\|.*\n)*`).ReplaceAllStringFunc(string(b), func(s string) string {
		line, _, _ := strings.Cut(s, "\n")
		name := strings.TrimSuffix(strings.TrimPrefix(line, "<!-- keys: "), " -->")
		if tables[name] == "" {
			t.Errorf("%s wants the keys of %s, which there are not", configurationPage, name)
		}
		seen++
		return line + "\n" + tables[name]
	})
	if seen != len(tables) {
		t.Errorf("%s has %d tables of %d", configurationPage, seen, len(tables))
	}
	if page == string(b) {
		return
	}
	if !*update {
		t.Errorf("%s is older than %s: go test . -run DocsConfigurationPage -update", configurationPage, example)
		return
	}
	if err := os.WriteFile(configurationPage, []byte(page), 0o644); err != nil {
		t.Fatal(err)
	}
}

// keyTables makes the tables of the page, by the name in its marks.
func keyTables(root *yaml.Node) map[string]string {
	k := keyRows{meanings: map[string]string{}}
	tables := map[string]string{"kafka": k.table("kafka", child(root, "kafka"))}
	k.group("http", child(root, "http"))
	k.group("log", child(root, "log"))
	k.row("shutdown_timeout", root, "shutdown_timeout")
	tables["process"] = k.flush()
	for _, p := range child(root, "pipelines").Content {
		kind := child(child(p, "source"), "type").Value
		name := map[string]string{"mysql": "mysql", "postgres": "postgres", "kafka": "topics"}[kind]
		if name != "" && tables[name] == "" {
			if name == "mysql" { // the first pipeline has every key of a pipeline
				k.group("", p, "source", "options")
				tables["pipeline"] = k.flush()
			}
			tables[name] = k.table("source", child(p, "source"))
		}
		outputs := []*yaml.Node{p}
		if list := child(p, "outputs"); list != nil {
			outputs = list.Content
			k.row("outputs[].name", outputs[0], "name")
			k.row("outputs[].tables", outputs[0], "tables")
			tables["outputs"] = k.flush()
		}
		if outbox := child(p, "outbox"); outbox != nil {
			tables["outbox"] = k.table("outbox", outbox)
		}
		for _, o := range outputs {
			if options := child(o, "options"); options != nil && tables[child(o, "format").Value] == "" {
				tables[child(o, "format").Value] = k.table("options", options)
			}
		}
	}
	return tables
}

// keyRows collects the rows of a table.
type keyRows struct {
	rows     strings.Builder
	meanings map[string]string // the first one of a key, by the end of its path: what "as above" stands for
}

func (k *keyRows) table(path string, node *yaml.Node) string {
	k.group(path, node)
	return k.flush()
}

func (k *keyRows) flush() string {
	defer k.rows.Reset()
	return "| key | default | |\n|---|---|---|\n" + k.rows.String()
}

// group writes the keys of a mapping, but for those that are left out.
func (k *keyRows) group(path string, node *yaml.Node, without ...string) {
	skip := map[string]bool{}
	for _, w := range without {
		skip[w] = true
	}
	for i := 0; i+1 < len(node.Content); i += 2 {
		if name := node.Content[i].Value; !skip[name] {
			k.row(strings.TrimPrefix(path+"."+name, "."), node, name)
		}
	}
}

func (k *keyRows) row(path string, in *yaml.Node, name string) {
	key, value := entry(in, name)
	says := strings.TrimSpace(strings.TrimPrefix(key.LineComment+value.LineComment, "#"))
	isGroup := value.Kind == yaml.MappingNode && value.Style&yaml.FlowStyle == 0
	shown, meaning := k.meaning(path, says, value)
	if isGroup || isListOfGroups(value) {
		shown = ""
		meaning, _, _ = strings.Cut(meaning, ". Example: ")
	}
	if shown != "" || meaning != "" {
		fmt.Fprintf(&k.rows, "| `%s` | %s | %s |\n", path, shown, strings.ReplaceAll(meaning, "|", `\|`))
	}
	switch {
	case isGroup:
		k.group(path, value)
	case isListOfGroups(value):
		k.group(path+"[]", value.Content[0])
	}
}

var (
	toPage = regexp.MustCompile(`\bdocs/([a-z-]+\.md(?:#[a-z0-9-]+)?)`)
	quoted = regexp.MustCompile(`"[^"\s]*[\\*][^"\s]*"`) // what Markdown would take for its own
)

// meaning splits a comment into what stands in the column of defaults and what the key means.
func (k *keyRows) meaning(path, says string, value *yaml.Node) (shown, meaning string) {
	shown = "`" + oneLine(value) + "`"
	first, rest, _ := strings.Cut(says, "; ")
	switch {
	case strings.HasPrefix(path, "outputs[]."):
		shown = "*none*"
	case strings.HasPrefix(first, "required, "):
		shown, says = "*required*", strings.TrimPrefix(first, "required, ")+"; "+rest
	case first == "required":
		shown, says = "*required*", rest
	case strings.HasPrefix(first, "required"):
		shown, says = "*none*", rest+"; "+first
	case first == "example":
		says = strings.TrimPrefix(rest+". Example: "+shown, ". ")
		shown = "*none*"
	}
	says = strings.Trim(says, "; ")
	parts := strings.Split(path, ".")
	end := strings.Join(parts[max(0, len(parts)-2):], ".")
	for _, at := range []string{end, parts[len(parts)-1]} {
		if strings.Contains(says, "as above") && k.meanings[at] != "" {
			says = strings.Replace(says, "as above", k.meanings[at], 1)
		}
	}
	for _, at := range []string{end, parts[len(parts)-1]} {
		if _, there := k.meanings[at]; !there {
			k.meanings[at], _, _ = strings.Cut(says, ". Example: ")
		}
	}
	return shown, quoted.ReplaceAllString(toPage.ReplaceAllString(says, "[$1]($1)"), "`$0`")
}

// oneLine is a value as it stands in the file, on one line.
func oneLine(n *yaml.Node) string {
	switch n.Kind {
	case yaml.SequenceNode:
		var parts []string
		for _, el := range n.Content {
			parts = append(parts, oneLine(el))
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case yaml.ScalarNode:
		if n.Style&(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle) != 0 {
			return `"` + n.Value + `"`
		}
	}
	return n.Value
}
