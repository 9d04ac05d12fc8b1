package endtoend

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"cdcbridge/integration/harness"
	"cdcbridge/integration/servers"
)

// markers counts the reads of a topic by what source.snapshot says of them.
func markers(t *testing.T, kafka *servers.Kafka, topic string) map[string]int {
	t.Helper()
	out := map[string]int{}
	err := harness.EachRecord(t.Context(), kafka.Brokers(), topic, func(r *kgo.Record) {
		var e struct {
			Op     string
			Source struct{ Snapshot string }
		}
		if r.Value == nil {
			return
		}
		if err := json.Unmarshal(r.Value, &e); err != nil {
			t.Fatalf("%v: %s", err, r.Value)
		}
		if (e.Op == "r") != (e.Source.Snapshot != "false") {
			t.Errorf("%s has op %s and snapshot %s", topic, e.Op, e.Source.Snapshot)
		}
		if e.Op == "r" {
			out[e.Source.Snapshot]++
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func sum(counts map[string]int) (n int) {
	for _, c := range counts {
		n += c
	}
	return n
}

// ask makes a request by the command line.
func ask(t *testing.T, d *harness.Daemon, args ...string) {
	t.Helper()
	if exit, out, errs := harness.Command(t, append([]string{"snapshot", "--config", d.Config()}, args...)...); exit != 0 {
		t.Fatalf("snapshot %v: exit %d\n%s%s", args, exit, out, errs)
	}
}

// write inserts rows that nobody has read.
func (s *shelf) write(t *testing.T, table string, from, to int) {
	t.Helper()
	for id := from; id < to; id++ {
		s.exec(t, fmt.Sprintf("INSERT INTO %s VALUES (%d, 1, 'streamed')", s.name(table), id))
	}
}

// TestSnapshotTables adds a table to the configuration, has one read again with a condition, by the command line and by the signal
// table, while changes flow.
func TestSnapshotTables(t *testing.T) {
	t.Parallel()
	kafka := servers.KafkaFor(t, servers.KafkaOptions{})
	shelves(t, func(t *testing.T, s *shelf) {
		name := "tables" + s.schema
		s.table(t, "a", 5000)
		s.table(t, "b", 3000)
		s.exec(t, "CREATE TABLE "+s.name("signals")+" (id varchar(64) PRIMARY KEY, type varchar(32) NOT NULL, data varchar(2048))")
		snapshot := "{signal_table: " + s.name("signals") + ", chunk_bytes: 64KiB}"

		d := start(t, shelfConfig(kafka, s.pipeline(name, s.name("a")+", "+s.name("signals"), snapshot)))
		waitSnapshots(t, d, 30*time.Second, 1, "done")
		s.write(t, "a", 10_000, 10_010)
		catchUpAll(t, d, 30*time.Second)
		harness.StopFor(t, d)
		if got := markers(t, kafka, name+".a"); sum(got) != 5000 || got["first"] != 1 || got["last"] != 1 {
			t.Errorf("the first snapshot of a: %v", got)
		}
		s.write(t, "b", 10_000, 10_010) // nobody captures it yet

		d = start(t, shelfConfig(kafka, s.pipeline(name, s.name("a")+", "+s.name("b")+", "+s.name("signals"), snapshot)))
		waitSnapshots(t, d, 30*time.Second, 1, "done")
		s.write(t, "a", 10_010, 10_020)
		s.write(t, "b", 10_010, 10_020)
		catchUpAll(t, d, 30*time.Second)
		if got := markers(t, kafka, name+".b"); sum(got) != 3010 {
			t.Errorf("the snapshot of the added table: %v", got)
		}
		if got := sum(markers(t, kafka, name+".a")); got != 5000 {
			t.Errorf("a was read again: %d reads", got)
		}

		ask(t, d, s.name("a"), "--where", "id < 100")
		waitReads(t, kafka, name+".a", 5100)
		if got := markers(t, kafka, name+".a"); got["incremental"] != 100 {
			t.Errorf("a read again with a condition: %v", got)
		}
		s.exec(t, fmt.Sprintf(`INSERT INTO %s VALUES ('s1', 'execute-snapshot', '{"data-collections": ["%s"], "type": "INCREMENTAL", "additional-conditions": [{"data-collection": "%s", "filter": "id >= 2990"}]}')`,
			s.name("signals"), s.name("b"), s.name("b")))
		waitReads(t, kafka, name+".b", 3010+10+20)
		harness.StopFor(t, d)
		topics, err := harness.AdminFor(t, kafka.Brokers()).ListTopics(t.Context())
		if err != nil || topics.Has(name+".signals") {
			t.Errorf("%v, topics %v", err, topics.Names())
		}
		s.compare(t, kafka, name+".a", "a")
		s.compare(t, kafka, name+".b", "b")
	})
}

// waitReads waits until a topic has that many reads, and no more.
func waitReads(t *testing.T, kafka *servers.Kafka, topic string, want int) {
	t.Helper()
	got := 0
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(200 * time.Millisecond) {
		if got = sum(markers(t, kafka, topic)); got == want {
			return
		}
	}
	t.Fatalf("%s has %d reads, want %d", topic, got, want)
}

// TestSnapshotSteered pauses, resumes and cancels the snapshot of a table; a kill in between changes nothing.
func TestSnapshotSteered(t *testing.T) {
	t.Parallel()
	kafka := servers.KafkaFor(t, servers.KafkaOptions{})
	shelves(t, func(t *testing.T, s *shelf) {
		const rows = 6000
		name := "steered" + s.schema
		s.table(t, "big", rows)
		// A condition that takes a millisecond a row gives time to steer, however fast the machine is.
		config := shelfConfig(kafka, s.pipeline(name, s.name("*"), "{chunk_bytes: 64KiB, readers: 1, tables: [{name: "+s.name("big")+", where: \""+s.slow+"\"}]}"))
		d := start(t, config)
		s.waitProgress(t, d, "big", 0)
		ask(t, d, "--pause")
		waitSnapshots(t, d, 30*time.Second, 1, "paused")
		catchUpAll(t, d, 30*time.Second)
		before := sum(markers(t, kafka, name+".big"))
		if before >= rows {
			t.Fatal("there is nothing left to be paused: the test proves nothing")
		}
		d.Kill()
		d = start(t, config)
		waitSnapshots(t, d, 30*time.Second, 1, "paused")
		s.write(t, "big", 1_000_000, 1_000_010) // the stream flows
		catchUpAll(t, d, 30*time.Second)
		if got := sum(markers(t, kafka, name+".big")); got != before {
			t.Errorf("a paused snapshot went on from %d to %d rows", before, got)
		}
		ask(t, d, s.name("big"), "--resume")
		waitSnapshots(t, d, 60*time.Second, 1, "done")
		harness.StopFor(t, d)
		s.compare(t, kafka, name+".big", "big")
		first := sum(markers(t, kafka, name+".big"))
		if first < rows || first > rows+10 {
			t.Errorf("%d reads of %d rows", first, rows)
		}

		d = start(t, config)
		harness.StateFor(t, d, 30*time.Second, "running")
		ask(t, d, s.name("big"), "--where", s.slow)
		waitSnapshots(t, d, 30*time.Second, 1, "reading")
		s.waitProgress(t, d, "big", 0)
		ask(t, d, "--cancel")
		waitSnapshots(t, d, 30*time.Second, 1, "cancelled")
		harness.StopFor(t, d)
		if again := sum(markers(t, kafka, name+".big")); again == first || again >= 2*first {
			t.Errorf("%d reads before, %d after a snapshot that was cancelled", first, again)
		}
		s.compare(t, kafka, name+".big", "big")
	})
}

// TestSnapshotWhenNeeded loses the position while the daemon is away: with when_needed every table is read again, with initial the
// pipeline stops and says why.
func TestSnapshotWhenNeeded(t *testing.T) {
	t.Parallel()
	kafka := servers.KafkaFor(t, servers.KafkaOptions{})
	shelves(t, func(t *testing.T, s *shelf) {
		name := "needed" + s.schema
		s.table(t, "a", 2000)
		config := func(mode string) string {
			return shelfConfig(kafka, s.pipeline(name, s.name("*"), "{mode: "+mode+"}"))
		}
		d := start(t, config("when_needed"))
		waitSnapshots(t, d, 30*time.Second, 1, "done")
		catchUpAll(t, d, 30*time.Second)
		harness.StopFor(t, d)
		s.exec(t, "UPDATE "+s.name("a")+" SET v = v + 1 WHERE id < 50") // lost with the log
		s.write(t, "a", 5000, 5010)
		s.lose(t, name)
		d = start(t, config("initial"))
		failed := harness.StateFor(t, d, 30*time.Second, "failed")
		if failed.Code != "slot_missing" && failed.Code != "binlog_purged" {
			t.Errorf("%+v", failed)
		}
		harness.StopFor(t, d)
		d = start(t, config("when_needed"))
		waitSnapshots(t, d, 30*time.Second, 1, "done")
		s.write(t, "a", 6000, 6010)
		catchUpAll(t, d, 30*time.Second)
		harness.StopFor(t, d)
		s.compare(t, kafka, name+".a", "a")
		d = start(t, config("when_needed")) // and not once more
		catchUpAll(t, d, 30*time.Second)
		harness.StopFor(t, d)
		if got := sum(markers(t, kafka, name+".a")); got != 2000+2010 {
			t.Errorf("%d reads", got)
		}
	})
}

// TestSnapshotOnly reads the tables and ends.
func TestSnapshotOnly(t *testing.T) {
	t.Parallel()
	kafka := servers.KafkaFor(t, servers.KafkaOptions{})
	shelves(t, func(t *testing.T, s *shelf) {
		name := "only" + s.schema
		s.table(t, "a", 20_000)
		s.table(t, "b", 1)
		s.table(t, "empty", 0)
		d := start(t, shelfConfig(kafka, s.pipeline(name, s.name("*"), "{mode: only}")))
		select {
		case <-d.Exited():
		case <-time.After(60 * time.Second):
			t.Fatalf("the daemon does not end\n%s", d.Log())
		}
		if code := d.ExitCode(); code != 0 {
			t.Errorf("exit code %d\n%s", code, d.Log())
		}
		s.compare(t, kafka, name+".a", "a")
		s.compare(t, kafka, name+".b", "b")
		if got := markers(t, kafka, name+".b"); sum(got) != 1 {
			t.Errorf("%v", got)
		}
	})
}
