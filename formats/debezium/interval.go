package debezium

import (
	"strconv"

	"cdcbridge/changelog"
	"cdcbridge/internal/fault"
)

// interval chooses how an interval is written. The key's form is that by which PostgreSQL compares: "1 mon" and "30 days"
// are one key.
func (k compiler) interval(c *column) {
	if k.cfg.IntervalHandlingMode == intervalString {
		c.write(appendISOInterval, stringSchema.named("io.debezium.time.Interval"))
		if k.key {
			c.append = appendISOIntervalKey
		}
		k.special(c, `"infinity"`, `"-infinity"`, "")
		return
	}
	c.write(appendMicroDuration, int64Schema.named("io.debezium.time.MicroDuration"))
	if k.key {
		c.append = appendMicroDurationKey
	}
	k.special(c, maxInt64, minInt64, "")
}

// appendMicroDuration writes io.debezium.time.MicroDuration: microseconds with a month of 30.4375 days. Debezium makes the
// greatest number of what does not fit, which is infinity here.
func appendMicroDuration(dst []byte, c *column, v *changelog.Value) ([]byte, error) {
	if !normal(v) {
		return appendForm(dst, c, v)
	}
	n, ok := changelog.IntervalMicros(v.Interval())
	if !ok {
		return dst, refuseInterval()
	}
	return strconv.AppendInt(dst, n, 10), nil
}

func appendMicroDurationKey(dst []byte, c *column, v *changelog.Value) ([]byte, error) {
	if !normal(v) {
		return appendForm(dst, c, v)
	}
	const most = 1<<63/microsPerDay - 1
	days, rest := changelog.ComparableInterval(v.Interval())
	if days > most || days < -most {
		return dst, refuseInterval()
	}
	return strconv.AppendInt(dst, days*microsPerDay+rest, 10), nil
}

func refuseInterval() error {
	return refuse(fault.UnsupportedType, "Set interval_handling_mode to string.", "an interval of more than 292,000 years does not fit 64 bits of microseconds")
}

// appendISOInterval writes io.debezium.time.Interval: all parts, each with its own sign.
func appendISOInterval(dst []byte, c *column, v *changelog.Value) ([]byte, error) {
	if !normal(v) {
		return appendForm(dst, c, v)
	}
	months, days, micros := v.Interval()
	return appendISOParts(dst, months, int64(days), micros), nil
}

func appendISOIntervalKey(dst []byte, c *column, v *changelog.Value) ([]byte, error) {
	if !normal(v) {
		return appendForm(dst, c, v)
	}
	days, rest := changelog.ComparableInterval(v.Interval())
	return appendISOParts(dst, 0, days, rest), nil
}

func appendISOParts(dst []byte, months int32, days, micros int64) []byte {
	const second, minute, hour = 1_000_000, 60_000_000, 3_600_000_000
	part := func(n int64, unit byte) { dst = append(strconv.AppendInt(dst, n, 10), unit) }
	dst = append(dst, `"P`...)
	part(int64(months/12), 'Y')
	part(int64(months%12), 'M')
	part(days, 'D')
	dst = append(dst, 'T')
	part(micros/hour, 'H')
	part(micros/minute%60, 'M')
	if micros < 0 && micros%minute > -second && micros%second != 0 {
		dst = append(dst, '-') // a fraction of a second alone has no digit to carry the sign
	}
	dst = strconv.AppendInt(dst, micros/second%60, 10)
	dst = appendTrimmedFraction(dst, micros%second)
	return append(dst, `S"`...)
}

// appendTrimmedFraction appends a point and the digits of less than a second without zeros at the end.
func appendTrimmedFraction(dst []byte, micros int64) []byte {
	if micros == 0 {
		return dst
	}
	dst = changelog.AppendFraction(dst, uint32(max(micros, -micros)), 6)
	for dst[len(dst)-1] == '0' {
		dst = dst[:len(dst)-1]
	}
	return dst
}
