package jsonx

import (
	"strings"
	"testing"
)

// FuzzAppendText holds AppendText to Unquote, for which it is a faster way.
func FuzzAppendText(f *testing.F) {
	for _, s := range []string{`""`, `"plain"`, `"\n\t\"\\\/"`, `"a\u00e9b"`, `"\ud83d\ude00"`, `"\ud83d"`, `"\ud83dx\ude00"`, `"\ud83d\ud83d\ude00"`, `"\ude00\ud83d"`,
		`"\ud83d\u0041"`, `"\\ud83d\\ude00"`, `"é\u0000😀"`, "\"a\" "} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		want, err := Unquote([]byte(raw))
		if err != nil {
			return
		}
		raw = strings.TrimSpace(raw) // what Unquote passes over and no literal has
		if got := AppendText([]byte("x"), []byte(raw)); string(got) != "x"+string(want) {
			t.Fatalf("%s: got %q, want %q", raw, got[1:], want)
		}
	})
}
