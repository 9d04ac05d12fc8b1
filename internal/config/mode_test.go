package config

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cdcbridge/formats"
)

// CheckMode makes the fake format one that suits logs of changes only.
func (f *fakeFormat) CheckMode(m formats.Mode) []error {
	if f.Decimal != "logged" || !m.Upsert {
		return nil
	}
	return []error{errors.New("decimal: is for mode changelog alone")}
}

// TestModesThatAFormatDoesNotSuit: options that do not go with an output's mode are a problem of the file.
func TestModesThatAFormatDoesNotSuit(t *testing.T) {
	const file = "kafka: {brokers: [a:1]}\npipelines: [{name: p, source: {type: mysql, host: h, tables: [a.b]}, format: debezium-json, options: {decimal: logged}, mode: MODE}]\n"
	for mode, want := range map[string]string{"changelog": "", "upsert": "pipelines[0].options.decimal: is for mode changelog alone (line 2)"} {
		path := filepath.Join(t.TempDir(), "c.yaml")
		if err := os.WriteFile(path, []byte(strings.Replace(file, "MODE", mode, 1)), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := Load(path, registry)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", mode, err)
		}
	}
}
