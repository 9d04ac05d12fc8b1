package config

import (
	"strings"
	"testing"

	"cdcbridge/internal/fault"
)

func TestLoadText(t *testing.T) {
	text := "kafka: {brokers: ['${WHERE}']}\npipelines: [{name: a, source: {type: mysql, host: h, tables: [a.b]}, format: canal-json}]\n"
	lookup := func(name string) (string, bool) { return "k:9092", name == "WHERE" }
	cfg, err := LoadText("a draft", text, registry, lookup)
	if err != nil || cfg.Kafka.Brokers[0] != "k:9092" {
		t.Errorf("%v", err)
	}
	for _, bad := range []string{strings.ReplaceAll(text, "WHERE", "HOME_OF_NOBODY"), "a: [", "a: 1\na: 2\n"} {
		if _, err := LoadText("a draft", bad, registry, lookup); !fault.Is(err, fault.Config) || !strings.Contains(err.Error(), "reading a draft") {
			t.Errorf("%q: %v", bad, err)
		}
	}
}
