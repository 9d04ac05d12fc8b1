package canal

import (
	"testing"

	"cdcbridge/formats"
	"cdcbridge/formats/formatstest"
)

func TestConformance(t *testing.T) { formatstest.Run(t, Kind()) }

// TestSides holds messages of statements to the contract, wherever they go.
func TestSides(t *testing.T) {
	for _, topic := range []string{"shop.ddl", RowsTopic} {
		c := defaults()
		c.DDLTopic = topic
		formatstest.Sides(t, Kind(), c)
	}
}

func BenchmarkInsert(b *testing.B) { formatstest.Benchmark(b, Kind()) }

func BenchmarkReader(b *testing.B) {
	formatstest.BenchmarkReader(b, formatstest.Trip{Name: "defaults", Config: func() formats.Config { return defaults() }})
}
