package canal

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"cdcbridge/changelog"
	"cdcbridge/formats"
	"cdcbridge/formats/formatstest"
	"cdcbridge/internal/fault"
)

func readerOf(c *Config, tables ...*changelog.Table) formats.Reader {
	return c.Reader(formats.ReaderOptions{
		Table: func(namespace, name string) *changelog.Table {
			for _, t := range tables {
				if t.Namespace() == namespace && t.Name == name {
					return t
				}
			}
			return nil
		},
		Intern: func(t *changelog.Table) *changelog.Table { return t },
	})
}

// showRow renders a row for people: NULL, unchanged as -, and the rest by kind.
func showRow(row changelog.Row) string {
	if row == nil {
		return "none"
	}
	var parts []string
	for _, v := range row {
		parts = append(parts, showValue(v))
	}
	return strings.Join(parts, " | ")
}

func showValue(v changelog.Value) string {
	switch v.Kind() {
	case changelog.KindNull:
		return "NULL"
	case changelog.KindUnchanged:
		return "-"
	case changelog.KindBool:
		return fmt.Sprint(v.Bool())
	case changelog.KindInt, changelog.KindTime, changelog.KindBits:
		return fmt.Sprint(v.Int())
	case changelog.KindUint:
		return fmt.Sprint(v.Uint())
	case changelog.KindFloat32:
		return fmt.Sprint(v.Float32())
	case changelog.KindFloat64:
		return fmt.Sprint(v.Float64())
	case changelog.KindDate, changelog.KindDateTime, changelog.KindTimestamp:
		c := v.Civil()
		return fmt.Sprintf("%04d-%02d-%02d %02d:%02d:%02d.%06d", c.Year, c.Month, c.Day, c.Hour, c.Minute, c.Second, c.Micro)
	case changelog.KindEnum, changelog.KindSet:
		return fmt.Sprintf("%d=%s", v.Uint(), v.Bytes())
	case changelog.KindGeometry:
		return fmt.Sprintf("srid %d %x", v.Uint(), v.Bytes())
	case changelog.KindBytes:
		return fmt.Sprintf("x%x", v.Bytes())
	}
	return fmt.Sprintf("%q", v.Bytes())
}

func showBatch(b *changelog.Batch) string {
	var out strings.Builder
	for _, run := range b.Runs {
		t, txn := run.Table, b.Txns[run.Txn]
		fmt.Fprintf(&out, "%s %q.%q key %v, transaction %q at %d\n ", t.Origin, t.Namespace(), t.Name, t.Key, txn.ID, txn.Commit)
		for _, c := range t.Columns {
			fmt.Fprintf(&out, " %s:%s", c.Name, c.SourceType)
			if c.Type.FSP > 0 {
				fmt.Fprintf(&out, "/%d", c.Type.FSP)
			}
		}
		out.WriteByte('\n')
		for _, ch := range b.Changes[run.From:run.To] {
			fmt.Fprintf(&out, "  %s\n    before %s\n    after  %s\n", ch.Op, showRow(ch.Before), showRow(ch.After))
		}
	}
	for _, n := range b.Notes {
		fmt.Fprintf(&out, "note %d at %d time %d database %q prefix %q table %v: %q\n", n.Kind, n.At, n.Time, n.Database, n.Prefix, n.Table != nil, n.Text)
	}
	return out.String()
}

// typed is a message of Canal's with every type that its documentation and its observed messages have.
var typed = `{"data":[{"id":"7","t":"1","u":"18446744073709551615","d":"1.0","f":"1.0E7","e":"2","s":"5","b":"AB\u0000ÿ","x":"\u0001","dt":"2024-05-06 07:08:09.120",` +
	`"ts":"2024-05-06 07:08:09","z":"0000-00-00","y":"0000","tm":"-838:59:59","bit":"5","j":"{\"a\": 1}","g":"\u00e6\u0010\u0000\u0000\u0001\u0001","n":null,"c":"x"}],` +
	`"database":"gold","es":1714979289000,"gtid":"3e11fa47-71ca-11e1-9e33-c80aa9429562:1-594","id":31,"isDdl":false,"mysqlType":{"id":"bigint(20)","t":"tinyint(1)",` +
	`"u":"bigint unsigned","d":"decimal(10,2)","f":"double","e":"enum('new','it''s, \"x\"')","s":"set('a','b','c')","b":"varbinary(9)","x":"binary(4)","dt":"DATETIME(3)",` +
	`"ts":"timestamp","z":"date","y":"year","tm":"time","bit":"bit(5)","j":"json","g":"point","n":"TINYTEXT","c":"VARCHAR(32)"},"old":null,"pkNames":["id"],"sql":"",` +
	`"sqlType":{"id":-5,"t":-6,"u":3,"d":3,"f":8,"e":4,"s":-7,"b":2004,"x":2004,"dt":93,"ts":93,"z":91,"y":12,"tm":92,"bit":-7,"j":12,"g":2004,"n":2005,"c":12},` +
	`"table":"wide","ts":1714979289310,"type":"INSERT"}`

// TestReadEveryWriter pins what the reader makes of each writer's messages, one reader a group.
func TestReadEveryWriter(t *testing.T) {
	ticdc := func(typ, value string) string {
		return `{"id":0,"database":"app","table":"t","pkNames":["id"],"isDdl":false,"type":"INSERT","es":1714979289123,"ts":1714979290000,"sql":"",` +
			`"sqlType":{"id":-5,"v":93,"e":4},"mysqlType":{"v":"` + typ + `","e":"enum","id":"bigint"},"old":null,"data":[{"id":"7","v":` + value + `,"e":"2"}],"_tidb":{"commitTs":1}}`
	}
	groups := []struct {
		name     string
		messages []string
	}{
		{"canal", []string{canalUpdate, canalMinimal, typed}},
		{"canal minimal after insert", []string{
			`{"data":[{"id":"1","note":"a"}],"database":"g","mysqlType":{"id":"int","note":"text"},"old":null,"pkNames":["id"],"table":"o","type":"INSERT"}`,
			`{"data":[{"note":"b"}],"database":"g","mysqlType":{"note":"text"},"old":[{}],"pkNames":null,"table":"o","type":"UPDATE"}`,
			`{"data":[{"id":"1"}],"database":"g","mysqlType":{"id":"int"},"old":null,"pkNames":["id"],"table":"o","type":"DELETE"}`,
			`{"data":[{"id":"1"}],"database":"g","mysqlType":{"id":"int"},"old":null,"pkNames":["id"],"table":"o","type":"INSERT"}`,
		}},
		{"statements", []string{canalAlter, canalQuery, ticdcWatermark,
			`{"data":null,"database":"app","es":1,"isDdl":true,"sql":"TRUNCATE orders","table":"orders","type":"TRUNCATE"}`,
			`{"data":null,"database":"app","es":1,"isDdl":false,"sql":"GRANT ALL","table":"","type":"QUERY"}`}},
		{"ticdc", []string{ticdcInsert, ticdcUpdate, ticdc("datetime", `null`), ticdc("datetime", `"2024-05-06 07:08:09.120"`), ticdc("datetime", `"2024-05-06 07:08:10.000"`)}},
		{"flink cdc", []string{flinkCDC, `{"old":null,"data":[{"id":8,"v":null,"b":"x"}],"type":"INSERT","database":"app","table":"t","pkNames":["id"]}`}},
		{"flink", []string{flinkDelete, `{"data":[{"id":7.5,"tags":"x","more":true}],"type":"INSERT"}`, `{"data":[{"id":123456789012345678901}],"type":"INSERT"}`}},
		{"seatunnel", []string{`{"old":[{"id":1,"at":"2024-05-06T07:08:09"}],"data":[{"id":1,"at":"2024-05-06T07:08:10"}],"type":"UPDATE","database":"d","table":"t","ts":1714979289310}`}},
		{"postgres", []string{`{"data":[{"id":"1","at":"2024-05-06 07:08:09.120000","tags":"{1,NULL}","p":"(1,2)"}],"database":"public","es":1,"gtid":"","mysqlType":{"id":"bigint",` +
			`"at":"timestamp with time zone","tags":"integer[]","p":"point"},"old":null,"pkNames":["id"],"sqlType":{"id":-5,"at":93,"tags":12,"p":12},"table":"t","type":"INSERT"}`}},
		{"mariadb", []string{`{"data":[{"id":"1","u":"x"}],"database":"d","es":1,"gtid":"0-101-23","mysqlType":{"id":"int(11)","u":"uuid"},"old":null,"pkNames":["id"],"table":"t","type":"INSERT"}`}},
	}
	var out strings.Builder
	for _, g := range groups {
		r := readerOf(defaults())
		for _, m := range g.messages {
			b := new(changelog.Batch)
			if err := r.Read(b, &formats.Record{Topic: "topic", Value: []byte(m)}); err != nil {
				t.Fatalf("%s: %s: %v", g.name, m, err)
			}
			out.WriteString("# " + g.name + "\n" + showBatch(b))
		}
	}
	formatstest.Golden(t, "read.golden", []byte(out.String()))
}

func TestReadRefuses(t *testing.T) {
	message := func(typ, code, value string) string {
		return `{"data":[{"v":` + value + `}],"database":"d","mysqlType":{"v":"` + typ + `"},"sqlType":{"v":` + code + `},"table":"t","type":"INSERT"}`
	}
	for _, value := range []string{
		message("tinyint", "-6", `"128"`), message("int unsigned", "4", `"-1"`), message("int", "4", `"1.5"`), message("int", "4", `"0x1"`), message("int", "4", `"+1"`), message("int", "4", `""`),
		message("bit(5)", "-7", `"32"`), message("float", "7", `"1e39"`), message("double", "8", `"0x1p3"`), message("double", "8", `"inf"`), message("double", "8", `"1_0"`),
		message("decimal(4,2)", "3", `"100.00"`), message("decimal(4,2)", "3", `"1.001"`), message("decimal(4,2)", "3", `"NaN"`), message("decimal", "3", `1e999999999`), message("decimal", "3", `"."`),
		message("decimal(4,2)", "3", `"1e2"`), message("date", "91", `"2024-13-01"`), message("date", "91", `"24-01-01"`), message("date", "91", `"2024-01-01 "`), message("date", "91", `"infinity"`),
		message("datetime(3)", "93", `"2024-05-06 07:08:09.1234"`), message("datetime", "93", `"2024-05-06"`), message("datetime", "93", `"2024-05-06 24:00:00"`), message("datetime", "93", `"2024-05-06 07:08:09Z"`),
		message("time", "92", `"7:08:09"`), message("time", "92", `"99999999999:00:00"`), message("time(3)", "92", `"07:08:09."`), message("year", "12", `"x"`),
		message("enum('a')", "4", `"2"`), message("enum('a')", "4", `"a"`), message("enum('a')", "12", `"1"`), message("set('a','b')", "-7", `"4"`), message("set('a','b')", "12", `"a,c"`), message("set('a','b')", "12", `"a,"`),
		message("blob", "2004", `"\u0100"`), message("binary(2)", "2004", `"abc"`), message("point", "2004", `"abc"`), message("json", "12", `"{"`), message("json", "12", `"JSON_SET(a, 1)"`), message("vector(2)", "12", `"1,2"`),
		message("int", `"4"`, `"1"`), message("enum('a')", "4.5", `"1"`), message("varchar(2)", "12", `{"a":1}`), message("varchar(2)", "12", `[1]`),
		message("integer[]", "12", `"{1,{2}"`), message("integer[]", "12", `"{{{{{{{1}}}}}}}"`), message("integer[]", "12", `"{1}}"`), message("integer[]", "12", `"{1"`), message("integer[]", "12", `"{,}"`), message("text[]", "12", `"{\"a}"`),
		message("public.hstore", "12", `"\"a\""`), message("public.hstore", "12", `"\"a\"=>\"1\", \"a\"=>\"2\""`), message("interval", "12", `"1 fortnight"`), message("interval", "12", `"99999999999 days"`),
		message("bit varying(2)", "12", `"101"`), message("bit varying(2)", "12", `"12"`), message("public.geometry", "12", `"0101"`), message("public.geometry", "12", `"zz"`), message("time with time zone", "12", `"10:00:00"`),
		`{"data":[{"v":"1","v":"2"}],"mysqlType":{"v":"int"},"table":"t","type":"INSERT"}`, `{"data":[{"v":"1"}],"mysqlType":{"v":"int","v":"int"},"table":"t","type":"INSERT"}`,
		`{"data":[{"w":"1"}],"mysqlType":{"v":"int"},"table":"t","type":"INSERT"}`, `{"data":[{"v":"1"}],"mysqlType":{"v":7},"table":"t","type":"INSERT"}`, `{"data":[{"v":"1"}],"mysqlType":[],"table":"t","type":"INSERT"}`,
		`{"data":[{"v":"1"}],"mysqlType":{"v":"int"},"pkNames":["w"],"table":"t","type":"INSERT"}`, `{"data":[{"v":"1"}],"mysqlType":{"v":"int"},"pkNames":"v","table":"t","type":"INSERT"}`,
		`{"data":[{}],"table":"t","type":"INSERT"}`, `{"data":[{"v":1}],"table":"t","type":"INIT"}`, `{"data":[{"v":1}],"isDdl":true,"sql":"x","type":"ALTER"}`, `{"data":null,"type":"INSERT"}`,
		`{"data":{"v":1},"type":"INSERT"}`, `{"data":[null],"type":"INSERT"}`, `{"data":[{"v":1},2],"type":"INSERT"}`, `{"data":[{"v":1}],"old":[],"type":"UPDATE"}`, `{"type":"INSERT","data":[{"id":"1"}],"type":"INSERT"}`,
		`{"data":[{"v":` + strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000) + `}],"type":"INSERT"}`, `{"data":[{"v":"` + "\xff" + `"}],"type":"INSERT"}`,
	} {
		b := new(changelog.Batch)
		err := readerOf(defaults()).Read(b, &formats.Record{Topic: "t", Value: []byte(value)})
		if !fault.Is(err, fault.Decode) || !b.Empty() || len(b.Txns)+len(b.Runs) > 0 {
			t.Errorf("%.200s: %v, %s", value, err, showBatch(b))
		}
	}
	for _, value := range []string{
		`{"data":null,"database":"d","sql":"DELETE FROM t","table":"t","type":"DELETE"}`, `{"data":null,"database":"d","sql":"/* x */ insert into t values (1)","table":"t","type":"QUERY"}`,
	} {
		if err := readerOf(defaults()).Read(new(changelog.Batch), &formats.Record{Value: []byte(value)}); !fault.Is(err, fault.StatementDML) {
			t.Errorf("%s: %v", value, err)
		}
	}
	bad := defaults()
	bad.Timezone = "nowhere"
	if err := readerOf(bad).Read(new(changelog.Batch), &formats.Record{Value: []byte(typed)}); !fault.Is(err, fault.Config) {
		t.Error(err)
	}
}

// TestReadGivenTable: a table that is known says what the columns are, whatever the message says.
func TestReadGivenTable(t *testing.T) {
	table := &changelog.Table{Origin: "mysql", Database: "app", Name: "t", Key: []int{0}, Columns: []changelog.Column{
		{Name: "id", Type: changelog.Type{Kind: changelog.KindInt, Bits: 64}}, {Name: "amount", Type: changelog.Type{Kind: changelog.KindDecimal, Precision: 10, Scale: 2}},
		{Name: "raw", Type: changelog.Type{Kind: changelog.KindBytes}}, {Name: "at", Type: changelog.Type{Kind: changelog.KindTimestamp, FSP: 3}},
		{Name: "doc", Type: changelog.Type{Kind: changelog.KindJSON}}}}
	c := defaults()
	c.Preset("flink")
	r := readerOf(c, table)
	for value, want := range map[string]string{
		`{"data":[{"id":7,"amount":1.5,"raw":"/wA=","at":"2024-05-06T07:08:09.12Z","doc":{"a":[1]}}],"database":"app","table":"t","type":"INSERT"}`: `7 | "1.50" | xff00 | 2024-05-06 07:08:09.120000 | "{\"a\":[1]}"`,
		`{"data":[{"doc":"[]","id":"7","amount":"1.5E+1"}],"database":"app","table":"t","type":"INSERT"}`:                                           `7 | "15.00" | - | - | "[]"`,
		`{"data":[{"id":"7","at":"2024-05-06 07:08:09","doc":7}],"database":"app","table":"t","type":"INSERT","mysqlType":{"id":"varchar(9)"}}`:     `7 | - | - | 2024-05-06 07:08:09.000000 | "7"`,
	} {
		b := new(changelog.Batch)
		if err := r.Read(b, &formats.Record{Value: []byte(value)}); err != nil || b.Runs[0].Table != table || showRow(b.Changes[0].After) != want {
			t.Errorf("%s\ngot  %v %s\nwant %s", value, err, showBatch(b), want)
		}
	}
	err := r.Read(new(changelog.Batch), &formats.Record{Value: []byte(`{"data":[{"id":"7","gone":"1"}],"database":"app","table":"t","type":"INSERT"}`)})
	if !fault.Is(err, fault.Decode) || !strings.Contains(err.Error(), `"gone"`) {
		t.Error(err)
	}
}

func TestReadTimesInTheirZone(t *testing.T) {
	c := defaults()
	c.Timezone = "Europe/Berlin"
	r := readerOf(c)
	for text, want := range map[string]string{
		"2024-05-06 09:08:09": "2024-05-06 07:08:09.000000", "2024-01-01 00:00:00": "2023-12-31 23:00:00.000000", "0000-00-00 00:00:00": "0000-00-00 00:00:00.000000",
		"2024-03-31 03:00:00": "2024-03-31 01:00:00.000000", "2024-10-27 03:00:00": "2024-10-27 02:00:00.000000", "2024-10-27 01:59:59": "2024-10-26 23:59:59.000000",
		"2024-03-31 02:30:00": "never", "2024-10-27 02:30:00": "twice",
	} {
		b := new(changelog.Batch)
		err := r.Read(b, &formats.Record{Value: []byte(`{"data":[{"v":"` + text + `"}],"mysqlType":{"v":"timestamp"},"table":"t","type":"INSERT"}`)})
		if err == nil && showValue(b.Changes[0].After[0]) != want || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v %s, want %s", text, err, showBatch(b), want)
		}
	}
}

func TestReadTombstones(t *testing.T) {
	message := func(table, typ string) []byte {
		return []byte(`{"data":[{"id":"1","v":"x"}],"database":"d","mysqlType":{"id":"int","v":"text"},"pkNames":["id"],"table":"` + table + `","type":"` + typ + `"}`)
	}
	key := []byte(`{"id":"1"}`)
	r := readerOf(defaults())
	read := func(rec formats.Record) (string, error) {
		b := new(changelog.Batch)
		err := r.Read(b, &rec)
		return showBatch(b), err
	}
	if _, err := read(formats.Record{Topic: "a", Key: key}); !fault.Is(err, fault.Decode) {
		t.Errorf("of an unknown table: %v", err)
	}
	if _, err := read(formats.Record{Topic: "a", Key: key, Value: message("t", "DELETE")}); err != nil {
		t.Fatal(err)
	}
	if got, err := read(formats.Record{Topic: "a", Key: key}); got != "" || err != nil {
		t.Errorf("behind its delete: %q %v", got, err)
	}
	if got, err := read(formats.Record{Topic: "a", Key: key, Timestamp: 5}); err != nil || !strings.Contains(got, "delete\n    before 1 | -\n") || !strings.Contains(got, "at 5000") {
		t.Errorf("alone: %q %v", got, err)
	}
	for _, bad := range []string{`{"id":"x"}`, `{"id":"1","v":"x"}`, `{"v":"x"}`, `{}`, `7`, `{"id":"1"`} {
		if got, err := read(formats.Record{Topic: "a", Key: []byte(bad)}); got != "" || !fault.Is(err, fault.Decode) {
			t.Errorf("%s: %q %v", bad, got, err)
		}
	}
	if _, err := read(formats.Record{Topic: "a", Key: key, Value: message("u", "INSERT")}); err != nil {
		t.Fatal(err)
	}
	if _, err := read(formats.Record{Topic: "a", Key: key}); !fault.Is(err, fault.Decode) || !strings.Contains(err.Error(), "several tables") {
		t.Errorf("of two tables: %v", err)
	}
	if _, err := read(formats.Record{Topic: "a"}); !fault.Is(err, fault.Decode) {
		t.Errorf("nothing at all: %v", err)
	}
	table := &changelog.Table{Origin: "mysql", Database: "d", Name: "t", Key: []int{0}, Columns: []changelog.Column{{Name: "id", Type: changelog.Type{Kind: changelog.KindInt, Bits: 32}}}}
	r = readerOf(defaults(), table)
	if got, err := read(formats.Record{Topic: "shop.d.t", Key: key}); err != nil || !strings.Contains(got, "before 1\n") {
		t.Errorf("of the topic's table: %q %v", got, err)
	}
}

// TestReadDescribedOnly: where guesses are not wanted, what describes itself is read and the rest is refused.
func TestReadDescribedOnly(t *testing.T) {
	r := defaults().Reader(formats.ReaderOptions{Described: true, Intern: func(t *changelog.Table) *changelog.Table { return t }})
	if err := r.Read(new(changelog.Batch), &formats.Record{Value: []byte(typed)}); err != nil {
		t.Error(err)
	}
	for _, value := range []string{flinkCDC, flinkDelete} {
		b := new(changelog.Batch)
		if err := r.Read(b, &formats.Record{Topic: "t", Value: []byte(value)}); !fault.Is(err, fault.SchemaUnknown) || !b.Empty() {
			t.Errorf("%s: %v", value, err)
		}
	}
}

// TestReadManyColumns: what a message costs grows with its length, and not with the square of it.
func TestReadManyColumns(t *testing.T) {
	const columns = 40_000
	var data, types, codes, keys []string
	for i := range columns {
		data = append(data, fmt.Sprintf(`"c%d":"1"`, i))
		types = append(types, fmt.Sprintf(`"c%d":"enum('a')"`, columns-1-i))
		codes = append(codes, fmt.Sprintf(`"c%d":4`, columns-1-i))
		keys = append(keys, fmt.Sprintf(`"c%d"`, i))
	}
	message := func(keys []string) []byte {
		return []byte(`{"data":[{` + strings.Join(data, ",") + `}],"mysqlType":{` + strings.Join(types, ",") + `},"sqlType":{` + strings.Join(codes, ",") +
			`},"pkNames":[` + strings.Join(keys, ",") + `],"table":"t","type":"INSERT"}`)
	}
	b, r := new(changelog.Batch), readerOf(defaults())
	began := time.Now()
	for range 3 {
		if err := r.Read(b, &formats.Record{Value: message(keys[:2])}); err != nil {
			t.Fatal(err)
		}
	}
	if took := time.Since(began); took > 20*time.Second {
		t.Errorf("three messages of %d columns took %v", columns, took)
	}
	if n := len(b.Changes[2].After); n != columns || b.Changes[2].After[columns-1].Uint() != 1 {
		t.Errorf("%d columns", n)
	}
	if err := r.Read(b, &formats.Record{Value: message(keys)}); !fault.Is(err, fault.Decode) {
		t.Errorf("a key of all columns: %v", err)
	}
}

func TestReadSnapshotRows(t *testing.T) {
	b := new(changelog.Batch)
	headers := []formats.Header{{Name: "cdc.table", Value: []byte("t")}, {Name: "cdc.op", Value: []byte("r")}}
	if err := readerOf(defaults()).Read(b, &formats.Record{Value: []byte(typed), Headers: headers}); err != nil || b.Changes[0].Op != changelog.Read {
		t.Errorf("%v %s", err, showBatch(b))
	}
}

func TestSingleGTID(t *testing.T) {
	for gtid, want := range map[string]bool{
		"": false, "3e11fa47-71ca-11e1-9e33-c80aa9429562:23": true, "3e11fa47-71ca-11e1-9e33-c80aa9429562:tag:23": true, "0-101-23": true,
		"3e11fa47-71ca-11e1-9e33-c80aa9429562:1-594": false, "3e11fa47-71ca-11e1-9e33-c80aa9429562:1:3": true, "a:1,b:2": false, "x": false, "a:": false,
	} {
		if got := singleGTID([]byte(gtid)); got != want {
			t.Errorf("%q: %v", gtid, got)
		}
	}
}
