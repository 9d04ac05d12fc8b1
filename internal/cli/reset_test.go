package cli

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"encoding/json"

	"cdcbridge/capture"
	"cdcbridge/changelog"
	"cdcbridge/internal/config"
	"cdcbridge/internal/daemon"
	"cdcbridge/internal/fault"
)

// fakeTopics is a source that can be told to go on elsewhere.
type fakeTopics struct {
	fakeSource `mapstructure:",squash"`
}

func (*fakeTopics) Resetter(capture.Env) capture.Resetter { return fakeResetter{} }

type fakeResetter struct{}

func (fakeResetter) Plan(_ context.Context, cp changelog.Checkpoint, to string) (capture.ResetPlan, error) {
	if to == "yesterday" {
		return capture.ResetPlan{}, fault.NewFinal(fault.Config, "reading --to", errors.New("yesterday is no place"), "Say earliest.")
	}
	from := int64(len(cp.Pos))
	return capture.ResetPlan{
		Next: changelog.Checkpoint{Pos: cp.Pos + "'", State: []changelog.State{{Key: "partition/orders/0", Value: []byte(to)}}},
		Moves: []capture.ResetMove{
			{Place: "orders/0", From: from, To: 0}, {Place: "orders/1", From: 5, To: 5}, {Place: "orders/2", From: 5, To: 1234}, {Place: "orders/3", From: -1, To: 7},
		},
		Notes: []string{"Mind the gap."},
	}, nil
}

// fakeCheckpoints are those of one pipeline that moves between two looks.
type fakeCheckpoints struct {
	at   []changelog.Position // one for each look; the last one stays
	put  []changelog.Checkpoint
	fail error
}

func (f *fakeCheckpoints) Read(context.Context, *config.Pipeline) (changelog.Checkpoint, error) {
	cp := changelog.Checkpoint{Pos: f.at[0]}
	if len(f.at) > 1 {
		f.at = f.at[1:]
	}
	return cp, f.fail
}

func (f *fakeCheckpoints) Replace(ctx context.Context, p *config.Pipeline, change func(changelog.Checkpoint) (changelog.Checkpoint, error)) error {
	cp, err := f.Read(ctx, p)
	if err != nil {
		return err
	}
	if cp, err = change(cp); err == nil {
		f.put = append(f.put, cp)
	}
	return err
}

// callReset runs reset for a pipeline whose daemon is in that state, "" for no daemon.
func callReset(t *testing.T, f *fakeCheckpoints, state daemon.State, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if state == "" {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		_ = json.NewEncoder(w).Encode(daemon.Status{Pipelines: []daemon.PipelineStatus{{Name: "shop", State: state}}})
	}))
	defer server.Close()
	reg := registry(nil, nil)
	reg.Sources[0].Config = func() capture.Config { return &fakeTopics{} }
	var out, errs syncBuffer
	args = append([]string{"reset", "-c", configFile(t, ""), "--url", server.URL}, args...)
	code = execute(&app{registry: reg, version: "v9", out: &out, err: &errs, committed: f}, args)
	return code, out.String(), errs.String()
}

func TestResetOnlySaysWhatItWouldDo(t *testing.T) {
	f := &fakeCheckpoints{at: []changelog.Position{"abc"}}
	code, out, errs := callReset(t, f, daemon.Running, "shop", "--to", "earliest")
	if code != exitOK || errs != "" || len(f.put) > 0 {
		t.Fatalf("%d %q %v", code, errs, f.put)
	}
	flat := strings.Join(strings.Fields(out), " ")
	for _, want := range []string{
		"Pipeline shop would go on at other offsets:", "orders/0 3 0 3 offsets are read again", "orders/2 5 1 234 1 229 offsets are passed over", "orders/3 - 7 new", "Mind the gap.",
		"Nothing has been changed; with --yes it is. The daemon at http://127.0.0.1:",
	} {
		if !strings.Contains(flat, want) {
			t.Errorf("%q is missing in\n%s", want, out)
		}
	}
	if strings.Contains(out, "orders/1") {
		t.Errorf("what stays is listed:\n%s", out)
	}
}

func TestResetSaysFirstThatItFences(t *testing.T) {
	f := &fakeCheckpoints{at: []changelog.Position{"abc", "abcdef"}} // it moves meanwhile
	code, out, errs := callReset(t, f, daemon.Retrying, "shop", "--to", "earliest", "--yes")
	if code != exitOK || !strings.Contains(errs, "runs pipeline shop: it is fenced now") {
		t.Fatalf("%d %q", code, errs)
	}
	if len(f.put) != 1 || f.put[0].Pos != "abcdef'" || string(f.put[0].State[0].Value) != "earliest" {
		t.Errorf("written %+v", f.put)
	}
	flat := strings.Join(strings.Fields(out), " ")
	for _, want := range []string{"Pipeline shop goes on at other offsets:", "orders/0 6 0 6 offsets are read again", "Restart the daemon"} {
		if !strings.Contains(flat, want) {
			t.Errorf("%q is missing in\n%s", want, out)
		}
	}
}

func TestResetOfAStoppedPipeline(t *testing.T) {
	for _, state := range []daemon.State{"", daemon.Failed, daemon.Stopped, daemon.Completed} {
		f := &fakeCheckpoints{at: []changelog.Position{"abc"}}
		code, out, errs := callReset(t, f, state, "shop", "--to", "latest", "--yes", "-o", "json")
		var doc resetDoc
		mustJSON(t, out, &doc)
		if code != exitOK || errs != "" || !doc.Done || doc.Running || len(doc.Moves) != 3 || doc.Moves[2].From != -1 || len(doc.Notes) != 1 || len(f.put) != 1 {
			t.Errorf("%q: %d %q %+v", state, code, errs, doc)
		}
	}
}

func TestResetThatCannotBe(t *testing.T) {
	here := func() *fakeCheckpoints { return &fakeCheckpoints{at: []changelog.Position{"abc"}} }
	lost := here()
	lost.fail = fault.NewFinal(fault.StateMissing, "reading the state of a pipeline", errors.New("no checkpoint"), "Check the name.")
	for _, c := range []struct {
		f    *fakeCheckpoints
		args []string
		code int
		want string
	}{
		{here(), []string{"shop"}, exitUsage, "say with --to"},
		{here(), []string{"--to", "earliest"}, exitUsage, "accepts 1 arg"},
		{here(), []string{"crm", "--to", "earliest"}, exitUsage, "there is no pipeline crm"},
		{here(), []string{"shop", "--to", "yesterday", "--yes"}, exitConfig, "What to do: Say earliest."},
		{lost, []string{"shop", "--to", "earliest", "--yes"}, exitFailure, "docs/errors.md#state_missing"},
	} {
		code, out, errs := callReset(t, c.f, "", c.args...)
		if code != c.code || out != "" || !strings.Contains(errs, c.want) || len(c.f.put) > 0 {
			t.Errorf("%v: %d %q %q", c.args, code, out, errs)
		}
	}
	code, _, errs := call(registry(nil, nil), "reset", "-c", configFile(t, ""), "shop", "--to", "earliest")
	if code != exitUsage || !strings.Contains(errs, "a source of type fake has no offsets to go back to; cdcbridge snapshot") {
		t.Errorf("%d %q", code, errs)
	}
}

func TestResetThatChangesNothing(t *testing.T) {
	f := &fakeCheckpoints{at: []changelog.Position{"abc"}}
	var page syncBuffer
	a := &app{out: &page}
	if err := a.printReset(&resetDoc{Pipeline: "shop", Moves: moved([]capture.ResetMove{{From: 3, To: 3}})}, &resetting{takeover: takeover{output: outputTable}}); err != nil || !strings.Contains(page.String(), "nothing to do") || len(f.put) > 0 {
		t.Errorf("%v %s", err, page.String())
	}
}
