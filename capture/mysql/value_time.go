package mysql

import (
	"encoding/binary"
	"errors"
	"strconv"

	"cdcbridge/changelog"
)

// temporal prepares a date or time column. Types with a fraction have its digits (0-6) in their metadata and store it in
// big-endian bytes, two digits a byte.
func (d columnDef) temporal(col *changelog.Column, dec *column) error {
	fsp := 0
	switch d.layout.typ {
	case typeTime2, typeDateTime2, typeTimestamp2:
		fsp = int(d.layout.meta)
		if fsp > 6 {
			return d.bad("%d fraction digits", fsp)
		}
	}
	col.Type.FSP, dec.scale = fsp, fsp
	fraction := (fsp + 1) / 2
	set := func(kind changelog.Kind, name string, width int, f decodeFunc) {
		col.Type.Kind, col.SourceType, dec.width, dec.decode = kind, name, width, f
		if fsp > 0 {
			col.SourceType += "(" + strconv.Itoa(fsp) + ")"
		}
	}
	switch d.layout.typ {
	case typeYear:
		set(changelog.KindInt, "year", 1, decodeYear)
		col.Type.Year, col.Type.Bits = true, 16
	case typeDate, typeNewDate:
		set(changelog.KindDate, "date", 3, decodeDate)
	case typeTime2:
		set(changelog.KindTime, "time", 3+fraction, decodeTime)
	case typeDateTime2:
		set(changelog.KindDateTime, "datetime", 5+fraction, decodeDateTime)
	case typeTimestamp2:
		set(changelog.KindTimestamp, "timestamp", 4+fraction, decodeTimestamp)
	case typeTime:
		set(changelog.KindTime, "time", 3, decodeOldTime)
	case typeDateTime:
		set(changelog.KindDateTime, "datetime", 8, decodeOldDateTime)
	default:
		set(changelog.KindTimestamp, "timestamp", 4, decodeTimestamp)
		if d.layout.typ == typeTimestamp {
			dec.decode = decodeOldTimestamp
		}
	}
	return nil
}

const (
	second = 1_000_000 // microseconds
	minute = 60 * second
	hour   = 60 * minute
	day    = 24 * hour
)

// fractionUnit is how many microseconds one unit of a fraction of 0-3 bytes is.
var fractionUnit = [4]int64{0, 10_000, 100, 1}

var errClock = errors.New("a time of day is out of range")

func decodeYear(_ *column, p []byte, dst *changelog.Value, _ *changelog.Batch) error {
	y := int64(p[0])
	if y != 0 { // 0 is the year 0000, not 1900
		y += 1900
	}
	*dst = changelog.Int(y)
	return nil
}

func decodeDate(_ *column, p []byte, dst *changelog.Value, _ *changelog.Batch) error {
	n := uint32(p[0]) | uint32(p[1])<<8 | uint32(p[2])<<16
	c := changelog.Civil{Year: int32(n >> 9), Month: uint8(n >> 5 & 15), Day: uint8(n & 31)}
	days, exists := calendarDay(c)
	if !exists {
		*dst = changelog.ZeroParts(changelog.KindDate, c)
		return nil
	}
	*dst = changelog.Date(days)
	return nil
}

// decodeTime reads hour, minute and second in 10, 6 and 6 bits with the fraction after them, as one number that is
// negated as a whole and moved so that it is never negative.
func decodeTime(_ *column, p []byte, dst *changelog.Value, _ *changelog.Batch) error {
	fraction := len(p) - 3
	n := int64(bigEndian(p)) - 0x800000<<(8*fraction)
	negative := n < 0
	if negative {
		n = -n
	}
	hms, part := n>>(8*fraction), n&(1<<(8*fraction)-1)
	h, m, s := hms>>12&0x3ff, hms>>6&0x3f, hms&0x3f
	part *= fractionUnit[fraction]
	if m > 59 || s > 59 || part >= second {
		return errClock
	}
	micros := h*hour + m*minute + s*second + part
	if negative {
		micros = -micros
	}
	*dst = changelog.Time(micros)
	return nil
}

// decodeDateTime reads year*13+month in 17 bits, day in 5, hour, minute and second in 5, 6 and 6, then the fraction.
func decodeDateTime(_ *column, p []byte, dst *changelog.Value, _ *changelog.Batch) error {
	n := int64(p[0])<<32 + int64(binary.BigEndian.Uint32(p[1:])) - 0x8000000000
	if n < 0 {
		return errors.New("a DATETIME is negative")
	}
	month := n >> 22
	c := changelog.Civil{Year: int32(month / 13), Month: uint8(month % 13), Day: uint8(n >> 17 & 31),
		Hour: uint8(n >> 12 & 31), Minute: uint8(n >> 6 & 63), Second: uint8(n & 63), Micro: fractionMicros(p[5:])}
	return putDateTime(c, changelog.KindDateTime, dst)
}

func putDateTime(c changelog.Civil, kind changelog.Kind, dst *changelog.Value) error {
	if c.Hour > 23 || c.Minute > 59 || c.Second > 59 || c.Micro >= second {
		return errClock
	}
	days, exists := calendarDay(c)
	if !exists {
		*dst = changelog.ZeroParts(kind, c)
		return nil
	}
	*dst = changelog.DateTime(days*day +
		int64(c.Hour)*hour + int64(c.Minute)*minute + int64(c.Second)*second + int64(c.Micro))
	return nil
}

func fractionMicros(p []byte) uint32 {
	if len(p) == 0 {
		return 0
	}
	return uint32(bigEndian(p)) * uint32(fractionUnit[len(p)])
}

// decodeTimestamp reads seconds since the Unix epoch, UTC, and the fraction. 0 is the zero date, not 1970.
func decodeTimestamp(_ *column, p []byte, dst *changelog.Value, _ *changelog.Batch) error {
	s, part := int64(binary.BigEndian.Uint32(p)), int64(fractionMicros(p[4:]))
	if part >= second {
		return errClock
	}
	putTimestamp(s, part, dst)
	return nil
}

func putTimestamp(s, part int64, dst *changelog.Value) {
	if s == 0 && part == 0 {
		*dst = changelog.ZeroParts(changelog.KindTimestamp, changelog.Civil{})
		return
	}
	*dst = changelog.Timestamp(s*second + part)
}

func decodeOldTimestamp(_ *column, p []byte, dst *changelog.Value, _ *changelog.Batch) error {
	putTimestamp(int64(binary.LittleEndian.Uint32(p)), 0, dst)
	return nil
}

// decodeOldTime reads the signed decimal number hhmmss.
func decodeOldTime(_ *column, p []byte, dst *changelog.Value, _ *changelog.Batch) error {
	n := int64(int32(uint32(p[0])<<8|uint32(p[1])<<16|uint32(p[2])<<24) >> 8)
	sign := int64(1)
	if n < 0 {
		sign, n = -1, -n
	}
	h, m, s := n/10_000, n/100%100, n%100
	if m > 59 || s > 59 {
		return errClock
	}
	*dst = changelog.Time(sign * (h*hour + m*minute + s*second))
	return nil
}

// decodeOldDateTime reads the decimal number YYYYMMDDhhmmss.
func decodeOldDateTime(_ *column, p []byte, dst *changelog.Value, _ *changelog.Batch) error {
	n := binary.LittleEndian.Uint64(p)
	if n > 9999_99_99_99_99_99 {
		return errors.New("a DATETIME is out of range")
	}
	c := changelog.Civil{Year: int32(n / 1e10), Month: uint8(n / 1e8 % 100), Day: uint8(n / 1e6 % 100),
		Hour: uint8(n / 1e4 % 100), Minute: uint8(n / 100 % 100), Second: uint8(n % 100)}
	return putDateTime(c, changelog.KindDateTime, dst)
}

var monthDays = [13]uint8{0, 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31}

// calendarDay counts the days since 1970-01-01 to a date that exists. MySQL also stores zero years, months and days, and with
// ALLOW_INVALID_DATES every day up to 31: those have no count of days, and their parts are all that can be said of them.
func calendarDay(c changelog.Civil) (days int64, exists bool) {
	if c.Year <= 0 || c.Month == 0 || c.Month > 12 || c.Day == 0 || c.Day > monthDays[c.Month] {
		return 0, false
	}
	leap := c.Year%4 == 0 && (c.Year%100 != 0 || c.Year%400 == 0)
	if !leap && c.Month == 2 && c.Day == 29 {
		return 0, false
	}
	return changelog.DaysFromCivil(c.Year, c.Month, c.Day), true
}
