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

const null = "NULL"

// fieldDef is one column as information_schema describes it.
type fieldDef struct {
	name, data, full string // column_name, data_type, column_type
	precision        int    // of temporal types
	scale            int
	key              bool
}

func columnsOf(ctx context.Context, db *sql.DB, schema, table string) ([]fieldDef, error) {
	rows, err := db.QueryContext(ctx, `SELECT column_name, data_type, column_type, COALESCE(datetime_precision, 0), COALESCE(numeric_scale, 0), column_key = 'PRI'
		FROM information_schema.columns WHERE table_schema = ? AND table_name = ? ORDER BY ordinal_position`, schema, table)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []fieldDef
	for rows.Next() {
		var f fieldDef
		if err := rows.Scan(&f.name, &f.data, &f.full, &f.precision, &f.scale, &f.key); err != nil {
			return nil, err
		}
		out = append(out, f)
	}
	return out, rows.Err()
}

// selectExpr is how the table prints the column in the oracle's own text form.
func (f *fieldDef) selectExpr(format string) string {
	c := "`" + f.name + "`"
	switch f.data {
	case "bit":
		return c + "+0"
	case "binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob", "geometry", "point", "vector":
		return "LOWER(HEX(" + c + "))"
	case "enum", "set":
		if format == "canal-json" {
			return c + "+0"
		}
		return "CONCAT(" + c + ",'')"
	case "float":
		return "CAST(" + c + " AS DOUBLE)"
	case "date", "datetime":
		if format != "canal-json" { // Debezium has no form for dates with a zero part
			return "IF(YEAR(" + c + ")=0 OR MONTH(" + c + ")=0 OR DAY(" + c + ")=0, NULL, CAST(" + c + " AS CHAR))"
		}
	}
	if f.data == "json" {
		return "CAST(" + c + " AS CHAR)"
	}
	return "CONVERT(CAST(" + c + " AS CHAR) USING utf8mb4)"
}

// selectRows reads a table as key text → column → text.
func selectRows(ctx context.Context, db *sql.DB, schema, table, format string, fields []fieldDef) (map[string]map[string]string, error) {
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	if _, err := conn.ExecContext(ctx, "SET SESSION time_zone='+00:00', sql_mode=''"); err != nil {
		return nil, err
	}
	var exprs []string
	for i := range fields {
		exprs = append(exprs, fields[i].selectExpr(format))
	}
	rows, err := conn.QueryContext(ctx, fmt.Sprintf("SELECT %s FROM `%s`.`%s`", strings.Join(exprs, ", "), schema, table))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	out := map[string]map[string]string{}
	for rows.Next() {
		vals := make([]sql.NullString, len(fields))
		ptrs := make([]any, len(fields))
		for i := range vals {
			ptrs[i] = &vals[i]
		}
		if err := rows.Scan(ptrs...); err != nil {
			return nil, err
		}
		row := map[string]string{}
		for i := range fields {
			if vals[i].Valid {
				row[fields[i].name] = fields[i].normalize(vals[i].String)
			} else {
				row[fields[i].name] = null
			}
		}
		out[keyText(row, fields)] = row
	}
	return out, rows.Err()
}

func keyText(row map[string]string, fields []fieldDef) string {
	var parts []string
	for i := range fields {
		if fields[i].key {
			parts = append(parts, fields[i].name+"="+row[fields[i].name])
		}
	}
	sort.Strings(parts)
	return strings.Join(parts, " ")
}

// normalize brings texts that mean the same to one form: floats and JSON documents.
func (f *fieldDef) normalize(s string) string {
	switch f.data {
	case "float":
		v, err := strconv.ParseFloat(s, 32)
		if err != nil {
			return "bad float " + s
		}
		return strconv.FormatFloat(v, 'g', -1, 32)
	case "double":
		v, err := strconv.ParseFloat(s, 64)
		if err != nil {
			return "bad double " + s
		}
		return strconv.FormatFloat(v, 'g', -1, 64)
	case "json":
		return normalizeJSON(s)
	}
	return s
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

// compareTopic checks one table against the fold of one topic, and that nothing is in the topic twice or out of order. It
// returns the number of records.
func compareTopic(ctx context.Context, db *sql.DB, brokers []string, schema, table, topic, format string) (records int, err error) {
	all, err := harness.ReadTopic(ctx, brokers, topic)
	if err != nil {
		return 0, fmt.Errorf("reading topic %s: %w", topic, err)
	}
	if err := harness.CheckOnce(all); err != nil {
		return 0, fmt.Errorf("topic %s: %w", topic, err)
	}
	fields, err := columnsOf(ctx, db, schema, table)
	if err != nil {
		return 0, fmt.Errorf("describing %s: %w", table, err)
	}
	want, err := selectRows(ctx, db, schema, table, format, fields)
	if err != nil {
		return 0, fmt.Errorf("selecting %s: %w", table, err)
	}
	got := map[string]map[string]string{}
	for key, r := range harness.Fold(all) {
		row, err := messageRow(format, r.Value, fields)
		if err != nil {
			return 0, fmt.Errorf("topic %s, key %s: %w\n%s", topic, key, err, r.Value)
		}
		got[keyText(row, fields)] = row
	}
	return len(all), compareRows(topic, got, want)
}

func compareRows(topic string, got, want map[string]map[string]string) error {
	for key, w := range want {
		g, ok := got[key]
		if !ok {
			return fmt.Errorf("topic %s lacks the row %s (%d rows, table has %d)", topic, key, len(got), len(want))
		}
		for name, text := range w {
			if g[name] != text {
				return fmt.Errorf("topic %s, row %s, column %s: %q, the table has %q", topic, key, name, g[name], text)
			}
		}
	}
	for key := range got {
		if _, ok := want[key]; !ok {
			return fmt.Errorf("topic %s has the row %s, which the table has not", topic, key)
		}
	}
	return nil
}
