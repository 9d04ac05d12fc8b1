package mysql

import (
	"math/rand/v2"
	"strings"
	"testing"
)

const (
	uuidA = "3e11fa47-71ca-11e1-9e33-c80aa9429562"
	uuidB = "97e59da4-e909-11f1-8a1b-02fc00000001"
)

func mustSet(t testing.TB, text string) gtidSet {
	t.Helper()
	s, err := parseGTIDSet(text)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestGTIDSetText(t *testing.T) {
	for in, want := range map[string]string{
		"":                                  "",
		uuidA + ":1":                        uuidA + ":1",
		uuidA + ":3:1-2":                    uuidA + ":1-3",
		strings.ToUpper(uuidA) + ":5-7:1":   uuidA + ":1:5-7",
		uuidB + ":1,\n" + uuidA + ":1-5":    uuidA + ":1-5," + uuidB + ":1",
		uuidA + ":1-33:blue:1":              uuidA + ":1-33:blue:1",
		uuidA + ":Blue:1-2:red:7:1-33":      uuidA + ":blue:1-2:red:1-33",
		uuidA + ":blue:1 , " + uuidA + ":2": uuidA + ":2:blue:1",
		uuidA + ":1-9223372036854775806":    uuidA + ":1-9223372036854775806",
		uuidA + ":_t1:1":                    uuidA + ":_t1:1",
		uuidA + ":1-3," + uuidA + ":2-10," + uuidA + ":20-30": uuidA + ":1-10:20-30",
	} {
		if s := mustSet(t, in); s.String() != want {
			t.Errorf("%q: %q, want %q", in, s.String(), want)
		}
	}
	for _, bad := range []string{
		"x", uuidA, uuidA + ":", uuidA + ":0", uuidA + ":1-", uuidA + ":2-1", uuidA + ":blue", uuidA + ":1:blue", uuidA + ":blue:red:1", uuidA[1:] + ":1", uuidA + ":-1",
		uuidA + ":9223372036854775807", uuidA + ":1_", uuidA + ":" + strings.Repeat("a", 33) + ":1", strings.Replace(uuidA, "3e11", "3g11", 1) + ":1",
	} {
		if s, err := parseGTIDSet(bad); err == nil {
			t.Errorf("%q was read as %q", bad, s.String())
		}
	}
}

// gnoModel is a set of GTIDs as a map, the obvious way.
type gnoModel map[gtidSource]map[int64]bool

func randomSet(r *rand.Rand) (gtidSet, gnoModel) {
	var s gtidSet
	m := gnoModel{}
	for range r.IntN(40) {
		src := gtidSource{uuid: [16]byte{byte(r.IntN(2))}, tag: []string{"", "a", "b"}[r.IntN(3)]}
		gno := 1 + int64(r.IntN(30))
		s.add(src, gno)
		if m[src] == nil {
			m[src] = map[int64]bool{}
		}
		m[src][gno] = true
	}
	return s, m
}

func (m gnoModel) same(t *testing.T, what string, s *gtidSet) {
	t.Helper()
	n := 0
	for _, e := range s.entries {
		last := int64(-1)
		for _, r := range e.ranges {
			if r.first <= last+1 || r.last < r.first {
				t.Fatalf("%s: ranges of %q touch: %v", what, e.tag, e.ranges)
			}
			last = r.last
			for g := r.first; g <= r.last; g++ {
				n++
				if !m[e.gtidSource][g] {
					t.Fatalf("%s: has %d of %q", what, g, e.tag)
				}
			}
		}
	}
	for src, gnos := range m {
		for g := range gnos {
			if n--; !s.contains(src, g) {
				t.Fatalf("%s: lacks %d of %q", what, g, src.tag)
			}
		}
	}
	if n != 0 {
		t.Fatalf("%s: %d too many", what, n)
	}
}

func TestGTIDSetModel(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 3000 {
		a, ma := randomSet(r)
		b, mb := randomSet(r)
		ma.same(t, "add", &a)
		minus, union := gnoModel{}, gnoModel{}
		subset := true
		for src, gnos := range ma {
			minus[src], union[src] = map[int64]bool{}, map[int64]bool{}
			for g := range gnos {
				union[src][g] = true
				if !mb[src][g] {
					minus[src][g], subset = true, false
				}
			}
		}
		for src, gnos := range mb {
			if union[src] == nil {
				union[src] = map[int64]bool{}
			}
			for g := range gnos {
				union[src][g] = true
			}
		}
		d := a.minus(&b)
		minus.same(t, "minus", &d)
		if b.containsSet(&a) != subset {
			t.Fatalf("%s ⊆ %s: %v", &a, &b, !subset)
		}
		text := a.String()
		u := a.clone()
		u.addSet(&b)
		union.same(t, "union", &u)
		if a.String() != text {
			t.Fatal("the union changed the original")
		}
		if back := mustSet(t, u.String()); back.String() != u.String() {
			t.Fatalf("%s became %s", &u, &back)
		}
		union.same(t, "text, then add", &u)
	}
}

// The bytes are the PREVIOUS_GTIDS event of a 9.7 server with tags.
func TestGTIDSetWire(t *testing.T) {
	s := mustSet(t, uuidB+":1-29:blue:1:blue_and_long_tag_of_32_chars_xx:1")
	want := "010300000000000197e59da4e90911f18a1b02fc0000000100010000000000000001000000000000001e0000000000000097e59da4e90911f18a1b02fc0000000108626c7565010000000000000001000000000000000200000000000000" +
		"97e59da4e90911f18a1b02fc0000000140626c75655f616e645f6c6f6e675f7461675f6f665f33325f63686172735f7878010000000000000001000000000000000200000000000000"
	if got := hexOf(s.appendWire(nil)); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	s = mustSet(t, uuidA+":1-3:7")
	want = "0100000000000000" + "3e11fa4771ca11e19e33c80aa9429562" + "0200000000000000" + "0100000000000000" + "0400000000000000" + "0700000000000000" + "0800000000000000"
	if got := hexOf(s.appendWire(nil)); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func hexOf(b []byte) string {
	const digits = "0123456789abcdef"
	var out strings.Builder
	for _, c := range b {
		out.WriteByte(digits[c>>4])
		out.WriteByte(digits[c&15])
	}
	return out.String()
}

func TestGTIDSetAddAllocatesNothing(t *testing.T) {
	s := mustSet(t, uuidA+":1-100:200-300,"+uuidB+":blue:1-5")
	src := s.entries[0].gtidSource
	gno := int64(300)
	text := s.appendText(nil)
	if n := testing.AllocsPerRun(1000, func() {
		gno++
		s.add(src, gno)
		text = s.appendText(text[:0])
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzGTIDSet(f *testing.F) {
	for _, s := range []string{"", uuidA + ":1-3:5:blue:1-2," + uuidB + ":7", uuidA + ":blue:1:red:1", ",,", uuidA + ":1-9223372036854775806", uuidA + ":a:1:A:3"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := parseGTIDSet(text)
		if err != nil {
			return
		}
		canonical := s.String()
		back, err := parseGTIDSet(canonical)
		if err != nil || back.String() != canonical || !back.containsSet(&s) || !s.containsSet(&back) {
			t.Fatalf("%q became %q became %q: %v", text, canonical, &back, err)
		}
	})
}

func TestDomainStateText(t *testing.T) {
	for in, want := range map[string]string{
		"": "", "0-1-5": "0-1-5", " 1-2-7,\n0-1-5 ": "0-1-5,1-2-7", "4294967295-4294967295-18446744073709551615": "4294967295-4294967295-18446744073709551615",
	} {
		if s, err := parseDomainState(in); err != nil || s.String() != want {
			t.Errorf("%q: %v %v, want %q", in, s, err, want)
		}
	}
	for _, bad := range []string{"x", "0-1", "0-1-0", "0-1-5-6", "0-1-5,0-2-6", "4294967296-1-1", "-1-1-1", uuidA + ":1-5", "0-1-5:7"} {
		if s, err := parseDomainState(bad); err == nil {
			t.Errorf("%q was read as %q", bad, s)
		}
	}
}

// The last of a domain is the last in the log, whatever the numbers say.
func TestDomainStateInLogOrder(t *testing.T) {
	s := &domainState{}
	for _, g := range []domainGTID{{7, 1, 5}, {0, 1, 100}, {0, 2, 50}, {7, 1, 6}} {
		s.put(gtid{maria: g})
	}
	if s.String() != "0-2-50,7-1-6" {
		t.Errorf("%s", s)
	}
	fork := s.fork()
	fork.put(gtid{maria: domainGTID{3, 1, 1}})
	if s.String() != "0-2-50,7-1-6" || fork.String() != "0-2-50,3-1-1,7-1-6" {
		t.Errorf("%s and its fork %s", s, fork)
	}
}

func TestNamesOfTransactions(t *testing.T) {
	a, b := gtidSource{uuid: [16]byte{1}}, gtidSource{[16]byte{1}, "blue"}
	var names txnNames
	for _, g := range []gtid{{gtidSource: a, gno: 9}, {gtidSource: a, gno: 10}, {gtidSource: b, gno: 10}, {}, {gtidSource: b, gno: 7}, {maria: domainGTID{1, 2, 3}}, {maria: domainGTID{1, 2, 4}}, {gtidSource: a, gno: 1}} {
		x := txn{gtid: g, at: logPlace{"binlog.000001", 4}}
		if got := string(names.of(&x)); got != x.name() {
			t.Errorf("%q, not %q", got, x.name())
		}
	}
}
