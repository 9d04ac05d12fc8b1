package postgres

import (
	"context"
	"fmt"
	"strconv"

	"cdcbridge/capture"
	"cdcbridge/internal/fault"
)

// Scannable implements capture.Scanner. It looks over a connection of its own.
func (s *source) Scannable(ctx context.Context) ([]capture.ScanTable, error) {
	c, err := s.beside(ctx)
	if err != nil {
		return nil, err
	}
	defer c.close()
	cat := s.catalog()
	cat.c = c
	ts, err := cat.read(ctx)
	if err != nil {
		return nil, err
	}
	var oids []uint32
	bodies, types := map[uint32]relationBody{}, newTypeBook()
	for _, f := range ts.all {
		if body := f.relation(); len(body.Columns) > 0 {
			bodies[f.oid] = body
			oids = append(oids, f.oid)
			if err := types.load(ctx, c, body.types()); err != nil {
				return nil, err
			}
		}
	}
	indexes, err := c.keyIndexes(ctx, oids)
	if err != nil {
		return nil, err
	}
	sizes, err := c.sizes(ctx, oids)
	if err != nil {
		return nil, err
	}
	var out []capture.ScanTable
	for _, f := range ts.all {
		body, published := bodies[f.oid]
		if !published {
			continue
		}
		sh, err := s.version(&body, f, types, nil)
		if err != nil {
			return nil, err
		}
		key, err := scanKey(sh, indexes[f.oid], types)
		if err != nil {
			return nil, err
		}
		t := capture.ScanTable{Schema: f.schema, Name: f.name, Key: keyNames(sh, key), Rows: -1, Bytes: -1}
		if size, ok := sizes[f.oid]; ok {
			t.Rows, t.Bytes = size.rows, size.bytes
		}
		out = append(out, t)
	}
	return out, nil
}

type tableSize struct{ rows, bytes int64 }

// sizesSQL sums up the leaves of tables. The size that the catalogue has is that of the last VACUUM or ANALYZE.
const sizesSQL = `WITH RECURSIVE tree(root, oid) AS (SELECT oid, oid FROM unnest($1::oid[]) t(oid) UNION
 SELECT tree.root, i.inhrelid FROM tree JOIN pg_inherits i ON i.inhparent = tree.oid JOIN pg_class p ON p.oid = i.inhrelid AND p.relispartition)
SELECT tree.root, CASE WHEN bool_or(c.reltuples < 0) THEN -1 ELSE sum(c.reltuples)::bigint END, sum(%s)::bigint FROM tree JOIN pg_class c ON c.oid = tree.oid AND c.relkind = 'r' GROUP BY tree.root`

// sizes estimates tables. To ask the server for a table's size waits for whoever alters it, so that is given up soon.
func (c *conn) sizes(ctx context.Context, oids []uint32) (map[uint32]tableSize, error) {
	if _, err := c.query(ctx, "SET lock_timeout = 200"); err != nil {
		return nil, err
	}
	rows, err := c.query(ctx, fmt.Sprintf(sizesSQL, "pg_table_size(c.oid)"), oidArray(oids))
	if state(err) == lockNotAvailable {
		rows, err = c.query(ctx, fmt.Sprintf(sizesSQL, "c.relpages::bigint * current_setting('block_size')::bigint"), oidArray(oids))
	}
	if err != nil {
		return nil, err
	}
	out := map[uint32]tableSize{}
	for _, r := range rows {
		oid, err := parseOID(r[0])
		if err != nil {
			return nil, err
		}
		n, err := strconv.ParseInt(r[1], 10, 64)
		if err != nil {
			return nil, fault.New(fault.Source, "reading the catalogue", err, "")
		}
		size := tableSize{rows: n, bytes: -1}
		if r[2] != "" {
			if size.bytes, err = parseBytes(r[2]); err != nil {
				return nil, err
			}
		}
		out[oid] = size
	}
	return out, nil
}
