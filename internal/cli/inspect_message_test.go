package cli

import (
	"bytes"
	"testing"

	"cdcbridge/internal/kafkawire"
)

// TestMessagesOfAnOutboxArePrinted: documents as they are, anything else as a text, and tombstones.
func TestMessagesOfAnOutboxArePrinted(t *testing.T) {
	var out bytes.Buffer
	p := printer{out: &out}
	for i, value := range [][]byte{[]byte(`{"id":7}`), []byte("plain <text>\xff"), {}, nil} {
		r := &kafkawire.FetchedRecord{Topic: "events", Offset: int64(i), Key: []byte("7"), Value: value}
		ev, err := messageDecoder{}.Decode(r.Key, r.Value)
		if err != nil {
			t.Fatal(err)
		}
		if err := p.print(r, ev); err != nil {
			t.Fatal(err)
		}
	}
	const at = " 1970-01-01T00:00:00.000000Z - \"7\""
	want := "+I events/0@0" + at + ` {"value":{"id":7}}` + "\n+I events/0@1" + at + ` {"value":"plain \u003ctext\u003e\ufffd"}` + "\n+I events/0@2" + at + " {\"value\":\"\"}\n-T events/0@3" + at + "\n"
	if out.String() != want {
		t.Errorf("got\n%q\nwant\n%q", out.String(), want)
	}
}

// TestTopicsOfAnOutboxAreKnown: what a row decides of a name may be anything.
func TestTopicsOfAnOutboxAreKnown(t *testing.T) {
	for topic, want := range map[string]bool{"shop.order.v1": true, "shop.order.v2": false, "shop.v1": false, "other.order.v1": false} {
		if got := fits("{pipeline}.{aggregatetype}.v1", "shop", topic); got != want {
			t.Errorf("%s fits: %v", topic, got)
		}
	}
}
