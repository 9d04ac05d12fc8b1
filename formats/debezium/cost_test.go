package debezium

import (
	"testing"

	"cdcbridge/formats/formatstest"
)

func TestCostOfRows(t *testing.T) { formatstest.Costs(t, Kind()) }

// TestCostOfRowsWithSchemas: the schema is rendered once for a table.
func TestCostOfRowsWithSchemas(t *testing.T) {
	formatstest.Costs(t, withSchemasKind())
}
