package main

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"cdcbridge/internal/cli"
	"cdcbridge/internal/config"
)

var (
	fence  = regexp.MustCompile("(?s)```([a-z]*)\n(.*?)```")
	inline = regexp.MustCompile("`((?:bin/)?cdcbridge [a-z-][^`\n]*)`")
)

// TestDocsCommandsParse holds every command line of the pages against the real commands: its name, its flags and their values,
// and in blocks of code its arguments too. One that does not parse helps nobody. Blocks marked text are what a command printed.
func TestDocsCommandsParse(t *testing.T) {
	count := 0
	for path, text := range docPages(t) {
		for _, m := range fence.FindAllStringSubmatch(text, -1) {
			if m[1] != "" && m[1] != "sh" {
				continue
			}
			for line := range strings.Lines(m[2]) {
				for _, words := range ourCommands(line) {
					count++
					parses(t, path, words)
					takesArguments(t, path, words)
				}
			}
		}
		for _, m := range inline.FindAllStringSubmatch(fence.ReplaceAllString(text, ""), -1) {
			for _, words := range ourCommands(m[1]) {
				count++
				parses(t, path, words)
			}
		}
	}
	if count < 80 {
		t.Errorf("found %d commands only", count)
	}
}

// parses has the command line print its help, for which its flags and their values must be right, and finds its name there.
func parses(t *testing.T, path string, words []string) {
	t.Helper()
	var help, errs bytes.Buffer
	if code := cli.Run(registry(), "1.2.3", cli.Streams{In: strings.NewReader(""), Out: &help, Err: &errs}, append(slices.Clone(words), "--help")); code != 0 {
		t.Errorf("%s: cdcbridge %s: %s", path, strings.Join(words, " "), &errs)
		return
	}
	name := "cdcbridge"
	for i, w := range words {
		if strings.HasPrefix(w, "-") || i == 1 && words[0] != "state" && words[0] != "ddl" || i == 2 {
			break
		}
		name += " " + w
	}
	if !strings.Contains(help.String(), "\n  "+name+" ") {
		t.Errorf("%s: there is no command %s", path, name)
	}
}

// takesArguments runs a command that needs the configuration without one: it must be that which is missing, and not an
// argument. What begins without a configuration is left out.
func takesArguments(t *testing.T, path string, words []string) {
	t.Helper()
	if len(words) == 0 || !slices.Contains([]string{"run", "validate", "status", "inspect", "snapshot", "pause", "resume", "reset", "state", "ddl", "convert"}, words[0]) ||
		slices.Contains(words, "--help") || slices.Contains(words, "--url") {
		return
	}
	var says bytes.Buffer
	missing := filepath.Join(t.TempDir(), "missing.yaml")
	code := cli.Run(registry(), "1.2.3", cli.Streams{In: strings.NewReader(""), Out: &says, Err: &says}, append(slices.Clone(words), "-c", missing))
	if words[0] == "convert" && code == 0 { // it reads standard input, where nothing is
		return
	}
	if code == 0 || !strings.Contains(says.String(), "missing.yaml") && !strings.Contains(says.String(), "no such file") {
		t.Errorf("%s: cdcbridge %s: exit code %d: %s", path, strings.Join(words, " "), code, &says)
	}
}

// ourCommands are the words behind each cdcbridge that stands where a shell expects a command.
func ourCommands(line string) [][]string {
	var found [][]string
	var command []string
	ours, first := false, true
	for _, w := range append(docWords(line), "|") {
		switch {
		case slices.Contains([]string{"|", "&&", ";", ">", "<", "#", "(", ")", "$", "…"}, w):
			if ours {
				found = append(found, command)
			}
			ours, command = false, nil
			first = w != ">" && w != "<"
			if w == "#" {
				return found
			}
		case first:
			first = strings.Contains(w, "=") && !strings.HasPrefix(w, "-") // a variable in front of the command
			ours = w == "cdcbridge" || strings.HasSuffix(w, "/cdcbridge")
		case ours:
			command = append(command, w)
		}
	}
	return found
}

// docWords splits as a shell does, as far as the pages go: quotes hold words together, a blank before # begins a comment.
func docWords(line string) []string {
	var words []string
	word, quote, open := "", rune(0), false
	for _, r := range strings.TrimRight(line, "\n") + " " {
		switch {
		case quote != 0 && r == quote:
			quote = 0
		case quote != 0:
			word += string(r)
		case r == '\'' || r == '"':
			quote, open = r, true
		case r == ' ':
			if word != "" || open {
				words = append(words, word)
			}
			word, open = "", false
		case strings.ContainsRune("()|;", r):
			if word != "" {
				words = append(words, word)
			}
			words, word = append(words, string(r)), ""
		default:
			word += string(r)
		}
	}
	return words
}

// TestDocsConfigurationsLoad loads each whole configuration of the pages as the daemon would.
func TestDocsConfigurationsLoad(t *testing.T) {
	count := 0
	for path, text := range docPages(t) {
		for _, m := range fence.FindAllStringSubmatch(text, -1) {
			if m[1] != "yaml" || !strings.HasPrefix(m[2], "kafka:") || !strings.Contains(m[2], "\npipelines:") {
				continue
			}
			count++
			if _, err := config.LoadText(path, m[2], registry(), func(string) (string, bool) { return "secret", true }); err != nil {
				t.Errorf("%v", err)
			}
		}
	}
	if count < 3 {
		t.Errorf("found %d configurations only", count)
	}
}

// docPages are the texts of README.md, CONTRIBUTING.md and docs/, by path.
func docPages(t *testing.T) map[string]string {
	t.Helper()
	pages := map[string]string{}
	read := func(path string) error {
		b, err := os.ReadFile(path)
		pages[path] = string(b)
		return err
	}
	err := filepath.WalkDir("docs", func(path string, _ fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != ".md" {
			return err
		}
		return read(path)
	})
	for _, path := range []string{"README.md", "CONTRIBUTING.md"} {
		if err == nil {
			err = read(path)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	return pages
}

// TestDocsFirstStepsAreTheTestedOnes finds each statement of the first page in the README, whose statements are run on real
// servers word for word, or in the page of the database.
func TestDocsFirstStepsAreTheTestedOnes(t *testing.T) {
	pages := docPages(t)
	known := map[string]bool{}
	for _, path := range []string{"README.md", "docs/mysql.md", "docs/postgres.md"} {
		for _, s := range statements(pages[path]) {
			known[s] = true
		}
	}
	found := statements(pages["docs/getting-started.md"])
	if len(found) < 10 {
		t.Errorf("found %d statements only", len(found))
	}
	for _, s := range found {
		if s = strings.ReplaceAll(s, "cdcbridge_cdc", "cdcbridge_shop"); !known[s] {
			t.Errorf("docs/getting-started.md has %q, which no other page has", s)
		}
	}
}

// statements are the SQL statements of a page, one a line, without their comments.
func statements(page string) []string {
	var list []string
	for _, m := range fence.FindAllStringSubmatch(page, -1) {
		if m[1] != "sql" {
			continue
		}
		for line := range strings.Lines(m[2]) {
			line, _, _ = strings.Cut(line, " --")
			if line = strings.TrimSpace(line); line != "" {
				list = append(list, line)
			}
		}
	}
	return list
}
