package debezium

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"cdcbridge/changelog"
	"cdcbridge/formats"
	"cdcbridge/formats/formatstest"
	"cdcbridge/internal/fault"
)

// interner gives equal tables one pointer, as capture.Shapes does.
func interner() func(*changelog.Table) *changelog.Table {
	known := map[string]*changelog.Table{}
	return func(t *changelog.Table) *changelog.Table {
		id := fmt.Sprintf("%+v", *t)
		if known[id] == nil {
			known[id] = t
		}
		return known[id]
	}
}

func newReader(tables ...*changelog.Table) formats.Reader {
	return NewConfig().Reader(formats.ReaderOptions{Intern: interner(), Table: func(ns, name string) *changelog.Table {
		for _, t := range tables {
			if t.Namespace() == ns && t.Name == name {
				return t
			}
		}
		return nil
	}})
}

// record makes a record of a topic; "" is null.
func record(key, value string) *formats.Record {
	r := &formats.Record{Topic: "shop1.app.orders", Timestamp: 1714979289123}
	if key != "" {
		r.Key = []byte(key)
	}
	if value != "" {
		r.Value = []byte(value)
	}
	return r
}

// text shows a value shortly.
func text(v changelog.Value) string {
	switch v.Kind() {
	case changelog.KindNull:
		return "NULL"
	case changelog.KindUnchanged:
		return "?"
	case changelog.KindBool:
		return fmt.Sprint(v.Bool())
	case changelog.KindFloat64:
		return fmt.Sprint(v.Float64())
	case changelog.KindInt, changelog.KindDate, changelog.KindTime, changelog.KindDateTime, changelog.KindTimestamp:
		return fmt.Sprint(v.Int())
	case changelog.KindUint:
		return fmt.Sprint(v.Uint())
	case changelog.KindEnum:
		return fmt.Sprintf("%d:%s", v.Uint(), v.Bytes())
	case changelog.KindArray:
		var out []string
		for _, e := range v.Elems() {
			out = append(out, text(e))
		}
		return "[" + strings.Join(out, " ") + "]"
	}
	return fmt.Sprintf("%q", v.Bytes())
}

// dump shows a batch.
func dump(b *changelog.Batch) string {
	var out []string
	image := func(what string, t *changelog.Table, row changelog.Row) string {
		if row == nil {
			return ""
		}
		s := " " + what
		for i, v := range row {
			s += " " + t.Columns[i].Name + "=" + text(v)
		}
		return s
	}
	for _, run := range b.Runs {
		for _, ch := range b.Changes[run.From:run.To] {
			s := fmt.Sprintf("%s %s/%s @%d", ch.Op, run.Table.Origin, run.Table.FullName(), b.Txns[run.Txn].Commit)
			if len(run.Table.Key) > 0 {
				s += fmt.Sprint(" key ", run.Table.Key)
			}
			out = append(out, s+image("before", run.Table, ch.Before)+image("after", run.Table, ch.After))
		}
	}
	for _, n := range b.Notes {
		s := fmt.Sprintf("note %d at %d: %s|%s|%s", n.Kind, n.At, n.Database, n.Prefix, n.Text)
		if n.Table != nil {
			s += " " + n.Table.FullName()
		}
		out = append(out, s)
	}
	return strings.Join(out, "\n")
}

const schemaOf = `{"type":"struct","fields":[{"type":"struct","fields":[{"type":"int64","optional":false,"field":"id"},` +
	`{"type":"bytes","optional":true,"name":"org.apache.kafka.connect.data.Decimal","version":1,"parameters":{"scale":"2","connect.decimal.precision":"10"},"field":"amount"},` +
	`{"type":"string","optional":true,"name":"io.debezium.data.Enum","version":1,"parameters":{"allowed":"new,paid"},"field":"state"},` +
	`{"type":"int64","optional":true,"name":"io.debezium.time.MicroTimestamp","version":1,"field":"at"},` +
	`{"type":"array","items":{"type":"int32","optional":true},"optional":true,"field":"n"}],"optional":true,"name":"s.app.orders.Value","field":"after"}],"optional":false,"name":"s.app.orders.Envelope"}`

func TestReadEveryRelease(t *testing.T) {
	for _, tc := range []struct{ name, key, value, want string }{
		{"1.9, transaction last", `{"id":7}`,
			`{"before":null,"after":{"id":7,"note":"hi"},"source":{"version":"1.9.7.Final","connector":"mysql","name":"s","ts_ms":1714979289000,"snapshot":"false","db":"app","sequence":null,"table":"orders","server_id":1,"gtid":null,"file":"b.1","pos":4,"row":0,"thread":null,"query":null},"op":"c","ts_ms":1714979289456,"transaction":null}`,
			`insert mysql/app.orders @1714979289000000 key [0] after id=7 note="hi"`},
		{"before 1.5, snapshot as boolean", `{"id":7}`,
			`{"after":{"id":7},"source":{"connector":"mysql","ts_ms":1,"snapshot":true,"db":"app","table":"orders"},"op":"r"}`,
			`read mysql/app.orders @1000 key [0] after id=7`},
		{"3.6, microseconds", `{"id":7}`,
			`{"before":{"id":7},"after":{"id":7},"source":{"ts_ms":1714979289123,"db":"app","ts_us":1714979289123456,"ts_ns":1714979289123456000,"table":"orders"},"transaction":null,"op":"u","ts_ms":1,"ts_us":1,"ts_ns":1}`,
			`update /app.orders @1714979289123456 key [0] before id=7 after id=7`},
		{"schemas on", `{"schema":{"type":"struct","fields":[]},"payload":{"id":7}}`,
			`{"schema":` + schemaOf + `,"payload":{"op":"c","after":{"id":7,"amount":"BNI=","state":"paid","at":1714979289123456,"n":[1,null]},"source":{"connector":"mysql","db":"app","table":"orders","ts_ms":null}}}`,
			`insert mysql/app.orders @0 key [0] after id=7 amount="12.34" state=2:paid at=1714979289123456 n=[1 NULL]`},
		{"payload before schema", "", `{"payload":{"op":"c","after":{"id":7,"amount":null,"state":"","at":null,"n":[]},"source":{"db":"app","table":"orders"}} , "schema":` + schemaOf + `}`,
			`insert /app.orders @0 after id=7 amount=NULL state=0: at=NULL n=[]`},
		{"null schema", " { \"payload\" : {\"id\":7} , \"schema\" : null } ", "\n{ \"schema\" : null, \"payload\" : { \"op\" : \"c\" , \"after\" : { \"id\" : [ 1, 2 ] } } }\n",
			`insert /app.orders @0 key [0] after id="[ 1, 2 ]"`},
		{"key columns named schema and payload", `{"schema":"a","payload":"b"}`, `{"op":"c","after":{"schema":"a","payload":"b"}}`,
			`insert /app.orders @0 key [0 1] after schema="a" payload="b"`},
		{"Flink", "", `{"before":null,"after":{"id":7,"x":1.5,"y":12345678901234567.89,"z":true},"op":"c"}`,
			`insert /app.orders @0 after id=7 x=1.5 y="12345678901234567.89" z=true`},
		{"delete known by its key", `{"id":7}`, `{"op":"d","before":null,"after":null,"source":{"db":"app","table":"orders"}}`, `delete /app.orders @0 key [0] before id=7`},
		{"tombstone alone", `{"id":7}`, "", `delete /app.orders @1714979289123000 key [0] before id=7`},
		{"tombstone without key", "", "", ""},
		{"truncate", "", `{"before":null,"after":null,"source":{"connector":"postgresql","db":"app","schema":"public","table":"orders","lsn":8},"op":"t"}`, `note 1 at 0: app|| public.orders`},
		{"logical message", `{"prefix":"pfx"}`, `{"op":"m","ts_ms":1,"source":{"connector":"postgresql","db":"app","txId":7},"message":{"prefix":"pfx","content":"aGk="}}`, `note 3 at 0: |pfx|hi`},
		{"schema change", `{"databaseName":"app"}`, `{"source":{"connector":"mysql","db":"app","table":"orders"},"ts_ms":5,"databaseName":"app","schemaName":null,"ddl":"ALTER TABLE orders ADD c INT","tableChanges":[]}`,
			`note 2 at 0: app||ALTER TABLE orders ADD c INT`},
		{"heartbeat", `{"serverName":"s"}`, `{"ts_ms":1714979289500}`, `note 4 at 0: ||`},
		{"heartbeat with schema", "", `{"schema":{"type":"struct","fields":[],"optional":false,"name":"io.debezium.connector.common.Heartbeat"},"payload":{"ts_ms":1714979289500}}`, `note 4 at 0: ||`},
		{"begin", `{"id":"a:1"}`, `{"status":"BEGIN","id":"a:1","event_count":null,"data_collections":null,"ts_ms":1}`, ""},
	} {
		b := new(changelog.Batch)
		if err := newReader().Read(b, record(tc.key, tc.value)); err != nil {
			t.Errorf("%s: %v", tc.name, err)
		} else if got := dump(b); got != tc.want {
			t.Errorf("%s:\ngot  %s\nwant %s", tc.name, got, tc.want)
		}
	}
}

func TestReadPlaces(t *testing.T) {
	b := new(changelog.Batch)
	rd := newReader()
	mysql := `{"before":null,"after":{"id":%d},"source":{"connector":"mysql","ts_us":5000,"snapshot":"false","db":"app","table":"orders","server_id":101,"gtid":"u:23","file":"b.3","pos":484,"row":%d,"thread":12},"transaction":{"id":"u:23","total_order":%d,"data_collection_order":%[3]d},"op":"c"}`
	for i := range 3 {
		if err := rd.Read(b, record("", fmt.Sprintf(mysql, i, i, i+1))); err != nil {
			t.Fatal(err)
		}
	}
	if err := rd.Read(b, record("", `{"after":{"id":1},"source":{"connector":"postgresql","ts_us":6000,"snapshot":"last","db":"app","schema":"public","table":"t","txId":null,"lsn":99,"sequence":"[null,\"99\"]"},"op":"r"}`)); err != nil {
		t.Fatal(err)
	}
	if err := rd.Read(b, record("", `{"after":{"id":1},"source":{"connector":"postgresql","ts_us":6000,"db":"app","schema":"public","table":"t","txId":1305,"lsn":54094512,"sequence":"[\"54094408\",\"54094512\"]","origin":"up","origin_lsn":7},"op":"c"}`)); err != nil {
		t.Fatal(err)
	}
	if len(b.Txns) != 3 || len(b.Runs) != 3 || b.Runs[0].To != 3 || b.Changes[2].RowInEvent != 2 || b.Changes[2].Index != 2 || b.Changes[2].TableIndex != 2 {
		t.Fatalf("%+v\n%+v\n%+v", b.Txns, b.Runs, b.Changes)
	}
	if x := b.Txns[0]; x.ID != "u:23" || x.Commit != 5000 || x.Origin.ServerID != 101 || x.Origin.Thread != 12 || x.Origin.GTID != "u:23" || b.Runs[0].File != "b.3" || b.Runs[0].Pos != 484 {
		t.Errorf("MySQL: %+v %+v", x, b.Runs[0])
	}
	if x := b.Txns[1]; !x.Snapshot || b.Runs[1].Snapshot != changelog.SnapshotLast || b.Changes[3].Op != changelog.Read || x.Origin.Pos != 99 {
		t.Errorf("snapshot: %+v %+v", x, b.Runs[1])
	}
	if x := b.Txns[2]; x.Origin.XID != 1305 || b.Changes[4].Pos != 54094512 || x.Origin.LastCommit != 54094408 || x.Origin.Replica != "up" || x.Origin.ReplicaLSN != 7 {
		t.Errorf("PostgreSQL: %+v", x)
	}
}

// TestReadGuesses: what nobody describes has as few versions as its values allow.
func TestReadGuesses(t *testing.T) {
	rd, b := newReader(), new(changelog.Batch)
	var tables []*changelog.Table
	for _, row := range []string{
		`{"id":1,"a":null}`, `{"id":2,"a":null}`, `{"id":3,"a":1}`, `{"id":4,"a":null}`, `{"id":5,"a":12345678901234567890}`, `{"id":6,"a":1}`, `{"id":7,"a":1.5}`,
		`{"id":8,"a":"x"}`, `{"id":9,"a":2}`, `{"a":2,"id":10}`, `{"id":11,"a":2,"b":1}`, `{"id":12}`,
	} {
		if err := rd.Read(b, record(`{"id":1}`, `{"op":"c","after":`+row+`,"source":{"db":"app","table":"orders"}}`)); err != nil {
			t.Fatal(err)
		}
	}
	for i := range b.Runs {
		if table := b.Runs[i].Table; !slices.Contains(tables, table) {
			tables = append(tables, table)
		}
	}
	want := ""
	for i, row := range []string{`id=1 a=NULL`, `id=2 a=NULL`, `id=3 a=1`, `id=4 a=NULL`, `id=5 a="12345678901234567890"`, `id=6 a="1"`, `id=7 a="1.5"`, `id=8 a="\"x\""`, `id=9 a="2"`,
		`id=10 a="2"`, `id=11 a="2" b=1`, `id=12`} {
		if want += "\ninsert /app.orders @0 key [0] after " + row; i == 0 {
			want = want[1:]
		}
	}
	if got := dump(b); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if len(tables) != 6 {
		t.Errorf("%d versions", len(tables))
	}
}

// TestReadDeletesOnce: a tombstone behind its delete says nothing new, and everything when the delete is gone.
func TestReadDeletesOnce(t *testing.T) {
	rd, b := newReader(), new(changelog.Batch)
	for _, rec := range []*formats.Record{
		record(`{"id":7}`, `{"op":"c","after":{"id":7,"a":1},"source":{"db":"app","table":"orders"}}`),
		record(`{"id":7}`, `{"op":"d","before":{"id":7,"a":1},"source":{"db":"app","table":"orders"}}`),
		record(`{"id":7}`, ""),
		record(`{"id":8}`, ""),
	} {
		if err := rd.Read(b, rec); err != nil {
			t.Fatal(err)
		}
	}
	want := "insert /app.orders @0 key [0] after id=7 a=1\ndelete /app.orders @0 key [0] before id=7 a=1\ndelete /app.orders @1714979289123000 key [0] before id=8 a=?"
	if got := dump(b); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestReadPlaceholders(t *testing.T) {
	table := &changelog.Table{Origin: postgres, Database: "app", Schema: "public", Name: "t", Key: []int{0}, Columns: []changelog.Column{
		{Name: "id", Type: changelog.Type{Kind: changelog.KindInt, Bits: 32}},
		{Name: "t", Type: changelog.Type{Kind: changelog.KindString}, Nullable: true},
		{Name: "b", Type: changelog.Type{Kind: changelog.KindBytes}, Nullable: true},
		{Name: "a", Type: changelog.Type{Kind: changelog.KindArray, Elem: &changelog.Column{Type: changelog.Type{Kind: changelog.KindString}}}, Nullable: true},
		{Name: "n", Type: changelog.Type{Kind: changelog.KindString}},
	}}
	b := new(changelog.Batch)
	rd := newReader(table)
	if err := rd.Read(b, record("", `{"op":"u","before":{"id":1,"t":null,"b":null,"a":null,"n":null},"after":{"id":1,"t":"__debezium_unavailable_value","b":"X19kZWJleml1bV91bmF2YWlsYWJsZV92YWx1ZQ==","a":["__debezium_unavailable_value"],"n":"x"},"source":{"connector":"postgresql","db":"app","schema":"public","table":"t"}}`)); err != nil {
		t.Fatal(err)
	}
	if got, want := dump(b), `update postgresql/public.t @0 key [0] before id=1 t=NULL b=NULL a=NULL n=? after id=1 t=? b=? a=? n="x"`; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestReadRefuses(t *testing.T) {
	orders := formatstest.Orders()
	envelope := func(row string) string {
		return `{"op":"c","after":` + row + `,"source":{"connector":"mysql","db":"shop","table":"orders"}}`
	}
	for value, want := range map[string]string{
		envelope(`{"id":1,"id":2}`):                                      "column id occurs twice",
		envelope(`{"status":"a","id":1,"status":"b"}`):                   "column status occurs twice",
		envelope(`{"quantity":1,"id":1,"quantity":2}`):                   "column quantity occurs twice",
		envelope(`{"nope":1}`):                                           "no column nope",
		envelope(`{"id":9223372036854775808}`):                           "no whole number",
		envelope(`{"id":1e400}`):                                         "no whole number",
		envelope(`{"id":"x"}`):                                           "no whole number",
		envelope(`{"flag":128}`):                                         "out of the column's range",
		envelope(`{"amount":"%%%%"}`):                                    "no base64",
		envelope(`{"amount":"AA="}`):                                     "no base64",
		envelope(`{"amount":1e999999999}`):                               "more digits",
		envelope(`{"amount":0.001}`):                                     "more fraction digits",
		envelope(`{"amount":"` + strings.Repeat("AAAA", 100_000) + `"}`): "more digits",
		envelope(`{"status":"\ud83d"}`):                                  "surrogate",
		envelope("{\"status\":\"\xff\"}"):                                "not UTF-8",
		envelope(`{"status":7}`):                                         "7 is no text",
		envelope(`{"created":"2024-02-30T00:00:00"}`):                    "no time",
		envelope(`{"created":"2024-05-06T24:00:00"}`):                    "no time",
		envelope(`{"created":9223372036854775807}`):                      "",
		envelope(`{"created":9223372036854775000}`):                      "range",
		envelope(`{"updated":"2024-05-06T07:08:09"}`):                    "no time",
		envelope(`{"updated":1714979289000}`):                            "no text",
		envelope(`{"id":` + strings.Repeat("[", 5000) + `}`):             "nested deeper",
		envelope(`7`):                          "no object",
		`{"op":"c","op":"d","after":{"id":1}}`: "the field op occurs twice",
		`{"op":"c","after":{"id":1},"source":{"db":"a","db":"b","table":"t"}}`: "field db occurs twice",
		`{"op":"c","after":{"id":1},"source":{"table":7}}`:                     "field table",
		`{"op":"c","after":{"id":1},"source":{"table":"t","pos":-1}}`:          "field pos",
		`{"op":"c","after":{"id":1},"source":{"table":"t","ts_ms":1e3}}`:       "field ts_ms",
		`{"op":"c","after":{"id":1},"source":7}`:                               "no object",
		`{"op":"c","before":{"id":1},"after":{"id":1}}`:                        "has a before image",
		`{"op":"x","after":{"id":1}}`:                                          "unknown op",
		`{"op":"d","before":{"id":1},"after":{"id":1}}`:                        "has an after image",
		`{"op":"u","before":{"id":1},"after":null}`:                            "no after image",
		`{"foo":1}`:                         "no op",
		`{"status":"X","id":"a"}`:           "unknown status",
		`{"op":"m","source":{"table":"t"}}`: "reading message",
		`{"schema":{"type":"struct","fields":[]},"payload":{"op":"c","after":{"id":1}}}`:                                                                          "none of a row's change",
		`{"schema":{"type":"struct","fields":` + strings.Repeat(`[{"fields":`, 50) + `[]` + strings.Repeat("}]", 50) + `},"payload":{"op":"c","after":{"id":1}}}`: "too many levels",
	} {
		b := new(changelog.Batch)
		err := newReader(orders).Read(b, record(`{"id":1}`, value))
		if want == "" {
			if err != nil {
				t.Errorf("%.100s: %v", value, err)
			}
			continue
		}
		if !fault.Is(err, fault.Decode) || !strings.Contains(err.Error(), want) || len(b.Changes)+len(b.Runs)+len(b.Txns)+len(b.Notes) != 0 {
			t.Errorf("%.100s: got %v and %s, want an error about %q", value, err, dump(b), want)
		}
	}
	for _, key := range []string{"7", "{", `{"id":1,"id":1}`, "{\"id\":\"\xff\"}", `{"nope":1}`, `{}`} {
		if err := newReader(orders).Read(new(changelog.Batch), &formats.Record{Topic: "s.shop.orders", Key: []byte(key)}); !fault.Is(err, fault.Decode) {
			t.Errorf("tombstone of %s: %v", key, err)
		}
	}
}

// TestReadRemembersLittle: what a reader keeps is bounded, whatever comes.
func TestReadRemembersLittle(t *testing.T) {
	rd := NewConfig().Reader(formats.ReaderOptions{Intern: func(t *changelog.Table) *changelog.Table { return t }}).(*reader)
	b := new(changelog.Batch)
	for i := range 2*maxTables + 5 {
		if err := rd.Read(b, record("", fmt.Sprintf(`{"op":"c","after":{"c%d":1},"source":{"db":"d","table":"t%d"}}`, i, i))); err != nil {
			t.Fatal(err)
		}
		b.Changes, b.Runs, b.Txns = b.Changes[:0], b.Runs[:0], b.Txns[:0]
	}
	if len(rd.tables) > maxTables {
		t.Errorf("%d tables", len(rd.tables))
	}
	// Short numbers do not become long ones without end.
	row := ""
	for i := range 200 {
		row += fmt.Sprintf(`"c%d":1e99999,`, i)
	}
	if err := rd.Read(b, record("", `{"op":"c","after":{`+row+`"z":1},"source":{"db":"d","table":"giant"}}`)); !fault.Is(err, fault.Decode) {
		t.Errorf("giants: %v", err)
	}
}

// TestReadTables: what a schema tells of columns beside their types.
func TestReadTables(t *testing.T) {
	column := func(more string) string { return `{"type":"int16","optional":false,` + more + `}` }
	schema := `{"type":"struct","fields":[{"type":"struct","fields":[` + strings.Join([]string{
		column(`"default":5,"doc":"how many","field":"n"`),
		column(`"parameters":{"__debezium.source.column.type":"SMALLINT UNSIGNED","__debezium.source.column.name":"u"},"field":"u"`),
		`{"type":"bytes","optional":true,"name":"org.apache.kafka.connect.data.Decimal","version":1,"parameters":{"scale":"2","connect.decimal.precision":"10"},"default":"BNI=","field":"d"}`,
		`{"type":"string","optional":true,"name":"io.debezium.data.Enum","version":1,"parameters":{"allowed":"a\\,b,c"},"default":"c","field":"e"}`,
		`{"type":"string","optional":true,"parameters":{"__debezium.source.column.type":"CHAR","__debezium.source.column.length":"8"},"field":"c"}`,
		`{"type":"map","keys":{"type":"string"},"values":{"type":"string"},"optional":true,"field":"m"}`,
		`{"type":"struct","fields":[{"type":"int16","field":"x"}],"optional":true,"field":"s"}`,
	}, ",") + `],"optional":true,"name":"s.app.t.Value","field":"before"}],"optional":false,"name":"s.app.t.Envelope"}`
	rd, b := newReader(), new(changelog.Batch)
	for range 2 {
		if err := rd.Read(b, record(`{"n":1}`, `{"schema":`+schema+`,"payload":{"op":"c","after":{"n":1,"u":65535,"d":null,"e":"a,b","c":"x","m":{"k":null},"s":{"x":1}},"source":{"connector":"mysql","db":"app","table":"t"}}}`)); err != nil {
			t.Fatal(err)
		}
	}
	var got []string
	for _, c := range b.Runs[0].Table.Columns {
		s := fmt.Sprintf("%s %d/%d %s %v", c.Name, c.Type.Kind, c.Type.Bits, c.SourceType, c.Nullable)
		if c.Default != nil {
			s += " default " + text(c.Default.Value)
		}
		got = append(got, s+" "+c.Comment)
	}
	want := []string{"n 3/16 smallint false default 5 how many", "u 4/16 smallint unsigned false ", `d 7/0 decimal(10,2) true default "12.34" `, "e 15/0 enum('a,b','c') true default 2:c ",
		"c 8/0 char(8) true ", "m 24/0 public.hstore true ", "s 10/0 document true "}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if b.Runs[0].Table != b.Runs[len(b.Runs)-1].Table {
		t.Error("the second message has another table")
	}
}
