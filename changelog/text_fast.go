package changelog

// AppendDateTime appends microseconds since 1970-01-01 00:00:00 as "2024-05-06 07:08:09" with the given separator for the space and,
// when fsp > 0, a point and fsp (at most 6) digits of the fraction. It is AppendDate and AppendClock in one, for encoders' inner loops.
func AppendDateTime(dst []byte, micros int64, separator byte, fsp int) []byte {
	const from, to = -62_167_219_200 * microsPerSecond, 253_402_300_800 * microsPerSecond // the years 0 to 9999
	if micros < from || micros >= to {
		c := CivilFromMicros(micros)
		return AppendClock(append(AppendDate(dst, c), separator), c, fsp)
	}
	const zeros = "0000-00-00 00:00:00.000000"
	dst = append(dst, zeros...)
	at := len(dst) - len(zeros)
	p := (*[len(zeros)]byte)(dst[at:])

	// As CivilFromDays, with eras from the year -400 on.
	u := uint64(micros + (719_468+146_097)*microsPerDay)
	days, rest := u/microsPerDay, u%microsPerDay
	const eraDays, perYear = 146_097, 2_939_745
	n := days*4 + 3
	century, scaled := uint32(n/eraDays), (n%eraDays|3)*perYear
	dayOfYear := uint32(scaled) / perYear / 4
	m := 2141*dayOfYear + 197_913
	year, month, day := 100*century+uint32(scaled>>32), m>>16, m&0xFFFF/2141+1
	if dayOfYear >= 306 {
		month, year = month-12, year+1
	}
	year -= 400
	put2((*[2]byte)(p[0:]), year/100)
	put2((*[2]byte)(p[2:]), year%100)
	put2((*[2]byte)(p[5:]), month)
	put2((*[2]byte)(p[8:]), day)
	p[10] = separator
	secs := uint32(rest / microsPerSecond)
	minutes := secs / 60
	put2((*[2]byte)(p[11:]), minutes/60)
	put2((*[2]byte)(p[14:]), minutes%60)
	put2((*[2]byte)(p[17:]), secs-minutes*60)
	if fsp <= 0 {
		return dst[:at+len("0000-00-00 00:00:00")]
	}
	micro := uint32(rest - uint64(secs)*microsPerSecond)
	put2((*[2]byte)(p[20:]), micro/10_000)
	put2((*[2]byte)(p[22:]), micro/100%100)
	put2((*[2]byte)(p[24:]), micro%100)
	return dst[:at+len("0000-00-00 00:00:00.")+min(fsp, 6)]
}

// pairs has the digits of 00 to 99, and room for what an index of seven bits can be.
var pairs = func() (p [128][2]byte) {
	for n := range byte(100) {
		p[n] = [2]byte{'0' + n/10, '0' + n%10}
	}
	return p
}()

func put2(p *[2]byte, n uint32) { *p = pairs[n&127] }
