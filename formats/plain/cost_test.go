package plain_test

import (
	"testing"

	"cdcbridge/formats/formatstest"
	"cdcbridge/formats/plain"
)

func TestCostOfRows(t *testing.T) { formatstest.Costs(t, plain.Kind()) }
