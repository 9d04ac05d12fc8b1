package postgres

import (
	"strings"
	"testing"
	"time"

	"cdcbridge/capture"
	"cdcbridge/internal/fault"
)

func TestRetention(t *testing.T) {
	const mb = 1 << 20
	for _, c := range []struct {
		name    string
		slot    slotFacts
		limitMB int64
		rate    float64
		danger  bool
		left    time.Duration
		text    string
	}{
		{"no limit", slotFacts{retained: 3 * mb, safe: -1, wal: "reserved"}, -1, mb, false, 0, "3.0 MiB of log retained, without limit"},
		{"no limit, much", slotFacts{retained: 20 << 30, safe: -1, wal: "extended"}, -1, mb, true, 0, "20.0 GiB"},
		{"little", slotFacts{retained: 10 * mb, safe: 90 * mb, wal: "reserved"}, 100, 0, false, 0, "10.0 MiB of log retained of 100.0 MiB at most"},
		{"little, fast", slotFacts{retained: 10 * mb, safe: 90 * mb, wal: "reserved"}, 100, mb, false, 90 * time.Second, "lost in 1m30s"},
		{"half, slow", slotFacts{retained: 60 * mb, safe: 40 * mb, wal: "extended"}, 100, 1000, false, 41943 * time.Second, "lost in"},
		{"half, fast", slotFacts{retained: 60 * mb, safe: 40 * mb, wal: "extended"}, 100, mb, true, 40 * time.Second, "lost in 40s"},
		{"nearly all", slotFacts{retained: 80 * mb, safe: 20 * mb, wal: "extended"}, 100, 0, true, 0, "80.0 MiB"},
		{"beyond", slotFacts{retained: 120 * mb, safe: -20 * mb, wal: "unreserved"}, 100, mb, true, 0, "120.0 MiB"},
	} {
		r := judge(&c.slot, c.limitMB, c.rate)
		if r.danger != c.danger || r.left.Round(time.Second) != c.left || !strings.Contains(r.text(), c.text) {
			t.Errorf("%s: %+v %s", c.name, r, r.text())
		}
	}
}

func TestGrowth(t *testing.T) {
	at := time.Now()
	before := lookResult{at: at, end: 1000}
	if got := (lookResult{at: at.Add(10 * time.Second), end: 6000}).rate(before); got != 500 {
		t.Errorf("%v bytes a second", got)
	}
	for _, none := range []float64{(lookResult{at: at, end: 6000}).rate(lookResult{}), (lookResult{at: at.Add(time.Second), end: 10}).rate(before)} {
		if none != 0 {
			t.Errorf("%v bytes a second of nothing", none)
		}
	}
}

func TestSynchronousNames(t *testing.T) {
	for setting, want := range map[string]bool{
		"": false, "s1": false, "*": true, "FIRST 1 (s1, *)": true, `ANY 1 (s1, "cdcbridge shop")`: true, `"CDCBridge Shop"`: true, `"cdcbridge shop 2"`: false,
	} {
		if got := syncNames(setting, "cdcbridge shop"); got != want {
			t.Errorf("%s: %v", setting, got)
		}
	}
}

// TestOneFaultOfManyFindings names all problems, and each remedy once.
func TestOneFaultOfManyFindings(t *testing.T) {
	var fs findings
	fs.ok("good", "1")
	fs.warn("odd", "2", "mend it some day")
	if err := fs.problems(); err != nil {
		t.Fatal(err)
	}
	fs.bad(fault.NoKey, "table a", "no key", "Add one.")
	fs.bad(fault.SourceSettings, "table b", "no identity", "Add one.")
	f := fault.As(fs.problems())
	if f.Code != fault.NoKey || !f.Final || f.Hint != "Add one." || f.Err.Error() != "table a: no key; table b: no identity" {
		t.Errorf("%+v", f)
	}
	if n := len(fs); n != 4 || fs[1].Severity != capture.Warning {
		t.Errorf("%+v", fs)
	}
}
