package mysqlsource

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"cdcbridge/changelog"
	"cdcbridge/integration/servers"
)

// TestRowsHaveTheirStatements runs statements that change rows in each way that the log has, and finds with each row the text that was sent.
func TestRowsHaveTheirStatements(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]servers.MySQLOptions{
		"97": {Version: "97", Extra: []string{"--binlog-rows-query-log-events=ON"}}, "57": {Version: "57", Extra: []string{"--binlog-rows-query-log-events=ON"}},
		"maria118": {Version: "maria118"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, o)
			b.exec("CREATE TABLE a (id INT PRIMARY KEY, v MEDIUMTEXT)", "CREATE TABLE b (id INT PRIMARY KEY)", "CREATE TABLE quiet (id INT)")
			long := "INSERT INTO a VALUES (20,'" + strings.Repeat("x", 300_000) + "')" // longer than a batch, and than the length in its event tells
			b.session("INSERT INTO a VALUES (1,'é \"quoted\"'), (2,'b') /* two */", "BEGIN", "UPDATE a SET v='c' WHERE id<3", "INSERT INTO quiet VALUES (1)", "INSERT INTO b VALUES (1)", "SAVEPOINT s",
				"INSERT INTO b VALUES (2)", "ROLLBACK TO s", "DELETE FROM a WHERE id=2", "COMMIT", long,
				"XA START 'x'", "INSERT INTO b VALUES (3)", "INSERT INTO b VALUES (4)", "XA END 'x'", "XA PREPARE 'x'")
			b.session("INSERT INTO a VALUES (30,'between')")
			b.settle("XA COMMIT 'x'")
			want := []string{"a INSERT INTO a VALUES (1,'é \"quoted\"'), (2,'b') /* two */", "a UPDATE a SET v='c' WHERE id<3", "b INSERT INTO b VALUES (1)", "a DELETE FROM a WHERE id=2", "a " + long,
				"a INSERT INTO a VALUES (30,'between')", "b INSERT INTO b VALUES (3)", "b INSERT INTO b VALUES (4)"}
			if name == "97" {
				b.session("SET SESSION binlog_transaction_compression=ON", "INSERT INTO b VALUES (5)")
				want = append(want, "b INSERT INTO b VALUES (5)")
			}
			b.session("SET SESSION "+map[bool]string{false: "binlog_rows_query_log_events", true: "binlog_annotate_row_events"}[name == "maria118"]+"=OFF", "INSERT INTO b VALUES (6)")
			want = append(want, "b ")
			for _, include := range []bool{true, false} {
				cfg := b.config()
				cfg.IncludeQuery, cfg.ExcludeTables, cfg.BatchBytes = include, []string{"shop.quiet"}, 64<<10
				src, _, err := open(t, cfg, "")
				if err != nil {
					t.Fatal(err)
				}
				var got []string
				if err := eachBatch(t, src, func(batch *changelog.Batch) bool {
					for _, r := range batch.Runs {
						got = append(got, strings.Clone(fmt.Sprintf("%s %s", r.Table.Name, r.Query)))
					}
					return len(got) >= len(want)
				}); err != nil {
					t.Fatal(err)
				}
				if !include {
					if slices.ContainsFunc(got, func(s string) bool { return len(s) > 2 }) {
						t.Errorf("nobody asked for statements: %.300q", got)
					}
					continue
				}
				if !slices.Equal(got, want) {
					t.Errorf("got  %.2000q\nwant %.2000q", got, want)
				}
			}
		})
	}
}
