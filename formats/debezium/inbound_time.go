package debezium

import (
	"errors"
	"math"

	"cdcbridge/changelog"
	"cdcbridge/formats/internal/jsonx"
)

// unit is what a number that is a time counts.
type unit uint8

const (
	micros unit = iota
	millis
	nanos
)

var (
	errNoTime = errors.New("the text is no time as the column has it")
	errNanos  = errors.New("the time has parts of a microsecond, which no database has")
)

// timeUnit is what compiler.time writes.
func (k inboundCompiler) timeUnit(in *changelog.Column) unit {
	switch k.cfg.TimePrecisionMode {
	case timeConnect:
		return millis
	case timeNanos:
		return nanos
	case timeAdaptive:
		if k.origin == postgres && in.Type.FSP <= 3 {
			return millis
		}
	}
	return micros
}

// dateTimeUnit is what compiler.dateTime writes.
func (k inboundCompiler) dateTimeUnit(in *changelog.Column) unit {
	switch k.cfg.TimePrecisionMode {
	case timeConnect:
		return millis
	case timeMicros:
		return micros
	case timeNanos:
		return nanos
	}
	if in.Type.FSP <= 3 {
		return millis
	}
	return micros
}

// infinities are what Debezium writes for PostgreSQL's infinities, as counts: in a snapshot others than in the stream, as a
// number others than as a text. Dates are no dates that PostgreSQL can hold; times are the last ones that a count can.
var infinities = map[changelog.Kind]map[int64]bool{
	changelog.KindDate: {
		-2147472692: true, -2147472691: false, // in the stream, also as a text
		-622191234: true, -625821272: false, // in a snapshot
		106751991166: true, 106748361128: false, // in a snapshot, as a text
		math.MaxInt32: true, math.MinInt32: false,
	},
	changelog.KindDateTime: {
		9223372036825200000: true, -9223372036832400000: false, // microseconds
		9223372036825200: true, -9223372036832400: false, // milliseconds
		math.MaxInt64: true, math.MinInt64: false,
	},
	changelog.KindInterval: {math.MaxInt64: true, math.MinInt64: false},
}

// infinite recognises an infinity among numbers. Only great numbers are looked up.
func infinite(kind changelog.Kind, n int64) (changelog.Value, bool) {
	const great = 600_000_000
	if n > -great && n < great {
		return changelog.Value{}, false
	}
	positive, ok := infinities[kind][n]
	return changelog.Infinite(kind, positive), ok
}

// number reads a count of the column's unit as microseconds.
func (c *inbound) number(raw []byte) (int64, error) {
	n, err := jsonx.Int(raw)
	if err != nil {
		return 0, mistyped(raw, "time as a whole number or text")
	}
	switch c.unit {
	case millis:
		if n > math.MaxInt64/1000 || n < math.MinInt64/1000 {
			return 0, errRange
		}
		return n * 1000, nil
	case nanos:
		if n%1000 != 0 {
			return 0, errNanos
		}
		return n / 1000, nil
	}
	return n, nil
}

// readDate reads days since 1970-01-01, or ISO 8601 text with or without Z.
func readDate(r *reader, _ *inbound, raw []byte) (changelog.Value, error) {
	if raw[0] != '"' {
		n, err := jsonx.Int(raw)
		if err != nil {
			return changelog.Value{}, mistyped(raw, "date as days or text")
		}
		return dateOf(n)
	}
	p, v, done, err := r.calendar(changelog.KindDate, raw)
	if done {
		return v, err
	}
	civil, ok := p.date()
	p.take('Z')
	if !ok || !p.done() {
		return changelog.Value{}, errNoTime
	}
	return dateOf(changelog.DaysFromCivil(civil.Year, civil.Month, civil.Day))
}

func dateOf(days int64) (changelog.Value, error) {
	if v, ok := infinite(changelog.KindDate, days); ok {
		return v, nil
	}
	if days > math.MaxInt32 || days < math.MinInt32 {
		return changelog.Value{}, errRange
	}
	return changelog.Date(days), nil
}

// calendar begins to read a text that is a date, or finds an infinity.
func (r *reader) calendar(kind changelog.Kind, raw []byte) (p clock, v changelog.Value, done bool, err error) {
	text, err := r.peek(raw)
	if err != nil {
		return p, v, true, err
	}
	switch string(text) {
	case "infinity":
		return p, changelog.Infinite(kind, true), true, nil
	case "-infinity":
		return p, changelog.Infinite(kind, false), true, nil
	}
	return clock{text: text}, v, false, nil
}

// readDateTime reads a count since 1970-01-01 00:00:00, or ISO 8601 text with or without Z, which says nothing here.
func readDateTime(r *reader, c *inbound, raw []byte) (changelog.Value, error) {
	if raw[0] != '"' {
		if n, err := jsonx.Int(raw); err == nil {
			if v, ok := infinite(changelog.KindDateTime, n); ok {
				return v, nil
			}
		}
		n, err := c.number(raw)
		return changelog.DateTime(n), err
	}
	p, v, done, err := r.calendar(changelog.KindDateTime, raw)
	if done {
		return v, err
	}
	n, err := p.instant()
	p.take('Z')
	if err == nil && !p.done() {
		err = errNoTime
	}
	if v, ok := infinite(changelog.KindDateTime, n); ok && err == nil {
		return v, nil
	}
	return changelog.DateTime(n), err
}

// readTimestamp reads ISO 8601 text with Z or an offset.
func readTimestamp(r *reader, _ *inbound, raw []byte) (changelog.Value, error) {
	p, v, done, err := r.calendar(changelog.KindTimestamp, raw)
	if done {
		return v, err
	}
	n, err := p.instant()
	if err != nil {
		return changelog.Value{}, err
	}
	offset, ok := p.offset()
	if !ok || !p.done() {
		return changelog.Value{}, errNoTime
	}
	return changelog.Timestamp(n - int64(offset)*1_000_000), nil
}

// readTime reads a count since midnight, or text: a time of day with or without Z, or a span as MySQL prints it.
func readTime(r *reader, c *inbound, raw []byte) (changelog.Value, error) {
	if raw[0] != '"' {
		n, err := c.number(raw)
		return changelog.Time(n), err
	}
	text, err := r.peek(raw)
	if err != nil {
		return changelog.Value{}, err
	}
	p := clock{text: text}
	neg := p.take('-')
	n, ok := p.time()
	p.take('Z')
	if !ok || !p.done() {
		return changelog.Value{}, errNoTime
	}
	if neg {
		n = -n
	}
	return changelog.Time(n), nil
}

// readTimeTZ reads a time of day with Z, or with the offset that keys have.
func readTimeTZ(r *reader, _ *inbound, raw []byte) (changelog.Value, error) {
	text, err := r.peek(raw)
	if err != nil {
		return changelog.Value{}, err
	}
	p := clock{text: text}
	n, ok := p.time()
	if !ok || n > microsPerDay {
		return changelog.Value{}, errNoTime
	}
	offset, ok := p.offset()
	if !ok || !p.done() {
		return changelog.Value{}, errNoTime
	}
	return changelog.TimeTZ(n, offset), nil
}

// readInterval reads microseconds, or the parts as ISO 8601 has them, each with a sign of its own.
func readInterval(r *reader, _ *inbound, raw []byte) (changelog.Value, error) {
	if raw[0] != '"' {
		n, err := jsonx.Int(raw)
		if err != nil {
			return changelog.Value{}, mistyped(raw, "interval as microseconds or text")
		}
		if v, ok := infinite(changelog.KindInterval, n); ok {
			return v, nil
		}
		return changelog.Interval(r.batch.Grab(16), 0, 0, n), nil
	}
	p, v, done, err := r.calendar(changelog.KindInterval, raw)
	if done {
		return v, err
	}
	months, days, n, ok := p.interval()
	if !ok {
		return changelog.Value{}, errNoTime
	}
	return changelog.Interval(r.batch.Grab(16), months, days, n), nil
}
