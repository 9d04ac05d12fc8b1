package debezium

import (
	"testing"

	"cdcbridge/formats/formatstest"
)

func TestConformance(t *testing.T) { formatstest.Run(t, Kind()) }

func BenchmarkOrders(b *testing.B) { formatstest.Benchmark(b, Kind()) }
