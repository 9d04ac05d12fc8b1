package changelog

import (
	"bytes"
	"testing"
)

// TestIdentity: the bytes are equal exactly when the values are, also one behind another.
func TestIdentity(t *testing.T) {
	values := []Value{
		Null(), Unchanged(), Bool(false), Bool(true), Int(0), Int(-1), Uint(0), Uint(1), Float64(0), Decimal([]byte("1.1")), Decimal([]byte("1.10")),
		String(nil), String([]byte("a")), String([]byte("ab")), Bytes([]byte("a")), Date(1), Infinite(KindDate, true), Infinite(KindDate, false), NaN(),
		Enum(1, []byte("a")), Enum(2, []byte("a")), Array(nil), Array([]Value{Int(1)}), Array([]Value{Int(1), Null()}), Array([]Value{Array([]Value{Int(1)})}),
	}
	for i, a := range values {
		for j, b := range values {
			if got := bytes.Equal(a.AppendIdentity(nil), b.AppendIdentity(nil)); got != a.Equal(b) || got != (i == j) {
				t.Errorf("values %d and %d: equal is %v", i, j, got)
			}
		}
	}
	ab, c := String([]byte("ab")).AppendIdentity(nil), String([]byte("c")).AppendIdentity(nil)
	a, bc := String([]byte("a")).AppendIdentity(nil), String([]byte("bc")).AppendIdentity(nil)
	if bytes.Equal(append(ab, c...), append(a, bc...)) {
		t.Error("where one value ends is lost")
	}
}
