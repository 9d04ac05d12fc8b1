package postgres

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// rowQuerier asks the server and gives rows of text; NULL is "".
type rowQuerier interface {
	query(ctx context.Context, sql string, args ...string) ([][]string, error)
}

// A type is an array when it prints as one: int2vector has an element type too and prints otherwise.
const typeQuery = `SELECT t.oid, CASE n.nspname WHEN 'pg_catalog' THEN '' ELSE n.nspname END, t.typname, t.typtype,
  pg_catalog.format_type(t.oid, NULL), t.typbasetype, t.typtypmod,
  CASE t.typoutput WHEN 'pg_catalog.array_out'::pg_catalog.regproc THEN t.typelem ELSE 0 END, t.typdelim
FROM pg_catalog.pg_type t JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
WHERE t.oid = ANY ($1::pg_catalog.oid[])`

// labelQuery has the labels of enums in their order. They are of today: what a row holds never depends on them.
const labelQuery = `SELECT enumtypid, enumlabel FROM pg_catalog.pg_enum WHERE enumtypid = ANY ($1::pg_catalog.oid[]) ORDER BY enumtypid, enumsortorder`

// load reads what the book lacks of the types, of the domains' base types and of the arrays' elements. A type that the
// catalogue does not have is no error here: the log may have named it.
func (tb *typeBook) load(ctx context.Context, q rowQuerier, oids []uint32) error {
	missing := tb.missing(oids)
	for len(missing) > 0 {
		rows, err := q.query(ctx, typeQuery, oidArray(missing))
		if err != nil {
			return fmt.Errorf("reading pg_type: %w", err)
		}
		var below, enums []uint32
		for _, row := range rows {
			oid, f, err := tb.learn(row)
			if err != nil {
				return fmt.Errorf("reading pg_type: %w", err)
			}
			if f.kind == 'e' {
				enums = append(enums, oid)
			}
			below = append(below, f.base, f.elem)
		}
		if err := tb.loadLabels(ctx, q, enums); err != nil {
			return fmt.Errorf("reading pg_enum: %w", err)
		}
		missing = tb.missing(below)
	}
	return nil
}

// loadLabels reads the labels of enums that the book has learnt.
func (tb *typeBook) loadLabels(ctx context.Context, q rowQuerier, enums []uint32) error {
	if len(enums) == 0 {
		return nil
	}
	rows, err := q.query(ctx, labelQuery, oidArray(enums))
	if err != nil {
		return err
	}
	for _, row := range rows {
		if len(row) != 2 {
			return fmt.Errorf("the row %q", row)
		}
		oid, err := strconv.ParseUint(row[0], 10, 32)
		if err != nil {
			return err
		}
		f := tb.facts[uint32(oid)]
		f.labels = append(f.labels, row[1])
		tb.facts[uint32(oid)] = f
	}
	return nil
}

// learn takes one row of typeQuery.
func (tb *typeBook) learn(row []string) (uint32, typeFacts, error) {
	const columns = 9
	if len(row) != columns || len(row[3]) != 1 || len(row[8]) != 1 {
		return 0, typeFacts{}, fmt.Errorf("the row %q", row)
	}
	f := typeFacts{typeName: typeName{row[1], row[2]}, kind: row[3][0], source: row[4], delim: row[8][0]}
	oid, err := strconv.ParseUint(row[0], 10, 32)
	if err != nil {
		return 0, f, err
	}
	base, err := strconv.ParseUint(row[5], 10, 32)
	if err != nil {
		return 0, f, err
	}
	modifier, err := strconv.ParseInt(row[6], 10, 32)
	if err != nil {
		return 0, f, err
	}
	elem, err := strconv.ParseUint(row[7], 10, 32)
	if err != nil {
		return 0, f, err
	}
	f.base, f.modifier, f.elem = uint32(base), int32(modifier), uint32(elem)
	tb.facts[uint32(oid)] = f
	return uint32(oid), f, nil
}

// missing are the types of which the book has no row, each once.
func (tb *typeBook) missing(oids []uint32) []uint32 {
	var out []uint32
	for _, oid := range oids {
		if oid == 0 || builtinIndex[oid] != nil || slices.Contains(out, oid) {
			continue
		}
		if _, known := tb.facts[oid]; !known {
			out = append(out, oid)
		}
	}
	return out
}

func oidArray(oids []uint32) string {
	var s strings.Builder
	for i, oid := range oids {
		s.WriteByte("{,"[min(i, 1)])
		s.WriteString(strconv.FormatUint(uint64(oid), 10))
	}
	s.WriteByte('}')
	return s.String()
}
