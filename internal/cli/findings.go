package cli

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"

	"cdcbridge/capture"
	"cdcbridge/internal/fault"
)

// finding is a capture.Finding and the pipeline that it is about.
type finding struct {
	Pipeline string `json:"pipeline,omitempty"`
	capture.Finding
	Doc string `json:"doc,omitempty"` // where the fault that the daemon would stop with is explained
}

// validation is the JSON document of validate.
type validation struct {
	OK       bool      `json:"ok"`       // no finding is a problem
	Problems int       `json:"problems"` // would stop the daemon
	Warnings int       `json:"warnings"`
	Findings []finding `json:"findings"` // in the order of the looks
}

// report prints findings; errChecks says that some of them are problems.
func (a *app) report(fs []finding, output outputFormat) error {
	v := validation{Findings: fs}
	for i := range fs {
		switch fs[i].Severity {
		case capture.Problem:
			v.Problems++
		case capture.Warning:
			v.Warnings++
		case capture.OK:
		}
		if fs[i].Code != "" {
			fs[i].Doc = docOf(fs[i].Code)
		}
	}
	v.OK = v.Problems == 0
	if err := a.printValidation(&v, output); err != nil {
		return fmt.Errorf("printing the findings: %w", err)
	}
	if !v.OK {
		return errChecks
	}
	return nil
}

// docOf is where a code is explained.
func docOf(code string) string { return fault.Code(code).Doc() }

func (a *app) printValidation(v *validation, output outputFormat) error {
	if output == outputJSON {
		return a.printJSON(v)
	}
	g := grid{head: []string{"AREA", "FINDING", "SEVERITY", "REMEDY"}, wraps: []int{1, 3}}
	if a.colourful(a.out) {
		g.paint = map[int]shader{2: severityColour}
	}
	worstLast := slices.Clone(v.Findings)
	slices.SortStableFunc(worstLast, func(x, y finding) int { return cmp.Compare(rank(x.Severity), rank(y.Severity)) })
	for i := range worstLast {
		f := &worstLast[i]
		g.rows = append(g.rows, []string{f.area(), f.found(), string(f.Severity), f.remedy()})
	}
	text := g.render(a.gridWidth(a.out)) + fmt.Sprintf("\n%s, %s, %s\n", counted(len(v.Findings), "check"), counted(v.Problems, "problem"), counted(v.Warnings, "warning"))
	_, err := io.WriteString(a.out, text)
	return err
}

// counted is a number of things, in words for people.
func counted(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

func rank(s capture.Severity) int {
	return slices.Index([]capture.Severity{capture.OK, capture.Warning, capture.Problem}, s)
}

func severityColour(cell string) string {
	switch capture.Severity(cell) {
	case capture.Problem:
		return paintRed
	case capture.Warning:
		return paintYellow
	case capture.OK:
		return paintGreen
	}
	return ""
}

func (f *finding) area() string {
	if f.Pipeline == "" {
		return f.Area
	}
	return f.Pipeline + " " + f.Area
}

func (f *finding) found() string {
	if f.Detail == "" {
		return f.Subject
	}
	return f.Subject + ": " + f.Detail
}

// remedy is only that of what needs one.
func (f *finding) remedy() string {
	if f.Severity == capture.OK {
		return "-"
	}
	text := f.Remedy
	if f.Doc != "" {
		text = strings.TrimSpace(text + "\n" + f.Doc)
	}
	return orDash(text)
}
