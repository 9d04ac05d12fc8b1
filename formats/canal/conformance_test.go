package canal

import (
	"testing"

	"cdcbridge/formats/formatstest"
)

func TestConformance(t *testing.T) { formatstest.Run(t, Kind()) }

func BenchmarkInsert(b *testing.B) { formatstest.Benchmark(b, Kind()) }
