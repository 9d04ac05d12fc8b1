package main

import (
	"os"
	"strings"
	"testing"
)

// guarded are the stages that a row passes, by the file with the guard that holds each of them to what a row of it costs on the heap.
var guarded = map[string][]string{
	"changelog/cost_test.go":          {"filling a batch"},
	"capture/mysql/cost_test.go":      {"decoding rows of MySQL's log", "one-row transactions of MySQL", "rows of a snapshot of MySQL"},
	"capture/postgres/cost_test.go":   {"decoding values of PostgreSQL", "one-row transactions of PostgreSQL", "rows of large transactions of PostgreSQL"},
	"capture/kafka/cost_test.go":      {"reading topics"},
	"formats/formatstest/costs.go":    {"writing ", "reading "},
	"internal/shape/cost_test.go":     {"metadata", "columns in their new form", "filters"},
	"internal/kafkawire/cost_test.go": {"batches of records", "records of a topic"},
	"upsert/cost_test.go":             {"materializing"},
}

// TestCostsAreGuarded: no stage has lost its guard, and every format has those of formatstest.
func TestCostsAreGuarded(t *testing.T) {
	contains := func(file, what string) {
		t.Helper()
		text, err := os.ReadFile(file)
		if err != nil || !strings.Contains(string(text), what) {
			t.Errorf("%s has no %s: %v", file, what, err)
		}
	}
	for file, stages := range guarded {
		for _, stage := range stages {
			contains(file, `costtest.Stage{Name: "`+stage+`"`)
		}
	}
	folders, err := os.ReadDir("formats")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range folders {
		if f.IsDir() && f.Name() != "internal" && f.Name() != "formatstest" {
			contains("formats/"+f.Name()+"/cost_test.go", "formatstest.Costs(")
		}
	}
}
