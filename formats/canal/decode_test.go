package canal

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"cdcbridge/formats"
	"cdcbridge/formats/formatstest"
	"cdcbridge/formats/internal/jsonx"
	"cdcbridge/internal/fault"
)

// Messages as their writers are documented or were seen to make them.
var (
	canalUpdate = `{"data":[{"id":"1","note":"x","v":null},{"id":"2","note":null,"v":"b"}],"database":"gold","es":1714979289000,` +
		`"gtid":"3e11fa47-71ca-11e1-9e33-c80aa9429562:1-594","id":31,"isDdl":false,"mysqlType":{"id":"int","note":"varchar(8)","v":"text"},` +
		`"old":[{"note":"a","v":null},{"note":null,"v":""}],"pkNames":["id"],"sql":"","sqlType":{"id":4,"note":12,"v":2005},"table":"orders","ts":1714979289310,"type":"UPDATE"}`
	canalAlter = `{"data":null,"database":"app","es":1714979290000,"gtid":"","id":32,"isDdl":true,"mysqlType":null,"old":null,"pkNames":null,` +
		`"sql":"ALTER TABLE orders\nADD c INT","sqlType":null,"table":"orders","ts":1714979290120,"type":"ALTER"}`
	canalQuery = `{"data":null,"database":"","es":1714979290000,"gtid":"","id":32,"isDdl":false,"mysqlType":null,"old":null,"pkNames":null,` +
		`"sql":"INSERT INTO pairs VALUES (1)","sqlType":null,"table":"pairs","ts":1714979290120,"type":"QUERY"}`
	canalMinimal = `{"data":[{"note":"minimal"}],"database":"gold","es":1714979290000,"gtid":"","id":3,"isDdl":false,"mysqlType":{"note":"text"},"old":[{}],` +
		`"pkNames":null,"sql":"","sqlType":{"note":2005},"table":"orders","ts":1714979290120,"type":"UPDATE"}`
	ticdcInsert = `{"id":0,"database":"app","table":"orders","pkNames":["id"],"isDdl":false,"type":"INSERT","es":1714979289123,"ts":1714979290000,` +
		`"sql":"","sqlType":{"id":-5},"mysqlType":{"id":"bigint"},"old":[null],"data":[{"id":"7"}],"_tidb":{"commitTs":449571530767859712}}`
	ticdcUpdate = `{"id":0,"database":"app","table":"orders","pkNames":["id"],"isDdl":false,"type":"UPDATE","es":1714979289123,"ts":1714979290000,` +
		`"sql":"","sqlType":{"id":-5,"v":12},"mysqlType":{"v":"varchar","id":"bigint"},"old":[{"id":"7","v":"a"}],"data":[{"id":"7","v":"b"}]}`
	ticdcWatermark = `{"id":0,"database":"","table":"","pkNames":null,"isDdl":false,"type":"TIDB_WATERMARK","es":1714979289123,"ts":1714979290000,` +
		`"sql":"","sqlType":null,"mysqlType":null,"old":null,"data":null,"_tidb":{"watermarkTs":449571530767859712}}`
	flinkCDC    = ` {"old":[{"id":7,"v":1.5,"b":true}],"data":[{"id":7,"v":2.5,"b":null}],"type":"UPDATE","database":"app","table":"t","pkNames":["id"]}`
	flinkDelete = `{"data":[{"id":7,"tags":[1,{"a":2}]}],"type":"DELETE"}`
)

// show renders an event for comparison.
func show(e *formats.Event) string {
	type image []map[string]json.RawMessage
	img := func(fields []formats.Field) image {
		if fields == nil {
			return nil
		}
		im := image{}
		for _, f := range fields {
			im = append(im, map[string]json.RawMessage{f.Name: f.JSON})
		}
		return im
	}
	text, err := json.Marshal(struct {
		Op, Database, Table string
		Time                int64
		Key, Before, After  image
	}{e.Op.String(), e.Database, e.Table, e.Time, img(e.Key), img(e.Before), img(e.After)})
	if err != nil {
		return err.Error()
	}
	return string(text)
}

func TestDecodeEveryWriter(t *testing.T) {
	var out strings.Builder
	for _, c := range []struct{ name, key, value string }{
		{"canal update of two rows", "", canalUpdate}, {"canal minimal update", "", canalMinimal},
		{"ticdc insert", "", ticdcInsert}, {"ticdc update", "", ticdcUpdate},
		{"flink cdc update", `{"id":7}`, flinkCDC}, {"flink delete", "", flinkDelete},
		{"no rows", "", `{"data":[],"type":"INSERT"}`},
		{"old unknown", "", `{"old":null,"data":[{"id":"1"}],"type":"UPDATE"}`},
		{"old of one row unknown", "", `{"old":[null,{"id":"0"}],"data":[{"id":"1"},{"id":"2"}],"type":"UPDATE"}`},
		{"column gone", "", `{"old":[{"gone":"1"}],"data":[{"id":"1"}],"type":"UPDATE"}`},
	} {
		var key []byte
		if c.key != "" {
			key = []byte(c.key)
		}
		events, err := Decoder{}.DecodeAll(key, []byte(c.value))
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		out.WriteString("# " + c.name + "\n")
		for i := range events {
			out.WriteString(show(&events[i]) + "\n")
		}
	}
	formatstest.Golden(t, "decoded.golden", []byte(out.String()))
}

func TestDecodeOne(t *testing.T) {
	e, err := Decoder{}.Decode([]byte(`{"id":"7"}`), nil)
	if err != nil || !e.Tombstone || e.Op != 0 || len(e.Key) != 1 || string(e.Key[0].JSON) != `"7"` {
		t.Errorf("tombstone: %+v %v", e, err)
	}
	if e, err = (Decoder{}).Decode(nil, []byte(ticdcInsert)); err != nil || e.Key != nil || string(e.After[0].JSON) != `"7"` {
		t.Errorf("one row: %+v %v", e, err)
	}
	_, err = Decoder{}.Decode(nil, []byte(canalUpdate))
	if !fault.Is(err, fault.Decode) || !strings.Contains(err.Error(), "2 rows") {
		t.Errorf("two rows: %v", err)
	}
}

func TestMessagesWithoutRows(t *testing.T) {
	for _, c := range []struct{ value, typ, sql string }{
		{canalAlter, "ALTER", "ALTER TABLE orders\nADD c INT"},
		{canalQuery, "QUERY", "INSERT INTO pairs VALUES (1)"},
		{ticdcWatermark, "TIDB_WATERMARK", ""},
		{`{"type":"INSERT","sql":"INSERT","data":null}`, "INSERT", "INSERT"},
	} {
		_, err := Decoder{}.Decode(nil, []byte(c.value))
		var none *NoRow
		if !errors.As(err, &none) || !fault.Is(err, fault.Decode) || none.Message.Type != c.typ || none.Message.SQL != c.sql {
			t.Errorf("%s: %v", c.typ, err)
		}
	}
}

func TestBadMessagesAreRefused(t *testing.T) {
	for _, value := range []string{
		``, ` `, `null`, `[]`, `{}`, `{"data":[{"id":"1"}]}`, canalUpdate + "x", canalUpdate[:len(canalUpdate)-1],
		`{"before":null,"after":{"id":1},"op":"c"}`,
		`{"type":"INIT","data":[{"id":"1"}]}`, `{"type":"insert","data":[{"id":"1"}]}`, `{"type":7,"data":[{"id":"1"}]}`,
		`{"type":"INSERT","data":{"id":"1"}}`, `{"type":"INSERT","data":["1"]}`, `{"type":"INSERT","data":[null]}`,
		`{"type":"INSERT","data":[{"id":"1"}],"es":"5"}`, `{"type":"INSERT","data":[{"id":"1"}],"es":9223372036854775807}`,
		`{"type":"INSERT","data":[{"id":"1"}],"es":1.5}`, `{"type":"INSERT","data":[{"id":"1"}],"isDdl":"false"}`,
		`{"type":"UPDATE","data":[{"id":"1"}],"old":[]}`, `{"type":"UPDATE","data":[{"id":"1"}],"old":[{},{}]}`,
		`{"type":"INSERT","data":[{"id":"1"}],"pkNames":[1]}`,
		`{"type":"INSERT","data":[{"id":"1","\u0069d":"2"}]}`, `{"type":"INSERT","type":"DELETE","data":[{"id":"1"}]}`,
		`{"type":"INSERT","data":[{"id":"1"}],"table":null,"table":"t"}`, `{"type":"INSERT","data":[{"id":"` + "\xff" + `"}]}`,
		`{"type":"INSERT","data":[{"id":` + strings.Repeat("[", 5000) + `"1"` + strings.Repeat("]", 5000) + `}]}`,
	} {
		e, err := Decoder{}.Decode(nil, []byte(value))
		var none *NoRow
		if !fault.Is(err, fault.Decode) || !fault.IsFinal(err) || errors.As(err, &none) {
			t.Errorf("%s: %+v %v", value, e, err)
		}
	}
	for _, key := range []string{``, `7`, `"7"`, `{"id"`, `null`, `{"id":"1","id":"2"}`, "{\"id\":\"\xff\"}"} {
		if _, err := (Decoder{}).Decode([]byte(key), []byte(ticdcInsert)); !fault.Is(err, fault.Decode) {
			t.Errorf("key %s: %v", key, err)
		}
	}
}

func TestParseKeepsWhatEventsLack(t *testing.T) {
	m, err := Parse([]byte(canalUpdate))
	if err != nil {
		t.Fatal(err)
	}
	if m.ID != 31 || m.Built != 1714979289310 || m.Time != 1714979289000 || !strings.HasSuffix(m.GTID, ":1-594") ||
		len(m.Key) != 1 || m.Key[0] != "id" || len(m.Types) != 3 || m.Types[1].Name != "note" || string(m.Types[1].JSON) != `"varchar(8)"` {
		t.Errorf("%+v", m)
	}
}

func FuzzDecode(f *testing.F) {
	for _, s := range []string{canalUpdate, canalAlter, canalQuery, canalMinimal, ticdcInsert, ticdcUpdate, ticdcWatermark, flinkCDC, flinkDelete,
		`{"type":"UPDATE","data":[{"a\u00e9":"\ud83d\ude00"}],"old":[{"a\u00e9":null}]}`} {
		f.Add([]byte(`{"id":"7"}`), []byte(s))
	}
	f.Fuzz(func(t *testing.T, key, value []byte) {
		events, err := Decoder{}.DecodeAll(key, value)
		if err != nil {
			if !fault.Is(err, fault.Decode) {
				t.Fatalf("not a decode fault: %v", err)
			}
			return
		}
		for _, e := range events {
			for _, image := range [][]formats.Field{e.Key, e.Before, e.After} {
				for _, field := range image {
					if err := jsonx.Check(field.JSON); err != nil {
						t.Fatalf("field %q is %s: %v", field.Name, field.JSON, err)
					}
				}
			}
			if (e.Op == 0) != e.Tombstone {
				t.Fatalf("operation of %+v", e)
			}
		}
	})
}
