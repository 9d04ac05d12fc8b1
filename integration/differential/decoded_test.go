package differential

import (
	"encoding/json"
	"strings"
	"testing"

	"cdcbridge/changelog"
	"cdcbridge/formats"
	"cdcbridge/formats/canal"
	"cdcbridge/formats/debezium"
)

// decoded is our value of a difference in a row as a literal of the server's SQL: read again from the record by its schema, whatever the mode, and written as
// canal-json writes it, which has the text that the server itself has for most types. It is false for a record without schemas.
func (d *database) decoded(t *testing.T, diff *difference) (literal string, ok bool) {
	t.Helper()
	if schema, _ := split(diff.record.value); schema == "" {
		return "", false
	}
	parts := strings.Split(diff.path, ".") // value.after.column
	rec := &formats.Record{Topic: diff.topic, Key: raw(diff.record.key), Value: raw(diff.record.value)}
	b := new(changelog.Batch) // keeps its rows
	reader := debezium.NewConfig().Reader(formats.ReaderOptions{Intern: func(t *changelog.Table) *changelog.Table { return t }})
	if err := reader.Read(b, rec); err != nil || len(b.Changes) != 1 {
		t.Fatalf("%s: reading it again: %d changes, %v", diff, len(b.Changes), err)
	}
	ch := b.Changes[0]
	if parts[1] == "before" {
		ch.After = ch.Before
	}
	ch.Op, ch.Before = changelog.Insert, nil
	table := b.Runs[0].Table
	enc, err := canalTexts.Compile(table, formats.Options{Key: table.Key})
	if err != nil {
		t.Fatalf("%s: %v", diff, err)
	}
	text, err := enc.AppendValue(nil, &formats.Context{Txn: &changelog.Txn{ID: "1:1", Commit: 1}, Run: &b.Runs[0]}, &ch)
	if err != nil {
		t.Fatalf("%s: %v", diff, err)
	}
	rows := elementsOf(get(membersOf(string(text)), "data"))
	value := get(membersOf(rows[0]), parts[2])
	if !json.Valid([]byte(value)) {
		t.Fatalf("%s: it reads again as %s", diff, text)
	}
	if value == "null" {
		return "NULL", true
	}
	return d.literal(value), true
}

// canalTexts writes values as texts that the servers have too.
var canalTexts = func() formats.Format {
	cfg := canal.Kind().Config().(*canal.Config)
	cfg.Binary, cfg.Enum, cfg.Set = "base64", "label", "label"
	return cfg.Format(formats.Env{Server: "differential", Version: "test"})
}()
