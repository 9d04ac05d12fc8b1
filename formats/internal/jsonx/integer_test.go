package jsonx

import (
	"math"
	"strconv"
	"testing"
)

func TestIntegers(t *testing.T) {
	check := func(v uint64) {
		t.Helper()
		if got := string(AppendUint([]byte("x"), v)); got != "x"+strconv.FormatUint(v, 10) {
			t.Errorf("%d is written as %s", v, got)
		}
		if got := string(AppendInt(nil, int64(v))); got != strconv.FormatInt(int64(v), 10) {
			t.Errorf("%d is written as %s", int64(v), got)
		}
	}
	for p, n := uint64(1), 0; n < 20; p, n = p*10, n+1 {
		for d := range uint64(3) {
			check(p + d - 1)
			check(-(p + d - 1))
		}
	}
	for shift := range 64 {
		for d := range uint64(3) {
			check(1<<shift + d - 1)
		}
	}
	check(math.MaxUint64)
}

func FuzzIntegers(f *testing.F) {
	f.Add(uint64(0))
	f.Add(uint64(math.MaxUint64))
	f.Fuzz(func(t *testing.T, v uint64) {
		if got := string(AppendUint(nil, v)); got != strconv.FormatUint(v, 10) {
			t.Errorf("%d is written as %s", v, got)
		}
	})
}
