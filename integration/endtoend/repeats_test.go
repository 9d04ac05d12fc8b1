package endtoend

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"cdcbridge/integration/harness"
	"cdcbridge/integration/servers"
)

// TestKilledAtLeastOnce kills a daemon that writes rows outside of transactions: nothing is lost, what comes again does so in order, and
// the topics fold to the tables.
func TestKilledAtLeastOnce(t *testing.T) {
	t.Parallel()
	kafka := servers.KafkaFor(t, servers.KafkaOptions{})
	t.Run("stream", func(t *testing.T) {
		t.Parallel()
		b := newBench(t, servers.MySQLFor(t, servers.MySQLOptions{}), "shop")
		b.repeats, b.load.pause = true, harness.Longer(5*time.Millisecond, 0)
		killLoop(t, kafka, b, setup{name: "repeats", commit: "{min_gap: 300ms}"}, harness.Longer(3, 50))
	})
	t.Run("snapshot", func(t *testing.T) {
		t.Parallel()
		mysqlShelf(t).killedAtLeastOnce(t, kafka, harness.Longer(3, 50))
	})
}

// killedAtLeastOnce kills the daemon while it reads a table whose rows are being changed, inserted, moved and deleted.
func (s *shelf) killedAtLeastOnce(t *testing.T, kafka *servers.Kafka, kills int) {
	began, seed := time.Now(), harness.FreshSeed(t)
	r := rand.New(rand.NewPCG(seed, 4))
	s.table(t, "repeated", 20_000)
	config := shelfConfig(kafka, s.pipeline("repeated", s.name("repeated"), "{chunk_bytes: 64KiB, chunk_time: 20ms, readers: 1}")+"    delivery: at_least_once\n    commit: {min_gap: 100ms}\n")
	ctx, quiet := context.WithCancel(t.Context())
	var writers sync.WaitGroup
	for w := range hammerWriters {
		writers.Go(func() { s.hammer(ctx, t, "repeated", w, rand.New(rand.NewPCG(seed, uint64(w)))) })
	}
	inside, read := 0, uint64(0)
	for range kills {
		d := start(t, config)
		reading := false
		if read, reading = s.waitProgress(t, d, "repeated", read); reading {
			inside++
		}
		time.Sleep(time.Duration(r.IntN(150)) * time.Millisecond)
		d.Kill()
	}
	d := start(t, config)
	waitRead(t, d, time.Minute)
	quiet()
	writers.Wait()
	catchUpAll(t, d, time.Minute)
	harness.StopFor(t, d)
	fold, reads, backwards := history(t, kafka, "repeated.repeated")
	rows, differences := s.differences(t, "repeated.repeated", "repeated", fold)
	for _, text := range differences[:min(len(differences), 20)] {
		t.Error(text)
	}
	t.Logf("%d rows, %d reads, %d steps back, %d of %d kills came while the table was being read", rows, reads, len(backwards), inside, kills)
	if len(backwards) == 0 {
		t.Error("no row came again: the test proves nothing")
	}
	evidence(t, began, map[string]any{"seed": seed, "kills": kills, "kills_while_reading": inside, "rows": rows, "steps_back": len(backwards), "checked": fmt.Sprintf("fold == SELECT * of %d rows", rows)})
}
