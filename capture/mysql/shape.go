package mysql

import (
	"fmt"

	"cdcbridge/changelog"
	"cdcbridge/internal/fault"
)

// shape is the prepared decoder of one TABLE_MAP body and the table version that it describes. It is immutable.
type shape struct {
	body      string // of the TABLE_MAP, from the names on; "": it is of none
	table     *changelog.Table
	columns   []column
	nullBytes int
}

// columnFacts are what the catalogue knows of a column and the log does not say. They decorate the table; row data never
// depends on them.
type columnFacts struct {
	Name       string
	ColumnType string // information_schema.COLUMNS.COLUMN_TYPE, for example "tinyint(1)"
	Generated  bool
}

// shape prepares the decoder of a table that is described in full. The Table has no ID and no Version yet: capture.Shapes
// gives it these, or gives another Table that is equal.
func (l tableLayout) shape(name tableName, facts []columnFacts) (*shape, error) {
	if err := l.readNatives(name, facts); err != nil {
		return nil, err
	}
	n := len(l.columns)
	t := &changelog.Table{Origin: (&serverFacts{mariadb: l.mariadb}).origin(), Database: name.database, Name: name.name, Columns: make([]changelog.Column, n), Key: l.meta.key}
	s := &shape{table: t, columns: make([]column, n), nullBytes: (n + 7) / 8}
	for i := range n {
		if err := s.prepare(i, l); err != nil {
			return nil, fmt.Errorf("table %s: %w", t.FullName(), err)
		}
		decorate(&t.Columns[i], facts)
	}
	return s, nil
}

// mismatch is for rows that do not fit the table map that came before them.
func (s *shape) mismatch(format string, args ...any) error {
	return fault.NewFinal(fault.SchemaUnknown, "decoding rows of "+s.table.FullName(), fmt.Errorf(format, args...),
		"Nothing was skipped. The rows do not fit the table description in the log: check the binlog file with mysqlbinlog -vv at this position.")
}

// valueFault is for a value that its type does not allow.
func (s *shape) valueFault(c *column, err error) error {
	return fault.NewFinal(fault.Decode, "decoding rows of "+s.table.FullName(), fmt.Errorf("column %q: %w", c.name, err),
		"Nothing was skipped. Check the row on the server and the binlog file (mysqlbinlog -vv); if both are fine, report this with the column's definition.")
}
