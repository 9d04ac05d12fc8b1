package differential

import (
	"context"
	"database/sql"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"cdcbridge/integration/harness"
	"cdcbridge/integration/servers"

	"github.com/twmb/franz-go/pkg/kgo"
)

// canalVariants are cdcbridge's outputs that are held against what Canal wrote, with their options.
var canalVariants = []struct{ name, mode, options string }{
	{"default", "changelog", "ddl_topic: default.ddl"},
	{"compat", "changelog", "compat: canal, ddl_topic: compat.ddl"},
	{"upsert", "upsert", "ddl_topic: upsert.ddl"},
}

// canalLab is the server that is read, with the script's statements one after the other.
type canalLab struct {
	database
	my         *servers.MySQL
	statements []string
}

func newCanalLab(t *testing.T, version string) *canalLab {
	t.Helper()
	flags := []string{"--default-time-zone=+00:00", "--character-set-server=utf8mb4", "--explicit-defaults-for-timestamp=ON"}
	l := &canalLab{my: servers.MySQLFor(t, servers.MySQLOptions{Version: version, Extra: flags})}
	db, err := l.my.DB("lab")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	l.name, l.db = "mysql", db
	if version == "57" {
		l.name = "mysql57"
	}
	for _, name := range []string{"mysql.sql", "canal/events.sql"} {
		s := readScript(t, name, l.name)
		l.statements = slices.Concat(l.statements, s.tables, slices.Concat(s.stream...))
	}
	l.statements = slices.DeleteFunc(l.statements, func(s string) bool { return stopsCanal.MatchString(s) || version == "57" && since80.MatchString(s) })
	l.tables = append(tablesMade(l.statements), "lab.step")
	return l
}

// changesTable are statements that Canal must not be behind of: it asks the server what the columns are when it meets a row.
var changesTable = regexp.MustCompile("^(ALTER|DROP|RENAME) ")

// stopsCanal are statements about tables that Canal 1.1.7 cannot read the log of: it stands before them for ever.
var stopsCanal = regexp.MustCompile(`\bvectors\b`)

// since80 are statements that MySQL 5.7 does not know, and those that follow from them.
var since80 = regexp.MustCompile(`\b(hidden|defaults_now|altered|keyless_copy)\b|DROP INDEX by_note`)

// copies are statements that write the rows of a table again: one row each here, for what Canal says of many rows is the last one's.
var copies = regexp.MustCompile(`^INSERT INTO (\w+) SELECT id\+100,.* FROM (\w+);$`)

// play runs the statements. Before each one that changes a table, and at the end, there is a row in lab.step, and caughtUp is called with how many are there.
func (l *canalLab) play(ctx context.Context, t *testing.T, caughtUp func(steps int)) {
	t.Helper()
	conn, err := l.db.Conn(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	exec := func(statement string) {
		if _, err := conn.ExecContext(ctx, statement); err != nil {
			t.Fatalf("running %.200s: %v", statement, err)
		}
	}
	steps := 0
	step := func() {
		steps++
		exec(fmt.Sprintf("INSERT INTO step VALUES (%d)", steps))
		caughtUp(steps)
	}
	exec("CREATE TABLE step (n INT PRIMARY KEY)")
	for _, s := range l.statements {
		if changesTable.MatchString(s) {
			step()
		}
		if m := copies.FindStringSubmatch(s); m != nil && m[1] == m[2] {
			for _, id := range idsOf(ctx, t, conn, m[1]) {
				exec(fmt.Sprintf("%s WHERE id = %d", strings.TrimSuffix(s, ";"), id))
			}
			continue
		}
		exec(s)
	}
	step()
}

func idsOf(ctx context.Context, t *testing.T, conn *sql.Conn, table string) []int {
	t.Helper()
	rows, err := conn.QueryContext(ctx, "SELECT id FROM "+table+" WHERE id < 100 ORDER BY id")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var all []int
	for rows.Next() {
		var id int
		if err := rows.Scan(&id); err != nil {
			t.Fatal(err)
		}
		all = append(all, id)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

// canal starts Canal at the beginning of the log. Its messages are in the topic canal; the number of steps in there is what is waited for.
func (l *canalLab) canal(ctx context.Context, t *testing.T) (wait func(steps int), finish func() []string) {
	t.Helper()
	kafka := servers.KafkaFor(t, servers.KafkaOptions{})
	c := servers.CanalFor(t, l.my, kafka, servers.CanalOptions{File: "binlog.000001", Offset: 4, Tables: `lab\..*`, Topic: "canal"})
	read := func() (all []string, steps int) {
		// Before its first message there is no topic.
		_ = harness.EachRecord(ctx, kafka.Brokers(), "canal", func(r *kgo.Record) {
			all = append(all, string(r.Value))
			if r.Key != nil || len(r.Headers) > 0 {
				t.Errorf("Canal has written a key or headers: %v", r)
			}
			if strings.Contains(string(r.Value), `"table":"step"`) && strings.Contains(string(r.Value), `"type":"INSERT"`) {
				steps++
			}
		})
		return all, steps
	}
	wait = func(n int) {
		poll(ctx, t, func() (string, bool) {
			if err := c.Check(); err != nil {
				t.Fatal(err)
			}
			all, steps := read()
			return fmt.Sprintf("Canal has written %d messages and %d steps of %d", len(all), steps, n), steps >= n
		})
	}
	return wait, func() []string {
		all, _ := read()
		return all
	}
}

// ours starts cdcbridge at the beginning of the log, with an output for each variant.
func (l *canalLab) ours(ctx context.Context, t *testing.T) (wait func(steps int), finish func() map[string]records) {
	t.Helper()
	kafka := servers.KafkaFor(t, servers.KafkaOptions{})
	daemon := harness.StartFor(t, l.pipeline(kafka.Brokers()))
	alive := func() error { return daemon.Alive(ctx) }
	wait = func(n int) {
		for _, v := range canalVariants {
			waitRows(ctx, t, kafka.Brokers(), v.name+".lab.step", n, alive)
		}
	}
	return wait, func() map[string]records {
		if err := daemon.Stop(ctx); err != nil {
			t.Fatal(err)
		}
		out := map[string]records{}
		for _, v := range canalVariants {
			out[v.name] = records{}
			for topic, list := range readAll(ctx, t, kafka.Brokers(), v.name, cleaner{}) {
				out[v.name][strings.TrimPrefix(topic, v.name+".")] = list
			}
		}
		return out
	}
}

func (l *canalLab) pipeline(brokers []string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "kafka: {brokers: [%s], topics: {partitions: 1}}\npipelines:\n  - name: differential\n    source: {type: mysql, host: %s, port: %d, user: %s, password: %s, on_truncate: note, start: earliest, tables: [lab.*]}\n    snapshot: {mode: never}\n    outputs:\n",
		strings.Join(brokers, ", "), l.my.Host(), l.my.Port(), l.my.User(), l.my.Password())
	for _, v := range canalVariants {
		var keyed, keyless []string
		for _, table := range l.tables {
			list := &keyed
			if appended(table) {
				list = &keyless
			}
			*list = append(*list, strings.ReplaceAll(quoted(table), "$", "$$"))
		}
		fmt.Fprintf(&b, "      - {name: %s, format: canal-json, mode: %s, topic: \"%s.{schema}.{table}\", tables: [%s], options: {%s}}\n", v.name, v.mode, v.name, strings.Join(keyed, ", "), v.options)
		options, _, _ := strings.Cut(v.options, "ddl_topic")
		fmt.Fprintf(&b, "      - {name: %s_keyless, format: canal-json, mode: changelog, topic: \"%s.{schema}.{table}\", tables: [%s], options: {%s}}\n", v.name, v.name, strings.Join(keyless, ", "), strings.TrimSuffix(options, ", "))
	}
	return b.String()
}

// cleanOurs takes what only a run decides out of our messages, and makes of data and old one row each.
func cleanOurs(all records, positions bool) (records, error) {
	out := records{}
	for topic, list := range all {
		for _, r := range list {
			if r.value != nil {
				text, err := cleanCanal(*r.value, positions)
				if err != nil {
					return nil, err
				}
				apart, err := canalApart([]string{text})
				if err != nil {
					return nil, err
				}
				if len(apart[topic]) != 1 {
					return nil, fmt.Errorf("in the topic %s is %.300s", topic, text)
				}
				r.value = apart[topic][0].value
			}
			out[topic] = append(out[topic], r)
		}
	}
	return out, nil
}
