package postgressource

import (
	"fmt"
	"strings"
	"testing"

	"cdcbridge/capture"
	"cdcbridge/integration/servers"
	"cdcbridge/internal/fault"
)

// TestScannable: what can be read is named as the stream names it, with estimates.
func TestScannable(t *testing.T) {
	t.Parallel()
	for _, v := range versions {
		t.Run(v, func(t *testing.T) {
			b := newBench(t, servers.PostgresOptions{Version: v})
			b.exec("CREATE TABLE p (id int PRIMARY KEY, v text) PARTITION BY RANGE (id)", "CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (1000)", "CREATE TABLE p2 PARTITION OF p FOR VALUES FROM (1000) TO (3000) PARTITION BY RANGE (id)",
				"CREATE TABLE p21 PARTITION OF p2 FOR VALUES FROM (1000) TO (3000)", "INSERT INTO p SELECT i, repeat('x', 50) FROM generate_series(1, 2000) i", "CREATE TABLE fresh (id int PRIMARY KEY)", "CREATE TABLE excluded (id int PRIMARY KEY)", "VACUUM ANALYZE p1, p21")
			for _, root := range []bool{true, false} {
				cfg := b.config()
				cfg.ExcludeTables, cfg.PublishViaPartitionRoot = []string{"public.excluded"}, root
				s := startScanning(t, cfg, "")
				all, err := s.src.Scannable(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				var got []string
				for _, x := range all {
					if x.Rows > 0 && (x.Bytes < x.Rows*50 || x.Bytes > x.Rows*200) {
						t.Errorf("%+v", x)
					}
					got = append(got, fmt.Sprintf("%s %s %d", x.FullName(), strings.Join(x.Key, ","), x.Rows))
				}
				want := []string{"public.fresh id -1", "public.p id 2000"}
				if !root {
					want = []string{"public.fresh id -1", "public.p1 id 999", "public.p21 id 1001"}
				}
				sameList(t, got, want)
				r, n := s.reader(), 0
				for _, x := range all {
					rows, _ := s.all(r, capture.Chunk{Table: x})
					n += len(rows)
				}
				if n != 2000 {
					t.Errorf("%d rows", n)
				}
				b.exec("CREATE TABLE late (id int PRIMARY KEY)") // not published
				if again, err := s.src.Scannable(t.Context()); err != nil || len(again) != len(all) {
					t.Errorf("%v %v", again, err)
				}
				s.stop()
				b.exec("DROP TABLE late", "DROP PUBLICATION "+publication)
				b.eventually("the slot is free", "SELECT NOT active FROM pg_replication_slots")
				b.exec("SELECT pg_drop_replication_slot('" + slot + "')")
			}
		})
	}
}

// TestStartOver: a slot that is lost is dropped, so that a source without a checkpoint begins anew; one that serves is not, nor one
// that somebody reads.
func TestStartOver(t *testing.T) {
	t.Parallel()
	for _, v := range versions {
		t.Run(v, func(t *testing.T) {
			b := newBench(t, servers.PostgresOptions{Version: v, WALSegmentMB: 1, Settings: map[string]string{"max_slot_wal_keep_size": "2MB", "min_wal_size": "2MB", "max_wal_size": "4MB"}})
			b.exec("CREATE TABLE t (id int PRIMARY KEY)")
			cfg := b.config()
			startOver := func() error {
				return cfg.New(capture.Env{Pipeline: "test"}).(capture.Scanner).StartOver(t.Context())
			}
			ok := func(what string) {
				t.Helper()
				if err := startOver(); err != nil {
					t.Errorf("%s: %v", what, err)
				}
			}
			slots := "SELECT string_agg(slot_name || ' ' || coalesce(confirmed_flush_lsn::text, ''), ',') FROM pg_replication_slots"
			ok("nothing there")
			at := b.begin(cfg)
			b.eventually("the slot is free", "SELECT NOT active FROM pg_replication_slots")
			before := b.query(slots)
			ok("a slot that serves")
			if after := b.query(slots); after != before || after == "" {
				t.Errorf("%s became %s", before, after)
			}
			s := startScanning(t, cfg, at)
			b.eventually("the slot is in use", "SELECT active FROM pg_replication_slots")
			wantFault(t, startOver(), fault.SlotInUse)
			s.stop()
			b.eventually("the slot is free", "SELECT NOT active FROM pg_replication_slots")
			for range 8 {
				b.exec("SELECT pg_switch_wal()", "INSERT INTO t SELECT coalesce(max(id), 0) + 1 FROM t", "CHECKPOINT")
			}
			b.eventually("the slot is lost", "SELECT wal_status = 'lost' FROM pg_replication_slots")
			openFault(t, cfg, at, fault.SlotLost)
			cfg.Create = "none"
			if f := wantFault(t, startOver(), fault.SlotLost); !f.Final || !strings.Contains(f.Hint, "pg_drop_replication_slot") {
				t.Error(f)
			}
			cfg.Create = "both"
			ok("a lost slot")
			opened(t, cfg, "")
			b.eventually("the slot is free", "SELECT NOT active FROM pg_replication_slots")
			b.exec("DROP PUBLICATION " + publication)
			ok("a publication that was dropped")
			opened(t, cfg, "")
			b.eventually("the slot is free", "SELECT NOT active FROM pg_replication_slots")
			b.exec("SELECT pg_drop_replication_slot('"+slot+"')", "SELECT pg_create_logical_replication_slot('"+slot+"', 'test_decoding')")
			wantFault(t, startOver(), fault.SourceSettings)
		})
	}
}
