package cli

import (
	"io"
	"os"
	"slices"
	"strings"
	"unicode/utf8"
)

// grid is a table whose long cells go on in further lines. Unlike those of text/tabwriter its columns keep to a width.
type grid struct {
	head  []string
	rows  [][]string
	wraps []int          // columns that may go on in further lines; the others are as wide as their longest cell
	paint map[int]shader // colours of columns, nil: none
}

// shader gives the escape sequence for a cell, "" for none.
type shader func(cell string) string

const (
	gridGap     = 2
	plainWidth  = 160 // of a grid that goes to no terminal
	narrowest   = 16  // of a column that wraps
	paintEnd    = "\x1b[0m"
	paintRed    = "\x1b[31m"
	paintGreen  = "\x1b[32m"
	paintYellow = "\x1b[33m"
)

// colourful reports whether colours make sense on w: a terminal, and nobody has said otherwise (https://no-color.org).
func (a *app) colourful(w io.Writer) bool { return a.columns(w) > 0 && os.Getenv("NO_COLOR") == "" }

// gridWidth is the width that a grid on w may have.
func (a *app) gridWidth(w io.Writer) int {
	if n := a.columns(w); n > 0 {
		return n
	}
	return plainWidth
}

// render lays the grid out in at most that many columns, as far as its parts allow.
func (g *grid) render(width int) string {
	widths := g.widths(width)
	var out strings.Builder
	for i, row := range append([][]string{g.head}, g.rows...) {
		lines := make([][]string, len(row))
		height := 0
		for c, cell := range row {
			lines[c] = wrap(cell, widths[c])
			height = max(height, len(lines[c]))
		}
		for l := range height {
			g.line(&out, widths, func(c int) (string, string) {
				if l >= len(lines[c]) {
					return "", ""
				}
				if shade := g.paint[c]; shade != nil && i > 0 {
					return lines[c][l], shade(row[c])
				}
				return lines[c][l], ""
			})
		}
	}
	return out.String()
}

// line writes one line; nothing stands behind its last text.
func (g *grid) line(out *strings.Builder, widths []int, cell func(c int) (text, colour string)) {
	blank := 0
	for c := range widths {
		text, colour := cell(c)
		if text != "" {
			out.WriteString(strings.Repeat(" ", blank))
			blank = 0
			out.WriteString(colour + text)
			if colour != "" {
				out.WriteString(paintEnd)
			}
		}
		blank += max(0, widths[c]-utf8.RuneCountInString(text)) + gridGap
	}
	out.WriteByte('\n')
}

// widths shares the width among the columns: what does not wrap takes what it needs, the others what is left, none more than it
// needs.
func (g *grid) widths(width int) []int {
	widths := make([]int, len(g.head))
	for _, row := range append([][]string{g.head}, g.rows...) {
		for c, cell := range row {
			for line := range strings.SplitSeq(cell, "\n") {
				widths[c] = max(widths[c], utf8.RuneCountInString(line))
			}
		}
	}
	left, open := width-gridGap*(len(widths)-1), slices.Clone(g.wraps)
	for c, n := range widths {
		if !slices.Contains(open, c) {
			left -= n
		}
	}
	for len(open) > 0 {
		share := max(narrowest, left/len(open))
		i := slices.IndexFunc(open, func(c int) bool { return widths[c] <= share })
		if i < 0 {
			for _, c := range open {
				widths[c] = share
			}
			break
		}
		left -= widths[open[i]]
		open = slices.Delete(open, i, i+1)
	}
	return widths
}

// wrap breaks text between words into lines of at most width characters. A word that is longer is left
// whole, for it may be a name that somebody looks for or copies.
func wrap(text string, width int) []string {
	var lines []string
	for para := range strings.SplitSeq(text, "\n") {
		line := ""
		for word := range strings.FieldsSeq(para) {
			if line != "" && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) <= width {
				line += " " + word
				continue
			}
			if line != "" {
				lines = append(lines, line)
			}
			line = word
		}
		lines = append(lines, line)
	}
	return lines
}
