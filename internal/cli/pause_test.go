package cli

import (
	"strings"
	"testing"

	"cdcbridge/internal/pipeline"
)

func TestPauseAndResumeAreWritten(t *testing.T) {
	for command, want := range map[string]string{"pause": `{"v":1,"paused":true,`, "resume": `{"v":1,"paused":false,`} {
		for _, args := range [][]string{{command}, {command, "shop"}} {
			f := &fakeRequests{}
			var out, errs syncBuffer
			code := execute(&app{registry: registry(nil, nil), out: &out, err: &errs, state: f}, append([]string{"-c", configFile(t, "")}, args...))
			if code != exitOK || len(f.written) != 1 || f.to != "shop" || f.written[0].Key != pipeline.PauseKey || !strings.HasPrefix(string(f.written[0].Value), want) || !strings.Contains(out.String(), "Asked pipeline shop") {
				t.Errorf("%v: %d %q %q %s", args, code, out.String(), errs.String(), f.written)
			}
		}
		f := &fakeRequests{}
		var out, errs syncBuffer
		code := execute(&app{registry: registry(nil, nil), out: &out, err: &errs, state: f}, []string{command, "-c", configFile(t, ""), "-o", "json"})
		var doc pauseDoc
		mustJSON(t, out.String(), &doc)
		if code != exitOK || doc.Paused != (command == "pause") || doc.Pipeline != "shop" {
			t.Errorf("%d %+v", code, doc)
		}
		if code, _, errs := call(registry(nil, nil), command, "crm", "-c", configFile(t, "")); code != exitUsage || !strings.Contains(errs, "there is no pipeline crm") {
			t.Errorf("%d %q", code, errs)
		}
		two := writeConfig(t, "kafka: {brokers: ['127.0.0.1:1']}\npipelines: [{name: shop, source: {type: fake}, format: lines}, {name: crm, source: {type: fake}, format: lines}]\n")
		if code, _, errs := call(registry(nil, nil), command, "-c", two); code != exitUsage || !strings.Contains(errs, "say which pipeline: shop, crm") {
			t.Errorf("%d %q", code, errs)
		}
	}
}
