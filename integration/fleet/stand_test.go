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

const pipelines = 64 // half of them read MySQL, half PostgreSQL

// side is a database server with the tables of its tenants.
type side struct {
	*writer
	source func(tenant string) string // the beginning of the source section
}

// stand is a cluster and two databases, and the configuration of the moment. Each tenant has a schema, a pipeline and a table "items"; a table "later" is there too
// for those of late.
type stand struct {
	kafka *servers.Kafka
	sides []*side
	late  map[string]bool // tenants whose table "later" is captured
	gone  map[string]bool // tenants without pipeline
	level string          // of the log
}

func tenant(i int) string { return fmt.Sprintf("t%02d", i) }

// startStand starts the servers and makes the tables.
func startStand(t *testing.T) *stand {
	s := &stand{late: map[string]bool{}, gone: map[string]bool{}, level: "info"}
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
		for k := range pipelines / 2 {
			name := tenant(i*pipelines/2 + k)
			side.exec(t.Context(), t, side.db, "CREATE SCHEMA "+name)
			side.add(t.Context(), t, &table{schema: name, name: "items"})
		}
		side.add(t.Context(), t, &table{schema: tenant(i * pipelines / 2), name: "later"})
	}
	if t.Failed() {
		t.FailNow()
	}
	return s
}

// captured says whether a pipeline reads the table now.
func (s *stand) captured(t *table) bool { return t.name != "later" || s.late[t.schema] }

// What a pipeline may take, in bytes.
const (
	memory = 2 << 20
	chunk  = 1 << 20 // of a snapshot
)

// yaml is the configuration of the moment.
func (s *stand) yaml() string {
	var b strings.Builder
	fmt.Fprintf(&b, "kafka: {brokers: [%s]}\nlog: {level: %s}\npipelines:\n", strings.Join(s.kafka.Brokers(), ", "), s.level)
	for i := range pipelines {
		name := tenant(i)
		if s.gone[name] {
			continue
		}
		tables := name + ".items"
		if s.late[name] {
			tables += ", " + name + ".later"
		}
		fmt.Fprintf(&b, "  - {name: %s, format: debezium-json, memory: %d, workers: 1, snapshot: {chunk_bytes: %d, readers: 1}, source: {%s, tables: [%s]}}\n",
			name, memory, chunk, s.sides[i/(pipelines/2)].source(name), tables)
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
