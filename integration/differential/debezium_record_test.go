package differential

import (
	"context"
	"flag"
	"slices"
	"testing"
	"time"

	"cdcbridge/integration/harness"
)

var update = flag.Bool("update", false, "with CDCBRIDGE_LONG: write what Debezium wrote to testdata/*.golden")

// besideAllowed lists what differs only where both read one log: places in it, transactions, sessions and times.
const besideAllowed = "beside.yaml"

// TestRecordDebezium runs the scripts under the real Debezium, in the long tier, and cdcbridge beside it. What Debezium writes is what the goldens
// have; and as both read one log, positions, transactions and sessions are the same too, but for reasoned differences of which the server's own view of its
// log shows that ours is right.
func TestRecordDebezium(t *testing.T) {
	if !harness.Long && !*update {
		return // the goldens are what the ordinary tier has of Debezium
	}
	beside := readAllowed(t, besideAllowed)
	list := slices.Concat(beside, readAllowed(t, debeziumAllowed))
	ran := 0
	for _, name := range databases {
		t.Run(name, func(t *testing.T) {
			ran++
			began, held, reasoned := time.Now(), 0, 0
			d := newDatabase(t, name)
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Minute)
			defer cancel()
			debezium, ours := d.debezium(ctx, t, cleaner{}), d.ours(ctx, t, cleaner{})
			d.follow(ctx, t, debezium, ours)
			got, theirs := ours.finish(), debezium.finish()
			d.seeLog(ctx, t)
			for variant, all := range theirs {
				all = withoutOurs(all)
				cleaned := cleaner{positions: true}.again(all)
				if *update && golden(name, variant) == name+"-"+variant {
					writeGolden(t, golden(name, variant), cleaned)
				}
				for _, diff := range compare(readGolden(t, golden(name, variant)), cleaned) {
					t.Errorf("%s: not as recorded: %s", variant, diff)
				}
				found := compare(all, got[variant])
				d.judge(ctx, t, list, variant, found)
				for _, records := range all {
					held += len(records)
				}
				reasoned += len(found)
			}
			harness.Evidence(t, began, map[string]any{"variants": len(d.variants), "records of Debezium": held, "differences, each with its reason": reasoned})
		})
	}
	if ran == len(databases) {
		reportUnused(t, besideAllowed, beside)
	}
}
