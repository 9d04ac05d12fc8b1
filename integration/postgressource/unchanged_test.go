package postgressource

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"cdcbridge/changelog"
	"cdcbridge/integration/servers"
	"cdcbridge/internal/fault"
)

// large is a value that lies outside of the row, so that an update which leaves it alone does not log it.
func large(c string) string { return fmt.Sprintf("repeat('%s', 1000000)", c) }

func TestUnchangedValuesFromTheOldRow(t *testing.T) {
	t.Parallel()
	for _, v := range versions {
		t.Run(v, func(t *testing.T) {
			b := newBench(t, servers.PostgresOptions{Version: v})
			b.exec("CREATE TABLE t (id int PRIMARY KEY, big text, n int); ALTER TABLE t ALTER big SET STORAGE EXTERNAL; ALTER TABLE t REPLICA IDENTITY FULL")
			cfg := b.config()
			at := b.begin(cfg)
			b.exec("INSERT INTO t VALUES (1, "+large("x")+", 1)", "UPDATE t SET n = 2", "DELETE FROM t")
			got, err := collect(t, cfg, at, changesAtLeast(3))
			if err != nil {
				t.Fatal(err)
			}
			row := "1,xxxxxxxxxx…(1000000),"
			sameList(t, got.plain, []string{"t insert - -> " + row + "1", "t update " + row + "1 -> " + row + "2", "t delete " + row + "2 -> -"})
		})
	}
}

func TestUnchangedValuesAreReadAgain(t *testing.T) {
	t.Parallel()
	const external = " SET STORAGE EXTERNAL"
	for _, v := range versions {
		t.Run(v, func(t *testing.T) {
			b := newBench(t, servers.PostgresOptions{Version: v})
			b.exec(
				"CREATE TABLE t (id int PRIMARY KEY, big text, n int, also text); ALTER TABLE t ALTER big"+external+", ALTER also"+external,
				`CREATE SCHEMA "Odd s"`, `CREATE TABLE "Odd s"."T "" t" ("K" text, "a.b" numeric, big text, n int, PRIMARY KEY ("a.b", "K")); ALTER TABLE "Odd s"."T "" t" ALTER big`+external,
				"CREATE TABLE p (id int PRIMARY KEY, big text, n int) PARTITION BY RANGE (id)", "CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (10)", "ALTER TABLE p1 ALTER big"+external,
				"CREATE TABLE u (id int, k int NOT NULL UNIQUE, big text, n int); ALTER TABLE u ALTER big"+external+", REPLICA IDENTITY USING INDEX u_k_key",
				"CREATE TABLE base (id int PRIMARY KEY, big text, n int); ALTER TABLE base ALTER big"+external, "CREATE TABLE heir (PRIMARY KEY (id)) INHERITS (base)",
			)
			cfg := b.config()
			cfg.Tables = append(cfg.Tables, "Odd s.*")
			at := b.begin(cfg)
			b.exec(
				"INSERT INTO t VALUES (1, "+large("a")+", 1, NULL), (2, "+large("b")+", 1, "+large("B")+"), (3, "+large("c")+", 1, NULL), (4, "+large("d")+", 1, NULL)",
				"UPDATE t SET n = 2",
				"UPDATE t SET n = 3 WHERE id = 2", // the same row again in the batch
				"DELETE FROM t WHERE id = 3",
				"UPDATE t SET id = 5 WHERE id = 4", // moves, with a value that the log leaves out too
				`INSERT INTO "Odd s"."T "" t" VALUES ('o''k', 1.50, `+large("e")+`, 1)`, `UPDATE "Odd s"."T "" t" SET n = 2`,
				"INSERT INTO p VALUES (1, "+large("f")+", 1)", "UPDATE p SET n = 2",
				"INSERT INTO u VALUES (1, 7, "+large("g")+", 1)", "UPDATE u SET n = 2",
				"INSERT INTO heir VALUES (1, "+large("h")+", 1)", "INSERT INTO base VALUES (1, "+large("i")+", 1)", "UPDATE base SET n = 2",
			)
			got, err := collect(t, cfg, at, changesAtLeast(21))
			if err != nil {
				t.Fatal(err)
			}
			big := func(c string) string { return strings.Repeat(c, 10) + "…(1000000)" }
			want := []string{
				"t update - -> 1," + big("a") + ",2,NULL reread", "t update - -> 2," + big("b") + ",2," + big("B") + " reread",
				"t update - -> 3,?,2,NULL gone", "t update - -> 4,?,2,NULL gone",
				"t update - -> 2," + big("b") + ",3," + big("B") + " reread",
				"t update 4,?,?,? -> 5," + big("d") + ",2,NULL reread",
				`T " t update - -> o'k,1.50,` + big("e") + ",2 reread",
				"p update - -> 1," + big("f") + ",2 reread",
				"u update - -> 1,7," + big("g") + ",2 reread",
				"heir update - -> 1," + big("h") + ",2 reread", "base update - -> 1," + big("i") + ",2 reread",
			}
			var updates []string
			for i, c := range got.order {
				if c.op == changelog.Update {
					updates = append(updates, got.plain[i]+map[changelog.Fill]string{changelog.Reread: " reread", changelog.Gone: " gone"}[c.fill])
				}
			}
			if v == "15" || v == "18" { // the order of inherited tables within a statement is the server's
				n := len(updates)
				if strings.HasPrefix(updates[n-2], "base") {
					updates[n-2], updates[n-1] = updates[n-1], updates[n-2]
				}
			}
			sameList(t, updates, want)

			cfg.UnchangedValues = "leave"
			got, err = collect(t, cfg, got.last(), changesAtLeast(0))
			if err != nil {
				t.Fatal(err)
			}
			b.exec("UPDATE t SET n = 9 WHERE id = 1")
			if got, err = collect(t, cfg, got.last(), changesAtLeast(1)); err != nil {
				t.Fatal(err)
			}
			sameList(t, got.plain, []string{"t update - -> 1,?,9,NULL"})
			cfg.UnchangedValues = "reread"

			at = got.last()
			b.exec("UPDATE t SET n = 10 WHERE id = 1", "ALTER TABLE t RENAME big TO huge")
			_, err = collect(t, cfg, at, never)
			if f := wantFault(t, err, fault.SchemaUnknown); !f.Final || !strings.Contains(f.Error(), `"big"`) {
				t.Error(f)
			}
			b.exec("ALTER TABLE t RENAME huge TO big", "ALTER TABLE t RENAME TO elsewhere")
			if got, err = collect(t, cfg, at, changesAtLeast(1)); err != nil {
				t.Fatal(err)
			}
			sameList(t, got.plain, []string{"t update - -> 1," + big("a") + ",10,NULL"})
			b.exec("DROP TABLE elsewhere")
			_, err = collect(t, cfg, at, never)
			if f := wantFault(t, err, fault.SchemaUnknown); !f.Final {
				t.Error(f)
			}
		})
	}
}

// TestUnchangedValueOfACommitThatIsHeldBack: a commit that waits for a standby is in the log and not visible. Read too early,
// the row would have the value from before the transaction, for good.
func TestUnchangedValueOfACommitThatIsHeldBack(t *testing.T) {
	t.Parallel()
	b := newBench(t, servers.PostgresOptions{Settings: map[string]string{"synchronous_commit": "local"}})
	b.exec("CREATE TABLE t (id int PRIMARY KEY, big text, n int); ALTER TABLE t ALTER big SET STORAGE EXTERNAL", "INSERT INTO t VALUES (1, "+large("a")+", 1)")
	cfg := b.config()
	at := b.begin(cfg)
	b.exec("ALTER SYSTEM SET synchronous_standby_names = 'nobody'", "SELECT pg_reload_conf()")
	for b.query("SHOW synchronous_standby_names") != "nobody" {
		time.Sleep(10 * time.Millisecond)
	}
	held := make(chan error, 1)
	go func() {
		_, err := b.db.ExecContext(t.Context(), "BEGIN; SET LOCAL synchronous_commit = on; UPDATE t SET big = "+large("b")+"; UPDATE t SET n = 2; COMMIT")
		held <- err
	}()
	for b.query("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'") != "1" {
		time.Sleep(10 * time.Millisecond)
	}
	if n := b.query("SELECT n FROM t"); n != "1" {
		t.Fatalf("the commit that waits is visible: n is %s", n)
	}
	released := make(chan struct{})
	time.AfterFunc(time.Second, func() {
		defer close(released)
		b.exec("ALTER SYSTEM RESET synchronous_standby_names", "SELECT pg_reload_conf()")
	})
	got, err := collect(t, cfg, at, changesAtLeast(2))
	if err != nil {
		t.Fatal(err)
	}
	select {
	case <-released:
	default:
		t.Error("the row was read before its transaction was visible")
	}
	if err := <-held; err != nil {
		t.Fatal(err)
	}
	sameRows(t, got.fold("t"), b.selectAll("t"))
}

// TestUnchangedValueOfACommitThatIsLost: with synchronous_commit=off readers see a commit that a crash takes back. A value of it
// must not leave before it is durable.
func TestUnchangedValueOfACommitThatIsLost(t *testing.T) {
	t.Parallel()
	b := newBench(t, servers.PostgresOptions{Durable: true, Settings: map[string]string{"wal_writer_delay": "10s", "wal_writer_flush_after": "1GB", "bgwriter_delay": "10s", "autovacuum": "off"}})
	b.exec("CREATE TABLE t (id int PRIMARY KEY, big text, n int); ALTER TABLE t ALTER big SET STORAGE EXTERNAL", "INSERT INTO t VALUES (1, "+large("a")+", 1)")
	cfg := b.config()
	at := b.begin(cfg)
	src, _, err := open(t, cfg, at) // what it writes when it opens would take the commit below along
	if err != nil {
		t.Fatal(err)
	}
	b.exec("UPDATE t SET n = 2", "BEGIN; SET LOCAL synchronous_commit = off; UPDATE t SET big = repeat('b', 3000); COMMIT")
	got, err := run(t, src, &seen{}, false, changesAtLeast(1))
	if err != nil {
		t.Fatal(err)
	}
	if err := b.p.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = src.Close()
	if err := b.p.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.db.SetMaxIdleConns(0) // they are dead
	if len(got.order) > 1 {
		t.Fatal("the log was durable already")
	}
	sameRows(t, got.fold("t"), b.selectAll("t"))
}

// TestUnchangedValuesAmongDeletesAndMoves updates around large values while others delete the rows, move them to other keys
// and change the values. What comes out folds to the table.
func TestUnchangedValuesAmongDeletesAndMoves(t *testing.T) {
	t.Parallel()
	for _, identity := range []string{"DEFAULT", "FULL"} {
		t.Run(identity, func(t *testing.T) {
			seed := rand.Uint64()
			t.Logf("seed %d", seed)
			b := newBench(t, servers.PostgresOptions{})
			b.exec("CREATE TABLE t (id int PRIMARY KEY, big text, n int, other text); ALTER TABLE t ALTER big SET STORAGE EXTERNAL, ALTER other SET STORAGE EXTERNAL; ALTER TABLE t REPLICA IDENTITY " + identity)
			cfg := b.config()
			at := b.begin(cfg)
			src, _, err := open(t, cfg, at)
			if err != nil {
				t.Fatal(err)
			}
			var writers sync.WaitGroup
			done := make(chan struct{})
			for w := range uint64(3) {
				r := rand.New(rand.NewPCG(seed, w))
				writers.Go(func() {
					for range 250 {
						_, err := b.db.ExecContext(t.Context(), toastStatement(r))
						var refused *pgconn.PgError
						if errors.As(err, &refused) && refused.Code == "23505" {
							continue // another writer has put a row there since this statement looked
						}
						if err != nil {
							t.Error(err)
							return
						}
					}
				})
			}
			go func() {
				writers.Wait()
				b.exec("INSERT INTO t VALUES (1000, '', 0, '')")
				close(done)
			}()
			got, err := run(t, src, &seen{}, true, func(s *seen) bool { return len(s.order) > 0 && s.order[len(s.order)-1].key == "1000" })
			if err != nil {
				t.Fatal(err)
			}
			<-done
			if err := src.Close(); err != nil {
				t.Fatal(err)
			}
			fills := map[changelog.Fill]int{}
			for _, c := range got.order {
				fills[c.fill]++
			}
			t.Logf("%d changes, %d read again, %d gone", len(got.order), fills[changelog.Reread], fills[changelog.Gone])
			if (identity == "DEFAULT") != (fills[changelog.Reread] > 0) {
				t.Errorf("identity %s has read %d values again", identity, fills[changelog.Reread])
			}
			sameRows(t, got.fold("t"), b.selectAll("t"))
		})
	}
}

// toastStatement is an autocommitted statement, or a small transaction, over 12 rows.
func toastStatement(r *rand.Rand) string {
	id, other, value := r.IntN(12), r.IntN(12), fmt.Sprintf("repeat('%c', %d)", 'a'+r.IntN(26), 2500+r.IntN(1000)*r.IntN(1000))
	switch r.IntN(10) {
	case 0, 1:
		return fmt.Sprintf("INSERT INTO t VALUES (%d, %s, 0, %s) ON CONFLICT (id) DO UPDATE SET n = t.n + 1", id, value, value)
	case 2:
		return fmt.Sprintf("DELETE FROM t WHERE id = %d", id)
	case 3:
		return fmt.Sprintf("UPDATE t SET id = %d WHERE id = %d AND NOT EXISTS (SELECT FROM t WHERE id = %d)", 100+r.IntN(1_000_000)+other, id, other)
	case 4:
		return fmt.Sprintf("UPDATE t SET big = %s WHERE id = %d", value, id)
	case 5:
		return fmt.Sprintf("BEGIN; UPDATE t SET other = %s WHERE id = %d; UPDATE t SET n = n + 1 WHERE id = %d; UPDATE t SET big = NULL WHERE id = %d; COMMIT", value, id, id, id)
	case 6:
		return fmt.Sprintf("UPDATE t SET id = id %% 12 WHERE id >= 100 AND id %% 12 = %d AND NOT EXISTS (SELECT FROM t WHERE id = %d) AND id = (SELECT min(id) FROM t WHERE id >= 100 AND id %% 12 = %d)", other, other, other)
	}
	return fmt.Sprintf("UPDATE t SET n = n + 1 WHERE id = %d", id)
}

// TestUnchangedValuesBehindRowSecurity: a row that a policy hides must not be taken for one that is gone.
func TestUnchangedValuesBehindRowSecurity(t *testing.T) {
	t.Parallel()
	b := newBench(t, servers.PostgresOptions{})
	b.exec("CREATE TABLE t (id int PRIMARY KEY, big text, n int); ALTER TABLE t ALTER big SET STORAGE EXTERNAL", "INSERT INTO t VALUES (1, "+large("a")+", 1)",
		"ALTER TABLE t ENABLE ROW LEVEL SECURITY", "CREATE POLICY nothing ON t USING (false)",
		"CREATE PUBLICATION "+publication+" FOR TABLE t WITH (publish_via_partition_root = true)", "SELECT pg_create_logical_replication_slot('"+slot+"', 'pgoutput')")
	if err := b.p.CreateUser(t.Context(), "shop", "cdc", "secret", "REPLICATION", "SELECT ON t"); err != nil {
		t.Fatal(err)
	}
	cfg := b.config()
	cfg.User, cfg.Password, cfg.Create = "cdc", "secret", "none"
	at := b.begin(cfg)
	b.exec("UPDATE t SET n = 2")
	_, err := collect(t, cfg, at, never)
	if f := wantFault(t, err, fault.Permission); !f.Final || !strings.Contains(f.Error(), "row-level security") {
		t.Error(f)
	}
	b.exec("ALTER ROLE cdc BYPASSRLS")
	got, err := collect(t, cfg, at, changesAtLeast(1))
	if err != nil {
		t.Fatal(err)
	}
	sameRows(t, got.fold("t"), b.selectAll("t"))
}
