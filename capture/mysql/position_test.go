package mysql

import (
	"reflect"
	"strings"
	"testing"

	"cdcbridge/capture"
	"cdcbridge/changelog"
	"cdcbridge/internal/fault"
)

func TestPositionText(t *testing.T) {
	set := mustSet(t, uuidA+":1-77:blue:3")
	for _, c := range []struct {
		p    position
		want string
	}{
		{position{server: uuidA, file: "binlog.000002", pos: 1 << 33, gtids: &set},
			`{"v":1,"server":"` + uuidA + `","file":"binlog.000002","pos":8589934592,"gtids":"` + uuidA + `:1-77:blue:3"}`},
		{position{server: uuidA, file: "b.1", pos: 4, gtids: &gtidSet{}, seen: &set}, `{"v":1,"server":"` + uuidA + `","file":"b.1","pos":4,"gtids":"","seen":"` + uuidA + `:1-77:blue:3"}`},
		{position{server: uuidA, file: "b.1", pos: 4, gtids: &gtidSet{}}, `{"v":1,"server":"` + uuidA + `","file":"b.1","pos":4,"gtids":""}`},
		{position{server: uuidA, file: "b.2", pos: 9, resume: &resumePoint{logPlace: logPlace{"b.1", 7}}, txn: &txnProgress{"file=b.2,pos=9", capture.Progress{{Name: `a.b"ü`, Rows: 3, Sum: 255}, {Name: "x.y", Rows: 1, Sum: 0}}}},
			`{"v":1,"server":"` + uuidA + `","file":"b.2","pos":9,"resume":{"file":"b.1","pos":7},"txn":{"id":"file=b.2,pos=9","tables":[{"name":"a.b\"ü","rows":3,"sum":"00000000000000ff"},{"name":"x.y","rows":1,"sum":"0000000000000000"}]}}`},
	} {
		if got := string(c.p.text()); got != c.want {
			t.Errorf("got  %s\nwant %s", got, c.want)
		}
		back, err := parsePosition(changelog.Position(c.want))
		if err != nil {
			t.Fatal(err)
		}
		if back.text() != c.p.text() || !reflect.DeepEqual(back.txn, c.p.txn) {
			t.Errorf("%s came back as %s", c.want, back.text())
		}
	}
}

func TestPositionRefused(t *testing.T) {
	for text, code := range map[string]fault.Code{
		"": fault.WrongServer, "{}": fault.WrongServer, `{"lsn":5}`: fault.WrongServer, `{"v":1,"server":"x"}`: fault.WrongServer, `{"v":1,"server":"x","gtids":"y"}`: fault.WrongServer,
		`{"v":1,"server":"x","file":"f","txn":{"id":"1","tables":[{"name":"a","rows":1,"sum":"zz"}]}}`: fault.WrongServer, `{"v":99,"server":"x","file":"f"}`: fault.StateNewer,
	} {
		if _, err := parsePosition(changelog.Position(text)); !fault.Is(err, code) || !fault.IsFinal(err) {
			t.Errorf("%s: %v, want %s", text, err, code)
		}
	}
}

func FuzzPosition(f *testing.F) {
	f.Add(`{"v":1,"server":"s","file":"f","pos":4,"gtids":"` + uuidA + `:1-3","txn":{"id":"x","tables":[{"name":"a.b","rows":5,"sum":"ff"}]}}`)
	f.Add(`{"v":1,"server":"s","file":"f","pos":18446744073709551615,"resume":{"file":"e","pos":1}}`)
	f.Fuzz(func(t *testing.T, text string) {
		p, err := parsePosition(changelog.Position(text))
		if err != nil {
			return
		}
		back, err := parsePosition(p.text())
		if err != nil || back.text() != p.text() {
			t.Fatalf("%s: %v", p.text(), err)
		}
	})
}

func TestServes(t *testing.T) {
	executed, purged := mustSet(t, uuidA+":1-100:blue:1-5"), mustSet(t, uuidA+":1-10")
	f := &serverFacts{vars: map[string]string{"server_uuid": uuidB, "gtid_mode": "ON"}, executed: executed, purged: purged, logs: []logFile{{"b.2", 100}, {"b.3", 50}}}
	for text, code := range map[string]fault.Code{
		uuidA + ":1-10": "", uuidA + ":1-100:blue:1-5": "", uuidA + ":1-50:70": "",
		uuidA + ":1-9": fault.BinlogPurged, uuidA + ":2-100": fault.BinlogPurged, "": fault.BinlogPurged,
		uuidA + ":1-101": fault.WrongServer, uuidB + ":1": fault.WrongServer, uuidA + ":1-10:red:1": fault.WrongServer, uuidA + ":1-10:blue:6": fault.WrongServer,
	} {
		set := mustSet(t, text)
		if got := fault.CodeOf(f.serves(&position{server: uuidA, gtids: &set})); got != code {
			t.Errorf("%s: %q, want %q", text, got, code)
		}
	}
	f.vars["gtid_mode"] = "OFF_PERMISSIVE"
	if got := fault.CodeOf(f.serves(&position{gtids: &executed})); got != fault.SourceSettings {
		t.Errorf("%q", got)
	}
	for p, code := range map[position]fault.Code{
		{server: uuidB, file: "b.2", pos: 100}: "", {server: uuidA, file: "b.2", pos: 4}: fault.WrongServer, {server: uuidB, file: "b.1", pos: 4}: fault.BinlogPurged,
		{server: uuidB, file: "b.3", pos: 51}: fault.WrongServer, {server: uuidB, file: "b.4", pos: 4}: fault.WrongServer, {server: uuidB, file: "b.10", pos: 4}: fault.WrongServer,
	} {
		if got := fault.CodeOf(f.serves(&p)); got != code {
			t.Errorf("%+v: %q, want %q", p, got, code)
		}
	}
	p := position{server: uuidB, file: "b.2", pos: 4, resume: &resumePoint{logPlace: logPlace{"b.1", 4}}}
	if got := fault.CodeOf(f.serves(&p)); got != fault.BinlogPurged {
		t.Errorf("a prepared transaction in a purged file: %q", got)
	}
}

func TestDumpCommand(t *testing.T) {
	if got, want := string(dumpCommand(7, &position{file: "b.1", pos: 300})), "\x12\x2c\x01\x00\x00\x00\x00\x07\x00\x00\x00b.1"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	// An offset that the command cannot carry: from the front, and the stream leaves out what comes before it.
	if got, want := string(dumpCommand(7, &position{file: "b.1", pos: 1 << 32})), "\x12\x04\x00\x00\x00\x00\x00\x07\x00\x00\x00b.1"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	set := mustSet(t, uuidA+":1")
	if got := string(dumpCommand(7, &position{file: "b.1", pos: 300, gtids: &set})); !strings.HasPrefix(got, "\x1e\x06\x00\x07\x00\x00\x00\x00\x00\x00\x00\x04\x00\x00\x00\x00\x00\x00\x00\x30\x00\x00\x00\x01") || len(got) != 23+48 {
		t.Errorf("%q", got)
	}
}

func TestPositionOfMariaDB(t *testing.T) {
	const text = `{"v":1,"product":"mariadb","server":"u/1@h:3306","file":"b.2","pos":9,"gtids":"0-1-77,1-2-3","resume":{"file":"b.1","pos":7,"gtids":"0-1-70"}}`
	p, err := parsePosition(text)
	if err != nil || p.text() != text {
		t.Fatalf("%v %s", err, p.text())
	}
	for _, bad := range []string{strings.Replace(text, "mariadb", "oracle", 1), strings.Replace(text, `"product":"mariadb",`, "", 1), strings.Replace(text, "0-1-70", "0-1-70,0-2-70", 1)} {
		if _, err := parsePosition(changelog.Position(bad)); !fault.Is(err, fault.WrongServer) {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

// A server of MariaDB must know each GTID of the position and still have the log behind it; a domain that it does not know
// was never its own.
func TestServesDomains(t *testing.T) {
	state := func(text string) *domainState {
		s, err := parseDomainState(text)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	f := &serverFacts{mariadb: true, vars: map[string]string{}, maria: mariaFacts{
		begin: state("0-1-10,1-2-7"), end: state("0-2-60,1-2-9,5-1-2"), state: map[domainServer]uint64{{0, 1}: 50, {0, 2}: 60, {1, 2}: 9, {5, 1}: 2},
	}}
	for text, code := range map[string]fault.Code{
		"0-1-10,1-2-7": "", "0-2-60,1-2-9,5-1-2": "", "0-1-50,1-2-8": "",
		"0-1-9,1-2-7": fault.BinlogPurged, "0-1-10": fault.BinlogPurged, "": fault.BinlogPurged,
		"0-1-51,1-2-7": fault.WrongServer, "0-3-20,1-2-7": fault.WrongServer, "0-1-10,1-2-7,9-1-1": fault.WrongServer,
	} {
		err := f.serves(&position{server: "x", file: "b.1", gtids: state(text)})
		if code == "" && err != nil || code != "" && !fault.Is(err, code) {
			t.Errorf("%q: %v, want %q", text, err, code)
		}
	}
	resumed := &position{server: "x", gtids: state("0-1-50,1-2-8"), resume: &resumePoint{gtids: state("0-1-5,1-2-8")}}
	if err := f.serves(resumed); !fault.Is(err, fault.BinlogPurged) {
		t.Errorf("reading would begin before the oldest file: %v", err)
	}
	begun := &position{server: "x", gtids: state("0-1-50,1-2-8"), txn: &txnProgress{id: "0-1-51"}}
	if err := f.serves(begun); !fault.Is(err, fault.WrongServer) {
		t.Errorf("a part of a transaction that the server never had: %v", err)
	}
	if err := f.serves(&position{server: "x", gtids: &gtidSet{}}); !fault.Is(err, fault.WrongServer) {
		t.Errorf("a position of MySQL: %v", err)
	}
	mysql := &serverFacts{vars: map[string]string{"gtid_mode": "ON"}}
	if err := mysql.serves(&position{server: "x", gtids: state("0-1-5")}); !fault.Is(err, fault.WrongServer) {
		t.Errorf("a position of MariaDB at MySQL: %v", err)
	}
}
