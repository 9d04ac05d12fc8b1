package typed

import (
	"errors"

	"cdcbridge/changelog"
)

var errTime = errors.New("the text is no time as the column has it")

// clock reads the parts of a time.
type clock struct {
	text []byte
	bad  bool
}

func (c *clock) take(b byte) bool {
	if len(c.text) > 0 && c.text[0] == b {
		c.text = c.text[1:]
		return true
	}
	return false
}

func (c *clock) must(b byte) {
	if !c.take(b) {
		c.bad = true
	}
}

// number reads from least to most digits.
func (c *clock) number(least, most int) int64 {
	n, i := int64(0), 0
	for i < len(c.text) && i < most && c.text[i] >= '0' && c.text[i] <= '9' {
		n = n*10 + int64(c.text[i]-'0')
		i++
	}
	if i < least {
		c.bad = true
	}
	c.text = c.text[i:]
	return n
}

// date reads a year with a sign before 0 and after 9999, a month and a day, zeros included.
func (c *clock) date() changelog.Civil {
	neg, pos := c.take('-'), false
	if !neg {
		pos = c.take('+')
	}
	most := 4
	if neg || pos {
		most = 7
	}
	year := int32(c.number(4, most))
	if neg {
		year = -year
	}
	c.must('-')
	month := c.number(2, 2)
	c.must('-')
	day := c.number(2, 2)
	if month > 12 || day > 31 {
		c.bad = true
	}
	return changelog.Civil{Year: year, Month: uint8(month), Day: uint8(day)}
}

// calendar reports a date that is one.
func calendar(v changelog.Civil) bool {
	if v.Month == 0 || v.Day == 0 {
		return false
	}
	if v.Day <= 28 {
		return true
	}
	w := changelog.CivilFromDays(changelog.DaysFromCivil(v.Year, v.Month, v.Day))
	return w.Year == v.Year && w.Month == v.Month && w.Day == v.Day
}

// span reads hours, minutes, seconds and a fraction as microseconds. Fractions of a microsecond are an error, unless they are
// zeros.
func (c *clock) span(hours int) int64 {
	h := c.number(2, hours)
	c.must(':')
	m := c.number(2, 2)
	c.must(':')
	s := c.number(2, 2)
	if m > 59 || s > 59 {
		c.bad = true
	}
	return ((h*60+m)*60+s)*1_000_000 + c.fraction()
}

func (c *clock) fraction() int64 {
	if !c.take('.') {
		return 0
	}
	before := len(c.text)
	n := c.number(1, 6)
	for i := before - len(c.text); i < 6; i++ {
		n *= 10
	}
	for c.take('0') {
	}
	return n
}

// offset reads Z, or a sign, hours and perhaps minutes and seconds, as seconds.
func (c *clock) offset() int {
	if c.take('Z') {
		return 0
	}
	neg := c.take('-')
	if !neg {
		c.must('+')
	}
	n := c.number(2, 2) * 3600
	if c.take(':') {
		n += c.number(2, 2) * 60
	}
	if c.take(':') {
		n += c.number(2, 2)
	}
	if n >= 86_400 {
		c.bad = true
	}
	if neg {
		n = -n
	}
	return int(n)
}

// done reports that everything was read.
func (c *clock) done() bool { return !c.bad && len(c.text) == 0 }
