package cli

import (
	"strings"
	"testing"

	"cdcbridge/changelog"
	"cdcbridge/formats"
	"cdcbridge/internal/kafkawire"
	"cdcbridge/upsert"
)

func TestFits(t *testing.T) {
	for _, c := range []struct {
		template, topic string
		want            bool
	}{
		{"{pipeline}.{schema}.{table}", "shop.db.orders", true},
		{"{pipeline}.{schema}.{table}", "shop.db.or.ders", true},
		{"{pipeline}.{schema}.{table}", "shop.db", false},
		{"{pipeline}.{schema}.{table}", "shop..x", false},
		{"{pipeline}.{schema}.{table}", "other.db.orders", false},
		{"cdc.{table}.log", "cdc.orders.log", true},
		{"cdc.{table}.log", "cdc..log", false},
		{"cdc.{table}.log", "cdc.log", false},
		{"{table}", "x", true},
		{"{table}", "", false},
		{"all", "all", true},
		{"all", "all2", false},
	} {
		if got := fits(c.template, "shop", c.topic); got != c.want {
			t.Errorf("%s, %s: %v", c.template, c.topic, got)
		}
	}
}

func TestPrint(t *testing.T) {
	row := func(name string) []formats.Field {
		return []formats.Field{{Name: "id", JSON: []byte("7")}, {Name: "na\"me", JSON: []byte(name)}}
	}
	key := []formats.Field{{Name: "id", JSON: []byte("7")}}
	r := fetched(t, kafkawire.Record{Key: []byte(`{"id":7}`), Headers: kafkawire.AppendRecordHeader(nil, upsert.HeaderTable, []byte("shop.orders")), HeaderCount: 1})
	r.Topic, r.Partition, r.Offset, r.Timestamp = "t", 2, 5, 1_700_000_000_123
	const at = " t/2@5 2023-11-14T22:13:20.123000Z shop.orders "
	for _, c := range []struct {
		ev   formats.Event
		want string
	}{
		{formats.Event{Op: changelog.Insert, After: row("null")}, "+I" + at + `{"id":7} {"id":7,"na\"me":null}` + "\n"},
		{formats.Event{Op: changelog.Read, After: row(`"x"`)}, "+I" + at + `{"id":7} {"id":7,"na\"me":"x"}` + "\n"},
		{formats.Event{Op: changelog.Update, Before: row("1"), After: row("2")},
			"-U" + at + `{"id":7} {"id":7,"na\"me":1}` + "\n+U" + at + `{"id":7} {"id":7,"na\"me":2}` + "\n"},
		{formats.Event{Op: changelog.Update, After: row("2")}, "+U" + at + `{"id":7} {"id":7,"na\"me":2}` + "\n"},
		{formats.Event{Op: changelog.Delete, Before: row("1")}, "-D" + at + `{"id":7} {"id":7,"na\"me":1}` + "\n"},
		{formats.Event{Op: changelog.Delete}, "-D" + at + `{"id":7}` + "\n"},
		{formats.Event{Tombstone: true}, "-T" + at + `{"id":7}` + "\n"},
	} {
		c.ev.Key = key
		if !c.ev.Tombstone {
			c.ev.Database, c.ev.Table = "shop", "orders"
		}
		var out strings.Builder
		p := printer{out: &out}
		if err := p.print(r, &c.ev); err != nil || out.String() != c.want {
			t.Errorf("%v\ngot  %swant %s", err, out.String(), c.want)
		}
	}
	if err := (&printer{out: &strings.Builder{}}).print(r, &formats.Event{Op: 99}); err == nil {
		t.Error("an unknown operation is printed")
	}
}

// TestPrintPostgres: the table is named by its schema, and values that are no scalars are printed as they stand in the message.
func TestPrintPostgres(t *testing.T) {
	r := fetched(t, kafkawire.Record{Key: []byte(`{"k":{"scale":1,"value":"Cw=="}}`), Headers: kafkawire.AppendRecordHeader(nil, upsert.HeaderTable, []byte("public.orders")), HeaderCount: 1})
	r.Topic, r.Offset = "t", 5
	key := []formats.Field{{Name: "k", JSON: []byte(`{"scale":1,"value":"Cw=="}`)}}
	row := append(key, formats.Field{Name: "a", JSON: []byte(`[[1,null],[2,3]]`)}, formats.Field{Name: "h", JSON: []byte(`{"k":null}`)}, formats.Field{Name: "i", JSON: []byte(`"{1,NULL}"`)})
	const text = `{"k":{"scale":1,"value":"Cw=="},"a":[[1,null],[2,3]],"h":{"k":null},"i":"{1,NULL}"}`
	for _, c := range []struct {
		ev   formats.Event
		json bool
		want string
	}{
		{formats.Event{Op: changelog.Insert, Database: "shop", Schema: "public", Table: "orders", Time: 1, Key: key, After: row}, false,
			`+I t/0@5 1970-01-01T00:00:00.000001Z public.orders {"k":{"scale":1,"value":"Cw=="}} ` + text + "\n"},
		{formats.Event{Op: changelog.Insert, Database: "public", Table: "orders", Time: 1, Key: key, After: row}, true,
			`{"mark":"+I","topic":"t","partition":0,"offset":5,"time":"1970-01-01T00:00:00.000001Z","table":"public.orders","key":{"k":{"scale":1,"value":"Cw=="}},"row":` + text + "}\n"},
		{formats.Event{Tombstone: true, Time: 1, Key: key}, false, `-T t/0@5 1970-01-01T00:00:00.000001Z public.orders {"k":{"scale":1,"value":"Cw=="}}` + "\n"},
	} {
		var out strings.Builder
		p := printer{out: &out, json: c.json}
		if err := p.print(r, &c.ev); err != nil || out.String() != c.want {
			t.Errorf("%v\ngot  %swant %s", err, out.String(), c.want)
		}
	}
}

// fetched sends a record through its wire form.
func fetched(t *testing.T, rec kafkawire.Record) *kafkawire.FetchedRecord {
	t.Helper()
	raw := kafkawire.AppendRecord(kafkawire.ReserveBatchHeader(nil), &rec)
	kafkawire.SealBatch(raw, &kafkawire.BatchHeader{Count: 1, Producer: kafkawire.NoProducer, Sequence: -1})
	b, _, ok, err := kafkawire.NextBatch(raw)
	if err != nil || !ok {
		t.Fatalf("%v %v", ok, err)
	}
	it, _, err := b.Records(nil)
	if err != nil {
		t.Fatal(err)
	}
	var r kafkawire.FetchedRecord
	if !it.Next(&r) {
		t.Fatal(it.Err())
	}
	return &r
}

func TestPrintJSON(t *testing.T) {
	r := &kafkawire.FetchedRecord{Topic: "t", Offset: 5, Timestamp: 1, Key: []byte("plain")}
	ev := &formats.Event{Op: changelog.Insert, Table: "x", Time: 1_700_000_000_000_001, After: []formats.Field{{Name: "a", JSON: []byte(`"<b>"`)}}}
	var out strings.Builder
	if err := (&printer{out: &out, json: true}).print(r, ev); err != nil {
		t.Fatal(err)
	}
	want := `{"mark":"+I","topic":"t","partition":0,"offset":5,"time":"2023-11-14T22:13:20.000001Z","table":"x","key":"plain","row":{"a":"<b>"}}` + "\n"
	if out.String() != want {
		t.Errorf("got  %swant %s", out.String(), want)
	}
}

func TestDecoderForNeedsAMatchingOutput(t *testing.T) {
	code, _, errs := call(registry(nil, nil), "inspect", "other.topic", "-c", configFile(t, ""))
	if code != exitUsage || !strings.Contains(errs, "name its format with --format") {
		t.Errorf("%d %s", code, errs)
	}
	code, _, errs = call(registry(nil, nil), "inspect", "other.topic", "--format", "xml", "-c", configFile(t, ""))
	if code != exitUsage || !strings.Contains(errs, "--format must be one of lines") {
		t.Errorf("%d %s", code, errs)
	}
	code, _, errs = call(registry(nil, nil), "inspect", "shop.db.orders", "-c", configFile(t, ""))
	if code != exitFailure || !strings.Contains(errs, "unreachable") {
		t.Errorf("%d %s", code, errs)
	}
}
