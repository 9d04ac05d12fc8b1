package postgressource

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"cdcbridge/capture"
	"cdcbridge/changelog"
	"cdcbridge/integration/servers"
)

// TestScanAndStreamAgree: a row of every type that is read has the same values, and the same Table, as when an update that changes
// nothing brings it by the log. Neither the server's settings nor those of the process have a say.
func TestScanAndStreamAgree(t *testing.T) {
	t.Parallel()
	local := time.Local
	time.Local = time.FixedZone("elsewhere", 5*3600+45*60)
	t.Cleanup(func() { time.Local = local })
	for _, v := range versions {
		t.Run(v, func(t *testing.T) {
			b := newBench(t, servers.PostgresOptions{Version: v, Settings: map[string]string{"timezone": "Asia/Kathmandu", "datestyle": "SQL, DMY", "extra_float_digits": "0", "bytea_output": "escape", "intervalstyle": "iso_8601"}})
			b.exec("CREATE TYPE public.mood AS ENUM ('sad', 'ok')", "CREATE TYPE public.pair AS (a int, b text)", "CREATE DOMAIN public.price AS numeric(8,2)")
			var columns, values []string
			for i, typ := range types {
				columns, values = append(columns, fmt.Sprintf("c%d %s", i, typ.SQL)), append(values, typ.Literal)
			}
			b.exec("CREATE TABLE every (id int PRIMARY KEY, "+strings.Join(columns, ", ")+", g int GENERATED ALWAYS AS (id * 2) STORED, n text NOT NULL DEFAULT 'x')",
				"INSERT INTO every VALUES (1, "+strings.Join(values, ", ")+")", "INSERT INTO every (id) VALUES (2)",
				"CREATE TABLE fully (a int, b text NOT NULL, big text, PRIMARY KEY (b, a)); ALTER TABLE fully REPLICA IDENTITY FULL; ALTER TABLE fully ALTER big SET STORAGE EXTERNAL", "INSERT INTO fully VALUES (1, 'x', "+large("a")+")",
				"CREATE TABLE indexed (id int, k int NOT NULL, l text NOT NULL, UNIQUE (l, k)); ALTER TABLE indexed REPLICA IDENTITY USING INDEX indexed_l_k_key", "INSERT INTO indexed VALUES (1, 2, 'x')",
				"CREATE TABLE p (id int, r int, v text, PRIMARY KEY (r, id)) PARTITION BY RANGE (r)", "CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (10)",
				"CREATE TABLE p2 (v text, gone int, r int NOT NULL, id int NOT NULL); ALTER TABLE p2 DROP gone; ALTER TABLE p ATTACH PARTITION p2 FOR VALUES FROM (10) TO (20)", "INSERT INTO p VALUES (1, 1, 'a'), (2, 12, 'b')",
				"CREATE TABLE lists (id int PRIMARY KEY, a text, b text, c text)", "INSERT INTO lists VALUES (1, 'a', 'b', 'c')",
				"CREATE TABLE base (id int PRIMARY KEY, v text)", "CREATE TABLE heir (PRIMARY KEY (id)) INHERITS (base)", "INSERT INTO base VALUES (1, 'base')", "INSERT INTO heir VALUES (1, 'heir')",
			)
			cfg := b.config()
			cfg.Publish = append(cfg.Publish, publishedColumns("public.lists", "c", "id"))
			s := startScanning(t, cfg, "")
			r := s.reader()
			names := []string{"every", "fully", "indexed", "p", "lists", "base", "heir"}
			scanned := map[string]read{}
			for _, name := range names {
				scanned[name] = s.mustScan(r, capture.Chunk{Table: s.table("public." + name)})
				if !scanned[name].Done {
					t.Errorf("%s is not done", name)
				}
			}
			for _, name := range names {
				only := "ONLY "
				if name == "p" {
					only = ""
				}
				b.exec("UPDATE " + only + name + " SET " + map[string]string{"every": "n = n", "fully": "a = a", "indexed": "id = id", "p": "id = id", "lists": "id = id", "base": "id = id", "heir": "id = id"}[name])
			}
			byName := map[string][]string{}
			table := map[string]*changelog.Table{}
			for _, c := range s.streamedAtLeast(9) {
				byName[c.name] = append(byName[c.name], c.after)
				table[c.name] = c.table
			}
			for _, name := range names {
				got, want := scanned[name].rows, byName[name]
				slices.Sort(got)
				slices.Sort(want)
				sameList(t, got, want)
				if scanned[name].table != table[name] {
					t.Errorf("%s: the versions\n%+v\nand\n%+v", name, *scanned[name].table, *table[name])
				}
			}
			if n := len(scanned["every"].rows); n != 2 {
				t.Errorf("%d rows", n)
			}
		})
	}
}
