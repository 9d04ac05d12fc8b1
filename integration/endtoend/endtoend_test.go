package endtoend

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"maps"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"cdcbridge/integration/harness"
	"cdcbridge/integration/servers"
)

// outputs are the two formats that every test pipeline writes from one read of the log.
var outputs = []struct{ name, format string }{{"dbz", "debezium-json"}, {"can", "canal-json"}}

// setup is one pipeline over a database, writing both outputs.
type setup struct {
	name     string
	b        *bench
	brokers  []string
	kafka    string // further keys of the kafka section: ", key: value…"
	source   string // further keys of the source section
	commit   string // the commit section: "{…}"
	table    string // captured tables, "*" by default
	snapshot string // the snapshot section, "{mode: never}" by default: the oracles know the log only

	disturb func(t *testing.T, r *rand.Rand)  // what killLoop also does to the servers; nil: nothing
	finish  func(t *testing.T) map[string]any // what it does when the workload has ended, and facts about the run; nil: nothing
	vary    []string                          // more keys of the source section, one after the other at killLoop's starts
}

func (s setup) yaml() string {
	table := s.table
	if table == "" {
		table = "*"
	}
	return fmt.Sprintf(`
kafka: {brokers: [%s], topics: {partitions: 3}%s}
pipelines:
  - name: %s
    source: {%s, tables: ["%s"], exclude_tables: ["%s"]%s}
    delivery: %s
    commit: %s
    snapshot: %s
    outputs:
      - {name: dbz, format: debezium-json, topic: "{pipeline}.dbz.%[11]s"}
      - {name: can, format: canal-json, topic: "{pipeline}.can.%[11]s"}
`, strings.Join(s.brokers, ", "), s.kafka, s.name, s.b.source(), s.b.pattern(table), s.b.pattern("uncaptured"), s.source,
		s.b.delivery(), cmp.Or(s.commit, "{}"), cmp.Or(s.snapshot, "{mode: never}"), s.b.template())
}

// bench is a database with the test schema and a writer.
type bench struct {
	database
	conn *sql.DB
	name string
	load *workload

	repeats bool // its pipelines deliver at least once
}

func (b *bench) delivery() string {
	if b.repeats {
		return "at_least_once"
	}
	return "exactly_once"
}

// write runs the workload over several connections until each has committed n transactions or ctx ends.
func (b *bench) write(ctx context.Context, t *testing.T, seed uint64, connections, n int) {
	var wg sync.WaitGroup
	for i := range connections {
		wg.Go(func() {
			if err := b.load.run(ctx, seed+uint64(i), n); err != nil {
				t.Errorf("workload: %v", err)
			}
		})
	}
	wg.Wait()
}

// settle waits until every topic folds to its table, and fails with the last difference otherwise. It returns how many records
// the topics have.
func (b *bench) settle(t *testing.T, pipeline string, brokers []string, limit time.Duration) (records int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit+30*time.Second)
	defer cancel()
	deadline := time.Now().Add(limit)
	for _, table := range b.tables() {
		for _, o := range outputs {
			for {
				n, err := compareTopic(ctx, b, brokers, table, fmt.Sprintf("%s.%s.%s", pipeline, o.name, b.topic(table)), o.format)
				if err == nil {
					records += n
					break
				}
				if time.Now().After(deadline) {
					t.Fatal(err)
				}
				time.Sleep(200 * time.Millisecond)
			}
		}
	}
	return records
}

// complete checks that the topics have every change in the server's log.
func (b *bench) complete(t *testing.T, pipeline string, brokers []string) {
	t.Helper()
	for _, o := range outputs {
		if err := compareLog(t.Context(), b, brokers, fmt.Sprintf("%s.%s.", pipeline, o.name)); err != nil {
			t.Fatal(err)
		}
	}
}

func start(t *testing.T, config string) *harness.Daemon {
	t.Helper()
	return harness.StartFor(t, config)
}

// TestKilledInLargeTransactions does the same where nearly every source transaction is larger than what is committed at once,
// so that most restarts begin in the middle of one.
func TestKilledInLargeTransactions(t *testing.T) {
	t.Parallel()
	kafka := servers.KafkaFor(t, servers.KafkaOptions{})
	for name, flags := range map[string][]string{"gtid": nil, "file": {"--gtid-mode=OFF", "--enforce-gtid-consistency=OFF"}} {
		t.Run(name, func(t *testing.T) {
			my := servers.MySQLFor(t, servers.MySQLOptions{Extra: flags})
			b := newBench(t, my, "shop")
			b.load.large, b.load.pause = true, 30*time.Millisecond // a daemon that commits a few rows at a time must keep up
			splits := killLoop(t, kafka, b, setup{name: "large" + name, source: ", batch_bytes: 32KiB", commit: "{max_bytes: 1KiB}"}, harness.Longer(6, 100))
			if splits == 0 {
				t.Error("no source transaction was split: the test proves nothing")
			}
		})
	}
}

// catchUp waits until the daemon has committed everything that the source has. Nobody may write meanwhile. Without it a test
// could take a daemon that is behind for one that has lost rows.
func catchUp(t *testing.T, d *harness.Daemon, limit time.Duration) {
	t.Helper()
	var last harness.PipelineStatus
	for end, times := time.Now().Add(limit), 0; time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		all, err := d.Status(t.Context())
		if err != nil || len(all) == 0 {
			continue
		}
		if last = all[0]; last.State == "running" && last.CaughtUp && last.LagSeconds != nil && *last.LagSeconds == 0 {
			if times++; times == 5 { // what was written last may just be on its way to the daemon
				return
			}
		} else {
			times = 0
		}
		if last.State == "failed" {
			t.Fatalf("the daemon has given up: %+v", last)
		}
	}
	t.Fatalf("the daemon did not catch up within %v: %+v", limit, last)
}

// splitsOf is how many commits of the daemon ended inside a source transaction; 0 while it does not listen yet.
func splitsOf(t *testing.T, d *harness.Daemon) uint64 {
	all, err := d.Status(t.Context())
	if err != nil || len(all) == 0 {
		return 0
	}
	return all[0].Counters.Splits
}

// killLoop runs the setup over b under load, kills it again and again, and compares topics and tables at the end. It returns
// how many commits were seen to end inside a source transaction.
func killLoop(t *testing.T, kafka *servers.Kafka, b *bench, s setup, kills int) (splits uint64) {
	t.Helper()
	began, seed := time.Now(), harness.FreshSeed(t)
	r := rand.New(rand.NewPCG(seed, 1))
	s.b, s.brokers = b, kafka.Brokers()
	quiet := b.during(t, seed)
	config := func(run int) string {
		now := s
		if len(s.vary) > 0 {
			now.source += s.vary[run%len(s.vary)]
		}
		return now.yaml()
	}
	for run := range kills {
		d := start(t, config(run))
		if s.disturb != nil {
			time.Sleep(time.Duration(300+r.IntN(1500)) * time.Millisecond)
			s.disturb(t, r)
		}
		time.Sleep(time.Duration(300+r.IntN(2500)) * time.Millisecond)
		splits += splitsOf(t, d)
		select {
		case <-d.Exited():
			t.Fatal("the daemon ended by itself")
		default:
		}
		d.Kill()
	}
	d := start(t, config(kills))
	time.Sleep(time.Second)
	quiet()
	facts := map[string]any{}
	if s.finish != nil {
		facts = s.finish(t)
	}
	catchUp(t, d, harness.Longer(2*time.Minute, 10*time.Minute))
	b.settle(t, s.name, kafka.Brokers(), 10*time.Second)
	splits += splitsOf(t, d)
	t.Logf("%d transactions, %d kills, %d splits", b.load.committed.Load(), kills, splits)
	harness.StopFor(t, d)
	records := b.settle(t, s.name, kafka.Brokers(), 0)
	b.complete(t, s.name, kafka.Brokers())
	maps.Copy(facts, map[string]any{"seed": seed, "kills": kills, "splits_seen": splits, "transactions": b.load.committed.Load(), "records": records,
		"checked": "fold of both formats == SELECT *; every change in the server's log is in the topics; no (transaction, ordinal, op) twice; each key in log order"})
	evidence(t, began, facts)
	return splits
}
