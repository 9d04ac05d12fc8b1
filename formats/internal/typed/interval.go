package typed

import (
	"bytes"
	"errors"
	"math"
	"strconv"

	"cdcbridge/changelog"
)

var errInterval = errors.New("the text is no interval in ISO 8601")

// readInterval reads ISO 8601 with a sign of its own for each part.
func readInterval(v *Values, _ *Column, raw []byte) (changelog.Value, error) {
	p, value, done, err := v.begin(changelog.KindInterval, raw)
	if done {
		return value, err
	}
	var sum parts
	if !p.take('P') || len(p.text) == 0 {
		return changelog.Value{}, errInterval
	}
	rest := p.text
	for clock := false; len(rest) > 0; {
		if rest[0] == 'T' && !clock {
			clock, rest = true, rest[1:]
			continue
		}
		if rest, err = sum.add(rest, clock); err != nil {
			return changelog.Value{}, err
		}
	}
	if sum.months != int64(int32(sum.months)) || sum.days != int64(int32(sum.days)) {
		return changelog.Value{}, errRange
	}
	return changelog.Interval(v.batch.Grab(16), int32(sum.months), int32(sum.days), sum.micros), nil
}

// parts are what an interval comes to.
type parts struct{ months, days, micros int64 }

// add reads one part and gives what follows it.
func (s *parts) add(text []byte, clock bool) ([]byte, error) {
	end := bytes.IndexFunc(text, func(r rune) bool { return (r < '0' || r > '9') && r != '-' && r != '+' && r != '.' })
	if end < 0 {
		end = len(text)
	}
	if end == 0 || end == len(text) {
		return nil, errInterval
	}
	number, unit := text[:end], text[end]
	if clock && unit == 'S' {
		n, err := seconds(number)
		if err != nil {
			return nil, err
		}
		return text[end+1:], plus(&s.micros, n, 1)
	}
	n, err := strconv.ParseInt(view(number), 10, 64)
	sum, of := s.unit(unit, clock)
	if err != nil || sum == nil {
		return nil, errInterval
	}
	return text[end+1:], plus(sum, n, of)
}

// unit tells what a letter counts, before or behind the T: which part, and how many of it.
func (s *parts) unit(letter byte, clock bool) (sum *int64, of int64) {
	if clock {
		switch letter {
		case 'H':
			return &s.micros, 3_600_000_000
		case 'M':
			return &s.micros, 60_000_000
		}
		return nil, 0
	}
	switch letter {
	case 'Y':
		return &s.months, 12
	case 'M':
		return &s.months, 1
	case 'W':
		return &s.days, 7
	case 'D':
		return &s.days, 1
	}
	return nil, 0
}

// plus adds n units, unless that does not fit.
func plus(sum *int64, n, unit int64) error {
	if n > math.MaxInt64/unit || n < math.MinInt64/unit {
		return errRange
	}
	n *= unit
	if n > 0 && *sum > math.MaxInt64-n || n < 0 && *sum < math.MinInt64-n {
		return errRange
	}
	*sum += n
	return nil
}

// seconds reads a number with up to six fraction digits as microseconds.
func seconds(text []byte) (int64, error) {
	whole, fraction, pointed := bytes.Cut(text, []byte{'.'})
	n, err := strconv.ParseInt(view(whole), 10, 64)
	if err != nil || pointed && len(fraction) == 0 || len(fraction) > 6 {
		return 0, errInterval
	}
	micros := int64(0)
	for i := range 6 {
		micros *= 10
		if i < len(fraction) {
			if fraction[i] < '0' || fraction[i] > '9' {
				return 0, errInterval
			}
			micros += int64(fraction[i] - '0')
		}
	}
	if whole[0] == '-' {
		micros = -micros
	}
	err = plus(&micros, n, 1_000_000)
	return micros, err
}
