package shaping

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"testing"
	"time"

	"cdcbridge/integration/harness"
)

// textsOf reads a row as texts by column, of the columns that it is to have and no others.
func textsOf(raw json.RawMessage, columns []string) (map[string]string, error) {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var values map[string]any
	if err := d.Decode(&values); err != nil {
		return nil, err
	}
	row := map[string]string{}
	for _, name := range columns {
		v, ok := values[name]
		if !ok {
			return nil, fmt.Errorf("no column %s in %.300s", name, raw)
		}
		if row[name] = harness.Null; v != nil {
			row[name] = fmt.Sprint(v)
		}
	}
	if len(values) != len(columns) {
		return nil, fmt.Errorf("more than the columns %q are in %.300s", columns, raw)
	}
	return row, nil
}

// folded compares the fold of an output's topic with the table. It gives the number of records.
func (s *side) folded(ctx context.Context, brokers []string, pipeline string, o output) (int, error) {
	topic := pipeline + "." + o.name
	records, err := harness.ReadTopic(ctx, brokers, topic)
	if err != nil {
		return 0, err
	}
	if err := harness.CheckOnce(records); err != nil && !o.read {
		return 0, fmt.Errorf("topic %s: %w", topic, err)
	}
	got := map[string]map[string]string{}
	for key, r := range harness.Fold(records) {
		raw, err := harness.RowOf(o.format, r.Value)
		if err != nil {
			return 0, fmt.Errorf("topic %s, key %s: %w", topic, key, err)
		}
		row, err := textsOf(raw, o.columns)
		if err != nil {
			return 0, fmt.Errorf("topic %s, key %s: %w", topic, key, err)
		}
		got[row[o.columns[0]]] = row
	}
	want, err := s.rows(ctx, o)
	if err != nil {
		return 0, err
	}
	return len(records), harness.SameRows(topic, got, want)
}

// settle waits until all outputs are what the table says.
func (s *side) settle(t *testing.T, brokers []string, pipeline string, limit time.Duration, more ...output) {
	t.Helper()
	for _, o := range append(s.outputs(), more...) {
		for deadline := time.Now().Add(limit); ; time.Sleep(200 * time.Millisecond) {
			n, err := s.folded(t.Context(), brokers, pipeline, o)
			if err == nil {
				t.Logf("%s: %d records", o.name, n)
				break
			}
			if time.Now().After(deadline) {
				t.Fatal(err)
			}
		}
	}
}

// replayed reads a topic of changes as a consumer that believes each of them: a row is inserted where there was none, and what is changed or deleted
// is the row that was there. It compares what is left with the table.
func (s *side) replayed(t *testing.T, brokers []string, pipeline string) {
	t.Helper()
	o := s.outputs()[0]
	records, err := harness.ReadTopic(t.Context(), brokers, pipeline+".log")
	if err != nil {
		t.Fatal(err)
	}
	held, ops := map[string]map[string]string{}, map[string]int{}
	for i := range records {
		var m struct {
			Op            string
			Before, After json.RawMessage
		}
		if err := json.Unmarshal(records[i].Value, &m); err != nil {
			t.Fatal(err)
		}
		if ops[m.Op]++; len(m.Before) > 0 && string(m.Before) != "null" {
			row, err := textsOf(m.Before, o.columns)
			if err != nil {
				t.Fatal(err)
			}
			if key := row[o.columns[0]]; !maps.Equal(held[key], row) {
				t.Fatalf("record %d: the row before was %v, and there is %v", i, row, held[key])
			}
			delete(held, row[o.columns[0]])
		}
		if len(m.After) == 0 || string(m.After) == "null" {
			continue
		}
		row, err := textsOf(m.After, o.columns)
		if err != nil {
			t.Fatal(err)
		}
		if key := row[o.columns[0]]; held[key] != nil {
			t.Fatalf("record %d: %s of %s, which is there", i, m.Op, key)
		}
		held[row[o.columns[0]]] = row
	}
	want, err := s.rows(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if err := harness.SameRows(pipeline+".log", held, want); err != nil {
		t.Fatal(err)
	}
	for _, op := range []string{"c", "u", "d"} {
		if ops[op] == 0 {
			t.Errorf("no record with the operation %s: the test proves nothing", op)
		}
	}
	t.Logf("log: %v", ops)
}
