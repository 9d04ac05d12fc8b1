package canal

import (
	"strconv"

	"cdcbridge/changelog"
)

// appendEra appends a date, and what behind says: nothing, " " for the time, or an offset from UTC that follows the time.
// Years before the first are counted from 1 BC.
func appendEra(dst []byte, c changelog.Civil, behind string) []byte {
	bc := c.Year <= 0
	if bc {
		c.Year = 1 - c.Year
	}
	from := len(dst)
	dst = changelog.AppendDate(dst, c)
	if dst[from] == '+' { // five digits and more have no sign here
		dst = append(dst[:from], dst[from+1:]...)
	}
	if behind != "" {
		dst = changelog.AppendClock(append(dst, ' '), c, 0)
		dst = appendTrimmedFraction(dst, int64(c.Micro))
		if behind != " " {
			dst = append(dst, behind...)
		}
	}
	if bc {
		dst = append(dst, " BC"...)
	}
	return dst
}

func appendTrimmedTime(dst []byte, micros int64) []byte {
	return appendTrimmedFraction(changelog.AppendSpan(dst, micros, 0), micros%1_000_000)
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

// appendOffset appends +02, +05:30 or -00:00:30.
func appendOffset(dst []byte, seconds int) []byte {
	sign := byte('+')
	if seconds < 0 {
		seconds, sign = -seconds, '-'
	}
	zone := changelog.Civil{Hour: uint8(seconds / 3600), Minute: uint8(seconds / 60 % 60), Second: uint8(seconds % 60)}
	dst = changelog.AppendClock(append(dst, sign), zone, 0)
	if zone.Second == 0 {
		dst = dst[:len(dst)-len(":00")]
		if zone.Minute == 0 {
			dst = dst[:len(dst)-len(":00")]
		}
	}
	return dst
}

// appendInterval appends "1 year 2 mons -3 days +04:05:06.78": behind a negative part a positive one has its sign.
func appendInterval(dst []byte, months int32, days, micros int64) []byte {
	from, negative := len(dst), false
	for _, part := range [...]struct {
		n    int64
		unit string
	}{{int64(months / 12), " year"}, {int64(months % 12), " mon"}, {days, " day"}} {
		if part.n == 0 {
			continue
		}
		if len(dst) > from {
			dst = append(dst, ' ')
		}
		if negative && part.n > 0 {
			dst = append(dst, '+')
		}
		dst = append(strconv.AppendInt(dst, part.n, 10), part.unit...)
		if part.n != 1 {
			dst = append(dst, 's')
		}
		negative = part.n < 0
	}
	if micros == 0 && len(dst) > from {
		return dst
	}
	if len(dst) > from {
		dst = append(dst, ' ')
	}
	if negative && micros > 0 {
		dst = append(dst, '+')
	}
	return appendTrimmedTime(dst, micros)
}
