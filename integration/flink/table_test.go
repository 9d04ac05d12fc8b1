package flink

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the table of docs/formats.md anew")

const (
	tableFile  = "../../docs/formats.md"
	tableBegin = "<!-- measured by integration/flink: begin -->\n"
	tableEnd   = "<!-- measured by integration/flink: end -->\n"
)

// labels are those of an ENUM or SET, which tell nothing here.
var labels = regexp.MustCompile(`^(enum|set)\(.*\)$`)

// print writes the table of one product: a column's type in the database, and what it is in Flink in each format.
func (r *results) print(b *strings.Builder, title string) {
	var remarks []string
	remark := func(text string) int {
		i := slices.Index(remarks, text)
		if i < 0 {
			i = len(remarks)
			remarks = append(remarks, text)
		}
		return i + 1
	}
	fmt.Fprintf(b, "\n| %s |", title)
	for _, o := range outputs {
		fmt.Fprintf(b, " %s |", o.format)
	}
	fmt.Fprintf(b, "\n|---|%s\n", strings.Repeat("---|", len(outputs)))
	printed := map[string]bool{}
	for _, typ := range r.types {
		line := "| `" + labels.ReplaceAllString(typ, "$1(…)") + "` |"
		for _, o := range outputs {
			cell := r.cells[typ][o.format]
			var numbers []string
			slices.Sort(cell.losses)
			for _, text := range append([]string{cell.note}, cell.losses...) {
				if text != "" {
					numbers = append(numbers, fmt.Sprint(remark(text)))
				}
			}
			line += " `" + strings.ReplaceAll(cell.flink, "`", "") + "`"
			if len(numbers) > 0 {
				line += " (" + strings.Join(numbers, ", ") + ")"
			}
			line += " |"
		}
		if !printed[line] {
			fmt.Fprintln(b, line)
		}
		printed[line] = true
	}
	b.WriteByte('\n')
	for i, text := range remarks {
		fmt.Fprintf(b, "%d. %s\n", i+1, text)
	}
}

// checkTable holds the table of the documentation to what was measured.
func checkTable(t *testing.T, measured string) {
	t.Helper()
	page, err := os.ReadFile(tableFile)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, found := strings.Cut(string(page), tableBegin)
	old, tail, closed := strings.Cut(rest, tableEnd)
	if !found || !closed {
		t.Fatalf("%s has no place for the table: %q and %q", tableFile, tableBegin, tableEnd)
	}
	measured += "\n"
	if old == measured {
		return
	}
	if !*update {
		t.Errorf("the table of %s is not what was measured; go test ./flink -update writes it\n%s", tableFile, measured)
		return
	}
	if err := os.WriteFile(tableFile, []byte(head+tableBegin+measured+tableEnd+tail), 0o644); err != nil {
		t.Fatal(err)
	}
}
