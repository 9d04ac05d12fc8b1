package plain

import (
	"strconv"

	"cdcbridge/changelog"
)

// temporal chooses how dates, times and intervals are written: as text, with exactly the column's fraction digits.
func (k compiler) temporal(c *column, t *changelog.Type) {
	c.fsp = t.FSP
	k.special(c, `"infinity"`, `"-infinity"`, "")
	iso := k.cfg.TimestampFormat == timestampISO
	switch t.Kind {
	case changelog.KindDate:
		c.append = appendDate
	case changelog.KindTime:
		c.append = appendTime
	case changelog.KindTimeTZ:
		c.append = appendZonedTime
	case changelog.KindInterval:
		c.append = appendInterval
		if k.key {
			c.append = appendIntervalKey
		}
	case changelog.KindDateTime:
		if c.append = appendSQLDateTime; iso {
			c.append = appendISODateTime
		}
	default:
		if c.append = appendSQLTimestamp; iso {
			c.append = appendISOTimestamp
		}
	}
}

func appendDate(dst []byte, c *column, v *changelog.Value) ([]byte, error) {
	dst, done := ordinary(dst, c, v)
	if done {
		return dst, nil
	}
	return append(changelog.AppendDate(append(dst, '"'), v.Civil()), '"'), nil
}

// appendTime writes a time of day, or MySQL's span of up to 838 hours either way.
func appendTime(dst []byte, c *column, v *changelog.Value) ([]byte, error) {
	return append(changelog.AppendSpan(append(dst, '"'), v.Int(), c.fsp), '"'), nil
}

func appendISODateTime(dst []byte, c *column, v *changelog.Value) ([]byte, error) {
	return appendDateTime(dst, c, v, 'T', `"`)
}

func appendSQLDateTime(dst []byte, c *column, v *changelog.Value) ([]byte, error) {
	return appendDateTime(dst, c, v, ' ', `"`)
}

func appendISOTimestamp(dst []byte, c *column, v *changelog.Value) ([]byte, error) {
	return appendDateTime(dst, c, v, 'T', `Z"`)
}

func appendSQLTimestamp(dst []byte, c *column, v *changelog.Value) ([]byte, error) {
	return appendDateTime(dst, c, v, ' ', `Z"`)
}

func appendDateTime(dst []byte, c *column, v *changelog.Value, between byte, end string) ([]byte, error) {
	if _, form, n, _ := v.Raw(); form == changelog.FormNormal {
		return append(changelog.AppendDateTime(append(dst, '"'), int64(n), between, c.fsp), end...), nil
	}
	dst, done := ordinary(dst, c, v)
	if done {
		return dst, nil
	}
	civil := v.Civil()
	dst = append(changelog.AppendDate(append(dst, '"'), civil), between)
	return append(changelog.AppendClock(dst, civil, c.fsp), end...), nil
}

// appendZonedTime writes the local time and its offset: 10:00+02:00 and 08:00+00:00 are not the same to PostgreSQL.
func appendZonedTime(dst []byte, c *column, v *changelog.Value) ([]byte, error) {
	dst = changelog.AppendSpan(append(dst, '"'), v.Int(), c.fsp)
	offset, sign := v.Offset(), byte('+')
	if offset < 0 {
		offset, sign = -offset, '-'
	}
	zone := changelog.Civil{Hour: uint8(offset / 3600), Minute: uint8(offset / 60 % 60), Second: uint8(offset % 60)}
	dst = changelog.AppendClock(append(dst, sign), zone, 0)
	if zone.Second == 0 {
		dst = dst[:len(dst)-len(":00")]
	}
	return append(dst, '"'), nil
}

// appendInterval writes ISO 8601 with all parts, each with its own sign.
func appendInterval(dst []byte, c *column, v *changelog.Value) ([]byte, error) {
	dst, done := ordinary(dst, c, v)
	if done {
		return dst, nil
	}
	months, days, micros := v.Interval()
	return appendParts(dst, months, int64(days), micros), nil
}

// appendIntervalKey writes what PostgreSQL compares intervals by: to it "1 mon" and "30 days" are one key.
func appendIntervalKey(dst []byte, c *column, v *changelog.Value) ([]byte, error) {
	dst, done := ordinary(dst, c, v)
	if done {
		return dst, nil
	}
	days, rest := changelog.ComparableInterval(v.Interval())
	return appendParts(dst, 0, days, rest), nil
}

func appendParts(dst []byte, months int32, days, micros int64) []byte {
	const second, minute, hour = 1_000_000, 60_000_000, 3_600_000_000
	dst = strconv.AppendInt(append(dst, `"P`...), int64(months/12), 10)
	dst = strconv.AppendInt(append(dst, 'Y'), int64(months%12), 10)
	dst = strconv.AppendInt(append(dst, 'M'), days, 10)
	dst = strconv.AppendInt(append(dst, "DT"...), micros/hour, 10)
	dst = strconv.AppendInt(append(dst, 'H'), micros/minute%60, 10)
	dst = append(dst, 'M')
	seconds, fraction := micros/second%60, micros%second
	if seconds == 0 && fraction < 0 {
		dst = append(dst, '-') // no digit before the point carries the sign
	}
	dst = strconv.AppendInt(dst, seconds, 10)
	if fraction != 0 {
		dst = changelog.AppendFraction(dst, uint32(max(fraction, -fraction)), 6)
		for dst[len(dst)-1] == '0' {
			dst = dst[:len(dst)-1]
		}
	}
	return append(dst, `S"`...)
}
