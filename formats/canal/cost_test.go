package canal

import (
	"testing"

	"cdcbridge/formats/formatstest"
)

func TestCostOfRows(t *testing.T) { formatstest.Costs(t, Kind()) }
