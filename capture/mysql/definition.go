package mysql

import (
	"context"
	"slices"
	"strings"

	"cdcbridge/capture/mysql/schema"
	"cdcbridge/changelog"
)

// This file tells what a statement did to the definitions of captured tables. It is what the history made of the statement. Where a
// log describes its rows the history knows only tables that were made in it; another one is looked up when a statement changes it,
// which tells if the stream is near the end of the log.

// defined is a definition with the full names of its table.
type defined struct {
	changelog.Definition
	name, old tableName
}

// about reports the table of a definition.
func (d *defined) about(n tableName) bool { return d.name == n || d.old == n }

// definitions gives what a statement did, in the order of its tables. changed are those of which something else is known now.
func (s *stream) definitions(ctx context.Context, st statement, changed []schema.Name) ([]defined, error) {
	var out []defined
	known := func(n tableName) bool { return slices.Contains(changed, n.schema()) }
	seen := map[tableName]bool{}
	for _, r := range st.renames {
		from, to := s.src.stored(r.from), s.src.stored(r.to)
		seen[from], seen[to] = true, true
		if known(from) && s.src.captures(from) || known(to) && s.src.captures(to) {
			t, err := s.definition(ctx, to)
			if err != nil {
				return nil, err
			}
			out = append(out, defined{changelog.Definition{Kind: changelog.Altered, Name: to.name, Old: from.name, Table: t}, to, from})
		}
	}
	rest := make([]tableName, 0, len(st.tables)+len(changed))
	for _, n := range st.tables {
		rest = append(rest, s.src.stored(n))
	}
	others := make([]tableName, 0, len(changed))
	for _, n := range changed {
		others = append(others, tableName{n.Database, n.Table})
	}
	slices.SortFunc(others, func(a, b tableName) int { return strings.Compare(a.String(), b.String()) })
	for i, n := range append(rest, others...) {
		if seen[n] || !known(n) || !s.src.captures(n) {
			continue
		}
		seen[n] = true
		d := changelog.Definition{Kind: changelog.Altered, Name: n.name}
		if st.creates && i == 0 {
			d.Kind = changelog.Created
		}
		if s.src.history.cat.Absent(n.schema()) {
			d.Kind = changelog.Dropped
		} else {
			var err error
			if d.Table, err = s.definition(ctx, n); err != nil {
				return nil, err
			}
		}
		out = append(out, defined{Definition: d, name: n})
	}
	return out, nil
}

func (s *source) captures(n tableName) bool { return s.filter.Match(n.database, n.name) }

// definition is what a captured table looks like; nil: that is not known, or it has a type that nobody can decode.
func (s *stream) definition(ctx context.Context, n tableName) (*changelog.Table, error) {
	if !s.src.captures(n) {
		return nil, nil
	}
	if s.src.history.table(n) == nil {
		if err := s.lookUp(ctx, n); err != nil {
			return nil, err
		}
	}
	t := s.src.history.table(n)
	if t == nil {
		return nil, nil
	}
	l, facts, err := layoutOf(t, s.src.history.ids, s.src.facts.mariadb)
	if err != nil {
		return nil, nil //nolint:nilerr // rows of it, if some come, say so
	}
	sh, err := l.shape(n, facts)
	if err != nil {
		return nil, nil //nolint:nilerr // the same
	}
	return s.src.version(n, sh), nil
}

// share takes out of definitions those of one table.
func share(all *[]defined, n tableName) []changelog.Definition {
	var out []changelog.Definition
	*all = slices.DeleteFunc(*all, func(d defined) bool {
		if d.about(n) {
			out = append(out, d.Definition)
		}
		return d.about(n)
	})
	return out
}
