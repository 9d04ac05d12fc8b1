package costtest

import (
	"fmt"
	"strings"
	"sync"
	"testing"
)

// recorder is a test that may fail.
type recorder struct{ errors []string }

func (r *recorder) Helper()             {}
func (r *recorder) Logf(string, ...any) {}
func (r *recorder) Errorf(format string, args ...any) {
	r.errors = append(r.errors, fmt.Sprintf(format, args...))
}

var (
	kept   [1000]*[16]byte
	buffer = make([]byte, 0, 1<<20)
	pool   = sync.Pool{New: func() any { return new([4096]byte) }}
)

// stage works on a thousand rows with a pooled buffer, and does something more for some of them.
func stage(more func(row int)) Stage {
	return Stage{Name: "copying", Rows: 1000, Round: func() {
		b := pool.Get().(*[4096]byte)
		buffer = buffer[:0]
		for i := range 1000 {
			buffer = append(buffer, b[:100]...)
			if more != nil {
				more(i)
			}
		}
		pool.Put(b)
	}}
}

// TestGuardSeesAnAllocation: the guard fails when an allocation a row is added, or one for every twenty rows, or bytes without allocations; and when a
// row has become cheaper than the guard says.
func TestGuardSeesAnAllocation(t *testing.T) {
	one := func(i int) { kept[i] = new([16]byte) }
	some := func(i int) {
		if i%20 == 0 {
			kept[i] = new([16]byte)
		}
	}
	sized := make([][]byte, 1000)
	larger := func(n int) func(int) { return func(i int) { sized[i] = make([]byte, n) } }
	small := larger(8)
	for name, c := range map[string]struct {
		more func(int)
		want Cost
		says string // under the race detector only whole allocations are seen
		race bool
	}{
		"nothing":                     {want: Cost{}},
		"one a row":                   {more: one, says: "1.000 allocations (16.0 bytes), want 0.000", race: true},
		"one for twenty rows":         {more: some, says: "0.050 allocations"},
		"one that the guard knows":    {more: one, want: Cost{Allocs: 1, Bytes: 16}},
		"one less than it says":       {want: Cost{Allocs: 1, Bytes: 16}, says: "0.000 allocations"},
		"as many and larger":          {more: larger(32), want: Cost{Allocs: 1, Bytes: 16}, says: "32.0 bytes of the heap"},
		"a second beside a known one": {more: func(i int) { one(i); small(i) }, want: Cost{Allocs: 1, Bytes: 16}, says: "2.000 allocations", race: true},
	} {
		var r recorder
		Check(&r, stage(c.more), c.want)
		says := strings.Join(r.errors, "\n")
		if RaceDetector {
			if (says != "") != c.race {
				t.Errorf("%s: the guard says %q", name, says)
			}
			continue
		}
		if (says == "") != (c.says == "") || !strings.Contains(says, c.says) {
			t.Errorf("%s: the guard says %q, want %q", name, says, c.says)
		}
	}
}

// TestMeasuringIsExact: the same work gives the same number.
func TestMeasuringIsExact(t *testing.T) {
	first := Measure(stage(func(i int) { kept[i] = new([16]byte) }))
	for range 20 {
		if again := Measure(stage(func(i int) { kept[i] = new([16]byte) })); difference(again, first) != "" {
			t.Fatalf("%+v and %+v", first, again)
		}
	}
}
