package cli

import (
	"fmt"
	"strings"

	"cdcbridge/capture"
	"cdcbridge/internal/config"
)

// renameNotes say what in the configuration stands for the old name of a pipeline. It may have the old name there or the new one.
func renameNotes(cfg *config.Config, from, to string) []string {
	var p *config.Pipeline
	for i := range cfg.Pipelines {
		if name := cfg.Pipelines[i].Spec.Name; name == from || name == to && p == nil {
			p = &cfg.Pipelines[i]
		}
	}
	last := fmt.Sprintf("What headers and messages call the pipeline (cdc.pipeline, Debezium's source.name) becomes %s from here on.", to)
	if p == nil {
		return []string{
			fmt.Sprintf("The configuration has no pipeline %s and no %s. Slot, publication, consumer group and topics that were named after the old name must be set there by hand.", from, to),
			last,
		}
	}
	text := fmt.Sprintf("In the configuration, set name: %s", to)
	if giver, ok := p.Spec.Source.(capture.NameGiver); ok {
		for _, s := range giver.NamedAfter(from) {
			text += "\n  in source:  " + s
		}
	}
	for _, o := range p.Spec.Outputs {
		if strings.Contains(o.Topic, "{pipeline}") {
			text += fmt.Sprintf("\n  in output %s:  topic: %q", o.Name, strings.ReplaceAll(o.Topic, "{pipeline}", from))
		}
	}
	return []string{text, last}
}
