package endtoend

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"cdcbridge/integration/harness"
	"cdcbridge/integration/servers"
)

// TestSnapshotKeyless reads a table without key, with rows that are there many times, while others write to it and the daemon is
// killed: what the topic has read and inserted, less what it has deleted, are the rows of the table, each as often as it is there.
func TestSnapshotKeyless(t *testing.T) {
	t.Parallel()
	kafka := servers.KafkaFor(t, servers.KafkaOptions{})
	shelves(t, func(t *testing.T, s *shelf) {
		began, seed, kills := time.Now(), harness.FreshSeed(t), harness.Longer(4, 40)
		name := "keyless" + s.schema
		table := s.name("bag")
		s.exec(t, "CREATE TABLE "+table+" (a int, b int)")
		if s.schema == "public" {
			s.exec(t, "ALTER TABLE "+table+" REPLICA IDENTITY FULL")
		}
		s.exec(t, "INSERT INTO "+table+" VALUES (0, 0), (1, 1), (2, 2), (3, NULL)")
		for range 10 {
			s.exec(t, "INSERT INTO "+table+" SELECT * FROM "+table)
		}
		config := shelfConfig(kafka, fmt.Sprintf("  - name: %s\n    source: {%s, tables: [%s]}\n    mode: changelog\n    format: debezium-json\n    topic: \"{pipeline}.{table}\"\n", name, s.source, table))
		quiet, writes := make(chan struct{}), 0
		var writer sync.WaitGroup
		writer.Go(func() {
			r := rand.New(rand.NewPCG(seed, 1))
			for ; ; writes++ {
				select {
				case <-quiet:
					return
				case <-time.After(time.Duration(r.IntN(6)) * time.Millisecond):
				}
				sql := fmt.Sprintf("INSERT INTO %s VALUES (%d, 10), (%d, 11)", table, r.IntN(5), r.IntN(5))
				switch r.IntN(4) {
				case 0:
					sql = fmt.Sprintf("DELETE FROM %s WHERE a = %d AND b = 10", table, r.IntN(5))
				case 1:
					sql = fmt.Sprintf("UPDATE %s SET b = 12 WHERE a = %d AND b = 11", table, r.IntN(5))
				}
				if _, err := s.db.ExecContext(t.Context(), sql); err != nil {
					t.Error(err)
					return
				}
			}
		})
		r := rand.New(rand.NewPCG(seed, 2))
		for range kills {
			d := start(t, config)
			time.Sleep(time.Duration(300+r.IntN(700)) * time.Millisecond)
			d.Kill()
		}
		d := start(t, config)
		time.Sleep(time.Second)
		close(quiet)
		writer.Wait()
		waitRead(t, d, time.Minute)
		for range 20 {
			s.exec(t, "INSERT INTO "+table+" VALUES (9, 9)")
		}
		s.exec(t, "DELETE FROM "+table+" WHERE a = 2")
		catchUpAll(t, d, time.Minute)
		d.Kill()
		d = start(t, config)
		catchUpAll(t, d, time.Minute)
		harness.StopFor(t, d)
		reads := s.sameBag(t, kafka, name+".bag", table)
		evidence(t, began, map[string]any{"seed": seed, "kills": kills + 1, "writes": writes, "reads": reads, "checked": "reads + inserts - deletes == rows of the table, as a multiset"})
	})
}

// sameBag compares a topic of changes with a table of the columns a and b, and counts the rows that were read.
func (s *shelf) sameBag(t *testing.T, kafka *servers.Kafka, topic, table string) (reads int) {
	t.Helper()
	type line struct{ A, B int }
	type row struct{ A, B *int }
	of := func(r *row) line {
		l := line{-1, -1}
		if r.A != nil {
			l.A = *r.A
		}
		if r.B != nil {
			l.B = *r.B
		}
		return l
	}
	bag := map[line]int{}
	err := harness.EachRecord(t.Context(), kafka.Brokers(), topic, func(rec *kgo.Record) {
		if rec.Value == nil {
			return
		}
		var e struct {
			Op            string
			Before, After *row
		}
		if err := json.Unmarshal(rec.Value, &e); err != nil {
			t.Fatalf("%v: %s", err, rec.Value)
		}
		if e.Op == "r" {
			reads++
		}
		if e.Before != nil {
			bag[of(e.Before)]--
		}
		if e.After != nil {
			bag[of(e.After)]++
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	rows, err := s.db.QueryContext(t.Context(), "SELECT a, b, COUNT(*) FROM "+table+" GROUP BY a, b")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	all := 0
	for rows.Next() {
		var r row
		var n int
		if err := rows.Scan(&r.A, &r.B, &n); err != nil {
			t.Fatal(err)
		}
		if got := bag[of(&r)]; got != n {
			t.Errorf("row %v is %d times in the topic and %d times in the table", of(&r), got, n)
		}
		delete(bag, of(&r))
		all += n
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	for l, n := range bag {
		if n != 0 {
			t.Errorf("row %v is %d times in the topic and not in the table", l, n)
		}
	}
	if reads == 0 || all == 0 {
		t.Errorf("%d rows were read, the table has %d", reads, all)
	}
	return reads
}
