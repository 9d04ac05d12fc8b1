package config

import (
	"fmt"
	"strings"

	"cdcbridge/internal/fault"
)

// Problem is one thing that is wrong in a configuration file.
type Problem struct {
	Path string `json:"path"`           // where, for example "pipelines[0].source.tables"; empty: the file itself
	Text string `json:"text"`           // what is wrong and what is expected; never the value of a secret
	Line int    `json:"line,omitempty"` // 1-based line of the file; 0 when the key is not in it
}

// String renders "path: text (line n)".
func (p Problem) String() string {
	var b strings.Builder
	if p.Path != "" {
		b.WriteString(p.Path)
		b.WriteString(": ")
	}
	b.WriteString(p.Text)
	if p.Line > 0 {
		fmt.Fprintf(&b, " (line %d)", p.Line)
	}
	return b.String()
}

// Problems are all problems of one file, in the order of the file as far as they have a line.
type Problems []Problem

// Error renders one problem a line.
func (ps Problems) Error() string {
	var b strings.Builder
	if len(ps) == 1 {
		b.WriteString("1 problem:")
	} else {
		fmt.Fprintf(&b, "%d problems:", len(ps))
	}
	for _, p := range ps {
		b.WriteString("\n  ")
		b.WriteString(p.String())
	}
	return b.String()
}

// asFault makes the error that Load returns.
func (ps Problems) asFault(path string) error {
	return fault.NewFinal(fault.Config, "reading "+path, ps, "Correct the file; config.example.yaml explains every key.")
}
