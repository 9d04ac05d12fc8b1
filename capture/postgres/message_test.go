package postgres

import (
	"encoding/binary"
	"reflect"
	"testing"

	"cdcbridge/changelog"
	"cdcbridge/internal/fault"
)

// messages are one of each kind that is read, and what they mean.
var messages = []struct {
	name  string
	body  []byte
	parse func([]byte) (any, error)
	want  any
}{
	{"Begin", []byte("B\x00\x00\x00\x01\x00\x00\x00\x02\x00\x00\x00\x00\x00\x0f\x42\x40\x00\x00\x00\x07"), func(b []byte) (any, error) { return parseBegin(b) },
		beginBody{Commit: 1<<32 | 2, Time: postgresEpoch + 1_000_000, XID: 7}},
	{"Commit", []byte("C\x00\x00\x00\x00\x01\x00\x00\x00\x02\x00\x00\x00\x01\x00\x00\x00\x32\xff\xff\xff\xff\xff\xff\xff\xff"), func(b []byte) (any, error) { return parseCommit(b) },
		commitBody{Commit: 1<<32 | 2, End: 1<<32 | 0x32, Time: postgresEpoch - 1}},
	{"Origin", []byte("O\x00\x00\x00\x00\x00\x00\x00\x09eu\x00"), func(b []byte) (any, error) { return parseOrigin(b) }, originBody{LSN: 9, Name: []byte("eu")}},
	{"Type", []byte("Y\x00\x00\x40\x01public\x00mood\x00"), func(b []byte) (any, error) { return parseType(b) }, typeBody{OID: 0x4001, Schema: []byte("public"), Name: []byte("mood")}},
	{"Truncate", []byte("T\x00\x00\x00\x02\x03\x00\x00\x40\x01\x00\x00\x40\x02"), func(b []byte) (any, error) {
		m, err := parseTruncate(b)
		return []any{m.Cascade, m.Restart, m.next(), m.next(), m.next()}, err
	}, []any{true, true, uint32(0x4001), uint32(0x4002), uint32(0)}},
	{"Message", []byte("M\x01\x00\x00\x00\x00\x00\x00\x00\x09p\x00\x00\x00\x00\x02hi"), func(b []byte) (any, error) { return parseLogical(b) },
		logicalBody{Transactional: true, LSN: 9, Prefix: []byte("p"), Content: []byte("hi")}},
	{"Stream Start", []byte("S\x00\x00\x00\x07\x01"), func(b []byte) (any, error) { return parseStreamStart(b) }, streamStartBody{XID: 7, First: true}},
	{"Stream Commit", []byte("c\x00\x00\x00\x07\x00\x00\x00\x00\x01\x00\x00\x00\x02\x00\x00\x00\x01\x00\x00\x00\x32\xff\xff\xff\xff\xff\xff\xff\xff"), func(b []byte) (any, error) { return parseStreamCommit(b) },
		streamCommitBody{7, commitBody{Commit: 1<<32 | 2, End: 1<<32 | 0x32, Time: postgresEpoch - 1}}},
	{"Stream Abort", []byte("A\x00\x00\x00\x07\x00\x00\x00\x09"), func(b []byte) (any, error) { return parseStreamAbort(b) }, streamAbortBody{7, 9}},
	{"Relation", []byte("R\x00\x00\x40\x01\x00t\x00i\x00\x02\x01id\x00\x00\x00\x00\x17\xff\xff\xff\xff\x00v\x00\x00\x00\x04\x13\x00\x00\x00\x0e"), func(b []byte) (any, error) { return parseRelation(b) },
		relationBody{OID: 0x4001, Schema: "pg_catalog", Name: "t", Identity: 'i', Columns: []relationColumn{{true, "id", 23, -1}, {false, "v", 1043, 14}}}},
}

func TestMessages(t *testing.T) {
	for _, m := range messages {
		got, err := m.parse(m.body)
		if err != nil || !reflect.DeepEqual(got, m.want) {
			t.Errorf("%s: %+v, %v, want %+v", m.name, got, err, m.want)
		}
		for n := 1; n < len(m.body); n++ {
			if _, err := m.parse(m.body[:n:n]); !fault.Is(err, fault.Decode) || !fault.IsFinal(err) {
				t.Errorf("%s of %d bytes: %v", m.name, n, err)
			}
		}
		if _, err := m.parse(append(m.body[:len(m.body):len(m.body)], 0)); !fault.Is(err, fault.Decode) {
			t.Errorf("%s and a byte: %v", m.name, err)
		}
	}
}

// A count that the message cannot hold must not become an allocation.
func TestCountsAreNotBelieved(t *testing.T) {
	huge := map[string][]byte{
		"Truncate": []byte("T\xff\xff\xff\xff\x00\x00\x00\x00\x01"),
		"Message":  []byte("M\x00\x00\x00\x00\x00\x00\x00\x00\x09p\x00\xff\xff\xff\xff"),
		"Relation": []byte("R\x00\x00\x40\x01\x00t\x00d\xff\xff"),
	}
	for _, m := range messages {
		if b := huge[m.name]; b != nil {
			if _, err := m.parse(b); !fault.Is(err, fault.Decode) {
				t.Errorf("%s: %v", m.name, err)
			}
		}
	}
}

// ordersShape is the decoder of the relation that relationMessage makes.
func ordersShape(t testing.TB, identity byte) *shape {
	t.Helper()
	r, err := parseRelation(relationMessage(ordersOID, "public", "orders", identity))
	if err != nil {
		t.Fatal(err)
	}
	s, err := newShape(&r, &tableFacts{key: []string{"id"}}, newTypeBook(), nil)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestRows(t *testing.T) {
	i := func(n int64) changelog.Value { return changelog.Int(n) }
	v := func(s string) changelog.Value { return changelog.String([]byte(s)) }
	none, null := changelog.Unchanged(), changelog.Null()
	for name, c := range map[string]struct {
		identity      byte
		body          []byte
		op            changelog.Op
		before, after changelog.Row
		gap           bool
	}{
		"insert":                    {'d', rowMessage('I', ordersOID, 'N', tuple("1", nil, "-3")), changelog.Insert, nil, changelog.Row{i(1), null, i(-3)}, false},
		"update":                    {'d', rowMessage('U', ordersOID, 'N', tuple("1", "", "2")), changelog.Update, nil, changelog.Row{i(1), v(""), i(2)}, false},
		"key change":                {'d', rowMessage('U', ordersOID, 'K', tuple("1", nil, nil), 'N', tuple("2", nil, "2")), changelog.Update, changelog.Row{i(1), none, none}, changelog.Row{i(2), null, i(2)}, false},
		"delete by key":             {'d', rowMessage('D', ordersOID, 'K', tuple("1", nil, nil)), changelog.Delete, changelog.Row{i(1), none, none}, nil, false},
		"delete by more than a key": {'d', rowMessage('D', ordersOID, 'K', tuple("1", "x", "y")), changelog.Delete, changelog.Row{i(1), none, none}, nil, false},
		"whole update":              {'f', rowMessage('U', ordersOID, 'O', tuple("1", nil, "2"), 'N', tuple("1", "v", "2")), changelog.Update, changelog.Row{i(1), null, i(2)}, changelog.Row{i(1), v("v"), i(2)}, false},
		"whole delete":              {'f', rowMessage('D', ordersOID, 'O', tuple("1", nil, nil)), changelog.Delete, changelog.Row{i(1), null, null}, nil, false},
		"unchanged, whole":          {'f', rowMessage('U', ordersOID, 'O', tuple("1", "big", "2"), 'N', tuple("1", "\x00", "3")), changelog.Update, changelog.Row{i(1), v("big"), i(2)}, changelog.Row{i(1), v("big"), i(3)}, false},
		"unchanged key":             {'d', rowMessage('U', ordersOID, 'K', tuple("1", nil, nil), 'N', tuple("\x00", "v", "3")), changelog.Update, changelog.Row{i(1), none, none}, changelog.Row{i(1), v("v"), i(3)}, false},
		"unchanged, not known":      {'d', rowMessage('U', ordersOID, 'K', tuple("1", nil, nil), 'N', tuple("1", "\x00", "3")), changelog.Update, changelog.Row{i(1), none, none}, changelog.Row{i(1), none, i(3)}, true},
	} {
		s, b := ordersShape(t, c.identity), changelog.NewBatch()
		var ch changelog.Change
		gap, err := s.decodeRow(b, &ch, c.body)
		if err != nil || ch.Op != c.op || gap != c.gap || !sameRow(ch.Before, c.before) || !sameRow(ch.After, c.after) {
			t.Errorf("%s: %+v, gap %v, %v", name, ch, gap, err)
		}
		for n := 5; n < len(c.body); n++ {
			if _, err := s.decodeRow(b, &changelog.Change{}, c.body[:n:n]); !fault.Is(err, fault.Decode) || !fault.IsFinal(err) {
				t.Errorf("%s of %d bytes: %v", name, n, err)
			}
		}
		if _, err := s.decodeRow(b, &changelog.Change{}, append(c.body[:len(c.body):len(c.body)], 'n')); !fault.Is(err, fault.Decode) {
			t.Errorf("%s and a byte: %v", name, err)
		}
	}
}

func sameRow(a, b changelog.Row) bool {
	if len(a) != len(b) || (a == nil) != (b == nil) {
		return false
	}
	for i := range a {
		if !a[i].Equal(b[i]) {
			return false
		}
	}
	return true
}

// relationOfColumns has int columns; those with a star are the replica identity's.
func relationOfColumns(identity byte, names ...string) *relationBody {
	r := &relationBody{OID: 1, Schema: "public", Name: "t", Identity: identity}
	for _, n := range names {
		key := n[0] == '*'
		if key {
			n = n[1:]
		}
		r.Columns = append(r.Columns, relationColumn{Key: key || identity == 'f', Name: n, Type: 23, Modifier: -1})
	}
	return r
}

func TestKeys(t *testing.T) {
	pk := func(names ...string) *tableFacts {
		return &tableFacts{key: names, columns: []columnFacts{{name: "hidden"}}}
	}
	before := &changelog.Table{Columns: []changelog.Column{{Name: "b"}, {Name: "a"}}, Key: []int{0, 1}}
	for name, c := range map[string]struct {
		rel    *relationBody
		facts  *tableFacts
		before *changelog.Table
		want   []int // nil: no key
		fault  bool
	}{
		"primary key":                {relationOfColumns('d', "*a", "b"), pk("a"), nil, []int{0}, false},
		"primary key, table gone":    {relationOfColumns('d', "a", "*b"), nil, nil, []int{1}, false},
		"its order":                  {relationOfColumns('d', "*a", "*b", "c"), pk("b", "a"), nil, []int{1, 0}, false},
		"its order, table gone":      {relationOfColumns('d', "*a", "*b"), nil, nil, nil, true},
		"its order, known before":    {relationOfColumns('d', "*a", "*b"), nil, before, []int{1, 0}, false},
		"another primary key now":    {relationOfColumns('d', "*a", "*b"), pk("a", "c"), nil, nil, true},
		"a renamed column":           {relationOfColumns('d', "*a", "*b"), pk("a", "bb"), nil, nil, true},
		"none":                       {relationOfColumns('d', "a", "b"), pk(), nil, nil, false},
		"none logged":                {relationOfColumns('n', "a", "b"), pk("a"), nil, nil, false},
		"another index":              {relationOfColumns('i', "a", "*b", "*c"), pk("a"), nil, []int{1, 2}, false},
		"an index of the same":       {relationOfColumns('i', "*a", "*b"), pk("b", "a"), nil, []int{1, 0}, false},
		"an index, table gone":       {relationOfColumns('i', "*a", "*b"), nil, nil, nil, true},
		"full":                       {relationOfColumns('f', "a", "b"), pk("b"), nil, []int{1}, false},
		"full, no key":               {relationOfColumns('f', "a", "b"), pk(), nil, nil, false},
		"full, table gone":           {relationOfColumns('f', "a", "b"), nil, nil, nil, true},
		"full, column renamed":       {relationOfColumns('f', "a", "b"), pk("c"), nil, nil, true},
		"full, column not published": {relationOfColumns('f', "a", "b"), pk("hidden"), nil, nil, false},
	} {
		s, err := newShape(c.rel, c.facts, newTypeBook(), c.before)
		if c.fault {
			if f := fault.As(err); f == nil || f.Code != fault.SchemaUnknown || !f.Final || f.Hint == "" {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if err != nil || len(s.table.Key) != len(c.want) || len(c.want) > 0 && !reflect.DeepEqual(s.table.Key, c.want) {
			t.Errorf("%s: %v, %v", name, s, err)
		}
	}
}

func FuzzMessages(f *testing.F) {
	for _, m := range messages {
		f.Add(m.body)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		if len(body) == 0 {
			return
		}
		for _, m := range messages {
			if m.body[0] == body[0] {
				_, _ = m.parse(body) // any error is right
				return
			}
		}
		if err := refuseMessage(body); !fault.IsFinal(err) {
			t.Error(err)
		}
	})
}

func FuzzRelation(f *testing.F) {
	for _, identity := range []byte{'d', 'n', 'f', 'i'} {
		f.Add(relationMessage(ordersOID, "public", "orders", identity))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		if len(body) == 0 {
			return
		}
		r, err := parseRelation(body)
		if err != nil {
			return
		}
		s, err := newShape(&r, &tableFacts{key: []string{"id"}}, newTypeBook(), nil)
		if err != nil {
			return
		}
		for i, c := range s.table.Columns {
			if c.SourceType == "" || s.columns[i].decode == nil || c.Type.Kind == changelog.KindNull {
				t.Errorf("column %d is half prepared: %+v", i, c)
			}
		}
		for _, k := range s.table.Key {
			if !s.identity[k] {
				t.Errorf("column %d is of the key and not of the identity", k)
			}
		}
	})
}

func FuzzRows(f *testing.F) {
	f.Add(byte('I'), rowMessage('I', ordersOID, 'N', tuple("1", nil, "-3"))[5:])
	f.Add(byte('U'), rowMessage('U', ordersOID, 'K', tuple("1", nil, nil), 'N', tuple("2", "\x00", "2"))[5:])
	f.Add(byte('D'), rowMessage('D', ordersOID, 'O', tuple("1", "v", nil))[5:])
	s := ordersShape(f, 'd')
	f.Fuzz(func(t *testing.T, op byte, tuples []byte) {
		if op != 'I' && op != 'U' && op != 'D' {
			return
		}
		b := changelog.NewBatch()
		var ch changelog.Change
		gap, err := s.decodeRow(b, &ch, append(binary.BigEndian.AppendUint32([]byte{op}, ordersOID), tuples...))
		if err != nil {
			return
		}
		unknown := false
		for _, v := range ch.After {
			unknown = unknown || v.IsUnchanged()
		}
		if unknown != gap || (ch.Op == changelog.Delete) != (ch.After == nil) || ch.Op == changelog.Insert && ch.Before != nil {
			t.Errorf("%+v, gap %v", ch, gap)
		}
	})
}
