package plain_test

import (
	"testing"

	"cdcbridge/formats/formatstest"
	"cdcbridge/formats/plain"
)

func TestConformance(t *testing.T) { formatstest.Run(t, plain.Kind()) }

func BenchmarkEncode(b *testing.B) { formatstest.Benchmark(b, plain.Kind()) }
