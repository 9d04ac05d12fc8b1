package debezium

import (
	"cdcbridge/changelog"
	"cdcbridge/formats/internal/jsonx"
	"cdcbridge/internal/fault"
)

const microsPerDay = 86_400_000_000

// The infinities of dates and times in modes that write numbers are the numbers by which PostgreSQL itself stores them:
// the greatest and the least of the type. No date and no time of a database is one of them.
const (
	maxInt32 = "2147483647"
	minInt32 = "-2147483648"
	maxInt64 = "9223372036854775807"
	minInt64 = "-9223372036854775808"
)

// temporal chooses how dates and times are written.
func (k compiler) temporal(c *column, in *changelog.Column) {
	c.fsp = in.Type.FSP
	iso := k.cfg.TimePrecisionMode == timeISO
	c.suffix = `"`
	if iso && k.cfg.ISOZoneSuffix || c.kind == changelog.KindTimestamp {
		c.suffix = `Z"`
	}
	epoch := "0"
	text := iso || c.kind == changelog.KindTimestamp
	if text {
		epoch = `"1970-01-01T00:00:00` + c.suffix
		k.special(c, `"infinity"`, `"-infinity"`, "")
	} else {
		k.special(c, maxInt64, minInt64, "")
	}
	switch c.kind {
	case changelog.KindTimestamp:
		c.write(appendISODateTime, stringSchema.named(timePrefix+"ZonedTimestamp"))
	case changelog.KindDate:
		c.write(k.date())
		if iso {
			epoch = `"1970-01-01` + c.suffix
		} else {
			k.special(c, maxInt32, minInt32, "")
		}
	case changelog.KindTime:
		c.write(k.time(in))
	case changelog.KindTimeTZ:
		c.write(appendZonedTime, stringSchema.named(timePrefix+"ZonedTime"))
		if k.key {
			c.write(appendZonedTimeKey, stringSchema)
		}
	default:
		c.write(k.dateTime(in))
	}
	// A zero date is no date: null, or the epoch where Connect's schema allows no null.
	c.forms[changelog.FormZeroParts] = "null"
	if !in.Nullable {
		c.forms[changelog.FormZeroParts] = epoch
	}
}

// What the names of the meanings of dates and times begin with: Debezium's, and Connect's own.
const (
	timePrefix    = "io.debezium.time."
	connectPrefix = "org.apache.kafka.connect.data."
)

// exact chooses between the column's fraction digits and Debezium's form, which has neither zeros at the end of a fraction
// nor is without a zone.
func (k compiler) exact(digits, trimmed appendFunc) appendFunc {
	if k.cfg.ISOZoneSuffix {
		return trimmed
	}
	return digits
}

func (k compiler) date() (appendFunc, schema) {
	switch k.cfg.TimePrecisionMode {
	case timeConnect:
		return appendStored, int32Schema.named(connectPrefix + "Date")
	case timeISO:
		return appendISODate, stringSchema.named(timePrefix + "IsoDate")
	}
	return appendStored, int32Schema.named(timePrefix + "Date")
}

func (k compiler) time(in *changelog.Column) (appendFunc, schema) {
	switch k.cfg.TimePrecisionMode {
	case timeConnect:
		return appendTimeConnect, int32Schema.named(connectPrefix + "Time")
	case timeISO:
		return k.exact(appendISOTime, appendISOTimeTrimmed), stringSchema.named(timePrefix + "IsoTime")
	case timeNanos:
		return appendNanos, int64Schema.named(timePrefix + "NanoTime")
	case timeAdaptive:
		// The plain mode exists for PostgreSQL only: MySQL's times can exceed a day, and 32 bits.
		if k.origin == postgres && in.Type.FSP <= 3 {
			return appendMillis, int32Schema.named(timePrefix + "Time")
		}
	}
	return appendStored, int64Schema.named(timePrefix + "MicroTime")
}

func (k compiler) dateTime(in *changelog.Column) (appendFunc, schema) {
	switch mode := k.cfg.TimePrecisionMode; {
	case mode == timeConnect:
		return appendMillis, int64Schema.named(connectPrefix + "Timestamp")
	case mode == timeISO:
		return k.exact(appendISODateTime, appendISODateTimeTrimmed), stringSchema.named(timePrefix + "IsoTimestamp")
	case mode == timeNanos:
		return appendNanos, int64Schema.named(timePrefix + "NanoTimestamp")
	case mode == timeMicros, in.Type.FSP > 3:
		return appendStored, int64Schema.named(timePrefix + "MicroTimestamp")
	}
	return appendMillis, int64Schema.named(timePrefix + "Timestamp")
}

// appendStored writes the number that a changelog value holds: days, or microseconds.
func appendStored(dst []byte, c *column, v *changelog.Value) ([]byte, error) {
	if !normal(v) {
		return appendForm(dst, c, v)
	}
	return jsonx.AppendInt(dst, v.Int()), nil
}

func appendMillis(dst []byte, c *column, v *changelog.Value) ([]byte, error) {
	if !normal(v) {
		return appendForm(dst, c, v)
	}
	_, _, n, _ := v.Raw()
	return jsonx.AppendInt(dst, floorDiv(int64(n), 1000)), nil
}

func appendNanos(dst []byte, c *column, v *changelog.Value) ([]byte, error) {
	if !normal(v) {
		return appendForm(dst, c, v)
	}
	n := v.Int() * 1000
	if n/1000 != v.Int() {
		return dst, refuse(fault.UnsupportedType, "Choose another time_precision_mode.", "nanoseconds since 1970 reach from 1677 to 2262 only")
	}
	return jsonx.AppendInt(dst, n), nil
}

// appendTimeConnect writes org.apache.kafka.connect.data.Time, which is a time of day. Debezium takes 24:00 for one too.
func appendTimeConnect(dst []byte, _ *column, v *changelog.Value) ([]byte, error) {
	if v.Int() < 0 || v.Int() > microsPerDay {
		return dst, refuse(fault.UnsupportedType, "Choose another time_precision_mode.", "time_precision_mode connect has no times outside of a day")
	}
	return jsonx.AppendInt(dst, v.Int()/1000), nil
}

// appendISODate writes io.debezium.time.IsoDate.
func appendISODate(dst []byte, c *column, v *changelog.Value) ([]byte, error) {
	if !normal(v) {
		return appendForm(dst, c, v)
	}
	dst = changelog.AppendDate(append(dst, '"'), v.Civil())
	return append(dst, c.suffix...), nil
}

// appendISODateTime writes io.debezium.time.ZonedTimestamp, and without a zone IsoTimestamp, with exactly the column's
// fraction digits.
func appendISODateTime(dst []byte, c *column, v *changelog.Value) ([]byte, error) {
	if !normal(v) {
		return appendForm(dst, c, v)
	}
	_, _, n, _ := v.Raw()
	dst = changelog.AppendDateTime(append(dst, '"'), int64(n), 'T', c.fsp)
	return append(dst, c.suffix...), nil
}

// appendISODateTimeTrimmed writes io.debezium.time.IsoTimestamp as Java prints it.
func appendISODateTimeTrimmed(dst []byte, c *column, v *changelog.Value) ([]byte, error) {
	if !normal(v) {
		return appendForm(dst, c, v)
	}
	civil := v.Civil()
	dst = changelog.AppendDate(append(dst, '"'), civil)
	dst = changelog.AppendClock(append(dst, 'T'), civil, 0)
	return append(appendTrimmedFraction(dst, int64(civil.Micro)), c.suffix...), nil
}

// appendISOTimeTrimmed writes io.debezium.time.IsoTime as Java prints it, and what is no time of day like appendISOTime.
func appendISOTimeTrimmed(dst []byte, c *column, v *changelog.Value) ([]byte, error) {
	if v.Int() < 0 || v.Int() >= microsPerDay {
		return appendISOTime(dst, c, v)
	}
	return append(appendDayTime(append(dst, '"'), v.Int()), c.suffix...), nil
}

// appendISOTime writes io.debezium.time.IsoTime. A span that is no time of day is written as MySQL prints it, without
// zone: nothing reads it as a time, and nothing is lost.
func appendISOTime(dst []byte, c *column, v *changelog.Value) ([]byte, error) {
	dst = changelog.AppendSpan(append(dst, '"'), v.Int(), c.fsp)
	if v.Int() < 0 || v.Int() >= microsPerDay {
		return append(dst, '"'), nil
	}
	return append(dst, c.suffix...), nil
}

// appendZonedTime writes io.debezium.time.ZonedTime: the time of day in UTC, whichever day that is, without zeros at the
// end of the fraction. 24:00 in UTC is told from 00:00.
func appendZonedTime(dst []byte, _ *column, v *changelog.Value) ([]byte, error) {
	if v.Int() == microsPerDay && v.Offset() == 0 {
		return append(dst, `"24:00:00Z"`...), nil
	}
	micros := (v.Int() - int64(v.Offset())*1_000_000) % microsPerDay
	if micros < 0 {
		micros += microsPerDay
	}
	return append(appendDayTime(append(dst, '"'), micros), `Z"`...), nil
}

// appendZonedTimeKey writes the local time and its offset. To PostgreSQL 10:00+02 and 08:00+00 are two keys, which in UTC
// would be one.
func appendZonedTimeKey(dst []byte, _ *column, v *changelog.Value) ([]byte, error) {
	dst = appendDayTime(append(dst, '"'), v.Int())
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

func appendDayTime(dst []byte, micros int64) []byte {
	return appendTrimmedFraction(changelog.AppendSpan(dst, micros, 0), micros%1_000_000)
}
