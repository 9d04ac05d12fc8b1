package postgres

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"cdcbridge/internal/fault"
)

// catalog reads the catalogue of the connected database.
type catalog struct {
	c           *conn
	publication string
	generated   bool // the publication can have generated columns: PostgreSQL 18 and later
	selection   *selection
}

// tables are what the catalogue shows of the captured tables, by oid, and of what matches and cannot be captured.
type tables struct {
	wanted      []*tableFacts // belong into the publication by name: matching, and below no table that is
	parts       map[uint32][]*tableFacts
	unreachable []*tableFacts // unlogged and foreign ones: their changes are in no log
	excluded    []*tableFacts // partitions whose exclusion has no effect
	all         []*tableFacts // what is captured by the name that the log will give it
}

// read gives all tables that the selection matches.
func (k catalog) read(ctx context.Context) (*tables, error) {
	every, err := k.relations(ctx, "")
	if err != nil {
		return nil, err
	}
	out := &tables{parts: map[uint32][]*tableFacts{}}
	var need []*tableFacts
	for _, f := range byName(every) {
		matches := k.selection.match.Match(f.schema, f.name)
		above := k.above(every, f)
		switch {
		case (matches || above != nil) && (f.kind == 'f' || f.storage != 'p'):
			out.unreachable = append(out.unreachable, f)
			continue
		case above != nil:
			out.parts[above.oid] = append(out.parts[above.oid], f)
			if k.selection.viaRoot && !k.selection.allowed.Match(f.schema, f.name) {
				out.excluded = append(out.excluded, f)
			}
		case matches:
			out.wanted = append(out.wanted, f)
		default:
			continue
		}
		need = append(need, f)
		if k.selection.viaRoot && above == nil || !k.selection.viaRoot && f.kind == 'r' && k.selection.captures(f) {
			out.all = append(out.all, f)
		}
	}
	if err := k.describe(ctx, need); err != nil {
		return nil, err
	}
	for _, f := range out.wanted {
		f.narrow(out.parts[f.oid])
	}
	return out, nil
}

func byName(every map[uint32]*tableFacts) []*tableFacts {
	return slices.SortedFunc(maps.Values(every), func(a, b *tableFacts) int { return strings.Compare(a.full(), b.full()) })
}

// above finds the topmost matching table that f is a part of, nil when there is none.
func (k catalog) above(every map[uint32]*tableFacts, f *tableFacts) *tableFacts {
	var found *tableFacts
	for p := every[f.parent]; p != nil; p = every[p.parent] {
		if k.selection.match.Match(p.schema, p.name) {
			found = p
		}
	}
	return found
}

// one gives the facts of a table, nil when it is gone.
func (k catalog) one(ctx context.Context, oid uint32) (*tableFacts, error) {
	id := strconv.FormatUint(uint64(oid), 10)
	every, err := k.relations(ctx, " AND (c.oid = "+id+" OR c.oid IN (SELECT relid FROM pg_partition_ancestors("+id+")) OR c.oid IN (SELECT relid FROM pg_partition_tree("+id+")))")
	if err != nil || every[oid] == nil {
		return nil, err
	}
	f := every[oid]
	if err := k.describe(ctx, slices.Collect(maps.Values(every))); err != nil {
		return nil, err
	}
	var parts []*tableFacts
	for _, p := range byName(every) {
		if slices.Contains(p.ancestors, f) {
			parts = append(parts, p)
		}
	}
	f.narrow(parts)
	return f, nil
}

// relations reads the names and kinds of tables. System schemas hold none that can be captured, nor do those of temporary
// tables: all begin with pg_, as no user's may.
func (k catalog) relations(ctx context.Context, where string) (map[uint32]*tableFacts, error) {
	rows, err := k.c.query(ctx, "SELECT c.oid, n.nspname, c.relname, c.relkind, c.relpersistence, c.relreplident, coalesce(i.inhparent, 0) "+
		"FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace LEFT JOIN pg_inherits i ON i.inhrelid = c.oid AND c.relispartition "+
		"WHERE c.relkind IN ('r', 'p', 'f') AND c.relpersistence <> 't' AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'"+where)
	if err != nil {
		return nil, err
	}
	out := make(map[uint32]*tableFacts, len(rows))
	for _, r := range rows {
		f := &tableFacts{schema: r[1], name: r[2], kind: r[3][0], storage: r[4][0], identity: r[5][0]}
		if f.oid, err = parseOID(r[0]); err != nil {
			return nil, err
		}
		if f.parent, err = parseOID(r[6]); err != nil {
			return nil, err
		}
		out[f.oid] = f
	}
	for _, f := range out {
		for p := out[f.parent]; p != nil; p = out[p.parent] {
			f.ancestors = append(f.ancestors, p)
			f.root = p.full()
		}
	}
	return out, nil
}

// indexes picks of each table: the index of the key, the one of the replica identity. A replica identity needs a unique index that
// is valid, immediate, whole, and without expressions; so does our key, and its columns must not be nullable.
const indexes = `SELECT c.oid, pg_has_role(c.relowner, 'USAGE'), has_table_privilege(c.oid, 'SELECT'),
 coalesce((SELECT json_agg(a.attname ORDER BY k.n) FROM unnest(key.indkey::int2[]) WITH ORDINALITY k(attnum, n) JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.attnum WHERE k.n <= key.indnkeyatts), '[]'),
 coalesce((SELECT json_agg(a.attname ORDER BY k.n) FROM unnest(ident.indkey::int2[]) WITH ORDINALITY k(attnum, n) JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.attnum WHERE k.n <= ident.indnkeyatts), '[]'),
 CASE WHEN key.indisprimary THEN '' ELSE coalesce((SELECT quote_ident(x.relname) FROM pg_class x WHERE x.oid = key.indexrelid), '') END, obj_description(c.oid, 'pg_class')
FROM pg_class c
LEFT JOIN LATERAL (SELECT i.* FROM pg_index i WHERE i.indrelid = c.oid AND i.indisunique AND i.indisvalid AND i.indimmediate AND i.indpred IS NULL AND i.indexprs IS NULL
 AND NOT EXISTS (SELECT FROM unnest(i.indkey::int2[]) WITH ORDINALITY k(attnum, n) JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.attnum WHERE k.n <= i.indnkeyatts AND NOT a.attnotnull)
 ORDER BY i.indisprimary DESC, i.indexrelid LIMIT 1) key ON true
LEFT JOIN LATERAL (SELECT i.* FROM pg_index i WHERE i.indrelid = c.oid AND i.indisvalid AND i.indimmediate AND (c.relreplident = 'd' AND i.indisprimary OR c.relreplident = 'i' AND i.indisreplident)
 LIMIT 1) ident ON true
WHERE c.oid = ANY($1::oid[])`

// describe fills in keys, identities and columns.
func (k catalog) describe(ctx context.Context, list []*tableFacts) error {
	published, err := k.published(ctx)
	if err != nil {
		return err
	}
	const chunk = 1000
	for part := range slices.Chunk(list, chunk) {
		byOID := make(map[uint32]*tableFacts, len(part))
		var ids []string
		for _, f := range part {
			byOID[f.oid] = f
			_, f.published = published[f.full()]
			ids = append(ids, strconv.FormatUint(uint64(f.oid), 10))
		}
		array := "{" + strings.Join(ids, ",") + "}"
		if err := k.readKeys(ctx, byOID, array); err != nil {
			return err
		}
		if err := k.readColumns(ctx, byOID, array, published); err != nil {
			return err
		}
	}
	return nil
}

func (k catalog) readKeys(ctx context.Context, byOID map[uint32]*tableFacts, array string) error {
	rows, err := k.c.query(ctx, indexes, array)
	if err != nil {
		return err
	}
	for _, r := range rows {
		oid, err := parseOID(r[0])
		if err != nil {
			return err
		}
		f := byOID[oid]
		f.access = tableAccess{owner: r[1] == "t", read: r[2] == "t"}
		if err := parseNames(r[3], &f.key); err != nil {
			return err
		}
		if err := parseNames(r[4], &f.identify); err != nil {
			return err
		}
		f.index, f.comment = r[5], r[6]
		if f.identity == 'i' && len(f.identify) > 0 && !containsAll(f.identify, f.key) {
			f.key = f.identify // a change of the other key would go unseen
		}
	}
	return nil
}

// columns reads the columns of tables. A column without a default has that of its domain.
const columns = `SELECT a.attrelid, a.attname, a.atttypid, a.atttypmod, a.attnotnull, a.attgenerated, a.attidentity,
 coalesce(pg_get_expr(d.adbin, d.adrelid), pg_get_expr(t.typdefaultbin, 0), ''), format_type(a.atttypid, -1), format_type(a.atttypid, a.atttypmod),
 CASE WHEN t.typtype = 'd' THEN format_type(t.typbasetype, -1) END, col_description(a.attrelid, a.attnum)
FROM pg_attribute a LEFT JOIN pg_type t ON t.oid = a.atttypid LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE a.attrelid = ANY($1::oid[]) AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attrelid, a.attnum`

func (k catalog) readColumns(ctx context.Context, byOID map[uint32]*tableFacts, array string, published map[string][]string) error {
	rows, err := k.c.query(ctx, columns, array)
	if err != nil {
		return err
	}
	for _, r := range rows {
		oid, err := parseOID(r[0])
		if err != nil {
			return err
		}
		typ, err := parseOID(r[2])
		if err != nil {
			return err
		}
		modifier, err := strconv.ParseInt(r[3], 10, 32)
		if err != nil {
			return fault.New(fault.Source, "reading the catalogue", err, "")
		}
		f := byOID[oid]
		col := columnFacts{name: r[1], typ: typ, modifier: int32(modifier), notNull: r[4] == "t", generated: r[5] != ""}
		col.def = defaultFacts{identity: r[6] != "", text: r[7], typ: r[8], full: r[9], base: r[10]}
		col.comment = r[11]
		names := published[f.full()]
		for _, above := range f.ancestors {
			if names == nil {
				names = published[above.full()]
			}
		}
		// Before PostgreSQL 18 the view lists generated columns, and the stream leaves them out.
		col.published = slices.Contains(names, col.name) && (k.generated || !col.generated)
		f.columns = append(f.columns, col)
	}
	for _, f := range byOID {
		if f.identity == 'f' {
			f.identify = nil
			for _, c := range f.columns {
				f.identify = append(f.identify, c.name)
			}
		}
		f.declared, f.declares = f.identity, f.identify
	}
	return nil
}

// published reads the columns of each table that the publication has, by the table's full name. A partitioned table whose parts
// are published by their own names comes without columns.
func (k catalog) published(ctx context.Context) (map[string][]string, error) {
	rows, err := k.c.query(ctx, "SELECT schemaname, tablename, array_to_json(attnames) FROM pg_publication_tables WHERE pubname = $1 UNION ALL "+
		"SELECT n.nspname, c.relname, NULL FROM pg_publication p JOIN pg_class c ON c.relkind = 'p' JOIN pg_namespace n ON n.oid = c.relnamespace "+
		"WHERE p.pubname = $1 AND NOT p.pubviaroot AND (p.puballtables OR EXISTS (SELECT FROM pg_publication_rel r WHERE r.prpubid = p.oid AND r.prrelid = c.oid) "+
		"OR EXISTS (SELECT FROM pg_publication_namespace s WHERE s.pnpubid = p.oid AND s.pnnspid = c.relnamespace))", k.publication)
	if err != nil {
		return nil, err
	}
	out := make(map[string][]string, len(rows))
	for _, r := range rows {
		var names []string
		if err := parseNames(r[2], &names); err != nil {
			return nil, err
		}
		out[r[0]+"."+r[1]] = names
	}
	return out, nil
}

// narrow leaves of a partitioned table's identity what all its parts log: each row is logged as its part says.
func (f *tableFacts) narrow(parts []*tableFacts) {
	if f.kind != 'p' {
		return
	}
	first := true
	for _, p := range parts {
		if p.kind != 'r' {
			continue
		}
		if first {
			f.identity, f.identify, first = p.identity, slices.Clone(p.identify), false
			continue
		}
		if p.identity == 'f' {
			continue // it logs all
		}
		if f.identity == 'f' {
			f.identity, f.identify = p.identity, slices.Clone(p.identify)
			continue
		}
		f.identify = slices.DeleteFunc(f.identify, func(c string) bool { return !slices.Contains(p.identify, c) })
	}
}

func parseNames(text string, into *[]string) error {
	if text == "" {
		return nil
	}
	if err := json.Unmarshal([]byte(text), into); err != nil {
		return fault.New(fault.Source, "reading the catalogue", fmt.Errorf("%q is no list of names: %w", abbreviate(text, 80), err), "")
	}
	return nil
}

func parseOID(s string) (uint32, error) {
	n, err := strconv.ParseUint(s, 10, 32)
	if err != nil {
		return 0, fault.New(fault.Source, "reading the catalogue", err, "")
	}
	return uint32(n), nil
}

// tableFacts reads what the catalogue says of a table now, nil when it is gone.
func (s *source) tableFacts(ctx context.Context, oid uint32) (*tableFacts, error) {
	return s.catalog().one(ctx, oid)
}

func (s *source) catalog() catalog {
	return catalog{c: s.side, publication: s.cfg.Publication, generated: s.facts.number >= generatedSince, selection: s.selection}
}
