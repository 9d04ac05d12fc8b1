package mysqlsource

import (
	"path/filepath"
	"strings"
	"testing"

	"cdcbridge/capture"
	"cdcbridge/integration/servers"
	"cdcbridge/internal/fault"
)

// TestSocket reads a server of this machine by its socket, with the first login of an account, which sends its password whole.
func TestSocket(t *testing.T) {
	t.Parallel()
	for _, version := range []string{"97", "maria118"} {
		t.Run(version, func(t *testing.T) {
			b := newBench(t, servers.MySQLOptions{Version: version})
			b.exec("CREATE TABLE t (id INT PRIMARY KEY)", "INSERT INTO t VALUES (1), (2)", "DELETE FROM t WHERE id = 1")
			rights := []string{"REPLICATION SLAVE ON *.*", "SELECT ON shop.*"}
			if b.m.MariaDB() {
				rights = append(rights, "BINLOG MONITOR ON *.*", "SLAVE MONITOR ON *.*")
			} else {
				rights = append(rights, "REPLICATION CLIENT ON *.*")
			}
			if err := b.m.CreateUser(t.Context(), "local", "p w", rights...); err != nil {
				t.Fatal(err)
			}
			cfg := b.config()
			cfg.Host, cfg.User, cfg.Password = b.m.Socket(), "local", "p w"
			for _, mode := range []string{"preferred", "disabled"} {
				cfg.TLS.Mode = mode
				got, err := collect(t, cfg, "", changesAtLeast(3))
				if err != nil || len(got.fold("t")) != 1 {
					t.Fatalf("%s: %v", mode, err)
				}
			}
			found, err := cfg.Checker(capture.Env{Pipeline: "test"}).Check(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range found {
				if f.Severity == capture.Problem {
					t.Errorf("%+v", f)
				}
			}
			cfg.Password = "wrong"
			openFault(t, cfg, "", fault.Auth)
			cfg.Host = filepath.Join(t.TempDir(), "none")
			if f := openFault(t, cfg, "", fault.Unreachable); f.Final || !strings.Contains(f.Error(), cfg.Host) {
				t.Error(f)
			}
		})
	}
}
