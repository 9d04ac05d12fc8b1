package upsert

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"cdcbridge/changelog"
	"cdcbridge/internal/fault"
	"cdcbridge/internal/kafkawire"
)

func testScribe() *stateScribe {
	return &stateScribe{pipeline: "shop", instance: "i1", now: "2026-01-02T03:04:05Z"}
}

func TestStateRecordsAreAsDocumented(t *testing.T) {
	w := testScribe()
	p := pin{ID: kafkawire.TopicID{1, 2, 3}, Partitions: 3}
	for _, err := range []error{
		w.position("gtid:a<b>&c"), w.claim("p", []string{"i0"}), w.pin("shop.orders", p), w.pin(offsetsTopic, pin{ID: p.ID, Partitions: 50, Group: "g"}),
		w.entry(changelog.State{Key: "cursor", Value: []byte("12")}), w.entry(changelog.State{Key: "raw", Value: []byte{0xff}}),
		w.entry(changelog.State{Key: "gone"}),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	want := []string{
		`{"pipeline":"shop","kind":"position"} {"version":1,"min_reader":1,"position":"gtid:a<b>&c","instance":"i1","time":"2026-01-02T03:04:05Z"}`,
		`{"pipeline":"shop","kind":"claim"} {"version":1,"min_reader":1,"position":"p","instance":"i1","time":"2026-01-02T03:04:05Z","superseded":["i0"]}`,
		`{"pipeline":"shop","kind":"pin","name":"shop.orders"} {"version":1,"min_reader":1,"id":"AQIDAAAAAAAAAAAAAAAAAA","partitions":3}`,
		`{"pipeline":"shop","kind":"pin","name":"__consumer_offsets"} {"version":1,"min_reader":1,"id":"AQIDAAAAAAAAAAAAAAAAAA","partitions":50,"group":"g"}`,
		`{"pipeline":"shop","kind":"entry","name":"cursor"} {"version":1,"min_reader":1,"text":"12"}`,
		`{"pipeline":"shop","kind":"entry","name":"raw"} {"version":1,"min_reader":1,"bytes":"/w=="}`,
		`{"pipeline":"shop","kind":"entry","name":"gone"} `,
	}
	for i, r := range w.recs {
		if got := string(r.key) + " " + string(r.value); got != want[i] {
			t.Errorf("record %d\ngot  %s\nwant %s", i, got, want[i])
		}
	}
}

func TestStateComesBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := testScribe()
		state, pins, pos := map[string]string{}, map[string]pin{}, ""
		for range rapid.IntRange(0, 30).Draw(t, "steps") {
			name := rapid.StringMatching(`[a-cé"\\]{1,2}`).Draw(t, "name")
			var err error
			switch rapid.IntRange(0, 3).Draw(t, "kind") {
			case 0:
				pos = rapid.String().Draw(t, "position")
				err = w.position(changelog.Position(pos))
			case 1:
				p := pin{Partitions: rapid.Int32Range(1, 99).Draw(t, "partitions"), Group: rapid.SampledFrom([]string{"", "g"}).Draw(t, "group")}
				copy(p.ID[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "id"))
				pins[name], err = p, w.pin(name, p)
			case 2:
				value := rapid.SliceOf(rapid.Byte()).Draw(t, "value")
				if value == nil {
					value = []byte{}
				}
				state[name], err = string(value), w.entry(changelog.State{Key: name, Value: value})
			case 3:
				delete(state, name)
				err = w.entry(changelog.State{Key: name})
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		s := foldState(t, w.recs)
		if string(s.pos) != pos || fmt.Sprint(s.pins) != fmt.Sprint(pins) || len(s.entries) != len(state) {
			t.Fatalf("got %q %v %q, want %q %v %q", s.pos, s.pins, s.entries, pos, pins, state)
		}
		cp := s.checkpoint()
		for _, e := range cp.State {
			if want, ok := state[e.Key]; !ok || string(e.Value) != want {
				t.Fatalf("%q: %q, want %q", e.Key, e.Value, want)
			}
		}
		if !slices.IsSortedFunc(cp.State, func(a, b changelog.State) int { return strings.Compare(a.Key, b.Key) }) {
			t.Fatal("entries are not sorted")
		}
	})
}

// foldState passes records through real batches and folds them.
func foldState(t interface {
	Fatal(...any)
}, recs []stateRecord) *pipelineState {
	s := newPipelineState()
	topic := &Topic{Name: "state"}
	offset := int64(0)
	parts := stateParts(topic, 3, recs, 1_700_000_000_000)
	if err := packState(parts, kafkawire.LZ4); err != nil {
		t.Fatal(err)
	}
	for _, part := range parts {
		kafkawire.SealBatch(part.Batch, &part.Header)
		b, _, ok, err := kafkawire.NextBatch(part.Batch)
		if err != nil || !ok || part.Partition != 3 || part.Topic != topic {
			t.Fatal("batch", ok, err)
		}
		it, _, err := b.Records(nil)
		if err != nil {
			t.Fatal(err)
		}
		var r kafkawire.FetchedRecord
		for it.Next(&r) {
			if err := s.apply("shop", offset, r.Key, r.Value); err != nil {
				t.Fatal(err)
			}
			offset++
		}
		if it.Err() != nil {
			t.Fatal(it.Err())
		}
	}
	if int(offset) != len(recs) {
		t.Fatal("records", offset, "of", len(recs))
	}
	return s
}

func TestStatePartsAreBounded(t *testing.T) {
	var recs []stateRecord
	for i := range 100 {
		recs = append(recs, stateRecord{[]byte("k"), bytes.Repeat([]byte("v"), 10_000+i)})
	}
	recs = append(recs, stateRecord{[]byte("large"), make([]byte, 2*stateBatchBytes)}, stateRecord{[]byte("k"), nil})
	count := int32(0)
	parts := stateParts(&Topic{}, 0, recs, 0)
	for _, p := range parts {
		count += p.Header.Count
		if len(p.Batch) > stateBatchBytes+100 && p.Header.Count > 1 {
			t.Errorf("a batch of %d records takes %d bytes", p.Header.Count, len(p.Batch))
		}
	}
	if int(count) != len(recs) || len(parts) < 5 {
		t.Errorf("%d records of %d in %d batches", count, len(recs), len(parts))
	}
	large := len(parts[0].Batch)
	if err := packState(parts, kafkawire.LZ4); err != nil || parts[0].Header.Codec != kafkawire.LZ4 || len(parts[0].Batch) > large/2 {
		t.Errorf("%d bytes became %d, %v, %v", large, len(parts[0].Batch), parts[0].Header.Codec, err)
	}
	if parts := stateParts(&Topic{}, 0, nil, 0); len(parts) != 0 {
		t.Errorf("%d batches of nothing", len(parts))
	}
}

func TestStateRefusesWhatIsNoText(t *testing.T) {
	w := testScribe()
	for _, err := range []error{w.position("\xff"), w.claim("\xff", nil), w.entry(changelog.State{Key: "\xff", Value: []byte("v")})} {
		if !fault.Is(err, fault.Internal) {
			t.Errorf("got %v", err)
		}
	}
}

func TestStateOfOthers(t *testing.T) {
	s := newPipelineState()
	for _, tc := range []struct {
		key, value string
		code       fault.Code
	}{
		{`{"pipeline":"other","kind":"position"}`, `garbage`, ""},
		{`{"pipeline":"shop","kind":"future"}`, `{"version":9,"min_reader":1}`, ""},
		{`{"pipeline":"shop","kind":"future"}`, `{"version":9,"min_reader":2}`, fault.StateNewer},
		{`{"pipeline":"shop","kind":"position"}`, `{"version":9,"min_reader":2,"position":"x"}`, fault.StateNewer},
		{`{"pipeline":"shop","kind":"position"}`, `{"position":"x"}`, fault.Decode},
		{`{"pipeline":"shop","kind":"pin","name":"t"}`, `{"version":1,"min_reader":1,"id":"short","partitions":1}`, fault.Decode},
		{`{"pipeline":"shop","kind":"entry","name":"e"}`, `{"version":1,"min_reader":1}`, fault.Decode},
		{`{"pipeline":"shop"}`, `{"version":1,"min_reader":1}`, fault.Decode},
		{`key`, `value`, fault.Decode},
	} {
		err := s.apply("shop", 5, []byte(tc.key), []byte(tc.value))
		if fault.CodeOf(err) != tc.code || err != nil && !fault.IsFinal(err) {
			t.Errorf("%s %s: %v, want %q", tc.key, tc.value, err, tc.code)
		}
	}
	if err := s.apply("shop", 5, []byte("key"), nil); err != nil {
		t.Errorf("a removed record: %v", err)
	}
	if s.pos != "" || len(s.entries)+len(s.pins) > 0 {
		t.Errorf("state %+v", s)
	}
}

// FuzzStateApply must neither panic nor take anything for state that does not come back as it is.
func FuzzStateApply(f *testing.F) {
	w := testScribe()
	for _, err := range []error{w.position("p"), w.claim("p", []string{"a"}), w.pin("t", pin{Partitions: 1}), w.entry(changelog.State{Key: "k", Value: []byte("v")})} {
		if err != nil {
			f.Fatal(err)
		}
	}
	for _, r := range w.recs {
		f.Add(r.key, r.value)
	}
	f.Add([]byte(`{"pipeline":"shop","kind":"x"}`), []byte(`{"version":1,"min_reader":2}`))
	f.Add([]byte(`null`), []byte(`{}`))
	f.Fuzz(func(t *testing.T, key, value []byte) {
		s := newPipelineState()
		if err := s.apply("shop", 1, key, value); err != nil {
			if fault.As(err) == nil {
				t.Fatalf("an error without a code: %v", err)
			}
			return
		}
		w := testScribe()
		if s.pos != "" {
			if err := w.position(s.pos); err != nil {
				t.Fatal(err)
			}
		}
		for _, e := range s.checkpoint().State {
			if err := w.entry(e); err != nil {
				t.Fatal(err)
			}
		}
		for name, p := range s.pins {
			if err := w.pin(name, p); err != nil {
				t.Fatal(err)
			}
		}
		again := foldState(t, w.recs)
		if again.pos != s.pos || fmt.Sprint(again.entries) != fmt.Sprint(s.entries) || fmt.Sprint(again.pins) != fmt.Sprint(s.pins) {
			t.Fatalf("%+v came back as %+v", s, again)
		}
	})
}
