package kafka

import (
	"testing"

	"cdcbridge/changelog"
	"cdcbridge/internal/fault"
)

func text(s string) changelog.Value { return changelog.String([]byte(s)) }

// timed makes a batch with a change before that none of the record's, and one change for each value.
func timed(op changelog.Op, values ...changelog.Value) *changelog.Batch {
	table := &changelog.Table{Name: "orders", Columns: []changelog.Column{{Name: "id"}, {Name: "at"}}}
	b := changelog.NewBatch()
	b.Txns = append(b.Txns, changelog.Txn{First: true, Last: true})
	b.Changes = append(b.Changes, changelog.Change{Op: changelog.Insert, After: changelog.Row{changelog.Int(1), changelog.Int(1 << 50)}})
	b.Runs = append(b.Runs, changelog.Run{Table: table, From: 0, To: 1, Time: 5})
	for i, v := range values {
		ch := changelog.Change{Op: op, After: changelog.Row{changelog.Int(int64(i)), v}}
		if op == changelog.Delete {
			ch.Before, ch.After = ch.After, nil
		}
		b.Changes = append(b.Changes, ch)
		b.Runs = append(b.Runs, changelog.Run{Table: table, From: i + 1, To: i + 2, Time: 1_714_979_289_000_000})
	}
	return b
}

func TestEventTimes(t *testing.T) {
	const at = int64(1_714_979_289_000_000) // 2024-05-06T07:08:09Z
	for _, c := range []struct {
		name string
		from string
		b    *changelog.Batch
		want int64 // 0: none
	}{
		{"source", timeOfSource, timed(changelog.Insert, changelog.Null()), at},
		{"record", timeOfRecord, timed(changelog.Insert, changelog.Null()), 77_000},
		{"no change", timeOfRecord, timed(changelog.Insert), 0},
		{"timestamp", timeOfColumn, timed(changelog.Insert, changelog.Timestamp(at)), at},
		{"wall clock", timeOfColumn, timed(changelog.Update, changelog.DateTime(at)), at},
		{"date", timeOfColumn, timed(changelog.Insert, changelog.Date(19849)), at - (7*3600+8*60+9)*1_000_000},
		{"milliseconds", timeOfColumn, timed(changelog.Insert, changelog.Int(at/1000)), at},
		{"unsigned milliseconds", timeOfColumn, timed(changelog.Insert, changelog.Uint(uint64(at/1000))), at},
		{"ISO", timeOfColumn, timed(changelog.Insert, text("2024-05-06T07:08:09Z")), at},
		{"ISO with a zone", timeOfColumn, timed(changelog.Insert, text("2024-05-06T09:08:09.25+02:00")), at + 250_000},
		{"SQL", timeOfColumn, timed(changelog.Insert, text("2024-05-06 07:08:09.000001")), at + 1},
		{"SQL with a zone", timeOfColumn, timed(changelog.Insert, text("2024-05-06 09:08:09+02")), at},
		{"text of a date", timeOfColumn, timed(changelog.Insert, text("1970-01-02")), 86_400_000_000},
		{"delete", timeOfColumn, timed(changelog.Delete, changelog.Timestamp(at)), at},
		{"the greatest of several", timeOfColumn, timed(changelog.Insert, changelog.Int(3), changelog.Int(9), changelog.Null(), changelog.Int(4)), 9000},
		{"null", timeOfColumn, timed(changelog.Insert, changelog.Null()), 0},
		{"key only", timeOfColumn, timed(changelog.Delete, changelog.Unchanged()), 0},
		{"infinity", timeOfColumn, timed(changelog.Insert, changelog.Infinite(changelog.KindTimestamp, true)), 0},
		{"zero date", timeOfColumn, timed(changelog.Insert, changelog.ZeroParts(changelog.KindDateTime, changelog.Civil{Year: 2024})), 0},
	} {
		e := eventTimes{from: c.from, column: "at"}
		got, found, err := e.of(c.b, 1, 77)
		if err != nil || found != (c.want != 0) || got != c.want {
			t.Errorf("%s: %d, %v, %v; want %d", c.name, got, found, err, c.want)
		}
	}
}

func TestSourcesThatDoNotSayWhen(t *testing.T) {
	b := timed(changelog.Insert, changelog.Null())
	b.Runs[1].Time = 0
	if got, found, err := (&eventTimes{from: timeOfSource}).of(b, 1, 77); got != 0 || found || err != nil {
		t.Errorf("%d, %v, %v", got, found, err)
	}
}

func TestColumnsThatHoldNoTime(t *testing.T) {
	for _, v := range []changelog.Value{text("soon"), text(""), text("2024-13-01"), text("2024-05-06T07:08:09.123456789123456789+02:00Z"), changelog.Bool(true), changelog.Float64(1)} {
		e := eventTimes{from: timeOfColumn, column: "at"}
		if _, _, err := e.of(timed(changelog.Insert, v), 1, 0); !fault.Is(err, fault.Config) {
			t.Errorf("%v: %v", v, err)
		}
	}
	e := eventTimes{from: timeOfColumn, column: "moment"}
	if _, _, err := e.of(timed(changelog.Insert, changelog.Int(1)), 1, 0); !fault.Is(err, fault.Config) || !fault.IsFinal(err) {
		t.Errorf("a table without the column: %v", err)
	}
}

func TestEventTimesAllocateNothing(t *testing.T) {
	e := eventTimes{from: timeOfColumn, column: "at"}
	b := timed(changelog.Insert, text("2024-05-06T07:08:09.123456"))
	if n := testing.AllocsPerRun(100, func() {
		if _, _, err := e.of(b, 1, 0); err != nil {
			t.Fatal(err)
		}
	}); n > 2 {
		t.Errorf("%v allocations a change", n)
	}
}

func FuzzParseTime(f *testing.F) {
	for _, s := range []string{"2024-05-06T07:08:09Z", "2024-05-06 07:08:09.5+02", "1970-01-01", "0000-00-00", "9999-12-31T23:59:59.999999999+14:00", ""} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, s []byte) {
		if micros, ok := parseTime(s); ok && (micros < -farthest || micros > farthest) {
			t.Errorf("%q is %d", s, micros)
		}
	})
}
