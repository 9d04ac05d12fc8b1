package kafka

import (
	"fmt"
	"time"

	"cdcbridge/changelog"
	"cdcbridge/internal/fault"
)

// eventTimes finds the event times of changes.
type eventTimes struct {
	from   string
	column string

	table *changelog.Table // the last one, and where its column is
	at    int
}

// of gives the greatest event time of the changes that were read from one record: those of the batch from number first on. timestamp is the record's,
// in milliseconds. The result is in microseconds since the Unix epoch; false: there is none. As in Flink, a record without changes (a tombstone behind its delete, a
// heartbeat) has none, and a NULL is none.
func (e *eventTimes) of(b *changelog.Batch, first int, timestamp int64) (int64, bool, error) {
	if first >= len(b.Changes) {
		return 0, false, nil
	}
	switch e.from {
	case timeOfRecord:
		return timestamp * 1000, true, nil
	case timeOfColumn:
		return e.ofColumn(b, first)
	}
	micros := b.Runs[len(b.Runs)-1].Time
	return micros, micros != 0, nil
}

func (e *eventTimes) ofColumn(b *changelog.Batch, first int) (newest int64, found bool, err error) {
	for i := len(b.Runs) - 1; i >= 0 && b.Runs[i].To > first; i-- {
		run := &b.Runs[i]
		if err := e.find(run.Table); err != nil {
			return 0, false, err
		}
		for n := max(first, run.From); n < run.To; n++ {
			micros, said, err := e.ofRow(&b.Changes[n])
			if err != nil {
				return 0, false, err
			}
			if said && (!found || micros > newest) {
				newest, found = micros, true
			}
		}
	}
	return newest, found, nil
}

// find looks the column up.
func (e *eventTimes) find(t *changelog.Table) error {
	if t == e.table {
		return nil
	}
	for i := range t.Columns {
		if t.Columns[i].Name == e.column {
			e.table, e.at = t, i
			return nil
		}
	}
	return fault.NewFinal(fault.Config, "reading event times", fmt.Errorf("table %s has no column %s", t.FullName(), e.column),
		"Set watermark.column to a column that every table has, or watermark.from to source or record.")
}

// ofRow gives the time in the newest image that a change has.
func (e *eventTimes) ofRow(ch *changelog.Change) (int64, bool, error) {
	row := ch.After
	if row == nil {
		row = ch.Before
	}
	if e.at >= len(row) {
		return 0, false, nil
	}
	v := row[e.at]
	switch v.Kind() {
	case changelog.KindNull, changelog.KindUnchanged:
		return 0, false, nil
	case changelog.KindDate:
		if v.Form() == changelog.FormNormal {
			return v.Int() * 24 * time.Hour.Microseconds(), true, nil
		}
	case changelog.KindDateTime, changelog.KindTimestamp:
		if v.Form() == changelog.FormNormal {
			return v.Int(), true, nil
		}
	case changelog.KindInt:
		return ofMillis(v.Int())
	case changelog.KindUint:
		return ofMillis(int64(min(v.Uint(), farthest)))
	case changelog.KindString:
		if micros, ok := parseTime(v.Bytes()); ok {
			return micros, true, nil
		}
	default:
	}
	if v.Form() != changelog.FormNormal {
		return 0, false, nil // an infinity or a zero date is no point in time
	}
	return 0, false, fault.NewFinal(fault.Config, "reading event times", fmt.Errorf("column %s of table %s holds no time: %.100q", e.column, e.table.FullName(), v.Bytes()),
		"Event times are dates, timestamps, texts such as 2024-05-06T07:08:09Z, or milliseconds since 1970: set watermark.column to such a column, or watermark.from to source or record.")
}

func ofMillis(n int64) (int64, bool, error) {
	return min(max(n, -farthest/1000), farthest/1000) * 1000, true, nil
}

// parseTime reads a time as ISO 8601 or SQL have it, in UTC unless it says its zone, as microseconds since the Unix epoch.
func parseTime(text []byte) (int64, bool) {
	const blank, longest = len("2006-01-02"), len("2006-01-02 15:04:05.999999999 +00:00")
	if len(text) > longest {
		return 0, false
	}
	var buf [longest]byte
	s := buf[:copy(buf[:], text)]
	if len(s) > blank && s[blank] == ' ' {
		s[blank] = 'T'
	}
	for _, layout := range [...]string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999", "2006-01-02T15:04:05.999999999Z07", "2006-01-02"} {
		if t, err := time.Parse(layout, string(s)); err == nil {
			return t.UnixMicro(), true
		}
	}
	return 0, false
}
