package differential

import (
	"context"
	"strings"
	"testing"
	"time"
)

// debeziumAllowed lists what we write in another way than Debezium.
const debeziumAllowed = "allowed.yaml"

// databases are the servers with goldens.
var databases = []string{"mysql", "mariadb", "postgres18", "postgres15"}

// golden is the file of one server and variant. Debezium writes the same of every version of PostgreSQL, and the long tier sees that it does.
func golden(server, variant string) string {
	if strings.HasPrefix(server, "postgres") {
		server = "postgres18"
	}
	return server + "-" + variant
}

// TestDebezium writes what Debezium wrote of the same statements, byte for byte but for the reasoned differences. Each of those is put to the
// database, or to a test that knows the database's answer.
func TestDebezium(t *testing.T) {
	t.Parallel()
	list := readAllowed(t, debeziumAllowed)
	ran := 0
	for _, name := range databases {
		t.Run(name, func(t *testing.T) {
			d := newDatabase(t, name)
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
			defer cancel()
			ours := d.ours(ctx, t, cleaner{positions: true})
			d.follow(ctx, t, ours)
			all := ours.finish()
			d.seeLog(ctx, t)
			for variant, got := range all {
				d.judge(ctx, t, list, variant, compare(readGolden(t, golden(name, variant)), got))
			}
			ran++
		})
	}
	if ran == len(databases) {
		reportUnused(t, debeziumAllowed, list)
	}
}
