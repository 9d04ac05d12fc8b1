package upsert

import "cdcbridge/changelog"

// Uses lists the target topics that the outputs would write these tables to, each with the first output that does: what a
// check looks at before any row has come.
func Uses(pipeline string, outputs []Output, tables []changelog.Table) []TopicUse {
	var uses []TopicUse
	seen := map[string]bool{}
	for i := range outputs {
		o := &outputs[i]
		for k := range tables {
			t := &tables[k]
			if o.Tables != nil && !o.Tables.Match(schemaOf(t), t.Name) {
				continue
			}
			if name := TopicName(o.Topic, pipeline, t); !seen[name] {
				seen[name] = true
				uses = append(uses, TopicUse{Topic: name, Output: o})
			}
		}
	}
	return uses
}
