package canal

import (
	"time"

	"cdcbridge/changelog"
)

// appendInfinity appends PostgreSQL's words for the values that are no point in time, and reports whether v is one.
func appendInfinity(dst []byte, v *changelog.Value) ([]byte, bool) {
	switch v.Form() {
	case changelog.FormPosInf:
		return append(dst, "infinity"...), true
	case changelog.FormNegInf:
		return append(dst, "-infinity"...), true
	}
	return dst, false
}

func appendDate(dst []byte, v *changelog.Value) []byte {
	if dst, infinite := appendInfinity(dst, v); infinite {
		return dst
	}
	return changelog.AppendDate(dst, v.Civil())
}

func appendDateTime(dst []byte, v *changelog.Value, fsp int) []byte {
	if _, form, n, _ := v.Raw(); form == changelog.FormNormal {
		return appendCivil(dst, changelog.CivilFromMicros(int64(n)), fsp)
	}
	if dst, infinite := appendInfinity(dst, v); infinite {
		return dst
	}
	return appendCivil(dst, v.Civil(), fsp)
}

// appendTimestamp prints the wall clock of zone; nil is UTC. A zero timestamp is zero in every zone.
func appendTimestamp(dst []byte, v *changelog.Value, fsp int, zone *time.Location) []byte {
	if zone == nil || v.Form() != changelog.FormNormal {
		return appendDateTime(dst, v, fsp)
	}
	_, offset := time.UnixMicro(v.Int()).In(zone).Zone()
	return appendCivil(dst, changelog.CivilFromMicros(v.Int()+int64(offset)*1_000_000), fsp)
}

func appendCivil(dst []byte, c changelog.Civil, fsp int) []byte {
	if c.Year < 0 || c.Year > 9999 {
		dst = append(changelog.AppendDate(dst, c), ' ')
		return changelog.AppendClock(dst, c, fsp)
	}
	const zeros = "0000-00-00 00:00:00" // as one append: that is most of what a row with times costs
	dst = append(dst, zeros...)
	p := (*[len(zeros)]byte)(dst[len(dst)-len(zeros):])
	year := uint32(c.Year)
	p[0], p[1], p[2], p[3] = byte('0'+year/1000), byte('0'+year/100%10), byte('0'+year/10%10), byte('0'+year%10)
	p[5], p[6], p[8], p[9] = '0'+c.Month/10, '0'+c.Month%10, '0'+c.Day/10, '0'+c.Day%10
	p[11], p[12], p[14], p[15] = '0'+c.Hour/10, '0'+c.Hour%10, '0'+c.Minute/10, '0'+c.Minute%10
	p[17], p[18] = '0'+c.Second/10, '0'+c.Second%10
	return changelog.AppendFraction(dst, c.Micro, fsp)
}
