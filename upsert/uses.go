package upsert

import (
	"iter"

	"cdcbridge/capture"
	"cdcbridge/changelog"
	"cdcbridge/formats"
	"cdcbridge/internal/fault"
)

// Uses lists the target topics that the outputs would write these tables to, each with the first output that does, and those of what
// they write beside the rows: what a check looks at before any row has come.
func Uses(pipeline string, outputs []Output, tables []changelog.Table) []TopicUse {
	var uses []TopicUse
	seen := map[string]bool{}
	for o, t := range taken(outputs, tables) {
		if o.TopicByRows() {
			continue // nothing is known of them before
		}
		if name := TopicName(o.Topic, pipeline, t); !seen[name] {
			seen[name] = true
			uses = append(uses, TopicUse{Topic: name, Output: o})
		}
	}
	for i := range outputs {
		enc := sideEncoder(pipeline, &outputs[i])
		for a := 1; enc != nil && a < abouts; a++ {
			name := enc.Topic(formats.About(a))
			if name == "" || name == formats.TableTopic {
				continue
			}
			if name = legalTopic(name); !seen[name] {
				seen[name] = true
				plain := outputs[i].sides()
				uses = append(uses, TopicUse{Topic: name, Output: &plain})
			}
		}
	}
	return uses
}

// Undecided tells of the outputs whose topics only rows decide, so that nobody takes them for looked at.
func Undecided(outputs []Output) []capture.Finding {
	var findings []capture.Finding
	for i := range outputs {
		o := &outputs[i]
		if !o.TopicByRows() {
			continue
		}
		what := "rows decide which of " + o.Topic + " there are; they are looked at when their first row comes"
		if !o.Settings.Create {
			what += ", and must be there by then"
		}
		findings = append(findings, capture.Finding{Area: "output " + o.Name, Subject: "topics", Detail: what, Severity: capture.OK})
	}
	return findings
}

// taken is each output with each of the tables that it takes.
func taken(outputs []Output, tables []changelog.Table) iter.Seq2[*Output, *changelog.Table] {
	return func(yield func(*Output, *changelog.Table) bool) {
		for i := range outputs {
			o := &outputs[i]
			for k := range tables {
				t := &tables[k]
				if o.takes(t) && !yield(o, t) {
					return
				}
			}
		}
	}
}

// Unwritable finds the tables that the outputs cannot write, with the faults that their first rows would meet: no key, a key
// that the table does not have, two tables in one compacted topic. It asks nobody.
func Unwritable(pipeline string, outputs []Output, rules []TableRule, tables []changelog.Table) []capture.Finding {
	var findings []capture.Finding
	p := NewPlanner(pipeline, outputs, rules, nil)
	for o, t := range taken(outputs, tables) {
		err := p.writable(t, o)
		if f := fault.As(err); f != nil {
			findings = append(findings, capture.Finding{
				Area: "output " + o.Name, Subject: "table " + t.FullName(), Detail: f.Err.Error(), Severity: capture.Problem, Code: string(f.Code), Remedy: f.Hint,
			})
		}
	}
	return findings
}

// writable returns the fault that the first row of a table would meet in an output, as far as that can be told without asking.
func (p *Planner) writable(t *changelog.Table, o *Output) error {
	if o.Outbox != nil {
		_, err := p.outboxPlan(t, o)
		return err
	}
	_, err := p.written(t, o)
	return err
}
