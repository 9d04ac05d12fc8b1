package jsonx

import (
	"bytes"
	"slices"
	"testing"
)

// TestPlainPrefix has every byte at every place of texts of every length up to some words.
func TestPlainPrefix(t *testing.T) {
	for n := range 34 {
		text := bytes.Repeat([]byte{'~'}, n)
		if got := plainPrefix(text); got != n {
			t.Errorf("%d plain bytes: %d", n, got)
		}
		for at := range n {
			for c := range 256 {
				text := slices.Clone(text)
				text[at] = byte(c)
				want := n
				if c < 0x20 || c >= 0x80 || c == '"' || c == '\\' {
					want = at
				}
				if got := plainPrefix(text); got != want {
					t.Fatalf("byte %#x at %d of %d: %d are plain", c, at, n, got)
				}
			}
		}
	}
}
