package mysql

import "fmt"

// This file compares a table's schema with what the log says of it in any case: the columns' number, types, type metadata and
// nullability, and on releases that write them signedness and character sets.

// contradicts says in what a TABLE_MAP differs from the layout that was made of the table's schema; "" when in nothing.
func (l tableLayout) contradicts(log tableLayout) string {
	if len(l.columns) != len(log.columns) {
		return fmt.Sprintf("the log has %d columns where %d are known", len(log.columns), len(l.columns))
	}
	for i, known := range l.columns {
		c, name := log.columns[i], l.meta.names[i]
		switch {
		case !sameStorage(known, c):
			return fmt.Sprintf("column %q has the type %d(%d) in the log and is known with %d(%d)", name, c.typ, c.meta, known.typ, known.meta)
		case known.nullable != c.nullable:
			return fmt.Sprintf("column %q may be NULL: the log says %v, known is %v", name, c.nullable, known.nullable)
		case log.meta.unsigned != nil && c.typ.numeric() && c.typ != typeYear && log.meta.unsigned[i] != l.meta.unsigned[i]:
			return fmt.Sprintf("column %q is unsigned: the log says %v, known is %v", name, log.meta.unsigned[i], l.meta.unsigned[i])
		case log.meta.collations != nil && c.typ.character() && log.meta.collations[i] != l.meta.collations[i]:
			return fmt.Sprintf("column %q has the collation %d in the log and is known with %d", name, log.meta.collations[i], l.meta.collations[i])
		}
	}
	return ""
}

// sameStorage compares how a column is stored. Columns of old tables can have forms that the catalogue does not tell apart, in
// which the log says nothing of a fraction (readNatives).
func sameStorage(known, log columnLayout) bool {
	if known.typ == log.typ {
		return known.meta == log.meta
	}
	switch known.typ {
	case typeNewDate:
		return log.typ == typeDate
	case typeTimestamp2:
		return log.typ == typeTimestamp
	case typeDateTime2:
		return log.typ == typeDateTime
	case typeTime2:
		return log.typ == typeTime
	}
	return false
}

// isSequence reports the columns that every sequence of MariaDB has, of which the log shows the counters as rows.
func (l tableLayout) isSequence() bool {
	names := [...]string{"next_not_cached_value", "minimum_value", "maximum_value", "start_value", "increment", "cache_size", "cycle_option", "cycle_count"}
	if !l.mariadb || len(l.meta.names) != len(names) {
		return false
	}
	for i := range names {
		if string(l.meta.names[i]) != names[i] {
			return false
		}
	}
	return true
}
