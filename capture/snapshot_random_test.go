package capture_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"cdcbridge/capture"
	"cdcbridge/changelog"
)

var (
	seeds     = flag.Uint64("snapshot.seeds", 150, "how many random histories the model of snapshots lives through")
	firstSeed = flag.Uint64("snapshot.seed", 1, "the first of them")
)

// randomTables makes the tables of a random history.
func randomTables(r *modelRun) {
	r.db.add("ints", []string{"a"}, r.rnd.IntN(40))
	r.db.add("pairs", []string{"a", "b"}, r.rnd.IntN(40))
	r.db.add("names", []string{"b"}, r.rnd.IntN(40))
}

// TestSnapshotsOfRandomHistories: whatever is written while tables are read, and wherever the pipeline dies, the topics are equal to
// the tables in the end and no key has gone back in between.
func TestSnapshotsOfRandomHistories(t *testing.T) {
	for seed := *firstSeed; seed < *firstSeed+*seeds; seed++ {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { randomHistory(t, seed) })
		})
	}
}

func randomHistory(t *testing.T, seed uint64) {
	r := newModelRun(t, seed)
	randomTables(r)
	r.db.slow = time.Duration(r.rnd.Int64N(int64(60 * time.Millisecond)))
	r.db.partial = []int{0, 10, 2}[r.rnd.IntN(3)]
	r.live(10, randomWriter)
	if len(r.sink.requests()) > 0 {
		t.Error("a request is left")
	}
	for n, head := range r.sink.committed.heads {
		if head == changelog.SnapshotRow {
			t.Errorf("%s: the first row is not marked", n)
		}
	}
}

// live has others write, and ask for snapshots, while sources fail and the pipeline crashes less than that many times. At the end the
// topics are the tables.
func (r *modelRun) live(crashes int, write func(*modelRun)) {
	fails, dies := []int{0, 0, 5, 20}[r.rnd.IntN(4)], []int{0, 0, 40, 100}[r.rnd.IntN(4)]
	r.tune = func(s *modelSource) { s.scanFails, s.streamFail = fails, dies }
	var working sync.WaitGroup
	working.Go(func() { write(r) })
	if r.rnd.IntN(2) == 0 {
		working.Go(func() { randomRequests(r) })
	}
	r.crashes(r.rnd.IntN(crashes))
	if r.rnd.IntN(2) == 0 {
		working.Wait()
	}
	r.finishAfter(&working)
	for n := range r.db.tables {
		r.sink.equals(n, true)
	}
	checkPlaces(r.t, r.sink.committed.all)
}

// randomWriter hammers the tables for a while.
func randomWriter(r *modelRun) {
	rnd := rand.New(rand.NewPCG(r.seed, 4))
	pause := time.Duration(rnd.Int64N(int64(10*time.Millisecond))) + time.Millisecond
	notes := rnd.IntN(2) == 0
	for range 20 + rnd.IntN(200) {
		time.Sleep(time.Duration(rnd.Int64N(int64(pause))))
		switch dice := rnd.IntN(40); {
		case dice == 0 && notes:
			r.db.note(changelog.Truncate, []string{"ints", "pairs", "names"}[rnd.IntN(3)])
		case dice == 1 && notes:
			r.db.note(changelog.DDL, []string{"ints", "pairs", "names"}[rnd.IntN(3)])
		case dice < 4:
			r.db.transact(60)
		default:
			r.db.transact(1 + rnd.IntN(3))
		}
	}
}

// randomRequests asks for what does not keep rows away.
func randomRequests(r *modelRun) {
	rnd := rand.New(rand.NewPCG(r.seed, 5))
	for i := range rnd.IntN(6) {
		time.Sleep(time.Duration(rnd.Int64N(int64(150 * time.Millisecond))))
		tables := []string{"shop." + []string{"ints", "pairs", "names", "*"}[rnd.IntN(4)]}
		id := fmt.Sprintf("%d", i)
		switch rnd.IntN(4) {
		case 0:
			r.ask(id, capture.SnapshotRequest{Action: capture.SnapshotStart, Tables: tables})
		case 1:
			r.ask(id, capture.SnapshotRequest{Action: capture.SnapshotStart, Tables: tables, Where: []string{"even", "odd"}[rnd.IntN(2)]})
		case 2:
			r.askRaw(id, []byte(`{"v":1,"action":"jump"}`))
		default:
			r.ask(id, capture.SnapshotRequest{Action: capture.SnapshotPause, Tables: tables})
			time.Sleep(time.Duration(rnd.Int64N(int64(100 * time.Millisecond))))
			r.ask(id+"r", capture.SnapshotRequest{Action: capture.SnapshotResume})
		}
	}
}

// checkPlaces: the first snapshot begins once and ends once at most.
func checkPlaces(t *testing.T, all []changelog.Snapshot) {
	t.Helper()
	count := map[changelog.Snapshot]int{}
	for _, p := range all {
		count[p]++
	}
	if count[changelog.SnapshotFirst] > 1 || count[changelog.SnapshotLast] > 1 {
		t.Errorf("markers: %v", all)
	}
	if len(all) > 0 && all[0] != changelog.SnapshotFirst && all[0] != changelog.SnapshotLast {
		t.Errorf("the first marker is %d: %v", all[0], all)
	}
}
