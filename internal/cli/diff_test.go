package cli

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"cdcbridge/capture"
	"cdcbridge/changelog"
	"cdcbridge/internal/fault"
)

func writeConfig(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "c.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestDiff(t *testing.T) {
	t.Setenv("DIFF_SECRET", "hunter2")
	old := writeConfig(t, `
kafka: {brokers: ['127.0.0.1:1'], state_topic: a.state}
pipelines:
  - {name: gone, source: {type: fake}, format: lines}
  - {name: shop, source: {type: fake, password: hunter2}, workers: 2, outputs: [{name: log, format: lines, topic: "log.{table}"}, {name: old, format: lines, topic: "old.{table}"}]}
  - {name: same, source: {type: fake, password: "${DIFF_SECRET}"}, format: lines}
`)
	changed := writeConfig(t, `
kafka: {brokers: ['127.0.0.1:1']}
log: {level: info}
pipelines:
  - {name: same, source: {type: fake, password: hunter2}, format: lines, memory: 48MiB}
  - {name: shop, source: {type: fake, password: hunter3}, workers: 3, outputs: [{name: tab, format: lines, topic: "tab.{table}"}, {name: log, format: lines, topic: "log2.{table}"}]}
  - {name: new, source: {type: fake}, format: lines}
`)
	code, out, errs := call(registry(nil, nil), "validate", "-c", changed, "--diff", old, "--offline", "-o", "json")
	var c comparison
	mustJSON(t, out, &c)
	var got []string
	for _, d := range c.Differences {
		got = append(got, d.Pipeline+" "+d.Setting+": "+d.Before+" -> "+d.After)
		if d.Effect == "" {
			t.Errorf("%s has no effect", d.Setting)
		}
	}
	want := []string{
		" kafka.state_topic: a.state -> cdcbridge.state", "gone pipeline: there -> gone", "new pipeline: not there -> new",
		"shop outputs[log].topic: log.{table} -> log2.{table}", "shop outputs[old]: there -> gone", "shop outputs[tab]: not there -> new",
		"shop source.password: *** -> ***", "shop workers: 2 -> 3",
	}
	if code != exitOK || errs != "" || !slices.Equal(got, want) {
		t.Errorf("%d %q\ngot  %q\nwant %q", code, errs, got, want)
	}
	if strings.Contains(out, "hunter") {
		t.Errorf("a password is shown: %s", out)
	}
	_, out, _ = call(registry(nil, nil), "validate", "-c", changed, "--diff", old)
	if flat := strings.Join(strings.Fields(out), " "); !strings.Contains(flat, "8 differences; nothing has been changed") || !strings.HasPrefix(flat, "PIPELINE SETTING BEFORE AFTER EFFECT - kafka.state_topic") {
		t.Errorf("got\n%s", out)
	}
	code, out, _ = call(registry(nil, nil), "validate", "-c", old, "--diff", old)
	if code != exitOK || !strings.Contains(out, "would change nothing") {
		t.Errorf("%d %s", code, out)
	}
	if code, _, errs := call(registry(nil, nil), "validate", "-c", old, "--diff", writeConfig(t, "x: 1")); code != exitConfig || !strings.Contains(errs, "unknown key") {
		t.Errorf("%d %s", code, errs)
	}
}

// listingSource captures what it is told to.
type listingSource struct {
	fakeSource `mapstructure:",squash"`
	List       []string `mapstructure:"list"`
}

func (s *listingSource) Checker(capture.Env) capture.Checker { return s }

func (s *listingSource) Tables(context.Context) ([]changelog.Table, error) {
	var tables []changelog.Table
	for _, name := range s.List {
		tables = append(tables, changelog.Table{Database: "shop", Name: name})
	}
	return tables, s.err
}

func TestDiffAsksForTables(t *testing.T) {
	file := func(list string) string {
		return writeConfig(t, "kafka: {brokers: ['127.0.0.1:1']}\npipelines: [{name: shop, source: {type: fake, list: ["+list+"]}, format: lines}]\n")
	}
	var fail error
	reg := registry(nil, nil)
	reg.Sources[0].Config = func() capture.Config { return &listingSource{fakeSource: fakeSource{err: fail}} }
	code, out, _ := call(reg, "validate", "-c", file("a, c"), "--diff", file("a, b"), "-o", "json")
	var c comparison
	mustJSON(t, out, &c)
	if code != exitOK || len(c.Differences) != 3 || c.Differences[1].Setting != "table shop.b" || c.Differences[1].After != "not captured" || c.Differences[2].Setting != "table shop.c" || c.Differences[2].After != "captured" {
		t.Errorf("%d %+v", code, c)
	}
	fail = fault.NewFinal(fault.Auth, "connecting", errors.New("access denied"), "Check the password.")
	if code, out, errs := call(reg, "validate", "-c", file("a"), "--diff", file("b")); code != exitFailure || out != "" || !strings.Contains(errs, "--offline leaves that out") || !strings.Contains(errs, "#auth") {
		t.Errorf("%d %q %q", code, out, errs)
	}
}
