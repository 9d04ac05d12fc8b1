package changelog

import (
	"math"
	"testing"

	"pgregory.net/rapid"
)

func TestAppendDateTimeIsDateAndClock(t *testing.T) {
	check := func(t interface{ Fatalf(string, ...any) }, micros int64, fsp int) {
		c := CivilFromMicros(micros)
		for _, separator := range []byte{' ', 'T'} {
			want := string(AppendClock(append(AppendDate(nil, c), separator), c, fsp))
			if got := string(AppendDateTime([]byte("x"), micros, separator, fsp)); got != "x"+want {
				t.Fatalf("%d with %d digits: got %s, want %s", micros, fsp, got[1:], want)
			}
		}
	}
	for day := int64(-750_000); day < 3_000_000; day += 13 {
		check(t, day*microsPerDay+day%microsPerDay, int(uint64(day)%7))
	}
	for _, c := range []Civil{{Year: 0, Month: 1, Day: 1}, {Year: -1, Month: 12, Day: 31}, {Year: 0, Month: 2, Day: 29}, {Year: 0, Month: 3, Day: 1}, {Year: 9999, Month: 12, Day: 31}, {Year: 10000, Month: 1, Day: 1}} {
		check(t, c.Micros(), 0)
		check(t, c.Micros()-1, 6)
	}
	rapid.Check(t, func(t *rapid.T) {
		check(t, rapid.Int64Range(math.MinInt64/40, math.MaxInt64/40).Draw(t, "micros"), rapid.IntRange(-1, 7).Draw(t, "fsp"))
	})
}
