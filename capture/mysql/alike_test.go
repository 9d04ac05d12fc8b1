package mysql

import "testing"

func TestEqualListsAreKeptOnce(t *testing.T) {
	same := texts{}
	var l lists[columnWords]
	row := func(name string) []columnWords {
		return []columnWords{newColumnWords([]string{name, "int", "0", "NO", "0", "", "", ""}, same)}
	}
	a, b, c := l.share(row("id")), l.share(row("id")), l.share(row("no"))
	if first(a) != first(b) || first(a) == first(c) || c[0].name != "no" {
		t.Errorf("%p %p %p %+v", a, b, c, c)
	}
	if first(l.share(nil)) != nil {
		t.Error("an empty list has a first element")
	}
}
