package mysqlsource

import (
	"testing"

	"cdcbridge/integration/servers"
	"cdcbridge/internal/fault"
)

// TestMariaDBLogin streams over TLS in every mode, as an account with the rights that are needed and no more, and is refused when one
// of them is missing.
func TestMariaDBLogin(t *testing.T) {
	t.Parallel()
	for _, v := range mariaVersions {
		t.Run(v, func(t *testing.T) {
			b := newBench(t, servers.MySQLOptions{Version: v, NamedCert: true})
			b.exec("CREATE TABLE t (id INT PRIMARY KEY, v LONGTEXT)", "INSERT INTO t SELECT seq, REPEAT('x',1000) FROM seq_1_to_3000", "INSERT INTO t VALUES (9000, REPEAT('x', 10000000))")
			rights := []string{"REPLICATION SLAVE ON *.*", "BINLOG MONITOR ON *.*", "SLAVE MONITOR ON *.*", "SELECT ON shop.*"}
			if err := b.m.CreateUser(t.Context(), "cdc", "p w", rights...); err != nil {
				t.Fatal(err)
			}
			cfg := b.config()
			cfg.User, cfg.Password = "cdc", "p w"
			for _, mode := range []string{"disabled", "preferred", "required", "verify_ca", "verify_identity"} {
				cfg.TLS.Mode, cfg.TLS.CAFile = mode, ""
				if mode == "verify_ca" || mode == "verify_identity" {
					openFault(t, cfg, "", fault.Auth)
					cfg.TLS.CAFile = b.m.CAFile()
				}
				if got, err := collect(t, cfg, "", changesAtLeast(3001)); err != nil || len(got.fold("t")) != 3001 {
					t.Errorf("%s: %v", mode, err)
				}
			}
			for i, missing := range rights[:3] {
				name := string(rune('a' + i))
				var others []string
				for j, r := range rights {
					if j != i {
						others = append(others, r)
					}
				}
				if err := b.m.CreateUser(t.Context(), name, "pw", others...); err != nil {
					t.Fatal(err)
				}
				cfg.User, cfg.Password = name, "pw"
				_, err := collect(t, cfg, "", changesAtLeast(1))
				if f := wantFault(t, err, fault.Permission); !f.Final {
					t.Errorf("without %s: %v", missing, f)
				}
			}
			cfg.User, cfg.Password = "cdc", "wrong"
			openFault(t, cfg, "", fault.Auth)
		})
	}
}
