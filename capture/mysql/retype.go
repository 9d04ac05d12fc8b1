package mysql

import (
	"slices"
	"strings"

	"cdcbridge/capture/mysql/schema"
)

// This file judges MODIFY and CHANGE, which define a column anew: often only with another name, or with more room for values
// that stay as they are. Whether it is so is told by the shapes of the table before and after the statement.

// converts reports whether a statement that defines columns anew can have changed values. before is the table's shape then;
// nil: not known.
func (h *history) converts(st statement, before *schema.Table) bool {
	if before == nil {
		return true
	}
	after := h.cat.Table(before.Name)
	if after == nil {
		return true
	}
	for _, r := range st.retypes {
		old, now := columnNamed(before, r.from), columnNamed(after, r.to)
		if old == nil || now == nil || now.Generated || !holds(*old, *now) {
			return true
		}
	}
	return false
}

func columnNamed(t *schema.Table, name string) *schema.Column {
	i := slices.IndexFunc(t.Columns, func(c schema.Column) bool { return strings.EqualFold(c.Name, name) })
	if i < 0 {
		return nil
	}
	return &t.Columns[i]
}

// widths orders types of which each holds all values of those before it, as they are.
var widths = [][]string{
	{"tinyint", "smallint", "mediumint", "int", "bigint"},
	{"tinytext", "text", "mediumtext", "longtext"},
	{"tinyblob", "blob", "mediumblob", "longblob"},
}

// holds reports whether a column keeps its values, and their text, in its new form.
func holds(old, now schema.Column) bool {
	if old.Nullable && !now.Nullable || old.Generated != now.Generated || old.Collation != now.Collation || unsigned(old) != unsigned(now) || old.FSP != now.FSP {
		return false
	}
	if old.DataType != now.DataType {
		return slices.ContainsFunc(widths, func(types []string) bool {
			from := slices.Index(types, old.DataType)
			return from >= 0 && from < slices.Index(types, now.DataType)
		})
	}
	switch now.DataType {
	case "decimal":
		return old.Scale == now.Scale && old.Precision <= now.Precision
	case "varchar", "varbinary":
		return old.Octets <= now.Octets
	case "enum", "set":
		return len(old.Labels) <= len(now.Labels) && slices.Equal(old.Labels, now.Labels[:len(old.Labels)])
	}
	return plainType(old.ColumnType) == plainType(now.ColumnType)
}

func unsigned(c schema.Column) bool {
	return strings.Contains(afterParentheses(c.ColumnType), "unsigned")
}
