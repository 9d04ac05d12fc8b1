package upsert

import (
	"fmt"
	"regexp"
	"strings"

	"cdcbridge/changelog"
	"cdcbridge/internal/fault"
)

// KeyRule says which columns form the record key of some tables.
type KeyRule struct {
	tables  *regexp.Regexp // matches the whole of a table's full name
	columns []string
}

// ParseKeyRules reads Debezium's message.key.columns: "database.table:column,column;…", with schema.table on PostgreSQL. What
// stands before the colon is a regular expression, in any case.
func ParseKeyRules(text string) ([]KeyRule, error) {
	var rules []KeyRule
	for part := range strings.SplitSeq(text, ";") {
		if part = strings.TrimSpace(part); part == "" {
			continue
		}
		tables, list, ok := strings.Cut(part, ":")
		if tables = strings.TrimSpace(tables); !ok || tables == "" {
			return nil, fmt.Errorf("%q is not of the form database.table:column,column", part)
		}
		re, err := regexp.Compile("(?i)^(?:" + tables + ")$")
		if err != nil {
			return nil, fmt.Errorf("%q is no regular expression: %w", tables, err)
		}
		rule := KeyRule{tables: re}
		for column := range strings.SplitSeq(list, ",") {
			if column = strings.TrimSpace(column); column == "" || strings.Contains(column, ":") {
				return nil, fmt.Errorf("%q is not of the form database.table:column,column", part)
			}
			rule.columns = append(rule.columns, column)
		}
		rules = append(rules, rule)
	}
	return rules, nil
}

// keyByRule finds the columns that an output's rules give a table; nil: none of them is about it. Several rules of one table add
// up, as in Debezium, but a column that the table does not have is an error: another key would be written than was meant.
func keyByRule(rules []KeyRule, t *changelog.Table) ([]int, error) {
	var key []int
	for i := range rules {
		if !rules[i].tables.MatchString(t.FullName()) {
			continue
		}
		for _, name := range rules[i].columns {
			column := columnNamed(t, name)
			if column < 0 {
				return nil, fault.NewFinal(fault.Config, "resolving the record key", fmt.Errorf("table %s has no column %q", t.FullName(), name),
					"Correct message_key_columns of the output, or let its expression match other tables.")
			}
			for _, k := range key {
				if k == column {
					return nil, fault.NewFinal(fault.Config, "resolving the record key", fmt.Errorf("column %q of table %s is named twice", name, t.FullName()),
						"Correct message_key_columns of the output.")
				}
			}
			key = append(key, column)
		}
	}
	return key, nil
}

// columnNamed finds a column by its exact name, else in any case if only one has it.
func columnNamed(t *changelog.Table, name string) int {
	if i := t.ColumnIndex(name); i >= 0 {
		return i
	}
	found := -1
	for i := range t.Columns {
		if strings.EqualFold(t.Columns[i].Name, name) {
			if found >= 0 {
				return -1
			}
			found = i
		}
	}
	return found
}
