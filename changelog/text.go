package changelog

import "strconv"

var pow10 = [...]uint32{1, 10, 100, 1000, 10_000, 100_000, 1_000_000}

// AppendDate appends "2024-05-06"; years beyond four digits get a sign as in ISO 8601.
func AppendDate(dst []byte, c Civil) []byte {
	switch {
	case c.Year >= 0 && c.Year <= 9999:
		dst = append2(append2(dst, uint8(c.Year/100)), uint8(c.Year%100))
	case c.Year > 9999:
		dst = strconv.AppendInt(append(dst, '+'), int64(c.Year), 10)
	default:
		dst = append(dst, '-')
		y := -c.Year
		for limit := int32(1000); limit > 1 && y < limit; limit /= 10 {
			dst = append(dst, '0')
		}
		dst = strconv.AppendInt(dst, int64(y), 10)
	}
	dst = append2(append(dst, '-'), c.Month)
	return append2(append(dst, '-'), c.Day)
}

// AppendClock appends "07:08:09" and, when fsp > 0, a point and exactly fsp (at most 6) digits of the fraction.
func AppendClock(dst []byte, c Civil, fsp int) []byte {
	dst = append2(dst, c.Hour)
	dst = append2(append(dst, ':'), c.Minute)
	dst = append2(append(dst, ':'), c.Second)
	return AppendFraction(dst, c.Micro, fsp)
}

// AppendFraction appends a point and the first fsp (0-6) digits of micros; nothing when fsp is 0.
func AppendFraction(dst []byte, micros uint32, fsp int) []byte {
	if fsp <= 0 {
		return dst
	}
	fsp = min(fsp, 6)
	digits := micros / pow10[6-fsp]
	dst = append(dst, '.')
	for i := fsp - 1; i >= 0; i-- {
		dst = append(dst, byte('0'+digits/pow10[i]%10))
	}
	return dst
}

// AppendSpan appends a time value as MySQL prints it: "-838:59:59.123", hours of two digits or more.
func AppendSpan(dst []byte, micros int64, fsp int) []byte {
	u := uint64(micros)
	if micros < 0 {
		dst = append(dst, '-')
		u = -u
	}
	secs := u / microsPerSecond
	if h := secs / 3600; h < 100 {
		dst = append2(dst, uint8(h))
	} else {
		dst = strconv.AppendUint(dst, h, 10)
	}
	dst = append2(append(dst, ':'), uint8(secs/60%60))
	dst = append2(append(dst, ':'), uint8(secs%60))
	return AppendFraction(dst, uint32(u%microsPerSecond), fsp)
}

func append2(dst []byte, n uint8) []byte { return append(dst, '0'+n/10, '0'+n%10) }
