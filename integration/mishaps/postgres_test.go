package mishaps

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"cdcbridge/integration/harness"
	"cdcbridge/internal/fault"
)

// postgres is a source section for the scene's database.
func (s *scene) postgres(more ...string) string {
	return fmt.Sprintf("type: postgres, host: %s, port: %d, database: %s, user: %s, password: %s, tables: [public.*]%s", s.pg.Host(), s.pg.Port(), s.database(), s.pg.User(), s.pg.Password(),
		strings.Join(append([]string{""}, more...), ", "))
}

// slot is the replication slot of the pipeline, and its publication.
func (s *scene) slot() string { return "cdcbridge_" + s.database() }

// run runs statements in the scene's database of PostgreSQL, which it makes.
func (s *scene) run(statements ...string) {
	s.Helper()
	db, err := s.pg.DB(s.database())
	if err != nil {
		s.Fatal(err)
	}
	if err := db.Close(); err != nil {
		s.Fatal(err)
	}
	if err := s.pg.Exec(s.Context(), s.database(), statements...); err != nil {
		s.Fatal(err)
	}
}

const table = "CREATE TABLE t (id int PRIMARY KEY, v text)"

// postgresMishaps are about slots, and what is theirs.
var postgresMishaps = []mishap{
	{name: "slot-dropped", code: fault.SlotMissing, cause: func(s *scene) *harness.Daemon {
		s.ranPostgres()
		s.run("SELECT pg_drop_replication_slot('" + s.slot() + "')")
		return s.start(setup{source: s.postgres()})
	}},
	{name: "slot-made-anew", code: fault.SlotLost, cause: func(s *scene) *harness.Daemon {
		s.ranPostgres()
		s.run("SELECT pg_drop_replication_slot('"+s.slot()+"')", "INSERT INTO t VALUES (3)", "SELECT pg_create_logical_replication_slot('"+s.slot()+"', 'pgoutput')")
		return s.start(setup{source: s.postgres()})
	}},
	{name: "slot-taken", code: fault.SlotInUse, retried: true, cause: func(s *scene) *harness.Daemon {
		s.run(table)
		source := s.postgres("slot: " + s.slot() + ", publication: " + s.slot())
		s.read(s.start(setup{source: source}), 0)
		s.name += "-twice"
		return s.start(setup{source: source})
	}},
	{name: "postgres-truncate", code: fault.Diverged, cause: func(s *scene) *harness.Daemon {
		s.ranPostgres()
		s.run("TRUNCATE t")
		return s.start(setup{source: s.postgres()})
	}},
	{name: "locked", code: fault.Source, retried: true, cause: func(s *scene) *harness.Daemon {
		s.run(table)
		db, err := s.pg.DB(s.database())
		if err != nil {
			s.Fatal(err)
		}
		s.Cleanup(func() { _ = db.Close() })
		tx, err := db.BeginTx(s.Context(), nil)
		if err != nil {
			s.Fatal(err)
		}
		if _, err := tx.ExecContext(s.Context(), "LOCK TABLE t IN SHARE UPDATE EXCLUSIVE MODE"); err != nil {
			s.Fatal(err)
		}
		return s.start(setup{source: s.postgres("connect_timeout: 2s")})
	}},
	{name: "no-spool", code: fault.Spool, retried: true, cause: func(s *scene) *harness.Daemon {
		s.run(table)
		dir := filepath.Join(s.TempDir(), "spool")
		if err := os.Mkdir(dir, 0o755); err != nil {
			s.Fatal(err)
		}
		d := s.start(setup{source: s.postgres("streaming: true, spool_memory: 1MiB, spool_dir: " + dir)})
		s.read(d, 0)
		if err := os.Remove(dir); err != nil {
			s.Fatal(err)
		}
		s.run("SET logical_decoding_work_mem = '64kB'", "INSERT INTO t SELECT n, repeat(md5(n::text), 20) FROM generate_series(1, 40000) n")
		return d
	}},
}

// ranPostgres has a daemon read two rows of t, and stops it.
func (s *scene) ranPostgres() {
	s.Helper()
	s.run(table)
	c := setup{source: s.postgres()}
	d := s.start(c)
	s.read(d, 0)
	s.run("INSERT INTO t VALUES (1), (2)")
	s.read(d, 2)
	harness.StopFor(s.T, d)
}
