package endtoend

import (
	"testing"

	"cdcbridge/integration/harness"
	"cdcbridge/integration/servers"
)

// TestSnapshotElsewhere does what the other tests of snapshots do on MySQL 9 and PostgreSQL, for a shorter time, on MariaDB and on MySQL
// 5.7. MariaDB's log is rotated all the time: then the place that it gives for what is visible is ahead of what is.
func TestSnapshotElsewhere(t *testing.T) {
	t.Parallel()
	kafka := servers.KafkaFor(t, servers.KafkaOptions{})
	for _, o := range []servers.MySQLOptions{{Version: "maria118", Extra: []string{"--max-binlog-size=64K"}}, {Version: "57"}} {
		t.Run(o.Version, func(t *testing.T) {
			s := mysqlShelfOn(t, o)
			t.Run("load", func(t *testing.T) { s.underLoad(t, kafka, harness.Longer(5, 50)) })
			t.Run("kills", func(t *testing.T) { s.killed(t, kafka, harness.Longer(300_000, 1_000_000), harness.Longer(4, 40)) })
		})
	}
}
