package debezium

import "testing"

func TestISOInterval(t *testing.T) {
	for _, c := range []struct {
		text   string
		months int32
		days   int32
		micros int64
		ok     bool
	}{
		{"P1Y2M3DT4H5M6.78S", 14, 3, 14_706_780_000, true},
		{"P-1Y2M-3DT-4H5M-6.78S", -10, -3, -14_106_780_000, true},
		{"P2W", 0, 14, 0, true},
		{"PT2562047788H54.775807S", 0, 0, 9_223_372_036_854_775_807, true},
		{"PT-2562047788H-54.775808S", 0, 0, -9_223_372_036_854_775_808, true},
		{"PT2562047788H54.775808S", 0, 0, 0, false},
		{"PT9999999999999S", 0, 0, 0, false},
		{"PT999999999999H", 0, 0, 0, false},
		{"P999999999999Y", 0, 0, 0, false},
		{"P1H", 0, 0, 0, false},
		{"PT1D", 0, 0, 0, false},
		{"P1.5D", 0, 0, 0, false},
		{"P", 0, 0, 0, false},
	} {
		p := clock{text: []byte(c.text)}
		months, days, micros, ok := p.interval()
		if ok != c.ok || ok && (months != c.months || days != c.days || micros != c.micros) {
			t.Errorf("%s: %d months, %d days, %d µs, %v", c.text, months, days, micros, ok)
		}
	}
}
