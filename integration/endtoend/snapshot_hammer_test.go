package endtoend

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"cdcbridge/integration/harness"
	"cdcbridge/integration/servers"
)

// shelfPipeline is a pipeline over one table of a shelf.
func (s *shelf) pipeline(name, tables, snapshot string) string {
	return fmt.Sprintf("  - name: %s\n    source: {%s, tables: [%s]}\n    snapshot: %s\n    format: debezium-json\n    topic: \"{pipeline}.{table}\"\n", name, s.source, tables, snapshot)
}

func shelfConfig(kafka *servers.Kafka, pipelines ...string) string {
	return fmt.Sprintf("kafka: {brokers: [%s], topics: {partitions: 3}}\npipelines:\n%s", strings.Join(kafka.Brokers(), ", "), strings.Join(pipelines, ""))
}

// TestSnapshotUnderLoad reads tables while writers hammer the very rows that are being read: updates, deletes, the same keys
// again, rows that move from key to key across the chunks; and while transactions stand in the log that nobody sees yet. The topics
// fold to the tables, and no key's history goes backwards.
func TestSnapshotUnderLoad(t *testing.T) {
	t.Parallel()
	kafka := servers.KafkaFor(t, servers.KafkaOptions{})
	shelves(t, func(t *testing.T, s *shelf) { s.underLoad(t, kafka, harness.Longer(20, 200)) })
}

// underLoad does it with so many tables, some of them together.
func (s *shelf) underLoad(t *testing.T, kafka *servers.Kafka, seeds int) {
	const together = 5
	began, seed := time.Now(), harness.FreshSeed(t)
	var rows, reads int
	for first := 0; first < seeds; first += together {
		var config []string
		for i := first; i < first+together; i++ {
			name := fmt.Sprintf("h%d", i)
			s.table(t, name, 4000)
			config = append(config, s.pipeline(s.label+name, s.name(name), "{chunk_bytes: 64KiB, chunk_time: 20ms}"))
		}
		ctx, quiet := context.WithCancel(t.Context())
		var writers sync.WaitGroup
		writers.Go(func() {
			if err := s.hold(ctx); err != nil {
				t.Error(err)
			}
		})
		for i := first; i < first+together; i++ {
			for w := range hammerWriters {
				writers.Go(func() {
					s.hammer(ctx, t, fmt.Sprintf("h%d", i), w, rand.New(rand.NewPCG(seed, uint64(i*hammerWriters+w))))
				})
			}
		}
		time.Sleep(200 * time.Millisecond)
		d := start(t, shelfConfig(kafka, config...))
		waitSnapshots(t, d, 90*time.Second, together, "done")
		time.Sleep(300 * time.Millisecond)
		quiet()
		writers.Wait()
		for range together {
			catchUpAll(t, d, 60*time.Second)
		}
		harness.StopFor(t, d)
		for i := first; i < first+together; i++ {
			name := fmt.Sprintf("h%d", i)
			n, r := s.compare(t, kafka, s.label+name+"."+name, name)
			rows, reads = rows+n, reads+r
			s.exec(t, "DROP TABLE "+s.name(name))
			s.forget(t, s.label+name)
		}
	}
	t.Logf("%d seeds: %d rows, %d of them were read", seeds, rows, reads)
	if reads == 0 {
		t.Error("no row was read from a table: the test proves nothing")
	}
	evidence(t, began, map[string]any{"seed": seed, "seeds": seeds, "rows": rows, "reads": reads, "checked": "fold == SELECT *; no key's history goes backwards; commits held between log and visibility"})
}

const hammerWriters = 2

// hammer writes until ctx ends. Each writer has the ids that are its number modulo hammerWriters, so that nobody else decides about
// the order of a key's versions; every write has a higher version than all before.
func (s *shelf) hammer(ctx context.Context, t *testing.T, table string, writer int, r *rand.Rand) {
	conn, err := s.db.Conn(ctx)
	if err != nil {
		if ctx.Err() == nil {
			t.Error(err)
		}
		return
	}
	defer conn.Close()
	if _, err := conn.ExecContext(ctx, s.session); err != nil && ctx.Err() == nil {
		t.Error(err)
		return
	}
	version := 0
	for ctx.Err() == nil {
		err := s.strike(ctx, conn, s.name(table), writer, &version, r)
		if err != nil && ctx.Err() == nil && !lostRace(err) {
			t.Error(err)
			return
		}
		pause(ctx, time.Duration(r.IntN(4))*time.Millisecond)
	}
}

// strike is one transaction.
func (s *shelf) strike(ctx context.Context, conn *sql.Conn, table string, writer int, version *int, r *rand.Rand) error {
	tx, err := conn.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }()
	if s.schema == "public" && r.IntN(4) == 0 {
		if _, err := tx.ExecContext(ctx, "SET LOCAL synchronous_commit = on"); err != nil {
			return err
		}
	}
	id := func() int { return r.IntN(2000)*hammerWriters + writer }
	for range 1 + r.IntN(4) {
		*version++
		a := id()
		text := fmt.Sprintf("UPDATE %s SET v = %d WHERE id BETWEEN %d AND %d AND id %% %d = %d", table, *version, a, a+r.IntN(60), hammerWriters, writer)
		switch r.IntN(6) {
		case 0:
			text = fmt.Sprintf("DELETE FROM %s WHERE id BETWEEN %d AND %d AND id %% %d = %d", table, a, a+r.IntN(30), hammerWriters, writer)
		case 1:
			text = fmt.Sprintf("UPDATE %s SET id = %d, v = %d WHERE id = %d", table, id(), *version, a)
		case 2:
			text = fmt.Sprintf("INSERT INTO %s VALUES (%d, %d, 'again')", table, a, *version)
		}
		if _, err := tx.ExecContext(ctx, text); err != nil {
			return err
		}
	}
	if r.IntN(12) == 0 {
		return tx.Rollback()
	}
	return tx.Commit()
}

// image is a row in a topic.
type image struct {
	ID  int64  `json:"id"`
	V   int64  `json:"v"`
	Pad string `json:"pad"`
}

// compare checks a topic against its table, and each key's history. It returns the rows of the table and how many records are reads.
// What was committed last may not be readable yet in all partitions: Kafka ends a transaction in one after the other.
func (s *shelf) compare(t *testing.T, kafka *servers.Kafka, topic, table string) (rows, reads int) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(200 * time.Millisecond) {
		fold, reads, wrong := history(t, kafka, topic)
		rows, differences := s.differences(t, topic, table, fold)
		if len(wrong) == 0 && len(differences) == 0 {
			return rows, reads
		}
		if len(wrong) > 0 || time.Now().After(end) {
			all := append(wrong, differences...)
			t.Errorf("%d differences:\n%s", len(all), strings.Join(all[:min(len(all), 20)], "\n"))
			return rows, reads
		}
	}
}

// history folds a topic, counts its reads, and finds keys that go backwards.
func history(t *testing.T, kafka *servers.Kafka, topic string) (fold map[int64]image, reads int, wrong []string) {
	t.Helper()
	type version struct {
		v    int64
		gone bool
	}
	seen := map[int64]version{}
	fold = map[int64]image{}
	err := harness.EachRecord(t.Context(), kafka.Brokers(), topic, func(r *kgo.Record) {
		if r.Value == nil {
			return
		}
		var e struct {
			Op            string
			Before, After *image
		}
		if err := json.Unmarshal(r.Value, &e); err != nil {
			t.Fatalf("%v: %s", err, r.Value)
		}
		if e.Op == "d" {
			seen[e.Before.ID] = version{seen[e.Before.ID].v, true}
			delete(fold, e.Before.ID)
			return
		}
		h, old := seen[e.After.ID]
		if old && (e.After.V < h.v || e.After.V == h.v && (h.gone || e.Op != "r")) {
			wrong = append(wrong, fmt.Sprintf("%s: key %d has version %d and then %d by %s (gone: %v)", topic, e.After.ID, h.v, e.After.V, e.Op, h.gone))
		}
		if e.Op == "r" {
			reads++
		}
		seen[e.After.ID] = version{e.After.V, false}
		fold[e.After.ID] = *e.After
	})
	if err != nil {
		t.Fatal(err)
	}
	return fold, reads, wrong
}

// differences compares a table with what its topic folds to, and counts its rows.
func (s *shelf) differences(t *testing.T, topic, table string, fold map[int64]image) (rows int, out []string) {
	t.Helper()
	found, err := s.db.QueryContext(t.Context(), "SELECT id, v, pad FROM "+s.name(table))
	if err != nil {
		t.Fatal(err)
	}
	defer found.Close()
	for found.Next() {
		var row image
		if err := found.Scan(&row.ID, &row.V, &row.Pad); err != nil {
			t.Fatal(err)
		}
		rows++
		if got, ok := fold[row.ID]; !ok || got != row {
			out = append(out, fmt.Sprintf("%s: row %+v is %+v in the topic (there: %v)", topic, row, got, ok))
		}
		delete(fold, row.ID)
	}
	if err := found.Err(); err != nil {
		t.Fatal(err)
	}
	for id, row := range fold {
		out = append(out, fmt.Sprintf("%s has the row %d, which the table has not: %+v", topic, id, row))
	}
	return rows, out
}

// waitSnapshots waits until that many tables, over all pipelines, have the status.
func waitSnapshots(t *testing.T, d *harness.Daemon, limit time.Duration, tables int, status string) {
	t.Helper()
	var last []harness.PipelineStatus
	for end := time.Now().Add(limit); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		all, err := d.Status(t.Context())
		if err != nil {
			continue
		}
		last = all
		n := 0
		for _, p := range all {
			if p.State == "failed" {
				t.Fatalf("a pipeline failed: %+v", p)
			}
			for _, s := range p.Snapshots {
				if s.Status == status {
					n++
				}
			}
		}
		if n >= tables {
			return
		}
	}
	t.Fatalf("%d tables are not %s within %v: %+v\n%s", tables, status, limit, last, d.Log())
}

// waitRead waits until no table is left to be read.
func waitRead(t *testing.T, d *harness.Daemon, limit time.Duration) {
	t.Helper()
	var last []harness.PipelineStatus
	for end := time.Now().Add(limit); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		all, err := d.Status(t.Context())
		if err != nil {
			continue
		}
		last = all
		left := false
		for _, p := range all {
			left = left || p.State != "running"
			for _, s := range p.Snapshots {
				left = left || s.Status == "waiting" || s.Status == "reading"
			}
		}
		if !left {
			return
		}
	}
	t.Fatalf("tables are not read within %v: %+v\n%s", limit, last, d.Log())
}

// catchUpAll waits until every pipeline has committed all that its source has.
func catchUpAll(t *testing.T, d *harness.Daemon, limit time.Duration) {
	t.Helper()
	var last []harness.PipelineStatus
	for end, times := time.Now().Add(limit), 0; time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		all, err := d.Status(t.Context())
		if err != nil {
			continue
		}
		last = all
		behind := false
		for _, p := range all {
			behind = behind || p.State != "running" || !p.CaughtUp || p.LagSeconds == nil || *p.LagSeconds != 0
		}
		if times++; behind {
			times = 0
		}
		if times == 5 {
			return
		}
	}
	t.Fatalf("the daemon did not catch up within %v: %+v", limit, last)
}
