package harness

import "cdcbridge/integration/servers"

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
