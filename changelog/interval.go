package changelog

// ComparableInterval gives the days and microseconds by which PostgreSQL compares intervals: a month has 30 days and a day
// 24 hours. Intervals that are one key there, as "1 mon", "30 days" and "720:00:00" are, give the same. The microseconds
// are less than a day and have the sign of the days.
func ComparableInterval(months, days int32, micros int64) (wholeDays, rest int64) {
	wholeDays = int64(months)*30 + int64(days) + micros/microsPerDay
	rest = micros % microsPerDay
	switch {
	case wholeDays > 0 && rest < 0:
		wholeDays, rest = wholeDays-1, rest+microsPerDay
	case wholeDays < 0 && rest > 0:
		wholeDays, rest = wholeDays+1, rest-microsPerDay
	}
	return wholeDays, rest
}

// IntervalMicros gives an interval in microseconds with a month of 30.4375 days, the mean of the calendar. False: it does
// not fit.
func IntervalMicros(months, days int32, micros int64) (int64, bool) {
	const (
		secondsPerDay = 86_400
		monthRest     = 37_800 // seconds of 0.4375 days
		most          = 1<<63/microsPerSecond - 1
	)
	secs := (int64(months)*30+int64(days))*secondsPerDay + int64(months)*monthRest + micros/microsPerSecond
	if secs > most || secs < -most {
		return 0, false
	}
	return secs*microsPerSecond + micros%microsPerSecond, true
}
