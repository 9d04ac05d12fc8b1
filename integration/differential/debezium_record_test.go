package differential

import (
	"context"
	"flag"
	"testing"
	"time"

	"cdcbridge/integration/harness"
)

var update = flag.Bool("update", false, "with CDCBRIDGE_LONG: write what Debezium wrote to testdata/*.golden")

// TestRecordDebezium runs the scripts under the real Debezium, in the long tier, and cdcbridge beside it. What Debezium writes is what the goldens
// have; and as both read one log, positions, transactions and sessions are the same too.
func TestRecordDebezium(t *testing.T) {
	if !harness.Long && !*update {
		return // the goldens are what the ordinary tier has of Debezium
	}
	list := readAllowed(t, "allowed.yaml")
	for _, name := range databases {
		t.Run(name, func(t *testing.T) {
			d := newDatabase(t, name)
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Minute)
			defer cancel()
			debezium, ours := d.debezium(ctx, t, cleaner{}), d.ours(ctx, t, cleaner{})
			d.follow(ctx, t, debezium, ours)
			got := ours.finish()
			for variant, all := range debezium.finish() {
				cleaned := cleaner{positions: true}.again(all)
				if *update {
					writeGolden(t, name+"-"+variant, cleaned)
				}
				for _, diff := range compare(readGolden(t, name+"-"+variant), cleaned) {
					t.Errorf("%s: not as recorded: %s", variant, diff)
				}
				d.judge(ctx, t, list, variant, compare(all, got[variant]))
			}
		})
	}
}
