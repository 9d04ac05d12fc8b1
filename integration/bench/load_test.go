package main

import (
	"context"
	"testing"
)

// TestLoadsLeaveWhatTheySay fills the binlog with each load on a small scale and counts what the server says of it.
func TestLoadsLeaveWhatTheySay(t *testing.T) {
	s, err := newStand(t.Context(), options{rows: 20_000, runs: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.close(); err != nil {
			t.Error(err)
		}
	})
	for _, l := range []struct {
		name  string
		load  func(context.Context, *stand) (backlog, error)
		count string
		rows  int64 // that the query must count
	}{
		{"orders", loadOrders, "SELECT COUNT(*) FROM bench.orders", 20_000},
		{"single", loadSingle, "SELECT COUNT(*) FROM bench.orders", 6_000},
		{"big", loadBig, "SELECT COUNT(*) FROM bench.orders", 20_000},
		{"compressed", loadCompressed, "SELECT COUNT(*) FROM bench.orders", 10_000},
		{"values", loadValues, "SELECT COUNT(*) FROM bench.documents WHERE LENGTH(COALESCE(body, scan)) >= 10000000", 20},
		{"mixed", loadMixed, "SELECT COUNT(*) FROM bench.orders", 0},
	} {
		t.Run(l.name, func(t *testing.T) {
			if err := s.fresh(t.Context()); err != nil {
				t.Fatal(err)
			}
			b, err := l.load(t.Context(), s)
			if err != nil {
				t.Fatal(err)
			}
			var rows, transactions int64
			if err := s.db.QueryRow(l.count).Scan(&rows); err != nil {
				t.Fatal(err)
			}
			// Each transaction has one GTID, counted from 1: "uuid:1-n", or "uuid:1".
			if err := s.db.QueryRow("SELECT REGEXP_SUBSTR(@@gtid_executed, '[0-9]+$')").Scan(&transactions); err != nil {
				t.Fatal(err)
			}
			if rows != l.rows || transactions != b.txns {
				t.Errorf("%d rows and %d transactions, want %d and %d", rows, transactions, l.rows, b.txns)
			}
			res, err := s.dump(t.Context(), b)
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("%d bytes, %d events with rows", res.Bytes, res.Events)
			if res.Events == 0 || res.Bytes < b.changes*100 && l.name != "compressed" {
				t.Errorf("the raw dump has %d bytes and %d events with rows for %d changes", res.Bytes, res.Events, b.changes)
			}
		})
	}
}
