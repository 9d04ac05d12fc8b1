package harness

import (
	"database/sql"
	"encoding/json"
	"fmt"
)

// Null is the text of a value that is not there.
const Null = "NULL"

// Texts reads the rows of a query as texts by column, with Null for what is null, and closes it. normal gives the one text of all that the value of
// column i may have.
func Texts(rows *sql.Rows, columns []string, normal func(i int, text string) string) (all []map[string]string, err error) {
	defer rows.Close()
	values, targets := make([]sql.NullString, len(columns)), make([]any, len(columns))
	for i := range values {
		targets[i] = &values[i]
	}
	for rows.Next() {
		if err := rows.Scan(targets...); err != nil {
			return nil, err
		}
		row := make(map[string]string, len(columns))
		for i, name := range columns {
			row[name] = Null
			if values[i].Valid {
				row[name] = normal(i, values[i].String)
			}
		}
		all = append(all, row)
	}
	return all, rows.Err()
}

// RowOf is the row that a message leaves behind, as a JSON object. A delete has none, which is an error: the last message of a key that did not end
// must have one.
func RowOf(format string, value []byte) (json.RawMessage, error) {
	row := json.RawMessage(value)
	switch format {
	case "debezium-json":
		var m struct {
			After json.RawMessage `json:"after"`
		}
		if err := json.Unmarshal(value, &m); err != nil {
			return nil, err
		}
		row = m.After
	case "canal-json":
		var m struct {
			Type string            `json:"type"`
			Data []json.RawMessage `json:"data"`
		}
		if err := json.Unmarshal(value, &m); err != nil {
			return nil, err
		}
		if len(m.Data) != 1 || m.Type == "DELETE" {
			return nil, fmt.Errorf("type %s with %d rows", m.Type, len(m.Data))
		}
		row = m.Data[0]
	}
	if len(row) == 0 || string(row) == "null" {
		return nil, fmt.Errorf("no row in %s", value)
	}
	return row, nil
}

// SameRows compares what a topic says with its table: rows by key, columns by name, values as texts. The error tells the first difference.
func SameRows(topic string, got, want map[string]map[string]string) error {
	for key, w := range want {
		g, ok := got[key]
		if !ok {
			return fmt.Errorf("%s lacks the row %s (%d rows, the table has %d)", topic, key, len(got), len(want))
		}
		for name, text := range w {
			if g[name] != text {
				return fmt.Errorf("%s, row %s, column %s: %q, the table has %q", topic, key, name, g[name], text)
			}
		}
	}
	for key := range got {
		if _, ok := want[key]; !ok {
			return fmt.Errorf("%s has the row %s, which the table has not", topic, key)
		}
	}
	return nil
}
