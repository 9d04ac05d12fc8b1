package canal

import (
	"bytes"
	"errors"
	"fmt"
	"time"

	"cdcbridge/changelog"
)

var (
	errTime   = errors.New("it is no date or time of the column's type")
	errDigits = errors.New("its fraction has more digits than the column")
)

const (
	second = int64(1_000_000)
	day    = 86_400 * second
)

// temporal reads dates and times: Canal's, PostgreSQL's, and ISO 8601.
func (p *parser) temporal(c *cell, text []byte) (changelog.Value, error) {
	t := &c.col.Type
	if c.server && t.Kind != changelog.KindTime && t.Kind != changelog.KindTimeTZ {
		switch string(text) {
		case "infinity":
			return changelog.Infinite(t.Kind, true), nil
		case "-infinity":
			return changelog.Infinite(t.Kind, false), nil
		}
	}
	in := clock{text: text}
	var v changelog.Value
	switch t.Kind {
	case changelog.KindTime, changelog.KindTimeTZ:
		v = in.time(t)
	case changelog.KindInterval:
		return p.interval(text)
	case changelog.KindDate, changelog.KindDateTime, changelog.KindTimestamp:
		var err error
		if v, err = p.moment(&in, c); err != nil {
			return changelog.Value{}, err
		}
	default:
		return changelog.Value{}, fmt.Errorf("kind %d has no text", t.Kind)
	}
	switch {
	case in.bad || len(in.text) > 0:
		return changelog.Value{}, errTime
	case in.digits > t.FSP:
		return changelog.Value{}, errDigits
	}
	return v, nil
}

// moment reads a date, or a date and a time, with an offset from UTC or without.
func (p *parser) moment(in *clock, c *cell) (changelog.Value, error) {
	kind := c.col.Type.Kind
	civil := in.date()
	offset, zoned := 0, false
	if kind != changelog.KindDate {
		in.sep(" T")
		civil.Hour, civil.Minute, civil.Second, civil.Micro = in.clock()
		if kind == changelog.KindTimestamp && len(in.text) > 0 && in.text[0] != ' ' {
			offset, zoned = in.offset(), true
		}
	}
	if bytes.Equal(in.text, []byte(" BC")) && c.server {
		in.text, civil.Year = nil, 1-civil.Year
	}
	if in.bad {
		return changelog.Value{}, errTime
	}
	if odd := civil.Year == 0 || civil.Month == 0 || civil.Day == 0 || civil.Day > monthDays(civil.Year, civil.Month); odd && !c.server {
		return changelog.ZeroParts(kind, civil), nil
	}
	if civil.Month == 0 || civil.Day == 0 || civil.Day > monthDays(civil.Year, civil.Month) {
		return changelog.Value{}, errTime
	}
	switch kind {
	case changelog.KindDate:
		return changelog.Date(changelog.DaysFromCivil(civil.Year, civil.Month, civil.Day)), nil
	case changelog.KindDateTime:
		return changelog.DateTime(civil.Micros()), nil
	}
	local := civil.Micros()
	if zoned || p.zone == nil {
		return changelog.Timestamp(local - int64(offset)*second), nil
	}
	return inZone(local, p.zone)
}

// inZone finds the moment at which the clocks of a zone show a time. When they are set back they show some times twice, when they
// are set forward they pass over some.
func inZone(local int64, zone *time.Location) (changelog.Value, error) {
	offsetAt := func(micros int64) int64 {
		_, offset := time.UnixMicro(micros).In(zone).Zone()
		return int64(offset) * second
	}
	before, after := local-offsetAt(local-day), local-offsetAt(local+day)
	isBefore, isAfter := before+offsetAt(before) == local, after+offsetAt(after) == local
	switch {
	case isBefore && isAfter && before != after:
		return changelog.Value{}, fmt.Errorf("clocks in %s show this time twice: have the writer use UTC", zone)
	case isBefore:
		return changelog.Timestamp(before), nil
	case isAfter:
		return changelog.Timestamp(after), nil
	}
	return changelog.Value{}, fmt.Errorf("clocks in %s never show this time: is it the writer's zone?", zone)
}

func monthDays(year int32, month uint8) uint8 {
	switch month {
	case 2:
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			return 29
		}
		return 28
	case 4, 6, 9, 11:
		return 30
	}
	return 31
}

// clock reads the parts of a text one by one. It notes when it finds something else.
type clock struct {
	text   []byte
	digits int // of the fraction, without zeros at its end
	bad    bool
}

// number reads at least one digit and at most as many.
func (in *clock) number(most int) int {
	n, i := 0, 0
	for ; i < len(in.text) && i < most && in.text[i] >= '0' && in.text[i] <= '9'; i++ {
		n = n*10 + int(in.text[i]-'0')
	}
	in.bad = in.bad || i == 0
	in.text = in.text[i:]
	return n
}

// two reads a number of exactly two digits.
func (in *clock) two(limit int) uint8 {
	if len(in.text) < 2 {
		in.bad = true
		return 0
	}
	before := len(in.text)
	n := in.number(2)
	in.bad = in.bad || n > limit || before-len(in.text) != 2
	return uint8(n)
}

// sep reads one of the characters.
func (in *clock) sep(one string) byte {
	if len(in.text) == 0 || bytes.IndexByte([]byte(one), in.text[0]) < 0 {
		in.bad = true
		return 0
	}
	c := in.text[0]
	in.text = in.text[1:]
	return c
}

// took reports whether the character comes next, and takes it.
func (in *clock) took(c byte) bool {
	if len(in.text) == 0 || in.text[0] != c {
		return false
	}
	in.text = in.text[1:]
	return true
}

// maxYear is beyond what any database has: PostgreSQL ends in 294276 for timestamps and in 5874897 for dates.
const yearDigits = 7

func (in *clock) date() (c changelog.Civil) {
	negative := in.took('-')
	if !negative {
		in.took('+')
	}
	before := len(in.text)
	year := in.number(yearDigits)
	in.bad = in.bad || before-len(in.text) < 4
	if negative {
		year = -year
	}
	c.Year = int32(year)
	in.sep("-")
	c.Month = in.two(12)
	in.sep("-")
	c.Day = in.two(31)
	return c
}

func (in *clock) clock() (hour, minute, sec uint8, micro uint32) {
	hour = in.two(23)
	in.sep(":")
	minute = in.two(59)
	in.sep(":")
	sec = in.two(59)
	return hour, minute, sec, in.fraction()
}

// fraction reads ".120" as microseconds.
func (in *clock) fraction() uint32 {
	if !in.took('.') {
		return 0
	}
	micro, i := uint32(0), 0
	for ; i < len(in.text) && in.text[i] >= '0' && in.text[i] <= '9'; i++ {
		digit := uint32(in.text[i] - '0')
		if digit != 0 {
			in.digits = i + 1
		}
		if i < 6 {
			micro = micro*10 + digit
		}
	}
	in.bad = in.bad || i == 0
	in.text = in.text[i:]
	for ; i < 6; i++ {
		micro *= 10
	}
	return micro
}

// offset reads Z, +02, +05:30 or -00:00:30 as seconds east of UTC.
func (in *clock) offset() int {
	if in.took('Z') {
		return 0
	}
	sign := in.sep("+-")
	secs := int(in.two(23)) * 3600
	if in.took(':') {
		secs += int(in.two(59)) * 60
		if in.took(':') {
			secs += int(in.two(59))
		}
	}
	if sign == '-' {
		return -secs
	}
	return secs
}

// time reads a time of day, or one of MySQL's spans: "-838:59:59.5".
func (in *clock) time(t *changelog.Type) changelog.Value {
	micros := in.span()
	if t.Kind == changelog.KindTime {
		return changelog.Time(micros)
	}
	offset := in.offset()
	in.bad = in.bad || micros < 0 || micros > day
	return changelog.TimeTZ(micros, offset)
}

// span reads hours, minutes, seconds and a fraction as microseconds. Hours beyond PostgreSQL's intervals do not fit.
func (in *clock) span() int64 {
	negative := in.took('-')
	if !negative {
		in.took('+')
	}
	before := len(in.text)
	hours := int64(in.number(10))
	in.bad = in.bad || before-len(in.text) < 2
	in.sep(":")
	minutes := int64(in.two(59))
	in.sep(":")
	secs := int64(in.two(59))
	micros := int64(in.fraction())
	const most = 1<<63 - 1
	total := uint64(min(hours, most/(3600*second)))*uint64(3600*second) + uint64((minutes*60+secs)*second+micros)
	if hours > most/(3600*second) || total > most && (!negative || total > most+1) {
		in.bad = true
	}
	if negative {
		return -int64(total)
	}
	return int64(total)
}
