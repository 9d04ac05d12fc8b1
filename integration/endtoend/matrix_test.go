package endtoend

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"cdcbridge/integration/harness"
	"cdcbridge/integration/servers"
)

// metadatas are the values that binlog_row_metadata can have on a server; MySQL 5.7 describes nothing and has no such variable.
func metadatas(my *servers.MySQL) []string {
	switch {
	case my.MariaDB():
		return []string{"NO_LOG", "MINIMAL", "FULL"}
	case my.Version() == "57":
		return []string{""}
	}
	return []string{"MINIMAL", "FULL"}
}

// differences says that the server can log differences of JSON documents.
func (m *mysqlDatabase) differences() bool { return !m.my.MariaDB() && m.my.Version() != "57" }

var images = []string{"FULL", "MINIMAL"}

// logs is what the log has from now on of rows that new sessions change.
func logs(t *testing.T, m *mysqlDatabase, metadata, image string) {
	t.Helper()
	statements := []string{"SET GLOBAL binlog_row_image = " + image}
	if metadata != "" {
		statements = append(statements, "SET GLOBAL binlog_row_metadata = "+metadata)
	}
	for _, s := range statements {
		if _, err := m.db.ExecContext(t.Context(), s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
}

// TestTopicsFoldToTables writes before and beside a daemon, on every server, with all that its log can have and lack.
func TestTopicsFoldToTables(t *testing.T) {
	t.Parallel()
	kafka := servers.KafkaFor(t, servers.KafkaOptions{})
	for _, version := range servers.MySQLVersions {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			my := servers.MySQLFor(t, servers.MySQLOptions{Version: version})
			control := newMySQLDatabase(t, my, "")
			for _, metadata := range metadatas(my) {
				for _, image := range images {
					t.Run(metadata+","+image, func(t *testing.T) {
						logs(t, control, metadata, image)
						foldToTables(t, kafka, my, strings.ToLower(fmt.Sprintf("fold_%s_%s_%s", version, metadata, image)))
					})
				}
			}
		})
	}
}

func foldToTables(t *testing.T, kafka *servers.Kafka, my *servers.MySQL, name string) {
	b := newBench(t, my, name)
	b.write(t.Context(), t, harness.FreshSeed(t), 2, 40) // before the start: the backlog
	d := start(t, setup{name: name, b: b, brokers: kafka.Brokers()}.yaml())
	b.write(t.Context(), t, harness.FreshSeed(t), 3, 60)
	catchUp(t, d, time.Minute)
	b.settle(t, name, kafka.Brokers(), 10*time.Second)
	harness.StopFor(t, d)
	b.settle(t, name, kafka.Brokers(), 0)
	b.complete(t, name, kafka.Brokers())
}

// TestKilledAnywhere kills the daemon with SIGKILL at random instants under load, on the newest server of each product and in the long tier on every
// server, while what the log has changes at random too: each session logs by the settings of when it began.
func TestKilledAnywhere(t *testing.T) {
	t.Parallel()
	kafka := servers.KafkaFor(t, servers.KafkaOptions{})
	for _, version := range harness.Longer([]string{"97", "maria118"}, servers.MySQLVersions) {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			my := servers.MySQLFor(t, servers.MySQLOptions{Version: version})
			b := newBench(t, my, "shop")
			if m := b.database.(*mysqlDatabase); m.differences() {
				b.load.writer = patching{m}
			}
			b.load.reconnect, b.load.pause = 15, harness.Longer(5*time.Millisecond, 0)
			s := setup{name: "kill" + version, disturb: switchLogs(b.database.(*mysqlDatabase))}
			killLoop(t, kafka, b, s, harness.Longer(10, 100))
			if n := inPart(t, b); n == 0 {
				t.Error("no row was logged in part: the test proves little")
			}
		})
	}
}

// inPart counts the changes of which the log does not have the whole row.
func inPart(t *testing.T, b *bench) (n int) {
	t.Helper()
	all, err := b.changes(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, txn := range all {
		for _, c := range txn {
			if c.partly {
				n++
			}
		}
	}
	return n
}

// switchLogs changes at random what sessions that begin now log of rows, and begins a file now and then.
func switchLogs(m *mysqlDatabase) func(*testing.T, *rand.Rand) {
	return func(t *testing.T, r *rand.Rand) {
		t.Helper()
		logs(t, m, oneOf(metadatas(m.my)...)(r), oneOf("FULL", "MINIMAL", "NOBLOB")(r))
		var more []string
		if m.differences() {
			more = append(more, "SET GLOBAL binlog_row_value_options = "+oneOf("''", "'PARTIAL_JSON'")(r))
		}
		if r.IntN(3) == 0 {
			more = append(more, "FLUSH BINARY LOGS")
		}
		for _, s := range more {
			if _, err := m.db.ExecContext(t.Context(), s); err != nil {
				t.Fatalf("%s: %v", s, err)
			}
		}
	}
}
