package postgres

import (
	"fmt"
	"math"

	"cdcbridge/changelog"
)

// intervalBytes is what an interval takes in the batch.
const intervalBytes = 16

// Modifiers of intervals: which fields are kept in the upper half, digits after the point in the lower one.
const (
	intervalAllFields     = 0x7fff
	intervalFullPrecision = 0xffff

	fieldMonth  = 1 << 1
	fieldYear   = 1 << 2
	fieldDay    = 1 << 3
	fieldHour   = 1 << 10
	fieldMinute = 1 << 11
	fieldSecond = 1 << 12
)

var intervalFields = map[int32]string{
	intervalAllFields:                  "",
	fieldYear:                          " year",
	fieldMonth:                         " month",
	fieldDay:                           " day",
	fieldHour:                          " hour",
	fieldMinute:                        " minute",
	fieldSecond:                        " second",
	fieldYear | fieldMonth:             " year to month",
	fieldDay | fieldHour:               " day to hour",
	fieldDay | fieldHour | fieldMinute: " day to minute",
	fieldDay | fieldHour | fieldMinute | fieldSecond: " day to second",
	fieldHour | fieldMinute:                          " hour to minute",
	fieldHour | fieldMinute | fieldSecond:            " hour to second",
	fieldMinute | fieldSecond:                        " minute to second",
}

func prepareInterval(c *columnType, modifier int32) error {
	c.typ.Kind, c.typ.FSP, c.decode = changelog.KindInterval, 6, decodeInterval
	if modifier < 0 {
		return nil
	}
	fields, ok := intervalFields[modifier>>16&intervalAllFields]
	precision := modifier & 0xffff
	if !ok || precision > 6 && precision != intervalFullPrecision {
		return fmt.Errorf("the modifier %d of an interval", modifier)
	}
	c.source += fields
	if precision != intervalFullPrecision {
		c.typ.FSP = int(precision)
		c.source = fmt.Sprintf("%s(%d)", c.source, precision)
	}
	return nil
}

// decodeInterval reads IntervalStyle postgres: "-1 years +2 mons 3 days -04:05:06.78". The parts have signs of their own and
// stay apart: a month is no number of days and a day no number of hours.
func decodeInterval(c *columnType, text []byte, dst *changelog.Value, b *changelog.Batch) error {
	if positive, ok := infinity(text); ok { // 17+
		*dst = changelog.Infinite(changelog.KindInterval, positive)
		return nil
	}
	var r intervalReader
	for rest, ok := text, false; ; rest = rest[1:] {
		if rest, ok = r.part(rest); !ok {
			return malformed(text, c.source)
		}
		if len(rest) == 0 {
			break
		}
		if rest[0] != ' ' {
			return malformed(text, c.source)
		}
	}
	if r.months < math.MinInt32 || r.months > math.MaxInt32 || r.days < math.MinInt32 || r.days > math.MaxInt32 {
		return malformed(text, c.source)
	}
	*dst = changelog.Interval(b.Grab(intervalBytes), int32(r.months), int32(r.days), r.micros)
	return nil
}

type intervalReader struct {
	months, days, micros int64
	stage                int // parts come in the order of intervalUnits, the clock last; each at most once
}

// intervalUnits are the parts before the clock.
var intervalUnits = [...]string{"year", "mon", "day"}

// part reads one part at the front of p, which follows the start or a space, and returns what follows.
func (r *intervalReader) part(p []byte) (rest []byte, ok bool) {
	negative := len(p) > 0 && p[0] == '-'
	if negative || len(p) > 0 && p[0] == '+' {
		p = p[1:]
	}
	n := countDigits(p)
	const maxDigits = 10 // of a 32-bit number, and of the hours in 64 bits of microseconds
	if n == 0 || n > maxDigits || n == len(p) || r.stage > len(intervalUnits) {
		return nil, false
	}
	count, _ := parseUint(p[:n])
	switch p[n] {
	case ':':
		r.stage = len(intervalUnits) + 1
		return r.clock(int64(count), p[n+1:], negative)
	case ' ':
		return r.unit(int64(count), p[n+1:], negative)
	}
	return nil, false
}

func (r *intervalReader) unit(count int64, p []byte, negative bool) (rest []byte, ok bool) {
	if negative {
		count = -count
	}
	for i := r.stage; i < len(intervalUnits); i++ {
		name := intervalUnits[i]
		if len(p) < len(name) || string(p[:len(name)]) != name {
			continue
		}
		p = p[len(name):]
		if count != 1 {
			if len(p) == 0 || p[0] != 's' {
				return nil, false
			}
			p = p[1:]
		}
		r.stage = i + 1
		switch i {
		case 0:
			r.months += 12 * count
		case 1:
			r.months += count
		default:
			r.days = count
		}
		return p, true
	}
	return nil, false
}

func (r *intervalReader) clock(hours int64, p []byte, negative bool) (rest []byte, ok bool) {
	const hourMicros = 3600 * microsecondsPerSecond
	micros, rest, ok := readMinutes(p)
	if !ok || hours > math.MaxInt64/hourMicros {
		return nil, false
	}
	sum := uint64(hours)*hourMicros + uint64(micros)
	limit := uint64(math.MaxInt64)
	if negative {
		limit++
	}
	if sum > limit {
		return nil, false
	}
	r.micros = int64(sum)
	if negative {
		r.micros = -r.micros
	}
	return rest, true
}
