package endtoend

import (
	"os"
	"testing"
	"time"

	"cdcbridge/integration/harness"
)

// long says that this is the long tier (make test-long).
var long = harness.Long

// TestMain lets more tests run at once than there are processors. Those that hold a daemon to a time, or change the environment, do not call Parallel.
func TestMain(m *testing.M) {
	harness.SideBySide(3)
	os.Exit(m.Run())
}

// evidence keeps what a test of the long tier has seen.
func evidence(t *testing.T, began time.Time, facts map[string]any) {
	t.Helper()
	harness.Evidence(t, began, facts)
}
