package canal

import (
	"testing"

	"cdcbridge/formats"
	"cdcbridge/formats/formatstest"
)

// TestRoundTrip holds the reader to what the encoder wrote, under every option.
func TestRoundTrip(t *testing.T) {
	with := func(change func(*Config)) func() formats.Config {
		return func() formats.Config {
			c := defaults()
			change(c)
			return c
		}
	}
	keys := []formatstest.Loss{
		{Origin: postgres, Column: "interval", Key: true, Why: "spans that PostgreSQL calls equal are one key"},
		{Origin: postgres, Column: "spans", Key: true, Why: "as interval"},
	}
	formatstest.RoundTrip(t,
		formatstest.Trip{Name: "defaults", Config: with(func(*Config) {}), Lost: keys},
		formatstest.Trip{Name: "flink", Config: with(func(c *Config) { c.Preset("flink") }), Lost: keys},
		formatstest.Trip{Name: "zone", Config: with(func(c *Config) { c.Timezone = "+08:00"; c.TiDBExtension = true }), Lost: keys},
		formatstest.Trip{Name: "nested", Config: with(func(c *Config) { c.Nested = NestedJSON }), Lost: keys},
	)
}
