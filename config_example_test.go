package main

import (
	"os"
	"reflect"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"cdcbridge/internal/config"
)

const example = "config.example.yaml"

// TestExampleIsTheManual loads config.example.yaml and checks that every key of every source and format is in it with its
// default, and that every key has a comment. The sections above them are checked in internal/config.
func TestExampleIsTheManual(t *testing.T) {
	t.Setenv("MYSQL_PASSWORD", "") // puts it back at the end
	if err := os.Unsetenv("MYSQL_PASSWORD"); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load(example, registry())
	if err != nil {
		t.Fatal(err)
	}
	root := readExample(t)
	everyKeyHasAComment(t, "", root)
	pipelines := child(root, "pipelines")
	sections := map[reflect.Type]bool{} // a kind with two names needs its keys once
	for _, kind := range registry().Sources {
		found := false
		for i, p := range pipelines.Content {
			source := child(p, "source")
			if child(source, "type").Value != kind.Name || found {
				continue
			}
			found = true
			if section := reflect.TypeOf(kind.Config()); !sections[section] {
				sections[section] = true
				holds(t, "source "+kind.Name, source, reflect.ValueOf(kind.Config()).Elem(), reflect.ValueOf(cfg.Pipelines[i].Spec.Source).Elem())
			}
		}
		if !found {
			t.Errorf("no pipeline has the source %s", kind.Name)
		}
	}
	for _, kind := range registry().Formats {
		found := false
		for i, p := range pipelines.Content {
			outputs := []*yaml.Node{p}
			if list := child(p, "outputs"); list != nil {
				outputs = list.Content
			}
			for k, o := range outputs {
				if options := child(o, "options"); options != nil && child(o, "format").Value == kind.Name && !found {
					found = true
					holds(t, "format "+kind.Name, options, reflect.ValueOf(kind.Config()).Elem(), reflect.ValueOf(cfg.Pipelines[i].Formats[k]).Elem())
				}
			}
		}
		if !found {
			t.Errorf("no output has the format %s with its options", kind.Name)
		}
	}
}

// holds checks that section has every key of the struct defaults, and that what was loaded from it equals the defaults,
// unless the comment says that the value is required or an example.
func holds(t *testing.T, path string, section *yaml.Node, defaults, loaded reflect.Value) {
	t.Helper()
	for i := range defaults.NumField() {
		name, opts, _ := strings.Cut(defaults.Type().Field(i).Tag.Get("mapstructure"), ",")
		switch {
		case opts == "squash":
			holds(t, path, section, defaults.Field(i), loaded.Field(i))
			continue
		case name == "" || name == "-":
			continue
		}
		key, value := entry(section, name)
		switch {
		case key == nil:
			t.Errorf("%s: %s is missing in %s", path, name, example)
		case value.Kind == yaml.MappingNode:
			holds(t, path+"."+name, value, defaults.Field(i), loaded.Field(i))
		case !reflect.DeepEqual(defaults.Field(i).Interface(), loaded.Field(i).Interface()) && !isEmpty(defaults.Field(i), loaded.Field(i)):
			if c := comment(key, value); !strings.Contains(c, "required") && !strings.Contains(c, "example") {
				t.Errorf("%s: %s is %v and its default is %v; say so in the comment if that is meant", path, name, loaded.Field(i), defaults.Field(i))
			}
		}
	}
}

// isEmpty takes a missing list for an empty one.
func isEmpty(a, b reflect.Value) bool {
	return a.Kind() == reflect.Slice && a.Len() == 0 && b.Len() == 0
}

func everyKeyHasAComment(t *testing.T, path string, node *yaml.Node) {
	t.Helper()
	switch node.Kind {
	case yaml.SequenceNode:
		for _, el := range node.Content {
			everyKeyHasAComment(t, path+"[]", el)
		}
	case yaml.MappingNode:
		if node.Style&yaml.FlowStyle != 0 {
			return // one line, with one comment
		}
		for i := 0; i+1 < len(node.Content); i += 2 {
			key, value := node.Content[i], node.Content[i+1]
			if comment(key, value) == "" && value.Kind != yaml.MappingNode && !isListOfGroups(value) {
				t.Errorf("%s.%s has no comment (line %d)", path, key.Value, key.Line)
			}
			everyKeyHasAComment(t, path+"."+key.Value, value)
		}
	}
}

func isListOfGroups(n *yaml.Node) bool {
	return n.Kind == yaml.SequenceNode && len(n.Content) > 0 && n.Content[0].Kind == yaml.MappingNode
}

func comment(key, value *yaml.Node) string {
	return key.LineComment + value.LineComment + key.HeadComment
}

func readExample(t *testing.T) *yaml.Node {
	t.Helper()
	var doc yaml.Node
	readYAML(t, example, &doc)
	return doc.Content[0]
}

func readYAML(t *testing.T, path string, into any) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(text, into); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}

func child(node *yaml.Node, name string) *yaml.Node {
	_, value := entry(node, name)
	return value
}

func entry(node *yaml.Node, name string) (key, value *yaml.Node) {
	for i := 0; i+1 < len(node.Content); i += 2 {
		if node.Content[i].Value == name {
			return node.Content[i], node.Content[i+1]
		}
	}
	return nil, nil
}
