package endtoend

import (
	"testing"
	"time"

	"cdcbridge/integration/harness"
)

// long says that this is the long tier (make test-long).
var long = harness.Long

// evidence keeps what a test of the long tier has seen.
func evidence(t *testing.T, began time.Time, facts map[string]any) {
	t.Helper()
	harness.Evidence(t, began, facts)
}
