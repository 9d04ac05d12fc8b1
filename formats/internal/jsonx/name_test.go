package jsonx

import (
	"strings"
	"testing"
)

func TestNames(t *testing.T) {
	for length := range 70 {
		text := strings.Repeat("n", length)
		name := NewName([]byte(text))
		for room := range 70 {
			dst := append(make([]byte, 0, 2+room), "x,"...)
			if got := string(name.Append(dst)); got != "x,"+text {
				t.Errorf("%d bytes into room for %d: %q", length, room, got)
			}
		}
	}
}
