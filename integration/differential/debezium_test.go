package differential

import (
	"context"
	"testing"
	"time"
)

// databases are the servers with goldens.
var databases = []string{"mysql", "mariadb", "postgres18"}

// TestDebezium writes what Debezium wrote of the same statements, byte for byte but for the reasoned differences. Each of those is put to the
// database, or to a test that knows the database's answer.
func TestDebezium(t *testing.T) {
	list := readAllowed(t, "allowed.yaml")
	ran := 0
	for _, name := range databases {
		t.Run(name, func(t *testing.T) {
			d := newDatabase(t, name)
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
			defer cancel()
			ours := d.ours(ctx, t, cleaner{positions: true})
			d.follow(ctx, t, ours)
			for variant, got := range ours.finish() {
				d.judge(ctx, t, list, variant, compare(readGolden(t, name+"-"+variant), got))
			}
			ran++
		})
	}
	for i, a := range list {
		if ran == len(databases) && !a.used {
			t.Errorf("entry %d of allowed.yaml is about nothing any more: %s", i+1, a.Reason)
		}
	}
}
