package canal

import (
	"testing"

	"cdcbridge/changelog"
	"cdcbridge/formats"
	"cdcbridge/internal/fault"
)

const uuid = "3e11fa47-71ca-11e1-9e33-c80aa9429562"

func TestLocate(t *testing.T) {
	rd := readerOf(defaults()).(formats.Locator)
	locate := func(value string, headers ...formats.Header) formats.Place {
		rec := &formats.Record{Topic: "t", Headers: headers}
		if value != "" {
			rec.Value = []byte(value)
		}
		return rd.Locate(rec)
	}
	const whole = `{"data":[{"id":"1"}],"database":"d","es":1000,"id":7,"table":"t","ts":1714979289310,"type":"INSERT"}`
	first := locate(whole)
	if want := (formats.Place{Log: "canal", Major: 1714979289310, Minor: 7, Time: 1714979289310_000, Bunched: true}); first != want {
		t.Errorf("got %+v", first)
	}
	later := locate(`{"data":[{"id":"1"}],"database":"d","es":1,"id":1,"table":"t","ts":1714979289311,"type":"INSERT"}`)
	if first.Compare(&later) >= 0 || later.Compare(&first) <= 0 || first.Compare(&first) != 0 {
		t.Error("a message that was made later comes first")
	}
	if got := locate(ticdcRow); got.Log != "events" || got.Major == 0 {
		t.Errorf("of TiCDC: %+v", got)
	}
	for _, none := range []string{"", "x", `{"data":[{"id":"1"}],"type":"INSERT"}`, `{"id":-1,"type":"INSERT"}`} {
		if got := locate(none); got != (formats.Place{}) {
			t.Errorf("%s: %+v", none, got)
		}
	}
	if got := locate(whole, formats.Header{Name: "cdc.ord", Value: []byte("0")}); got != (formats.Place{}) {
		t.Errorf("a message of ours: %+v", got)
	}
}

const ticdcRow = `{"id":0,"database":"app","table":"orders","pkNames":["id"],"isDdl":false,"type":"INSERT","es":1714979289123,"ts":1714979290000,` +
	`"sql":"","sqlType":{"id":-5},"mysqlType":{"id":"bigint"},"old":null,"data":[{"id":"7"}],"_tidb":{"commitTs":449571530767859712}}`

func TestReadOrigin(t *testing.T) {
	var b changelog.Batch
	value := `{"data":[{"id":"1"}],"database":"d","es":1000,"gtid":"` + uuid + `:1-594,` + uuid + `:tag:1-3:7","id":31,"mysqlType":{"id":"int"},"pkNames":["id"],"table":"t","ts":5,"type":"INSERT"}`
	if err := readerOf(defaults()).Read(&b, &formats.Record{Topic: "t", Value: []byte(value)}); err != nil {
		t.Fatal(err)
	}
	if o := b.Txns[0].Origin; o.Batch != 31 || o.Built != 5 || o.Executed != 598 {
		t.Errorf("%+v", o)
	}
}

func TestExecuted(t *testing.T) {
	for set, want := range map[string]uint64{
		"": 0, "x": 0, uuid: 0, uuid + ":": 0, uuid + ":1-594": 594, uuid + ":1-5:7-8": 7, uuid + ":1-5,\n" + uuid + ":9": 6, uuid + ":tag:1-5": 5,
		uuid + ":5-1": 0, uuid + ":1-x": 0, "0-1-5": 0,
	} {
		if got := executed([]byte(set)); got != want {
			t.Errorf("%q: %d, want %d", set, got, want)
		}
	}
}

// TestInferredTables: what nobody describes is marked, and refused where types are written.
func TestInferredTables(t *testing.T) {
	for value, inferred := range map[string]bool{
		`{"data":[{"id":1}],"database":"d","table":"t","type":"INSERT"}`:                             true,
		`{"data":[{"id":"1"}],"database":"d","mysqlType":{"id":"int"},"table":"t","type":"INSERT"}`:  false,
		`{"data":null,"database":"d","isDdl":true,"sql":"TRUNCATE t","table":"t","type":"TRUNCATE"}`: true,
	} {
		var b changelog.Batch
		if err := readerOf(defaults()).Read(&b, &formats.Record{Topic: "t", Value: []byte(value)}); err != nil {
			t.Fatal(err)
		}
		var table *changelog.Table
		if len(b.Notes) > 0 {
			table = b.Notes[0].Table
		} else {
			table = b.Runs[0].Table
		}
		if table.Inferred != inferred || table.FullName() != "d.t" {
			t.Errorf("%s: %+v", value, table)
		}
		_, err := defaults().Format(formats.Env{}).Compile(table, formats.Options{})
		if got := fault.Is(err, fault.SchemaUnknown); got != inferred {
			t.Errorf("%s: compiling: %v", value, err)
		}
	}
}
