package deletes

import "testing"

// TestTombstones: only the tombstone of the delete that is the record before it in its partition says nothing new.
func TestTombstones(t *testing.T) {
	l := Last{}
	key := []byte("k")
	l.Set("t", 0, key)
	key[0] = 'x' // the key was copied
	for i, c := range []struct {
		topic     string
		partition int32
		key       string
		repeated  bool
	}{{"t", 1, "k", false}, {"u", 0, "k", false}, {"t", 0, "x", false}, {"t", 0, "k", true}, {"t", 0, "k", false}} {
		if got := l.Repeated(c.topic, c.partition, []byte(c.key)); got != c.repeated {
			t.Errorf("%d: %v", i, got)
		}
	}
	l.Set("t", 0, []byte("k"))
	l.Set("t", 0, nil)
	if l.Repeated("t", 0, []byte("k")) {
		t.Error("another record stands between")
	}
	if l.Set("t", 0, []byte{}); l.Repeated("t", 0, []byte{}) {
		t.Error("an empty key")
	}
}
