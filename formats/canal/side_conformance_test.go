package canal

import (
	"testing"

	"cdcbridge/formats/formatstest"
)

// TestSideConformance covers both places that statements can go to.
func TestSideConformance(t *testing.T) {
	for _, topic := range []string{"shop.ddl", RowsTopic} {
		c := defaults()
		c.DDLTopic = topic
		formatstest.Sides(t, Kind(), c)
	}
}
