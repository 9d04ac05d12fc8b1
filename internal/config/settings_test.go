package config

import (
	"fmt"
	"strings"
	"testing"
)

// TestSettingsAreWhatIsInEffect: defaults, the environment and presets included, elements by their names, and no secret.
func TestSettingsAreWhatIsInEffect(t *testing.T) {
	load := func(password, order string) map[string]Setting {
		t.Helper()
		text := `
kafka: {brokers: [a:1, b:1]}
pipelines:
  - {name: one, source: {type: mysql, host: "${H}", password: ` + password + `, tables: [a.b]}, format: canal-json}
  - name: two
    source: {type: mysql, host: h, tables: [a.b]}
    outputs: [` + order + `]
`
		cfg, err := LoadText("it", text, registry, func(string) (string, bool) { return "there", true })
		if err != nil {
			t.Fatal(err)
		}
		m := map[string]Setting{}
		for _, s := range cfg.Settings {
			if _, twice := m[s.Path]; twice {
				t.Errorf("%s is there twice", s.Path)
			}
			m[s.Path] = s
		}
		return m
	}
	x, y := `{name: x, format: debezium-json, options: {decimal: string}, topic: "x.{table}"}`, `{name: y, format: canal-json, topic: "y.{table}"}`
	m := load("hunter2", x+", "+y)
	for path, want := range map[string]string{
		"kafka.brokers": "[a:1, b:1]", "kafka.state_topic": "cdcbridge.state", "shutdown_timeout": "30s", "pipelines[one].source.type": "mysql",
		"pipelines[one].source.host": "there", "pipelines[one].source.port": "3306", "pipelines[one].source.password": "***", "pipelines[two].source.password": "",
		"pipelines[two].outputs[x].options.decimal": "string", "pipelines[two].outputs[y].topic": "y.{table}", "pipelines[one].format": "canal-json",
	} {
		if s, ok := m[path]; !ok || s.Value != want {
			t.Errorf("%s is %q, want %q", path, s.Value, want)
		}
	}
	if strings.Contains(fmt.Sprintf("%+v", m), "hunter2") {
		t.Error("the password is among them")
	}
	for path, s := range load("hunter2", y+", "+x) {
		if !s.Same(m[path]) {
			t.Errorf("%s differs by the order of outputs", path)
		}
	}
	if s := load("hunter3", x)["pipelines[one].source.password"]; s.Same(m["pipelines[one].source.password"]) || s.Value != "***" {
		t.Error("another password is no difference")
	}
}
