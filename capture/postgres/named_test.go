package postgres

import (
	"slices"
	"testing"

	"cdcbridge/capture"
)

func TestNamedAfter(t *testing.T) {
	var _ capture.NameGiver = (*Config)(nil)
	c := &Config{}
	if got := c.NamedAfter("Shop"); !slices.Equal(got, []string{"slot: cdcbridge_shop", "publication: cdcbridge_shop"}) {
		t.Errorf("%q", got)
	}
	c.Slot = "mine"
	if got := c.NamedAfter("Shop"); !slices.Equal(got, []string{"publication: cdcbridge_shop"}) {
		t.Errorf("%q", got)
	}
}
