package mysql

import (
	"bytes"
	"testing"

	"cdcbridge/internal/fault"
)

func TestGTIDWireComesBack(t *testing.T) {
	for _, text := range []string{"", uuidA + ":1", uuidA + ":1-5:7," + uuidB + ":2-3", uuidA + ":1-5:blue:1:3-9," + uuidB + ":red:4"} {
		set := mustSet(t, text)
		back, err := parseGTIDWire(set.appendWire(nil))
		if err != nil || back.String() != text {
			t.Errorf("%q: %v, %v", text, back, err)
		}
		wire := set.appendWire(nil)
		for n := range wire {
			if _, err := parseGTIDWire(wire[:n]); err == nil {
				t.Errorf("%q: %d of %d bytes are enough", text, n, len(wire))
			}
		}
	}
}

func FuzzGTIDWire(f *testing.F) {
	plain, tagged := gtidSet{}, gtidSet{}
	plain.add(gtidSource{}, 7)
	tagged.add(gtidSource{tag: "blue"}, 7)
	f.Add(plain.appendWire(nil))
	f.Add(tagged.appendWire(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		set, err := parseGTIDWire(b)
		if err != nil {
			if !fault.Is(err, fault.Decode) {
				t.Fatal(err)
			}
			return
		}
		again, err := parseGTIDWire(set.appendWire(nil))
		if err != nil || !bytes.Equal(again.appendText(nil), set.appendText(nil)) {
			t.Fatalf("%v became %v: %v", set, again, err)
		}
	})
}
