package main

import (
	"os"
	"strconv"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"cdcbridge/internal/config"
)

// TestEveryKeyIsSeenByAReload changes each value of the example, which has every key: a reload must tell that the pipeline is another one.
func TestEveryKeyIsSeenByAReload(t *testing.T) {
	text, err := os.ReadFile(example)
	if err != nil {
		t.Fatal(err)
	}
	prints := func(text string) (map[string]string, bool) {
		cfg, err := config.LoadText(example, text, registry(), func(string) (string, bool) { return "", false })
		if err != nil {
			return nil, false
		}
		m := map[string]string{}
		for _, p := range cfg.Pipelines {
			m[p.Spec.Name] = p.Fingerprint
		}
		return m, true
	}
	before, ok := prints(string(text))
	again, _ := prints(string(text))
	if !ok || len(before) < 4 {
		t.Fatalf("the example has %d pipelines", len(before))
	}
	for name := range before {
		if before[name] != again[name] {
			t.Errorf("pipeline %s differs when the same file is read twice", name)
		}
	}
	lines := strings.Split(string(text), "\n")
	tried := 0
	try := func(pipeline string, value *yaml.Node) {
		for _, other := range otherValues(value) {
			changed := append([]string{}, lines...)
			line, at := changed[value.Line-1], value.Column-1
			width := len(value.Value)
			if value.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle) != 0 {
				at++
			}
			if at+width > len(line) || line[at:at+width] != value.Value {
				return // escaped, or of several lines
			}
			changed[value.Line-1] = line[:at] + other + line[at+width:]
			after, ok := prints(strings.Join(changed, "\n"))
			if !ok {
				continue // no value of that key
			}
			tried++
			for name, print := range before {
				if concerned := pipeline == "" || name == pipeline; after[name] != "" && concerned == (after[name] == print) {
					t.Errorf("line %d: %q in place of %q: pipeline %s is the same: %v", value.Line, other, value.Value, name, concerned)
				}
			}
			return
		}
	}
	root := readExample(t)
	eachScalar(child(root, "kafka"), func(n *yaml.Node) { try("", n) })
	for _, p := range child(root, "pipelines").Content {
		eachScalar(p, func(n *yaml.Node) { try(child(p, "name").Value, n) })
	}
	if tried < 120 {
		t.Errorf("only %d values could be changed", tried)
	}
}

// otherValues are some that the key may take too.
func otherValues(n *yaml.Node) []string {
	switch n.Value {
	case "true":
		return []string{"false"}
	case "false":
		return []string{"true"}
	}
	if i, err := strconv.Atoi(n.Value); err == nil {
		return []string{strconv.Itoa(i + 1), strconv.Itoa(max(1, i-1))}
	}
	if n.Value != "" && n.Value[0] >= '1' && n.Value[0] <= '8' {
		return []string{string(n.Value[0]+1) + n.Value[1:]}
	}
	return []string{n.Value + "x"}
}

// eachScalar visits the values below a node, and no keys.
func eachScalar(n *yaml.Node, visit func(*yaml.Node)) {
	switch n.Kind {
	case yaml.ScalarNode:
		visit(n)
	case yaml.MappingNode:
		for i := 1; i < len(n.Content); i += 2 {
			eachScalar(n.Content[i], visit)
		}
	case yaml.SequenceNode:
		for _, c := range n.Content {
			eachScalar(c, visit)
		}
	}
}
