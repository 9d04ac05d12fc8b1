package plain

import (
	"fmt"
	"strings"
	"testing"

	"cdcbridge/changelog"
	"cdcbridge/formats"
	"cdcbridge/internal/fault"
)

// readings are records read one after the other by one reader.
type readings struct {
	t  *testing.T
	rd formats.Reader
}

func newReadings(t *testing.T, edit func(*Config), tables ...*changelog.Table) *readings {
	c := NewConfig()
	if edit != nil {
		edit(c)
	}
	if errs := c.Validate(); len(errs) > 0 {
		t.Fatal(errs)
	}
	return &readings{t: t, rd: c.Reader(formats.ReaderOptions{
		Table: func(namespace, name string) *changelog.Table {
			for _, table := range tables {
				if table.Namespace() == namespace && table.Name == name {
					return table
				}
			}
			return nil
		},
		Intern: func(t *changelog.Table) *changelog.Table { return t },
	})}
}

// read gives what became of a record as text. A key or value of "-" is none.
func (r *readings) read(topic, key, value string, headers ...string) string {
	r.t.Helper()
	rec := &formats.Record{Topic: topic, Timestamp: 5}
	if key != "-" {
		rec.Key = []byte(key)
	}
	if value != "-" {
		rec.Value = []byte(value)
	}
	for _, h := range headers {
		name, v, _ := strings.Cut(h, "=")
		rec.Headers = append(rec.Headers, formats.Header{Name: name, Value: []byte(v)})
	}
	b := changelog.NewBatch()
	defer b.Release()
	if err := r.rd.Read(b, rec); err != nil {
		f := fault.As(err)
		if f == nil || f.Code != fault.Decode || f.Hint == "" || len(b.Changes)+len(b.Runs)+len(b.Txns) > 0 {
			r.t.Errorf("%s %s: %v, %d changes", key, value, err, len(b.Changes))
		}
		return "error: " + f.Err.Error()
	}
	if len(b.Changes) != 1 || len(b.Runs) != 1 || len(b.Txns) != 1 {
		r.t.Fatalf("%s %s: %+v %+v %+v", key, value, b.Changes, b.Runs, b.Txns)
	}
	ch, run, txn := &b.Changes[0], &b.Runs[0], &b.Txns[0]
	text := fmt.Sprintf("%s %s %s -> %s at %d", ch.Op, run.Table.FullName(), image(run.Table, ch.Before), image(run.Table, ch.After), txn.Commit)
	if txn.ID != "" || run.File != "" || ch.Pos != 0 {
		text += fmt.Sprintf(" txn %q #%d %s:%d %x/%x", txn.ID, ch.Index, run.File, run.Pos, txn.Origin.Pos, ch.Pos)
	}
	if txn.Snapshot {
		text += " snapshot"
	}
	return text
}

func image(t *changelog.Table, row changelog.Row) string {
	if row == nil {
		return "-"
	}
	var cols []string
	for i, v := range row {
		text := ""
		switch {
		case v.IsNull():
			text = "NULL"
		case v.IsUnchanged():
			text = "?"
		case v.Kind() == changelog.KindInt:
			text = fmt.Sprint(v.Int())
		case v.Kind() == changelog.KindBool:
			text = fmt.Sprint(v.Bool())
		case v.Kind() == changelog.KindTimestamp, v.Kind() == changelog.KindDateTime:
			text = fmt.Sprint(v.Int())
		default:
			text = string(v.Bytes())
		}
		cols = append(cols, fmt.Sprintf("%s:%d=%s", t.Columns[i].Name, v.Kind(), text))
	}
	return "(" + strings.Join(cols, " ") + ")"
}

func shopTable() *changelog.Table {
	return &changelog.Table{Origin: "mysql", Database: "shop", Name: "t", Key: []int{0}, Columns: []changelog.Column{
		{Name: "id", Type: changelog.Type{Kind: changelog.KindInt, Bits: 32}, SourceType: "int"},
		{Name: "d", Type: changelog.Type{Kind: changelog.KindDecimal, Precision: 10, Scale: 2}, SourceType: "decimal(10,2)", Nullable: true},
		{Name: "at", Type: changelog.Type{Kind: changelog.KindTimestamp, FSP: 3}, SourceType: "timestamp(3)", Nullable: true},
	}}
}

// TestReadsFlink reads what Flink's upsert-kafka writes: numbers for decimals, perhaps with an exponent, and times in both of its
// standards.
func TestReadsFlink(t *testing.T) {
	r := newReadings(t, nil, shopTable())
	for value, want := range map[string]string{
		`{"id":1,"d":12.3,"at":"1970-01-01 00:00:01.5Z"}`: "upsert shop.t - -> (id:3=1 d:7=12.30 at:14=1500000) at 5000",
		`{"id":1,"d":1E+2,"at":"1970-01-01T00:00:01Z"}`:   "upsert shop.t - -> (id:3=1 d:7=100.00 at:14=1000000) at 5000",
		`{"id":1,"d":null,"at":null}`:                     "upsert shop.t - -> (id:3=1 d:0=NULL at:0=NULL) at 5000",
		`{"id":1}`:                                        "upsert shop.t - -> (id:3=1 d:0=NULL at:0=NULL) at 5000",
		`{"at":null,"d":"-0.10","id":1}`:                  "upsert shop.t - -> (id:3=1 d:7=-0.10 at:0=NULL) at 5000",
		`{"id":1,"d":1.001}`:                              "error: column d: the decimal has more fraction digits than the column",
		`{"id":1,"d":123456789}`:                          "error: column d: the decimal has more digits than the column",
		`{"id":2147483648}`:                               "error: column id: the number is out of the column's range",
		`{"id":1,"at":"1970-01-01T00:00:01"}`:             "error: column at: the text is no time as the column has it",
		`{"id":1,"at":"1970-01-01T00:00:01.0001Z"}`:       "error: column at: the time has more fraction digits than the column",
		`{"d":1}`:                     "error: the row lacks column id",
		`{"id":1,"x":1}`:              "error: table shop.t has no column \"x\"",
		`{"id":1,"id":2}`:             `error: column "id" is there twice`,
		`{"id":1,"d":{"a":1}}`:        `error: column d: {"a":1} is no decimal`,
		`{"id":1e0}`:                  "error: column id: 1e0 is no whole number",
		`[{"id":1}]`:                  "error: JSON has .[. at byte 0 where an object is expected",
		"{\"id\":\"\xff\"}":           "error: the text is not UTF-8",
		`{"id":1,"d":1e999999999999}`: "error: column d: the decimal has more digits than the column",
		`{"id":1,"d":1e199999}`:       "error: column d: the decimal has more digits than the column",
		`{"id":` + strings.Repeat("[", 100_000) + `}`:          "deep",
		`{"id":1,"d":` + strings.Repeat("9", 500_000) + `}`:    "error: column d: the decimal has more digits than the column",
		`{"id":1,"d":0.` + strings.Repeat("0", 500_000) + `1}`: "error: column d: the decimal has more digits than the column",
	} {
		got := r.read("x.shop.t", `{"id":1}`, value)
		if got != want && (want != "deep" || !strings.HasPrefix(got, "error: ")) && (!strings.HasPrefix(value, "[") || !strings.Contains(got, "an object")) {
			t.Errorf("%.80s:\ngot  %s\nwant %s", value, got, want)
		}
	}
	for _, c := range [][3]string{
		{`{"id":7}`, "-", "delete shop.t (id:3=7 d:1=? at:1=?) -> - at 5000"},
		{`{"id":7,"id":8}`, "-", `error: column "id" is there twice`},
		{`{"x":7}`, "-", "error: table shop.t has no column \"x\""},
		{`{}`, "-", "error: it has no column"},
		{"-", "-", "error: it has neither key nor value"},
		{`{"d":7}`, `{"id":7}`, `error: the row lacks the key column "d"`},
		{"{\"id\":\"\xff\"}", "-", "error: the text is not UTF-8"},
	} {
		if got := r.read("x.shop.t", c[0], c[1]); got != c[2] {
			t.Errorf("%s %s: got %s, want %s", c[0], c[1], got, c[2])
		}
	}
}

// TestReadsWhatIsSaidBeside: fields of the value tell table, operation, time and place; without them our headers do.
func TestReadsWhatIsSaidBeside(t *testing.T) {
	other := shopTable()
	other.Origin, other.Database, other.Schema, other.Name = postgres, "db", "pub.lic", "t.x"
	r := newReadings(t, func(c *Config) { c.AddFields = fieldNames }, shopTable(), other)
	row := `{"id":1,"__schema":"pub.lic","__table":"t.x","__source_ts_ms":7`
	for _, c := range [][2]string{
		{row + `}`, "upsert pub.lic.t.x - -> (id:3=1 d:0=NULL at:0=NULL) at 7000"},
		{row + `,"__op":"c","__time":"1970-01-01T00:00:09.000Z"}`, "insert pub.lic.t.x - -> (id:3=1 d:0=NULL at:0=NULL) at 9000000"},
		{row + `,"__op":"u","__source_ts_us":8}`, "update pub.lic.t.x - -> (id:3=1 d:0=NULL at:0=NULL) at 8"},
		{row + `,"__op":"d"}`, "delete pub.lic.t.x (id:3=1 d:1=? at:1=?) -> - at 7000"},
		{row + `,"d":null,"__deleted":"true"}`, "delete pub.lic.t.x (id:3=1 d:0=NULL at:1=?) -> - at 7000"},
		{row + `,"__deleted":"false","__op":"r","__txn":null}`, "read pub.lic.t.x - -> (id:3=1 d:0=NULL at:0=NULL) at 7000 snapshot"},
		{row + `,"__txn":"a:1","__ord":3,"__pos":"00000001/0338FF10:00000001/0338FE20"}`, `upsert pub.lic.t.x - -> (id:3=1 d:0=NULL at:0=NULL) at 7000 txn "a:1" #3 :0 10338ff10/10338fe20`},
		{row + `,"__txn":"a:1","__ord":3,"__pos":"bin:log.1:77"}`, `upsert pub.lic.t.x - -> (id:3=1 d:0=NULL at:0=NULL) at 7000 txn "a:1" #3 bin:log.1:77 0/0`},
		{`{"id":1,"__db":"shop","__table":"t"}`, "upsert shop.t - -> (id:3=1 d:0=NULL at:0=NULL) at 5000"},
		{row + `,"__op":"x"}`, `error: field __op: "x" is no operation`},
		{row + `,"__op":"c","__op":"d"}`, "error: field __op is there twice"},
		{row + `,"__time":"yesterday"}`, "error: field __time: it is no time"},
		{row + `,"__source_ts_us":9223372036854775808}`, "error: field __source_ts_us: it is no time"},
		{row + `,"__ord":-1}`, "error: field __ord: -1 is no number of a change"},
	} {
		if got := r.read("any", "-", c[0]); got != c[1] {
			t.Errorf("%s:\ngot  %s\nwant %s", c[0], got, c[1])
		}
	}
	for _, c := range []struct {
		headers []string
		want    string
	}{
		{[]string{"cdc.table=shop.t", "cdc.op=u", "cdc.txn=g:1", "cdc.ord=2", "cdc.pos=binlog.1:9"}, `update shop.t - -> (id:3=1 d:0=NULL at:0=NULL) at 5000 txn "g:1" #2 binlog.1:9 0/0`},
		{[]string{"cdc.table=pub.lic.t.x", "cdc.op=r", "cdc.pos=binlog.1:9"}, `read pub.lic.t.x - -> (id:3=1 d:0=NULL at:0=NULL) at 5000 txn "" #0 binlog.1:9 9/0 snapshot`},
		{[]string{"cdc.table=shop.t", "cdc.op=d"}, "delete shop.t (id:3=1 d:1=? at:1=?) -> - at 5000"},
		{[]string{"cdc.table=shop.t", "cdc.ord=x"}, `error: cdc.ord is "x"`},
	} {
		if got := r.read("other", "-", `{"id":1}`, c.headers...); got != c.want {
			t.Errorf("%s:\ngot  %s\nwant %s", c.headers, got, c.want)
		}
	}
	if got, want := r.read("other", `{"id":9}`, "-"), "delete shop.t (id:3=9 d:1=? at:1=?) -> - at 5000"; got != want {
		t.Errorf("a tombstone is of the table before it: got %s, want %s", got, want)
	}
}

func TestReadsRawKeys(t *testing.T) {
	table := shopTable()
	r := newReadings(t, func(c *Config) { c.KeyFormat = keyRaw }, table)
	for _, c := range [][2]string{{"7", "delete shop.t (id:3=7 d:1=? at:1=?) -> - at 5000"}, {"x", `error: column id: "x" is no whole number`}, {"", `error: column id: "" is no whole number`}} {
		if got := r.read("x.shop.t", c[0], "-"); got != c[1] {
			t.Errorf("%q: got %s, want %s", c[0], got, c[1])
		}
	}
	if got := r.read("x.shop.u", "7", "-"); !strings.Contains(got, "nobody says") {
		t.Error(got)
	}
	text := shopTable()
	text.Columns[0].Type = changelog.Type{Kind: changelog.KindString}
	r = newReadings(t, func(c *Config) { c.KeyFormat = keyRaw }, text)
	if got, want := r.read("x.shop.t", "a\"\xff", "-"), "delete shop.t (id:8=a\"\xff d:1=? at:1=?) -> - at 5000"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	table.Key = []int{0, 1}
	r = newReadings(t, func(c *Config) { c.KeyFormat = keyRaw }, table)
	if got := r.read("x.shop.t", "7", "-"); !strings.Contains(got, "2 key columns") {
		t.Error(got)
	}
}

// TestGuessesTables: of a table that nobody describes all columns are there that were ever seen, each with a type that has all its
// values.
func TestGuessesTables(t *testing.T) {
	r := newReadings(t, nil)
	for _, c := range [][3]string{
		{`{"k":"a"}`, "-", "delete shop.t (k:8=a) -> - at 5000"},
		{`{"k":"a"}`, `{"k":"a","n":1,"x":null}`, "upsert shop.t - -> (k:8=a n:3=1 x:0=NULL) at 5000"},
		{`{"k":"a"}`, `{"k":"a","x":true}`, "upsert shop.t - -> (k:8=a n:0=NULL x:2=true) at 5000"},
		{`{"k":"a"}`, `{"k":"a","n":1.50,"x":true}`, "upsert shop.t - -> (k:8=a n:7=1.50 x:2=true) at 5000"},
		{`{"k":"a"}`, `{"k":"a","n":2,"x":{"y":[1, 2]}}`, `upsert shop.t - -> (k:8=a n:7=2 x:10={"y": [1, 2]}) at 5000`},
		{`{"k":"a"}`, `{"k":"a","n":"two","x":1}`, `upsert shop.t - -> (k:8=a n:10="two" x:10=1) at 5000`},
		{`{"k":"b"}`, "-", "delete shop.t (k:8=b n:1=? x:1=?) -> - at 5000"},
		{`{"k":"b"}`, `{"n":1}`, `error: the row lacks the key column "k"`},
	} {
		if got := r.read("x.shop.t", c[0], c[1]); got != c[2] {
			t.Errorf("%s %s:\ngot  %s\nwant %s", c[0], c[1], got, c[2])
		}
	}
	var wide strings.Builder
	for i := range maxColumns + 1 {
		fmt.Fprintf(&wide, `,"c%d":1`, i)
	}
	if got := r.read("x.shop.wide", "-", "{"+wide.String()[1:]+"}"); !strings.HasPrefix(got, "error: table shop.wide would have 10001 columns") {
		t.Errorf("%.100s", got)
	}
}

// TestRunsOfRecordsStayApart: changes of one event of the log came in two records, each of which its reader wants to know.
func TestRunsOfRecordsStayApart(t *testing.T) {
	rd := newReadings(t, nil).rd
	b := changelog.NewBatch()
	defer b.Release()
	for i, want := range []int{1, 1, 2} {
		rec := &formats.Record{Topic: "shop.orders", Timestamp: 5, Key: fmt.Appendf(nil, `{"id":%d}`, i), Value: fmt.Appendf(nil, `{"id":%d}`, i)}
		for name, value := range map[string]string{"cdc.table": "shop.orders", "cdc.pos": "binlog.000001:42", "cdc.txn": "gtid:1", "cdc.ord": fmt.Sprint(i), "cdc.op": "c"} {
			rec.Headers = append(rec.Headers, formats.Header{Name: name, Value: []byte(value)})
		}
		if err := rd.Read(b, rec); err != nil {
			t.Fatal(err)
		}
		if len(b.Runs) != want {
			t.Errorf("after record %d: %d runs, want %d", i, len(b.Runs), want)
		}
		if i == 1 {
			b.Runs[0].Record = 1
		}
	}
}
