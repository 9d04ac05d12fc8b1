package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestRulesHaveTests keeps docs/evidence/rules.md honest: every test that it names exists, no rule is without one, and no
// number occurs twice.
func TestRulesHaveTests(t *testing.T) {
	page, err := os.ReadFile("docs/evidence/rules.md")
	if err != nil {
		t.Fatal(err)
	}
	row := regexp.MustCompile(`(?m)^\| ([KMPB]\d+) \| .*$`)
	name := regexp.MustCompile("`([a-z/]+)\\.((?:Test|Fuzz)\\w+)(?:/([^`]+))?`")
	tests := map[string]string{} // by folder: the text of its test files
	seen := map[string]bool{}
	for _, m := range row.FindAllStringSubmatch(string(page), -1) {
		if seen[m[1]] {
			t.Errorf("%s occurs twice", m[1])
		}
		seen[m[1]] = true
		cells := strings.Split(m[0], " | ")
		if len(cells) != 4 || strings.TrimSuffix(cells[3], " |") == "" {
			t.Errorf("%s has not four cells", m[1])
			continue
		}
		found := name.FindAllStringSubmatch(cells[2], -1)
		if len(found) == 0 || len(found) != strings.Count(cells[2], "`")/2 {
			t.Errorf("%s names no test, or in a way that this test cannot read", m[1])
		}
		for _, f := range found {
			text, ok := tests[f[1]]
			if !ok {
				text = testsOf(t, f[1])
				tests[f[1]] = text
			}
			if !strings.Contains(text, "\nfunc "+f[2]+"(") {
				t.Errorf("%s: there is no %s in %s", m[1], f[2], f[1])
			}
			if f[3] != "" && !strings.Contains(text, `"`+f[3]+`"`) && !strings.Contains(text, `"`+f[3]+`/`) {
				t.Errorf("%s: %s in %s has no subtest %s", m[1], f[2], f[1], f[3])
			}
		}
	}
	for _, last := range []string{"K24", "M15", "P18", "B30"} {
		if !seen[last] {
			t.Errorf("%s is missing", last)
		}
	}
}

func testsOf(t *testing.T, folder string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(folder, "*_test.go"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no tests in %s: %v", folder, err)
	}
	var all strings.Builder
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(text)
	}
	return all.String()
}
