package main

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"cdcbridge/internal/fault/faulttest"
)

// TestErrorsPageHoldsEveryCode keeps docs/errors.md in step with the constants of internal/fault: one section a code,
// each with the same four answers, and no link into nothing.
func TestErrorsPageHoldsEveryCode(t *testing.T) {
	page, err := os.ReadFile("docs/errors.md")
	if err != nil {
		t.Fatal(err)
	}
	codes := faultCodes(t)
	if len(codes) < 30 {
		t.Fatalf("found %d codes only", len(codes))
	}
	sections := strings.Split("\n"+string(page), "\n## ")[1:]
	var titles []string
	for _, s := range sections {
		title, body, _ := strings.Cut(s, "\n")
		titles = append(titles, title)
		if !regexp.MustCompile(`^\s*\*(Final|Retried)`).MatchString(body) {
			t.Errorf("section %s does not begin with whether it is final", title)
		}
		for _, answer := range []string{"**What happened.** ", "**Why.** ", "**What to do.** ", "**What was kept.** "} {
			if strings.Count(body, "- "+answer) != 1 {
				t.Errorf("section %s does not have %s once", title, answer)
			}
		}
	}
	for _, c := range codes {
		if !slices.Contains(titles, c) {
			t.Errorf("code %s of internal/fault has no section in docs/errors.md", c)
		}
	}
	for _, title := range titles {
		if !slices.Contains(codes, title) {
			t.Errorf("section %s of docs/errors.md is no code of internal/fault", title)
		}
	}
	for _, link := range regexp.MustCompile(`\]\(#([^)]*)\)`).FindAllStringSubmatch(string(page), -1) {
		if !slices.Contains(titles, link[1]) {
			t.Errorf("docs/errors.md links to #%s, which it does not have", link[1])
		}
	}
}

// faultCodes are all fault codes, as pages write them.
func faultCodes(t *testing.T) (codes []string) {
	t.Helper()
	for _, c := range faulttest.Codes(t, ".") {
		codes = append(codes, string(c))
	}
	return codes
}

// TestDocsIndexIsWhole finds every page of docs/ in its index, and every code in the page that begins at symptoms.
func TestDocsIndexIsWhole(t *testing.T) {
	pages := docPages(t)
	for path := range pages {
		name, inDocs := strings.CutPrefix(path, "docs/")
		if inDocs && name != "README.md" && !strings.Contains(name, "/") && !strings.Contains(pages["docs/README.md"], "]("+name+")") {
			t.Errorf("docs/README.md does not link to %s", name)
		}
	}
	for _, c := range faultCodes(t) {
		if !strings.Contains(pages["docs/troubleshooting.md"], "["+c+"](errors.md#"+c+")") {
			t.Errorf("docs/troubleshooting.md does not name the code %s", c)
		}
	}
}
