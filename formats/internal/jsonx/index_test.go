package jsonx

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"
)

const envelope = `{"before":null,"after":{"id":1234567,"customer_id":98765,"product_id":4321,"status":"shipped","email":"somebody@example.com",` +
	`"city":"Ljubljana","note":"leave it at the door, please","amount":"AeJA","quantity":3,"created":1714979289120,"updated":"2024-05-06T07:08:10.120Z","flag":1},` +
	`"source":{"version":"1.2.3","connector":"mysql","name":"shop1","ts_ms":1714979289123,"snapshot":"false","db":"shop","sequence":null,"ts_us":1714979289123456,` +
	`"ts_ns":1714979289123456000,"table":"orders","server_id":101,"gtid":"3e11fa47-71ca-11e1-9e33-c80aa9429562:23","file":"mysql-bin.000003","pos":484,"row":0,` +
	`"thread":12,"query":null},"transaction":null,"op":"c","ts_ms":1714979289456,"ts_us":1714979289456456,"ts_ns":1714979289456456000}`

// list shows an index.
func list(x *Index, from, to int) string {
	var b strings.Builder
	for n := from; n < to; n = x.Next(n) {
		fmt.Fprintf(&b, "%s=", x.Name(n))
		if x.Next(n) > n+1 {
			fmt.Fprintf(&b, "{%s}", list(x, n+1, x.Next(n)))
		} else {
			fmt.Fprintf(&b, "%s;", x.Value(n))
		}
	}
	return b.String()
}

func TestIndex(t *testing.T) {
	doc := []byte(" { \"a\" : 1 , \"b\":{\"c\":[1,{\"x\":2}],\"\\u0064\":{\"e\":\"}\"},\"f\":{}},\"a\":-1.5e3}\n")
	var x Index
	for depth, want := range []string{1: `a=1;b={"c":[1,{"x":2}],"\u0064":{"e":"}"},"f":{}};a=-1.5e3;`, 2: `a=1;b={c=[1,{"x":2}];d={"e":"}"};f={};}a=-1.5e3;`, 3: `a=1;b={c=[1,{"x":2}];d={e="}";}f={};}a=-1.5e3;`} {
		if depth == 0 {
			continue
		}
		if err := x.Parse(doc, depth); err != nil {
			t.Fatal(err)
		}
		if got := list(&x, 0, x.Len()); got != want {
			t.Errorf("depth %d:\ngot  %s\nwant %s", depth, got, want)
		}
		if at := x.Start(0); string(doc[at]) != "1" {
			t.Errorf("the first value begins at %d", at)
		}
	}
}

func TestIndexRefuses(t *testing.T) {
	var x Index
	for _, doc := range []string{"", " ", "[]", "1", "{", `{"a"`, `{"a":`, `{"a":1`, `{"a":1,`, `{"a":1,}`, `{"a":1}}`, `{"a":1} x`, `{a:1}`, `{"a":01}`, `{"a":"x`, "{\"a\":\"\x01\"}", `{"a":"\u12"}`, `{"a":nul}`, `{"a":{"b":[}}`,
		`{"a":` + strings.Repeat(`{"a":`, 2000) + "1" + strings.Repeat("}", 2001), `{"a":` + strings.Repeat("[", 2000) + strings.Repeat("]", 2000) + "}"} {
		for depth := 1; depth < 4; depth++ {
			if err := x.Parse([]byte(doc), depth); err == nil || x.Len() != 0 {
				t.Errorf("%.100s: %v, %d fields", doc, err, x.Len())
			}
		}
	}
}

// TestDeepErrorsAreFoundOnce: what is wrong deep inside is not looked for from every level.
func TestDeepErrorsAreFoundOnce(t *testing.T) {
	doc := []byte(strings.Repeat("[", 900) + `"` + strings.Repeat("x", 8<<20) + `" !`)
	if err := Check(doc); err == nil {
		t.Error("accepted")
	}
}

func TestAppendUnquoted(t *testing.T) {
	for raw, want := range map[string]string{`""`: "", `"a b"`: "a b", `"a\nb\u0041\/\\"`: "a\nbA/\\", `"x\ud83d\ude00y"`: "x😀y", `"\\ud83d"`: `\ud83d`, "\"é\"": "é"} {
		got, err := AppendUnquoted([]byte("-"), []byte(raw))
		if err != nil || string(got) != "-"+want {
			t.Errorf("%s: %q, %v", raw, got, err)
		}
	}
	for _, raw := range []string{`"\ud83d"`, `"\ude00"`, `"\ud83d\ud83d"`, `"\ud83dx"`, `"\ude00\ud83d"`, `"a\ud83d\n"`} {
		if got, err := AppendUnquoted(nil, []byte(raw)); !errors.Is(err, errSurrogate) {
			t.Errorf("%s: %q, %v", raw, got, err)
		}
	}
}

// FuzzIndex holds the index to the verdicts of encoding/json and to what EachField finds.
func FuzzIndex(f *testing.F) {
	for _, s := range []string{envelope, `{"a":1,"b":{"c":{"d":[]}},"\u0061":"\ud83d"}`, `{"a":1,}`, ` {} x`, `{"a":{"b":01}}`, "{\"a\":\"\xff\"}"} {
		f.Add([]byte(s), 2)
	}
	f.Fuzz(func(t *testing.T, doc []byte, depth int) {
		depth = max(1, min(depth, 4))
		var x Index
		err := x.Parse(doc, depth)
		if errors.Is(err, errDepth) {
			return
		}
		object := json.Valid(doc) && bytes.HasPrefix(bytes.TrimLeft(doc, " \t\r\n"), []byte("{"))
		if object != (err == nil) {
			t.Fatalf("%q: an object %v, we say %v", doc, object, err)
		}
		if err == nil {
			compareFields(t, &x, doc, 0, x.Len(), depth)
		}
	})
}

// compareFields walks an index and EachField side by side.
func compareFields(t *testing.T, x *Index, doc []byte, n, end, depth int) {
	if err := EachField(doc, func(name, value []byte) error {
		if n >= end || !bytes.Equal(x.Name(n), name) || !bytes.Equal(x.Value(n), value) {
			t.Fatalf("%q: field %d differs from %q = %q", doc, n, name, value)
		}
		if IsObject(value) && depth > 1 {
			compareFields(t, x, value, n+1, x.Next(n), depth-1)
		} else if x.Next(n) != n+1 {
			t.Fatalf("%q: field %q was taken apart", doc, name)
		}
		if raw := x.Value(n); IsString(raw) && utf8.Valid(raw) {
			var want string
			if got, err := AppendUnquoted(nil, raw); err == nil && (json.Unmarshal(raw, &want) != nil || string(got) != want) {
				t.Fatalf("%s reads as %q, want %q", raw, got, want)
			}
		}
		n = x.Next(n)
		return nil
	}); err != nil || n != end {
		t.Fatalf("%q: %v, stopped at field %d of %d", doc, err, n, end)
	}
}

func BenchmarkIndex(b *testing.B) {
	doc, x := []byte(envelope), Index{}
	b.SetBytes(int64(len(doc)))
	b.ReportAllocs()
	for b.Loop() {
		if err := x.Parse(doc, 2); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkEachField(b *testing.B) {
	doc := []byte(envelope)
	b.SetBytes(int64(len(doc)))
	for b.Loop() {
		if err := EachField(doc, func(_, _ []byte) error { return nil }); err != nil {
			b.Fatal(err)
		}
	}
}
