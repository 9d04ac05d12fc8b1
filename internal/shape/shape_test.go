package shape

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"cdcbridge/changelog"
	"cdcbridge/internal/fault"
)

func orders() *changelog.Table {
	return &changelog.Table{Origin: "mysql", Database: "shop1", Name: "orders", Key: []int{0}, Columns: []changelog.Column{{Name: "id"}, {Name: "note"}}}
}

// everything is all metadata, each as a field and as a header.
func everything() []Metadata {
	var list []Metadata
	for _, f := range sources {
		list = append(list, Metadata{"m." + string(f), f, Field}, Metadata{"h." + string(f), f, Header})
	}
	return list
}

func texts(row changelog.Row) []string {
	var all []string
	for _, v := range row {
		switch v.Kind() {
		case changelog.KindNull:
			all = append(all, "NULL")
		case changelog.KindUnchanged:
			all = append(all, "?")
		case changelog.KindInt, changelog.KindTimestamp:
			b, _ := json.Marshal(v.Int())
			all = append(all, string(b))
		default:
			all = append(all, string(v.Bytes()))
		}
	}
	return all
}

func headersOf(s *Shaper, pos, op string) []string {
	var all []string
	n := s.Headers([]byte(pos), op, func(name string, value []byte) {
		if value == nil {
			value = []byte("NULL")
		}
		all = append(all, strings.Clone(name)+"="+string(value))
	})
	if n != len(all) {
		panic("the number of headers is wrong")
	}
	return all
}

func TestAllMetadataOfARecord(t *testing.T) {
	s, err := Compile(orders(), Want{Metadata: everything()})
	if err != nil {
		t.Fatal(err)
	}
	rec := &changelog.Record{Topic: "in", Partition: 3, Offset: 77, Timestamp: 1234, LogAppend: true, Key: []byte(`{"id":1}`), Headers: []changelog.RecordHeader{
		{Name: "a", Value: []byte("old")}, {Name: "b"}, {Name: "c\"\n\x01é", Value: []byte{0, 255}}, {Name: "a", Value: []byte("x\\y")}}}
	var sh Shaper
	if err := sh.Begin(s, Source{Txn: &changelog.Txn{Commit: 5_000_001}, Record: rec}); err != nil {
		t.Fatal(err)
	}
	before, after := changelog.Row{changelog.Int(1)}, changelog.Row{changelog.Int(1), changelog.String([]byte("new"))}
	ch := sh.Extend(&changelog.Change{Op: changelog.Update, Index: 9, Before: before, After: after}, []byte("in/3@77"))
	headers := `{"b":null,"c\"\n\u0001é":{"base64":"AP8="},"a":"x\\y"}`
	added := []string{"in", "3", "77", "1234000", "LogAppendTime", headers, `{"id":1}`, "shop1", "NULL", "orders", "5000001", "in/3@77"}
	for _, op := range []string{"", "d", "c"} {
		want := append(slices.Clone(added), op)
		if op == "" {
			want[len(added)] = "NULL"
		} else {
			sh.SetOp(op)
		}
		if got := texts(ch.Before); !slices.Equal(got, append([]string{"1", "?"}, want...)) {
			t.Errorf("before: %q", got)
		}
		if got := texts(ch.After); !slices.Equal(got, append([]string{"1", "new"}, want...)) {
			t.Errorf("after: %q", got)
		}
	}
	if ch.Index != 9 || ch.Op != changelog.Update {
		t.Errorf("the change became %+v", ch)
	}
	if !json.Valid([]byte(headers)) || len(s.Table.Columns) != 2+len(sources) || len(orders().Columns) != 2 {
		t.Errorf("%d columns", len(s.Table.Columns))
	}
	want := []string{"h.topic=in", "h.partition=3", "h.offset=77", "h.timestamp=1234", "h.timestamp-type=LogAppendTime", "h.headersa=old", "h.headersb=NULL",
		"h.headersc\"\n\x01é=\x00\xff", `h.headersa=x\y`, `h.key={"id":1}`, "h.source.database=shop1", "h.source.table=orders", "h.source.timestamp=5000001",
		"h.source.position=in/3@77", "h.op=x"}
	if got := headersOf(&sh, "in/3@77", "x"); !slices.Equal(got, want) {
		t.Errorf("headers\n%q, want\n%q", got, want)
	}
}

// TestMetadataWithoutARecord: a source that reads a log of its own has what is of the table and of the log; nothing stays from the
// run before.
func TestMetadataWithoutARecord(t *testing.T) {
	table := orders()
	table.Origin, table.Schema = "postgresql", "public"
	s, err := Compile(table, Want{Metadata: everything()})
	if err != nil {
		t.Fatal(err)
	}
	var sh Shaper
	for _, rec := range []*changelog.Record{{Topic: "in", Key: []byte("k")}, nil} {
		if err := sh.Begin(s, Source{Txn: &changelog.Txn{Commit: 5}, Record: rec}); err != nil {
			t.Fatal(err)
		}
	}
	ch := sh.Extend(&changelog.Change{Op: changelog.Insert, After: changelog.Row{changelog.Int(1), changelog.Null()}}, []byte("0/1"))
	sh.SetOp("r")
	if got := strings.Join(texts(ch.After), " "); got != "1 NULL NULL NULL NULL NULL NULL NULL NULL shop1 public orders 5 0/1 r" || ch.Before != nil {
		t.Errorf("got %s, before %v", got, ch.Before)
	}
	if got := strings.Join(headersOf(&sh, "0/1", "r"), " "); got != "h.source.database=shop1 h.source.schema=public h.source.table=orders h.source.timestamp=5 h.source.position=0/1 h.op=r" {
		t.Errorf("headers %s", got)
	}
}

func TestKeyThatIsNoText(t *testing.T) {
	s, err := Compile(orders(), Want{Metadata: []Metadata{{"k", Key, Field}}})
	if err != nil {
		t.Fatal(err)
	}
	var sh Shaper
	if err := sh.Begin(s, Source{Txn: &changelog.Txn{}, Record: &changelog.Record{Key: []byte{0xff}}}); !fault.Is(err, fault.UnsupportedType) {
		t.Errorf("got %v", err)
	}
	if err := sh.Begin(s, Source{Txn: &changelog.Txn{}, Record: &changelog.Record{}}); err != nil || sh.values[0].Kind() != changelog.KindNull {
		t.Errorf("no key: %v, %v", sh.values, err)
	}
}

func TestPrefixOfKeys(t *testing.T) {
	list := []Metadata{{"db", Database, Field}, {"t", Topic, Field}, {"s", Schema, Field}, {"n", Table, Field}, {"db", Database, Header}}
	s, err := Compile(orders(), Want{Metadata: list})
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]struct {
		column int
		value  string
	}{"db": {2, "shop1"}, "t": {3, ""}, "n": {5, "orders"}} {
		if column, value, err := s.Prefix(name); column != want.column || value != want.value || err != nil {
			t.Errorf("%s: column %d, %q, %v", name, column, value, err)
		}
	}
	if _, _, err := s.Prefix("s"); !fault.Is(err, fault.NoKey) {
		t.Errorf("a schema where there is none: %v", err)
	}
	if _, err := Compile(orders(), Want{Metadata: []Metadata{{"note", Topic, Field}}}); !fault.Is(err, fault.Config) {
		t.Errorf("a column that the table has: %v", err)
	}
	if s, err := Compile(orders(), Want{Rules: &Rules{}}); s != nil || err != nil {
		t.Errorf("nothing to add: %v, %v", s, err)
	}
	if s, err := Compile(orders(), Want{Metadata: list[4:]}); err != nil || len(s.Table.Columns) != 2 {
		t.Errorf("headers alone: %+v, %v", s, err)
	}
}

func TestValidate(t *testing.T) {
	for name, c := range map[string]struct {
		list   []Metadata
		prefix string
		want   []string
	}{
		"good":         {append(everything(), Metadata{"db", Database, Field}), "db", nil},
		"nothing":      {nil, "", nil},
		"no name":      {[]Metadata{{"", Topic, Field}}, "", []string{"metadata[0].name: is required"}},
		"twice":        {[]Metadata{{"a", Topic, Field}, {"a", Topic, Header}, {"a", Key, Field}}, "", []string{`metadata[2].name: "a" is also the name of metadata[0]`}},
		"unknown":      {[]Metadata{{"a", "tpoic", "felid"}}, "", []string{`metadata[0].from: "tpoic" is none of topic, partition,`, `metadata[0].as: "felid" is neither`}},
		"no column":    {[]Metadata{{"a", Topic, Header}}, "a", []string{`key_prefix: "a" is no column`}},
		"varying":      {[]Metadata{{"a", Offset, Field}}, "a", []string{`key_prefix: "a" is made of offset`}},
		"empty prefix": {[]Metadata{{"a", Offset, Field}}, "", nil},
	} {
		errs := Validate(c.list, c.prefix)
		if len(errs) != len(c.want) {
			t.Errorf("%s: %v", name, errs)
			continue
		}
		for i := range errs {
			if !strings.HasPrefix(errs[i].Error(), c.want[i]) {
				t.Errorf("%s: %v, want %s", name, errs[i], c.want[i])
			}
		}
	}
	for _, f := range sources {
		if f.OfRecord() != (!strings.HasPrefix(string(f), "source.") && f != Op) {
			t.Errorf("%s", f)
		}
	}
}

func TestShapingAllocatesNothing(t *testing.T) {
	s, err := Compile(orders(), Want{Metadata: everything()})
	if err != nil {
		t.Fatal(err)
	}
	rec := &changelog.Record{Topic: "in", Partition: 3, Offset: 77, Key: []byte("k"), Headers: []changelog.RecordHeader{{Name: "a", Value: []byte("b")}}}
	txn, row, pos := &changelog.Txn{}, changelog.Row{changelog.Int(1), changelog.Null()}, []byte("p")
	var sh Shaper
	total := 0
	if n := testing.AllocsPerRun(100, func() {
		if err := sh.Begin(s, Source{Txn: txn, Record: rec}); err != nil {
			t.Fatal(err)
		}
		ch := sh.Extend(&changelog.Change{Op: changelog.Update, Before: row, After: row}, pos)
		sh.SetOp("u")
		total += len(ch.After) + sh.Headers(pos, "u", func(_ string, value []byte) { total += len(value) })
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}
