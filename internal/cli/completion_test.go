package cli

import (
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// TestEveryCommandHasExamples holds each example against the commands, their flags and their arguments: one that does not parse helps nobody.
func TestEveryCommandHasExamples(t *testing.T) {
	count := 0
	var each func(*cobra.Command)
	each = func(cmd *cobra.Command) {
		count++
		if cmd.Example == "" {
			t.Errorf("%s has no example", cmd.CommandPath())
		}
		for line := range strings.SplitSeq(cmd.Example, "\n") {
			if !strings.HasPrefix(line, "  ") || !strings.Contains(line, "cdcbridge") {
				t.Errorf("%s: the example %q is not indented by two, or is none of cdcbridge", cmd.CommandPath(), line)
				continue
			}
			checkExample(t, cmd, line)
		}
		for _, c := range cmd.Commands() {
			each(c)
		}
	}
	each((&app{registry: registry(nil, nil)}).root())
	if count < 12 {
		t.Errorf("%d commands only", count)
	}
}

// checkExample parses the part of a line that is a command of ours.
func checkExample(t *testing.T, of *cobra.Command, line string) {
	t.Helper()
	words := shellWords(line)
	words = words[slices.Index(words, "cdcbridge")+1:]
	if end := slices.IndexFunc(words, func(w string) bool { return w == "|" || w == ">" || w == "<" || w == "#" || w == ")" }); end >= 0 {
		words = words[:end]
	}
	root := (&app{registry: registry(nil, nil)}).root()
	cmd, rest, err := root.Find(words)
	if err != nil {
		t.Errorf("%s: %q: %v", of.CommandPath(), line, err)
		return
	}
	if of.HasParent() && cmd.CommandPath() != of.CommandPath() && cmd.Parent().CommandPath() != of.CommandPath() && of.Name() != "help" {
		t.Errorf("%s has an example of %s", of.CommandPath(), cmd.CommandPath())
	}
	if err := cmd.ParseFlags(rest); err != nil {
		t.Errorf("%s: %q: %v", of.CommandPath(), line, err)
		return
	}
	if err := cmd.ValidateArgs(cmd.Flags().Args()); err != nil {
		t.Errorf("%s: %q: %v", of.CommandPath(), line, err)
	}
}

// shellWords splits as a shell does, as far as the examples go: quotes hold words together, and a bracket is a word.
func shellWords(line string) []string {
	var words []string
	word, quote := "", rune(0)
	for _, r := range line + " " {
		switch {
		case quote != 0 && r == quote:
			quote = 0
		case quote != 0:
			word += string(r)
		case r == '\'' || r == '"':
			quote = r
		case r == ' ' || r == '(' || r == ')':
			if word != "" {
				words = append(words, word)
			}
			if word = ""; r == ')' {
				words = append(words, ")")
			}
		default:
			word += string(r)
		}
	}
	return words
}

func TestShellWords(t *testing.T) {
	got := shellWords(`  source <(cdcbridge a 'b c' "d 'e'")  # f`)
	if want := []string{"source", "<", "cdcbridge", "a", "b c", "d 'e'", ")", "#", "f"}; !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}

func TestCompletionScripts(t *testing.T) {
	for shell, want := range map[string]string{"bash": "__start_cdcbridge", "zsh": "#compdef cdcbridge", "fish": "complete -c cdcbridge", "powershell": "Register-ArgumentCompleter"} {
		code, out, errs := call(registry(nil, nil), "completion", shell)
		if code != exitOK || errs != "" || !strings.Contains(out, want) {
			t.Errorf("%s: %d %q", shell, code, errs)
		}
	}
	for _, args := range [][]string{{"completion"}, {"completion", "tcsh"}, {"completion", "bash", "zsh"}} {
		if code, out, _ := call(registry(nil, nil), args...); code != exitUsage || out != "" {
			t.Errorf("%v: %d", args, code)
		}
	}
}

// TestWordsAreCompleted asks as the scripts do.
func TestWordsAreCompleted(t *testing.T) {
	file := configFile(t, "")
	for _, c := range []struct {
		args []string
		want []string
	}{
		{[]string{"vali"}, []string{"validate\tCheck"}},
		{[]string{"completion", ""}, []string{"bash", "zsh", "fish", "powershell"}},
		{[]string{"-c", file, "reset", ""}, []string{"shop"}},
		{[]string{"-c", file, "reset", "shop", "--to", "e"}, []string{"earliest"}},
		{[]string{"-c", file, "snapshot", "--pipeline", ""}, []string{"shop"}},
		{[]string{"-c", file + ".none", "reset", ""}, []string{":4"}},
		{[]string{"status", "-o", ""}, []string{"table", "json"}},
		{[]string{"convert", "-o", ""}, []string{"value", "kcat"}},
		{[]string{"convert", "--from", ""}, []string{"lines"}},
		{[]string{"inspect", "--from", ""}, []string{"earliest", "latest"}},
		{[]string{"run", "-c", ""}, []string{"yaml", "yml"}},
	} {
		code, out, _ := call(registry(nil, nil), append([]string{"__complete"}, c.args...)...)
		lines := strings.Split(out, "\n")
		for _, want := range c.want {
			if !slices.ContainsFunc(lines, func(l string) bool { return strings.HasPrefix(l, want) }) {
				t.Errorf("%v: %q is missing in %q", c.args, want, out)
			}
		}
		if code != exitOK || len(lines) < len(c.want) {
			t.Errorf("%v: %d %q", c.args, code, out)
		}
	}
}
