package cli

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cdcbridge/capture"
	"cdcbridge/internal/config"
	"cdcbridge/internal/fault"
	"cdcbridge/upsert"
)

// fakeStates are states of pipelines by name.
type fakeStates struct {
	held     map[string][]upsert.StateRecord
	restored *upsert.Restoring
	did      []string
	fail     error
}

func (f *fakeStates) Records(_ context.Context, _ *config.Config, name string) ([]upsert.StateRecord, error) {
	if recs, ok := f.held[name]; ok {
		return recs, f.fail
	}
	return nil, fault.NewFinal(fault.StateMissing, "reading the state of a pipeline", errors.New("the pipeline "+name+" has no checkpoint"), "Check the name.")
}

func (f *fakeStates) Restore(_ context.Context, _ *config.Config, name string, r upsert.Restoring) error {
	f.restored, f.did = &r, append(f.did, "restore "+name)
	return nil
}

func (f *fakeStates) Rename(_ context.Context, _ *config.Config, from, to string) error {
	f.did = append(f.did, "rename "+from+" "+to)
	return nil
}

func stateOf(pos string) []upsert.StateRecord {
	return []upsert.StateRecord{
		{Kind: "entry", Name: "k", Value: json.RawMessage(`{"version":1,"min_reader":1,"text":"a<b"}`)},
		{Kind: "future", Value: json.RawMessage(`{"version":5,"min_reader":1,"n":1.50}`)},
		{Kind: "position", Value: json.RawMessage(`{"version":1,"min_reader":1,"position":"` + pos + `","instance":"i","time":"t"}`)},
	}
}

// callState runs a command of state with a source that names things after its pipeline.
func callState(t *testing.T, f *fakeStates, stdin string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	reg := registry(nil, nil)
	reg.Sources[0].Config = func() capture.Config { return &fakeNamed{} }
	var out, errs syncBuffer
	args = append([]string{"state", "-c", configFile(t, "")}, args...)
	code = execute(&app{registry: reg, version: "v9", in: strings.NewReader(stdin), out: &out, err: &errs, states: f}, args)
	return code, out.String(), errs.String()
}

type fakeNamed struct {
	fakeSource `mapstructure:",squash"`
}

func (*fakeNamed) NamedAfter(pipeline string) []string { return []string{"slot: s_" + pipeline} }

func TestStateGoesOutAndIn(t *testing.T) {
	f := &fakeStates{held: map[string][]upsert.StateRecord{"shop": stateOf("p1")}}
	code, export, errs := callState(t, f, "", "export", "shop")
	if code != exitOK || errs != "" || !strings.Contains(export, `"a<b"`) || !strings.Contains(export, "1.50") {
		t.Fatalf("%d %q %s", code, errs, export)
	}
	file := filepath.Join(t.TempDir(), "s.json")
	if err := os.WriteFile(file, []byte(export), 0o600); err != nil {
		t.Fatal(err)
	}
	empty := &fakeStates{}
	code, out, _ := callState(t, empty, "", "import", "shop", file)
	if code != exitOK || len(empty.did) > 0 || !strings.Contains(out, "Nothing has been changed; with --yes") || !strings.Contains(out, "p1") || !strings.Contains(out, "by release v9") {
		t.Errorf("%d %v %s", code, empty.did, out)
	}
	code, out, _ = callState(t, empty, export, "import", "shop", "-", "--yes", "-o", "json")
	var doc stateDoc
	mustJSON(t, out, &doc)
	if code != exitOK || !doc.Done || doc.Position != "p1" || doc.Records["entry"] != 1 || len(empty.did) != 1 || empty.restored.StateTopic != "cdcbridge.state" || empty.restored.Replace {
		t.Errorf("%d %+v %+v", code, doc, empty)
	}
	for i, r := range empty.restored.Records {
		var a, b strings.Builder
		for into, text := range map[*strings.Builder]string{&a: string(r.Value), &b: string(stateOf("p1")[i].Value)} {
			into.WriteString(strings.Join(strings.Fields(text), ""))
		}
		if a.String() != b.String() {
			t.Errorf("record %d: %s became %s", i, b.String(), a.String())
		}
	}
}

func TestImportRefusesAStateThatIsThere(t *testing.T) {
	f := &fakeStates{held: map[string][]upsert.StateRecord{"shop": stateOf("p1"), "crm": stateOf("p9")}}
	_, export, _ := callState(t, f, "", "export", "shop")
	code, out, errs := callState(t, f, export, "import", "crm", "-", "--yes")
	if code != exitConfig || out != "" || len(f.did) > 0 || !strings.Contains(errs, "it has a state, with the position p9") || !strings.Contains(errs, "--replace") {
		t.Errorf("%d %q %q %v", code, out, errs, f.did)
	}
	code, out, _ = callState(t, f, export, "import", "crm", "-", "--replace")
	if code != exitOK || len(f.did) > 0 || !strings.Contains(out, "p9") || !strings.Contains(out, "The export is of pipeline shop") {
		t.Errorf("%d %s", code, out)
	}
	code, out, _ = callState(t, f, export, "import", "crm", "-", "--replace", "--yes")
	if code != exitOK || len(f.did) != 1 || !f.restored.Replace || !strings.Contains(out, "It is imported") {
		t.Errorf("%d %s", code, out)
	}
}

func TestImportOfWhatIsNoExport(t *testing.T) {
	for text, want := range map[string]string{
		"":             "docs/errors.md#decode",
		`{"format":2}`: "docs/errors.md#state_newer",
		`{"format":1}`: "it is no export",
		`{"format":1,"state_topic":"s","pipeline":"p"}`: "there is no position",
		`{"format":1,"state_topic":"s","pipeline":"p","records":[{"kind":"position","value":{"version":9,"min_reader":9,"position":"p"}}]}`: "docs/errors.md#state_newer",
	} {
		f := &fakeStates{}
		code, out, errs := callState(t, f, text, "import", "shop", "-", "--yes")
		if code != exitFailure || out != "" || !strings.Contains(errs, want) || len(f.did) > 0 {
			t.Errorf("%s: %d %q", text, code, errs)
		}
	}
	if code, _, errs := callState(t, &fakeStates{}, "", "import", "shop", filepath.Join(t.TempDir(), "none")); code != exitUsage || !strings.Contains(errs, "no such file") {
		t.Errorf("%d %q", code, errs)
	}
}

func TestStateRename(t *testing.T) {
	f := &fakeStates{held: map[string][]upsert.StateRecord{"shop": stateOf("p1"), "crm": stateOf("p9")}}
	code, out, _ := callState(t, f, "", "rename", "shop", "web")
	for _, want := range []string{"name: web", "in source:  slot: s_shop", `in output lines:  topic: "shop.{schema}.{table}"`, "Nothing has been changed"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is missing in\n%s", want, out)
		}
	}
	if code != exitOK || len(f.did) > 0 {
		t.Errorf("%d %v", code, f.did)
	}
	code, out, _ = callState(t, f, "", "rename", "shop", "web", "--yes", "-o", "json")
	var doc stateDoc
	mustJSON(t, out, &doc)
	if code != exitOK || !doc.Done || doc.To != "web" || len(doc.Notes) != 2 || len(f.did) != 1 || f.did[0] != "rename shop web" {
		t.Errorf("%d %+v %v", code, doc, f.did)
	}
	for _, c := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"rename", "shop", "crm", "--yes"}, exitConfig, "there is a pipeline crm"},
		{[]string{"rename", "shop", "shop", "--yes"}, exitUsage, "must be another one"},
		{[]string{"rename", "shop", "a b", "--yes"}, exitUsage, "cannot be the new name"},
		{[]string{"rename", "none", "web", "--yes"}, exitFailure, "docs/errors.md#state_missing"},
		{[]string{"rename", "shop"}, exitUsage, "accepts 2 arg"},
		{[]string{"export", "none"}, exitFailure, "docs/errors.md#state_missing"},
	} {
		code, out, errs := callState(t, f, "", c.args...)
		if code != c.code || out != "" || !strings.Contains(errs, c.want) || len(f.did) > 1 {
			t.Errorf("%v: %d %q %q", c.args, code, out, errs)
		}
	}
	_, out, _ = callState(t, &fakeStates{held: map[string][]upsert.StateRecord{"gone": stateOf("p")}}, "", "rename", "gone", "web")
	if !strings.Contains(out, "The configuration has no pipeline gone and no web") {
		t.Errorf("got\n%s", out)
	}
}

func FuzzParseStateFile(f *testing.F) {
	f.Add([]byte(`{"format":1,"state_topic":"s","pipeline":"p","records":[{"kind":"position","value":{"version":1,"min_reader":1,"position":"p"}}]}`))
	f.Add([]byte(`{"format":9}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		file, err := parseStateFile("reading", text)
		if err != nil {
			if fault.As(err) == nil {
				t.Errorf("%v has no code", err)
			}
			return
		}
		again, err := json.Marshal(file)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := parseStateFile("reading", again); err != nil {
			t.Errorf("what was read cannot be read again: %v", err)
		}
	})
}
