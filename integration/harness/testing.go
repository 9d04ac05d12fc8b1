package harness

import (
	"context"
	"fmt"
	"time"

	"cdcbridge/integration/servers"
)

// StartFor is Start in a directory of the test; the daemon ends with the test, or could not start and ends it. A failed test
// shows the daemon's log.
func StartFor(tb servers.TB, config string) *Daemon {
	tb.Helper()
	d, err := Start(tb.TempDir(), config)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		d.Kill()
		if tb.Failed() {
			tb.Log("log of the daemon:\n" + d.Log())
		}
	})
	return d
}

// StopFor has the daemon drain and end; one that does not within half a minute, or that says that it failed, ends the test.
func StopFor(tb servers.TB, d *Daemon) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := d.Stop(ctx); err != nil {
		tb.Fatal(err)
	}
}

// SameRows compares what a topic says with its table: rows by key, columns by name, values as texts. The error tells the first difference.
func SameRows(topic string, got, want map[string]map[string]string) error {
	for key, w := range want {
		g, ok := got[key]
		if !ok {
			return fmt.Errorf("%s lacks the row %s (%d rows, the table has %d)", topic, key, len(got), len(want))
		}
		for name, text := range w {
			if g[name] != text {
				return fmt.Errorf("%s, row %s, column %s: %q, the table has %q", topic, key, name, g[name], text)
			}
		}
	}
	for key := range got {
		if _, ok := want[key]; !ok {
			return fmt.Errorf("%s has the row %s, which the table has not", topic, key)
		}
	}
	return nil
}
