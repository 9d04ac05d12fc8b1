package debezium

import (
	"testing"

	"cdcbridge/formats"
	"cdcbridge/formats/formatstest"
)

func TestConformance(t *testing.T) { formatstest.Run(t, Kind()) }

// TestConformanceWithSchemas: what records say is the same when they carry their schemas.
func TestConformanceWithSchemas(t *testing.T) { formatstest.Run(t, withSchemasKind()) }

func BenchmarkOrders(b *testing.B) { formatstest.Benchmark(b, Kind()) }

func BenchmarkOrdersWithSchemas(b *testing.B) { formatstest.Benchmark(b, withSchemasKind()) }

func withSchemasKind() formats.Kind {
	kind := Kind()
	kind.Config = func() formats.Config {
		c := NewConfig()
		c.Schemas.SchemasEnable, c.Schemas.KeySchemasEnable = true, true
		return c
	}
	return kind
}
