package kafka

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"cdcbridge/changelog"
)

// logged is a change as a log has it.
type logged struct {
	number int
	change changelog.Change
	txn    changelog.Txn
	run    changelog.Run
}

// readAgain lets the changes of a partition through deduplication as the writer wrote them, and gives the numbers of those that stay.
func readAgain(t *rapid.T, changes []logged, restarts bool) (stayed []int) {
	p := partitionAt(0)
	s := &stream{topics: map[string]*topicParts{"t": {count: 1}}}
	for _, c := range changes {
		b := new(changelog.Batch)
		b.Txns, b.Changes = append(b.Txns, c.txn), append(b.Changes, c.change)
		run := c.run
		run.To = 1
		b.Runs = append(b.Runs, run)
		if dropped := s.dropRepeated(p, b, mark{}); dropped != 1-len(b.Changes) {
			t.Fatalf("%d dropped, %d left", dropped, len(b.Changes))
		}
		if len(b.Changes) > 0 {
			stayed = append(stayed, c.number)
		}
		if restarts && rapid.IntRange(0, 3).Draw(t, "restart") == 0 {
			var again repeats
			if err := again.restore(p.repeats.state()); err != nil {
				t.Fatal(err)
			}
			p.repeats = again
		}
	}
	return stayed
}

// writeAgain is what a writer writes that fails now and then, and goes on from a place before, at the begin of a transaction.
func writeAgain(t *rapid.T, log []logged) (written []logged, repeats int) {
	failures := rapid.IntRange(0, 4).Draw(t, "failures")
	for at, done := 0, 0; ; {
		upTo := len(log)
		if failures > 0 {
			upTo = rapid.IntRange(at, len(log)).Draw(t, "written up to")
		}
		written = append(written, log[at:upTo]...)
		repeats += max(0, min(done, upTo)-at)
		if done = max(done, upTo); failures == 0 {
			return written, repeats
		}
		failures--
		at = rapid.IntRange(0, upTo).Draw(t, "goes on from")
		for at > 0 && at < len(log) && log[at].txn.Commit == log[at-1].txn.Commit {
			at--
		}
	}
}

// history makes transactions of a table, by a clock that does not always go on.
func history(t *rapid.T, from int, clock *int64, place func(c *logged, txn, row int)) (log []logged) {
	table := keyed("t")
	rows := map[int64]changelog.Row{}
	for txn := range rapid.IntRange(1, 8).Draw(t, "transactions") {
		*clock += rapid.Int64Range(1, 5).Draw(t, "ticks")
		for row := range rapid.IntRange(1, 3).Draw(t, "rows") {
			id := rapid.Int64Range(1, 3).Draw(t, "id")
			is := rowOf(id, rapid.SampledFrom([]string{"a", "b"}).Draw(t, "v"))
			c := logged{number: from + len(log), txn: changelog.Txn{Commit: *clock, First: true, Last: true}, run: changelog.Run{Table: table}}
			switch was, there := rows[id]; {
			case !there:
				c.change = changelog.Change{Op: changelog.Insert, After: is}
				rows[id] = is
			case rapid.Bool().Draw(t, "delete"):
				c.change = changelog.Change{Op: changelog.Delete, Before: was}
				delete(rows, id)
			default:
				c.change = changelog.Change{Op: changelog.Update, Before: was, After: is}
				rows[id] = is
			}
			place(&c, txn, row)
			log = append(log, c)
		}
	}
	return log
}

// TestRepeatsByPlace: of messages that say their place every change stays once, in the order of the log.
func TestRepeatsByPlace(t *testing.T) {
	places := map[string]func(c *logged, txn, row int){
		"mysql": func(c *logged, txn, row int) {
			c.run.File, c.run.Pos, c.change.RowInEvent = fmt.Sprintf("binlog.%06d", 9+txn/4), uint64(1000+txn*100), int32(row)
		},
		"mysql with GTIDs": func(c *logged, txn, row int) {
			c.run.File, c.run.Pos, c.change.RowInEvent = "binlog.000009", uint64(1000+txn*100), int32(row)
			c.txn.Origin.GTID = fmt.Sprintf("3e11fa47-71ca-11e1-9e33-c80aa9429562:%d", txn+1)
		},
		"postgresql": func(c *logged, txn, row int) {
			c.txn.Origin.LastCommit, c.change.Pos = uint64(1000+txn*100), uint64(5000-txn*10+row)
		},
	}
	for name, place := range places {
		t.Run(name, rapid.MakeCheck(func(t *rapid.T) {
			clock := int64(1_000_000)
			log := history(t, 0, &clock, place)
			written, _ := writeAgain(t, log)
			stayed := readAgain(t, written, true)
			want := make([]int, len(log))
			for i := range want {
				want[i] = i
			}
			if !slices.Equal(stayed, want) {
				t.Fatalf("of %d changes, written as %s, stayed %v", len(log), numbersOf(written), stayed)
			}
		}))
	}
}

func numbersOf(log []logged) (text string) {
	for _, c := range log {
		text += fmt.Sprintf(" %d", c.number)
	}
	return text
}

// TestNewLogs: a log that begins anew, and one of another server, have places that there were before. All of their changes are new.
func TestNewLogs(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		clock := int64(1_000_000)
		gtids := rapid.Bool().Draw(t, "GTIDs")
		var log []logged
		for n := range rapid.IntRange(2, 4).Draw(t, "logs") {
			uuid := rapid.IntRange(0, 1).Draw(t, "server")
			log = append(log, history(t, len(log), &clock, func(c *logged, txn, row int) {
				c.run.File, c.run.Pos, c.change.RowInEvent = "binlog.000001", uint64(100+txn*10), int32(row)
				if gtids {
					c.txn.Origin.GTID = fmt.Sprintf("%d:%d", uuid, n*100+txn)
				}
			})...)
		}
		if stayed := readAgain(t, log, true); len(stayed) != len(log) {
			t.Fatalf("of %d new changes stayed %v", len(log), stayed)
		}
	})
}

// TestRowsOfOneRecord: PostgreSQL logs the rows of a COPY in one record. Where a writer failed between them, the rest is new.
func TestRowsOfOneRecord(t *testing.T) {
	var log []logged
	for i := range 10 {
		log = append(log, logged{
			number: i, change: changelog.Change{Op: changelog.Insert, After: rowOf(int64(i), "a"), Pos: 50},
			txn: changelog.Txn{Commit: 1, Origin: changelog.Origin{LastCommit: 10}}, run: changelog.Run{Table: keyed("t")},
		})
	}
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(0, 10).Draw(t, "written")
		if stayed := readAgain(t, append(slices.Clone(log[:n]), log...), true); len(stayed) != 10 {
			t.Fatalf("after %d of 10: %v", n, stayed)
		}
	})
}

// TestRepeatsWithoutPlace: of Canal's messages what is dropped has been there, and dropping it leaves every row as it is. Messages
// with GTIDs are dropped by transactions.
func TestRepeatsWithoutPlace(t *testing.T) {
	for _, gtids := range []bool{false, true} {
		dropped, repeated := 0, 0
		t.Run(fmt.Sprintf("gtids %v", gtids), rapid.MakeCheck(func(t *rapid.T) {
			clock := int64(0)
			log := history(t, 0, &clock, func(c *logged, txn, _ int) {
				c.txn.Commit = clock / 8 * 1_000_000 // whole seconds
				c.txn.Origin.Built, c.txn.Origin.Batch = 1, 1
				if gtids {
					c.txn.Origin.Executed = uint64(500 + txn)
				}
			})
			written, again := writeAgain(t, log)
			stayed := readAgain(t, written, true)
			repeated, dropped = repeated+again, dropped+len(written)-len(stayed)
			want, got := map[int64]string{}, map[int64]string{}
			for i := range log {
				foldLogged(want, &log[i])
			}
			seen := map[int]bool{}
			for _, n := range stayed {
				foldLogged(got, &log[n])
				seen[n] = true
			}
			if !maps.Equal(want, got) {
				t.Fatalf("%v is left of%s, want %v; stayed %v", got, numbersOf(written), want, stayed)
			}
			if len(seen) != len(log) {
				t.Fatalf("of%s stayed %v: something is lost", numbersOf(written), stayed)
			}
		}))
		if dropped*4 < repeated {
			t.Errorf("gtids %v: %d of %d repetitions were dropped", gtids, dropped, repeated)
		}
	}
}

func foldLogged(rows map[int64]string, c *logged) {
	if c.change.Op == changelog.Delete {
		delete(rows, c.change.Before[0].Int())
		return
	}
	rows[c.change.After[0].Int()] = string(c.change.After[1].Bytes())
}

func TestSeenIsBounded(t *testing.T) {
	var r repeats
	for i := range int64(10_000) {
		s := sighting{
			run: &changelog.Run{Table: keyed(fmt.Sprint("t", i%200)), File: "binlog.000001", Pos: uint64(i)}, alone: true,
			txn: &changelog.Txn{Commit: 5, Origin: changelog.Origin{Built: i % 2}}, change: &changelog.Change{Op: changelog.Insert, After: rowOf(i, "a")},
		}
		r.saw(&s)
		s.run.File = ""
		r.saw(&s)
	}
	if text := r.state(); len(text) > 120_000 || len(r.logs) > maxSeenTables {
		t.Errorf("a state of %d bytes, %d tables", len(text), len(r.logs))
	}
	for _, bad := range []string{`x`, `{"rows":"AAAA"}`} {
		if err := new(repeats).restore([]byte(bad)); err == nil {
			t.Errorf("%s was taken", bad)
		}
	}
}

// TestSeenAllocatesNothing: deduplication looks at every row.
func TestSeenAllocatesNothing(t *testing.T) {
	for name, s := range map[string]*sighting{
		"a place":  {run: &changelog.Run{File: "binlog.000001"}, txn: &changelog.Txn{Origin: changelog.Origin{GTID: "3e11fa47-71ca-11e1-9e33-c80aa9429562:7", Name: "shop"}}},
		"no place": {run: &changelog.Run{}, txn: &changelog.Txn{Origin: changelog.Origin{Built: 1}}},
	} {
		var r repeats
		s.run.Table, s.change, s.alone = keyed("t"), &changelog.Change{Op: changelog.Insert, After: rowOf(1, "a")}, true
		one := func() {
			s.run.Pos++
			s.txn.Commit++
			r.saw(s)
		}
		for range 2 * maxSeenRows {
			one()
		}
		if n := testing.AllocsPerRun(1000, one); n > 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}
