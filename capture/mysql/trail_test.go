package mysql

import (
	"slices"
	"testing"
)

func TestTrail(t *testing.T) {
	at := func(file string, pos uint64) logPlace { return logPlace{file, pos} }
	var tr trail
	check := func(what string, p logPlace, judged, shown bool) {
		t.Helper()
		if got := tr.judge(p); got != judged || tr.shows(p) != shown {
			t.Errorf("%s: judged %t, shown %t", what, got, tr.shows(p))
		}
	}
	tr.passed(at("b.1", 100), true)
	tr.passed(at("b.1", 200), false) // a statement, or a checkpoint
	check("the end of a statement", at("b.1", 200), true, false)
	check("the end of a transaction", at("b.1", 100), true, true)
	check("within one", at("b.1", 90), true, true) // what was visible stays visible
	check("to come", at("b.1", 300), false, false)
	check("to come, in the next file", at("b.2", 400), false, false)
	check("to come, a statement", at("b.1", 250), false, false)
	tr.passed(at("b.1", 250), false)
	tr.passed(at("b.1", 260), true) // nobody has asked
	if tr.shows(at("b.1", 250)) {
		t.Error("a later transaction proves nothing by itself")
	}
	tr.passed(at("b.1", 300), true)
	if !tr.shows(at("b.1", 300)) || !tr.shows(at("b.1", 260)) {
		t.Error("a place that was asked for is not shown when its transaction has passed")
	}
	tr.passed(at("b.2", 4), false)
	tr.passed(at("b.1", 50), false) // a stream never goes back, but for where it begins
	check("the front of a file", at("b.2", 4), true, false)
	tr.passed(at("b.2", 399), true)
	tr.passed(at("b.2", 401), true)
	if tr.shows(at("b.2", 399)) || len(tr.samples) > 0 {
		t.Errorf("a place that no transaction ends at: %+v", tr.samples)
	}
	for i := range 3 * trailEnds {
		tr.passed(at("b.3", uint64(i)), true)
	}
	check("long ago", at("b.3", 7), true, false)
	check("lately", at("b.3", 3*trailEnds-5), true, true)
	for i := range 3 * trailSamples {
		tr.judge(at("b.4", uint64(3*trailSamples-i)))
	}
	if len(tr.samples) != trailSamples || !slices.IsSortedFunc(tr.samples, compareLogPlaces) {
		t.Errorf("%d places wait", len(tr.samples))
	}
	tr.settle("x")
	tr.settle("y")
	tr.settled("x")
	tr.settled("z")
	if got := tr.settling(); !slices.Equal(got, []string{"y"}) {
		t.Error(got)
	}
}
