package cli

import (
	"io"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"cdcbridge/capture"
)

func TestGridWraps(t *testing.T) {
	g := grid{head: []string{"A", "FINDING", "S", "REMEDY"}, wraps: []int{1, 3}, rows: [][]string{
		{"kafka", "acks: one two three four five six", "ok", "-"},
		{"x", "short", "bad", "Say this:\nALTER SYSTEM SET wal_level = logical; and so on"},
	}}
	want := `A      FINDING           S    REMEDY
kafka  acks: one two     ok   -
       three four five
       six
x      short             bad  Say this:
                              ALTER SYSTEM SET
                              wal_level =
                              logical; and so
                              on
`
	if got := g.render(46); got != want {
		t.Errorf("got\n%s", got)
	}
}

// TestGridKeepsToItsWidth: no word is lost or cut, and lines are no longer than the width unless a single word is.
func TestGridKeepsToItsWidth(t *testing.T) {
	g := grid{head: []string{"A", "B"}, wraps: []int{1}, rows: [][]string{{"é", strings.Repeat("äöü ", 20) + strings.Repeat("x", 70)}}}
	out := g.render(40)
	for line := range strings.SplitSeq(out, "\n") {
		if utf8.RuneCountInString(line) > 40 && len(strings.Fields(line)) > 1 {
			t.Errorf("too long: %q", line)
		}
	}
	if strings.Count(out, "äöü") != 20 || !strings.Contains(out, strings.Repeat("x", 70)) {
		t.Errorf("lost something:\n%s", out)
	}
}

// TestColoursAreForTerminals looks at the same findings with and without one.
func TestColoursAreForTerminals(t *testing.T) {
	report := func(columns int) string {
		var out syncBuffer
		a := &app{out: &out, terminal: func(io.Writer) int { return columns }}
		if err := a.report([]finding{{Finding: capture.Finding{Area: "a", Subject: "s", Severity: capture.Warning}}, {Finding: capture.Finding{Area: "b", Subject: "s", Severity: capture.OK}}}, outputTable); err != nil {
			t.Error(err)
		}
		return out.String()
	}
	if got := report(0); strings.Contains(got, "\x1b") {
		t.Errorf("%q", got)
	}
	got := report(80)
	if !strings.Contains(got, "\x1b[33mwarning\x1b[0m") || !strings.Contains(got, "\x1b[32mok\x1b[0m") || strings.Contains(strings.Split(got, "\n")[0], "\x1b") {
		t.Errorf("%q", got)
	}
	plain := got
	for _, code := range []string{paintEnd, paintYellow, paintGreen} {
		plain = strings.ReplaceAll(plain, code, "")
	}
	if !slices.Equal(strings.Split(plain, "\n"), strings.Split(report(0), "\n")) {
		t.Errorf("colours move the columns:\n%s", got)
	}
	t.Setenv("NO_COLOR", "1")
	if got := report(80); strings.Contains(got, "\x1b") {
		t.Errorf("%q", got)
	}
}

func FuzzWrap(f *testing.F) {
	f.Add("a bc def", 3)
	f.Add("x\n\ny", 1)
	f.Fuzz(func(t *testing.T, text string, width int) {
		if width < 1 || width > 200 || !utf8.ValidString(text) {
			return
		}
		lines := wrap(text, width)
		for _, l := range lines {
			if utf8.RuneCountInString(l) > width && len(strings.Fields(l)) > 1 {
				t.Errorf("%q is longer than %d", l, width)
			}
		}
		if !slices.Equal(strings.Fields(strings.Join(lines, " ")), strings.Fields(text)) {
			t.Errorf("%q became %q", text, lines)
		}
	})
}
