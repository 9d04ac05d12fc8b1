package capture

import (
	"testing"

	"cdcbridge/changelog"
)

// TestShapes: whoever describes a version gets the one Table of it, and numbers are dense per name.
func TestShapes(t *testing.T) {
	table := func(name, sourceType string) *changelog.Table {
		return &changelog.Table{Database: "shop", Name: name, Columns: []changelog.Column{{Name: "id", SourceType: sourceType, Type: changelog.Type{Kind: changelog.KindEnum, Labels: []string{"a"}}}}, Key: []int{0}}
	}
	var s Shapes
	a, b := s.Intern(table("a", "int")), s.Intern(table("b", "int"))
	if a.ID != 0 || a.Version != 1 || b.ID != 1 || b.Version != 1 || s.ID("shop.b") != 1 || s.ID("shop.c") != 2 {
		t.Errorf("%+v, %+v, c is %d", a, b, s.ID("shop.c"))
	}
	if again := s.Intern(table("a", "int")); again != a {
		t.Errorf("the same version is another Table: %+v", again)
	}
	a2 := s.Intern(table("a", "bigint"))
	if a2 == a || a2.ID != 0 || a2.Version != 2 {
		t.Errorf("a second version: %+v", a2)
	}
	if old := s.Intern(table("a", "int")); old != a {
		t.Errorf("the first version again: %+v", old)
	}
	one, other := table("a", "int"), table("a", "int")
	one.Schema, other.Schema, other.Database = "public", "public", "shop2"
	if one, other = s.Intern(one), s.Intern(other); one.ID == other.ID || one.Version != 1 || other.Version != 1 {
		t.Errorf("tables of one name in two databases: %+v, %+v", one, other)
	}
}

// TestShapesCompareDefaults: equal defaults are one version, wherever their memory is.
func TestShapesCompareDefaults(t *testing.T) {
	table := func(d *changelog.Default) *changelog.Table {
		return &changelog.Table{Database: "shop", Name: "t", Columns: []changelog.Column{{Name: "a", Default: d}}}
	}
	list := func(text string) *changelog.Default {
		return &changelog.Default{Value: changelog.Array([]changelog.Value{changelog.String([]byte(text))}), Text: "{}"}
	}
	var s Shapes
	seen := map[*changelog.Table]bool{}
	for _, d := range []*changelog.Default{nil, list("x"), list("y"), {Value: list("x").Value, Text: "other"}, {Value: changelog.Null()}} {
		first, again := s.Intern(table(d)), s.Intern(table(d))
		if d != nil && d.Text == "{}" {
			again = s.Intern(table(list(string(d.Value.Elems()[0].Bytes()))))
		}
		if first != again || seen[first] {
			t.Errorf("%+v is version %d and %d", d, first.Version, again.Version)
		}
		seen[first] = true
	}
}

// TestAlikeTablesShareColumns: thousands of tables have few definitions between them.
func TestAlikeTablesShareColumns(t *testing.T) {
	var s Shapes
	table := func(name, typ string) *changelog.Table {
		return s.Intern(&changelog.Table{Database: "shop", Name: name, Columns: []changelog.Column{{Name: "id", SourceType: typ}, {Name: "note", SourceType: "text"}}})
	}
	a, b, other := table("a", "int"), table("b", "int"), table("c", "bigint")
	if &a.Columns[0] != &b.Columns[0] {
		t.Error("equal columns are there twice")
	}
	if &a.Columns[0] == &other.Columns[0] || other.Columns[0].SourceType != "bigint" {
		t.Errorf("other columns became the same: %+v", other.Columns)
	}
	if a.ID == b.ID || a.Name != "a" || b.Name != "b" {
		t.Errorf("tables became the same: %+v, %+v", a, b)
	}
}
