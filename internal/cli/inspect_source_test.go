package cli

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"cdcbridge/capture"
	"cdcbridge/changelog"
	"cdcbridge/internal/config"
)

// scriptedSource gives batches and then waits, or fails.
type scriptedSource struct {
	fakeSource
	batches func() []*changelog.Batch
	fails   error
	opened  capture.Env
	acked   []changelog.Position
	closed  bool
}

func (s *scriptedSource) New(env capture.Env) capture.Source {
	s.opened = env
	return (*scriptedStream)(s)
}

type scriptedStream scriptedSource

func (s *scriptedStream) Open(_ context.Context, cp changelog.Checkpoint) (changelog.Checkpoint, error) {
	return cp, nil
}

func (s *scriptedStream) Stream(ctx context.Context, out chan<- *changelog.Batch) error {
	for _, b := range s.batches() {
		select {
		case out <- b:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if s.fails != nil {
		return s.fails
	}
	<-ctx.Done()
	return ctx.Err()
}
func (s *scriptedStream) Ack(p changelog.Position) { s.acked = append(s.acked, p) }
func (s *scriptedStream) Stats() capture.Stats     { return capture.Stats{Position: "log.1:4"} }
func (s *scriptedStream) Close() error             { s.closed = true; return nil }

func scripted(s *scriptedSource) config.Registry {
	reg := registry(nil, nil)
	reg.Sources[0].Config = func() capture.Config { return s }
	return reg
}

// changes is a batch of one transaction that does everything to rows of two tables.
func changes() *changelog.Batch {
	column := func(name string, k changelog.Kind) changelog.Column {
		return changelog.Column{Name: name, Type: changelog.Type{Kind: k}}
	}
	orders := &changelog.Table{Database: "shop", Name: "orders", Key: []int{0}, Columns: []changelog.Column{column("id", changelog.KindInt), column("no<te", changelog.KindString)}}
	log := &changelog.Table{Database: "shop", Name: "log", Columns: []changelog.Column{column("line", changelog.KindString)}}
	row := func(id int64, note changelog.Value) changelog.Row { return changelog.Row{changelog.Int(id), note} }
	text := func(s string) changelog.Value { return changelog.String([]byte(s)) }
	b := changelog.NewBatch()
	b.Txns = append(b.Txns, changelog.Txn{ID: "uuid:7", Commit: 1_700_000_000_123_456, First: true, Last: true})
	b.Changes = append(b.Changes,
		changelog.Change{Op: changelog.Insert, Index: 0, After: row(1, text("a&b"))},
		changelog.Change{Op: changelog.Update, Index: 1, Before: row(1, changelog.Null()), After: row(2, changelog.Unchanged())},
		changelog.Change{Op: changelog.Update, Index: 2, After: row(2, text("c"))},
		changelog.Change{Op: changelog.Delete, Index: 3, Before: row(2, changelog.Unchanged())},
		changelog.Change{Op: changelog.Insert, Index: 4, After: changelog.Row{text("x")}},
	)
	b.Runs = append(b.Runs, changelog.Run{Table: orders, From: 0, To: 4}, changelog.Run{Table: log, From: 4, To: 5})
	b.Notes = append(b.Notes,
		changelog.Note{Kind: changelog.DDL, At: 4, Table: orders, Text: "ALTER TABLE orders ADD n INT", Txn: -1, Time: 1_700_000_000_000_000},
		changelog.Note{Kind: changelog.Heartbeat, At: 5, Txn: -1},
		changelog.Note{Kind: changelog.Message, At: 5, Txn: 0, Prefix: "app", Text: "hello"})
	b.Next.Pos = "p1"
	return b
}

const changesText = `+I uuid:7/0 2023-11-14T22:13:20.123456Z shop.orders {"id":1} {"id":1,"no<te":"a&b"}
-U uuid:7/1 2023-11-14T22:13:20.123456Z shop.orders {"id":1} {"id":1,"no<te":null}
+U uuid:7/1 2023-11-14T22:13:20.123456Z shop.orders {"id":2} {"id":2}
+U uuid:7/2 2023-11-14T22:13:20.123456Z shop.orders {"id":2} {"id":2,"no<te":"c"}
-D uuid:7/3 2023-11-14T22:13:20.123456Z shop.orders {"id":2} {"id":2}
ddl - 2023-11-14T22:13:20.000000Z shop.orders ALTER TABLE orders ADD n INT
+I uuid:7/4 2023-11-14T22:13:20.123456Z shop.log {"line":"x"}
message uuid:7 2023-11-14T22:13:20.123456Z - app hello
`

func TestInspectSource(t *testing.T) {
	s := &scriptedSource{batches: func() []*changelog.Batch { return []*changelog.Batch{changes(), changes()} }}
	code, out, errs := call(scripted(s), "inspect", "--source", "-c", configFile(t, ""), "--max", "14")
	if code != 0 || out != changesText+changesText || !strings.Contains(errs, "pipeline shop from now on (log.1:4)") {
		t.Errorf("%d %s\n%s", code, out, errs)
	}
	if !s.opened.Aside || s.opened.Pipeline != "shop" || !s.closed || len(s.acked) != 2 {
		t.Errorf("%+v, closed: %v, acknowledged: %v", s.opened, s.closed, s.acked)
	}
	// As many changes as are wanted, of the tables that are wanted.
	code, out, _ = call(scripted(s), "inspect", "--source", "shop.log", "-c", configFile(t, ""), "--max", "1")
	if code != 0 || out != "+I uuid:7/4 2023-11-14T22:13:20.123456Z shop.log {\"line\":\"x\"}\n" {
		t.Errorf("%d %s", code, out)
	}
}

func TestInspectSourceJSON(t *testing.T) {
	s := &scriptedSource{batches: func() []*changelog.Batch { return []*changelog.Batch{changes()} }}
	_, out, _ := call(scripted(s), "inspect", "--source", "-c", configFile(t, ""), "--max", "7", "-o", "json")
	lines := strings.Split(strings.TrimSpace(out), "\n")
	for i, want := range map[int]string{
		0: `{"mark":"+I","pipeline":"shop","txn":"uuid:7","ord":0,"time":"2023-11-14T22:13:20.123456Z","table":"shop.orders","key":{"id":1},"row":{"id":1,"no<te":"a&b"}}`,
		5: `{"mark":"ddl","pipeline":"shop","time":"2023-11-14T22:13:20.000000Z","table":"shop.orders","text":"ALTER TABLE orders ADD n INT"}`,
		6: `{"mark":"+I","pipeline":"shop","txn":"uuid:7","ord":4,"time":"2023-11-14T22:13:20.123456Z","table":"shop.log","key":null,"row":{"line":"x"}}`,
	} {
		if len(lines) != 8 || lines[i] != want {
			t.Errorf("of %d lines line %d is %s", len(lines), i, lines[min(i, len(lines)-1)])
		}
	}
}

func TestInspectSourceOfTopics(t *testing.T) {
	b := changes()
	b.Records = []changelog.Record{{Topic: "canal.shop", Partition: 3, Offset: 17}}
	b.Runs = []changelog.Run{{Table: b.Runs[1].Table, From: 4, To: 5, Record: 1}}
	b.Notes = []changelog.Note{{Kind: changelog.Parked, At: 5, Txn: -1, Text: "no JSON", Record: 1}}
	s := &scriptedSource{batches: func() []*changelog.Batch { return []*changelog.Batch{b} }}
	_, out, _ := call(scripted(s), "inspect", "--source", "-c", configFile(t, ""), "--max", "2")
	if out != "+I canal.shop/3@17 2023-11-14T22:13:20.123456Z shop.log {\"line\":\"x\"}\nparked canal.shop/3@17 - - no JSON\n" {
		t.Error(out)
	}
}

// TestInspectSourceEnds: what fails is told, what is complete has ended well, and what was asked to stop says nothing.
func TestInspectSourceEnds(t *testing.T) {
	none := func() []*changelog.Batch { return nil }
	code, _, errs := call(scripted(&scriptedSource{batches: none, fails: errors.New("the server is gone")}), "inspect", "--source", "-c", configFile(t, ""))
	if code != exitFailure || !strings.Contains(errs, "reading: the server is gone") {
		t.Errorf("%d %s", code, errs)
	}
	code, _, errs = call(scripted(&scriptedSource{batches: none, fails: capture.ErrComplete}), "inspect", "--source", "-c", configFile(t, ""))
	if code != 0 {
		t.Errorf("%d %s", code, errs)
	}
	var out, said syncBuffer
	ctx, cancel := context.WithCancel(t.Context())
	a := &app{registry: scripted(&scriptedSource{batches: none}), configPath: configFile(t, ""), out: &out, err: &said}
	time.AfterFunc(50*time.Millisecond, cancel)
	if err := a.inspectSource(ctx, &inspection{output: outputTable}, nil); err != nil {
		t.Error(err)
	}
}

func TestInspectSourceRefusals(t *testing.T) {
	for _, c := range []struct {
		args []string
		says string
	}{
		{[]string{"--source", "--from", "earliest"}, "--from is about topics"},
		{[]string{"--source", "--follow=false"}, "--follow is about topics"},
		{[]string{"--source", "orders"}, `"orders" is not of the form schema.table`},
		{[]string{"--source", "--pipeline", "other"}, "there is no pipeline other"},
		{[]string{"--source", "--max", "-1"}, "--max must not be negative"},
		{[]string{"t", "--pipeline", "shop"}, "--pipeline goes together with --source"},
		{nil, "name a topic, or say --source"},
	} {
		code, _, errs := call(registry(nil, nil), append([]string{"inspect", "-c", configFile(t, "")}, c.args...)...)
		if code != exitUsage || !strings.Contains(errs, c.says) {
			t.Errorf("%v: %d %s", c.args, code, errs)
		}
	}
	code, _, errs := call(registry(nil, nil), "inspect", "--source", "-c", configFile(t, ""))
	if code != exitFailure || !strings.Contains(errs, "opening the source: not reached without Kafka") {
		t.Errorf("%d %s", code, errs)
	}
}

func TestValuesAreJSON(t *testing.T) {
	elem := &changelog.Column{Type: changelog.Type{Kind: changelog.KindDateTime, FSP: 1}}
	const moment = 1_700_000_000_123_456
	for _, c := range []struct {
		t    changelog.Type
		v    changelog.Value
		want string
	}{
		{changelog.Type{}, changelog.Null(), "null"},
		{changelog.Type{}, changelog.Bool(true), "true"},
		{changelog.Type{}, changelog.Int(-9_007_199_254_740_993), "-9007199254740993"},
		{changelog.Type{}, changelog.Uint(18_446_744_073_709_551_615), "18446744073709551615"},
		{changelog.Type{}, changelog.Float32(0.1), "0.1"},
		{changelog.Type{}, changelog.Float64(1e300), "1e+300"},
		{changelog.Type{}, changelog.Decimal([]byte("-1.50")), `"-1.50"`},
		{changelog.Type{}, changelog.NaN(), `"NaN"`},
		{changelog.Type{}, changelog.Infinite(changelog.KindDate, false), `"-infinity"`},
		{changelog.Type{}, changelog.Enum(1, []byte(`"<ü>`)), `"\"<ü>"`},
		{changelog.Type{}, changelog.JSON([]byte(`{"a": [1, 2]}`)), `{"a":[1,2]}`},
		{changelog.Type{}, changelog.JSON([]byte(`{"a"`)), `"{\"a\""`},
		{changelog.Type{}, changelog.Bytes([]byte{0xff, 0}), `"/wA="`},
		{changelog.Type{Bits: 10}, changelog.Bits(5), `"0000000101"`},
		{changelog.Type{}, changelog.BitString([]byte("011")), `"011"`},
		{changelog.Type{}, changelog.Geometry(4326, []byte{1}), `{"srid":4326,"wkb":"AQ=="}`},
		{changelog.Type{}, changelog.Vector([]byte{0, 0, 0x80, 0x3f, 0, 0, 0, 0}), "[1,0]"},
		{changelog.Type{}, changelog.Vector(nil), "[]"},
		{changelog.Type{}, changelog.Date(19_675), `"2023-11-14"`},
		{changelog.Type{}, changelog.ZeroParts(changelog.KindDate, changelog.Civil{}), `"0000-00-00"`},
		{changelog.Type{FSP: 2}, changelog.Time(-3_723_450_000), `"-01:02:03.45"`},
		{changelog.Type{}, changelog.TimeTZ(36_000_000_000, -5400), `"10:00:00-01:30:00"`},
		{changelog.Type{FSP: 3}, changelog.DateTime(moment), `"2023-11-14 22:13:20.123"`},
		{changelog.Type{FSP: 6}, changelog.Timestamp(moment), `"2023-11-14 22:13:20.123456Z"`},
		{changelog.Type{}, changelog.Interval(make([]byte, 16), 14, -3, 1_500_000), `"14 months -3 days 00:00:01.500000"`},
		{changelog.Type{Elem: elem}, changelog.Array([]changelog.Value{changelog.Array([]changelog.Value{changelog.DateTime(moment), changelog.Null()}), changelog.Array(nil)}), `[["2023-11-14 22:13:20.1",null],[]]`},
		{changelog.Type{}, changelog.Map([]changelog.Value{changelog.String([]byte("k")), changelog.Null(), changelog.String([]byte("l")), changelog.String([]byte("v"))}), `{"k":null,"l":"v"}`},
	} {
		got := appendValue([]byte("x"), &c.t, c.v)
		if string(got) != "x"+c.want || !json.Valid(got[1:]) {
			t.Errorf("%s, want %s", got, c.want)
		}
	}
}
