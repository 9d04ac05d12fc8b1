// Package endtoend runs the program between real servers, breaks everything around it while a workload writes, and compares
// what a consumer finds in the topics with the tables and with the server's own log.
package endtoend

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"math/big"
	"sort"
	"strconv"
	"strings"

	"cdcbridge/integration/harness"
)

// The oracle of the product: the fold of a topic equals SELECT * of its table.

const null = harness.Null

// selectRows reads a table as key text → column → text.
func selectRows(ctx context.Context, db *sql.DB, session, query string, columns []column) (map[string]map[string]string, error) {
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	if _, err := conn.ExecContext(ctx, session); err != nil {
		return nil, err
	}
	found, err := conn.QueryContext(ctx, query)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, c := range columns {
		names = append(names, c.label())
	}
	rows, err := harness.Texts(found, names, func(i int, text string) string { return columns[i].normalize(text) })
	if err != nil {
		return nil, err
	}
	out := make(map[string]map[string]string, len(rows))
	for _, row := range rows {
		out[keyText(row, columns)] = row
	}
	return out, nil
}

func keyText(row map[string]string, columns []column) string {
	var parts []string
	for _, c := range columns {
		if c.inKey() {
			parts = append(parts, c.label()+"="+row[c.label()])
		}
	}
	sort.Strings(parts)
	return strings.Join(parts, " ")
}

// floatText is the shortest text of a number.
func floatText(s string, bits int) string {
	v, err := strconv.ParseFloat(s, bits)
	if err != nil {
		return "bad float " + s
	}
	return strconv.FormatFloat(v, 'g', -1, bits)
}

func normalizeJSON(s string) string {
	d := json.NewDecoder(strings.NewReader(s))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return "bad json " + s
	}
	var walk func(any) any
	walk = func(v any) any {
		switch v := v.(type) {
		case json.Number:
			if r, ok := new(big.Rat).SetString(v.String()); ok {
				return "number " + r.RatString()
			}
		case []any:
			for i := range v {
				v[i] = walk(v[i])
			}
		case map[string]any:
			for k := range v {
				v[k] = walk(v[k])
			}
		}
		return v
	}
	out, err := json.Marshal(walk(v))
	if err != nil {
		return "bad json " + s
	}
	return string(out)
}

// compareTopic checks one table against the fold of one topic, and that nothing is in the topic out of order, or twice where that is
// promised. It returns the number of records.
func compareTopic(ctx context.Context, db *bench, brokers []string, t table, topic, format string) (records int, err error) {
	all, err := harness.ReadTopic(ctx, brokers, topic)
	if err != nil {
		return 0, fmt.Errorf("reading topic %s: %w", topic, err)
	}
	check := harness.CheckOnce
	if db.repeats {
		check = harness.CheckRepeats
	}
	if err := check(all); err != nil {
		return 0, fmt.Errorf("topic %s: %w", topic, err)
	}
	columns, err := db.columns(ctx, t)
	if err != nil {
		return 0, fmt.Errorf("describing %s: %w", t.name, err)
	}
	want, err := db.rows(ctx, t, format, columns)
	if err != nil {
		return 0, fmt.Errorf("selecting %s: %w", t.name, err)
	}
	got := map[string]map[string]string{}
	for key, r := range harness.Fold(all) {
		row, err := messageRow(format, r.Value, columns)
		if err != nil {
			return 0, fmt.Errorf("topic %s, key %s: %w\n%s", topic, key, err, r.Value)
		}
		got[keyText(row, columns)] = row
	}
	return len(all), harness.SameRows(topic, got, want)
}

// The second oracle: every row change in the server's log is in the topics, once.

// compareLog checks one output of a pipeline against the log: the same transactions, and in each the same changes.
func compareLog(ctx context.Context, db database, brokers []string, prefix string) error {
	want, err := db.changes(ctx)
	if err != nil {
		return err
	}
	got := map[string]map[int]table{}
	for _, t := range db.tables() {
		records, err := harness.ReadTopic(ctx, brokers, prefix+db.topic(t))
		if err != nil {
			return fmt.Errorf("reading topic %s%s: %w", prefix, db.topic(t), err)
		}
		for i := range records {
			r := &records[i]
			if r.Headers["cdc.op"] == "r" {
				continue
			}
			ord, err := strconv.Atoi(r.Headers["cdc.ord"])
			if err != nil {
				return fmt.Errorf("%s/%d/%d has the ordinal %q", t.name, r.Partition, r.Offset, r.Headers["cdc.ord"])
			}
			txn := db.transaction(r.Headers["cdc.txn"])
			if got[txn] == nil {
				got[txn] = map[int]table{}
			}
			if other, ok := got[txn][ord]; ok && other != t {
				return fmt.Errorf("change %d of %s is in the topics of %s and %s", ord, txn, other, t)
			}
			got[txn][ord] = t
		}
	}
	for txn, changes := range want {
		for ord, c := range changes {
			if t, ok := got[txn][ord]; !ok && c.partly {
				continue
			} else if t != c.table {
				return fmt.Errorf("change %d of %d of %s, a row of %s, is not in the topics (there: %q)", ord, len(changes), txn, c.table, t)
			}
		}
		for ord := range got[txn] {
			if ord >= len(changes) {
				return fmt.Errorf("%s has %d changes, the topics have the number %d", txn, len(changes), ord)
			}
		}
	}
	for txn := range got {
		if want[txn] == nil {
			return fmt.Errorf("the topics have the transaction %s with %v, which the log has not", txn, got[txn])
		}
	}
	return nil
}
