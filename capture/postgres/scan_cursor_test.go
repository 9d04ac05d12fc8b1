package postgres

import (
	"slices"
	"strings"
	"testing"

	"cdcbridge/capture"
	"cdcbridge/internal/fault"
)

func testKey(names ...string) []keyColumn {
	var key []keyColumn
	for i, name := range names {
		schema := "pg_catalog"
		if strings.HasPrefix(name, "citext") {
			schema = "public"
		}
		op := func(s string) operator { return operator("OPERATOR(" + schema + "." + s + ")") }
		key = append(key, keyColumn{index: i, name: identifier(name), typ: uint32(20 + i), nature: name, less: op("<"), upTo: op("<="), equal: op("="), from: op(">="), greater: op(">")})
	}
	return key
}

// TestCursor: a cursor has what the row has, and only a bound may have less.
func TestCursor(t *testing.T) {
	key := testKey("a", "b")
	text, err := cursorOf(key, [][]byte{[]byte(`7"<ä`), {}})
	if err != nil {
		t.Fatal(err)
	}
	c, err := parseCursor(text)
	if err != nil || !slices.Equal(c.Key, []string{`7"<ä`, ""}) || c.Bound || !c.of(key) || c.of(testKey("a", "c")) || c.of(testKey("a")) {
		t.Errorf("%s: %+v %v", text, c, err)
	}
	if c, err := parseCursor(""); c != nil || err != nil || !c.of(key) {
		t.Errorf("%v %v", c, err)
	}
	if c, err := parseCursor(`{"of":["a","b"],"key":["1"],"bound":true}`); err != nil || len(c.Key) != 1 {
		t.Error(c, err)
	}
	for _, bad := range []capture.Cursor{`1`, `{}`, `null`, `{"of":["a","b"],"key":["1"]}`, `{"of":["a"],"key":["1","2"],"bound":true}`, `{"of":["a"],"key":[]}`, `{"of":["a"],"key":[1]}`, `{"of":["a"],"key":["1"],"x":1}`,
		`{"of":["a"],"key":["1"]} {`, "{\"of\":[\"a\"],\"key\":[\"\xff\"]}"} {
		if c, err := parseCursor(bad); !fault.Is(err, fault.WrongServer) {
			t.Errorf("%s: %+v %v", bad, c, err)
		}
	}
	for _, bad := range [][][]byte{{nil, []byte("1")}, {[]byte("\xff"), []byte("1")}} {
		if text, err := cursorOf(key, bad); !fault.Is(err, fault.Decode) {
			t.Error(text, err)
		}
	}
}

// FuzzCursor: what is read as a cursor is written as it was.
func FuzzCursor(f *testing.F) {
	for _, s := range []string{"", `{"of":["23.0.1976"],"key":["7"]}`, `{"of":["23.0.1976","25.100.1994"],"key":["7","x\u0000"],"bound":true}`, `{"of":["a","b"],"key":["1"],"bound":true}`, `{"of":[],"key":[]}`, `[`, `{"of":["a"],"key":["\ud800"]}`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		c, err := parseCursor(capture.Cursor(text))
		if err != nil || c == nil {
			return
		}
		if len(c.Key) == 0 || len(c.Key) > len(c.Of) {
			t.Fatalf("%q is %+v", text, c)
		}
		again, err := parseCursor(capture.Cursor(c.appendText(nil)))
		if err != nil || again.Bound != c.Bound || !slices.Equal(again.Of, c.Of) || !slices.Equal(again.Key, c.Key) {
			t.Fatalf("%q is %+v and becomes %+v, %v", text, c, again, err)
		}
	})
}

// TestComparison: rows are compared by one operator where that can be, by the first columns where a bound has no more, and
// what follows a bound is all that is not up to it.
func TestComparison(t *testing.T) {
	for _, c := range []struct {
		key     []keyColumn
		greater bool
		want    string
	}{
		{testKey("a"), true, `"a" OPERATOR(pg_catalog.>) $3`},
		{testKey("a"), false, `"a" OPERATOR(pg_catalog.<=) $3`},
		{testKey("a", "b"), true, `ROW("a", "b") OPERATOR(pg_catalog.>) ROW($3, $4)`},
		{testKey("a", "b"), false, `ROW("a", "b") OPERATOR(pg_catalog.<=) ROW($3, $4)`},
		{testKey("a", "citext"), true, `"a" OPERATOR(pg_catalog.>=) $3 AND ("a" OPERATOR(pg_catalog.>) $3 OR "a" OPERATOR(pg_catalog.=) $3 AND "citext" OPERATOR(public.>) $4)`},
		{testKey("citext", "b"), false, `"citext" OPERATOR(public.<=) $3 AND ("citext" OPERATOR(public.<) $3 OR "citext" OPERATOR(public.=) $3 AND "b" OPERATOR(pg_catalog.<=) $4)`},
		{testKey("a", "citext", "c"), true, `"a" OPERATOR(pg_catalog.>=) $3 AND ("a" OPERATOR(pg_catalog.>) $3 OR "a" OPERATOR(pg_catalog.=) $3 AND "citext" OPERATOR(public.>=) $4 AND ` +
			`("citext" OPERATOR(public.>) $4 OR "citext" OPERATOR(public.=) $4 AND "c" OPERATOR(pg_catalog.>) $5))`},
	} {
		if got := compare(c.key, 3, c.greater); got != c.want {
			t.Errorf("got  %s\nwant %s", got, c.want)
		}
	}
	q := &condition{}
	q.beyond(testKey("a", "b"), &scanCursor{Key: []string{"1", "2"}}, true)
	q.beyond(testKey("a", "b"), nil, true)
	q.beyond(testKey("a", "b"), &scanCursor{Key: []string{"3"}, Bound: true}, false)
	if got := strings.Join(q.sql, " AND "); got != `ROW("a", "b") OPERATOR(pg_catalog.>) ROW($1, $2) AND "a" OPERATOR(pg_catalog.<=) $3` || len(q.values) != 3 || !slices.Equal(q.types, []uint32{20, 21, 20}) {
		t.Errorf("%s %q %v", got, q.values, q.types)
	}
}

// TestCuts: bounds lie between the ends, ascend, and are as many as there is room for.
func TestCuts(t *testing.T) {
	const least, most = -1 << 63, 1<<63 - 1
	for _, c := range []struct {
		least, most int64
		n           int
		want        string
	}{
		{1, 100, 4, "25,50,75"}, {0, 6, 4, "1,3,4"}, {1, 1, 4, ""}, {1, 2, 4, ""}, {1, 3, 4, "2"}, {-5, 5, 2, "0"}, {5, 1, 1, ""},
		{least, most, 2, "-1"}, {least, most, 4, "-4611686018427387905,-1,4611686018427387903"}, {most - 1, most, 2, ""},
	} {
		if got := strings.Join(cut(c.least, c.most, c.n), ","); got != c.want {
			t.Errorf("%d to %d in %d: %s, want %s", c.least, c.most, c.n, got, c.want)
		}
	}
	for _, c := range []struct {
		values string
		n      int
		want   string
	}{{"a b c d e", 4, "b,c,d"}, {"a b c d e", 2, "c"}, {"a b c", 9, "b"}, {"a b", 4, ""}, {"a", 4, ""}, {"", 4, ""}} {
		if got := strings.Join(spread(strings.Fields(c.values), c.n), ","); got != c.want {
			t.Errorf("%s in %d: %s, want %s", c.values, c.n, got, c.want)
		}
	}
}
