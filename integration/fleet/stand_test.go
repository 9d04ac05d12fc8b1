package fleet

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"cdcbridge/integration/harness"
	"cdcbridge/integration/servers"
)

// side is a database server with the tables of its tenants.
type side struct {
	*writer
	source func(tenant string) string // the beginning of the source section
}

// stand is a cluster and two databases, and the configuration of the moment. Each tenant has a schema, a pipeline and a table "items", and some have tables "later0" and so on
// that their pipelines come to capture.
type stand struct {
	n     int // tenants: the first half of them is on MySQL, the other one on PostgreSQL
	kafka *servers.Kafka
	sides []*side

	late  map[string]int  // how many of a tenant's later tables are captured
	gone  map[string]bool // tenants without pipeline
	kilo  map[string]int  // memory that a pipeline has beyond the others', KiB
	level string          // of the log
}

func laterName(j int) string { return fmt.Sprintf("later%d", j) }

func tenant(i int) string { return fmt.Sprintf("t%02d", i) }

// startStand starts the servers and makes the tables of n tenants. later says how many later ones a tenant has.
func startStand(t *testing.T, n int, later func(i int) int) *stand {
	s := &stand{n: n, late: map[string]int{}, gone: map[string]bool{}, kilo: map[string]int{}, level: "info"}
	seed := harness.FreshSeed(t)
	var my *servers.MySQL
	var pg *servers.Postgres
	s.kafka = servers.KafkaFor(t, servers.KafkaOptions{Heap: "256m"})
	my = servers.MySQLFor(t, servers.MySQLOptions{})
	pg = servers.PostgresFor(t, servers.PostgresOptions{Settings: map[string]string{"max_wal_senders": "40", "max_replication_slots": "40", "max_connections": "200"}})

	mydb, err := my.DB("fleet")
	if err != nil {
		t.Fatal(err)
	}
	pgdb, err := pg.DB("fleet")
	if err != nil {
		t.Fatal(err)
	}
	s.sides = []*side{
		{&writer{db: mydb, r: rand.New(rand.NewPCG(seed, 1)), pause: 5 * time.Millisecond}, func(string) string {
			return fmt.Sprintf("type: mysql, host: %s, port: %d, user: %s, password: %s", my.Host(), my.Port(), my.User(), my.Password())
		}},
		{&writer{db: pgdb, r: rand.New(rand.NewPCG(seed, 2)), pause: 5 * time.Millisecond}, func(string) string {
			return fmt.Sprintf("type: postgres, host: %s, port: %d, database: fleet, user: %s, password: %s", pg.Host(), pg.Port(), pg.User(), pg.Password())
		}},
	}
	for i, side := range s.sides {
		t.Cleanup(func() { _ = side.db.Close() })
		for k := i * n / 2; k < (i+1)*n/2; k++ {
			side.exec(t.Context(), t, side.db, "CREATE SCHEMA "+tenant(k))
			side.add(t.Context(), t, &table{schema: tenant(k), name: "items"})
			for j := range later(k) {
				side.add(t.Context(), t, &table{schema: tenant(k), name: laterName(j), nth: j + 1})
			}
		}
	}
	if t.Failed() {
		t.FailNow()
	}
	return s
}

// captured says whether a pipeline reads the table now.
func (s *stand) captured(t *table) bool { return t.nth <= s.late[t.schema] }

// What a pipeline may take, in bytes.
const (
	memory = 2 << 20
	chunk  = 1 << 20 // of a snapshot
)

// yaml is the configuration of the moment.
func (s *stand) yaml() string {
	var b strings.Builder
	fmt.Fprintf(&b, "kafka: {brokers: [%s]}\nlog: {level: %s}\npipelines:\n", strings.Join(s.kafka.Brokers(), ", "), s.level)
	for i := range s.n {
		name := tenant(i)
		if s.gone[name] {
			continue
		}
		tables := name + ".items"
		for j := range s.late[name] {
			tables += ", " + name + "." + laterName(j)
		}
		fmt.Fprintf(&b, "  - {name: %s, format: debezium-json, memory: %d, workers: 1, snapshot: {chunk_bytes: %d, readers: 1}, source: {%s, tables: [%s]}}\n",
			name, memory+s.kilo[name]<<10, chunk, s.sides[2*i/s.n].source(name), tables)
	}
	return b.String()
}

// during writes until the returned function is called, which waits for what has been begun.
func (s *stand) during(t *testing.T) (quiet func()) {
	ctx, cancel := context.WithCancel(t.Context())
	var writing sync.WaitGroup
	for _, side := range s.sides {
		writing.Go(func() { side.run(ctx, t) })
	}
	quiet = sync.OnceFunc(func() {
		cancel()
		writing.Wait()
	})
	t.Cleanup(quiet)
	return quiet
}

// wait waits until ok is true of every pipeline's status.
func wait(t *testing.T, d *harness.Daemon, what string, limit time.Duration, ok func(harness.PipelineStatus) bool) []harness.PipelineStatus {
	t.Helper()
	var last string
	for end := time.Now().Add(limit); time.Now().Before(end); time.Sleep(200 * time.Millisecond) {
		all, err := d.Status(t.Context())
		if err != nil {
			last = err.Error()
			continue
		}
		left := 0
		for _, p := range all {
			if p.State == "failed" {
				t.Fatalf("pipeline %s has given up: %s: %s", p.Name, p.Code, p.Error)
			}
			if !ok(p) {
				left++
				last = fmt.Sprintf("%+v", p)
			}
		}
		if left == 0 {
			return all
		}
		last = fmt.Sprintf("%d of %d are not, such as %s", left, len(all), last)
	}
	t.Fatalf("not every pipeline is %s: %s", what, last)
	return nil
}

func running(p harness.PipelineStatus) bool { return p.State == "running" }

func done(p harness.PipelineStatus) bool {
	for _, s := range p.Snapshots {
		if s.Status != "done" {
			return false
		}
	}
	return running(p) && p.CaughtUp && p.LagSeconds != nil && *p.LagSeconds == 0
}

// finish waits until the daemon has written all that there is, stops it, and holds the topics against the tables. Nobody writes any more.
func (s *stand) finish(t *testing.T, d *harness.Daemon) (transactions int64, records int) {
	t.Helper()
	wait(t, d, "done", 2*time.Minute, done)
	time.Sleep(2 * time.Second) // what was written last may just be on its way to the daemon
	wait(t, d, "done", 2*time.Minute, done)
	harness.StopFor(t, d)
	records, err := s.proveAll(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return s.sides[0].committed.Load() + s.sides[1].committed.Load(), records
}
