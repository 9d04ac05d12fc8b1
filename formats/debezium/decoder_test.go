package debezium

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"cdcbridge/changelog"
	"cdcbridge/formats"
	"cdcbridge/formats/formatstest"
	"cdcbridge/internal/fault"
)

func show(ev *formats.Event) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s/%s/%s @%d", ev.Op, ev.Database, ev.Schema, ev.Table, ev.Time)
	for _, part := range []struct {
		name   string
		fields []formats.Field
	}{{"key", ev.Key}, {"before", ev.Before}, {"after", ev.After}} {
		if part.fields == nil {
			continue
		}
		fmt.Fprintf(&b, " %s", part.name)
		for _, f := range part.fields {
			fmt.Fprintf(&b, " %s=%s", f.Name, f.JSON)
		}
	}
	return b.String()
}

func TestDecodeEveryRelease(t *testing.T) {
	for _, tc := range []struct{ name, key, value, want string }{
		{"1.9, transaction last", `{"id":7}`,
			`{"before":null,"after":{"id":7,"note":"hi"},"source":{"version":"1.9.7.Final","connector":"mysql","name":"s","ts_ms":1714979289000,"snapshot":"false","db":"app","sequence":null,"table":"orders","server_id":1,"gtid":null,"file":"b.1","pos":4,"row":0,"thread":null,"query":null},"op":"c","ts_ms":1714979289456,"transaction":null}`,
			`insert app//orders @1714979289000000 key id=7 after id=7 note="hi"`},
		{"3.6, microseconds", `{"id":7}`,
			`{"before":{"id":7},"after":{"id":7},"source":{"ts_ms":1714979289123,"db":"app","ts_us":1714979289123456,"ts_ns":1714979289123456000,"table":"orders"},"transaction":null,"op":"u","ts_ms":1,"ts_us":1,"ts_ns":1}`,
			`update app//orders @1714979289123456 key id=7 before id=7 after id=7`},
		{"PostgreSQL, delete with key only", `{"id":7}`,
			`{"before":{"id":7,"x":null},"after":null,"source":{"ts_ms":5,"db":"app","schema":"public","table":"t","lsn":1},"op":"d"}`,
			`delete app/public/t @5000 key id=7 before id=7 x=null`},
		{"schemas on", `{"schema":{"type":"struct","fields":[]},"payload":{"id":7}}`,
			`{"schema":{"type":"struct"},"payload":{"op":"r","after":{"id":7},"source":{"db":"d","table":"t","ts_ms":null}}}`,
			`read d//t @0 key id=7 after id=7`},
		{"payload before schema, white space", " { \"payload\" : {\"id\":7} , \"schema\" : null } ",
			"\n{ \"schema\" : null, \"payload\" : { \"op\" : \"c\" , \"after\" : { \"id\" : [ 1, 2 ] } } }\n",
			`insert // @0 key id=7 after id=[ 1, 2 ]`},
		{"key columns named schema and payload", `{"schema":"a","payload":"b"}`, `{"op":"c","after":{"schema":"a","payload":"b"}}`,
			`insert // @0 key schema="a" payload="b" after schema="a" payload="b"`},
		{"keyless delete", "", `{"op":"d","before":{"id":7},"after":null}`, `delete // @0 before id=7`},
		{"delete known by its key", `{"id":7}`, `{"op":"d","before":null,"after":null}`, `delete // @0 key id=7`},
	} {
		var key []byte
		if tc.key != "" {
			key = []byte(tc.key)
		}
		ev, err := decoder{}.Decode(key, []byte(tc.value))
		if err != nil {
			t.Errorf("%s: %v", tc.name, err)
		} else if got := show(ev); got != tc.want {
			t.Errorf("%s:\ngot  %s\nwant %s", tc.name, got, tc.want)
		}
	}
}

func TestDecodeRefusesWhatIsNoRowChange(t *testing.T) {
	for value, want := range map[string]string{
		`{"op":"t","before":null,"after":null,"source":{}}`:                   "truncated",
		`{"op":"m","ts_ms":1,"source":{},"message":{"prefix":"x"}}`:           "logical message",
		`{"ts_ms":1714979289500}`:                                             "no op",
		`{"databaseName":"app","ddl":"CREATE TABLE t (id INT)"}`:              "no op",
		`{"op":"x","after":{}}`:                                               "unknown op",
		`{"op":"c","after":null}`:                                             "no after image",
		`{"op":"u","before":{"id":1},"after":null}`:                           "no after image",
		`{"op":"d","before":{"id":1},"after":{"id":1}}`:                       "has an after image",
		`{"op":"c","after":7}`:                                                "reading after",
		`{"op":"c","after":{"id":1},"source":{"db":7}}`:                       "field db",
		`{"op":"c","after":{"id":1},"source":{"ts_ms":"now"}}`:                "field ts_ms",
		`{"op":"c","op":"d","after":{"id":1}}`:                                "the field op occurs twice",
		`{"op":"c","after":{"id":1,"id":2}}`:                                  "column id occurs twice",
		"{\"op\":\"c\",\"after\":{\"id\":\"\xff\"}}":                          "not UTF-8",
		`{"op":"c","after":{"id":1}} {}`:                                      "the end",
		``:                                                                    "an object",
		`{"schema":{},"payload":{"schema":{},"payload":{"op":"c"}}}`:          "no op",
		`{"op":"c","after":{"id":01}}`:                                        "a comma",
		"{\"op\":\"c\",\"after\":{\"id\":\"\x01\"}}":                          "control",
		`{"op":"c","after":{"id":` + strings.Repeat("[", 5000) + `}}`:         "nested deeper",
		`{"op":"c","after":{"id":1},"source":{"ts_us":99999999999999999999}}`: "64-bit",
	} {
		ev, err := decoder{}.Decode([]byte(`{"id":1}`), []byte(value))
		if !fault.Is(err, fault.Decode) || !strings.Contains(err.Error(), want) {
			t.Errorf("%.80s: got %v, %v, want an error about %q", value, ev, err, want)
		}
	}
	if _, err := (decoder{}).Decode(nil, []byte(`{"op":"d","before":null,"after":null}`)); !fault.Is(err, fault.Decode) {
		t.Errorf("a delete of nothing: %v", err)
	}
	if _, err := (decoder{}).Decode([]byte(`7`), nil); !fault.Is(err, fault.Decode) {
		t.Errorf("a bare key: %v", err)
	}
}

// FuzzDecode: whatever comes, the decoder answers with a fault or with an event that makes sense.
func FuzzDecode(f *testing.F) {
	table := formatstest.Orders()
	enc, err := NewConfig().Format(formats.Env{Server: "s", Version: "v"}).Compile(table, formats.Options{Key: table.Key, Upsert: true})
	if err != nil {
		f.Fatal(err)
	}
	row := formatstest.OrdersRow()
	key, _ := enc.AppendKey(nil, row)
	value, err := enc.AppendValue(nil, newContext(table), &changelog.Change{Op: changelog.Update, Before: row, After: row})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(key, value)
	f.Add([]byte(`{"schema":{},"payload":{"id":7}}`), []byte(`{"schema":{},"payload":{"op":"d","before":{"id":7}}}`))
	f.Add([]byte(`{"\u0061":"\ud83d"}`), []byte(`{"op":"r","after":{},"source":{"ts_ms":-1,"db":"\"","table":null}}`))
	f.Add([]byte(`{}`), []byte(`{"op":"t"}`))
	f.Fuzz(func(t *testing.T, key, value []byte) {
		ev, err := decoder{}.Decode(key, value)
		if err != nil {
			if !fault.Is(err, fault.Decode) {
				t.Fatalf("not a decode fault: %v", err)
			}
			return
		}
		if ev.Tombstone != (value == nil) || (ev.Op == 0) != ev.Tombstone {
			t.Fatalf("%q: %+v", value, ev)
		}
		if !ev.Tombstone && (ev.Op == changelog.Delete) != (ev.After == nil) {
			t.Fatalf("%q: %+v", value, ev)
		}
		for _, fields := range [][]formats.Field{ev.Key, ev.Before, ev.After} {
			for _, field := range fields {
				if !json.Valid(field.JSON) {
					t.Fatalf("field %q has the value %q", field.Name, field.JSON)
				}
			}
		}
	})
}
