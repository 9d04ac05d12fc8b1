package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"time"

	"cdcbridge/integration/harness"
)

// prove waits until every topic folds to its table: the last record of each key, without the keys that end in a tombstone,
// is what SELECT * gives; and checks that no change is in a topic twice. It returns the number of records, or the last
// difference when ctx ends first.
func (s *shop) prove(ctx context.Context, brokers []string) (total int, err error) {
	for _, table := range tables {
		topic := "demo.shop." + table.name
		want, err := s.rows(ctx, table.name, table.columns)
		if err != nil {
			return 0, err
		}
		records, err := settled(ctx, brokers, topic, want)
		if err == nil {
			err = harness.CheckOnce(records)
		}
		if err != nil {
			return 0, fmt.Errorf("%s: %w", table.name, err)
		}
		total += len(records)
		fmt.Printf("  ✓ %-22s %4d records, %3d keys left; %3d rows in the table, equal in every column\n", topic, len(records), len(harness.Fold(records)), len(want))
	}
	return total, nil
}

// settled reads a topic again and again until it folds to the rows.
func settled(ctx context.Context, brokers []string, topic string, want map[string]bool) ([]harness.Record, error) {
	for {
		records, err := harness.ReadTopic(ctx, brokers, topic)
		if err == nil {
			err = compare(records, want)
		}
		if err == nil {
			return records, nil
		}
		select {
		case <-ctx.Done():
			return nil, err
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// rows reads a table as one line of text a row.
func (s *shop) rows(ctx context.Context, table string, columns []string) (map[string]bool, error) {
	var texts []string
	for _, c := range columns {
		texts = append(texts, s.speak.text(c))
	}
	rows, err := s.db.QueryContext(ctx, "SELECT "+strings.Join(texts, ", ")+" FROM "+table)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	values := make([]sql.NullString, len(columns))
	into := make([]any, len(columns))
	for i := range values {
		into[i] = &values[i]
	}
	out := map[string]bool{}
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			return nil, err
		}
		var o object
		for i, v := range values {
			if !v.Valid {
				v.String = "null"
			}
			o = append(o, member{columns[i], v.String})
		}
		out[rowText(o)] = true
	}
	return out, rows.Err()
}

func compare(records []harness.Record, want map[string]bool) error {
	left := maps.Clone(want)
	for key, r := range harness.Fold(records) {
		var e envelope
		if err := json.Unmarshal(r.Value, &e); err != nil {
			return err
		}
		text := rowText(e.After)
		if !left[text] {
			return fmt.Errorf("the topic has %s under %s, the table has no such row", text, key)
		}
		delete(left, text)
	}
	for text := range left {
		return fmt.Errorf("the table has %s and the topic has not", text)
	}
	return nil
}

// rowText renders a row alike from both sides: times differ by the T between date and time, the zone (all are in UTC) and
// zeros at the end.
func rowText(o object) string {
	var b strings.Builder
	for _, m := range o {
		v := m.value
		for _, layout := range []string{"2006-01-02T15:04:05.999Z", "2006-01-02T15:04:05.999", "2006-01-02 15:04:05.999", "2006-01-02 15:04:05.999-07"} {
			if t, err := time.Parse(layout, v); err == nil {
				v = t.Format("2006-01-02 15:04:05.000")
				break
			}
		}
		fmt.Fprintf(&b, "%s=%s ", m.name, v)
	}
	return strings.TrimSpace(b.String())
}
