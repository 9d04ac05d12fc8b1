package shape

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"cdcbridge/changelog"
)

// moment reads a constant for a column of a temporal kind: "2024-05-06", "2024-05-06 07:08:09.123", "07:08:09", and for points in time
// with their zone, "2024-05-06 07:08:09Z" or "…+02:00". infinity and -infinity are those of PostgreSQL, 0000-00-00 is the zero of MySQL.
func moment(text string, kind changelog.Kind) (changelog.Value, error) {
	switch {
	case kind == changelog.KindTime:
		return span(text)
	case text == "infinity":
		return changelog.Infinite(kind, true), nil
	case text == "-infinity":
		return changelog.Infinite(kind, false), nil
	case strings.HasPrefix(text, "0000-00-00"):
		return changelog.ZeroParts(kind, changelog.Civil{}), nil
	}
	t, zoned, err := parseTime(strings.Replace(text, "T", " ", 1))
	switch {
	case err != nil:
		return changelog.Value{}, err
	case kind == changelog.KindDate:
		if len(text) != len(time.DateOnly) {
			return changelog.Value{}, errors.New("a date has no time of day")
		}
		return changelog.Date(changelog.DaysFromCivil(int32(t.Year()), uint8(t.Month()), uint8(t.Day()))), nil
	case kind == changelog.KindDateTime && !zoned:
		return changelog.DateTime(t.UnixMicro()), nil
	case kind == changelog.KindTimestamp && zoned:
		return changelog.Timestamp(t.UnixMicro()), nil
	case zoned:
		return changelog.Value{}, errors.New("the column has no zone")
	}
	return changelog.Value{}, errors.New("say in which zone: end it with Z, or with an offset such as +02:00")
}

func parseTime(text string) (t time.Time, zoned bool, err error) {
	for _, layout := range []string{time.DateOnly, "2006-01-02 15:04:05", "2006-01-02 15:04"} {
		if t, err = time.Parse(layout, text); err == nil {
			return t, false, nil
		}
		for _, zone := range []string{"Z07:00", "Z07"} {
			if t, err = time.Parse(layout+zone, text); err == nil {
				return t, true, nil
			}
		}
	}
	return t, false, errors.New("it is not of the form 2024-05-06 07:08:09")
}

// span reads a time of day, or one of MySQL's times of up to 838 hours.
func span(text string) (changelog.Value, error) {
	rest, negative := strings.CutPrefix(text, "-")
	var h, m, s int64
	whole, fraction, _ := strings.Cut(rest, ".")
	if _, err := fmt.Sscanf(whole+"|", "%d:%d:%d|", &h, &m, &s); err != nil || h < 0 || h > 838 || m < 0 || m > 59 || s < 0 || s > 59 || strings.Trim(whole, "0123456789:") != "" {
		return changelog.Value{}, errors.New("it is not of the form 07:08:09")
	}
	micros := int64(0)
	if fraction != "" {
		if len(fraction) > 6 || strings.Trim(fraction, "0123456789") != "" {
			return changelog.Value{}, errors.New("a second has at most six digits behind its point")
		}
		if _, err := fmt.Sscanf((fraction + "000000")[:6], "%d", &micros); err != nil {
			return changelog.Value{}, fmt.Errorf("reading its fraction: %w", err)
		}
	}
	micros += ((h*60+m)*60 + s) * 1_000_000
	if negative {
		micros = -micros
	}
	return changelog.Time(micros), nil
}
