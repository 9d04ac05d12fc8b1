package debezium

import (
	"strconv"

	"cdcbridge/changelog"
	"cdcbridge/internal/fault"
)

const microsPerDay = 86_400_000_000

// compileTemporal chooses how DATE, TIME, DATETIME and TIMESTAMP are written.
func (f *format) compileTemporal(c *column, in *changelog.Column) {
	c.fsp = in.Type.FSP
	iso := f.cfg.TimePrecisionMode == timeISO
	c.suffix = `"`
	if iso && f.cfg.ISOZoneSuffix || c.kind == changelog.KindTimestamp {
		c.suffix = `Z"`
	}
	epoch := "0"
	switch c.kind {
	case changelog.KindTimestamp:
		c.append = appendISODateTime
		epoch = `"1970-01-01T00:00:00` + c.suffix
	case changelog.KindDate:
		c.append = appendStored
		if iso {
			c.append = appendISODate
			epoch = `"1970-01-01` + c.suffix
		}
	case changelog.KindTime:
		c.append = f.compileTime()
	default:
		c.append = f.compileDateTime(in)
		if iso {
			epoch = `"1970-01-01T00:00:00` + c.suffix
		}
	}
	// A zero date is no date: null, or the epoch where Connect's schema allows no null.
	c.zero = []byte("null")
	if !in.Nullable {
		c.zero = []byte(epoch)
	}
}

func (f *format) compileTime() appendFunc {
	switch f.cfg.TimePrecisionMode {
	case timeConnect:
		return appendTimeConnect
	case timeISO:
		return appendISOTime
	case timeNanos:
		return appendNanos
	}
	return appendStored
}

func (f *format) compileDateTime(in *changelog.Column) appendFunc {
	switch f.cfg.TimePrecisionMode {
	case timeConnect:
		return appendMillis
	case timeISO:
		return appendISODateTime
	case timeMicros:
		return appendStored
	case timeNanos:
		return appendNanos
	}
	if in.Type.FSP <= 3 {
		return appendMillis
	}
	return appendStored
}

// ordinary handles everything but normal points in time: done tells that dst or err is the result.
func ordinary(dst []byte, c *column, v *changelog.Value) (_ []byte, done bool, err error) {
	switch v.Form() {
	case changelog.FormNormal:
		return dst, false, nil
	case changelog.FormZeroParts:
		return append(dst, c.zero...), true, nil
	}
	return dst, true, refuse(fault.UnsupportedType, "Exclude the column or correct the row.", "infinity has no form in debezium-json")
}

// appendStored writes the number that a changelog value holds: days, or microseconds.
func appendStored(dst []byte, c *column, v *changelog.Value) ([]byte, error) {
	dst, done, err := ordinary(dst, c, v)
	if done {
		return dst, err
	}
	return strconv.AppendInt(dst, v.Int(), 10), nil
}

func appendMillis(dst []byte, c *column, v *changelog.Value) ([]byte, error) {
	dst, done, err := ordinary(dst, c, v)
	if done {
		return dst, err
	}
	return strconv.AppendInt(dst, floorDiv(v.Int(), 1000), 10), nil
}

func appendNanos(dst []byte, c *column, v *changelog.Value) ([]byte, error) {
	dst, done, err := ordinary(dst, c, v)
	if done {
		return dst, err
	}
	n := v.Int() * 1000
	if n/1000 != v.Int() {
		return dst, refuse(fault.UnsupportedType, "Choose another time_precision_mode.", "nanoseconds since 1970 reach from 1677 to 2262 only")
	}
	return strconv.AppendInt(dst, n, 10), nil
}

// appendTimeConnect writes org.apache.kafka.connect.data.Time, which is a time of day.
func appendTimeConnect(dst []byte, _ *column, v *changelog.Value) ([]byte, error) {
	if v.Int() < 0 || v.Int() >= microsPerDay {
		return dst, refuse(fault.UnsupportedType, "Choose another time_precision_mode.", "time_precision_mode connect has no times outside of a day")
	}
	return strconv.AppendInt(dst, v.Int()/1000, 10), nil
}

// appendISODate writes io.debezium.time.IsoDate.
func appendISODate(dst []byte, c *column, v *changelog.Value) ([]byte, error) {
	dst, done, err := ordinary(dst, c, v)
	if done {
		return dst, err
	}
	dst = changelog.AppendDate(append(dst, '"'), v.Civil())
	return append(dst, c.suffix...), nil
}

// appendISODateTime writes io.debezium.time.ZonedTimestamp and IsoTimestamp with exactly the column's fraction digits.
func appendISODateTime(dst []byte, c *column, v *changelog.Value) ([]byte, error) {
	dst, done, err := ordinary(dst, c, v)
	if done {
		return dst, err
	}
	civil := v.Civil()
	dst = changelog.AppendDate(append(dst, '"'), civil)
	dst = changelog.AppendClock(append(dst, 'T'), civil, c.fsp)
	return append(dst, c.suffix...), nil
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
