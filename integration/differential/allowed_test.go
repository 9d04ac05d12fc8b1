package differential

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// allowed is one entry of a list of allowed differences: where they are, why, and what shows that ours is right.
type allowed struct {
	In       []string `yaml:"in"`       // servers, "postgres" for all of its versions; all by default
	Variants []string `yaml:"variants"` // all by default
	Topic    string   `yaml:"topic"`    // expression for all of the name behind the prefix; any by default
	Key      string   `yaml:"key"`      // expression for the key; any by default
	Path     string   `yaml:"path"`     // expression for all of the path
	Theirs   string   `yaml:"theirs"`   // expression for what they wrote; anything by default
	Ours     string   `yaml:"ours"`     // the same for ours
	Reason   string   `yaml:"reason"`
	Right    string   `yaml:"right"` // SQL that is true when ours is right, with {ours}, {theirs}, {id} and more: see ask
	Test     string   `yaml:"test"`  // instead: the test that shows it

	expressions map[string]*regexp.Regexp
	used        bool
}

// readAllowed reads testdata/name.
func readAllowed(t *testing.T, name string) []*allowed {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	var all []*allowed
	dec := yaml.NewDecoder(bytes.NewReader(text))
	dec.KnownFields(true)
	if err := dec.Decode(&all); err != nil {
		t.Fatalf("reading %s: %v", name, err)
	}
	for i, a := range all {
		if a.Reason == "" || a.Path == "" || (a.Right == "") == (a.Test == "") {
			t.Errorf("%s: entry %d needs a path, a reason and what shows that ours is right", name, i+1)
		}
		a.expressions = map[string]*regexp.Regexp{}
		for field, text := range map[string]string{"topic": a.Topic, "key": a.Key, "path": a.Path, "theirs": a.Theirs, "ours": a.Ours} {
			if text == "" {
				continue
			}
			if a.expressions[field], err = regexp.Compile("^(?s:" + text + ")$"); err != nil {
				t.Fatalf("%s: entry %d: %s: %v", name, i+1, field, err)
			}
		}
	}
	return all
}

// covers says whether the entry is about the difference.
func (a *allowed) covers(server, variant string, d *difference) bool {
	if strings.HasPrefix(server, "postgres") {
		server = "postgres"
	}
	if len(a.In) > 0 && !slices.Contains(a.In, server) || len(a.Variants) > 0 && !slices.Contains(a.Variants, variant) {
		return false
	}
	for field, text := range map[string]string{"topic": strings.TrimPrefix(d.topic, variant+"."), "key": d.key, "path": d.path, "theirs": d.want, "ours": d.got} {
		if e := a.expressions[field]; e != nil && !e.MatchString(text) {
			return false
		}
	}
	return true
}

// judge reports the differences that no entry covers, and those whose entry the database contradicts.
func (d *database) judge(ctx context.Context, t *testing.T, list []*allowed, variant string, found []difference) {
	t.Helper()
	for i := range found {
		diff := &found[i]
		n := slices.IndexFunc(list, func(a *allowed) bool { return a.covers(d.name, variant, diff) })
		if n < 0 {
			t.Errorf("%s: %s", variant, diff)
			continue
		}
		list[n].used = true
		if list[n].Right != "" {
			d.ask(ctx, t, list[n], variant, diff)
		}
	}
}

// ask puts our value to the server. In the question {ours} and {theirs} are the values as texts, {decoded} is ours as it is read again from the record, {id} the
// key's first value, {table} and {column} where the value is, {1} the first group of the path.
func (d *database) ask(ctx context.Context, t *testing.T, a *allowed, variant string, diff *difference) {
	t.Helper()
	decoded := ""
	if strings.Contains(a.Right, "{decoded}") {
		known := false
		if decoded, known = d.decoded(t, diff); !known {
			return // a record without schemas does not tell what it means; the same value is in one that does
		}
	}
	group := ""
	if m := a.expressions["path"].FindStringSubmatch(diff.path); len(m) > 1 {
		group = m[1]
	}
	question := strings.NewReplacer("{decoded}", decoded, "{1}", group, "{ours}", d.literal(diff.got), "{theirs}", d.literal(diff.want), "{id}", d.literal(firstField(diff.key)), "{table}", strings.TrimPrefix(diff.topic, variant+"."),
		"{column}", diff.path[strings.LastIndexByte(diff.path, '.')+1:]).Replace(a.Right)
	var right bool
	if err := d.db.QueryRowContext(ctx, question).Scan(&right); err != nil || !right {
		t.Errorf("%s: %s\n    the server says no (%v) to %s", variant, diff, err, question)
	}
}

// literal is a JSON value as a literal of the server's SQL: what a text says, without its quotes.
func (d *database) literal(value string) string {
	if strings.HasPrefix(value, `"`) {
		value = unquoted(value)
	}
	if d.version == "" {
		value = strings.ReplaceAll(value, `\`, `\\`)
	}
	return "'" + strings.ReplaceAll(value, "'", "''") + "'"
}

// reportUnused reports the entries that are about nothing.
func reportUnused(t *testing.T, name string, list []*allowed) {
	t.Helper()
	for i, a := range list {
		if !a.used {
			t.Errorf("entry %d of %s is about nothing any more: %s", i+1, name, a.Reason)
		}
	}
}

// TestAllowedAreShown holds the list to what it promises: each test that it names is there.
func TestAllowedAreShown(t *testing.T) {
	var sources []byte
	for _, pattern := range []string{"../*/*_test.go", "../../formats/*/*_test.go", "../../capture/*/*_test.go"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			text, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			sources = append(sources, text...)
		}
	}
	for _, a := range slices.Concat(readAllowed(t, debeziumAllowed), readAllowed(t, besideAllowed), readAllowed(t, canalAllowed)) {
		if _, name, _ := strings.Cut(a.Test, "."); a.Test != "" && !bytes.Contains(sources, []byte("func "+name+"(")) {
			t.Errorf("no test %s, which is to show that %s", a.Test, a.Reason)
		}
	}
}
