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

// TestSnapshotKilled kills the daemon with SIGKILL again and again while it reads a table of a million rows, or of two. It goes on at the
// chunk: each row is in the topic exactly once.
func TestSnapshotKilled(t *testing.T) {
	t.Parallel()
	kafka := servers.KafkaFor(t, servers.KafkaOptions{})
	shelves(t, func(t *testing.T, s *shelf) {
		s.killed(t, kafka, harness.Longer(1_000_000, 2_000_000), harness.Longer(10, 100))
	})
}

func (s *shelf) killed(t *testing.T, kafka *servers.Kafka, rows, kills int) {
	began, seed := time.Now(), harness.FreshSeed(t)
	r := rand.New(rand.NewPCG(seed, 3))
	s.table(t, "big", rows)
	s.table(t, "other", 0)
	name := "killed" + s.label
	// Small chunks, so that every life of the daemon reads many of them; and so few rows that there is something left for all lives.
	config := shelfConfig(kafka, s.pipeline(name, s.name("*"), harness.Longer("{chunk_bytes: 128KiB}", "{chunk_bytes: 64KiB, readers: 1}")))
	inside, read := 0, uint64(0)
	for kill := range kills {
		d := start(t, config)
		reading := false
		if read, reading = s.waitProgress(t, d, "big", read); reading {
			inside++
		}
		s.exec(t, fmt.Sprintf("INSERT INTO %s VALUES (%d, 0, 'meanwhile')", s.name("other"), kill))
		time.Sleep(time.Duration(r.IntN(harness.Longer(250, 30))) * time.Millisecond)
		d.Kill()
	}
	d := start(t, config)
	waitRead(t, d, harness.Longer(2*time.Minute, 20*time.Minute))
	catchUpAll(t, d, time.Minute)
	harness.StopFor(t, d)
	t.Logf("%d of %d kills came while the table was being read", inside, kills)
	if inside < harness.Longer(kills/2, kills) {
		t.Errorf("only %d of %d kills came while the table was being read", inside, kills)
	}
	counts := make([]uint8, rows)
	err := harness.EachRecord(t.Context(), kafka.Brokers(), name+".big", func(rec *kgo.Record) {
		var e struct {
			Op    string
			After image
		}
		if err := json.Unmarshal(rec.Value, &e); err != nil || e.Op != "r" || e.After.ID >= int64(rows) {
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
}

// waitProgress waits until more rows of a table were read than before, or none is left. It reports whether the table is being read.
func (s *shelf) waitProgress(t *testing.T, d *harness.Daemon, table string, before uint64) (rows uint64, reading bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		all, err := d.Status(t.Context())
		if err != nil || len(all) != 1 || all[0].State != "running" {
			continue
		}
		done := true
		for _, p := range all[0].Snapshots {
			if p.Table != s.name(table) {
				continue
			}
			done = p.Status == "done"
			if p.Status == "reading" && p.Rows > before {
				return p.Rows, true
			}
		}
		if done {
			return before, false
		}
	}
	t.Fatalf("the table is not read\n%s", d.Log())
	return 0, false
}
