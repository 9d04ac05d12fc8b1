package postgres

import (
	"strings"
	"testing"

	"github.com/jackc/pglogrepl"

	"cdcbridge/internal/fault"
)

const history = "# made by hand\n1\t0/3000000\tno recovery target specified\n\n3\t0/5000060\tbefore 2024-05-06 07:08:09+00\n"

func TestHistory(t *testing.T) {
	got, err := parseHistory(history)
	if err != nil || len(got) != 2 || got[0] != (timelineSwitch{1, 0x3000000}) || got[1] != (timelineSwitch{3, 0x5000060}) {
		t.Fatal(got, err)
	}
	for _, bad := range []string{"1", "x\t0/1\t", "1\tx\t", "1\t0/1/2\t", "99999999999\t0/1\t", "1\t0/1FFFFFFFF\t"} {
		if _, err := parseHistory(bad); err == nil {
			t.Errorf("%q was understood", bad)
		}
	}
}

// TestAncestry follows checkpoints over promotions: only what the new primary has in its history can be gone on from.
func TestAncestry(t *testing.T) {
	h, err := parseHistory(history)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		timeline uint32
		lsn      pglogrepl.LSN
		ok       bool
	}{{1, 0x2000000, true}, {1, 0x3000000, true}, {1, 0x3000001, false}, {2, 0x2000000, false}, {3, 0x5000060, true}, {3, 0x5000061, false}} {
		if err := descends(h, c.timeline, 4, c.lsn); (err == nil) != c.ok || err != nil && (!fault.Is(err, fault.Diverged) || !fault.IsFinal(err)) {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

// TestServes compares checkpoints with servers that have no new timeline.
func TestServes(t *testing.T) {
	f := &serverFacts{system: "7", timeline: 2, flushed: 0x500}
	for _, c := range []struct {
		p    position
		want fault.Code
	}{
		{position{system: "7", timeline: 2, lsn: 0x500}, ""},
		{position{system: "8", timeline: 2, lsn: 0x500}, fault.WrongServer},
		{position{system: "7", timeline: 2, lsn: 0x501}, fault.Diverged},
		{position{system: "7", timeline: 3, lsn: 0x500}, fault.Diverged},
		{position{system: "7", timeline: 2, lsn: 0x400, txn: &txnProgress{commit: 0x4ff}}, ""},
		{position{system: "7", timeline: 2, lsn: 0x400, txn: &txnProgress{commit: 0x500}}, fault.Diverged}, // its rows are published, and the server lacks the commit
	} {
		if err := f.serves(t.Context(), nil, &c.p); fault.CodeOf(err) != c.want || err != nil && !fault.IsFinal(err) {
			t.Errorf("%+v: %v", c.p, err)
		}
	}
}

func TestLSN(t *testing.T) {
	for text, want := range map[string]pglogrepl.LSN{"": 0, "0/0": 0, "1/0": 1 << 32, "16/B374D848": 0x16B374D848, "FFFFFFFF/FFFFFFFF": 1<<64 - 1} {
		if got, err := parseLSN(text); err != nil || got != want {
			t.Errorf("%s: %s, %v", text, got, err)
		}
	}
	for _, bad := range []string{"0", "/", "0/", "x/1", "0/1 ", "-1/0", "100000000/0"} {
		if got, err := parseLSN(bad); err == nil {
			t.Errorf("%q is %s", bad, got)
		}
	}
}

func FuzzHistory(f *testing.F) {
	f.Add(history)
	f.Add("1\t0/3000000\n#")
	f.Fuzz(func(t *testing.T, text string) {
		got, err := parseHistory(text)
		if err == nil && len(got) > strings.Count(text, "\n")+1 {
			t.Errorf("%d switches in %q", len(got), text)
		}
		if err != nil && fault.As(err) == nil {
			t.Error(err)
		}
	})
}
