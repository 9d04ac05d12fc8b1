package upsert

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"cdcbridge/changelog"
	"cdcbridge/internal/fault"
)

// readerOf is a reader that has read what w has written, and a tombstone.
func readerOf(t *testing.T, w *stateScribe) *stateReader {
	t.Helper()
	r := &stateReader{pipeline: w.pipeline, newest: map[string]heldState{}}
	for i, rec := range w.recs {
		r.newest[string(rec.key)] = heldState{int64(i), rec.value}
	}
	return r
}

func noErrors(t *testing.T, errs ...error) {
	t.Helper()
	for _, err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
}

// TestRecordsAreCopiedByteForByte: what a newer release has added stays in them, and so do records of a kind that only it knows.
func TestRecordsAreCopiedByteForByte(t *testing.T) {
	w := testScribe()
	noErrors(t, w.position("gtid:a<b>&c"), w.entry(changelog.State{Key: "raw", Value: []byte{0xff}}), w.entry(changelog.State{Key: "gone"}), w.pin("shop.orders", pin{Partitions: 3}))
	w.recs = append(w.recs, stateRecord{[]byte(`{"pipeline":"shop","kind":"future","name":"x"}`), []byte(`{"version":7,"min_reader":1,"new":[1,2.50]}`)})
	recs, err := readerOf(t, w).records()
	noErrors(t, err, CheckRecords(recs))
	if len(recs) != 4 || recs[0].Kind != "entry" || recs[1].Kind != "future" || recs[3].Kind != "position" {
		t.Fatalf("%+v", recs)
	}
	var text bytes.Buffer // as an export has them
	enc := json.NewEncoder(&text)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	noErrors(t, enc.Encode(recs))
	var read []StateRecord
	noErrors(t, json.Unmarshal(text.Bytes(), &read))
	copied := testScribe()
	copied.pipeline = "crm"
	noErrors(t, copied.copy(read))
	for _, r := range copied.recs {
		was := ""
		for _, o := range w.recs {
			if strings.ReplaceAll(string(o.key), `"shop"`, `"crm"`) == string(r.key) {
				was = string(o.value)
			}
		}
		if was != string(r.value) {
			t.Errorf("%s\ngot  %s\nwant %s", r.key, r.value, was)
		}
	}
	if len(copied.recs) != 4 || PositionOf(read) != "gtid:a<b>&c" || PositionOf(read[:3]) != "" {
		t.Errorf("%d records, position %q", len(copied.recs), PositionOf(read))
	}
}

func TestRecordsThatAreNoCheckpoint(t *testing.T) {
	at := func(kind, name, value string) StateRecord { return StateRecord{kind, name, json.RawMessage(value)} }
	position := at("position", "", `{"version":1,"min_reader":1,"position":"p"}`)
	for _, c := range []struct {
		recs []StateRecord
		code fault.Code
		want string
	}{
		{nil, fault.Decode, "there is no position"},
		{[]StateRecord{position, position}, fault.Decode, "there twice"},
		{[]StateRecord{position, at("", "", "{}")}, fault.Decode, "no kind"},
		{[]StateRecord{position, at("entry", "a", "null")}, fault.Decode, "no value"},
		{[]StateRecord{position, at("entry", "a", `{"version":1,"min_reader":1}`)}, fault.Decode, "neither text nor bytes"},
		{[]StateRecord{position, at("pin", "a", `{"version":1,"min_reader":1,"id":"x","partitions":1}`)}, fault.Decode, "no topic id"},
		{[]StateRecord{position, at("entry", "a", `{}`)}, fault.Decode, "has no version"},
		{[]StateRecord{position, at("entry", "a", `{"version":9,"min_reader":9,"text":""}`)}, fault.StateNewer, "needs a reader of version 9"},
	} {
		err := CheckRecords(c.recs)
		if !fault.Is(err, c.code) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v: %v", c.recs, err)
		}
	}
}

func FuzzFoldRecords(f *testing.F) {
	f.Add(`[{"kind":"position","value":{"version":1,"min_reader":1,"position":"p"}},{"kind":"pin","name":"t","value":{"version":1,"min_reader":1,"id":"AQIDAAAAAAAAAAAAAAAAAA","partitions":3}}]`)
	f.Add(`[{"kind":"entry","name":"\u0000","value":{"version":1,"min_reader":2}}]`)
	f.Fuzz(func(t *testing.T, text string) {
		var recs []StateRecord
		if json.Unmarshal([]byte(text), &recs) != nil {
			return
		}
		state, err := foldRecords("p", recs)
		if err != nil {
			return
		}
		w := testScribe()
		if err := w.copy(recs); err != nil {
			t.Fatal(err)
		}
		again, err := readerOf(t, w).records()
		if err != nil {
			t.Fatal(err)
		}
		back, err := foldRecords("p", again)
		if err != nil || back.pos != state.pos || len(back.entries) != len(state.entries) || len(back.pins) != len(state.pins) {
			t.Errorf("%v: %+v is not %+v", err, back, state)
		}
	})
}
