package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cdcbridge/internal/cli"
)

// convert runs the command and gives its output, what it says on standard error, and its exit code.
func convert(t *testing.T, in string, args ...string) (out, errs string, code int) {
	t.Helper()
	var o, e bytes.Buffer
	code = cli.Run(registry(), "1.2.3", cli.Streams{In: strings.NewReader(in), Out: &o, Err: &e}, append([]string{"convert"}, args...))
	return o.String(), e.String(), code
}

const canalUpdate = `{"data":[{"id":"7","amount":"15.00","state":"2","at":"2024-05-06 07:08:09.120","note":null}],"database":"app","es":1714979289000,"gtid":"","id":31,"isDdl":false,` +
	`"mysqlType":{"id":"bigint","amount":"decimal(10,2)","state":"enum('new','paid')","at":"datetime(3)","note":"varchar(32)"},` +
	`"old":[{"amount":"12.34","state":"1"}],"pkNames":["id"],"sql":"","sqlType":{"id":-5,"amount":3,"state":4,"at":93,"note":12},"table":"orders","ts":1714979289310,"type":"UPDATE"}` + "\n"

// field picks a value out of a JSON document by the names on the way to it.
func field(t *testing.T, doc string, path ...string) string {
	t.Helper()
	raw := json.RawMessage(doc)
	for _, name := range path {
		var m map[string]json.RawMessage
		if err := json.Unmarshal(raw, &m); err != nil {
			t.Fatalf("%s in %s: %v", name, raw, err)
		}
		raw = m[name]
	}
	return string(raw)
}

// TestConvertBetweenFormats sends an update through every format and back to where it came from.
func TestConvertBetweenFormats(t *testing.T) {
	debezium, errs, code := convert(t, canalUpdate, "--from", "canal-json", "--to", "debezium-json", "--to-option", "schemas_enable=true", "--name", "shop")
	if code != 0 || errs != "1 messages converted\n" {
		t.Fatalf("%d %s", code, errs)
	}
	for path, want := range map[string]string{
		"op": `"u"`, "before": `{"id":7,"amount":"BNI=","state":"new","at":1714979289120,"note":null}`,
		"after": `{"id":7,"amount":"Bdw=","state":"paid","at":1714979289120,"note":null}`,
	} {
		if got := field(t, debezium, "payload", path); got != want {
			t.Errorf("%s: got %s, want %s", path, got, want)
		}
	}
	if got := field(t, debezium, "payload", "source", "name"); got != `"shop"` {
		t.Errorf("the source is %s", got)
	}
	canal, errs, code := convert(t, debezium, "--from", "debezium-json", "--to", "canal-json")
	if code != 0 {
		t.Fatalf("%d %s", code, errs)
	}
	for _, path := range []string{"database", "table", "type", "data", "old"} {
		if got, want := field(t, canal, path), field(t, canalUpdate, path); got != want {
			t.Errorf("%s: got %s, want %s", path, got, want)
		}
	}
	plain, errs, code := convert(t, debezium, "--from", "debezium-json", "--to", "plain-json", "--to-option", "add_fields=op")
	if want := `{"id":7,"amount":"15.00","state":"paid","at":"2024-05-06T07:08:09.120","note":null,"__op":"u"}` + "\n"; code != 0 || plain != want {
		t.Errorf("%d %s\ngot  %swant %s", code, errs, plain, want)
	}
}

// TestConvertForCompaction: in mode upsert a delete has its tombstone, and a changed key is a delete and an insert.
func TestConvertForCompaction(t *testing.T) {
	moved := strings.Replace(canalUpdate, `"old":[{"amount":"12.34","state":"1"}]`, `"old":[{"id":"6"}]`, 1)
	out, errs, code := convert(t, moved, "--from", "canal-json", "--to", "debezium-json", "--mode", "upsert", "-o", "kcat")
	if code != 0 {
		t.Fatalf("%d %s", code, errs)
	}
	var got []string
	for line := range strings.Lines(out) {
		op := field(t, line, "payload")
		if op != "null" {
			var text string
			if err := json.Unmarshal([]byte(op), &text); err != nil {
				t.Fatal(err)
			}
			op = field(t, text, "op")
		}
		got = append(got, field(t, line, "key")+" "+op)
	}
	if want := `"{\"id\":6}" "d"; "{\"id\":6}" null; "{\"id\":7}" "c"`; strings.Join(got, "; ") != want {
		t.Errorf("got  %s\nwant %s", strings.Join(got, "; "), want)
	}
	if !strings.Contains(out, `"headers":["__debezium.newkey","{\"id\":7}"`) || !strings.Contains(out, `"headers":["__debezium.oldkey","{\"id\":6}"`) {
		t.Errorf("the halves are not linked:\n%s", out)
	}
	// What was printed is what can be read.
	back, errs, code := convert(t, out, "--from", "debezium-json", "--guess-types", "-i", "kcat", "--to", "plain-json", "--mode", "upsert", "-o", "kcat")
	if code != 0 {
		t.Fatalf("%d %s", code, errs)
	}
	lines := strings.Split(strings.TrimSpace(back), "\n")
	if len(lines) != 2 || field(t, lines[0], "payload") != "null" || field(t, lines[0], "key") != `"{\"id\":6}"` || field(t, lines[1], "key") != `"{\"id\":7}"` {
		t.Errorf("got %s", back)
	}
}

// TestConvertGuessesWhenAskedOnly: without schemas Debezium's numbers may be anything.
func TestConvertGuessesWhenAskedOnly(t *testing.T) {
	const value = `{"before":null,"after":{"id":7,"at":19849},"source":{"connector":"mysql","db":"app","table":"orders"},"op":"c"}`
	_, errs, code := convert(t, value, "--from", "debezium-json", "--to", "plain-json", "--to-option", "add_fields=op", "--ignore-parse-errors")
	if code != 1 || !strings.Contains(errs, "line 1: schema_unknown") || !strings.Contains(errs, "--guess-types") {
		t.Errorf("%d %s", code, errs)
	}
	out, errs, code := convert(t, value, "--from", "debezium-json", "--to", "plain-json", "--to-option", "add_fields=op", "--guess-types")
	if want := `{"id":7,"at":19849,"__op":"c"}` + "\n"; code != 0 || out != want {
		t.Errorf("%d %s\ngot  %swant %s", code, errs, out, want)
	}
}

// TestConvertBadMessages: the error names the place and the reason; skipped messages are counted.
func TestConvertBadMessages(t *testing.T) {
	lines := canalUpdate + "\n" + `{"type":"INSERT"` + "\n" + canalUpdate
	out, errs, code := convert(t, lines, "--from", "canal-json", "--to", "debezium-json")
	if code != 1 || !strings.Contains(errs, "line 3: decode: ") || !strings.Contains(errs, "JSON ends") || strings.Count(out, "\n") != 1 {
		t.Errorf("%d %s\n%s", code, errs, out)
	}
	out, errs, code = convert(t, lines, "--from", "canal-json", "--to", "debezium-json", "--ignore-parse-errors")
	if code != 0 || strings.Count(out, "\n") != 2 || !strings.Contains(errs, "skipped line 3") || !strings.HasSuffix(errs, "2 messages converted, 1 skipped that could not be read\n") {
		t.Errorf("%d %s\n%s", code, errs, out)
	}
	_, errs, code = convert(t, `{"topic":"s.app.orders","partition":3,"offset":41,"key":null,"payload":"{\"op\":7}"}`, "--from", "debezium-json", "--to", "canal-json", "-i", "kcat")
	if code != 1 || !strings.Contains(errs, "record s.app.orders/3@41: decode: ") {
		t.Errorf("%d %s", code, errs)
	}
	_, errs, code = convert(t, "{", "--from", "debezium-json", "--to", "canal-json", "-i", "kcat", "--ignore-parse-errors")
	if code != 0 || !strings.Contains(errs, "0 messages converted, 1 skipped") {
		t.Errorf("%d %s", code, errs)
	}
	for _, args := range [][]string{{"--from", "x", "--to", "canal-json"}, {"--from", "canal-json", "--to", "debezium-json", "--to-option", "nope=1"}} {
		if _, errs, code = convert(t, "", args...); code != 3 {
			t.Errorf("%v: %d %s", args, code, errs)
		}
	}
	for _, args := range [][]string{{"--from", "canal-json"}, {"--from", "canal-json", "--to", "debezium-json", "--mode", "x"}, {"--from", "canal-json", "--to", "debezium-json", "-i", "x"}} {
		if _, errs, code = convert(t, "", args...); code != 2 {
			t.Errorf("%v: %d %s", args, code, errs)
		}
	}
}

// TestConvertNotes: what is no change of a row is written where the format has a record for it, and else counted.
func TestConvertNotes(t *testing.T) {
	const ddl = `{"data":null,"database":"app","es":1714979290000,"gtid":"","id":32,"isDdl":true,"mysqlType":null,"old":null,"pkNames":null,"sql":"ALTER TABLE orders ADD c INT","sqlType":null,"table":"orders","ts":1714979290120,"type":"ALTER"}`
	out, errs, code := convert(t, ddl, "--from", "canal-json", "--to", "plain-json")
	if code != 0 || out != "" || !strings.Contains(errs, "1 left out") {
		t.Errorf("%d %s\n%s", code, errs, out)
	}
}

// TestConvertPage keeps docs/convert.md in step with the flags of the command.
func TestConvertPage(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("docs", "convert.md"))
	if err != nil {
		t.Fatal(err)
	}
	help, _, _ := convert(t, "", "--help")
	for line := range strings.Lines(help) {
		_, rest, ok := strings.Cut(line, "--")
		if name, _, _ := strings.Cut(rest, " "); ok && strings.HasPrefix(strings.TrimSpace(line), "-") && name != "help" && name != "config" && !bytes.Contains(page, []byte("`--"+strings.TrimSpace(name))) {
			t.Errorf("docs/convert.md does not explain --%s", name)
		}
	}
}
