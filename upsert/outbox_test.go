package upsert

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"cdcbridge/changelog"
	"cdcbridge/internal/costtest"
	"cdcbridge/internal/fault"
	"cdcbridge/internal/shape"
)

func outboxTable() *changelog.Table {
	column := func(name string, kind changelog.Kind) changelog.Column {
		return changelog.Column{Name: name, Type: changelog.Type{Kind: kind, Bits: 64, FSP: 6}, SourceType: "type of " + name}
	}
	return &changelog.Table{Origin: "mysql", Database: "shop", Name: "outbox", Key: []int{0}, Columns: []changelog.Column{
		column("id", changelog.KindString), column("aggregatetype", changelog.KindString), column("aggregateid", changelog.KindInt),
		column("type", changelog.KindEnum), column("payload", changelog.KindJSON), column("made", changelog.KindTimestamp), column("place", changelog.KindGeometry)}}
}

func outboxOutput() Output {
	return Output{Name: "events", Mode: Changelog, Topic: "{pipeline}.{aggregatetype}.v1", Outbox: &Outbox{
		Key: "aggregateid", Payload: "payload", Headers: []OutboxHeader{{"id", "id"}, {"type", "kind"}}, OnUpdate: FailOnUpdate}}
}

// outboxRow is a row of outboxTable; a text of "" is NULL.
func outboxRow(b *changelog.Batch, id, kind string, key int64, payload string) changelog.Row {
	text := func(s string, of func([]byte) changelog.Value) changelog.Value {
		if s == "" {
			return changelog.Null()
		}
		return of([]byte(s))
	}
	r := b.NewRow(7)
	r[0], r[1], r[2] = text(id, changelog.String), text(kind, changelog.String), changelog.Int(key)
	r[3], r[4], r[5] = changelog.Enum(1, []byte("made")), text(payload, changelog.JSON), changelog.Timestamp(3_000_000)
	return r
}

// outbox is a planner of one outbox whose topics have these partitions, and the names under which they were opened.
type outbox struct {
	*Planner
	opened []string
	wall   bool
}

func newOutbox(outputs ...Output) *outbox {
	x := &outbox{}
	x.Planner = NewPlanner("p", outputs, nil, func(_ context.Context, name string, _ *Output) (*Topic, error) {
		x.opened = append(x.opened, name)
		return &Topic{Index: len(x.opened) - 1, Name: name, Partitions: 1, MaxBatch: 1 << 20, WallClock: x.wall}, nil
	})
	return x
}

// write gives the records of changes, behind the names of their topics.
func (x *outbox) write(t *testing.T, fill func(b *changelog.Batch)) ([]string, error) {
	t.Helper()
	plans, err := x.Plans(t.Context(), outboxTable())
	if err != nil {
		return nil, err
	}
	b, _ := testBatch(&Plan{Table: outboxTable()}, fill)
	defer b.Release()
	all := Plans{Runs: [][]*Plan{plans}}
	if all.Topics, err = x.RowTopics(t.Context(), b, all.Runs); err != nil {
		return nil, err
	}
	c, err := NewMaterializer(0).Chunk(9_000_000, Planned{b, all, 1})
	if err != nil {
		return nil, err
	}
	var found []string
	for _, part := range c.Parts {
		for _, r := range records(t, part) {
			found = append(found, part.Topic.Name+": "+r)
		}
	}
	return found, nil
}

// TestOutboxRowsAreMessages: inserted rows are messages in the topics that they name, in their order; what is read, deleted or
// updated afterwards is none.
func TestOutboxRowsAreMessages(t *testing.T) {
	o := outboxOutput()
	o.Outbox.OnUpdate = IgnoreOnUpdate
	x := newOutbox(o)
	got, err := x.write(t, func(b *changelog.Batch) {
		first := outboxRow(b, "a", "order", 7, `{"n":1}`)
		b.Changes = append(b.Changes,
			changelog.Change{Op: changelog.Insert, After: first},
			changelog.Change{Op: changelog.Insert, After: outboxRow(b, "b", "invoice/é", 7, "")},
			changelog.Change{Op: changelog.Update, Before: first, After: outboxRow(b, "a", "other", 8, `{}`)},
			changelog.Change{Op: changelog.Delete, Before: first},
			changelog.Change{Op: changelog.Read, After: outboxRow(b, "c", "read", 7, `{}`)},
			changelog.Change{Op: changelog.Insert, After: outboxRow(b, "d", "order", 7, `{"n":2}`), Fill: changelog.Reread})
	})
	if err != nil {
		t.Fatal(err)
	}
	const head = ` pipeline=p table=shop.outbox pos=binlog.000001:42 txn=gtid:1`
	want := []string{
		`p.order.v1: 7 = {"n":1} @5000` + head + ` ord=0 op=c id=a kind=made`,
		`p.order.v1: 7 = {"n":2} @5000` + head + ` ord=5 op=c fill=reread id=d kind=made`,
		`p.invoice__.v1: 7 = null @5000` + head + ` ord=1 op=c id=b kind=made`,
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if !slices.Equal(x.opened, []string{"p.order.v1", "p.invoice__.v1"}) {
		t.Errorf("opened %q", x.opened)
	}
}

// TestOutboxWithOneTopic: without a column in the template nothing is looked for by row, and updates are still refused.
func TestOutboxWithOneTopic(t *testing.T) {
	o := outboxOutput()
	o.Topic, o.Outbox.Key, o.Outbox.Timestamp, o.Outbox.Headers = "{schema}.events", "", "MADE", nil
	for _, wall := range []bool{false, true} {
		x := newOutbox(o)
		x.wall = wall
		got, err := x.write(t, func(b *changelog.Batch) {
			late := outboxRow(b, "b", "", 8, " ")
			late[4], late[5] = changelog.JSON(nil), changelog.Timestamp(10_000_000)
			unknown := outboxRow(b, "c", "", 9, "x")
			unknown[5] = changelog.Null()
			b.Changes = append(b.Changes, changelog.Change{Op: changelog.Insert, After: outboxRow(b, "a", "", 7, "x")}, changelog.Change{Op: changelog.Insert, After: late},
				changelog.Change{Op: changelog.Insert, After: unknown})
		})
		if err != nil {
			t.Fatal(err)
		}
		const head = ` pipeline=p table=shop.outbox pos=binlog.000001:42 txn=gtid:1 ord=%d op=c`
		rows := 5000 // when the transaction was committed
		if wall {
			rows = 9000
		}
		want := []string{fmt.Sprintf("shop.events: null = x @3000"+head, 0), fmt.Sprintf("shop.events: null =  @9000"+head, 1), fmt.Sprintf("shop.events: null = x @%d"+head, rows, 2)}
		if !slices.Equal(got, want) {
			t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
	_, err := newOutbox(o).write(t, func(b *changelog.Batch) {
		b.Changes = append(b.Changes, changelog.Change{Op: changelog.Update, After: outboxRow(b, "a", "", 7, "x")})
	})
	if !fault.Is(err, fault.Outbox) || !fault.IsFinal(err) || !strings.Contains(err.Error(), "binlog.000001:42 row 0") {
		t.Errorf("an update gives %v", err)
	}
}

// TestRowsThatAreNoMessage: each is an error that says so, and nothing is left out or guessed.
func TestRowsThatAreNoMessage(t *testing.T) {
	for name, fill := range map[string]func(b *changelog.Batch) changelog.Change{
		"no topic": func(b *changelog.Batch) changelog.Change {
			return changelog.Change{Op: changelog.Insert, After: outboxRow(b, "a", "", 1, "x")}
		},
		"empty topic": func(b *changelog.Batch) changelog.Change {
			r := outboxRow(b, "a", "", 1, "x")
			r[1] = changelog.String([]byte{})
			return changelog.Change{Op: changelog.Insert, After: r}
		},
		"unknown payload": func(b *changelog.Batch) changelog.Change {
			r := outboxRow(b, "a", "order", 1, "x")
			r[4] = changelog.Unchanged()
			return changelog.Change{Op: changelog.Insert, After: r, Fill: changelog.Gone}
		},
		"update": func(b *changelog.Batch) changelog.Change {
			return changelog.Change{Op: changelog.Update, After: outboxRow(b, "a", "order", 1, "x")}
		},
		"upsert": func(b *changelog.Batch) changelog.Change {
			return changelog.Change{Op: changelog.Upsert, After: outboxRow(b, "a", "order", 1, "x")}
		},
	} {
		_, err := newOutbox(outboxOutput()).write(t, func(b *changelog.Batch) { b.Changes = append(b.Changes, fill(b)) })
		if !fault.Is(err, fault.Outbox) || !fault.IsFinal(err) || fault.As(err).Hint == "" {
			t.Errorf("%s gives %v", name, err)
		}
	}
}

// TestOutboxColumnsAreFound: what is wrong with table and configuration is found by what asks nobody, too.
func TestOutboxColumnsAreFound(t *testing.T) {
	for name, c := range map[string]struct {
		change func(t *changelog.Table, o *Output)
		code   fault.Code
		says   string
	}{
		"good":          {func(*changelog.Table, *Output) {}, "", ""},
		"no key":        {func(t *changelog.Table, _ *Output) { t.Key = nil }, fault.NoKey, "no primary key"},
		"no column":     {func(_ *changelog.Table, o *Output) { o.Outbox.Payload = "body" }, fault.Config, `no column "body"`},
		"no topic":      {func(_ *changelog.Table, o *Output) { o.Topic = "{kind}" }, fault.Config, `no column "kind"`},
		"no header":     {func(_ *changelog.Table, o *Output) { o.Outbox.Headers[0].Column = "x" }, fault.Config, `no column "x"`},
		"no text":       {func(_ *changelog.Table, o *Output) { o.Outbox.Key = "place" }, fault.UnsupportedType, "type of place"},
		"topic no text": {func(_ *changelog.Table, o *Output) { o.Topic = "{place}" }, fault.UnsupportedType, "type of place"},
		"no time":       {func(_ *changelog.Table, o *Output) { o.Outbox.Timestamp = "payload" }, fault.UnsupportedType, "no time"},
	} {
		table, o := outboxTable(), outboxOutput()
		c.change(table, &o)
		_, err := newOutbox(o).Plans(t.Context(), table)
		if fault.CodeOf(err) != c.code || err != nil && !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", name, err)
		}
		found := Unwritable("p", []Output{o}, nil, []changelog.Table{*table})
		if (len(found) == 0) != (c.code == "") || len(found) > 0 && found[0].Code != string(c.code) {
			t.Errorf("%s: found %+v", name, found)
		}
	}
	o := outboxOutput()
	if uses := Uses("p", []Output{o}, []changelog.Table{*outboxTable()}); len(uses) != 0 {
		t.Errorf("topics that rows decide are known: %+v", uses)
	}
	o.Topic = "{schema}.events"
	if uses := Uses("p", []Output{o}, []changelog.Table{*outboxTable()}); len(uses) != 1 || uses[0].Topic != "shop.events" {
		t.Errorf("the topic is not known: %+v", uses)
	}
	if targets, err := Targets("p", []Output{o}, nil, []*changelog.Table{outboxTable()}); len(targets) != 0 || err != nil {
		t.Errorf("messages are shown as rows: %+v, %v", targets, err)
	}
}

// TestRulesAboutRowsAreRefused: what would hide a column must not be passed over, and an empty rule in front makes an exception.
func TestRulesAboutRowsAreRefused(t *testing.T) {
	hide := TableRule{Name: "shop.*", Shape: shape.Rules{Exclude: []string{"payload"}}}
	for name, c := range map[string]struct {
		rules []TableRule
		code  fault.Code
	}{
		"hidden":        {[]TableRule{hide}, fault.Config},
		"another key":   {[]TableRule{{Name: "shop.outbox", Key: []string{"type"}}}, fault.Config},
		"exception":     {[]TableRule{{Name: "shop.outbox"}, hide}, ""},
		"other outputs": {[]TableRule{{Name: "shop.*", Outputs: []string{"rows"}, Shape: hide.Shape}}, ""},
	} {
		x := newOutbox(outboxOutput())
		x.rules = c.rules
		if _, err := x.Plans(t.Context(), outboxTable()); fault.CodeOf(err) != c.code {
			t.Errorf("%s: %v", name, err)
		}
		if found := Unwritable("p", []Output{outboxOutput()}, c.rules, []changelog.Table{*outboxTable()}); (len(found) > 0) != (c.code != "") {
			t.Errorf("%s: found %+v", name, found)
		}
	}
}

// TestMessagesAndRowsDoNotMeet: whichever comes first has the topic, and two outboxes may share one.
func TestMessagesAndRowsDoNotMeet(t *testing.T) {
	rows := Output{Name: "rows", Mode: Upsert, Topic: "p.{table}.v1", Format: textFormat{}}
	messages := func(x *outbox) error {
		_, err := x.write(t, func(b *changelog.Batch) {
			b.Changes = append(b.Changes, changelog.Change{Op: changelog.Insert, After: outboxRow(b, "a", "outbox", 1, "x")})
		})
		return err
	}
	if err := messages(newOutbox(rows, outboxOutput())); !fault.Is(err, fault.Config) {
		t.Errorf("messages meet rows: %v", err)
	}
	second := outboxOutput()
	second.Name = "second"
	x := newOutbox(outboxOutput(), second)
	if err := messages(x); err != nil || len(x.opened) != 1 {
		t.Errorf("two outboxes with one topic: %v, %q", err, x.opened)
	}
	x = newOutbox(outboxOutput(), rows)
	x.outputs = x.outputs[:1]
	if err := messages(x); err != nil {
		t.Fatal(err)
	}
	if _, err := x.written(outboxTable(), &rows); !fault.Is(err, fault.Config) {
		t.Errorf("rows meet messages: %v", err)
	}
}

// TestTextsOfColumns: what a column is in a message, by its kind.
func TestTextsOfColumns(t *testing.T) {
	typ := &changelog.Type{FSP: 3}
	for _, c := range []struct {
		value changelog.Value
		want  string
	}{
		{changelog.Bool(true), "true"}, {changelog.Int(-5), "-5"}, {changelog.Uint(1 << 63), "9223372036854775808"},
		{changelog.Float32(0.1), "0.1"}, {changelog.Float64(1e21), "1e+21"}, {changelog.Decimal([]byte("-12.30")), "-12.30"}, {changelog.NaN(), "NaN"},
		{changelog.Infinite(changelog.KindDecimal, false), "-infinity"}, {changelog.String([]byte("é")), "é"}, {changelog.Bytes([]byte{0, 255}), "\x00\xff"},
		{changelog.JSON([]byte(`{"a":1}`)), `{"a":1}`}, {changelog.Enum(2, []byte("b")), "b"}, {changelog.Set(3, []byte("a,b")), "a,b"},
		{changelog.Date(0), "1970-01-01"}, {changelog.Time(-1_500_000), "-00:00:01.500"}, {changelog.DateTime(1_001_000), "1970-01-01T00:00:01.001"},
		{changelog.Timestamp(1_001_000), "1970-01-01T00:00:01.001Z"}, {changelog.Infinite(changelog.KindTimestamp, true), "infinity"},
		{changelog.BitString([]byte("0101")), "0101"},
	} {
		got, ok := appendColumn([]byte("x"), typ, &c.value)
		if !ok || string(got) != "x"+c.want {
			t.Errorf("%v is %q, %v; want %q", c.value.Kind(), got, ok, c.want)
		}
		if !hasText(c.value.Kind()) {
			t.Errorf("kind %v has no text", c.value.Kind())
		}
	}
	for _, k := range []changelog.Kind{changelog.KindUnchanged, changelog.KindArray, changelog.KindMap, changelog.KindGeometry, changelog.KindVector, changelog.KindInterval, changelog.KindTimeTZ, changelog.KindBits} {
		if hasText(k) {
			t.Errorf("kind %v has a text", k)
		}
	}
}

// TestOutboxValidates: all that is wrong with it is said at once.
func TestOutboxValidates(t *testing.T) {
	x := Outbox{OnUpdate: "never", Headers: []OutboxHeader{{"", "a"}, {"b", "cdc.op"}, {"c", "d"}, {"e", "d"}}}
	var said []string
	for _, err := range x.Validate() {
		key, _, _ := strings.Cut(err.Error(), ":")
		said = append(said, key)
	}
	if want := []string{"payload", "on_update", "headers[0].column", "headers[1].name", "headers[3].name"}; !slices.Equal(said, want) {
		t.Errorf("said %q, want %q", said, want)
	}
	if errs := outboxOutput().Outbox.Validate(); errs != nil {
		t.Errorf("a good one has %v", errs)
	}
}

// TestMessagesAllocateNothingPerRow: neither where topics are found nor where messages are written.
func TestMessagesAllocateNothingPerRow(t *testing.T) {
	x := newOutbox(outboxOutput())
	plans, err := x.Plans(t.Context(), outboxTable())
	if err != nil {
		t.Fatal(err)
	}
	m := NewMaterializer(0)
	of := func(rows int) float64 {
		b, _ := testBatch(&Plan{Table: outboxTable()}, func(b *changelog.Batch) {
			for i := range rows {
				b.Changes = append(b.Changes, changelog.Change{Op: changelog.Insert, After: outboxRow(b, "a", []string{"order", "invoice"}[i%2], int64(i), `{"n":1}`)})
			}
		})
		defer b.Release()
		return testing.AllocsPerRun(20, func() {
			all := Plans{Runs: [][]*Plan{plans}}
			if all.Topics, err = x.RowTopics(t.Context(), b, all.Runs); err != nil {
				t.Fatal(err)
			}
			if _, err := m.Chunk(9_000_000, Planned{b, all, 1}); err != nil {
				t.Fatal(err)
			}
		})
	}
	few, many := of(10), of(1000)
	more := 2.0
	if costtest.RaceDetector {
		more = 50
	}
	if many > few+more {
		t.Errorf("10 rows take %v allocations, 1000 take %v", few, many)
	}
}

// FuzzOutboxTopics: whatever template and column say, the topic's name is one that Kafka takes, or the row is refused; a template
// without columns gives the name that rows have by it.
func FuzzOutboxTopics(f *testing.F) {
	for _, s := range [][2]string{{"{pipeline}.{aggregatetype}.v1", "order"}, {"{aggregatetype}", ".."}, {"a{", "x"}, {"}{id}{", "é"}, {"{{id}}", ""}, {"{schema}.{table}", "x"}, {"{ID}{id}", "\xff日本"}, {"", ""}} {
		f.Add(s[0], s[1])
	}
	f.Fuzz(func(t *testing.T, template, text string) {
		o := outboxOutput()
		o.Topic = template
		x := newOutbox(o)
		table := outboxTable()
		found, err := newOutboxPlan("p", table, &o)
		if err != nil {
			if !fault.Is(err, fault.Config) && !fault.Is(err, fault.UnsupportedType) {
				t.Errorf("%q: %v", template, err)
			}
			return
		}
		if found.topic == nil {
			if o.TopicByRows() && !strings.ContainsAny(template, "{}") {
				t.Errorf("%q is said to be decided by rows", template)
			}
			return
		}
		row := make(changelog.Row, len(table.Columns))
		for i := range row {
			row[i] = changelog.String([]byte(text))
		}
		topic, err := x.topicOf(t.Context(), row, &Plan{Output: &o, Table: table, outbox: found})
		switch {
		case err != nil && (text != "" || !fault.Is(err, fault.Outbox)):
			t.Errorf("%q of %q: %v", template, text, err)
		case err == nil && (text == "" || !validTopicName(topic.Name)):
			t.Errorf("%q of %q is %q", template, text, topic.Name)
		}
	})
}
