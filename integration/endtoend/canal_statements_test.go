package endtoend

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"cdcbridge/integration/harness"
	"cdcbridge/integration/servers"
)

// TestStatementsOfCanal has one log written as Canal writes it, statements among the rows of their tables, and with all statements
// in one topic beside compacted tables.
func TestStatementsOfCanal(t *testing.T) {
	t.Parallel()
	my := servers.MySQLFor(t, servers.MySQLOptions{})
	m := newMySQLDatabase(t, my, "canalddl")
	kafka := servers.KafkaFor(t, servers.KafkaOptions{})
	d := start(t, fmt.Sprintf(`
kafka: {brokers: [%s], topics: {partitions: 3}}
pipelines:
  - name: canalddl
    source: {%s, tables: ["canalddl.*"], start: earliest, on_truncate: note}
    snapshot: {mode: never}
    outputs:
      - {name: among, format: canal-json, mode: changelog, topic: "among.{table}", options: {ddl_topic: "{topic}"}}
      - {name: apart, format: canal-json, topic: "apart.{table}", options: {ddl_topic: canalddl.statements, tidb_extension: true}}
`, strings.Join(kafka.Brokers(), ", "), m.source()))
	for _, text := range []string{
		"CREATE DATABASE canalddl", "CREATE TABLE canalddl.t (id INT PRIMARY KEY)", "INSERT INTO canalddl.t VALUES (1), (2)",
		"ALTER TABLE canalddl.t ADD note VARCHAR(20)", "UPDATE canalddl.t SET note = 'x' WHERE id = 2", "CREATE INDEX i ON canalddl.t (note)", "DROP INDEX i ON canalddl.t",
		"TRUNCATE TABLE canalddl.t", "CREATE TABLE canalddl.u (id INT PRIMARY KEY)", "RENAME TABLE canalddl.u TO canalddl.v", "INSERT INTO canalddl.v VALUES (7)", "DROP TABLE canalddl.t, canalddl.v",
	} {
		if _, err := m.db.ExecContext(t.Context(), text); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
	}
	catchUp(t, d, time.Minute)
	harness.StopFor(t, d)
	read := func(topic string) (types []string) {
		records, err := harness.ReadTopic(t.Context(), kafka.Brokers(), topic)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range records {
			if r.Value == nil {
				continue
			}
			v := decoded[struct {
				Type, Database, Table, SQL string
				IsDDL                      bool
				TiDB                       *struct{ CommitTs uint64 } `json:"_tidb"`
			}](t, r.Value)
			if v.Database != "canalddl" || v.IsDDL != (v.SQL != "") || v.IsDDL && (r.Key != nil || r.Partition != 0) || (v.TiDB != nil) != (topic[0] != 'a' || topic[1] == 'p') {
				t.Errorf("%s, partition %d: %s = %s", topic, r.Partition, r.Key, r.Value)
			}
			types = append(types, v.Type+" "+v.Table)
		}
		return types
	}
	if got, want := read("canalddl.statements"), []string{"CREATE t", "ALTER t", "CINDEX t", "DINDEX t", "TRUNCATE t", "CREATE u", "RENAME v", "ERASE t"}; !slices.Equal(got, want) {
		t.Errorf("statements\n%q, want\n%q", got, want)
	}
	if got := read("apart.t"); slices.ContainsFunc(got, func(s string) bool { return !strings.HasPrefix(s, "INSERT ") && !strings.HasPrefix(s, "UPDATE ") }) || len(got) != 3 {
		t.Errorf("compacted rows %q", got)
	}
	got := slices.DeleteFunc(read("among.t"), func(s string) bool { return s == "CREATE t" }) // there if the columns are known by then
	statements := slices.DeleteFunc(slices.Clone(got), func(s string) bool { return strings.HasPrefix(s, "INSERT") || strings.HasPrefix(s, "UPDATE") })
	if want := []string{"ALTER t", "CINDEX t", "DINDEX t", "TRUNCATE t", "ERASE t"}; !slices.Equal(statements, want) || len(got) != len(want)+3 {
		t.Errorf("among the rows %q, want %q and three rows", got, want)
	}
}
