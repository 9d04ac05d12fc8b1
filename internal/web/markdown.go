package web

import (
	"html"
	"regexp"
	"strings"
)

// document renders a page of ours as HTML: headings with anchors, paragraphs, lists, code, emphasis, links within the page. That is
// what docs/errors.md is made of; a test makes sure that nothing else of Markdown is left in the result.
func document(title, markdown string) []byte {
	m := renderer{}
	m.b.WriteString("<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n" +
		"<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<meta name=\"color-scheme\" content=\"light dark\">\n<title>" + html.EscapeString(title) + " – cdcbridge</title>\n" +
		"<link rel=\"icon\" href=\"data:,\">\n<link rel=\"stylesheet\" href=\"../page.css\">\n</head>\n<body>\n<p class=\"top\"><a href=\"../\">All pipelines</a></p>\n<main class=\"text\">\n")
	for line := range strings.Lines(markdown) {
		m.line(strings.TrimRight(line, "\n"))
	}
	m.flush()
	m.endList()
	m.b.WriteString("</main>\n</body>\n</html>\n")
	return []byte(m.b.String())
}

// renderer goes through the lines of a page and keeps the block that is open.
type renderer struct {
	b    strings.Builder
	tag  string   // of the open block: "", "p", "li", "pre"
	text []string // its lines
	list bool     // a list is open
}

func (m *renderer) line(line string) {
	switch {
	case strings.HasPrefix(line, "```"):
		code := m.tag == "pre"
		m.flush()
		if !code {
			m.endList()
			m.tag = "pre"
		}
	case m.tag == "pre":
		m.text = append(m.text, line)
	case strings.TrimSpace(line) == "":
		m.flush()
	case strings.HasPrefix(line, "#"):
		m.flush()
		m.endList()
		m.heading(line)
	case strings.HasPrefix(line, "- "):
		m.flush()
		if !m.list {
			m.b.WriteString("<ul>\n")
			m.list = true
		}
		m.tag, m.text = "li", []string{line[2:]}
	default:
		if m.tag == "" {
			m.endList()
			m.tag = "p"
		}
		m.text = append(m.text, strings.TrimSpace(line))
	}
}

// flush writes the open block.
func (m *renderer) flush() {
	text := strings.Join(m.text, "\n")
	switch m.tag {
	case "pre":
		m.b.WriteString("<pre><code>" + html.EscapeString(text) + "</code></pre>\n")
	case "p", "li":
		m.b.WriteString("<" + m.tag + ">" + inline(text) + "</" + m.tag + ">\n")
	}
	m.tag, m.text = "", nil
}

func (m *renderer) endList() {
	if m.list {
		m.b.WriteString("</ul>\n")
		m.list = false
	}
}

var notAnchor = regexp.MustCompile(`[^a-z0-9_ -]`)

func (m *renderer) heading(line string) {
	text := strings.TrimLeft(line, "#")
	level := string('0' + rune(len(line)-len(text)))
	text = strings.TrimSpace(text)
	id := strings.ReplaceAll(notAnchor.ReplaceAllString(strings.ToLower(text), ""), " ", "-")
	m.b.WriteString("<h" + level + " id=\"" + id + "\">" + inline(text) + "</h" + level + ">\n")
}

var (
	codeSpan = regexp.MustCompile("`([^`]+)`")
	linkSpan = regexp.MustCompile(`\[([^\]]*)\]\(([^)\s]*)\)`)
	strong   = regexp.MustCompile(`\*\*([^*]+)\*\*`)
	emphasis = regexp.MustCompile(`\*([^*\s][^*]*)\*`)
)

// hidden stands for a span of code while the text around it is rendered. No page of ours holds it.
const hidden = "\uE000"

// inline renders one block's text: links and emphasis, and code as it stands. Links to other pages, which the daemon does not have,
// become their names.
func inline(text string) string {
	var code []string
	text = codeSpan.ReplaceAllStringFunc(text, func(span string) string { // out of the way of the marks below
		code = append(code, "<code>"+html.EscapeString(strings.Trim(span, "`"))+"</code>")
		return hidden
	})
	text = html.EscapeString(text)
	text = linkSpan.ReplaceAllStringFunc(text, func(link string) string {
		m := linkSpan.FindStringSubmatch(link)
		if strings.HasPrefix(m[2], "#") {
			return `<a href="` + m[2] + `">` + m[1] + "</a>"
		}
		return m[1] + " (docs/" + m[2] + ")"
	})
	text = strong.ReplaceAllString(text, "<strong>$1</strong>")
	text = emphasis.ReplaceAllString(text, "<em>$1</em>")
	for _, span := range code {
		text = strings.Replace(text, hidden, span, 1)
	}
	return text
}
