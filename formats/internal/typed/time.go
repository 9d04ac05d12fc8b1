package typed

import (
	"errors"

	"cdcbridge/changelog"
)

var errFraction = errors.New("the time has more fraction digits than the column")

const microsPerDay = 86_400_000_000

// lastYear is the last whole one that 64 bits of microseconds since 1970 reach.
const lastYear = 294_246

// begin starts to read a text that is a time, or finds an infinity.
func (v *Values) begin(kind changelog.Kind, raw []byte) (c clock, _ changelog.Value, done bool, err error) {
	text, err := v.peek(raw)
	if err != nil {
		return c, changelog.Value{}, true, err
	}
	switch string(text) {
	case "infinity":
		return c, changelog.Infinite(kind, true), true, nil
	case "-infinity":
		return c, changelog.Infinite(kind, false), true, nil
	}
	return clock{text: text}, changelog.Value{}, false, nil
}

// zero reports a date that is none, as MySQL has them: a part of it is zero, or the month has no such day.
func (c *Column) zero(d changelog.Civil) bool {
	return c.zeros && (d.Year == 0 || !calendar(d))
}

func readDate(v *Values, c *Column, raw []byte) (changelog.Value, error) {
	p, value, done, err := v.begin(changelog.KindDate, raw)
	if done {
		return value, err
	}
	d := p.date()
	switch {
	case !p.done():
	case c.zero(d):
		return changelog.ZeroParts(changelog.KindDate, d), nil
	case calendar(d):
		return changelog.Date(changelog.DaysFromCivil(d.Year, d.Month, d.Day)), nil
	}
	return changelog.Value{}, errTime
}

// moment reads a date, T or a blank, and a time of day.
func (c *Column) moment(p *clock) (changelog.Civil, error) {
	d := p.date()
	if !p.take('T') {
		p.must(' ')
	}
	n := p.span(2)
	if n >= microsPerDay {
		p.bad = true
	}
	if p.bad || !c.zero(d) && !calendar(d) {
		return d, errTime
	}
	if d.Year > lastYear || d.Year < -lastYear {
		return d, errRange
	}
	if !c.fits(n) {
		return d, errFraction
	}
	d.Hour, d.Minute = uint8(n/3_600_000_000), uint8(n/60_000_000%60)
	d.Second, d.Micro = uint8(n/1_000_000%60), uint32(n%1_000_000)
	return d, nil
}

// fits reports that the column has room for the fraction.
func (c *Column) fits(micros int64) bool {
	unit := int64(1)
	for i := c.of.Type.FSP; i < 6; i++ {
		unit *= 10
	}
	return micros%unit == 0
}

func readDateTime(v *Values, c *Column, raw []byte) (changelog.Value, error) {
	p, value, done, err := v.begin(changelog.KindDateTime, raw)
	if done {
		return value, err
	}
	d, err := c.moment(&p)
	switch {
	case err != nil:
		return changelog.Value{}, err
	case !p.done():
		return changelog.Value{}, errTime
	case c.zero(d):
		return changelog.ZeroParts(changelog.KindDateTime, d), nil
	}
	return changelog.DateTime(d.Micros()), nil
}

func readTimestamp(v *Values, c *Column, raw []byte) (changelog.Value, error) {
	p, value, done, err := v.begin(changelog.KindTimestamp, raw)
	if done {
		return value, err
	}
	d, err := c.moment(&p)
	if err != nil {
		return changelog.Value{}, err
	}
	offset := p.offset()
	switch {
	case !p.done():
		return changelog.Value{}, errTime
	case c.zero(d):
		return changelog.ZeroParts(changelog.KindTimestamp, d), nil
	}
	return changelog.Timestamp(d.Micros() - int64(offset)*1_000_000), nil
}

// Instant reads an instant in ISO 8601 with its zone, as microseconds since the Unix epoch.
func Instant(text []byte) (micros int64, ok bool) {
	p, c := clock{text: text}, Column{of: &instant}
	d, err := c.moment(&p)
	offset := p.offset()
	return d.Micros() - int64(offset)*1_000_000, err == nil && p.done()
}

var instant = changelog.Column{Type: changelog.Type{Kind: changelog.KindTimestamp, FSP: 6}}

// readTime reads a time of day, or MySQL's span.
func readTime(v *Values, c *Column, raw []byte) (changelog.Value, error) {
	text, err := v.peek(raw)
	if err != nil {
		return changelog.Value{}, err
	}
	p := clock{text: text}
	neg := p.take('-')
	n := p.span(3)
	switch {
	case !p.done() || !c.zeros && (neg || n > microsPerDay):
		return changelog.Value{}, errTime
	case !c.fits(n):
		return changelog.Value{}, errFraction
	case neg:
		n = -n
	}
	return changelog.Time(n), nil
}

func readTimeTZ(v *Values, c *Column, raw []byte) (changelog.Value, error) {
	text, err := v.peek(raw)
	if err != nil {
		return changelog.Value{}, err
	}
	p := clock{text: text}
	n := p.span(2)
	offset := p.offset()
	switch {
	case !p.done() || n > microsPerDay:
		return changelog.Value{}, errTime
	case !c.fits(n):
		return changelog.Value{}, errFraction
	}
	return changelog.TimeTZ(n, offset), nil
}
