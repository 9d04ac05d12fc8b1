package mysqlddl

import (
	"context"
	"embed"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"cdcbridge/capture/mysql/schema"
	"cdcbridge/integration/harness"
	"cdcbridge/integration/servers"

	"github.com/go-sql-driver/mysql"
)

//go:embed testdata/*.sql
var files embed.FS

var update = flag.Bool("update", false, "write which servers accept which statements")

// group is statements that are run one after the other from an empty database on.
type group struct {
	name       string
	statements []string
}

// corpus reads testdata: "-- # name" begins a group, and a semicolon ends a line and a statement.
func corpus(t *testing.T) []group {
	t.Helper()
	var out []group
	names, err := files.ReadDir("testdata")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range names {
		data, err := files.ReadFile("testdata/" + f.Name())
		if err != nil {
			t.Fatal(err)
		}
		var statement strings.Builder
		for line := range strings.Lines(string(data)) {
			line = strings.TrimRight(line, "\n")
			if name, ok := strings.CutPrefix(line, "-- # "); ok {
				out = append(out, group{name: strings.TrimSuffix(f.Name(), ".sql") + "/" + name})
				continue
			}
			if line == "" || strings.HasPrefix(line, "--") && statement.Len() == 0 {
				continue
			}
			text, ended := strings.CutSuffix(line, ";")
			statement.WriteString(text)
			if !ended {
				statement.WriteByte('\n')
				continue
			}
			g := &out[len(out)-1]
			g.statements = append(g.statements, statement.String())
			statement.Reset()
		}
	}
	return out
}

// reset makes the session and the databases new.
func (b *bench) reset(ctx context.Context) error {
	if err := b.conn.Close(); err != nil {
		return err
	}
	var err error
	if b.conn, err = b.db.Conn(ctx); err != nil {
		return err
	}
	for _, sql := range []string{
		"SET SESSION sql_mode=DEFAULT, sql_log_bin=0", "DROP DATABASE IF EXISTS d", "DROP DATABASE IF EXISTS e", "CREATE DATABASE d", "USE d", "SET SESSION sql_log_bin=1",
	} {
		if _, err := b.conn.ExecContext(ctx, sql); err != nil {
			return fmt.Errorf("running %s: %w", sql, err)
		}
	}
	b.catalog = schema.NewCatalog(b.server)
	b.catalog.PutDatabase("d", b.server.Collation)
	return b.mark(ctx)
}

// ours says which tables the catalogue follows.
func ours(n schema.Name) bool { return n.Database == "d" || n.Database == "e" }

// mustAsk are statements that do not tell what they do: the table may have been there; what a text is converted to, and the
// meaning of USING HASH in another engine, depend on what no catalogue shows.
var mustAsk = regexp.MustCompile(`(?i)IF NOT EXISTS|CONVERT TO|ENGINE=InnoDB$`)

// run runs a statement and compares. It reports whether the server accepted it.
func (b *bench) run(ctx context.Context, t *testing.T, sql string) bool {
	t.Helper()
	if _, err := b.conn.ExecContext(ctx, sql); err != nil {
		var refused *mysql.MySQLError
		if !errors.As(err, &refused) {
			t.Fatalf("%s: %v", sql, err)
		}
		if testing.Verbose() {
			t.Logf("%s refuses %s: %v", b.version, sql, err)
		}
		return false
	}
	s, err := b.session(ctx)
	if err != nil {
		t.Fatal(err)
	}
	statements, err := b.logged(ctx)
	if err != nil {
		t.Fatal(err)
	}
	var unknown []schema.Name
	for _, l := range statements {
		if l[0] != "" {
			s.Database = l[0]
		}
		e, err := b.catalog.Apply(l[1], s, ours)
		if err != nil {
			t.Errorf("%s: %s: %v", b.version, l[1], err)
		}
		unknown = append(unknown, e.Unknown...)
		b.applied++
	}
	want, err := b.tables(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range unknown { // what nobody can know from the statement is asked for, as the source does
		if want[n] == nil {
			b.catalog.PutAbsent(n)
			continue
		}
		b.asked++
		if !b.random && !mustAsk.MatchString(sql) {
			t.Errorf("%s: after %s\n logged %q\n not known: %s", b.version, sql, statements, n)
		}
		b.catalog.Put(want[n])
	}
	if d := b.differences(want); len(d) > 0 {
		t.Errorf("%s: after %s\n logged %q\n %s", b.version, sql, statements, strings.Join(d[:min(len(d), 4)], "\n "))
	}
	for _, n := range b.catalog.Names() { // each difference once
		if want[n] == nil {
			b.catalog.Forget(n)
		}
	}
	for n, w := range want {
		if got := b.catalog.Table(n); got == nil || len(compare(got, w)) > 0 {
			b.catalog.Put(w)
		}
	}
	return true
}

// versions are the servers of this run.
func versions() []string {
	if v := os.Getenv("MYSQLDDL_VERSIONS"); v != "" {
		return strings.Split(v, ",")
	}
	if harness.Long || *update {
		return servers.MySQLVersions
	}
	return []string{"97", "maria118"}
}

func TestDDLCorpus(t *testing.T) {
	began := time.Now()
	groups := corpus(t)
	total := 0
	accepted := map[string][]string{} // by statement, with its group
	for _, g := range groups {
		for i, sql := range g.statements {
			if !strings.HasPrefix(sql, "SET ") && !strings.HasPrefix(sql, "USE ") {
				total++
			}
			accepted[key(g, i)] = nil
		}
	}
	if total < 300 {
		t.Errorf("the corpus has %d statements", total)
	}
	facts := map[string]any{"statements": total}
	for _, v := range versions() {
		t.Run(v, func(t *testing.T) {
			b, err := newBench(t.Context(), servers.MySQLFor(t, servers.MySQLOptions{Version: v}))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = b.close() })
			n := 0
			for _, g := range groups {
				if f := os.Getenv("MYSQLDDL_GROUP"); f != "" && !strings.Contains(g.name, f) {
					continue
				}
				t.Run(g.name, func(t *testing.T) {
					if err := b.reset(t.Context()); err != nil {
						t.Fatal(err)
					}
					for i, sql := range g.statements {
						if b.run(t.Context(), t, sql) {
							n++
							accepted[key(g, i)] = append(accepted[key(g, i)], v)
						}
					}
				})
			}
			facts[v] = map[string]any{"version": b.number, "accepted": n, "applied": b.applied}
			if b.applied < 200 {
				t.Errorf("%s has logged %d statements", v, b.applied)
			}
		})
	}
	golden(t, accepted)
	harness.Evidence(t, began, facts)
}

func key(g group, i int) string {
	return g.name + "\t" + strings.ReplaceAll(g.statements[i], "\n", " ")
}

// golden compares which servers accept which statement with what is noted.
func golden(t *testing.T, accepted map[string][]string) {
	t.Helper()
	const file = "testdata/accepted.txt"
	var b strings.Builder
	for _, k := range slices.Sorted(maps.Keys(accepted)) {
		fmt.Fprintf(&b, "%s\t%s\n", strings.Join(accepted[k], " "), k)
	}
	if *update {
		if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	noted := map[string]map[string]bool{}
	for line := range strings.Lines(string(data)) {
		who, k, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		noted[k] = map[string]bool{}
		for _, v := range strings.Fields(who) {
			noted[k][v] = true
		}
	}
	for k, who := range accepted {
		if noted[k] == nil {
			t.Errorf("not noted: %s (run with -update)", k)
			continue
		}
		for _, v := range versions() {
			if noted[k][v] != slices.Contains(who, v) {
				t.Errorf("%s: accepted is %t, noted is %t: %s", v, slices.Contains(who, v), noted[k][v], k)
			}
		}
	}
}
