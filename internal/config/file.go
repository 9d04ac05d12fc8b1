package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"

	"github.com/spf13/viper"
	"go.yaml.in/yaml/v3"
)

// keyDelimiter separates the parts of viper's own keys. It cannot occur in a key of ours, so keys may contain dots.
const keyDelimiter = "\x1f"

// file is a configuration file as it was read: nothing is interpreted yet. Viper lower-cases all keys, in lists too;
// therefore no name that a user chooses is ever a key.
type file struct {
	root  map[string]any
	lines map[string]int // line of each key and list element by its path, lower case
	twice []Problem      // keys that occur twice
}

// readFile reads path through viper. An unreadable file or broken YAML is an error.
func readFile(path string) (*file, error) {
	return readBy(func(v *viper.Viper) error {
		v.SetConfigFile(path)
		v.SetConfigType("yaml")
		return v.ReadInConfig()
	})
}

// readText is readFile of what a file would hold.
func readText(text string) (*file, error) {
	return readBy(func(v *viper.Viper) error {
		v.SetConfigType("yaml")
		return v.ReadConfig(strings.NewReader(text))
	})
}

func readBy(read func(*viper.Viper) error) (*file, error) {
	notes := &yamlNotes{lines: map[string]int{}}
	v := viper.NewWithOptions(viper.KeyDelimiter(keyDelimiter), viper.WithDecoderRegistry(notes))
	if err := read(v); err != nil {
		var broken viper.ConfigParseError
		if errors.As(err, &broken) {
			err = withoutValues(broken.Unwrap())
		}
		return nil, err
	}
	f := &file{root: map[string]any{}, lines: notes.lines, twice: notes.twice}
	for _, key := range notes.top {
		f.root[key] = v.Get(key)
	}
	return f, nil
}

var (
	undecoded  = regexp.MustCompile("(?s)`.*`")
	unanchored = regexp.MustCompile(`(?s)unknown anchor '.*' referenced`)
)

// withoutValues takes out of an error of the YAML decoder what it quotes of the file: a password that begins with * is an alias to YAML, and
// one behind a wrong tag is text that cannot be read.
func withoutValues(err error) error {
	text := undecoded.ReplaceAllString(err.Error(), "value")
	text = unanchored.ReplaceAllString(text, "an alias (*NAME) whose anchor (&NAME) is nowhere; a text that begins with * needs quotes")
	if text == err.Error() {
		return err
	}
	return errors.New(text)
}

// yamlNotes is viper's YAML decoder. Beside the values it takes down what viper forgets: the top-level keys without a
// value and the line of every key.
type yamlNotes struct {
	top   []string
	lines map[string]int
	twice []Problem
}

// Decoder implements viper.DecoderRegistry: whatever the file is called, it is YAML.
func (n *yamlNotes) Decoder(string) (viper.Decoder, error) { return n, nil }

// Decode implements viper.Decoder.
func (n *yamlNotes) Decode(b []byte, into map[string]any) error {
	dec := yaml.NewDecoder(bytes.NewReader(b))
	var doc yaml.Node
	switch err := dec.Decode(&doc); {
	case errors.Is(err, io.EOF):
		return nil
	case err != nil:
		return err
	}
	if err := dec.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return errors.New("the file holds more than one YAML document; one is expected")
	}
	body := doc.Content[0]
	if body.Kind == yaml.ScalarNode && body.Tag == "!!null" {
		return nil
	}
	if body.Kind != yaml.MappingNode {
		return errors.New("the file must be a YAML mapping with keys such as kafka and pipelines")
	}
	n.walk("", body)
	for i := 0; i < len(body.Content); i += 2 {
		n.top = append(n.top, strings.ToLower(body.Content[i].Value))
	}
	if len(n.twice) > 0 {
		// Decoding would stop at the first of them, and viper would keep any one of two that differ in case.
		return nil
	}
	return body.Decode(&into)
}

// walk does not follow aliases, which may go in circles: what is behind one has the line of the alias.
func (n *yamlNotes) walk(path string, node *yaml.Node) {
	switch node.Kind {
	case yaml.SequenceNode:
		for i, el := range node.Content {
			p := fmt.Sprintf("%s[%d]", path, i)
			n.lines[p] = el.Line
			n.walk(p, el)
		}
	case yaml.MappingNode:
		seen := map[string]bool{}
		for i := 0; i+1 < len(node.Content); i += 2 {
			key, value := node.Content[i], node.Content[i+1]
			if key.Tag == "!!merge" {
				n.merged(path, value)
				continue
			}
			name := strings.ToLower(key.Value)
			p := join(path, name)
			if seen[name] {
				n.twice = append(n.twice, Problem{Path: p, Text: "is given twice; keys are the same in upper and lower case", Line: key.Line})
			}
			seen[name] = true
			n.lines[p] = key.Line
			n.walk(p, value)
		}
	}
}

// merged notes the keys that << brings into a group, where the group does not have them itself.
func (n *yamlNotes) merged(path string, value *yaml.Node) {
	groups := []*yaml.Node{value}
	if value.Kind == yaml.SequenceNode {
		groups = value.Content
	}
	for _, group := range groups {
		line := group.Line
		if group.Kind == yaml.AliasNode {
			group = group.Alias
		}
		if group.Kind != yaml.MappingNode {
			continue
		}
		for i := 0; i+1 < len(group.Content); i += 2 {
			if p := join(path, strings.ToLower(group.Content[i].Value)); n.lines[p] == 0 {
				n.lines[p] = line
			}
		}
	}
}

// join appends a key to a path.
func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}
