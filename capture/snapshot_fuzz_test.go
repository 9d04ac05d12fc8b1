package capture

import (
	"encoding/json"
	"testing"

	"cdcbridge/changelog"
)

// FuzzSnapshotRequest: what can be parsed can be written, and is the same again.
func FuzzSnapshotRequest(f *testing.F) {
	for _, text := range []string{
		`{"v":1,"action":"start","tables":["shop.*"],"where":"id > 5","time":"2026-01-02T03:04:05Z","by":"me"}`,
		`{"v":1,"action":"start","regexps":["shop\\.(a|b)"],"conditions":[{"regexp":".*","where":"x"}]}`,
		`{"v":1,"action":"pause"}`, `{"v":1,"action":"cancel","regexps":["("]}`, `{"v":2}`, `[]`, ``,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		r, err := ParseSnapshotRequest(text)
		if err != nil {
			return
		}
		again, err := r.Encode()
		if err != nil {
			t.Fatalf("%+v: %v", r, err)
		}
		r2, err := ParseSnapshotRequest(again)
		if err != nil || r2.String() != r.String() || !r2.Time.Equal(r.Time) {
			t.Errorf("%s became %s: %v", text, again, err)
		}
		if _, err := r.matcher(); err != nil {
			t.Error(err)
		}
	})
}

// FuzzSignal: whatever stands in a signal table, it becomes nothing or a request that says what it is or what is wrong.
func FuzzSignal(f *testing.F) {
	f.Add("1", "execute-snapshot", `{"data-collections":["shop\\.orders"],"additional-conditions":[{"data-collection":"shop.orders","filter":"id>5"}]}`)
	f.Add("2", "stop-snapshot", `{"data-collections":["("]}`)
	f.Add("\xff\"", "execute-snapshot", "{")
	f.Add("3", "pause-snapshot", "")
	f.Add("4", "log", `{"message":"hello"}`)
	table := &changelog.Table{Columns: []changelog.Column{{Name: "id"}, {Name: "TYPE"}, {Name: "data"}}}
	f.Fuzz(func(t *testing.T, id, kind, data string) {
		row := changelog.Row{changelog.String([]byte(id)), changelog.String([]byte(kind)), changelog.String([]byte(data))}
		out := newSignalReader("shop.signals").requests(table, &changelog.Change{After: row}, "request/signal/t/0")
		ours := kind == signalExecute || kind == signalStop || kind == signalPause || kind == signalResume
		if ours != (len(out) == 1) {
			t.Fatalf("%d requests of %q", len(out), kind)
		}
		for _, e := range out {
			if !json.Valid(e.Value) {
				t.Errorf("%s", e.Value)
			}
			if _, err := ParseSnapshotRequest(e.Value); (err == nil) != (readable(kind, data)) {
				t.Errorf("%s: %v", e.Value, err)
			}
		}
	})
}

// readable reports a signal that can be carried out.
func readable(kind, data string) bool {
	r, err := readSignal(kind, data)
	return err == nil && r.validate() == nil
}

// FuzzSnapshotState: no checkpoint makes it panic, and what it understands it writes as it was.
func FuzzSnapshotState(f *testing.F) {
	f.Add("snapshot", []byte(`{"v":1,"began":true}`))
	f.Add("snapshot/shop.orders", []byte(`{"v":1,"status":"reading","key":["id"],"ranges":[{"after":"5","up_to":"9"},{"after":"9"}],"rows":5}`))
	f.Add("snapshot/shop.orders", []byte(`{"v":7}`))
	f.Add("request/1", []byte(`{"v":1,"action":"pause"}`))
	f.Add("other", []byte(nil))
	f.Fuzz(func(t *testing.T, key string, value []byte) {
		s, err := parseSnapshotState([]changelog.State{{Key: key, Value: value}})
		if err != nil {
			return
		}
		for name, r := range s.tables {
			e, err := r.entry(name)
			if err != nil {
				t.Fatal(err)
			}
			again, err := parseSnapshotState([]changelog.State{e})
			if err != nil || len(again.tables) != 1 {
				t.Fatalf("%s: %v", e.Value, err)
			}
			if twice, err := again.tables[name].entry(name); err != nil || string(twice.Value) != string(e.Value) {
				t.Errorf("%s became %s: %v", e.Value, twice.Value, err)
			}
		}
		if n := len(s.tables) + len(s.requests) + len(s.others); n > 1 {
			t.Errorf("one entry became %d", n)
		}
	})
}
