package mishaps

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"

	"cdcbridge/integration/harness"
	"cdcbridge/integration/servers"
)

// flipped damages one byte of a log.
func flipped(s *scene) *harness.Daemon {
	m := servers.MySQLFor(s.T, servers.MySQLOptions{})
	s.rows(m, 1)
	s.exec(m, "INSERT INTO t VALUES (2, 'needle-in-the-log')", "FLUSH BINARY LOGS")
	path := filepath.Join(m.DataDir(), "binlog.000001")
	log, err := os.ReadFile(path)
	if err != nil {
		s.Fatal(err)
	}
	at := bytes.Index(log, []byte("needle-in"))
	if at < 0 {
		s.Fatal("the row is not in the log")
	}
	log[at]++
	if err := os.WriteFile(path, log, 0o644); err != nil {
		s.Fatal(err)
	}
	return s.start(setup{source: s.mysql(m)})
}

// rewritten has a daemon die in the middle of a transaction, of which the log has other rows afterwards.
func rewritten(s *scene) *harness.Daemon {
	m := servers.MySQLFor(s.T, servers.MySQLOptions{})
	s.exec(m, "CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(200))")
	before := s.ask(m, "SELECT @@GLOBAL.gtid_executed")
	fill := func(v string) string {
		return fmt.Sprintf("INSERT INTO t SELECT n, REPEAT('%s', 150) FROM (WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n+1 FROM r WHERE n < 60000) SELECT n FROM r) AS many", v)
	}
	s.exec(m, "SET SESSION cte_max_recursion_depth=1000000", fill("a"))
	c := setup{source: s.mysql(m, "batch_bytes: 16KiB"), pipeline: []string{"commit: {min_gap: 20ms, max_bytes: 64KiB}"}}
	d := s.start(c)
	s.until(func() error {
		all, err := d.Status(s.Context())
		if err == nil && all[0].Counters.Splits < 3 {
			err = fmt.Errorf("%+v", all)
		}
		return err
	})
	d.Kill()
	s.exec(m, "SET SESSION sql_log_bin=0", "DELETE FROM t")
	s.exec(m, "RESET BINARY LOGS AND GTIDS", "SET GLOBAL gtid_purged='"+before+"'")
	s.exec(m, "SET SESSION cte_max_recursion_depth=1000000", fill("b"))
	return s.start(c)
}
