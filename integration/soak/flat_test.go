package soak

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

// TestFlatSeesWhatGrows: an hour in which nothing grows passes, with all its noise and with what fills at the beginning; the smallest
// leaks that matter do not.
func TestFlatSeesWhatGrows(t *testing.T) {
	hour := func(change func(minute float64, s *sample)) []sample {
		r := rand.New(rand.NewPCG(1, 2))
		var all []sample
		for at := time.Duration(0); at < time.Hour; at += 5 * time.Second {
			s := sample{at: at, memory: 90<<20 + float64(r.IntN(20<<20)), goroutines: 60 + float64(r.IntN(9)), files: 40 + float64(r.IntN(5))}
			if at < 10*time.Minute {
				s.memory -= float64(10*time.Minute-at) / float64(time.Minute) * (2 << 20)
			}
			change(at.Minutes(), &s)
			all = append(all, s)
		}
		return all
	}
	for name, c := range map[string]struct {
		change func(minute float64, s *sample)
		want   string
	}{
		"nothing":                       {func(float64, *sample) {}, ""},
		"peaks":                         {func(m float64, s *sample) { s.memory += float64(int(m)%5/4) * (50 << 20) }, ""},
		"half a megabyte a minute":      {func(m float64, s *sample) { s.memory += m * (1 << 19) }, "resident memory"},
		"a goroutine in five minutes":   {func(m float64, s *sample) { s.goroutines += float64(int(m / 5)) }, "goroutines"},
		"a descriptor in five minutes":  {func(m float64, s *sample) { s.files += float64(int(m / 5)) }, "file descriptors"},
		"memory that goes down with it": {func(m float64, s *sample) { s.files += float64(int(m / 5)); s.memory -= m * (1 << 19) }, "file descriptors"},
	} {
		err := flat(hour(c.change))
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.HasPrefix(err.Error(), c.want)) {
			t.Errorf("%s: %v, want an error of %q", name, err, c.want)
		}
	}
	if flat(make([]sample, 39)) == nil {
		t.Error("a minute is enough")
	}
}
