package mysql

import (
	"hash/maphash"
	"slices"
	"strings"

	"cdcbridge/changelog"
)

// This file keeps once what many tables have alike: of thousands of tables most have the definition of others, and nearly all the
// names and types of others.

// texts gives equal texts the same memory.
type texts map[string]string

// keep gives the text that is kept for s, whose own memory may be borrowed.
func (t texts) keep(s string) string {
	kept, ok := t[s]
	if !ok {
		kept = strings.Clone(s)
		t[kept] = kept
	}
	return kept
}

// lists gives equal lists the same memory. The zero value is ready.
type lists[T comparable] struct {
	seed maphash.Seed
	kept map[uint64][]T
}

// share gives the list that is kept for this one. Nobody may change it.
func (l *lists[T]) share(list []T) []T {
	if l.kept == nil {
		l.seed, l.kept = maphash.MakeSeed(), map[uint64][]T{}
	}
	var h maphash.Hash
	h.SetSeed(l.seed)
	for i := range list {
		maphash.WriteComparable(&h, list[i])
	}
	sum := h.Sum64()
	kept, ok := l.kept[sum]
	if !ok {
		if len(l.kept) >= tooManyAlike {
			clear(l.kept)
		}
		kept = slices.Clone(list)
		l.kept[sum] = kept
	}
	if !slices.Equal(kept, list) { // two that have the same sum
		return slices.Clone(list)
	}
	return kept
}

// first tells lists apart of which equal ones have the same memory.
func first[T any](list []T) *T {
	if len(list) == 0 {
		return nil
	}
	return &list[0]
}

// likeness is all that the shape of a TABLE_MAP which describes its table depends on, beside the table's name.
type likeness struct {
	layout string       // with the names of the columns
	facts  *columnFacts // the first one
	words  *columnWords // the first one
}

// described prepares the decoder of a TABLE_MAP that describes its table. Tables that are alike have the same columns and decoders.
func (s *stream) described(e *tableEntry, name tableName, l tableLayout, m tableMap) (*shape, error) {
	r := &s.tables
	facts, words := r.facts.share(e.facts.described()), s.src.words.of(name)
	like := likeness{layout: string(m.columns), facts: first(facts), words: words.first()}
	if known := r.alike[like]; known != nil {
		t := &changelog.Table{Origin: known.table.Origin, Database: name.database, Name: name.name, Columns: known.table.Columns, Key: known.table.Key}
		words.entitle(t)
		return &shape{table: s.src.shapes.Intern(t), columns: known.columns, nullBytes: known.nullBytes}, nil
	}
	sh, err := l.shape(name, facts)
	if err != nil {
		return nil, err
	}
	words.describe(sh, s.src.facts)
	sh.table = s.src.shapes.Intern(sh.table)
	if len(r.alike) >= tooManyAlike {
		clear(r.alike)
	}
	r.alike[like] = sh
	return sh, nil
}
