package capture

import (
	"fmt"
	"strings"
)

// Filter decides which tables are captured. It is immutable.
type Filter struct {
	include, exclude []pattern
}

type pattern struct{ schema, table string }

// NewFilter compiles patterns of the form "schema.table", where schema (a database on MySQL) and table may contain the
// wildcards * (any run of characters) and ? (one character). Matching is case-sensitive. Only the first dot separates,
// so table names with dots can be written. An empty include list captures nothing.
func NewFilter(include, exclude []string) (*Filter, error) {
	f := &Filter{}
	for _, list := range []struct {
		in  []string
		out *[]pattern
	}{{include, &f.include}, {exclude, &f.exclude}} {
		for _, s := range list.in {
			schema, table, ok := strings.Cut(s, ".")
			if !ok || schema == "" || table == "" {
				return nil, fmt.Errorf("%q is not of the form schema.table, for example shop.* or shop.orders", s)
			}
			*list.out = append(*list.out, pattern{schema, table})
		}
	}
	return f, nil
}

// Match reports whether the table is captured.
func (f *Filter) Match(schema, table string) bool {
	return anyMatch(f.include, schema, table) && !anyMatch(f.exclude, schema, table)
}

// MatchTable reports whether one pattern of the same form matches the table.
func MatchTable(name, schema, table string) bool {
	of, rest, ok := strings.Cut(name, ".")
	return ok && glob(of, schema) && glob(rest, table)
}

func anyMatch(ps []pattern, schema, table string) bool {
	for _, p := range ps {
		if glob(p.schema, schema) && glob(p.table, table) {
			return true
		}
	}
	return false
}

// glob matches s against p with * and ?. It backtracks to the last star only, so it is linear in practice.
func glob(p, s string) bool {
	pi, si, star, mark := 0, 0, -1, 0
	for si < len(s) {
		switch {
		case pi < len(p) && p[pi] == '*':
			star, mark = pi, si
			pi++
		case pi < len(p) && (p[pi] == '?' || p[pi] == s[si]):
			pi++
			si++
		case star >= 0:
			mark++
			pi, si = star+1, mark
		default:
			return false
		}
	}
	return strings.Trim(p[pi:], "*") == ""
}
