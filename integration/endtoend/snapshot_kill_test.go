package endtoend

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"cdcbridge/integration/harness"
	"cdcbridge/integration/servers"
)

// TestSnapshotKilled kills the daemon with SIGKILL again and again while it reads a table of a million rows. It goes on at the
// chunk: each row is in the topic exactly once.
func TestSnapshotKilled(t *testing.T) {
	kafka := servers.KafkaFor(t, servers.KafkaOptions{})
	const rows = 1_000_000
	shelves(t, func(t *testing.T, s *shelf) {
		began, seed, kills := time.Now(), freshSeed(t), longer(10, 100)
		r := rand.New(rand.NewPCG(seed, 3))
		s.table(t, "big", rows)
		s.table(t, "other", 0)
		name := "killed" + s.schema
		// Small chunks, so that every kill meets many of them.
		config := shelfConfig(kafka, s.pipeline(name, s.name("*"), "{chunk_bytes: "+longer("128KiB", "64KiB")+"}"))
		inside := 0
		for kill := range kills {
			d := start(t, config)
			time.Sleep(time.Duration(400+r.IntN(longer(700, 1500))) * time.Millisecond)
			s.exec(t, fmt.Sprintf("INSERT INTO %s VALUES (%d, 0, 'meanwhile')", s.name("other"), kill))
			if all, err := d.Status(t.Context()); err == nil && len(all) == 1 {
				for _, table := range all[0].Snapshots {
					if table.Table == s.name("big") && table.Status == "reading" && table.Rows > 0 {
						inside++
					}
				}
			}
			d.Kill()
		}
		d := start(t, config)
		waitRead(t, d, longer(2*time.Minute, 20*time.Minute))
		catchUpAll(t, d, time.Minute)
		stop(t, d)
		t.Logf("%d of %d kills came while the table was being read", inside, kills)
		if inside < kills/2 {
			t.Errorf("only %d of %d kills came while the table was being read", inside, kills)
		}
		counts := make([]uint8, rows)
		err := harness.EachRecord(t.Context(), kafka.Brokers(), name+".big", func(rec *kgo.Record) {
			var e struct {
				Op    string
				After image
			}
			if err := json.Unmarshal(rec.Value, &e); err != nil || e.Op != "r" || e.After.ID >= rows {
				t.Fatalf("%v: %s", err, rec.Value)
			}
			counts[e.After.ID]++
		})
		if err != nil {
			t.Fatal(err)
		}
		for id, n := range counts {
			if n != 1 {
				t.Fatalf("row %d was written %d times", id, n)
			}
		}
		s.compare(t, kafka, name+".other", "other")
		evidence(t, began, map[string]any{"seed": seed, "kills": kills, "kills_while_reading": inside, "rows": rows, "checked": "each row is in the topic exactly once"})
	})
}
