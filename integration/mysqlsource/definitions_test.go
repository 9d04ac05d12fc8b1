package mysqlsource

import (
	"slices"
	"strings"
	"sync"
	"testing"

	"cdcbridge/changelog"
	"cdcbridge/integration/servers"
)

// definitionText shows a definition with the names, types and defaults of its columns.
func definitionText(d changelog.Definition) string {
	s := []string{"", "created", "altered", "dropped"}[d.Kind] + " " + d.Name
	if d.Old != "" {
		s += " that was " + d.Old
	}
	if d.Table == nil {
		return s
	}
	s += " ("
	for _, c := range d.Table.Columns {
		s += c.Name + " " + c.SourceType
		if c.Default != nil {
			s += "=" + c.Default.Text
		}
		s += ","
	}
	return s + ")"
}

// TestDefinitions: a note of a statement says what it did to each of its tables, where it stands in the log, and when it ran. Rows
// that follow have the Table that it shows.
func TestDefinitions(t *testing.T) {
	t.Parallel()
	for _, v := range []string{"97", "97 MINIMAL", "57", "maria118", "97 FULL live", "maria118 FULL live", "57  live"} {
		t.Run(v, func(t *testing.T) {
			v, metadata, _ := strings.Cut(v, " ")
			metadata, _, live := strings.Cut(metadata, " ")
			b := newBench(t, servers.MySQLOptions{Version: v, Metadata: metadata})
			number := "int"
			if v == "57" || b.m.MariaDB() {
				number = "int(11)"
			}
			b.exec("CREATE TABLE old (id INT PRIMARY KEY)", "INSERT INTO old VALUES (1)")
			cfg := b.config()
			from := b.here()
			if !live { // of which the log has all tables from their beginning
				from, cfg.Start = "", "earliest"
			}
			cfg.OnTruncate = "note"
			steps := []struct{ sql, want string }{
				{"CREATE TABLE a (id INT PRIMARY KEY, v INT DEFAULT 5)", "a: created a (id N,v N=5,)"},
				{"CREATE TABLE b (id INT PRIMARY KEY)", "b: created b (id N,)"},
				{"CREATE TABLE IF NOT EXISTS b (id INT PRIMARY KEY, x INT)", "b:-"},
				{"ALTER TABLE a ADD w INT", "a: altered a (id N,v N=5,w N=NULL,)"},
				{"INSERT INTO a VALUES (1,2,3)", ""},
				{"TRUNCATE b", "b:"},
				{"RENAME TABLE a TO c", "a: altered c that was a (id N,v N=5,w N=NULL,)|c:"},
				{"ALTER TABLE c RENAME TO d, ADD x INT", "c: altered d that was c (id N,v N=5,w N=NULL,x N=NULL,)|d:"},
				{"ALTER TABLE d ADD PARTITION (PARTITION p VALUES LESS THAN (1))", ""}, // fails
				{"CREATE INDEX i ON d (v)", "d: altered d (id N,v N=5,w N=NULL,x N=NULL,)"},
				{"ALTER TABLE old ADD x INT", "old: altered old (id N,x N=NULL,)"},
				{"DROP TABLE b, d", "b: dropped b|d: dropped d"},
				{"DROP TABLE old", "old: dropped old"},
				{"CREATE TABLE z (id INT PRIMARY KEY)", "z: created z (id N,)"},
				{"INSERT INTO z VALUES (7)", ""},
			}
			var want []string
			if !live {
				want = append(want, "old: created old (id "+number+",)")
			}
			seen := make(chan int, 100) // notes
			run := func() {
				for _, s := range steps {
					if s.want == "b:-" && b.m.MariaDB() {
						continue // which does not log it
					}
					if _, err := b.db.ExecContext(t.Context(), s.sql); err != nil != strings.Contains(s.sql, "ADD PARTITION") {
						t.Error(s.sql, err)
					}
					if s.want == "" {
						continue
					}
					more := strings.Split(strings.NewReplacer(" N", " "+number, "-", "").Replace(s.want), "|")
					want = append(want, more...)
					for range more {
						if live {
							<-seen
						}
					}
				}
			}
			var writer sync.WaitGroup
			if live {
				writer.Go(run)
			} else {
				run()
			}
			var got []string
			var last *changelog.Table
			src, _, err := open(t, cfg, from)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = src.Close() }()
			err = eachBatch(t, src, func(batch *changelog.Batch) bool {
				for _, n := range batch.Notes {
					var text []string
					for _, d := range n.Changed {
						text = append(text, definitionText(d))
						if d.Table != nil {
							last = d.Table
						}
					}
					got = append(got, strings.TrimSpace(n.Table.Name+": "+strings.Join(text, "; ")))
					seen <- len(got)
					if x := batch.Txns[n.Txn]; n.File == "" || n.Pos <= x.Origin.Pos || n.Time == 0 || n.Time%1e6 != 0 || x.Commit-n.Time > 60e6 || n.Database != "shop" {
						t.Errorf("%+v in %+v", n, x)
					}
				}
				for _, r := range batch.Runs {
					if r.Table.Name == "z" {
						if r.Table != last {
							t.Errorf("rows of %+v after %+v", r.Table, last)
						}
						return true
					}
				}
				return false
			})
			if err != nil {
				t.Fatal(err)
			}
			writer.Wait()
			if !live { // of what is gone meanwhile the log has no defaults
				for i := range want {
					want[i] = strings.NewReplacer("=5", "", "=NULL", "").Replace(want[i])
				}
			}
			if !slices.Equal(got, want) {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
		})
	}
}
