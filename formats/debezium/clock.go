package debezium

import (
	"bytes"
	"math"
	"strconv"

	"cdcbridge/changelog"
)

// clock reads ISO 8601 from the front of a text.
type clock struct {
	text []byte
	at   int
}

func (p *clock) done() bool { return p.at == len(p.text) }

func (p *clock) take(c byte) bool {
	if p.at < len(p.text) && p.text[p.at] == c {
		p.at++
		return true
	}
	return false
}

// digits reads a number of at least and at most so many digits.
func (p *clock) digits(least, most int) (int64, bool) {
	n, from := int64(0), p.at
	for p.at < len(p.text) && p.text[p.at]-'0' <= 9 && p.at-from < most {
		n = n*10 + int64(p.text[p.at]-'0')
		p.at++
	}
	return n, p.at-from >= least
}

// date reads a year of four digits, or of more with a sign, month and day.
func (p *clock) date() (c changelog.Civil, ok bool) {
	neg := p.take('-')
	if !neg {
		p.take('+')
	}
	year, ok1 := p.digits(4, 9)
	ok1 = p.take('-') && ok1
	month, ok2 := p.digits(2, 2)
	ok2 = p.take('-') && ok2
	day, ok3 := p.digits(2, 2)
	if neg {
		year = -year
	}
	c = changelog.Civil{Year: int32(year), Month: uint8(month), Day: uint8(day)}
	if !ok1 || !ok2 || !ok3 || month < 1 || month > 12 || day < 1 || day > 31 {
		return c, false
	}
	return c, day <= 28 || changelog.CivilFromDays(changelog.DaysFromCivil(c.Year, c.Month, c.Day)).Month == c.Month
}

// instant reads a date and a time of day as microseconds since 1970.
func (p *clock) instant() (int64, error) {
	civil, ok := p.date()
	if !ok || !p.take('T') && !p.take(' ') {
		return 0, errNoTime
	}
	n, ok := p.time()
	if !ok || n >= microsPerDay {
		return 0, errNoTime
	}
	days := changelog.DaysFromCivil(civil.Year, civil.Month, civil.Day)
	const most = math.MaxInt64 / microsPerDay
	if days < 0 { // counted from the day's end, which is nearer
		days, n = days+1, n-microsPerDay
	}
	if days > most || days < -most || days == most && n > math.MaxInt64-most*microsPerDay || days == -most && n < math.MinInt64+most*microsPerDay {
		return 0, errRange
	}
	return days*microsPerDay + n, nil
}

// time reads hours of two digits or more, minutes, perhaps seconds, and a fraction, as microseconds.
func (p *clock) time() (int64, bool) {
	hour, ok := p.digits(2, 8)
	if !ok || !p.take(':') {
		return 0, false
	}
	minute, ok := p.digits(2, 2)
	if !ok || minute > 59 {
		return 0, false
	}
	n := (hour*60 + minute) * 60_000_000
	if !p.take(':') { // Java leaves seconds out that are zero
		return n, true
	}
	second, ok := p.digits(2, 2)
	fraction, whole := p.fraction()
	return n + second*1_000_000 + fraction, ok && whole && second < 60
}

// fraction reads a point and digits as microseconds. What is less than one must be zero.
func (p *clock) fraction() (int64, bool) {
	if !p.take('.') {
		return 0, true
	}
	from := p.at
	n, ok := p.digits(1, 6)
	for range 6 - (p.at - from) {
		n *= 10
	}
	for p.at < len(p.text) && p.text[p.at]-'0' <= 9 {
		ok = ok && p.text[p.at] == '0'
		p.at++
	}
	return n, ok
}

// offset reads Z, or the offset east of UTC in seconds.
func (p *clock) offset() (int, bool) {
	if p.take('Z') {
		return 0, true
	}
	neg := p.take('-')
	if !neg && !p.take('+') {
		return 0, false
	}
	hour, ok := p.digits(2, 2)
	n := hour * 3600
	for _, size := range [...]int64{60, 1} {
		if p.take(':') {
			part, whole := p.digits(2, 2)
			ok = ok && whole && part < 60
			n += part * size
		}
	}
	if neg {
		n = -n
	}
	return int(n), ok && n < 86_400 && n > -86_400
}

// isoUnit is a letter of an interval, on either side of the T.
type isoUnit struct {
	unit  byte
	clock bool
}

// isoUnits are what one of each is.
var isoUnits = map[isoUnit]struct{ months, days, micros int64 }{
	{'Y', false}: {months: 12}, {'M', false}: {months: 1}, {'W', false}: {days: 7}, {'D', false}: {days: 1},
	{'H', true}: {micros: 3_600_000_000}, {'M', true}: {micros: 60_000_000}, {'S', true}: {micros: 1_000_000},
}

// interval reads P1Y2M3DT4H5M6.78S, of which each part can be missing and have a sign.
func (p *clock) interval() (months, days int32, micros int64, ok bool) {
	var m, d int64
	ok = p.take('P') && !p.done()
	clock := false
	for ok && !p.done() {
		if !clock && p.take('T') {
			clock = true
			continue
		}
		n, fraction, unit, whole := p.part()
		part, known := isoUnits[isoUnit{unit, clock}]
		if !known || !whole || fraction != 0 && unit != 'S' {
			return 0, 0, 0, false
		}
		m, d = m+n*part.months, d+n*part.days
		if micros, known = addTimes(micros, n, part.micros, fraction); !known {
			return 0, 0, 0, false
		}
	}
	if m != int64(int32(m)) || d != int64(int32(d)) {
		return 0, 0, 0, false
	}
	return int32(m), int32(d), micros, ok
}

// addTimes gives sum + n·size + more; false: it does not fit.
func addTimes(sum, n, size, more int64) (int64, bool) {
	product := n * size
	if size != 0 && product/size != n {
		return 0, false
	}
	for _, add := range [...]int64{product, more} {
		next := sum + add
		if (next > sum) != (add > 0) && add != 0 {
			return 0, false
		}
		sum = next
	}
	return sum, true
}

// part reads a number with its sign, its fraction as millionths with the same sign, and the letter behind them.
func (p *clock) part() (n, fraction int64, unit byte, ok bool) {
	neg := p.take('-')
	end := bytes.IndexAny(p.text[p.at:], "YMWDHS.")
	if end <= 0 || end > 13 {
		return 0, 0, 0, false
	}
	n, err := strconv.ParseInt(view(p.text[p.at:p.at+end]), 10, 64)
	if err != nil || p.text[p.at] == '+' || p.text[p.at] == '-' {
		return 0, 0, 0, false
	}
	p.at += end
	fraction, ok = p.fraction()
	if neg {
		n, fraction = -n, -fraction
	}
	if p.done() {
		return 0, 0, 0, false
	}
	unit = p.text[p.at]
	p.at++
	return n, fraction, unit, ok
}
