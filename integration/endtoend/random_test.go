package endtoend

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// recipe is a column of a test schema and how to make a random value for it, as an SQL expression; nil: the server makes it.
type recipe struct {
	name, ddl string
	value     func(r *rand.Rand) string
}

func letters(r *rand.Rand, most int, alphabet string) string {
	runes := []rune(alphabet)
	var b strings.Builder
	for range r.IntN(most + 1) {
		b.WriteRune(runes[r.IntN(len(runes))])
	}
	return b.String()
}

func oneOf(values ...string) func(*rand.Rand) string {
	return func(r *rand.Rand) string { return values[r.IntN(len(values))] }
}

func number(lo, hi string) func(*rand.Rand) string {
	return func(r *rand.Rand) string {
		return oneOf(lo, hi, "0", "1", fmt.Sprint(r.IntN(128)))(r)
	}
}

func temporal(layout string, fsp int) func(*rand.Rand) string {
	return func(r *rand.Rand) string {
		d := fmt.Sprintf("%04d-%02d-%02d", 1971+r.IntN(66), 1+r.IntN(12), 1+r.IntN(28))
		t := fmt.Sprintf("%02d:%02d:%02d", r.IntN(24), r.IntN(60), r.IntN(60))
		if fsp > 0 {
			t += "." + fmt.Sprintf("%06d", r.IntN(1_000_000))[:fsp]
		}
		return "'" + strings.NewReplacer("D", d, "T", t).Replace(layout) + "'"
	}
}

const anyText = "abcXYZ 019_-'\"\\/<>&\t\n\u0001\u007fäßé€☃\u2028😀漢字"

// value is one for the column, or now and then NULL.
func value(c recipe, r *rand.Rand) string {
	if r.IntN(6) == 0 {
		return "NULL"
	}
	return c.value(r)
}
