package config

import (
	"fmt"
	"slices"
	"strings"

	"cdcbridge/capture"
	"cdcbridge/internal/shape"
	"cdcbridge/upsert"
)

// tableSection is one element of tables.
type tableSection struct {
	Name    string          `mapstructure:"name"`
	Outputs []string        `mapstructure:"outputs"`
	Key     []string        `mapstructure:"key"`
	Include []string        `mapstructure:"include_columns"`
	Exclude []string        `mapstructure:"exclude_columns"`
	Mask    []maskSection   `mapstructure:"mask"`
	Rename  []renameSection `mapstructure:"rename"`
	Filter  string          `mapstructure:"filter"`
}

// maskSection is one element of mask.
type maskSection struct {
	Columns []string `mapstructure:"columns"`
	With    string   `mapstructure:"with"`
	Length  int      `mapstructure:"length"`
	Salt    string   `mapstructure:"salt"`
}

// renameSection is one element of rename.
type renameSection struct {
	Column string `mapstructure:"column"`
	To     string `mapstructure:"to"`
}

// tables makes the rules of single tables.
func (b *builder) tables(outputs []upsert.Output) []upsert.TableRule {
	var rules []upsert.TableRule
	for i := range b.section.Tables {
		at := fmt.Sprintf("%s[%d]", join(b.at, "tables"), i)
		rule := b.table(at, &b.section.Tables[i])
		for k := range rules {
			if covers(&rules[k], &rule) && !b.blamed[join(at, "name")] {
				b.report(join(at, "name"), "nothing is left for this rule: tables[%d] comes first, and fits all that %q fits", k, rule.Name)
			}
		}
		for k, name := range rule.Outputs {
			if !slices.ContainsFunc(outputs, func(o upsert.Output) bool { return o.Name == name }) {
				b.report(fmt.Sprintf("%s[%d]", join(at, "outputs"), k), "%q is no output of this pipeline", name)
			}
		}
		rules = append(rules, rule)
	}
	return rules
}

func (b *builder) table(at string, s *tableSection) upsert.TableRule {
	schema, table, ok := strings.Cut(s.Name, ".")
	if !b.blamed[join(at, "name")] && (!ok || schema == "" || table == "") {
		b.report(join(at, "name"), "must be a table such as shop.events, or a pattern such as shop.*")
	}
	b.uniqueColumns(join(at, "key"), s.Key)
	rule := upsert.TableRule{Name: s.Name, Outputs: s.Outputs, Key: s.Key, Shape: shape.Rules{Include: s.Include, Exclude: s.Exclude}}
	for _, m := range s.Mask {
		rule.Shape.Masks = append(rule.Shape.Masks, shape.Mask{Columns: m.Columns, With: shape.Hiding(m.With), Length: m.Length, Salt: m.Salt})
	}
	for _, r := range s.Rename {
		rule.Shape.Renames = append(rule.Shape.Renames, shape.Rename(r))
	}
	if s.Filter != "" {
		var err error
		if rule.Shape.Filter, err = shape.ParseFilter(s.Filter); err != nil {
			b.report(join(at, "filter"), "%s", err)
		}
	}
	b.validated(at, rule.Shape.Validate())
	return rule
}

// covers reports that one rule fits whatever another one fits, as far as their texts tell.
func covers(first, later *upsert.TableRule) bool {
	if first.Name != later.Name {
		schema, table, ok := strings.Cut(later.Name, ".")
		if !ok || strings.Contains(first.Name, "?") || !capture.MatchTable(first.Name, schema, table) {
			return false
		}
	}
	if len(first.Outputs) == 0 {
		return true
	}
	return len(later.Outputs) > 0 && !slices.ContainsFunc(later.Outputs, func(o string) bool { return !slices.Contains(first.Outputs, o) })
}

func (b *builder) uniqueColumns(at string, columns []string) {
	seen := map[string]bool{}
	for i, c := range columns {
		if c == "" || seen[c] {
			b.report(fmt.Sprintf("%s[%d]", at, i), "must be the name of a column, each once")
		}
		seen[c] = true
	}
}
