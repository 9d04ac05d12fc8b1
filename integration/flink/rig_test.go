package flink

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"cdcbridge/integration/harness"
	"cdcbridge/integration/servers"
)

// patience is how long anything may take that takes seconds.
const patience = 2 * time.Minute

// rig is one of each server, and a client of the broker.
type rig struct {
	kafka *servers.Kafka
	flink *servers.Flink
	my    *servers.MySQL
	maria *servers.MySQL
	pg    *servers.Postgres
	cl    *kgo.Client
}

// newRig starts all servers side by side: Flink takes the longest, and most of that is waiting.
func newRig(t *testing.T) *rig {
	t.Helper()
	g := &rig{}
	started := make(chan func())
	go func() { f, err := servers.StartFlink(t.Context()); started <- func() { g.flink = keep(t, f, err) } }()
	go func() {
		k, err := servers.StartKafka(t.Context(), servers.KafkaOptions{})
		started <- func() { g.kafka = keep(t, k, err) }
	}()
	go func() {
		m, err := servers.StartMySQL(t.Context(), servers.MySQLOptions{})
		started <- func() { g.my = keep(t, m, err) }
	}()
	go func() {
		m, err := servers.StartMySQL(t.Context(), servers.MySQLOptions{Version: "maria118"})
		started <- func() { g.maria = keep(t, m, err) }
	}()
	go func() {
		p, err := servers.StartPostgres(t.Context(), servers.PostgresOptions{})
		started <- func() { g.pg = keep(t, p, err) }
	}()
	for range 5 {
		(<-started)()
	}
	if t.Failed() {
		t.FailNow()
	}
	var err error
	if g.cl, err = kgo.NewClient(kgo.SeedBrokers(g.kafka.Brokers()...), kgo.MetadataMinAge(100*time.Millisecond), kgo.RecordPartitioner(kgo.ManualPartitioner())); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.cl.Close)
	return g
}

// keep stops a server with the test, or reports that it did not start.
func keep[S interface{ Stop() error }](t *testing.T, s S, err error) S {
	t.Helper()
	if err != nil {
		t.Error(err)
		return s
	}
	t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// topic makes a topic.
func (g *rig) topic(t *testing.T, name string, partitions int32, policy string) {
	t.Helper()
	if _, err := kadm.NewClient(g.cl).CreateTopic(t.Context(), partitions, 1, map[string]*string{"cleanup.policy": &policy}, name); err != nil {
		t.Fatal(err)
	}
}

// produce writes records outside of transactions.
func (g *rig) produce(t *testing.T, records ...*kgo.Record) {
	t.Helper()
	if err := g.cl.ProduceSync(t.Context(), records...).FirstErr(); err != nil {
		t.Fatal(err)
	}
}

// ask runs a script in Flink.
func (g *rig) ask(t *testing.T, script string) (servers.FlinkResult, error) {
	t.Helper()
	return g.flink.Run(t.Context(), servers.FlinkScript{SQL: script, Timeout: patience})
}

// mustAsk runs a script that is right.
func (g *rig) mustAsk(t *testing.T, script string) servers.FlinkResult {
	t.Helper()
	r, err := g.ask(t, script)
	if err != nil || r.Timeout {
		t.Fatalf("%v, over in time %v\n%s", err, !r.Timeout, script)
	}
	return r
}

// lines is a result in a form to compare: the kind and the values of each row.
func lines(r servers.FlinkResult) []string {
	var out []string
	for _, row := range r.Rows {
		parts := []string{row.Kind}
		for _, v := range row.Values {
			parts = append(parts, strings.Trim(string(v), `"`))
		}
		out = append(out, strings.Join(parts, " "))
	}
	return out
}

// start runs a daemon with the pipelines of a configuration.
func (g *rig) start(t *testing.T, config string) *harness.Daemon {
	t.Helper()
	return harness.StartFor(t, "kafka: {brokers: ["+strings.Join(g.kafka.Brokers(), ", ")+"], topics: {partitions: 2}}\n"+config)
}

// wait waits until topics have records.
func (g *rig) wait(t *testing.T, d *harness.Daemon, topics ...string) {
	t.Helper()
	for deadline := time.Now().Add(patience); len(topics) > 0; time.Sleep(100 * time.Millisecond) {
		if records, err := harness.ReadTopic(t.Context(), g.kafka.Brokers(), topics[0]); err == nil && len(records) > 0 {
			topics = topics[1:]
			continue
		}
		all, err := d.Status(t.Context())
		if err == nil {
			for _, s := range all {
				if s.State == "failed" {
					t.Fatalf("pipeline %s: %s: %s", s.Name, s.Code, s.Error)
				}
			}
		}
		if time.Now().After(deadline) {
			t.Fatalf("nothing in %s: %+v, %v", topics[0], all, err)
		}
	}
}

// read waits until a pipeline's snapshot is done. Before that, rows that change come from the log alone, and Flink takes back
// what it never had.
func (g *rig) read(t *testing.T, d *harness.Daemon, pipeline string) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(100 * time.Millisecond) {
		all, err := d.Status(t.Context())
		if err == nil {
			for _, s := range all {
				done := len(s.Snapshots) > 0 && s.Name == pipeline
				for _, table := range s.Snapshots {
					done = done && table.Status == "done"
				}
				if done {
					return
				}
			}
		}
		if time.Now().After(deadline) {
			t.Fatalf("the snapshot is not done: %+v, %v", all, err)
		}
	}
}

// stop drains the daemon: no transaction is open then.
func (g *rig) stop(t *testing.T, d *harness.Daemon) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := d.Stop(ctx); err != nil {
		t.Fatal(err)
	}
}

// statement is a CREATE TABLE that `cdcbridge ddl flink` printed.
type statement struct {
	Pipeline, Output, Table, Topic, Name, Statement string
}

// statements asks for all of them by pipeline, output and table. The daemon need not run.
func statementsOf(t *testing.T, config string, flags ...string) map[string]statement {
	t.Helper()
	bin, err := harness.Binary()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), bin, append([]string{"ddl", "flink", "--config", config, "--output", "json"}, flags...)...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %v\n%s", cmd.Args, err, stderr.String())
	}
	var all []statement
	if err := json.Unmarshal(out, &all); err != nil {
		t.Fatal(err)
	}
	found := map[string]statement{}
	for _, s := range all {
		found[s.Pipeline+" "+s.Output+" "+s.Table] = s
	}
	return found
}

// bounded reads the table to its present end.
func (s *statement) bounded() string {
	return quoteName(s.Name) + " /*+ OPTIONS('scan.bounded.mode' = 'latest-offset') */"
}

func quoteName(name string) string { return "`" + strings.ReplaceAll(name, "`", "``") + "`" }

var notePattern = regexp.MustCompile("(?m)^  `((?:[^`]|``)+)` .*?,? -- (.*)$")

// notes tells for columns why their types are not the obvious ones.
func (s *statement) notes() map[string]string {
	out := map[string]string{}
	for _, m := range notePattern.FindAllStringSubmatch(s.Statement, -1) {
		out[strings.ReplaceAll(m[1], "``", "`")] = m[2]
	}
	return out
}

// query runs a query whose every value comes as text, NULL as nil.
func query(ctx context.Context, db *sql.DB, text string) ([][]*string, error) {
	rows, err := db.QueryContext(ctx, text)
	if err != nil {
		return nil, fmt.Errorf("%.200s: %w", text, err)
	}
	defer rows.Close()
	names, err := rows.Columns()
	if err != nil {
		return nil, err
	}
	var out [][]*string
	for rows.Next() {
		values, targets := make([]sql.NullString, len(names)), make([]any, len(names))
		for i := range values {
			targets[i] = &values[i]
		}
		if err := rows.Scan(targets...); err != nil {
			return nil, err
		}
		line := make([]*string, len(names))
		for i := range values {
			if values[i].Valid {
				line[i] = &values[i].String
			}
		}
		out = append(out, line)
	}
	return out, rows.Err()
}
