package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	fences   = regexp.MustCompile("(?s)```.*?```")
	links    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	headings = regexp.MustCompile(`(?m)^#+ (.*)$`)
	linkText = regexp.MustCompile(`\[([^\]]*)\]\([^)]*\)`)
	notSlug  = regexp.MustCompile(`[^\p{L}\p{N}_\- ]`)
)

// TestPagesLinkToWhatIsThere follows every link between the pages of the repository, to its heading.
func TestPagesLinkToWhatIsThere(t *testing.T) {
	pages := map[string]string{} // path → text without code
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && path != "." && strings.HasPrefix(d.Name(), ".") {
			return filepath.SkipDir
		}
		if filepath.Ext(path) != ".md" {
			return nil
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		pages[path] = fences.ReplaceAllString(string(b), "")
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	followed := 0
	for path, text := range pages {
		for _, m := range links.FindAllStringSubmatch(text, -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			followed++
			file, heading, _ := strings.Cut(m[1], "#")
			target := path
			if file != "" {
				target = filepath.Join(filepath.Dir(path), file)
			}
			if _, err := os.Stat(target); err != nil {
				t.Errorf("%s links to %s, which does not exist", path, m[1])
			} else if heading != "" && !anchors(pages[target])[heading] {
				t.Errorf("%s links to %s, and %s has no such heading", path, m[1], target)
			}
		}
	}
	if followed < 100 {
		t.Errorf("followed %d links only", followed)
	}
}

// anchors are the names that headings of a page have in links.
func anchors(text string) map[string]bool {
	names := map[string]bool{}
	for _, m := range headings.FindAllStringSubmatch(text, -1) {
		h := linkText.ReplaceAllString(strings.ToLower(strings.TrimSpace(m[1])), "$1")
		names[strings.ReplaceAll(notSlug.ReplaceAllString(h, ""), " ", "-")] = true
	}
	return names
}
