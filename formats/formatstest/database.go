package formatstest

import (
	"slices"

	"cdcbridge/changelog"
	"cdcbridge/formats"
)

const postgres = "postgresql"

// database is one kind of source: what its columns can hold, and what its tables look like.
type database struct {
	origin  string
	schema  string
	columns func() []column
	orders  func() *changelog.Table
}

func databases() []database {
	return []database{
		{"mysql", "", mysqlColumns, Orders},
		{mariadb, "", mariadbColumns, MariaDBOrders},
		{postgres, "public", postgresColumns, PostgresOrders},
	}
}

// table makes a table whose key is its first column.
func (d *database) table(name string, columns ...changelog.Column) *changelog.Table {
	return &changelog.Table{Version: 1, Origin: d.origin, Database: "shop", Schema: d.schema, Name: name, Key: []int{0}, Columns: columns}
}

// wide has every column of the fixture behind a BIGINT key, and wideRow an ordinary row of it.
func (d *database) wide(cols []column) *changelog.Table {
	t := d.table("wide", changelog.Column{Name: "id", Type: changelog.Type{Kind: changelog.KindInt, Bits: 64}, SourceType: "bigint"})
	for _, c := range cols {
		t.Columns = append(t.Columns, c.Column)
	}
	return t
}

func wideRow(cols []column, pick int) changelog.Row {
	row := changelog.Row{changelog.Int(int64(pick))}
	for _, c := range cols {
		row = append(row, c.values[pick%len(c.values)])
	}
	return row
}

const commit = int64(1714979289_123_456) // 2024-05-06 07:08:09.123456 UTC

// context is what stands around a change of the table.
func context(table *changelog.Table) *formats.Context {
	c := &formats.Context{Now: commit + 333_000, Seq: 7}
	if table.Origin == postgres {
		c.Txn = &changelog.Txn{
			ID: "1305:54094928", Commit: commit, First: true, Last: true,
			Origin: changelog.Origin{Pos: 54094928, XID: 1305, LastCommit: 54094408},
		}
		c.Run = &changelog.Run{Table: table, To: 1, Time: commit}
		return c
	}
	gtid, thread := "3e11fa47-71ca-11e1-9e33-c80aa9429562:23", uint64(12)
	if table.Origin == mariadb {
		gtid, thread = "0-101-23", 0 // most of its releases do not log who ran a transaction
	}
	c.Txn = &changelog.Txn{
		ID: gtid, Commit: commit, First: true, Last: true,
		Origin: changelog.Origin{File: "mysql-bin.000003", Pos: 197, GTID: gtid, ServerID: 101, Thread: thread},
	}
	c.Run = &changelog.Run{Table: table, To: 1, Pos: 484, File: "mysql-bin.000003", Time: commit / 1_000_000 * 1_000_000}
	return c
}

// splitContext stands around one half of a key change.
func splitContext(table *changelog.Table) *formats.Context {
	c := context(table)
	c.Split = true
	return c
}

// snapshotContext stands around a row that was read. Its origin may say more than a format may write of it.
func snapshotContext(table *changelog.Table, place changelog.Snapshot) *formats.Context {
	c := context(table)
	c.Txn.ID, c.Txn.Snapshot, c.Txn.Commit = "", true, commit+2_345_678
	c.Run.Snapshot, c.Run.Time = place, 0
	return c
}

// EveryValue is a MySQL table with a column of every kind behind a BIGINT key, and rows in which every value of the fixture
// occurs: ordinary values, extremes, NULLs, zero dates and text that is not UTF-8. Golden files are made from it.
func EveryValue() (*changelog.Table, []changelog.Row) { return databases()[0].everyValue() }

// EveryPostgresValue is the same for PostgreSQL. A format may refuse some of the values.
func EveryPostgresValue() (*changelog.Table, []changelog.Row) { return databases()[2].everyValue() }

func (d *database) everyValue() (*changelog.Table, []changelog.Row) {
	cols := d.columns()
	values := func(c *column) []changelog.Value {
		return slices.Concat([]changelog.Value{changelog.Null()}, c.all(), c.oneKey)
	}
	most := 0
	for i := range cols {
		most = max(most, len(values(&cols[i])))
	}
	rows := make([]changelog.Row, most)
	for n := range rows {
		rows[n] = changelog.Row{changelog.Int(int64(n))}
		for i := range cols {
			all := values(&cols[i])
			rows[n] = append(rows[n], all[n%len(all)])
		}
	}
	return d.wide(cols), rows
}
