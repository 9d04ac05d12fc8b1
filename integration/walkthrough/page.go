package main

import (
	"fmt"
	"regexp"
	"strings"
)

// page is docs/getting-started.md.
type page string

// section is what stands below a heading of the second level.
func (p page) section(heading string) (page, error) {
	_, rest, ok := strings.Cut("\n"+string(p), "\n## "+heading+"\n")
	if !ok {
		return "", fmt.Errorf("the page has no section %q", heading)
	}
	body, _, _ := strings.Cut(rest, "\n## ")
	return page(body), nil
}

var fenced = regexp.MustCompile("(?ms)^```([a-z]*)\n(.*?)^```$")

// blocks are the blocks of code in a language, in their order.
func (p page) blocks(language string) []string {
	var found []string
	for _, m := range fenced.FindAllStringSubmatch(string(p), -1) {
		if m[1] == language {
			found = append(found, m[2])
		}
	}
	return found
}

// statements are those of the first block of SQL, without comments. A line whose comment is the name of another product than this one is
// left out.
func (p page) statements(product string) ([]string, error) {
	blocks := p.blocks("sql")
	if len(blocks) == 0 {
		return nil, fmt.Errorf("the section has no SQL")
	}
	text := ""
	for line := range strings.Lines(blocks[0]) {
		statement, comment, _ := strings.Cut(line, "--")
		if c := strings.TrimSpace(comment); (c == "MySQL" || c == "MariaDB") && c != product {
			continue
		}
		text += statement + "\n"
	}
	var out []string
	for s := range strings.SplitSeq(text, ";") {
		if s = strings.TrimSpace(s); s != "" {
			out = append(out, s)
		}
	}
	return out, nil
}

// commands are the lines of the section's blocks for a shell, in their order, without comments.
func (p page) commands() []string {
	var lines []string
	for _, block := range p.blocks("sh") {
		for line := range strings.Lines(strings.ReplaceAll(block, "\\\n", " ")) {
			line, _, _ = strings.Cut(line, " #")
			if line = strings.TrimSpace(line); line != "" {
				lines = append(lines, line)
			}
		}
	}
	return lines
}
