package postgres

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"strconv"

	"cdcbridge/changelog"
)

const (
	microsecondsPerSecond = 1_000_000
	microsecondsPerDay    = 86_400 * microsecondsPerSecond
)

func prepareDate(c *columnType, _ int32) error {
	c.typ.Kind, c.decode = changelog.KindDate, decodeDate
	return nil
}

func prepareTime(c *columnType, modifier int32) error {
	c.typ.Kind, c.decode = changelog.KindTime, decodeTime
	return c.precision("time", " without time zone", modifier)
}

func prepareTimeTZ(c *columnType, modifier int32) error {
	c.typ.Kind, c.decode = changelog.KindTimeTZ, decodeTimeTZ
	return c.precision("time", " with time zone", modifier)
}

func prepareTimestamp(c *columnType, modifier int32) error {
	c.typ.Kind, c.decode = changelog.KindDateTime, decodeTimestamp
	return c.precision("timestamp", " without time zone", modifier)
}

func prepareTimestampTZ(c *columnType, modifier int32) error {
	c.typ.Kind, c.decode = changelog.KindTimestamp, decodeTimestampTZ
	return c.precision("timestamp", " with time zone", modifier)
}

// precision takes the modifier of a time: its digits after the point, 6 without one.
func (c *columnType) precision(name, zone string, modifier int32) error {
	c.typ.FSP, c.unit = 6, 1
	if modifier < 0 {
		return nil
	}
	if modifier > 6 {
		return fmt.Errorf("the modifier %d of a %s", modifier, name)
	}
	c.typ.FSP = int(modifier)
	for range 6 - modifier {
		c.unit *= 10
	}
	c.source = name + "(" + strconv.Itoa(c.typ.FSP) + ")" + zone
	return nil
}

func decodeDate(c *columnType, text []byte, dst *changelog.Value, _ *changelog.Batch) error {
	if positive, ok := infinity(text); ok {
		*dst = changelog.Infinite(changelog.KindDate, positive)
		return nil
	}
	rest, bc := cutBC(text)
	days, rest, ok := readDate(rest, bc)
	if !ok || len(rest) > 0 {
		return malformed(text, c.source)
	}
	*dst = changelog.Date(days)
	return nil
}

func decodeTime(c *columnType, text []byte, dst *changelog.Value, _ *changelog.Batch) error {
	micros, rest, ok := readClock(text)
	if !ok || len(rest) > 0 || micros > microsecondsPerDay || micros%c.unit != 0 {
		return malformed(text, c.source)
	}
	*dst = changelog.Time(micros)
	return nil
}

func decodeTimeTZ(c *columnType, text []byte, dst *changelog.Value, _ *changelog.Batch) error {
	micros, rest, ok := readClock(text)
	if !ok || micros > microsecondsPerDay || micros%c.unit != 0 {
		return malformed(text, c.source)
	}
	offset, ok := readOffset(rest)
	if !ok {
		return malformed(text, c.source)
	}
	*dst = changelog.TimeTZ(micros, offset)
	return nil
}

func decodeTimestamp(c *columnType, text []byte, dst *changelog.Value, _ *changelog.Batch) error {
	if micros, rest, ok := c.plainTimestamp(text); ok && len(rest) == 0 {
		*dst = changelog.DateTime(micros)
		return nil
	}
	if positive, ok := infinity(text); ok {
		*dst = changelog.Infinite(changelog.KindDateTime, positive)
		return nil
	}
	rest, bc := cutBC(text)
	micros, rest, err := c.readTimestamp(rest, bc)
	if err != nil || len(rest) > 0 {
		return orMalformed(err, text, c.source)
	}
	*dst = changelog.DateTime(micros)
	return nil
}

// decodeTimestampTZ expects the offset that the session's zone has at that time; it is exact for any offset.
func decodeTimestampTZ(c *columnType, text []byte, dst *changelog.Value, _ *changelog.Batch) error {
	if micros, rest, ok := c.plainTimestamp(text); ok && string(rest) == "+00" { // as our sessions have it
		*dst = changelog.Timestamp(micros)
		return nil
	}
	if positive, ok := infinity(text); ok {
		*dst = changelog.Infinite(changelog.KindTimestamp, positive)
		return nil
	}
	rest, bc := cutBC(text)
	micros, rest, err := c.readTimestamp(rest, bc)
	offset, ok := readOffset(rest)
	if err != nil || !ok {
		return orMalformed(err, text, c.source)
	}
	*dst = changelog.Timestamp(micros - int64(offset)*microsecondsPerSecond)
	return nil
}

func orMalformed(err error, text []byte, source string) error {
	if err != nil {
		return fmt.Errorf("%w: %w", malformed(text, source), err)
	}
	return malformed(text, source)
}

var (
	errNoTimestamp = errors.New("date and time do not stand there")
	// The server counts from 2000 and reaches the end of the year 294276; we count from 1970, as every format does.
	errTimestampRange = errors.New("a timestamp after 294247-01-08 cannot be counted in microseconds since 1970")
)

// lastCountedDay is the last one of which every microsecond, moved by any offset, has a count since 1970.
const lastCountedDay = math.MaxInt64/microsecondsPerDay - 2

// readTimestamp reads a date, a space and a time of day at the front of p and returns what follows.
func (c *columnType) readTimestamp(p []byte, bc bool) (int64, []byte, error) {
	days, rest, ok := readDate(p, bc)
	if !ok || len(rest) == 0 || rest[0] != ' ' {
		return 0, nil, errNoTimestamp
	}
	micros, rest, ok := readClock(rest[1:])
	if !ok || micros >= microsecondsPerDay || micros%c.unit != 0 {
		return 0, nil, errNoTimestamp
	}
	if days > lastCountedDay || days < -lastCountedDay {
		return 0, nil, errTimestampRange
	}
	return days*microsecondsPerDay + micros, rest, nil
}

// plainTimestamp reads what nearly every timestamp begins with, "2024-05-06 07:08:09" and maybe a fraction, and returns what follows. It is
// not ok with anything that is rare or wrong, which readTimestamp tells apart.
func (c *columnType) plainTimestamp(p []byte) (micros int64, rest []byte, ok bool) {
	const plain = len("2024-05-06 07:08:09")
	if len(p) < plain || p[4] != '-' || p[7] != '-' || p[10] != ' ' || p[13] != ':' || p[16] != ':' {
		return 0, nil, false
	}
	century, year, month, day := twoDigits(p), twoDigits(p[2:]), twoDigits(p[5:]), twoDigits(p[8:])
	if century < 1 || year < 0 || month < 1 || month > 12 || day < 1 || day > 28 && day > daysOf(int32(century*100+year), month) {
		return 0, nil, false
	}
	hour, minute, second := twoDigits(p[11:]), twoDigits(p[14:]), twoDigits(p[17:])
	if uint(hour) > 23 || uint(minute) > 59 || uint(second) > 59 { // what is no digit is below 0
		return 0, nil, false
	}
	fraction, rest, ok := readFraction(p[plain:])
	if !ok || fraction%c.unit != 0 {
		return 0, nil, false
	}
	days := changelog.DaysFromCivil(int32(century*100+year), uint8(month), uint8(day))
	return days*microsecondsPerDay + int64((hour*60+minute)*60+second)*microsecondsPerSecond + fraction, rest, true
}

func infinity(text []byte) (positive, ok bool) {
	switch string(text) {
	case "infinity":
		return true, true
	case "-infinity":
		return false, true
	}
	return false, false
}

func cutBC(text []byte) ([]byte, bool) {
	return bytes.CutSuffix(text, []byte(" BC"))
}

// maxYearDigits is what the last year of a date has, 5874897.
const maxYearDigits = 7

// readDate reads "2024-05-06" at the front of p, with a year of four digits or more, as days since 1970-01-01. There is no
// year 0: 1 BC is the year before 1.
func readDate(p []byte, bc bool) (days int64, rest []byte, ok bool) {
	n := countDigits(p)
	if n < 4 || n > maxYearDigits || n > 4 && p[0] == '0' || len(p) < n+len("-05-06") || p[n] != '-' || p[n+3] != '-' {
		return 0, nil, false
	}
	year := int32(0)
	for _, ch := range p[:n] {
		year = year*10 + int32(ch-'0')
	}
	month, day := twoDigits(p[n+1:]), twoDigits(p[n+4:])
	if year == 0 || month < 1 || month > 12 {
		return 0, nil, false
	}
	if bc {
		year = 1 - year
	}
	if day < 1 || day > daysOf(year, month) {
		return 0, nil, false
	}
	return changelog.DaysFromCivil(year, uint8(month), uint8(day)), p[n+6:], true
}

var monthDays = [13]int{0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31}

// daysOf is the length of a month in an astronomical year.
func daysOf(year int32, month int) int {
	if month == 2 && year%4 == 0 && (year%100 != 0 || year%400 == 0) {
		return 29
	}
	return monthDays[month]
}

// twoDigits reads two digits that p is known to have; -1 when they are none.
func twoDigits(p []byte) int {
	a, b := int(p[0]-'0'), int(p[1]-'0')
	if a > 9 || b > 9 {
		return -1
	}
	return a*10 + b
}

// readClock reads "07:08:09.123" at the front of p as microseconds, with hours up to 99.
func readClock(p []byte) (micros int64, rest []byte, ok bool) {
	if len(p) < len("07:08:09") || p[2] != ':' {
		return 0, nil, false
	}
	hours := twoDigits(p)
	micros, rest, ok = readMinutes(p[3:])
	return int64(hours)*3600*microsecondsPerSecond + micros, rest, ok && hours >= 0
}

// readMinutes reads "08:09.123" at the front of p.
func readMinutes(p []byte) (micros int64, rest []byte, ok bool) {
	if len(p) < len("08:09") || p[2] != ':' {
		return 0, nil, false
	}
	minutes, seconds := twoDigits(p), twoDigits(p[3:])
	if minutes < 0 || minutes > 59 || seconds < 0 || seconds > 59 {
		return 0, nil, false
	}
	fraction, rest, ok := readFraction(p[5:])
	return int64(minutes*60+seconds)*microsecondsPerSecond + fraction, rest, ok
}

// readFraction reads a point and one to six digits at the front of p, as microseconds, where there is a point.
func readFraction(p []byte) (micros int64, rest []byte, ok bool) {
	if len(p) == 0 || p[0] != '.' {
		return 0, p, true
	}
	n, unit := 1, int64(microsecondsPerSecond)
	for ; n < len(p) && p[n]-'0' <= 9; n++ {
		unit /= 10
		micros += int64(p[n]-'0') * unit
	}
	if n < 2 || n > 7 {
		return 0, nil, false
	}
	return micros, p[n:], true
}

// maxOffsetHours is the server's own limit.
const maxOffsetHours = 15

// readOffset reads all of p: "+02", "-03:30" or "+00:19:32", as seconds east of UTC.
func readOffset(p []byte) (seconds int, ok bool) {
	if len(p) != len("+02") && len(p) != len("+02:03") && len(p) != len("+02:03:04") || p[0] != '+' && p[0] != '-' {
		return 0, false
	}
	unit := 3600
	for rest := p[1:]; ; rest = rest[3:] {
		n := twoDigits(rest)
		if n < 0 || unit == 3600 && n > maxOffsetHours || unit < 3600 && n > 59 {
			return 0, false
		}
		seconds += n * unit
		unit /= 60
		if len(rest) == 2 {
			break
		}
		if rest[2] != ':' {
			return 0, false
		}
	}
	if p[0] == '-' {
		seconds = -seconds
	}
	return seconds, true
}
