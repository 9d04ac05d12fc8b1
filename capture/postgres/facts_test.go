package postgres

import (
	"slices"
	"testing"
)

// TestNarrow gives a partitioned table the identity that all its parts share: each row is logged as its part says.
func TestNarrow(t *testing.T) {
	leaf := func(identity byte, columns ...string) *tableFacts {
		return &tableFacts{kind: 'r', identity: identity, identify: columns}
	}
	for _, c := range []struct {
		parts    []*tableFacts
		identity byte
		want     []string
	}{
		{nil, 'd', []string{"root"}},
		{[]*tableFacts{{kind: 'p', identity: 'd', identify: []string{"x"}}, leaf('d', "a", "b")}, 'd', []string{"a", "b"}},
		{[]*tableFacts{leaf('d', "a", "b"), leaf('i', "b", "c")}, 'd', []string{"b"}},
		{[]*tableFacts{leaf('d', "a"), leaf('n')}, 'd', nil},
		{[]*tableFacts{leaf('f', "a", "b"), leaf('d', "a")}, 'd', []string{"a"}},
		{[]*tableFacts{leaf('d', "a"), leaf('f', "a", "b")}, 'd', []string{"a"}},
		{[]*tableFacts{leaf('f', "a", "b"), leaf('f', "a", "b")}, 'f', []string{"a", "b"}},
	} {
		f := &tableFacts{kind: 'p', identity: 'd', identify: []string{"root"}}
		f.narrow(c.parts)
		if f.identity != c.identity || !slices.Equal(f.identify, c.want) {
			t.Errorf("%+v: %c %v", c, f.identity, f.identify)
		}
	}
}

func TestSelection(t *testing.T) {
	root := &tableFacts{schema: "public", name: "root", kind: 'p'}
	part := &tableFacts{schema: "public", name: "part", kind: 'r', ancestors: []*tableFacts{root}}
	for _, c := range []struct {
		tables, excluded []string
		viaRoot, want    bool
	}{
		{[]string{"public.part"}, nil, true, true}, {[]string{"public.root"}, nil, true, false}, {[]string{"public.root"}, nil, false, true},
		{[]string{"public.root"}, []string{"*.part"}, false, false}, {[]string{"other.*"}, nil, false, false},
	} {
		s, err := newSelection(&Config{Tables: c.tables, ExcludeTables: c.excluded, SlotConfig: SlotConfig{PublishViaPartitionRoot: c.viaRoot}})
		if err != nil || s.captures(part) != c.want {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

func TestPublicationSQL(t *testing.T) {
	cfg := &Config{SlotConfig: SlotConfig{Publication: "p", PublishViaPartitionRoot: true, Publish: []Published{{Table: `s.b"`, Columns: []string{"id", `c"`}, Where: "id > 1"}}}}
	list := []*tableFacts{{schema: "s", name: "A"}, {schema: "s", name: `b"`}}
	want := `CREATE PUBLICATION "p" FOR TABLE ONLY "s"."A", TABLE ONLY "s"."b""" ("id", "c""") WHERE (id > 1) WITH (publish = 'insert, update, delete, truncate', publish_via_partition_root = true)`
	if got := createPublicationSQL(cfg, list); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if got := addTablesSQL(withoutColumns(cfg), list[1:]); got != `ALTER PUBLICATION "p" ADD TABLE ONLY "s"."b""" WHERE (id > 1)` {
		t.Error(got)
	}
	if len(cfg.Publish[0].Columns) != 2 {
		t.Error("the configuration was changed")
	}
}
