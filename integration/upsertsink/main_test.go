package upsertsink

import (
	"os"
	"testing"

	"cdcbridge/integration/harness"
)

// TestMain lets more tests run at once than there are processors.
func TestMain(m *testing.M) {
	harness.SideBySide(8)
	os.Exit(m.Run())
}
