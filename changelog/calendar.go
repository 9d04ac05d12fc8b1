package changelog

// Civil is a date and time of day split into its parts. It has no zone.
type Civil struct {
	Year                 int32 // astronomical: 0 is 1 BC
	Month, Day           uint8 // 1-12, 1-31; zero in MySQL's zero dates
	Hour, Minute, Second uint8
	Micro                uint32
}

const (
	microsPerSecond = 1_000_000
	microsPerDay    = 86_400 * microsPerSecond
)

// pack stores c in 64 bits: 18 year (biased), 4 month, 5 day, 5 hour, 6 minute, 6 second, 20 microseconds.
func (c Civil) pack() uint64 {
	return uint64(uint32(c.Year+1<<17))<<46 | uint64(c.Month)<<42 | uint64(c.Day)<<37 |
		uint64(c.Hour)<<32 | uint64(c.Minute)<<26 | uint64(c.Second)<<20 | uint64(c.Micro)
}

func unpackCivil(n uint64) Civil {
	return Civil{
		Year: int32(n>>46) - 1<<17, Month: uint8(n >> 42 & 15), Day: uint8(n >> 37 & 31),
		Hour: uint8(n >> 32 & 31), Minute: uint8(n >> 26 & 63), Second: uint8(n >> 20 & 63), Micro: uint32(n & (1<<20 - 1)),
	}
}

// Civil splits a date, date-time or timestamp into its parts; a timestamp in UTC. It is meaningless for infinities.
func (v Value) Civil() Civil {
	if v.form == FormZeroParts {
		return unpackCivil(v.n)
	}
	if v.kind == KindDate {
		return CivilFromDays(v.Int())
	}
	return CivilFromMicros(v.Int())
}

// CivilFromDays converts days since 1970-01-01 in the proleptic Gregorian calendar, of 5.8 million years before and after it.
// Years begin on 1 March, so that the leap day is the last of its year, and divisions are by constants that make them
// multiplications (Neri and Schneider, Euclidean affine functions and their application to calendar algorithms, 2022).
func CivilFromDays(days int64) Civil {
	const eraDays, eras = 146_097, 14_700 // an era has 400 years
	n := uint64(days+719_468+eras*eraDays)*4 + 3
	century, rest := n/eraDays, n%eraDays|3
	const perYear = 2_939_745 // 2^32 / 1461
	scaled := rest * perYear
	dayOfYear := uint32(scaled) / perYear / 4
	month := 2141*dayOfYear + 197_913
	c := Civil{Year: int32(100*int64(century)+int64(scaled>>32)) - 400*eras, Month: uint8(month >> 16), Day: uint8(month&0xFFFF/2141) + 1}
	if dayOfYear >= 306 {
		c.Month, c.Year = c.Month-12, c.Year+1
	}
	return c
}

// DaysFromCivil is the inverse of CivilFromDays. Days beyond the month's end run on into the next month.
func DaysFromCivil(year int32, month, day uint8) int64 {
	y, m := int64(year), int64(month)
	if m <= 2 {
		y--
		m += 12
	}
	era := y / 400
	if y < 0 {
		era = (y - 399) / 400
	}
	yoe := y - era*400
	doy := (153*(m-3)+2)/5 + int64(day) - 1
	doe := yoe*365 + yoe/4 - yoe/100 + doy
	return era*146_097 + doe - 719_468
}

// CivilFromMicros splits microseconds since 1970-01-01 00:00:00.
func CivilFromMicros(micros int64) Civil {
	days := micros / microsPerDay
	rest := micros % microsPerDay
	if rest < 0 {
		days--
		rest += microsPerDay
	}
	c := CivilFromDays(days)
	c.Micro = uint32(rest % microsPerSecond)
	secs := rest / microsPerSecond
	c.Hour, c.Minute, c.Second = uint8(secs/3600), uint8(secs/60%60), uint8(secs%60)
	return c
}

// Micros is the inverse of CivilFromMicros.
func (c Civil) Micros() int64 {
	secs := DaysFromCivil(c.Year, c.Month, c.Day)*86_400 + int64(c.Hour)*3600 + int64(c.Minute)*60 + int64(c.Second)
	return secs*microsPerSecond + int64(c.Micro)
}
