package postgres

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"cdcbridge/capture"
	"cdcbridge/internal/fault"
)

// scanTable is what reading a table takes, as the catalogue had it at one moment. It is immutable.
type scanTable struct {
	oid   uint32
	kind  byte   // pg_class.relkind
	mark  string // of the moment
	parts string // the partitions, as text; "" of a table without
	sql   string // the table in FROM
	shape *shape
	key   []keyColumn // empty: there is no index to read by
	where string      // the publication's own condition, "" for all rows
}

// loadTable asks the catalogue within the moment's transaction.
func (r *reader) loadTable(ctx context.Context, m moment) (*scanTable, error) {
	cat := r.src.catalog()
	cat.c = r.c
	facts, err := cat.one(ctx, m.oid)
	if err != nil {
		return nil, err
	}
	if facts == nil {
		return nil, fmt.Errorf("it is no table that the log has: %w", capture.ErrTableGone)
	}
	body := facts.relation()
	if len(body.Columns) == 0 {
		return nil, fmt.Errorf("the publication %s does not have it: %w", cat.publication, capture.ErrTableGone)
	}
	types := newTypeBook()
	if err := types.load(ctx, r.c, body.types()); err != nil {
		return nil, err
	}
	t := &scanTable{oid: m.oid, kind: m.kind, mark: m.mark, sql: lockTarget(facts.sql(), m.kind)}
	if t.shape, err = r.src.version(&body, facts, types, nil); err != nil {
		return nil, err
	}
	indexes, err := r.c.keyIndexes(ctx, []uint32{t.oid})
	if err != nil {
		return nil, err
	}
	if t.key, err = scanKey(t.shape, indexes[t.oid], types); err != nil {
		return nil, err
	}
	rows, err := r.c.query(ctx, "SELECT rowfilter FROM pg_publication_tables WHERE pubname = $1 AND schemaname = $2 AND tablename = $3", cat.publication, facts.schema, facts.name)
	if err != nil {
		return nil, err
	}
	if len(rows) == 1 {
		t.where = rows[0][0]
	}
	if t.kind == 'p' {
		t.parts, err = r.c.parts(ctx, facts.sql())
	}
	return t, err
}

// relation describes the table as the log would now.
func (f *tableFacts) relation() relationBody {
	r := relationBody{OID: f.oid, Schema: f.schema, Name: f.name, Identity: f.declared}
	for _, c := range f.columns {
		if c.published {
			r.Columns = append(r.Columns, relationColumn{Key: slices.Contains(f.declares, c.name), Name: c.name, Type: c.typ, Modifier: c.modifier})
		}
	}
	return r
}

// partsSQL gives the partitions of a table by its SQL name, the newest ones also within an old transaction.
func partsSQL(table string) string {
	return "(SELECT coalesce(array_agg(relid::oid ORDER BY relid::oid)::text, '') FROM pg_partition_tree(to_regclass(" + quote(table) + ")))"
}

func (c *conn) parts(ctx context.Context, table string) (string, error) {
	rows, err := c.query(ctx, "SELECT "+partsSQL(table))
	if err != nil {
		return "", err
	}
	return rows[0][0], nil
}

// keysSQL lists the indexes of a table by which it could be read in chunks, with their columns in order: each row has one key and
// each key is of one row. Of each column's operator family it has the five operators of a B-tree. Constraints that were
// never checked hold for no old row.
const keysSQL = `SELECT i.indrelid, i.indexrelid, i.indnkeyatts, a.attname, i.indoption[(k.n - 1)::int], i.indcollation[(k.n - 1)::int], oc.opcfamily,
 (SELECT quote_ident(n.nspname) || '.' || quote_ident(o.collname) FROM pg_collation o JOIN pg_namespace n ON n.oid = o.collnamespace WHERE o.oid = i.indcollation[(k.n - 1)::int]), i.indcollation[(k.n - 1)::int] <> a.attcollation,
 (SELECT json_agg(quote_ident(n.nspname) || '.' || o.oprname ORDER BY m.amopstrategy) FROM pg_amop m JOIN pg_operator o ON o.oid = m.amopopr JOIN pg_namespace n ON n.oid = o.oprnamespace
  WHERE m.amopfamily = oc.opcfamily AND m.amoplefttype = oc.opcintype AND m.amoprighttype = oc.opcintype AND m.amoppurpose = 's')
FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid JOIN pg_am am ON am.oid = x.relam AND am.amname = 'btree'
 CROSS JOIN LATERAL unnest(i.indkey::int2[]) WITH ORDINALITY k(attnum, n) JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum JOIN pg_opclass oc ON oc.oid = i.indclass[(k.n - 1)::int]
WHERE i.indrelid = ANY($1) AND i.indisunique AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL AND k.n <= i.indnkeyatts AND a.attnotnull
 AND NOT EXISTS (SELECT FROM pg_constraint s WHERE s.conrelid = a.attrelid AND s.contype = 'n' AND NOT s.convalidated AND s.conkey[1] = a.attnum)
ORDER BY i.indrelid, i.indisprimary DESC, i.indexrelid, k.n`

// keyIndexes gives the rows of keysSQL by table.
func (c *conn) keyIndexes(ctx context.Context, oids []uint32) (map[uint32][][]string, error) {
	rows, err := c.query(ctx, keysSQL, oidArray(oids))
	if err != nil {
		return nil, err
	}
	out := map[uint32][][]string{}
	for _, r := range rows {
		oid, err := parseOID(r[0])
		if err != nil {
			return nil, err
		}
		out[oid] = append(out[oid], r[1:])
	}
	return out, nil
}

// scanKey finds among the indexes of a table one that has the columns of its key, if possible in their order. The key comes in the
// order of the index.
func scanKey(sh *shape, rows [][]string, types *typeBook) ([]keyColumn, error) {
	var found []keyColumn
	for len(rows) > 0 && len(sh.table.Key) > 0 {
		n := 1
		for n < len(rows) && rows[n][0] == rows[0][0] {
			n++
		}
		index := rows[:n]
		rows = rows[n:]
		if index[0][1] != strconv.Itoa(n) || n != len(sh.table.Key) {
			continue // it has other columns, or some that may be NULL
		}
		key, err := keyOf(sh, index, types)
		if err != nil {
			return nil, err
		}
		same := slices.EqualFunc(key, sh.table.Key, func(k keyColumn, i int) bool { return k.index == i })
		if key != nil && (found == nil || same) {
			found = key
		}
		if same {
			break
		}
	}
	return found, nil
}

// keyOf makes a key of an index when that has the columns of the table's key, else nil.
func keyOf(sh *shape, index [][]string, types *typeBook) ([]keyColumn, error) {
	var key []keyColumn
	for _, r := range index {
		k := keyColumn{index: sh.table.ColumnIndex(r[2]), name: identifier(r[2])}
		if !slices.Contains(sh.table.Key, k.index) {
			return nil, nil
		}
		var ops []string
		if err := json.Unmarshal([]byte(r[8]), &ops); err != nil || len(ops) != 5 {
			return nil, fault.New(fault.Source, "reading the catalogue", fmt.Errorf("the operators of an index are %q", r[8]), "")
		}
		for i, op := range []*operator{&k.less, &k.upTo, &k.equal, &k.from, &k.greater} {
			*op = operator("OPERATOR(" + ops[i] + ")")
		}
		if k.collation = r[6]; k.collation != "" && r[7] == "t" {
			k.name += " COLLATE " + k.collation
		}
		k.typ = types.below(sh.oids[k.index])
		k.nature = fmt.Sprintf("%d.%s.%s", k.typ, r[4], r[5])
		// An index that descends is read from its end. Where it has NULLs is part of its order, although there are none.
		const descends, nullsFirst = "1", "2"
		if r[3] == descends || r[3] == nullsFirst {
			k.nulls = " NULLS FIRST"
		}
		key = append(key, k)
	}
	return key, nil
}

// below is the type at the bottom of domains.
func (tb *typeBook) below(oid uint32) uint32 {
	for range maxTypeDepth {
		f, ok := tb.facts[oid]
		if !ok || f.kind != 'd' {
			break
		}
		oid = f.base
	}
	return oid
}

// keyNames are the columns of a key as ScanTable has them.
func keyNames(sh *shape, key []keyColumn) []string {
	var out []string
	for _, k := range key {
		out = append(out, sh.table.Columns[k.index].Name)
	}
	return out
}

// chunkSQL is the statement that reads a chunk, as a cursor's. Rows come in the order of the key and have the columns of the shape.
// A table without key is read as it lies, and only rows that meet the conditions come. Of another one with conditions every row of the range comes, so that a read that finds few of them ends in time: before the columns is
// whether the row meets them, and of one that does not there is the key only.
func (t *scanTable) chunkSQL(after, upTo *scanCursor, where string) (string, *condition) {
	q := &condition{}
	q.beyond(t.key, after, true)
	q.beyond(t.key, upTo, false)
	within := ""
	if len(q.sql) > 0 {
		within = " WHERE " + strings.Join(q.sql, " AND ")
	}
	columns := make([]string, len(t.shape.columns))
	for i, c := range t.shape.table.Columns {
		columns[i] = identifier(c.Name)
	}
	var conditions []string
	for _, w := range []string{t.where, where} {
		if w != "" {
			conditions = append(conditions, "("+w+"\n)") // it may end with a comment
		}
	}
	if len(t.key) == 0 {
		if len(conditions) > 0 {
			within = " WHERE " + strings.Join(conditions, " AND ")
		}
		return "SELECT " + strings.Join(columns, ", ") + " FROM " + t.sql + within, q
	}
	sorted := " ORDER BY " + order(t.key)
	if !t.filtered(where) {
		return "SELECT " + strings.Join(columns, ", ") + " FROM " + t.sql + within + sorted, q
	}
	inner, outer := make([]string, len(columns)), make([]string, len(columns))
	for i := range columns {
		inner[i], outer[i] = fmt.Sprintf("%s AS c%d", columns[i], i), fmt.Sprintf("CASE WHEN met THEN c%d END", i)
	}
	for _, k := range t.key {
		outer[k.index] = fmt.Sprintf("c%d", k.index)
	}
	// OFFSET 0 makes the server judge each row once.
	return "SELECT met, " + strings.Join(outer, ", ") + " FROM (SELECT (" + strings.Join(conditions, " AND ") + ") IS TRUE AS met, " + strings.Join(inner, ", ") + " FROM " + t.sql + within + sorted + " OFFSET 0) chunk", q
}

// filtered reports a chunk of which rows come that nobody wants, so that the cursor moves.
func (t *scanTable) filtered(where string) bool {
	return len(t.key) > 0 && (t.where != "" || where != "")
}

// fits makes sure that a chunk speaks of the table as it is.
func (t *scanTable) fits(c capture.Chunk, after, upTo *scanCursor) error {
	key := keyNames(t.shape, t.key)
	switch {
	case !slices.Equal(c.Table.Key, key):
		return fmt.Errorf("%w: it was (%s) and is (%s)", capture.ErrKeyChanged, strings.Join(c.Table.Key, ", "), strings.Join(key, ", "))
	case !after.of(t.key) || !upTo.of(t.key):
		return fmt.Errorf("%w: a column has another type, collation or order", capture.ErrKeyChanged)
	}
	return nil
}
