package cli

import (
	"bytes"
	"regexp"
	"testing"
	"time"

	"cdcbridge/internal/daemon"
)

func TestStatusTellsOfReloads(t *testing.T) {
	at := time.Date(2026, 11, 26, 17, 40, 12, 0, time.UTC)
	for name, c := range map[string]struct {
		r    *daemon.ReloadStatus
		want string // what stands before the table, as a regular expression
	}{
		"never":    {nil, ``},
		"applied":  {&daemon.ReloadStatus{At: at, Result: daemon.ReloadApplied, Changed: []string{"shop"}}, ``},
		"needs":    {&daemon.ReloadStatus{At: at, Result: daemon.ReloadApplied, NeedsRestart: []string{"http.listen", "log.format"}}, `Takes effect only after a restart: http\.listen, log\.format\n\n`},
		"applying": {&daemon.ReloadStatus{At: at, Result: daemon.ReloadApplying}, `The configuration is being read again; pipelines that differ drain first\.\n\n`},
		"refused": {&daemon.ReloadStatus{At: at, Result: daemon.ReloadRefused, Code: "config", Error: "reading c.yaml: 1 problem:\n  log.level: must be one", Hint: "Correct the file."},
			`The configuration that was read at 2026-11-2[67] ..:40:12 is refused; everything goes on as it was\.\n\[config\] reading c\.yaml: 1 problem:\n  log\.level: must be one\n  Correct the file\.\n  More: .*docs/errors\.md#config\n\n`},
	} {
		var page bytes.Buffer
		if err := printStatus(&page, &daemon.Status{Version: "v9", StartedAt: at, Ready: true, Reload: c.r}, at.Add(time.Minute), false); err != nil {
			t.Fatal(err)
		}
		if !regexp.MustCompile(`^cdcbridge v9, up 1m0s, ready\n\n` + c.want + `PIPELINE`).MatchString(page.String()) {
			t.Errorf("%s:\n%s", name, &page)
		}
	}
}
