package mishaps

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"cdcbridge/integration/harness"
	"cdcbridge/integration/servers"
	"cdcbridge/internal/fault"
)

// accountMishaps are about who may do what, and where it is.
var accountMishaps = []mishap{
	{name: "mysql-password", code: fault.Auth, cause: func(s *scene) *harness.Daemon {
		s.rows(s.my, 1)
		return s.start(setup{source: strings.Replace(s.mysql(s.my), "password: it", "password: wrong", 1)})
	}},
	{name: "postgres-password", code: fault.Auth, cause: func(s *scene) *harness.Daemon {
		s.run(table)
		return s.start(setup{source: strings.Replace(s.postgres(), "password: it", "password: wrong", 1)})
	}},
	{name: "kafka-password", code: fault.Auth, cause: func(s *scene) *harness.Daemon {
		s.rows(s.my, 1)
		return s.start(setup{source: s.mysql(s.my), brokers: s.kafka.Listener(servers.SASL), kafka: ", sasl: {mechanism: scram-sha-512, user: alice, password: wrong}"})
	}},
	{name: "kafka-key", code: fault.Config, exit: 3, cause: func(s *scene) *harness.Daemon {
		s.rows(s.my, 1)
		return s.start(setup{source: s.mysql(s.my), brokers: s.kafka.Listener(servers.SASLSSL), kafka: ", tls: {enabled: true, " + s.noKey() + "}"})
	}},
	{name: "mysql-key", code: fault.Config, exit: 3, cause: func(s *scene) *harness.Daemon {
		s.rows(s.my, 1)
		return s.start(setup{source: s.mysql(s.my, "tls: {mode: verify_ca, "+s.noKey()+"}")})
	}},
	{name: "postgres-key", code: fault.Config, exit: 3, cause: func(s *scene) *harness.Daemon {
		s.run(table)
		return s.start(setup{source: s.postgres("tls: {mode: verify_ca, " + s.noKey() + "}")})
	}},
	{name: "mysql-grants", code: fault.Permission, cause: func(s *scene) *harness.Daemon {
		s.rows(s.my, 1)
		if err := s.my.CreateUser(s.Context(), "nobody", "it", "SELECT ON "+s.database()+".*"); err != nil {
			s.Fatal(err)
		}
		return s.start(setup{source: strings.Replace(s.mysql(s.my), "user: it", "user: nobody", 1)})
	}},
	{name: "postgres-grants", code: fault.Permission, cause: func(s *scene) *harness.Daemon {
		s.run(table)
		if err := s.pg.CreateUser(s.Context(), s.database(), "plain", "it"); err != nil {
			s.Fatal(err)
		}
		return s.start(setup{source: strings.Replace(s.postgres(), "user: "+s.pg.User(), "user: plain", 1)})
	}},
	{name: "kafka-acl", code: fault.Permission, cause: func(s *scene) *harness.Daemon {
		s.rows(s.my, 1)
		return s.start(setup{source: s.mysql(s.my), brokers: s.kafka.Listener(servers.SASL), kafka: ", sasl: {mechanism: scram-sha-512, user: alice, password: secret}"})
	}},
	{name: "mysql-down", code: fault.Unreachable, retried: true, cause: func(s *scene) *harness.Daemon {
		return s.start(setup{source: strings.Replace(s.mysql(s.my), fmt.Sprintf("port: %d", s.my.Port()), "port: 1", 1)})
	}},
	{name: "postgres-down", code: fault.Unreachable, retried: true, cause: func(s *scene) *harness.Daemon {
		return s.start(setup{source: strings.Replace(s.postgres(), fmt.Sprintf("port: %d", s.pg.Port()), "port: 1", 1)})
	}},
	{name: "kafka-down", code: fault.Unreachable, retried: true, cause: func(s *scene) *harness.Daemon {
		s.rows(s.my, 1)
		return s.start(setup{source: s.mysql(s.my), brokers: []string{"127.0.0.1:1"}})
	}},
}

// noKey are keys of a tls section that name a file with something else in it.
func (s *scene) noKey() string {
	s.Helper()
	file := filepath.Join(s.TempDir(), "key.pem")
	if err := os.WriteFile(file, []byte("-----BEGIN PRIVATE KEY-----\n"+core(planted["client of a server"])+"\n-----END PRIVATE KEY-----\n"), 0o600); err != nil {
		s.Fatal(err)
	}
	return "cert_file: " + file + ", key_file: " + file
}

// databaseMishaps are about how a database and its tables are set up.
var databaseMishaps = []mishap{
	{name: "ignored", code: fault.SourceSettings, cause: func(s *scene) *harness.Daemon { // binlog_ignore_db
		s.rows(s.my, 1)
		return s.start(setup{source: s.mysql(s.my)})
	}},
	{name: "identity-nothing", code: fault.SourceSettings, cause: func(s *scene) *harness.Daemon {
		s.run(table, "ALTER TABLE t REPLICA IDENTITY NOTHING")
		return s.start(setup{source: s.postgres()})
	}},
	{name: "key-of-no-column", code: fault.Config, exit: 3, cause: func(s *scene) *harness.Daemon {
		s.rows(s.my, 1)
		return s.start(setup{source: s.mysql(s.my), pipeline: []string{fmt.Sprintf("tables: [{name: %s.t, key: [nowhere]}]", s.database())}})
	}},
	{name: "no-such-database", code: fault.Config, exit: 3, cause: func(s *scene) *harness.Daemon {
		return s.start(setup{source: s.postgres()})
	}},
	{name: "mysql-keyless", code: fault.NoKey, cause: func(s *scene) *harness.Daemon {
		s.exec(s.my, "CREATE TABLE t (id INT)", "INSERT INTO t VALUES (1)")
		return s.start(setup{source: s.mysql(s.my)})
	}},
	{name: "postgres-keyless", code: fault.NoKey, cause: func(s *scene) *harness.Daemon {
		s.run("CREATE TABLE t (id int)")
		return s.start(setup{source: s.postgres()})
	}},
	{name: "cascade", code: fault.FKCascade, cause: func(s *scene) *harness.Daemon {
		s.exec(s.my, "CREATE TABLE p (id INT PRIMARY KEY)", "CREATE TABLE t (id INT PRIMARY KEY, p INT, FOREIGN KEY (p) REFERENCES p (id) ON DELETE CASCADE)")
		return s.start(setup{source: s.mysql(s.my)})
	}},
	{name: "time-of-day", code: fault.UnsupportedType, cause: func(s *scene) *harness.Daemon {
		s.exec(s.my, "CREATE TABLE t (id INT PRIMARY KEY, v TIME)", "INSERT INTO t VALUES (1, '25:00:00')")
		return s.start(setup{source: s.mysql(s.my), pipeline: []string{"format: debezium-json", "options: {time_precision_mode: connect}"}})
	}},
	{name: "stranger", code: fault.WrongServer, cause: func(s *scene) *harness.Daemon {
		s.rows(s.my, 1)
		s.ran(setup{source: s.mysql(s.my)}, 1)
		other := servers.MySQLFor(s.T, servers.MySQLOptions{})
		s.rows(other, 1)
		return s.start(setup{source: s.mysql(other)})
	}},
	{name: "lagging-replica", code: fault.ReplicaBehind, retried: true, cause: func(s *scene) *harness.Daemon {
		s.rows(s.my, 1)
		s.ran(setup{source: s.mysql(s.my)}, 1)
		replica := servers.MySQLFor(s.T, servers.MySQLOptions{})
		s.exec(replica, "CHANGE REPLICATION SOURCE TO SOURCE_HOST='127.0.0.1', SOURCE_PORT=1, SOURCE_USER='it', SOURCE_AUTO_POSITION=1")
		return s.start(setup{source: s.mysql(replica)})
	}},
}

// logMishaps are about what is in the log of MySQL, and what is not.
var logMishaps = []mishap{
	{name: "statement", code: fault.StatementDML, cause: func(s *scene) *harness.Daemon {
		s.rows(s.my, 2)
		s.exec(s.my, "SET SESSION binlog_format=STATEMENT", "UPDATE t SET v = 'as text'")
		return s.start(setup{source: s.mysql(s.my)})
	}},
	{name: "truncate", code: fault.Diverged, cause: func(s *scene) *harness.Daemon {
		s.rows(s.my, 2)
		s.exec(s.my, "TRUNCATE t")
		return s.start(setup{source: s.mysql(s.my)})
	}},
	{name: "purged", code: fault.BinlogPurged, cause: func(s *scene) *harness.Daemon {
		m := servers.MySQLFor(s.T, servers.MySQLOptions{})
		s.rows(m, 1)
		s.ran(setup{source: s.mysql(m)}, 1)
		s.exec(m, "INSERT INTO t VALUES (2, '')", "FLUSH BINARY LOGS", "INSERT INTO t VALUES (3, '')", "FLUSH BINARY LOGS", "PURGE BINARY LOGS TO 'binlog.000003'")
		return s.start(setup{source: s.mysql(m)})
	}},
	{name: "undescribed", code: fault.SchemaUnknown, cause: func(s *scene) *harness.Daemon {
		m := servers.MySQLFor(s.T, servers.MySQLOptions{Metadata: "MINIMAL"})
		s.exec(m, "CREATE TABLE t (id INT PRIMARY KEY, v INT)", "FLUSH BINARY LOGS", "INSERT INTO t VALUES (1, 1)", "ALTER TABLE t CHANGE v w INT", "PURGE BINARY LOGS TO 'binlog.000002'")
		return s.start(setup{source: s.mysql(m)})
	}},
	{name: "incident", code: fault.Incident, cause: func(s *scene) *harness.Daemon {
		m := servers.MySQLFor(s.T, servers.MySQLOptions{Extra: []string{"--max-binlog-stmt-cache-size=4096", "--binlog-stmt-cache-size=4096"}})
		s.exec(m, "CREATE TABLE t (id INT PRIMARY KEY, v TEXT)", "CREATE TABLE m (id INT PRIMARY KEY, v TEXT) ENGINE=MyISAM")
		db, err := m.DB(s.database())
		if err != nil {
			s.Fatal(err)
		}
		defer db.Close()
		if _, err := db.ExecContext(s.Context(), "INSERT INTO m SELECT n, REPEAT('x', 100) FROM (WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n+1 FROM r WHERE n < 900) SELECT n FROM r) AS many"); err == nil {
			s.Fatal("the statement fits into the cache")
		}
		return s.start(setup{source: s.mysql(m)})
	}},
	{name: "flipped", code: fault.Corrupt, retried: true, cause: flipped},
	{name: "flipped-for-good", code: fault.NoProgress, long: true, cause: flipped},
	{name: "rewritten", code: fault.ReplayDiffers, cause: rewritten},
}
