package endtoend

import (
	"context"
	"fmt"
	"strings"
)

// mysqlColumn is one column as information_schema describes it.
type mysqlColumn struct {
	name, data, full string // column_name, data_type, column_type
	precision        int    // of temporal types
	scale            int
	key              bool
}

func (f *mysqlColumn) label() string { return f.name }
func (f *mysqlColumn) inKey() bool   { return f.key }

func (m *mysqlDatabase) columns(ctx context.Context, t table) ([]column, error) {
	rows, err := m.db.QueryContext(ctx, `SELECT column_name, data_type, column_type, COALESCE(datetime_precision, 0), COALESCE(numeric_scale, 0), column_key = 'PRI'
		FROM information_schema.columns WHERE table_schema = ? AND table_name = ? ORDER BY ordinal_position`, t.schema, t.name)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []column
	for rows.Next() {
		f := &mysqlColumn{}
		if err := rows.Scan(&f.name, &f.data, &f.full, &f.precision, &f.scale, &f.key); err != nil {
			return nil, err
		}
		out = append(out, f)
	}
	return out, rows.Err()
}

// selectExpr is how the table prints the column in the oracle's own text form.
func (f *mysqlColumn) selectExpr(format string) string {
	c := quoted(f.name)
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
		return c + " + 0e0" // as a double: a float prints six digits
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

func (m *mysqlDatabase) rows(ctx context.Context, t table, format string, columns []column) (map[string]map[string]string, error) {
	var exprs []string
	for _, c := range columns {
		exprs = append(exprs, c.(*mysqlColumn).selectExpr(format))
	}
	const session = "SET SESSION time_zone='+00:00', sql_mode=''"
	return selectRows(ctx, m.db, session, fmt.Sprintf("SELECT %s FROM `%s`.`%s`", strings.Join(exprs, ", "), t.schema, t.name), columns)
}

// normalize brings texts that mean the same to one form: floats and JSON documents.
func (f *mysqlColumn) normalize(s string) string {
	switch f.data {
	case "float":
		return floatText(s, 32)
	case "double":
		return floatText(s, 64)
	case "json":
		return normalizeJSON(s)
	}
	return s
}
