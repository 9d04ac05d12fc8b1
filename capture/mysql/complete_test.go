package mysql

import (
	"testing"

	"cdcbridge/changelog"
	"cdcbridge/internal/fault"
)

// TestWhatReadsHaveShown: a server must have it, until the stream has passed it.
func TestWhatReadsHaveShown(t *testing.T) {
	done, seen, all := mustSet(t, uuidA+":1-5"), mustSet(t, uuidA+":6-7,"+uuidB+":3"), mustSet(t, uuidA+":1-7,"+uuidB+":3")
	p := &position{gtids: &done, seen: &seen}
	f := &serverFacts{executed: mustSet(t, uuidA+":1-7"), vars: map[string]string{"server_uuid": uuidB, "gtid_mode": "ON"}}
	if err := f.serves(p); !fault.Is(err, fault.WrongServer) {
		t.Errorf("a server that lacks one of them: %v", err)
	}
	if f.executed = all; f.serves(p) != nil || done.String() != uuidA+":1-5" {
		t.Errorf("a server that has them: %v, the position became %s", f.serves(p), done.String())
	}
	for _, step := range []struct{ add, want string }{{uuidA + ":6", uuidA + ":7," + uuidB + ":3"}, {uuidA + ":7-9", uuidB + ":3"}, {uuidB + ":3", ""}} {
		more := mustSet(t, step.add)
		done.addSet(&more)
		if p.pass(); step.want == "" && p.seen != nil || step.want != "" && p.seen.String() != step.want {
			t.Errorf("after %s: %v, want %s", step.add, p.seen, step.want)
		}
	}

	state := &domainState{}
	domains := func(text string) *domainState {
		s, err := parseDomainState(text)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	m := &serverFacts{mariadb: true, vars: map[string]string{}}
	m.maria.state = map[domainServer]uint64{{0, 1}: 7, {1, 1}: 2}
	m.maria.begin = state
	p = &position{gtids: domains("0-1-5"), seen: domains("0-1-8,1-1-2")}
	if err := m.serves(p); !fault.Is(err, fault.WrongServer) {
		t.Errorf("MariaDB that lacks one of them: %v", err)
	}
	m.maria.state[domainServer{0, 1}] = 8
	if err := m.serves(p); err != nil {
		t.Errorf("MariaDB that has them: %v", err)
	}
	for _, step := range []struct{ now, want string }{{"0-1-7", "0-1-8,1-1-2"}, {"0-1-8", "1-1-2"}, {"0-1-9,1-1-2", ""}} {
		p.gtids = domains(step.now)
		if p.pass(); step.want == "" && p.seen != nil || step.want != "" && p.seen.String() != step.want {
			t.Errorf("at %s: %v, want %s", step.now, p.seen, step.want)
		}
	}
}

// TestKeysAsConditions: constants of every kind of key, and the stored bytes of text.
func TestKeysAsConditions(t *testing.T) {
	column := func(name string, kind changelog.Kind, charset string) changelog.Column {
		return changelog.Column{Name: name, Type: changelog.Type{Kind: kind, Charset: charset, FSP: 1}}
	}
	zero := changelog.ZeroParts(changelog.KindDate, changelog.Civil{Year: 2024})
	for _, c := range []struct {
		column changelog.Column
		value  changelog.Value
		text   string
		want   string
	}{
		{column("k", changelog.KindInt, ""), changelog.Int(-7), "", "-7"},
		{column("k", changelog.KindUint, ""), changelog.Uint(1<<64 - 1), "", "18446744073709551615"},
		{column("k", changelog.KindBits, ""), changelog.Bits(5), "", "5"},
		{column("k", changelog.KindDecimal, ""), changelog.Decimal([]byte("-12.30")), "", "-12.30"},
		{column("k", changelog.KindFloat32, ""), changelog.Float32(1.1), "", "1.100000023841858e+00"},
		{column("k", changelog.KindFloat64, ""), changelog.Float64(-0.1), "", "-1e-01"},
		{column("k", changelog.KindDate, ""), zero, "", "DATE'2024-00-00'"},
		{column("k", changelog.KindTime, ""), changelog.Time(-500_000), "", "TIME'-00:00:00.5'"},
		{column("k", changelog.KindDateTime, ""), changelog.DateTime(100_000), "", "TIMESTAMP'1970-01-01 00:00:00.1'"},
		{column("k", changelog.KindTimestamp, ""), changelog.Timestamp(1_000_000), "", "TIMESTAMP'1970-01-01 00:00:01.0'"},
		{column("k", changelog.KindString, "latin1"), changelog.String([]byte("ä")), "\xe4'", "_latin1 X'e427'"},
		{column("k", changelog.KindBytes, ""), changelog.Bytes([]byte{0, '\''}), "", "X'0027'"},
		{column("k", changelog.KindEnum, ""), changelog.Enum(3, []byte("it's")), "", "3"},
		{column("k", changelog.KindSet, ""), changelog.Set(5, []byte("a,c")), "", "5"},
	} {
		p, err := equality(&c.column)
		if err != nil {
			t.Fatal(err)
		}
		table := &changelog.Table{Columns: []changelog.Column{c.column, column("l", changelog.KindInt, "")}, Key: []int{0}}
		r := &reread{shape: &shape{table: table}, parts: []keyPart{p}}
		row := changelog.Row{c.value, changelog.Int(9)}
		got, err := r.condition(row, [][]byte{[]byte(c.text)})
		want := c.want
		if !r.lists() {
			want = "(`k`=" + want + ")"
		}
		if err != nil || got != want || r.lists() != (p.form == formNumber || p.form == formText || p.form == formBytes) {
			t.Errorf("%+v: %s, %v, want %s", c.column, got, err, c.want)
		}
		table.Key, r.parts = []int{1, 0}, []keyPart{{name: "l"}, p}
		if got, err = r.condition(row, [][]byte{[]byte(c.text)}); err != nil || got != "(`l`=9 AND `k`="+c.want+")" {
			t.Errorf("%+v: %s, %v", c.column, got, err)
		}
	}
	document := column("k", changelog.KindJSON, "")
	if _, err := equality(&document); !fault.Is(err, fault.UnsupportedType) {
		t.Errorf("a document as a key: %v", err)
	}
}

// TestColumnsThatStillHoldAValue: a later type may hold longer values and no other ones.
func TestColumnsThatStillHoldAValue(t *testing.T) {
	text := changelog.Type{Kind: changelog.KindString, Length: 20, Charset: "latin1"}
	for name, c := range map[string]struct {
		then, now changelog.Type
		want      bool
	}{
		"same":            {text, text, true},
		"longer":          {text, changelog.Type{Kind: changelog.KindString, Length: 300, Charset: "utf8mb4"}, true},
		"shorter":         {text, changelog.Type{Kind: changelog.KindString, Length: 10, Charset: "latin1"}, false},
		"bytes":           {text, changelog.Type{Kind: changelog.KindBytes, Length: 20}, false},
		"longer binary":   {changelog.Type{Kind: changelog.KindBytes, Fixed: true, Length: 4}, changelog.Type{Kind: changelog.KindBytes, Fixed: true, Length: 5}, false},
		"more bits":       {changelog.Type{Kind: changelog.KindInt, Bits: 32}, changelog.Type{Kind: changelog.KindInt, Bits: 64}, false},
		"another scale":   {changelog.Type{Kind: changelog.KindDecimal, Precision: 10, Scale: 2}, changelog.Type{Kind: changelog.KindDecimal, Precision: 10, Scale: 3}, false},
		"another label":   {changelog.Type{Kind: changelog.KindEnum, Labels: []string{"a"}}, changelog.Type{Kind: changelog.KindEnum, Labels: []string{"a", "b"}}, false},
		"more fractions":  {changelog.Type{Kind: changelog.KindTime, FSP: 0}, changelog.Type{Kind: changelog.KindTime, FSP: 3}, false},
		"year is no year": {changelog.Type{Kind: changelog.KindInt, Bits: 16, Year: true}, changelog.Type{Kind: changelog.KindInt, Bits: 16}, false},
	} {
		if got := holdsAll(&c.then, &c.now); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
