package postgressource

import (
	"strings"
	"testing"
	"time"

	"cdcbridge/changelog"
	"cdcbridge/integration/servers"
	"cdcbridge/internal/fault"
)

func TestChanges(t *testing.T) {
	t.Parallel()
	for _, v := range versions {
		t.Run(v, func(t *testing.T) {
			b := newBench(t, servers.PostgresOptions{Version: v})
			b.exec(
				"CREATE TABLE orders (id int PRIMARY KEY, v text, n int)",
				"CREATE TABLE pairs (a int, b text, v text, PRIMARY KEY (b, a))",
				"CREATE TABLE whole (id int PRIMARY KEY, v text); ALTER TABLE whole REPLICA IDENTITY FULL",
				"CREATE TABLE indexed (id int PRIMARY KEY, code text NOT NULL UNIQUE, v text); ALTER TABLE indexed REPLICA IDENTITY USING INDEX indexed_code_key",
				`CREATE TABLE "Odd ""Name" ("Id" int PRIMARY KEY)`,
				"CREATE SCHEMA private; CREATE TABLE private.x (id int PRIMARY KEY)",
			)
			cfg := b.config()
			at := b.begin(cfg)
			b.exec("INSERT INTO orders VALUES (1, 'a', NULL), (2, 'b', 7)")
			b.transaction("UPDATE orders SET v = 'c' WHERE id = 1", "UPDATE orders SET id = 3 WHERE id = 2", "DELETE FROM orders WHERE id = 1")
			b.exec("INSERT INTO private.x VALUES (1)", `INSERT INTO "Odd ""Name" VALUES (5)`)
			b.exec("INSERT INTO pairs VALUES (1, 'x', 'v')", "UPDATE pairs SET a = 2", "DELETE FROM pairs")
			b.exec("INSERT INTO whole VALUES (1, NULL)", "UPDATE whole SET v = 'w'", "DELETE FROM whole")
			b.exec("INSERT INTO indexed VALUES (1, 'k', 'v')", "UPDATE indexed SET id = 2", "UPDATE indexed SET code = 'l'", "DELETE FROM indexed")
			got, err := collect(t, cfg, at, changesAtLeast(16))
			if err != nil {
				t.Fatal(err)
			}
			sameList(t, got.plain, []string{
				"orders insert - -> 1,a,NULL", "orders insert - -> 2,b,7",
				"orders update - -> 1,c,NULL", "orders update 2,?,? -> 3,b,7", "orders delete 1,?,? -> -",
				`Odd "Name insert - -> 5`,
				"pairs insert - -> 1,x,v", "pairs update 1,x,? -> 2,x,v", "pairs delete 2,x,? -> -",
				"whole insert - -> 1,NULL", "whole update 1,NULL -> 1,w", "whole delete 1,w -> -",
				"indexed insert - -> 1,k,v", "indexed update - -> 2,k,v", "indexed update ?,k,? -> 2,l,v", "indexed delete ?,l,? -> -",
			})
			for table, want := range map[string]string{"orders": "id", "pairs": "b,a", "whole": "id", "indexed": "code"} {
				x := got.tables[table]
				var names []string
				for _, i := range x.Key {
					names = append(names, x.Columns[i].Name)
				}
				if strings.Join(names, ",") != want || x.Origin != "postgresql" || x.Schema != "public" || x.Database != "shop" || x.Version != 1 {
					t.Errorf("%s: key %v, %+v", table, names, x)
				}
			}
			checkTransactions(t, got.txns)
		})
	}
}

// checkTransactions looks at what a transaction is said to be.
func checkTransactions(t *testing.T, txns []changelog.Txn) {
	t.Helper()
	before := uint64(0)
	for _, x := range txns {
		if since := time.Since(time.UnixMicro(x.Commit)); since < 0 || since > time.Minute {
			t.Errorf("%s was committed at %v", x.ID, time.UnixMicro(x.Commit))
		}
		if x.Origin.XID == 0 || x.Origin.Pos <= before || before > 0 && x.Origin.LastCommit <= before {
			t.Errorf("%+v after %d", x, before)
		}
		before = x.Origin.Pos
	}
}

func TestTableChangesItsShape(t *testing.T) {
	t.Parallel()
	for _, v := range versions {
		t.Run(v, func(t *testing.T) {
			b := newBench(t, servers.PostgresOptions{Version: v})
			b.exec("CREATE TABLE t (id int PRIMARY KEY, a text)")
			cfg := b.config()
			at := b.begin(cfg)
			b.exec("INSERT INTO t VALUES (1, 'x')")
			b.transaction("INSERT INTO t VALUES (2, 'x')", "ALTER TABLE t ADD c int DEFAULT 9", "INSERT INTO t VALUES (3, 'x', 1)")
			b.exec("ALTER TABLE t RENAME a TO b", "INSERT INTO t VALUES (4, 'x', 1)")
			b.exec("ALTER TABLE t ALTER c TYPE text", "INSERT INTO t VALUES (5, 'x', 'one')")
			b.exec("ALTER TABLE t DROP b", "INSERT INTO t VALUES (6, 'y')")
			b.exec("ANALYZE t", "INSERT INTO t VALUES (7, 'y')")
			b.exec("DROP TABLE t", "CREATE TABLE t (id int PRIMARY KEY, d bool)")
			got, err := collect(t, cfg, at, changesAtLeast(7))
			if err != nil {
				t.Fatal(err)
			}
			sameList(t, got.plain, []string{
				"t insert - -> 1,x", "t insert - -> 2,x", "t insert - -> 3,x,1", "t insert - -> 4,x,1", "t insert - -> 5,x,one", "t insert - -> 6,y", "t insert - -> 7,y",
			})
			if x := got.tables["t"]; x.Version != 5 || len(x.Columns) != 2 || x.Columns[1].SourceType != "text" {
				t.Errorf("%+v", x)
			}
		})
	}
}

func TestTruncate(t *testing.T) {
	t.Parallel()
	for _, v := range versions {
		t.Run(v, func(t *testing.T) {
			b := newBench(t, servers.PostgresOptions{Version: v})
			b.exec("CREATE TABLE t (id int PRIMARY KEY)", "CREATE TABLE u (id int PRIMARY KEY REFERENCES t)", "CREATE SCHEMA private; CREATE TABLE private.x (id int PRIMARY KEY)")
			cfg := b.config()
			at := b.begin(cfg)
			b.exec("TRUNCATE private.x", "INSERT INTO t VALUES (1)", "TRUNCATE t, private.x RESTART IDENTITY CASCADE", "INSERT INTO t VALUES (2)")
			_, err := collect(t, cfg, at, never)
			if f := wantFault(t, err, fault.Diverged); !f.Final {
				t.Error(f)
			}
			cfg.OnTruncate = "note"
			got, err := collect(t, cfg, at, changesAtLeast(2))
			if err != nil {
				t.Fatal(err)
			}
			sameList(t, got.notes, []string{`1 t  TRUNCATE TABLE "public"."t" RESTART IDENTITY CASCADE`, `1 u  TRUNCATE TABLE "public"."u" RESTART IDENTITY CASCADE`})
			sameList(t, got.plain, []string{"t insert - -> 1", "t insert - -> 2"})
		})
	}
}

func TestLogicalMessages(t *testing.T) {
	t.Parallel()
	for _, v := range versions {
		t.Run(v, func(t *testing.T) {
			b := newBench(t, servers.PostgresOptions{Version: v})
			b.exec("CREATE TABLE t (id int PRIMARY KEY)")
			cfg := b.config()
			at := b.begin(cfg)
			b.exec("SELECT pg_logical_emit_message(false, 'alone', 'one')")
			b.transaction("INSERT INTO t VALUES (1)", "SELECT pg_logical_emit_message(true, 'within', 'two')", "INSERT INTO t VALUES (2)")
			for messages, want := range map[bool][]string{false: nil, true: {"3  alone one", "3  within two"}} {
				cfg.Messages = messages
				got, err := collect(t, cfg, at, changesAtLeast(2))
				if err != nil {
					t.Fatal(err)
				}
				sameList(t, got.notes, want)
			}
		})
	}
}

func TestPartitions(t *testing.T) {
	t.Parallel()
	for _, v := range versions {
		t.Run(v, func(t *testing.T) {
			b := newBench(t, servers.PostgresOptions{Version: v})
			b.exec("CREATE TABLE p (id int, k int, PRIMARY KEY (id, k)) PARTITION BY LIST (k)", "CREATE TABLE p_1 PARTITION OF p FOR VALUES IN (1)", "CREATE TABLE p_2 (k int, id int, PRIMARY KEY (id, k))",
				"ALTER TABLE p ATTACH PARTITION p_2 FOR VALUES IN (2)")
			rows := []string{"INSERT INTO p VALUES (1, 1), (2, 2)", "UPDATE p SET k = 2 WHERE id = 1", "DELETE FROM p WHERE id = 2"}
			for root, want := range map[bool][]string{
				true:  {"p insert - -> 1,1", "p insert - -> 2,2", "p delete 1,1 -> -", "p insert - -> 1,2", "p delete 2,2 -> -"},
				false: {"p_1 insert - -> 1,1", "p_2 insert - -> 2,2", "p_1 delete 1,1 -> -", "p_2 insert - -> 2,1", "p_2 delete 2,2 -> -"},
			} {
				cfg := b.config()
				cfg.Tables, cfg.PublishViaPartitionRoot = []string{"public.p"}, root
				cfg.Slot = map[bool]string{true: "root", false: "leaf"}[root]
				cfg.Publication = cfg.Slot
				at := b.begin(cfg)
				b.exec(rows...)
				got, err := collect(t, cfg, at, changesAtLeast(5))
				if err != nil {
					t.Fatal(err)
				}
				sameList(t, got.plain, want)
				b.exec("DELETE FROM p")
			}
		})
	}
}
