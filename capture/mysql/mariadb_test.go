package mysql

import (
	"bytes"
	"encoding/hex"
	"strings"
	"testing"

	gomysql "github.com/go-mysql-org/go-mysql/mysql"

	"cdcbridge/changelog"
	"cdcbridge/internal/fault"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// mariaGTIDs are bodies from the logs of MariaDB 10.11 and 11.8.
var mariaGTIDs = []struct {
	body string
	want gtidBody
}{
	{"0300000000000000000000000c000000000000", gtidBody{Maria: domainGTID{0, 9, 3}, Begun: true}},
	{"0100000000000000030000000c000000000000", gtidBody{Maria: domainGTID{3, 9, 1}, Begun: true}},
	{"02000000000000000000000029000000000000", gtidBody{Maria: domainGTID{0, 9, 2}}},
	{"0300000000000000000000000c100800000000", gtidBody{Maria: domainGTID{0, 9, 3}, Begun: true, Thread: 8}},
	{"0700000000000000000000004c070000000101616201ff", gtidBody{Maria: domainGTID{0, 9, 7}, Begun: true, XA: "X'61',X'62',7"}},
	{"0700000000000000000000004c070000000101616211ff08000000", gtidBody{Maria: domainGTID{0, 9, 7}, Begun: true, XA: "X'61',X'62',7", Thread: 8}},
	{"0800000000000000000000008d0700000001016162", gtidBody{Maria: domainGTID{0, 9, 8}}},
	{"0800000000000000000000008d07000000010161621008000000", gtidBody{Maria: domainGTID{0, 9, 8}, Thread: 8}},
}

func TestParseMariaGTID(t *testing.T) {
	for _, c := range mariaGTIDs {
		got, err := parseMariaGTID(9, unhex(t, c.body))
		if err != nil || got.Maria != c.want.Maria || got.Begun != c.want.Begun || got.XA != c.want.XA || got.Thread != c.want.Thread || got.Unapplied {
			t.Errorf("%s: %+v %v", c.body, got, err)
		}
	}
	for _, bad := range []string{"", "0300000000000000000000", "0000000000000000000000000c000000000000", "0700000000000000000000004c0700000001", "0700000000000000000000004c070000000101616210ff"} {
		if got, err := parseMariaGTID(9, unhex(t, bad)); !fault.Is(err, fault.Decode) {
			t.Errorf("%s: %+v %v", bad, got, err)
		}
	}
}

func FuzzParseMariaGTID(f *testing.F) {
	for _, c := range mariaGTIDs {
		f.Add(unhex(f, c.body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		g, err := parseMariaGTID(1, body)
		if err == nil && g.gtid("").none() {
			t.Errorf("%x has no GTID", body)
		}
	})
}

// Bodies of compressed events from the log of MariaDB 10.11.
const (
	packedStatement = "8141789c05c1510a80201005c0abbc4f853e044fb4d9864b65f15c243b7d33852aae70594f85ed68b7435febdef121d8066b8e877609270e9d0b0686b05461c829c5f803ff1f163a"
	packedInsert    = "7b00000000000100020381cf789cfbc3c8c0c07082a1629800003b4b5f86"
	packedUpdate    = "7b000000000001000203038201d0789cfbc3c8c0c07082a16298803f20effc62a81cb100000ba0d7a7"
	packedDelete    = "7b000000000001000203820101789cfbc3c8c0c0f08ba172c40200e6217822"
)

// wholeBody is an event that is there already.
type wholeBody []byte

func (w wholeBody) tableID() (uint64, error) { c := cursor{b: w}; return c.uint(6), nil }
func (w wholeBody) bodySize() int            { return len(w) }
func (w wholeBody) body() ([]byte, error)    { return w, nil }
func (w wholeBody) discard() error           { return nil }
func (w wholeBody) keep(b *changelog.Batch) ([]byte, error) {
	p := b.Grab(len(w))
	copy(p, w)
	return p, nil
}

func TestInflate(t *testing.T) {
	var z inflater
	sql, err := z.record(unhex(t, packedStatement))
	if err != nil || string(sql) != "create table if not exists z (id int primary key, v varchar(300))" {
		t.Fatalf("%q %v", sql, err)
	}
	x200, y250 := strings.Repeat("x", 200), strings.Repeat("y", 250)
	one, two := "\xfc\x01\x00\x00\x00\xc8\x00"+x200, "\xfc\x01\x00\x00\x00\xfa\x00"+y250
	for _, c := range []struct {
		typ        eventType
		body, rows string
	}{
		{eventWriteRowsCompressedV1, packedInsert, one}, {eventUpdateRowsCompressedV1, packedUpdate, one + two}, {eventDeleteRowsCompressedV1, packedDelete, two},
	} {
		typ := uncompressedType(c.typ)
		b := changelog.NewBatch()
		z.of(typ, wholeBody(unhex(t, c.body)))
		kept, err := z.keep(b)
		if err != nil {
			t.Fatal(err)
		}
		if body, err := z.body(); err != nil || !bytes.Equal(body, kept) {
			t.Errorf("%x and %x %v", kept, body, err)
		}
		if e, err := parseRows(typ, kept); err != nil || string(e.Rows) != c.rows || e.TableID != 0x7b || e.Flags != 1 || e.Columns != 2 {
			t.Errorf("%+v %v", e, err)
		}
		b.Release()
	}
	for typ, want := range map[eventType]eventType{eventDeleteRowsCompressedV1: eventDeleteRowsV1, eventWriteRowsCompressed: eventWriteRows, eventDeleteRowsCompressed: eventDeleteRows} {
		if got := uncompressedType(typ); got != want {
			t.Errorf("%d is %d uncompressed", typ, got)
		}
	}
}

func TestInflateRefuses(t *testing.T) {
	whole := packedStatement
	for what, body := range map[string]string{
		"nothing": "", "not compressed": "01" + whole[2:], "another algorithm": "91" + whole[2:], "a shorter one": "8140" + whole[4:], "a longer one": "8142" + whole[4:],
		"a cut": whole[:60], "damage": whole[:40] + "ff" + whole[42:], "another checksum": whole[:len(whole)-2] + "00", "a lie about the size": "84ffffffff" + whole[4:],
	} {
		var z inflater
		if out, err := z.record(unhex(t, body)); !fault.Is(err, fault.Decode) || !fault.IsFinal(err) {
			t.Errorf("%s: %q %v", what, out, err)
		}
	}
}

func FuzzInflate(f *testing.F) {
	for _, s := range []string{packedStatement, packedInsert[20:], packedUpdate[24:], packedDelete[20:], "8000", "84ffffffff00"} {
		f.Add(unhex(f, s))
	}
	var z inflater
	f.Fuzz(func(t *testing.T, packed []byte) {
		out, err := z.record(packed)
		if err == nil && len(out) > mostInflated*len(packed) {
			t.Errorf("%d bytes became %d", len(packed), len(out))
		}
	})
}

func TestCompressedValues(t *testing.T) {
	b := changelog.NewBatch()
	defer b.Release()
	for packed, want := range map[string]string{
		"": "", "0073686f7274": "short", "89644b4ca43d0000": strings.Repeat("a", 100), "8a03e84b4a1a05a360140c770000": strings.Repeat("b", 1000),
	} {
		if got, err := expand(unhex(t, packed), b); err != nil || string(got) != want {
			t.Errorf("%s: %q %v", packed, got, err)
		}
		column := columnDef{layout: columnLayout{typ: typeVarcharCompressed, meta: 201}, collation: 45}
		if got, err := decodeOne(t, column, append([]byte{byte(len(packed) / 2)}, unhex(t, packed)...)); err != nil || string(got.Bytes()) != want {
			t.Errorf("%s: a column has %q %v", packed, got.Bytes(), err)
		}
	}
	for _, bad := range []string{"0900", "8a03", "89654b4ca43d0000", "89634b4ca43d0000", "8d0000000000", "99644b4ca43d0000", "8bffffff4b4ca43d0000", "81644b4ca43d0000"} {
		if got, err := expand(unhex(t, bad), b); err == nil {
			t.Errorf("%s was read as %q", bad, got)
		}
	}
}

func TestAddresses(t *testing.T) {
	for in, want := range map[string]string{
		"00000000000000000000000000000000": "::", "00000000000000000000000000000001": "::1", "fe800000000000000000000000000001": "fe80::1",
		"00000000000000000000000001020304": "::1.2.3.4", "00000000000000000000ffff01020304": "::ffff:1.2.3.4", "00000000000000000001ffff01020304": "::1:ffff:102:304",
		"20010db8000000010001000100010001": "2001:db8::1:1:1:1:1", "20010db8000100000000000100000000": "2001:db8:1::1:0:0", "fe800000000000000000000000000000": "fe80::",
		"0001000200030004000500060007000f": "1:2:3:4:5:6:7:f", "00000001000000000000000000000000": "0:1::",
	} {
		if got := string(appendInet6(nil, unhex(t, in))); got != want {
			t.Errorf("%s is %s, want %s", in, got, want)
		}
	}
	if got := string(appendInet4(nil, []byte{1, 20, 255, 0})); got != "1.20.255.0" {
		t.Error(got)
	}
}

// What the log shows as BINARY(16) is decided by the catalogue, and where that says nothing about it, by nobody.
func TestNatives(t *testing.T) {
	def := func(facts []columnFacts) (*shape, error) {
		l := tableLayout{mariadb: true, columns: []columnLayout{{typ: typeString, meta: 16}}, meta: tableMetadata{names: [][]byte{[]byte("c")}, collations: []uint32{collationBinary}}}
		return l.shape(tableName{"shop", "t"}, facts)
	}
	for column, want := range map[string]changelog.Kind{"uuid": changelog.KindString, "inet6": changelog.KindString, "binary(16)": changelog.KindBytes} {
		s, err := def([]columnFacts{{Name: "c", ColumnType: column}})
		if err != nil || s.table.Columns[0].Type.Kind != want || s.table.Columns[0].SourceType != column || s.table.Origin != "mariadb" {
			t.Errorf("%s: %+v %v", column, s, err)
		}
	}
	for _, facts := range [][]columnFacts{nil, {{Name: "d", ColumnType: "uuid"}}, {{Name: "c", ColumnType: "inet4"}}, {{Name: "c", ColumnType: "varchar(16)"}}} {
		if _, err := def(facts); !fault.Is(err, fault.SchemaUnknown) || !fault.IsFinal(err) {
			t.Errorf("%+v: %v", facts, err)
		}
	}
}

func TestCollationsOfMariaDB(t *testing.T) {
	for id, want := range map[uint32]string{
		8: "latin1", 45: "utf8mb4", 255: "utf8mb4", 576: "utf8mb3", 1032: "latin1", 1069: "utf8mb4", 1248: "utf8mb4", 2048: "utf8mb3", 2304: "utf8mb4", 2503: "utf8mb4", 3271: "utf32",
		0: "", 1024: "", 17: "", 500: "", 1041: "", 3328: "", 1 << 20: "",
	} {
		if got := charsetName(id); got != want {
			t.Errorf("%d is of %q, want %q", id, got, want)
		}
	}
}

// What the server says when it cannot go on is the only thing that tells these apart.
func TestDumpFaultsOfMariaDB(t *testing.T) {
	for message, want := range map[string]fault.Code{
		"Could not decrypt binlog: encryption key error; the first event '.' at 4, the last event read from 'binlog.000001' at 256":                                                                        fault.SourceSettings,
		"Could not find GTID state requested by slave in any binlog files. Probably the slave state is too old and required binlog files have been purged.":                                                fault.BinlogPurged,
		"Error: connecting slave requested to start from GTID 0-1-5, which is not in the master's binlog. Since the master's binlog contains GTIDs with higher sequence numbers, it probably means that …": fault.WrongServer,
	} {
		err := dumpFault(&gomysql.MyError{Code: 1236, Message: message, State: "HY000"})
		if !fault.Is(err, want) || !fault.IsFinal(err) {
			t.Errorf("%s: %v", message, err)
		}
	}
}
