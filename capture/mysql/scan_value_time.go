package mysql

import (
	"errors"
	"fmt"

	"cdcbridge/changelog"
)

// The decoders of this file read dates and times as the text protocol prints them, timestamps in UTC.

var errTemporal = errors.New("a date or time is not what the server prints")

// smallNumber reads a few digits.
func smallNumber(p []byte) (uint32, bool) {
	var n uint32
	for _, b := range p {
		d := b - '0'
		if d > 9 {
			return 0, false
		}
		n = n*10 + uint32(d)
	}
	return n, true
}

// civilDate reads "2024-05-06" at the front of p.
func civilDate(p []byte, c *changelog.Civil) bool {
	if len(p) < 10 || p[4] != '-' || p[7] != '-' {
		return false
	}
	y, ok1 := smallNumber(p[:4])
	m, ok2 := smallNumber(p[5:7])
	d, ok3 := smallNumber(p[8:10])
	c.Year, c.Month, c.Day = int32(y), uint8(m), uint8(d)
	return ok1 && ok2 && ok3
}

// civilClock reads "07:08:09.123" at the end of p.
func civilClock(p []byte, c *changelog.Civil) bool {
	if len(p) < 8 || p[2] != ':' || p[5] != ':' {
		return false
	}
	h, ok1 := smallNumber(p[:2])
	m, ok2 := smallNumber(p[3:5])
	s, ok3 := smallNumber(p[6:8])
	micro, ok4 := fractionText(p[8:])
	c.Hour, c.Minute, c.Second, c.Micro = uint8(h), uint8(m), uint8(s), micro
	return ok1 && ok2 && ok3 && ok4
}

// fractionText reads ".123", or nothing, as microseconds.
func fractionText(p []byte) (uint32, bool) {
	if len(p) == 0 {
		return 0, true
	}
	if p[0] != '.' || len(p) < 2 || len(p) > 7 {
		return 0, false
	}
	n, ok := smallNumber(p[1:])
	for range 7 - len(p) {
		n *= 10
	}
	return n, ok
}

func scanDate(_ *column, p []byte, dst *changelog.Value, _ *changelog.Batch) error {
	var c changelog.Civil
	if len(p) != 10 || !civilDate(p, &c) {
		return fmt.Errorf("%w: %.40q", errTemporal, p)
	}
	days, exists := calendarDay(c)
	if !exists {
		*dst = changelog.ZeroParts(changelog.KindDate, c)
		return nil
	}
	*dst = changelog.Date(days)
	return nil
}

func civilDateTime(p []byte) (c changelog.Civil, err error) {
	if len(p) < 19 || p[10] != ' ' || !civilDate(p, &c) || !civilClock(p[11:], &c) {
		return c, fmt.Errorf("%w: %.40q", errTemporal, p)
	}
	return c, nil
}

func scanDateTime(_ *column, p []byte, dst *changelog.Value, _ *changelog.Batch) error {
	c, err := civilDateTime(p)
	if err != nil {
		return err
	}
	return putDateTime(c, changelog.KindDateTime, dst)
}

func scanTimestamp(_ *column, p []byte, dst *changelog.Value, _ *changelog.Batch) error {
	c, err := civilDateTime(p)
	if err != nil {
		return err
	}
	if c == (changelog.Civil{}) {
		*dst = changelog.ZeroParts(changelog.KindTimestamp, c)
		return nil
	}
	if _, exists := calendarDay(c); !exists || c.Hour > 23 || c.Minute > 59 || c.Second > 59 {
		return fmt.Errorf("%w: %.40q", errTemporal, p)
	}
	*dst = changelog.Timestamp(c.Micros())
	return nil
}

// scanTime reads "-838:59:58.999999": two or three digits of hours.
func scanTime(_ *column, p []byte, dst *changelog.Value, _ *changelog.Batch) error {
	t := p
	negative := len(t) > 0 && t[0] == '-'
	if negative {
		t = t[1:]
	}
	hours := uint32(0)
	if len(t) > 8 && t[3] == ':' { // the first of three digits of the hours
		d := t[0] - '0'
		if d > 9 {
			return fmt.Errorf("%w: %.40q", errTemporal, p)
		}
		hours = uint32(d) * 100
		t = t[1:]
	}
	var c changelog.Civil
	if !civilClock(t, &c) || c.Minute > 59 || c.Second > 59 {
		return fmt.Errorf("%w: %.40q", errTemporal, p)
	}
	micros := (int64(hours)+int64(c.Hour))*hour + int64(c.Minute)*minute + int64(c.Second)*second + int64(c.Micro)
	if negative {
		micros = -micros
	}
	*dst = changelog.Time(micros)
	return nil
}
