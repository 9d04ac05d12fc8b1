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

const pairs = "00010203040506070809101112131415161718192021222324252627282930313233343536373839404142434445464748495051525354555657585960616263646566676869707172737475767778798081828384858687888990919293949596979899"

func put2(p *[2]byte, n uint32) {
	p[0], p[1] = pairs[2*n&0xFF], pairs[(2*n+1)&0xFF]
}
