package mysql

import (
	"fmt"
	"testing"

	"cdcbridge/changelog"
	"cdcbridge/internal/fault"
)

func TestEveryFlippedBitIsSeen(t *testing.T) {
	log := unpack(t, "testdata/tables-9.7.binlog.gz")[4:]
	h, err := parseHeader(log)
	if err != nil {
		t.Fatal(err)
	}
	event := log[:h.Size]
	if err := verifyChecksum(event); err != nil {
		t.Fatal(err)
	}
	for i := range 8 * len(event) {
		event[i/8] ^= 1 << (i % 8)
		if err := verifyChecksum(event); !fault.Is(err, fault.Corrupt) || fault.IsFinal(err) {
			t.Fatalf("bit %d: %v", i, err)
		}
		event[i/8] ^= 1 << (i % 8)
	}
}

func TestFormatDescription(t *testing.T) {
	log := unpack(t, "testdata/tables-9.7.binlog.gz")[4:]
	h, _ := parseHeader(log)
	body := log[headerSize:h.Size]
	f, err := parseFormat(body)
	if err != nil || !f.Checksum || f.ServerVersion[:4] != "9.7." {
		t.Fatalf("%+v %v", f, err)
	}
	for name, at := range map[string]int{"version": 0, "header length": 56, "table map": 57 + 18, "rows": 57 + 29, "checksum": len(body) - 5} {
		broken := append([]byte(nil), body...)
		broken[at] += 3
		if _, err := parseFormat(broken); !fault.Is(err, fault.Decode) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for n := range body {
		if _, err := parseFormat(body[:n]); err == nil && n < 57+32+5 {
			t.Fatalf("%d bytes are enough", n)
		}
	}
}

func TestHeartbeats(t *testing.T) {
	h, err := parseHeartbeat(&eventHeader{Type: eventHeartbeat, NextPos: 157}, []byte("binlog.000002"))
	if err != nil || h.Pos != 157 || string(h.File) != "binlog.000002" {
		t.Errorf("%+v %v", h, err)
	}
	body := append([]byte{1, 13}, "binlog.000002"...)
	body = append(body, 2, 9, 254, 1, 0, 0, 0, 2, 0, 0, 0, 0)
	h, err = parseHeartbeat(&eventHeader{Type: eventHeartbeatV2}, body)
	if err != nil || h.Pos != 1+2<<32 || string(h.File) != "binlog.000002" {
		t.Errorf("%+v %v", h, err)
	}
	for n := range body[:len(body)-1] {
		if h, err := parseHeartbeat(&eventHeader{Type: eventHeartbeatV2}, body[:n]); err == nil && n != 15 {
			t.Errorf("%d bytes: %+v", n, h)
		}
	}
}

func TestSmallBodies(t *testing.T) {
	if r, err := parseRotate(append([]byte{4, 0, 0, 0, 1, 0, 0, 0}, "binlog.000003"...)); err != nil || r.Pos != 4+1<<32 || string(r.File) != "binlog.000003" {
		t.Errorf("rotate %+v %v", r, err)
	}
	if n, err := parseXID([]byte{1, 2, 0, 0, 0, 0, 0, 128}); err != nil || n != 0x8000000000000201 {
		t.Errorf("xid %x %v", n, err)
	}
	if i, err := parseIncident(append([]byte{1, 0, 11}, "LOST_EVENTS"...)); err != nil || i.Code != 1 || string(i.Message) != "LOST_EVENTS" {
		t.Errorf("incident %+v %v", i, err)
	}
	x, err := parseXAPrepare(append([]byte{1, 7, 0, 0, 0, 4, 0, 0, 0, 6, 0, 0, 0}, "globbranch"...))
	if err != nil || !x.OnePhase || x.FormatID != 7 || string(x.Global) != "glob" || string(x.Branch) != "branch" {
		t.Errorf("xa %+v %v", x, err)
	}
	for name, f := range map[string]func() error{
		"rotate":    func() error { _, err := parseRotate([]byte{4, 0, 0, 0, 0, 0, 0, 0}); return err },
		"xid":       func() error { _, err := parseXID([]byte{1}); return err },
		"incident":  func() error { _, err := parseIncident([]byte{1, 0, 2, 'x'}); return err },
		"xa":        func() error { _, err := parseXAPrepare([]byte{1, 7, 0, 0, 0, 4, 0, 0, 0, 6, 0, 0, 0, 'x'}); return err },
		"heartbeat": func() error { _, err := parseHeartbeat(&eventHeader{Type: eventHeartbeat}, nil); return err },
		"query":     func() error { _, err := parseQuery(make([]byte, 13)); return err },
		"gtid":      func() error { _, err := parseGTID(make([]byte, 24)); return err },
		"tagged":    func() error { _, err := parseGTIDTagged([]byte{2, 200, 0}); return err },
		"table map": func() error { _, err := parseTableMap(make([]byte, 9)); return err },
		"header":    func() error { _, err := parseHeader(make([]byte, 18)); return err },
		"size":      func() error { _, err := parseHeader(make([]byte, 19)); return err },
		"rows type": func() error { _, err := parseRows(eventXID, make([]byte, 20)); return err },
	} {
		if err := f(); !fault.Is(err, fault.Decode) || !fault.IsFinal(err) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestGTIDOfMySQL57EndsEarly(t *testing.T) {
	body := make([]byte, 42)
	body[1], body[17], body[25], body[26], body[34] = 0xAA, 9, 2, 5, 6
	g, err := parseGTID(body)
	if err != nil || g.UUID[0] != 0xAA || g.GNO != 9 || g.LastCommitted != 5 || g.Sequence != 6 || g.ImmediateCommit != 0 || g.Length != 0 {
		t.Errorf("%+v %v", g, err)
	}
}

func TestQueryStatusVariables(t *testing.T) {
	status := []byte{
		statusFlags2, 0, 0, 0, 0, statusSQLMode, 0, 0, 0, 0, 0, 0, 0, 0, statusAutoIncrement, 1, 0, 1, 0, statusCharset, 28, 0, 8, 0, 8, 0,
		statusTimeZone, 6, 'S', 'Y', 'S', 'T', 'E', 'M', statusCatalog, 3, 's', 't', 'd', statusTimeNames, 0, 0, statusCharsetDatabase, 8, 0,
		statusTableMapUpdate, 0, 0, 0, 0, 0, 0, 0, 0, statusInvoker, 1, 'u', 1, 'h', statusUpdatedDatabases, 2, 'a', 0, 'b', 'b', 0, statusMicroseconds, 0x40, 0xE2, 1,
		statusDefaultsForTime, 1, statusDDLXID, 1, 0, 0, 0, 0, 0, 0, 0, statusDefaultCollation, 255, 0, statusRequirePK, 0, statusEncryption, 0,
		99, 1, 2, 3, // of a later release
	}
	body := append([]byte{42, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, byte(len(status)), 0}, status...)
	body = append(body, "db\x00TRUNCATE t"...)
	q, err := parseQuery(body)
	if err != nil || q.ThreadID != 42 || string(q.Schema) != "db" || string(q.SQL) != "TRUNCATE t" || q.Client != 28 || q.Micros != 123456 {
		t.Errorf("%+v %v", q, err)
	}
	for _, tc := range []struct {
		client    uint16
		sql, want string
	}{{28, "DROP TABLE `\x81\x60`", "DROP TABLE `乣`"}, {8, "-- \xfc", "-- ü"}, {45, "-- ü", "-- ü"}, {45, "x'\xff'", "x'\uFFFD'"}, {63, "\xff", "\uFFFD"}} {
		q.Client, q.SQL = tc.client, []byte(tc.sql)
		if got, err := q.text(changelog.NewBatch()); err != nil || string(got) != tc.want {
			t.Errorf("the statement % x of the collation %d: %q, want %q, %v", tc.sql, tc.client, got, tc.want, err)
		}
	}
	for n := range len(body) - len("TRUNCATE t") {
		if _, err := parseQuery(body[:n]); err == nil {
			t.Fatalf("%d bytes are enough", n)
		}
	}
}

func TestUnknownAndUndescribedColumns(t *testing.T) {
	for name, tc := range map[string]struct {
		types, meta, optional []byte
		want                  fault.Code
	}{
		"type number":       {[]byte{200}, nil, nil, fault.UnsupportedType},
		"typed array":       {[]byte{20}, []byte{8}, nil, fault.UnsupportedType},
		"old decimal":       {[]byte{0}, nil, nil, fault.UnsupportedType},
		"no names":          {[]byte{3}, nil, []byte{1, 1, 0}, fault.SchemaUnknown},
		"no signedness":     {[]byte{3}, nil, []byte{4, 2, 1, 'a'}, fault.SchemaUnknown},
		"no charset":        {[]byte{15}, []byte{10, 0}, []byte{4, 2, 1, 'a'}, fault.SchemaUnknown},
		"unknown collation": {[]byte{15}, []byte{10, 0}, []byte{4, 2, 1, 'a', 2, 3, 252, 0xff, 0xff}, fault.UnsupportedType},
		"no labels":         {[]byte{254}, []byte{247, 1}, []byte{4, 2, 1, 'a'}, fault.SchemaUnknown},
		"wide bit":          {[]byte{16}, []byte{1, 8}, []byte{4, 2, 1, 'a'}, fault.Decode},
		"decimal digits":    {[]byte{246}, []byte{66, 2}, []byte{4, 2, 1, 'a', 1, 1, 0}, fault.Decode},
		"decimal scale":     {[]byte{246}, []byte{10, 31}, []byte{4, 2, 1, 'a', 1, 1, 0}, fault.Decode},
		"fraction":          {[]byte{18}, []byte{7}, []byte{4, 2, 1, 'a'}, fault.Decode},
		"blob length":       {[]byte{252}, []byte{5}, []byte{4, 2, 1, 'a', 2, 1, 63}, fault.Decode},
		"metadata too long": {[]byte{3}, []byte{1}, nil, fault.Decode},
		"key out of range":  {[]byte{3}, nil, []byte{4, 2, 1, 'a', 8, 1, 1}, fault.Decode},
		"name too long":     {[]byte{3}, nil, []byte{4, 2, 9, 'a'}, fault.Decode},
	} {
		body := append([]byte{1, 0, 0, 0, 0, 0, 1, 0, 1, 's', 0, 1, 't', 0, 1}, tc.types...)
		body = append(append(append(body, byte(len(tc.meta))), tc.meta...), 0)
		m, err := parseTableMap(append(body, tc.optional...))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := newShape(m, nil); !fault.Is(err, tc.want) || !fault.IsFinal(err) {
			t.Errorf("%s: %v, want %s", name, err, tc.want)
		}
	}
}

func TestFactsThatContradictTheLogAreLeftOut(t *testing.T) {
	r := recorded(t, "tables-9.7")
	for _, m := range r.maps {
		if string(m.Name) != "composite" {
			continue
		}
		s, err := newShape(m, []columnFacts{{Name: "b", ColumnType: "varchar(20)", Generated: true}, {Name: "a", ColumnType: "int(11) zerofill"}})
		if err != nil {
			t.Fatal(err)
		}
		a, b := s.table.Columns[0], s.table.Columns[1]
		if a.SourceType != "int(11) zerofill" || b.SourceType != "varchar(10)" || b.Generated {
			t.Errorf("%+v %+v", a, b)
		}
	}
	if s := r.lastShape("composite"); s == nil || s.table.FullName() != "tables.composite" {
		t.Error("composite is not in the recording")
	}
}

// sameBegin compares what the short way says of a statement with what the long one has read.
func sameBegin(body []byte, q queryBody) error {
	if thread, ok := plainBegin(body); ok != (string(q.SQL) == "BEGIN") || ok && thread != q.ThreadID {
		return fmt.Errorf("BEGIN %v of session %d: %q of %d", ok, thread, q.SQL, q.ThreadID)
	}
	return nil
}

func TestPlainBegin(t *testing.T) {
	body := append([]byte{7, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 5, 0}, "\x00\x00\x00\x00\x00shop\x00BEGIN"...)
	if thread, ok := plainBegin(body); !ok || thread != 7 {
		t.Errorf("%d %v", thread, ok)
	}
	for n := range body {
		if _, ok := plainBegin(body[:n]); ok {
			t.Errorf("%d bytes are enough", n)
		}
		if _, ok := plainBegin(body[n:]); ok && n > 0 {
			t.Errorf("without the first %d bytes it is still one", n)
		}
	}
}
