package mysql

import (
	"errors"
	"strings"
	"testing"

	"cdcbridge/capture"
	"cdcbridge/internal/fault"
)

func TestHosts(t *testing.T) {
	cfg := NewConfig().(*Config)
	cfg.User, cfg.Tables, cfg.Port = "cdc", []string{"shop.*"}, 3307
	cfg.Hosts = []string{"db1", "db2:3310", "10.0.0.7", "[::1]:3311", "fe80::2", "[fe80::3]"}
	if errs := cfg.Validate(); len(errs) > 0 {
		t.Fatal(errs)
	}
	var got []string
	for _, one := range cfg.endpoints() {
		if len(one.Hosts) > 0 || one.User != "cdc" {
			t.Errorf("%+v", one)
		}
		got = append(got, one.addr())
	}
	if want := "db1:3307 db2:3310 10.0.0.7:3307 [::1]:3311 [fe80::2]:3307 [fe80::3]:3307"; strings.Join(got, " ") != want {
		t.Errorf("got %q, want %q", got, want)
	}
	for problem, change := range map[string]func(){
		`hosts: "": the name is missing`:          func() { cfg.Hosts = []string{""} },
		`hosts: ":3306": the name is missing`:     func() { cfg.Hosts = []string{":3306"} },
		`hosts: "db:x": "x" is not a port number`: func() { cfg.Hosts = []string{"db:x"} },
		`hosts: "db:70000": 70000 is not a port`:  func() { cfg.Hosts = []string{"db:70000"} },
		`hosts: db:3307 is there twice`:           func() { cfg.Hosts = []string{"db", "db:3307"} },
		`hosts: host is set too`:                  func() { cfg.Host, cfg.Hosts = "db", []string{"db"} },
		`host: is required`:                       func() { cfg.Host, cfg.Hosts = "", nil },
		`hosts: "/run/sock" is a socket`:          func() { cfg.Hosts = []string{"/run/sock"} },
		`tls.mode: is required, and a connection`: func() { cfg.Host, cfg.Hosts, cfg.TLS.Mode = "/run/sock", nil, capture.TLSRequired },
	} {
		cfg.Host, cfg.TLS.Mode = "", capture.TLSPreferred
		change()
		errs := cfg.Validate()
		if len(errs) != 1 || !strings.HasPrefix(errs[0].Error(), problem) {
			t.Errorf("%v, want %s", errs, problem)
		}
	}
}

// TestRefusals weighs what several hosts say.
func TestRefusals(t *testing.T) {
	down := fault.New(fault.Unreachable, "connecting", errors.New("refused"), "Check it.")
	behind := fault.New(fault.ReplicaBehind, opIdentity, errors.New("not yet"), behindHint)
	lost := fault.NewFinal(fault.WrongServer, opIdentity, forked{errors.New("never had")}, wrongServerHint)
	stranger := fault.NewFinal(fault.WrongServer, opIdentity, errors.New("another uuid"), wrongServerHint)
	purged := fault.NewFinal(fault.BinlogPurged, opIdentity, errors.New("gone"), purgedHint)
	denied := fault.NewFinal(fault.Permission, "reading", errors.New("denied"), grantHint)
	for _, c := range []struct {
		errs  []error
		code  fault.Code
		final bool
	}{
		{[]error{down}, fault.Unreachable, false},
		{[]error{lost}, fault.WrongServer, true},
		{[]error{down, behind}, fault.Unreachable, false},
		{[]error{behind, down}, fault.ReplicaBehind, false},
		{[]error{down, lost}, fault.WrongServer, true},
		{[]error{behind, lost}, fault.WrongServer, true},
		{[]error{down, stranger}, fault.Unreachable, false},
		{[]error{denied, purged, stranger}, fault.BinlogPurged, true},
		{[]error{purged, behind}, fault.ReplicaBehind, false},
		{[]error{denied, stranger}, fault.Permission, true},
		{[]error{errors.New("no code"), denied}, fault.Source, false},
	} {
		var rs refusals
		for i, err := range c.errs {
			rs = append(rs, refusal{"db" + string(rune('1'+i)) + ":3306", err})
		}
		f := fault.As(rs.fault())
		if f == nil || f.Code != c.code || f.Final != c.final {
			t.Errorf("%v: %v", c.errs, f)
		}
		for i := range c.errs {
			if len(c.errs) > 1 && !strings.Contains(f.Error(), rs[i].addr) {
				t.Errorf("%v does not name %s", f, rs[i].addr)
			}
		}
	}
}

// TestServesWhatIsBegun asks for the transaction too of which a part has left, and waits for replicas.
func TestServesWhatIsBegun(t *testing.T) {
	done := mustSet(t, uuidA+":1-9")
	for _, c := range []struct {
		executed, begun string
		replica         bool
		code            fault.Code
	}{
		{":1-10", ":10", false, ""},
		{":1-9", ":10", false, fault.WrongServer},
		{":1-9", ":10", true, fault.ReplicaBehind},
		{":1-9:blue:1-4", ":blue:4", false, ""},
		{":1-9:blue:1-3", ":blue:4", false, fault.WrongServer},
		{":1-8", ":10", true, fault.ReplicaBehind},
	} {
		f := &serverFacts{vars: map[string]string{"server_uuid": uuidB, "gtid_mode": "ON"}, executed: mustSet(t, uuidA+c.executed), replica: c.replica}
		p := position{server: uuidA, gtids: &done, txn: &txnProgress{id: uuidA + c.begun}}
		if got := fault.As(f.serves(&p)); (got == nil) != (c.code == "") || got != nil && (got.Code != c.code || got.Final != (c.code == fault.WrongServer)) {
			t.Errorf("%+v: %v", c, got)
		}
	}
}

// TestServesWhatIsBegunOnMariaDB is the same where a position is a place in each domain.
func TestServesWhatIsBegunOnMariaDB(t *testing.T) {
	for _, c := range []struct {
		begun   string
		replica bool
		code    fault.Code
	}{
		{"0-1-10", false, ""}, {"0-2-11", false, fault.WrongServer}, {"0-1-11", true, fault.ReplicaBehind}, {"1-1-1", false, fault.WrongServer}, {"uuid:1", false, fault.WrongServer},
	} {
		f := &serverFacts{mariadb: true, replica: c.replica, vars: map[string]string{}}
		f.maria.begin, f.maria.state = &domainState{}, map[domainServer]uint64{{0, 1}: 10, {0, 2}: 7}
		done, err := parseDomainState("0-1-9")
		if err != nil {
			t.Fatal(err)
		}
		p := position{gtids: done, txn: &txnProgress{id: c.begun}}
		if got := fault.As(f.serves(&p)); (got == nil) != (c.code == "") || got != nil && (got.Code != c.code || got.Final != (c.code == fault.WrongServer)) {
			t.Errorf("%+v: %v", c, got)
		}
	}
}
