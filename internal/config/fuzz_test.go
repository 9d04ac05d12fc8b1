package config

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"cdcbridge/internal/fault"
)

// FuzzLoad feeds whole files: whatever they hold, Load gives a configuration or a final config fault with problems.
func FuzzLoad(f *testing.F) {
	files, err := filepath.Glob("testdata/*.yml")
	if err != nil || len(files) < 10 {
		f.Fatalf("%d seeds: %v", len(files), err)
	}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	for _, s := range []string{"a: &x [*x]", "<<: {kafka: {}}", "? [a]: b", "kafka: {<<: [{brokers: [a:1]}]}", "1: 2", "pipelines: [[[]]]", "kafka: !!binary aGk="} {
		f.Add([]byte(s))
	}
	file := filepath.Join(f.TempDir(), "fuzz.yml")
	f.Fuzz(func(t *testing.T, b []byte) {
		if err := os.WriteFile(file, b, 0o600); err != nil {
			t.Fatal(err)
		}
		cfg, err := Load(file, registry)
		if (cfg == nil) == (err == nil) {
			t.Fatalf("%v, %v", cfg, err)
		}
		if err == nil {
			return
		}
		var ps Problems
		if !fault.Is(err, fault.Config) || !fault.IsFinal(err) || !errors.As(err, &ps) || len(ps) == 0 {
			t.Fatalf("not a config fault: %v", err)
		}
	})
}
