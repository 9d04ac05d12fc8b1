package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"cdcbridge/integration/harness"
)

// TestWalkthrough walks through the page with both databases, with the binary that a package installs. What the page says is what is typed.
func TestWalkthrough(t *testing.T) {
	bin, err := harness.Binary()
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(t.TempDir(), "walkthrough")
	if out, err := exec.Command("go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	cmd := exec.CommandContext(t.Context(), program, "-binary", bin, "-checkout", "../..")
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v\n%s%s", err, &out, &errs)
	}
	t.Log(out.String())
	text, err := readPage("../../docs/getting-started.md")
	if err != nil {
		t.Fatal(err)
	}
	walks := strings.SplitAfter(out.String(), "README to first record with ")
	if len(walks) != 3 {
		t.Fatalf("%d walks have a time, not 2", len(walks)-1)
	}
	for i, heading := range []string{"From MySQL or MariaDB", "From PostgreSQL"} {
		if !regexp.MustCompile(`^(mysql|postgres): [0-9ms.]+, (within|more than) the aim of 5m0s\n`).MatchString(walks[i+1]) {
			t.Errorf("%s: no time is printed, but %s", heading, walks[i+1])
		}
		section, err := text.section(heading)
		if err != nil {
			t.Fatal(err)
		}
		commands := section.commands()
		if len(commands) != 4 {
			t.Errorf("%s: the page has the commands %q", heading, commands)
		}
		for _, c := range commands {
			if !strings.Contains(walks[i], " s  "+c+"\n") {
				t.Errorf("%s: %s was not typed", heading, c)
			}
		}
	}
}

// TestREADMEHasTheSameSteps: what is typed by the page is in the README, too, in the same order, where the binary is the one that was just built.
func TestREADMEHasTheSameSteps(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, block := range append(page(readme).blocks(""), page(readme).blocks("sh")...) {
		for line := range strings.Lines(block) {
			line, _, _ = strings.Cut(line, " #")
			lines = append(lines, strings.TrimSpace(strings.ReplaceAll(line, "bin/cdcbridge", "cdcbridge")))
		}
	}
	text, err := readPage("../../docs/getting-started.md")
	if err != nil {
		t.Fatal(err)
	}
	section, err := text.section("From MySQL or MariaDB")
	if err != nil {
		t.Fatal(err)
	}
	reading, err := text.section("Look at the topic")
	if err != nil {
		t.Fatal(err)
	}
	last := -1
	for _, c := range append(section.commands(), reading.commands()[0]) {
		at := slices.Index(lines, c)
		if at < 0 || at < last && !strings.HasPrefix(c, "export ") {
			t.Errorf("%q is no step of the README at its place; its lines: %q", c, lines)
		}
		last = max(last, at)
	}
	postgres, err := text.section("From PostgreSQL")
	if err != nil {
		t.Fatal(err)
	}
	for product, section := range map[string]page{"MySQL": section, "PostgreSQL": postgres} {
		statements, err := section.statements(product)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range statements {
			if !strings.Contains(strings.Join(strings.Fields(string(readme)), " "), strings.Join(strings.Fields(s), " ")) {
				t.Errorf("%s: the README has another statement than %q", product, s)
			}
		}
	}
}

// TestStatementsOfAProduct: of lines for one of several products only those of the own one are run.
func TestStatementsOfAProduct(t *testing.T) {
	p := page("text\n```sql\nCREATE USER a; -- somebody\nGRANT X\n  ON y; -- MySQL\nGRANT Z; -- MariaDB\n```\n```sql\nDROP z;\n```\n")
	got, err := p.statements("MySQL")
	if err != nil || !slices.Equal(got, []string{"CREATE USER a", "GRANT X\n\n  ON y"}) {
		t.Errorf("%q %v", got, err)
	}
	if _, err := page("```sh\nls\n```\n").statements("MySQL"); err == nil {
		t.Error("a section without SQL has some")
	}
}

// TestTerminal: a command that fails is told with what it said, and what is exported is there for the next one.
func TestTerminal(t *testing.T) {
	at := newTerminal(t.TempDir(), t.TempDir())
	if _, err := at.run(t.Context(), "export SECRET=of-mine"); err != nil {
		t.Fatal(err)
	}
	if said, err := at.run(t.Context(), `bash -c 'echo $SECRET $HOME'`); err != nil || said != "of-mine "+at.dir+"\n" {
		t.Errorf("%q %v", said, err)
	}
	if _, err := at.run(t.Context(), "bash -c 'echo no such thing; exit 3'"); err == nil || !strings.Contains(err.Error(), "no such thing") {
		t.Error(err)
	}
	c, err := at.start("sleep 600")
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	if err := c.interrupt(); err == nil || errors.Is(err, os.ErrProcessDone) || time.Since(began) > 30*time.Second {
		t.Errorf("after %v: %v", time.Since(began), err)
	}
}
