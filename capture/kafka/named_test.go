package kafka

import (
	"slices"
	"testing"

	"cdcbridge/capture"
)

func TestNamedAfter(t *testing.T) {
	var _ capture.NameGiver = (*Config)(nil)
	if got := (&Config{}).NamedAfter("shop"); !slices.Equal(got, []string{"group: cdcbridge-shop"}) {
		t.Errorf("%q", got)
	}
	c := &Config{}
	if c.Group = "g"; len(c.NamedAfter("shop")) > 0 {
		t.Errorf("%q", c.NamedAfter("shop"))
	}
}
