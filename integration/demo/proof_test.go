package main

import (
	"strings"
	"testing"

	"cdcbridge/integration/harness"
)

func TestCompareFindsDifferences(t *testing.T) {
	record := func(key, value string) harness.Record {
		r := harness.Record{Key: []byte(key)}
		if value != "" {
			r.Value = []byte(value)
		}
		return r
	}
	one := record(`{"id":1}`, `{"op":"c","after":{"id":1,"note":null,"at":"2024-05-06T07:08:09.12","seen":"2024-05-06T07:08:09.120Z"}}`)
	row := "id=1 note=null at=2024-05-06 07:08:09.120 seen=2024-05-06 07:08:09.120"
	for _, c := range []struct {
		name    string
		records []harness.Record
		rows    []string
		want    string // in the error; "": equal
	}{
		{"equal", []harness.Record{one}, []string{row}, ""},
		{"deleted", []harness.Record{one, record(`{"id":1}`, "")}, nil, ""},
		{"not deleted", []harness.Record{one}, nil, "no such row"},
		{"missing", nil, []string{row}, "the topic has not"},
		{"another value", []harness.Record{one}, []string{strings.Replace(row, "null", "x", 1)}, "no such row"},
		{"the last record counts", []harness.Record{record(`{"id":1}`, `{"op":"c","after":{"id":1,"note":"old"}}`), one}, []string{row}, ""},
	} {
		rows := map[string]bool{}
		for _, r := range c.rows {
			rows[r] = true
		}
		err := compare(c.records, rows)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: got %v, want %q", c.name, err, c.want)
		}
	}
}

func TestLinesShowWhatChanged(t *testing.T) {
	before := object{{"id", "1"}, {"status", "new"}, {"total", "1.00"}}
	after := object{{"id", "1"}, {"status", "paid"}, {"total", "1.00"}}
	if got := difference(before, after, object{{"id", "1"}}); got != "status: new → paid" {
		t.Errorf("update: %q", got)
	}
	if got := difference(object{{"id", "1"}}, after, object{{"id", "1"}}); got != "status=paid total=1.00" {
		t.Errorf("update of which the log has no old row: %q", got)
	}
	if got := join(after, object{{"id", "1"}}); got != "status=paid total=1.00" {
		t.Errorf("insert: %q", got)
	}
}
