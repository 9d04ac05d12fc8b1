package bridge

import (
	"context"
	"encoding/json"
	"fmt"
	"math/big"
	"slices"
	"strings"

	"cdcbridge/integration/harness"
)

// The oracle: what a read_committed consumer that knows nothing of cdcbridge folds a topic to is what the table has.

// columnsNow are the columns of a table as it is.
func (s *shop) columnsNow(t table) []column {
	if t.name == "tags" && s.added.Load() > 0 {
		return append(slices.Clone(t.columns), column{"added", whole, false})
	}
	return t.columns
}

// rows reads a table as key → column → text.
func (s *shop) rows(ctx context.Context, t table) (map[string]map[string]string, error) {
	columns := s.columnsNow(t)
	var list []string
	for _, c := range columns {
		typ := "CHAR"
		if s.mysql == nil {
			typ = "text"
		}
		list = append(list, fmt.Sprintf("CAST(%s AS %s)", c.name, typ))
	}
	found, err := s.db.QueryContext(ctx, fmt.Sprintf("SELECT %s FROM %s", strings.Join(list, ", "), t.name))
	if err != nil {
		return nil, err
	}
	var names []string
	for _, c := range columns {
		names = append(names, c.name)
	}
	rows, err := harness.Texts(found, names, func(i int, text string) string { return columns[i].normal(text) })
	if err != nil {
		return nil, err
	}
	out := make(map[string]map[string]string, len(rows))
	for _, row := range rows {
		out[keyText(columns, row)] = row
	}
	return out, nil
}

func keyText(columns []column, row map[string]string) string {
	var parts []string
	for _, c := range columns {
		if c.key {
			parts = append(parts, c.name+"="+row[c.name])
		}
	}
	return strings.Join(parts, " ")
}

// normal is one text for all texts of a value.
func (c column) normal(s string) string {
	switch c.kind {
	case whole:
		switch s {
		case "true":
			return "1"
		case "false":
			return "0"
		}
	case decimal:
		if r, ok := new(big.Rat).SetString(s); ok {
			return r.RatString()
		}
	case date:
		return strings.TrimSuffix(s, "Z")
	case moment:
		s = strings.Replace(strings.TrimSuffix(s, "Z"), "T", " ", 1)
		if strings.Contains(s, ".") {
			s = strings.TrimRight(strings.TrimRight(s, "0"), ".")
		}
	}
	return s
}

// messageRow reads the row that a message leaves behind. A row of before a column was added may lack it.
func messageRow(format string, value []byte, columns []column) (map[string]string, error) {
	object, err := harness.RowOf(format, value)
	if err != nil {
		return nil, err
	}
	var raw map[string]json.RawMessage
	if err := json.Unmarshal(object, &raw); err != nil {
		return nil, err
	}
	row := map[string]string{}
	for _, c := range columns {
		v, ok := raw[c.name]
		delete(raw, c.name)
		switch {
		case !ok && c.name != "added":
			return nil, fmt.Errorf("column %s is missing", c.name)
		case !ok || string(v) == "null":
			row[c.name] = harness.Null
		case v[0] == '"':
			var s string
			if err := json.Unmarshal(v, &s); err != nil {
				return nil, err
			}
			row[c.name] = c.normal(s)
		default:
			row[c.name] = c.normal(string(v))
		}
	}
	if len(raw) > 0 {
		return nil, fmt.Errorf("more columns than the table: %s", raw)
	}
	return row, nil
}

// compare holds one topic against its table and returns its records.
func (s *shop) compare(ctx context.Context, brokers []string, t table, topic, format string) ([]harness.Record, error) {
	all, err := harness.ReadTopic(ctx, brokers, topic)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", topic, err)
	}
	columns, got := s.columnsNow(t), map[string]map[string]string{}
	for key, r := range harness.Fold(all) {
		row, err := messageRow(format, r.Value, columns)
		if err != nil {
			return nil, fmt.Errorf("%s, key %s: %w\n%s", topic, key, err, r.Value)
		}
		if other, ok := got[keyText(columns, row)]; ok {
			return nil, fmt.Errorf("%s has two keys for the row %v: %s, and that of %v", topic, row, key, other)
		}
		got[keyText(columns, row)] = row
	}
	want, err := s.rows(ctx, t)
	if err != nil {
		return nil, fmt.Errorf("selecting %s: %w", t.name, err)
	}
	return all, harness.SameRows(topic, got, want)
}
