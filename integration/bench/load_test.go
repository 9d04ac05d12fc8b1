package main

import (
	"context"
	"testing"
)

// TestLoadsLeaveWhatTheySay fills the log of each database with each load on a small scale, and counts what the server says of
// it and sends.
func TestLoadsLeaveWhatTheySay(t *testing.T) {
	type count struct {
		name  string
		load  func(context.Context, *stand) (backlog, error)
		query string
		rows  int64 // that the query must count
	}
	const orders = "SELECT COUNT(*) FROM bench.orders"
	both := []count{{"orders", loadOrders, orders, 20_000}, {"single", loadSingle, orders, 6_000}, {"big", loadBig, orders, 20_000}}
	for on, counts := range map[string][]count{
		onMySQL: append([]count{
			{"compressed", loadCompressed, orders, 10_000},
			{"values", loadValues, "SELECT COUNT(*) FROM bench.documents WHERE LENGTH(COALESCE(body, scan)) >= 10000000", 20},
			{"mixed", loadMixed, orders, 0},
			{"wide", loadWide, "SELECT COUNT(*) FROM bench.wide WHERE c01 LIKE 'column 1 of row %' AND c98 IS NOT NULL", 2_000},
			{"megabyte", loadMegabytes, "SELECT COUNT(*) FROM bench.documents WHERE LENGTH(body) >= 990000", 20},
			{"tables", loadTables(50), "SELECT SUM(n) FROM (SELECT COUNT(*) n FROM bench.t0000 UNION ALL SELECT COUNT(*) FROM bench.t0049) t", 800},
		}, both...),
		onPostgres: append([]count{{"toast", loadToast, "SELECT SUM(revision) FROM bench.documents WHERE LENGTH(body) > 90000", 200}}, both...),
	} {
		s := &stand{options: options{rows: 20_000, runs: 1}, report: &report{}}
		if err := s.start(t.Context(), on); err != nil {
			t.Fatal(err)
		}
		for _, c := range counts {
			t.Run(on+"/"+c.name, func(t *testing.T) {
				if err := s.db.fresh(t.Context()); err != nil {
					t.Fatal(err)
				}
				b, err := c.load(t.Context(), s)
				if err != nil {
					t.Fatal(err)
				}
				var rows int64
				if err := s.db.pool().QueryRow(c.query).Scan(&rows); err != nil {
					t.Fatal(err)
				}
				if rows != c.rows {
					t.Errorf("%d rows, want %d", rows, c.rows)
				}
				if my, ok := s.db.(*mysqlDB); ok {
					my.mustHaveLogged(t, b.txns)
				}
				res, err := s.db.dump(t.Context(), b)
				if err != nil {
					t.Fatal(err)
				}
				t.Logf("%d bytes, %d events with rows", res.Bytes, res.Events)
				if res.Events == 0 && on == onMySQL || res.Bytes < b.changes*100 && c.name != "compressed" && c.name != "toast" {
					t.Errorf("the raw log has %d bytes and %d events for %d changes", res.Bytes, res.Events, b.changes)
				}
			})
		}
		if err := s.close(); err != nil {
			t.Error(err)
		}
	}
}

// mustHaveLogged counts transactions: each has one GTID, counted from 1, "uuid:1-n" or "uuid:1".
func (m *mysqlDB) mustHaveLogged(t *testing.T, want int64) {
	t.Helper()
	var n int64
	if err := m.db.QueryRow("SELECT REGEXP_SUBSTR(@@gtid_executed, '[0-9]+$')").Scan(&n); err != nil {
		t.Fatal(err)
	}
	if n != want {
		t.Errorf("%d transactions, want %d", n, want)
	}
}
