package postgres

import (
	"context"
	"errors"
	"fmt"
	"math/bits"
	"slices"
	"strconv"

	"cdcbridge/capture"
)

// Bounds implements capture.Reader.
func (r *reader) Bounds(ctx context.Context, t capture.ScanTable, n int) ([]capture.Cursor, error) {
	if n < 2 || len(t.Key) == 0 {
		return nil, nil
	}
	bounds, err := r.bounds(ctx, t, n)
	if err == nil {
		return bounds, nil
	}
	if errors.Is(err, capture.ErrTableGone) || state(err) == undefinedTable {
		return nil, capture.ErrTableGone
	}
	switch state(err) {
	case lockNotAvailable, "42501", "57014": // somebody alters it, it must not be read, or that takes long
		_, err = r.c.query(ctx, "ROLLBACK")
		return nil, err
	}
	return nil, serverFault("cutting "+t.FullName()+" into ranges", cause(ctx, err))
}

// bounds cuts by the first column of the key: evenly between the least and the greatest number, or by what ANALYZE has found.
func (r *reader) bounds(ctx context.Context, st capture.ScanTable, n int) ([]capture.Cursor, error) {
	table := identifier(st.Schema) + "." + identifier(st.Name)
	s := &scan{reader: r, table: table}
	_, kind, err := s.find(ctx, r.tables[table])
	if err != nil {
		return nil, err
	}
	m, err := r.c.beginMoment(ctx, table, kind, r.src.cfg.Publication, scanLock)
	if err != nil {
		return nil, err
	}
	if _, err := r.c.query(ctx, "SET LOCAL statement_timeout = 2000"); err != nil {
		return nil, err
	}
	t, err := r.loadTable(ctx, m)
	var values []string
	if err == nil && slices.Equal(keyNames(t.shape, t.key), st.Key) {
		switch t.key[0].typ {
		case 20, 21, 23: // int8, int2, int4
			values, err = r.c.evenly(ctx, t, n)
		default:
			values, err = r.c.histogram(ctx, st, t, n)
		}
	}
	if err != nil {
		return nil, err
	}
	if err := r.c.abandon(ctx); err != nil || len(values) == 0 {
		return nil, err
	}
	out := make([]capture.Cursor, len(values))
	for i, v := range values {
		c := scanCursor{Of: natures(t.key), Key: []string{v}, Bound: true}
		out[i] = capture.Cursor(c.appendText(nil))
	}
	return out, nil
}

// evenly cuts the numbers between the least and the greatest.
func (c *conn) evenly(ctx context.Context, t *scanTable, n int) ([]string, error) {
	name := t.key[0].name
	rows, err := c.query(ctx, "SELECT min("+name+"), max("+name+") FROM "+t.sql)
	if err != nil || rows[0][0] == "" {
		return nil, err
	}
	least, err := strconv.ParseInt(rows[0][0], 10, 64)
	if err != nil {
		return nil, err
	}
	most, err := strconv.ParseInt(rows[0][1], 10, 64)
	if err != nil {
		return nil, err
	}
	return cut(least, most, n), nil
}

// cut gives the greatest number of each of up to n ranges but the last.
func cut(least, most int64, n int) (out []string) {
	width := uint64(most) - uint64(least) // right also when the difference is no int64
	n = int(min(uint64(n), width))
	for i := 1; i < n; i++ {
		high, low := bits.Mul64(width, uint64(i))
		step, _ := bits.Div64(high, low, uint64(n))
		out = append(out, strconv.FormatInt(int64(uint64(least)+step), 10))
	}
	return out
}

// histogram takes bounds from the column's statistics, if the index has them in the same order: the statistics may be of another one,
// and two of them may be one to the index.
func (c *conn) histogram(ctx context.Context, st capture.ScanTable, t *scanTable, n int) ([]string, error) {
	k := &t.key[0]
	rows, err := c.query(ctx, "SELECT quote_ident(n.nspname) || '.' || quote_ident(t.typname) FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace WHERE t.oid = $1", fmt.Sprint(k.typ))
	if err != nil || len(rows) != 1 {
		return nil, err
	}
	value := "v::" + rows[0][0]
	if k.collation != "" {
		value = "(" + value + ") COLLATE " + k.collation
	}
	column := t.shape.table.Columns[k.index].Name
	rows, err = c.query(ctx, fmt.Sprintf("SELECT v, coalesce(k %s before, true), coalesce(k %s before, true) FROM (SELECT v, n, %s AS k, lag(%s) OVER (ORDER BY n) AS before "+
		"FROM pg_stats, unnest(histogram_bounds::text::text[]) WITH ORDINALITY u(v, n) WHERE schemaname = $1 AND tablename = $2 AND attname = $3 AND inherited = $4) b ORDER BY n", k.greater, k.from, value, value),
		st.Schema, st.Name, column, strconv.FormatBool(t.kind == 'p'))
	if err != nil {
		return nil, err
	}
	var values []string
	for _, r := range rows {
		if r[2] != "t" {
			return nil, nil
		}
		if r[1] == "t" {
			values = append(values, r[0])
		}
	}
	return spread(values, n), nil
}

// spread picks n-1 values at about equal distances, and neither the first nor the last one.
func spread(values []string, n int) (out []string) {
	n = min(n, len(values)-1)
	for i := 1; i < n; i++ {
		out = append(out, values[i*(len(values)-1)/n])
	}
	return out
}
