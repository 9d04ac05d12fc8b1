package postgressource

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"cdcbridge/capture"
	"cdcbridge/capture/postgres"
	"cdcbridge/changelog"
	"cdcbridge/integration/servers"
	"cdcbridge/internal/fault"
)

// openOnce is open without patience for a slot in use.
func openOnce(t *testing.T, cfg *postgres.Config, at changelog.Position) error {
	t.Helper()
	src := cfg.New(capture.Env{Pipeline: "test", Log: slog.New(slog.DiscardHandler)})
	_, err := src.Open(t.Context(), changelog.Checkpoint{Pos: at})
	if closed := src.Close(); err == nil {
		err = closed
	}
	return err
}

// TestWhatIsMade looks at the slot and the publication that a first start leaves: of the captured tables alone, and quoted.
func TestWhatIsMade(t *testing.T) {
	t.Parallel()
	for _, v := range versions {
		t.Run(v, func(t *testing.T) {
			b := newBench(t, servers.PostgresOptions{Version: v})
			b.exec("CREATE TABLE t (id int PRIMARY KEY)", `CREATE SCHEMA "My "" Schema."`, `CREATE TABLE "My "" Schema."."T '1" ("the Key" int PRIMARY KEY)`,
				"CREATE TABLE other (id int)", "CREATE TABLE parent (id int PRIMARY KEY)", "CREATE TABLE child (PRIMARY KEY (id)) INHERITS (parent)",
				"CREATE UNLOGGED TABLE fleeting (id int PRIMARY KEY)", "CREATE TABLE root (id int PRIMARY KEY) PARTITION BY RANGE (id)",
				"CREATE TABLE part_1 PARTITION OF root FOR VALUES FROM (0) TO (10)", "CREATE TABLE part_2 PARTITION OF root FOR VALUES FROM (10) TO (20)")
			cfg := b.config()
			cfg.Tables, cfg.ExcludeTables = []string{"public.*", "My*.*"}, []string{"public.other", "public.child"} // only the first dot separates
			opened(t, cfg, "")
			if got := b.query("SELECT string_agg(tablename, ',' ORDER BY tablename) FROM pg_publication_tables WHERE pubname = 'cdcbridge_test'"); got != "T '1,parent,root,t" {
				t.Errorf("published: %s", got)
			}
			if got := b.query("SELECT pubviaroot::text || puballtables || pubinsert || pubupdate || pubdelete || pubtruncate FROM pg_publication"); got != "truefalsetruetruetruetrue" {
				t.Errorf("publication: %s", got)
			}
			if got := b.query("SELECT plugin || ' ' || two_phase || ' ' || temporary || ' ' || database FROM pg_replication_slots WHERE slot_name = 'cdcbridge_test'"); got != "pgoutput false false shop" {
				t.Errorf("slot: %s", got)
			}
			list, err := cfg.Checker(capture.Env{Pipeline: "test"}).(capture.TableLister).Tables(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			var names []string
			for _, x := range list {
				names = append(names, x.Schema+"."+x.Name)
				if len(x.Key) != 1 || len(x.Columns) != 1 {
					t.Errorf("%+v", x)
				}
			}
			if got := strings.Join(names, ","); got != `My " Schema..T '1,public.parent,public.root,public.t` {
				t.Errorf("listed: %s", got)
			}

			// A table that comes later is added, by the patterns of then.
			b.exec("CREATE TABLE late (id int PRIMARY KEY, hidden text)")
			cfg.Publish = []postgres.Published{{Table: "public.late", Columns: []string{"id"}, Where: "id > 5"}}
			opened(t, cfg, "")
			if got := b.query("SELECT attnames::text || rowfilter FROM pg_publication_tables WHERE tablename = 'late'"); got != "{id}(id > 5)" {
				t.Errorf("published of late: %s", got)
			}
		})
	}
}

// TestPartitionsOfTheirOwn publishes partitions by their own names, those included that no pattern names.
func TestPartitionsOfTheirOwn(t *testing.T) {
	t.Parallel()
	for _, v := range versions {
		t.Run(v, func(t *testing.T) {
			b := newBench(t, servers.PostgresOptions{Version: v})
			b.exec("CREATE TABLE root (id int PRIMARY KEY) PARTITION BY RANGE (id)", "CREATE TABLE part_1 PARTITION OF root FOR VALUES FROM (0) TO (10)")
			cfg := b.config()
			cfg.Tables, cfg.ExcludeTables, cfg.PublishViaPartitionRoot = []string{"public.root"}, []string{"public.part_2"}, false
			at := opened(t, cfg, "")
			// Partitions made later belong to it without a change of the publication; an excluded one is left out.
			b.exec("CREATE TABLE part_2 PARTITION OF root FOR VALUES FROM (10) TO (20)", "CREATE TABLE part_3 PARTITION OF root FOR VALUES FROM (20) TO (30)",
				"INSERT INTO root VALUES (1)", "INSERT INTO root VALUES (11)", "INSERT INTO root VALUES (21)")
			got, err := collect(t, cfg, at, changesAtLeast(2))
			if err != nil {
				t.Fatal(err)
			}
			if all := strings.Join(got.changes, "; "); !strings.Contains(all, "part_1") || !strings.Contains(all, "part_3") || strings.Contains(all, "part_2") {
				t.Error(all)
			}
			opened(t, cfg, at)
		})
	}
}

// TestConditions refuses what would break the updates of the table's users.
func TestConditions(t *testing.T) {
	t.Parallel()
	b := newBench(t, servers.PostgresOptions{})
	b.exec("CREATE TABLE t (id int PRIMARY KEY, region text, n int)")
	for _, c := range []struct {
		publish postgres.Published
		code    fault.Code
		text    string
	}{
		{postgres.Published{Table: "public.t", Where: "region = 'eu'"}, fault.SourceSettings, `"region"`},
		{postgres.Published{Table: "public.t", Where: "region = 'eu'", Columns: []string{"id", "region"}}, fault.SourceSettings, `"region"`},
		{postgres.Published{Table: "public.t", Columns: []string{"region"}}, fault.Config, "replica identity (id)"},
		{postgres.Published{Table: "public.t", Columns: []string{"id", "none"}}, fault.Config, "does not have"},
	} {
		cfg := b.config()
		cfg.Publish = []postgres.Published{c.publish}
		if f := openFault(t, cfg, "", c.code); !strings.Contains(f.Error(), c.text) {
			t.Errorf("%+v: %v", c.publish, f)
		}
		if n := b.query("SELECT count(*) FROM pg_publication"); n != "0" {
			t.Fatalf("%+v: a publication was made", c.publish)
		}
	}
	cfg := b.config()
	cfg.Publish = []postgres.Published{{Table: "public.t", Where: "id < 100", Columns: []string{"id", "n"}}}
	opened(t, cfg, "")
	b.exec("INSERT INTO t VALUES (1, 'eu', 2)", "UPDATE t SET n = 3", "DELETE FROM t")
}

// TestForeignSlots refuses slots of that name that are not ours to stream from.
func TestForeignSlots(t *testing.T) {
	t.Parallel()
	for _, v := range versions {
		t.Run(v, func(t *testing.T) {
			b := newBench(t, servers.PostgresOptions{Version: v})
			b.exec("CREATE TABLE t (id int PRIMARY KEY)", "CREATE PUBLICATION cdcbridge_test FOR TABLE t WITH (publish_via_partition_root = true)")
			drop := "SELECT pg_drop_replication_slot('cdcbridge_test')"
			for _, c := range []struct{ db, make, text string }{
				{"shop", "SELECT pg_create_physical_replication_slot('cdcbridge_test')", "physical"},
				{"shop", "SELECT pg_create_logical_replication_slot('cdcbridge_test', 'test_decoding')", "test_decoding"},
				{"shop", "SELECT pg_create_logical_replication_slot('cdcbridge_test', 'pgoutput', false, true)", "two_phase"},
				{"postgres", "SELECT pg_create_logical_replication_slot('cdcbridge_test', 'pgoutput')", "database postgres"},
			} {
				if err := b.p.Exec(t.Context(), c.db, c.make); err != nil {
					t.Fatal(err)
				}
				if f := openFault(t, b.config(), "", fault.SourceSettings); !f.Final || !strings.Contains(f.Error(), c.text) {
					t.Error(f)
				}
				problem(t, check(t, b.config()), "slot "+slot, fault.SourceSettings)
				if err := b.p.Exec(t.Context(), c.db, drop); err != nil {
					t.Fatal(err)
				}
			}
			opened(t, b.config(), "")
		})
	}
}

// TestSlotInUse waits for the other one instead of giving up for good.
func TestSlotInUse(t *testing.T) {
	t.Parallel()
	for _, v := range versions {
		t.Run(v, func(t *testing.T) {
			b := newBench(t, servers.PostgresOptions{Version: v})
			b.exec("CREATE TABLE t (id int PRIMARY KEY)")
			at := b.begin(b.config())
			b.exec("INSERT INTO t VALUES (1)")
			_, err := collect(t, b.config(), at, func(*seen) bool {
				err := openOnce(t, b.config(), at)
				if f := wantFault(t, err, fault.SlotInUse); f.Final || !strings.Contains(f.Error(), "cdcbridge test (pid ") {
					t.Error(f)
				}
				// For validate it is no problem that this pipeline's daemon runs.
				if f := finding(t, b.config(), "slot "+slot); f.Severity == capture.Problem || !strings.Contains(f.Detail, "cdcbridge test") {
					t.Errorf("%+v", f)
				}
				other := b.config()
				other.Slot, other.Publication = slot, publication
				found, err := other.Checker(capture.Env{Pipeline: "other"}).Check(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				problem(t, found, "slot "+slot, fault.SlotInUse)
				return true
			})
			if err != nil {
				t.Fatal(err)
			}
		})
	}
}

// TestSlotGone stops before the first row where the log between the checkpoint and the slot is lost.
func TestSlotGone(t *testing.T) {
	t.Parallel()
	for _, v := range versions {
		t.Run(v, func(t *testing.T) {
			b := newBench(t, servers.PostgresOptions{Version: v, WALSegmentMB: 1, Settings: map[string]string{"min_wal_size": "2MB", "max_wal_size": "4MB"}})
			b.exec("CREATE TABLE t (id int PRIMARY KEY)", "CREATE TABLE big (v text)", "ALTER TABLE big REPLICA IDENTITY FULL")
			cfg := b.config()
			at := b.begin(cfg)
			drop := "SELECT pg_drop_replication_slot('cdcbridge_test')"

			b.exec(drop)
			if f := openFault(t, cfg, at, fault.SlotMissing); !f.Final {
				t.Error(f)
			}
			// Somebody helps, and makes it worse.
			b.exec("INSERT INTO t VALUES (1)", "SELECT pg_create_logical_replication_slot('cdcbridge_test', 'pgoutput')")
			if f := openFault(t, cfg, at, fault.SlotLost); !f.Final || !strings.Contains(f.Error(), "made again") {
				t.Error(f)
			}
			// Moved on by somebody else.
			b.exec(drop)
			at = b.begin(cfg)
			b.exec("INSERT INTO t VALUES (2)", "SELECT pg_replication_slot_advance('cdcbridge_test', pg_current_wal_lsn())")
			openFault(t, cfg, at, fault.SlotLost)
			// The publication was dropped: what was written without it is never sent.
			b.exec(drop)
			at = b.begin(cfg)
			b.exec("DROP PUBLICATION cdcbridge_test")
			for _, from := range []changelog.Position{at, ""} {
				if f := openFault(t, cfg, from, fault.SlotLost); !f.Final || !strings.Contains(f.Error(), "publication") {
					t.Error(f)
				}
			}
			problem(t, check(t, cfg), "publication "+publication, fault.SlotLost)
			// Another slot's name with the old checkpoint.
			b.exec(drop)
			at = b.begin(cfg)
			renamed := *cfg
			renamed.Slot = "other"
			openFault(t, &renamed, at, fault.SlotMissing)
			// The server gave the log up.
			b.exec("ALTER SYSTEM SET max_slot_wal_keep_size = '1MB'", "SELECT pg_reload_conf()")
			for i := 0; b.query("SELECT wal_status FROM pg_replication_slots") != "lost"; i++ {
				if i == 50 {
					t.Fatal("the slot is not lost after all that was written")
				}
				b.exec("INSERT INTO big SELECT repeat(md5(g::text), 20) FROM generate_series(1, 3000) g", "SELECT pg_switch_wal()", "CHECKPOINT")
			}
			for _, from := range []changelog.Position{at, ""} {
				if f := openFault(t, cfg, from, fault.SlotLost); !f.Final {
					t.Error(f)
				}
			}
			problem(t, check(t, cfg), "slot "+slot, fault.SlotLost)
		})
	}
}

// TestPublicationGoesWhileRunning stops a stream whose publication is dropped, or dropped and made again: what was written between
// is missing, and newer servers say nothing.
func TestPublicationGoesWhileRunning(t *testing.T) {
	t.Parallel()
	for _, v := range versions {
		for name, again := range map[string]string{"dropped": "", "made again": "CREATE PUBLICATION cdcbridge_test FOR TABLE t WITH (publish_via_partition_root = true)"} {
			t.Run(v+" "+name, func(t *testing.T) {
				b := newBench(t, servers.PostgresOptions{Version: v})
				b.exec("CREATE TABLE t (id int PRIMARY KEY)")
				at := b.begin(b.config())
				b.exec("INSERT INTO t VALUES (1)")
				gone := false
				_, err := collect(t, b.config(), at, func(s *seen) bool {
					if !gone && len(s.changes) > 0 {
						gone = true
						b.exec("DROP PUBLICATION cdcbridge_test", "INSERT INTO t VALUES (2)")
						if again != "" {
							b.exec(again, "INSERT INTO t VALUES (3)")
						}
					}
					if strings.Contains(strings.Join(s.changes, ";"), "-> 3") {
						t.Fatalf("row 3 came without row 2: %q", s.changes)
					}
					return false
				})
				if code := fault.CodeOf(err); code != fault.SlotLost && code != fault.SlotMissing {
					t.Errorf("got %v", err)
				}
			})
		}
	}
}

// TestSlotWaitsForTransactions gives the making of a slot up together with Open, and leaves none behind.
func TestSlotWaitsForTransactions(t *testing.T) {
	t.Parallel()
	b := newBench(t, servers.PostgresOptions{})
	b.exec("CREATE TABLE t (id int PRIMARY KEY)")
	tx, err := b.db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.ExecContext(t.Context(), "INSERT INTO t VALUES (1)"); err != nil {
		t.Fatal(err)
	}
	cfg := b.config()
	cfg.ConnectTimeout = time.Second // which is no limit for this
	src := cfg.New(capture.Env{Pipeline: "test", Log: slog.New(slog.DiscardHandler)})
	ctx, cancel := contextWithCancel(t)
	ended := make(chan error, 1)
	go func() {
		_, err := src.Open(ctx, changelog.Checkpoint{})
		ended <- err
	}()
	waiting := "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_create_logical_replication_slot%' AND state = 'active' AND application_name = 'cdcbridge test'"
	waitFor(t, "the server to wait", func() bool { return b.query(waiting) == "1" })
	time.Sleep(1500 * time.Millisecond)
	select {
	case err := <-ended:
		t.Fatalf("gave up by itself: %v", err)
	default:
	}
	cancel()
	if err := <-ended; fault.As(err) != nil || err == nil {
		t.Errorf("got %v, want the context's error", err)
	}
	waitFor(t, "the server to give up", func() bool { return b.query(waiting) == "0" })
	if got := b.query("SELECT count(*) FROM pg_replication_slots"); got != "0" {
		t.Errorf("%s slots are left", got)
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	opened(t, cfg, "")
}
