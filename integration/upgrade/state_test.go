package upgrade

import (
	"cmp"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"cdcbridge/integration/harness"
)

var update = flag.Bool("update", false, "record the state that the release before writes into testdata")

// TestState compares the forms of the records that this release writes with those that the one before wrote for the same pipelines, which
// testdata has: its readers find every member where they look for it, of the same kind, and no record asks for a newer reader.
func TestState(t *testing.T) {
	bin, err := harness.Binary()
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		old, known := buildBefore(t)
		if !known {
			t.Fatalf("%s is not in the history of this clone", before)
		}
		bin = old
	}
	got := exported(t, bin)
	file := filepath.Join("testdata", "state-"+before[:12]+".json")
	if *update {
		text, err := json.MarshalIndent(got, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, append(text, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var want map[string][]stateRecord
	if err := json.Unmarshal(text, &want); err != nil {
		t.Fatal(err)
	}
	for pipeline := range want {
		for _, difference := range strange(want[pipeline], got[pipeline]) {
			t.Errorf("pipeline %s: %s", pipeline, difference)
		}
	}
	if len(want) != 3 {
		t.Errorf("recorded are %d pipelines only", len(want))
	}
}

// stateRecord is a record of an export.
type stateRecord struct {
	Kind  string         `json:"kind"`
	Name  string         `json:"name,omitempty"`
	Value map[string]any `json:"value"`
}

// exported runs all pipelines through a snapshot and some changes, and gives their states.
func exported(t *testing.T, bin string) map[string][]stateRecord {
	t.Helper()
	t.Setenv("CDCBRIDGE_BINARY", bin)
	s := open(t, 10)
	d := harness.StartFor(t, s.config())
	for topic := range formats {
		s.settled(t, topic)
	}
	for _, db := range s.tables {
		run(t, db, "UPDATE items SET n = 1 WHERE id < 5", "UPDATE items SET id = 20 WHERE id = 7", "DELETE FROM items WHERE id = 8")
	}
	for topic := range formats {
		s.settled(t, topic)
	}
	time.Sleep(500 * time.Millisecond) // the end of the snapshots is committed, too
	harness.StopFor(t, d)
	all := map[string][]stateRecord{}
	for _, pipeline := range []string{"my", "pg", "topics"} {
		var file struct {
			Records []stateRecord `json:"records"`
		}
		text := ask(t, bin, "state", "export", pipeline, "-c", d.Config())
		if err := json.Unmarshal(text, &file); err != nil {
			t.Fatal(err)
		}
		if len(file.Records) < 3 {
			t.Fatalf("%s has the state\n%s", pipeline, text)
		}
		all[pipeline] = file.Records
	}
	return all
}

// strange says what a reader of the old records would not understand of the new ones.
func strange(old, recent []stateRecord) (differences []string) {
	was, is := forms(old), forms(recent)
	for _, family := range slices.Sorted(maps.Keys(was)) {
		members, ok := is[family]
		if !ok {
			differences = append(differences, "no record of "+family)
			continue
		}
		for _, path := range slices.Sorted(maps.Keys(was[family])) {
			before, now := was[family][path], members[path]
			if now.kind != before.kind {
				differences = append(differences, fmt.Sprintf("%s: %s was %s and is %s", family, path, before.kind, cmp.Or(now.kind, "not there")))
			}
			at, name := path[:strings.LastIndex(path, ".")+1], path[strings.LastIndex(path, ".")+1:]
			switch _, said := members[at+"min_reader"]; {
			case name == "min_reader" && now.most > max(was[family][at+"version"].most, was[family][at+"v"].most):
				differences = append(differences, fmt.Sprintf("%s: %s is %v, which the release before does not know", family, path, now.most))
			case name == "v" && !said && now.most > before.most:
				differences = append(differences, fmt.Sprintf("%s: %s is %v, the release before knows %v", family, path, now.most, before.most))
			}
		}
	}
	return differences
}

// member is what the records of a family have at one path.
type member struct {
	kind string
	most float64 // of numbers
}

// family is what records have in common: their kind, and an entry's name without what it is of.
func (r *stateRecord) family() string {
	if r.Kind != "entry" {
		return r.Kind
	}
	if at := strings.LastIndex(r.Name, "/"); at >= 0 {
		return r.Kind + " " + r.Name[:at] + "/…"
	}
	return r.Kind + " " + r.Name
}

// forms are the members of each family's records by their paths. What not all records of a family have is left out.
func forms(records []stateRecord) map[string]map[string]member {
	all := map[string]map[string]member{}
	for i := range records {
		found := map[string]member{}
		walk("", records[i].Value, found)
		family := records[i].family()
		if all[family] == nil {
			all[family] = found
			continue
		}
		for path, m := range all[family] {
			f := found[path]
			if m.most = max(m.most, f.most); f.kind != m.kind {
				delete(all[family], path)
				continue
			}
			all[family][path] = m
		}
	}
	return all
}

// walk finds the members of a value; a text that is a document in turn, as positions are, has members of its own.
func walk(path string, v any, into map[string]member) {
	switch v := v.(type) {
	case map[string]any:
		for name, m := range v {
			walk(path+"."+name, m, into)
		}
	case string:
		var inner map[string]any
		if strings.HasPrefix(v, "{") && json.Unmarshal([]byte(v), &inner) == nil {
			into[path] = member{kind: "a document"}
			walk(path+":", inner, into)
			return
		}
		into[path] = member{kind: "a text"}
	case []any:
		into[path] = member{kind: "a list"}
	case float64:
		into[path] = member{kind: "a number", most: v}
	default:
		into[path] = member{kind: fmt.Sprintf("a %T", v)}
	}
}

// TestStrangeStates: what an old reader would stumble over is found.
func TestStrangeStates(t *testing.T) {
	entry := func(name, text string) stateRecord {
		return stateRecord{Kind: "entry", Name: name, Value: map[string]any{"version": 1.0, "min_reader": 1.0, "text": text}}
	}
	old := []stateRecord{entry("a/1", `{"v":1,"n":7,"now":true}`), entry("a/2", `{"v":1,"n":8}`), entry("b", `{"version":2,"min_reader":1}`)}
	for name, c := range map[string]struct {
		recent []stateRecord
		says   string
	}{
		"the same":               {old, ""},
		"more members":           {[]stateRecord{entry("a/3", `{"v":1,"n":1,"more":{}}`), entry("b", `{"version":3,"min_reader":2}`), entry("c", `{}`)}, ""},
		"a member less":          {[]stateRecord{entry("a/3", `{"v":1}`), old[2]}, "entry a/…: .text:.n was a number and is not there"},
		"a member of other kind": {[]stateRecord{entry("a/3", `{"v":1,"n":"1"}`), old[2]}, "entry a/…: .text:.n was a number and is a text"},
		"a newer form":           {[]stateRecord{entry("a/3", `{"v":2,"n":1}`), old[2]}, "entry a/…: .text:.v is 2, the release before knows 1"},
		"a newer reader":         {[]stateRecord{old[0], entry("b", `{"version":3,"min_reader":3}`)}, "entry b: .text:.min_reader is 3, which the release before does not know"},
		"a family less":          {old[:2], "no record of entry b"},
	} {
		if got := strings.Join(strange(old, c.recent), "; "); got != c.says {
			t.Errorf("%s: %q, want %q", name, got, c.says)
		}
	}
}
