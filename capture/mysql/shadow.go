package mysql

import (
	"slices"

	"cdcbridge/capture/mysql/schema"
)

// This file knows the tables that tools for changing a large table online (gh-ost, pt-online-schema-change) work with. Such a
// tool makes a copy of the table in the new form, its shadow, fills it while the table is in use, and swaps the two by a
// RENAME. The rows of the table are then those of the shadow, which nobody has read: the swap is an ALTER TABLE, and is judged
// by what the tool did to the shadow and by the difference of the two.

// shadow reports a table of such a tool.
func (h *history) shadow(n tableName) bool { return h.shadows.Match(n.database, n.name) }

// loses gives those of a statement's tables of which rows change without being logged.
func (s *stream) loses(st statement, names []tableName) []tableName {
	if st.kind != stmtRows {
		return nil
	}
	h := s.src.history
	return slices.DeleteFunc(slices.Clone(names), func(n tableName) bool {
		return h.shadow(n) || len(st.renames) > 0 && s.swapped(st, n)
	})
}

// swapped reports whether a RENAME puts a shadow in the place of a table, and the table out of the way, without other values
// than an ALTER TABLE that passes would leave.
func (s *stream) swapped(st statement, n tableName) bool {
	h := s.src.history
	in, out := false, false
	for _, r := range st.renames {
		from, to := s.src.stored(r.from), s.src.stored(r.to)
		out = out || from == n && h.shadow(to)
		in = in || out && to == n && h.shadow(from) && h.keeps(from, n)
	}
	return in
}

// keeps reports whether a shadow has the values of the table: it was made in this log, no statement gave a column of it other
// values, and no column has a type that changes them.
func (h *history) keeps(shadow, table tableName) bool {
	now, next := h.table(table), h.table(shadow)
	if now == nil || next == nil || !h.copies[next.Name] {
		return false
	}
	for _, c := range next.Columns {
		i := slices.IndexFunc(now.Columns, func(old schema.Column) bool { return old.Name == c.Name })
		if i < 0 && (!c.Nullable || c.Generated) || i >= 0 && !holds(now.Columns[i], c) {
			return false
		}
	}
	return true
}

// note follows what a statement does to shadows.
func (h *history) follow(st statement, changed []schema.Name) {
	for _, n := range changed {
		switch {
		case h.cat.Table(n) == nil || !h.shadows.Match(n.Database, n.Table):
			delete(h.copies, n)
		case st.creates:
			h.copies[n] = true
		case len(st.renames) > 0 || st.kind == stmtRows:
			delete(h.copies, n)
		}
	}
}
