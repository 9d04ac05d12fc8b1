package changelog

import (
	"math"
	"math/big"
	"testing"

	"pgregory.net/rapid"
)

func TestIntervalsAgreeWithBigNumbers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		months, days := rapid.Int32().Draw(t, "months"), rapid.Int32().Draw(t, "days")
		micros := rapid.Int64().Draw(t, "micros")
		span := func(perMonth int64) *big.Int {
			n := new(big.Int).Mul(big.NewInt(int64(months)), big.NewInt(perMonth))
			n.Add(n, new(big.Int).Mul(big.NewInt(int64(days)), big.NewInt(microsPerDay)))
			return n.Add(n, big.NewInt(micros))
		}
		whole, rest := ComparableInterval(months, days, micros)
		got := new(big.Int).Mul(big.NewInt(whole), big.NewInt(microsPerDay))
		if got.Add(got, big.NewInt(rest)); got.Cmp(span(30*microsPerDay)) != 0 || rest <= -microsPerDay || rest >= microsPerDay || whole > 0 && rest < 0 || whole < 0 && rest > 0 {
			t.Fatalf("%d days and %d µs", whole, rest)
		}
		want := span(2_629_800_000_000)
		n, ok := IntervalMicros(months, days, micros)
		if ok && want.Cmp(big.NewInt(n)) != 0 {
			t.Fatalf("%d µs, want %s", n, want)
		}
		const margin = 2 * microsPerSecond
		if !ok && want.CmpAbs(big.NewInt(math.MaxInt64-margin)) < 0 {
			t.Fatalf("%s does not fit", want)
		}
	})
}

func TestIntervalsOfOneKey(t *testing.T) {
	for _, v := range [][3]int64{{1, 0, 0}, {0, 30, 0}, {0, 0, 720 * 3600 * microsPerSecond}, {2, -30, 0}, {0, 31, -microsPerDay}} {
		if d, us := ComparableInterval(int32(v[0]), int32(v[1]), v[2]); d != 30 || us != 0 {
			t.Errorf("%v: %d days and %d µs", v, d, us)
		}
	}
	if _, ok := IntervalMicros(math.MaxInt32, 0, 0); ok {
		t.Error("more than 292,000 years fit")
	}
	if n, ok := IntervalMicros(14, 3, 14_706_780_000); n != 37_091_106_780_000 || !ok {
		t.Errorf("got %d", n)
	}
}
