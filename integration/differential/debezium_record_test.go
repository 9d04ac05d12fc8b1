package differential

import (
	"context"
	"flag"
	"testing"
	"time"

	"cdcbridge/integration/harness"
	"cdcbridge/integration/servers"
)

var update = flag.Bool("update", false, "with CDCBRIDGE_LONG: write what Debezium wrote to testdata/*.golden")

// TestRecordDebezium runs the scripts under the real Debezium, in the long tier: what it writes is what the goldens have.
func TestRecordDebezium(t *testing.T) {
	if !harness.Long {
		return // the goldens are what the ordinary tier has of Debezium
	}
	for _, name := range databases {
		t.Run(name, func(t *testing.T) {
			kafka := servers.KafkaFor(t, servers.KafkaOptions{Heap: "320m"})
			connect := servers.ConnectFor(t, kafka)
			d := newDatabase(t, name)
			ctx, cancel := context.WithTimeout(t.Context(), 15*time.Minute)
			defer cancel()
			for variant, all := range d.record(ctx, t, kafka, connect, cleaner{positions: true}) {
				if *update {
					writeGolden(t, name+"-"+variant, all)
				}
				for _, diff := range compare(readGolden(t, name+"-"+variant), all) {
					t.Errorf("%s: not as recorded: %s", variant, diff)
				}
			}
		})
	}
}
