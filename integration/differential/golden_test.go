package differential

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// A golden file has the records of one variant. A line begins with what it is: "=" a topic, "k" a key, "v" a value, "h" a header of the value before.
// A letter alone is none, and "H" says that the headers are those of the record before. Schemas and sources are long and the same again and again, so
// pieces of them stand in lines "#" at the top, and ⟦n⟧ stands for piece n.

// writeGolden writes testdata/name.golden.
func writeGolden(t *testing.T, name string, all records) {
	t.Helper()
	p := pieces{number: map[string]int{}}
	var b strings.Builder
	line := func(kind string, text *string) {
		if text == nil {
			b.WriteString(kind + "\n")
			return
		}
		if strings.ContainsAny(*text, "\n⟦") {
			t.Fatalf("a golden file cannot hold %q", *text)
		}
		b.WriteString(kind + " " + p.replace(*text) + "\n")
	}
	var last []member
	for _, topic := range slices.Sorted(maps.Keys(all)) {
		line("=", &topic)
		for _, r := range all[topic] {
			line("k", r.key)
			line("v", r.value)
			if len(last) > 0 && slices.Equal(last, r.headers) {
				b.WriteString("H\n")
				continue
			}
			last = r.headers
			for _, h := range r.headers {
				text := h.name + "=" + h.value
				line("h", &text)
			}
		}
	}
	var top strings.Builder
	for _, piece := range p.all {
		top.WriteString("# " + piece + "\n")
	}
	if err := os.WriteFile(filepath.Join("testdata", name+".golden"), []byte(top.String()+b.String()), 0o644); err != nil {
		t.Fatal(err)
	}
}

// pieces are the repeated parts of schemas.
type pieces struct {
	number map[string]int
	all    []string
}

const shortest = 100 // bytes that a piece is worth

// replace puts pieces' numbers for the fields of the schema and for the source.
func (p *pieces) replace(text string) string {
	members := membersOf(text)
	for i := range members {
		switch m := &members[i]; m.name {
		case "schema":
			m.value = p.shorten(m.value)
		case "payload":
			m.value = p.replace(m.value)
		case "source":
			m.value = p.piece(m.value)
		}
	}
	if members == nil {
		return text
	}
	return object(members)
}

// piece is the number of a text that is long enough, or the text.
func (p *pieces) piece(text string) string {
	if len(text) < shortest {
		return text
	}
	n, ok := p.number[text]
	if !ok {
		n = len(p.all)
		p.number[text] = n
		p.all = append(p.all, text)
	}
	return fmt.Sprintf("⟦%d⟧", n)
}

// shorten replaces each field of a struct, and then what is left of the struct.
func (p *pieces) shorten(schema string) string {
	members := membersOf(schema)
	for i, m := range members {
		if m.name != "fields" {
			continue
		}
		elements := elementsOf(m.value)
		for j, e := range elements {
			elements[j] = p.shorten(e)
		}
		members[i].value = "[" + strings.Join(elements, ",") + "]"
	}
	// The name of the field is not part of the piece: before and after differ in it only.
	field := ""
	if n := len(members); n > 0 && members[n-1].name == "field" {
		field, members = `,"field":`+members[n-1].value+"}", members[:n-1]
	}
	if members == nil {
		return schema
	}
	body := object(members)
	if len(body) < shortest {
		return strings.TrimSuffix(body, "}") + orBrace(field)
	}
	return p.piece(body) + field
}

func orBrace(field string) string {
	if field == "" {
		return "}"
	}
	return field
}

// readGolden reads testdata/name.golden.
func readGolden(t *testing.T, name string) records {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name+".golden"))
	if err != nil {
		t.Fatal(err)
	}
	all, topic := records{}, ""
	var shared []string
	var headers []member
	for line := range strings.Lines(string(text)) {
		kind, rest, some := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		rest = expand(t, rest, shared)
		value := &rest
		if !some {
			value = nil
		}
		last := len(all[topic]) - 1
		switch kind {
		case "#":
			shared = append(shared, rest)
		case "=":
			topic = rest
		case "k":
			all[topic] = append(all[topic], record{key: value})
		case "v":
			all[topic][last].value = value
		case "h":
			header, value, _ := strings.Cut(rest, "=")
			all[topic][last].headers = append(all[topic][last].headers, member{header, value})
			headers = all[topic][last].headers
		case "H":
			all[topic][last].headers = headers
		default:
			t.Fatalf("%s.golden has the line %.80s", name, line)
		}
	}
	return all
}

// expand puts pieces in for their numbers. A piece that a field's name follows loses its brace.
func expand(t *testing.T, text string, shared []string) string {
	t.Helper()
	for {
		before, rest, ok := strings.Cut(text, "⟦")
		if !ok {
			return text
		}
		number, after, _ := strings.Cut(rest, "⟧")
		n, err := strconv.Atoi(number)
		if err != nil || n >= len(shared) {
			t.Fatalf("no piece %q", number)
		}
		piece := shared[n]
		if strings.HasPrefix(after, `,"field":`) {
			piece = strings.TrimSuffix(piece, "}")
		}
		text = before + piece + after
	}
}
