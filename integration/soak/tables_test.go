package soak

import (
	"context"
	"database/sql"
	"fmt"
	"math/big"
	"strings"

	"cdcbridge/integration/harness"
)

// table is one that both databases have. Its columns are the key and then the others.
type table struct {
	name    string
	key     int // so many columns of it
	columns []string
	types   []string
}

var (
	orders    = table{"orders", 1, []string{"id", "region", "qty", "status", "amount", "touched", "note"}, []string{"BIGINT", "INT NOT NULL", "INT NOT NULL", "VARCHAR(20) NOT NULL", "DECIMAL(12,2) NOT NULL", "TIMESTAMP(3) NOT NULL", "VARCHAR(200)"}}
	items     = table{"items", 2, []string{"order_id", "line", "product", "price"}, []string{"BIGINT", "INT", "VARCHAR(40) NOT NULL", "DECIMAL(8,2)"}}
	documents = table{"documents", 1, []string{"id", "views", "body"}, []string{"INT", "INT NOT NULL", "TEXT"}}
	audit     = table{"audit", 1, []string{"id", "what"}, []string{"BIGINT", "VARCHAR(60) NOT NULL"}}
	coupons   = table{"coupons", 1, []string{"id", "percent"}, []string{"BIGINT", "INT NOT NULL"}}
)

// create is the statement that makes the table.
func (t table) create(mysql bool) string {
	var parts []string
	for i, name := range t.columns {
		typ := t.types[i]
		if mysql {
			typ = strings.NewReplacer("TIMESTAMP", "DATETIME", "TEXT", "MEDIUMTEXT").Replace(typ)
		}
		parts = append(parts, name+" "+typ)
	}
	return fmt.Sprintf("CREATE TABLE %s (%s, PRIMARY KEY (%s))", t.name, strings.Join(parts, ", "), strings.Join(t.columns[:t.key], ", "))
}

// rows reads the table as key → column → text.
func (t table) rows(ctx context.Context, db *sql.DB) (map[string]map[string]string, error) {
	found, err := db.QueryContext(ctx, "SELECT * FROM "+t.name)
	if err != nil {
		return nil, fmt.Errorf("selecting %s: %w", t.name, err)
	}
	rows, err := harness.Texts(found, t.columns, t.normal)
	if err != nil {
		return nil, fmt.Errorf("selecting %s: %w", t.name, err)
	}
	out := make(map[string]map[string]string, len(rows))
	for _, row := range rows {
		out[t.keyText(row)] = row
	}
	return out, nil
}

func (t table) keyText(row map[string]string) string {
	var parts []string
	for _, name := range t.columns[:t.key] {
		parts = append(parts, row[name])
	}
	return strings.Join(parts, " ")
}

// normal is one text for all texts of a value of column i.
func (t table) normal(i int, s string) string {
	switch {
	case strings.HasPrefix(t.types[i], "DECIMAL"):
		if r, ok := new(big.Rat).SetString(s); ok {
			return r.RatString()
		}
	case strings.HasPrefix(t.types[i], "TIMESTAMP"):
		s = strings.Replace(strings.TrimSuffix(s, "Z"), "T", " ", 1)
		if strings.Contains(s, ".") {
			s = strings.TrimRight(strings.TrimRight(s, "0"), ".")
		}
	}
	return s
}
