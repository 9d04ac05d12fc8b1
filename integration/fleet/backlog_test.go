package fleet

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"cdcbridge/integration/harness"
	"cdcbridge/integration/servers"
)

// TestManyBacklogs: 64 pipelines with default settings that all drain a backlog at once take hardly more memory than a few.
func TestManyBacklogs(t *testing.T) {
	const transactions, rows = 20, 1000
	const most = 500_000_000 // 340 are usual; it was 1 200 when each had all of its memory for itself
	kafka := servers.KafkaFor(t, servers.KafkaOptions{Heap: "512m"})
	my := servers.MySQLFor(t, servers.MySQLOptions{})
	db, err := my.DB("fleet")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, statement := range []string{
		"CREATE TABLE backlog (id INT PRIMARY KEY AUTO_INCREMENT, a BIGINT, b BIGINT, c BIGINT, d INT, e VARCHAR(40), f VARCHAR(40), g VARCHAR(60), h VARCHAR(40))",
		"CREATE TABLE thousand (i INT PRIMARY KEY)",
		"INSERT INTO thousand WITH RECURSIVE t(i) AS (SELECT 0 UNION ALL SELECT i+1 FROM t WHERE i < 999) SELECT i FROM t",
	} {
		if _, err := db.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	for range transactions {
		if _, err := db.ExecContext(t.Context(), "INSERT INTO backlog (a, b, c, d, e, f, g, h) SELECT i, i*7919, i*104729, i, HEX(i*7919), HEX(i*104729), SHA2(i, 224), i FROM thousand"); err != nil {
			t.Fatal(err)
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, "kafka: {brokers: [%s], topics: {partitions: 3}}\npipelines:\n", strings.Join(kafka.Brokers(), ", "))
	for i := range pipelines {
		fmt.Fprintf(&b, "  - {name: %s, format: debezium-json, snapshot: {mode: never}, source: {type: mysql, host: %s, port: %d, user: %s, password: %s, tables: [fleet.backlog]}}\n",
			tenant(i), my.Host(), my.Port(), my.User(), my.Password())
	}
	d := harness.StartFor(t, b.String())
	began := time.Now()
	wait(t, d, "done", 2*time.Minute, func(p harness.PipelineStatus) bool { return p.Counters.Changes >= transactions*rows })
	peak, err := d.PeakMemory()
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d rows in %s, %d MB", pipelines*transactions*rows, time.Since(began).Round(time.Millisecond), peak/1_000_000)
	if peak > most {
		t.Errorf("the process has needed %d MB, of %d", peak/1_000_000, most/1_000_000)
	}
	harness.StopFor(t, d)
}
