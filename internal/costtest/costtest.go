// Package costtest holds the stages that a row passes to what a row costs them on the heap: how many allocations and how many bytes, exactly, and
// never how much time.
//
// A guard is a test of the stage's own package: it names the stage, gives a round of work, and says what a row of it costs. The test of the
// module's root knows all stages, so that none loses its guard.
package costtest

import (
	"fmt"
	"math"
	"runtime"
	"runtime/debug"
	"sync"
)

// Stage is one step of the way of a row.
type Stage struct {
	Name  string // of the step, unique in the module
	Rows  int    // of a round; many, for what a round costs by itself is spread over them
	Round func() // the same work each time, as in the middle of a long run
}

// Cost is what a row takes from the heap.
type Cost struct {
	Allocs float64
	Bytes  float64
}

// TB is the part of testing.TB that a guard needs.
type TB interface {
	Helper()
	Errorf(format string, args ...any)
	Logf(format string, args ...any)
}

// What a round costs by itself may be spread over its rows up to here. One allocation for fifty rows is more, and so is a row that became eight bytes
// larger, the smallest allocation that there is.
const (
	spreadAllocs = 0.02
	spreadBytes  = 7
)

// one measurement at a time: it is of the whole process.
var one sync.Mutex

// Measure runs the stage in its steady state. No collection empties pools meanwhile and no other goroutine of the runtime's runs at the same time, so
// the same code gives the same numbers.
func Measure(s Stage) Cost {
	one.Lock()
	defer one.Unlock()
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	runtime.GC()
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	s.Round()
	s.Round()
	least := Cost{Allocs: math.Inf(1), Bytes: math.Inf(1)}
	for range tries { // what the test's own machinery allocates beside comes on top now and then
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		for range rounds {
			s.Round()
		}
		runtime.ReadMemStats(&after)
		rows := float64(rounds * s.Rows)
		least.Allocs = min(least.Allocs, float64(after.Mallocs-before.Mallocs)/rows)
		least.Bytes = min(least.Bytes, float64(after.TotalAlloc-before.TotalAlloc)/rows)
	}
	return least
}

// Check fails the test when a row of the stage costs more than it should, and also when it costs less: then the number wants to be set right, or the
// next one who makes it dearer goes unseen.
func Check(tb TB, s Stage, want Cost) {
	tb.Helper()
	got := Measure(s)
	tb.Logf("cost of %s: %.3f allocations, %.1f bytes a row", s.Name, got.Allocs, got.Bytes)
	if RaceDetector {
		want.Allocs, want.Bytes = want.Allocs+0.5, math.Inf(1) // pools drop at random then; an allocation a row is seen all the same
		if got.Allocs > want.Allocs {
			tb.Errorf("%s allocates %.2f times a row under the race detector, want at most %.2f", s.Name, got.Allocs, want.Allocs)
		}
		return
	}
	if d := difference(got, want); d != "" {
		tb.Errorf("%s: %s. Take it back, or say so here and why it must be", s.Name, d)
	}
}

// difference says in words how the costs differ, or nothing.
func difference(got, want Cost) string {
	switch {
	case got.Allocs > want.Allocs+spreadAllocs || got.Allocs < want.Allocs-spreadAllocs:
		return fmt.Sprintf("a row costs %.3f allocations (%.1f bytes), want %.3f", got.Allocs, got.Bytes, want.Allocs)
	case got.Bytes > want.Bytes+spreadBytes || got.Bytes < want.Bytes-spreadBytes:
		return fmt.Sprintf("a row costs %.1f bytes of the heap (%.3f allocations), want %.1f", got.Bytes, got.Allocs, want.Bytes)
	}
	return ""
}
