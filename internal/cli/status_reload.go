package cli

import (
	"bytes"
	"fmt"
	"strings"
	"time"

	"cdcbridge/internal/daemon"
)

// printReload says what came of the file that was read again, as far as somebody has to do something.
func printReload(page *bytes.Buffer, r *daemon.ReloadStatus) {
	if r == nil {
		return
	}
	switch r.Result {
	case daemon.ReloadRefused:
		fmt.Fprintf(page, "The configuration that was read at %s is refused; everything goes on as it was.\n[%s] %s\n", r.At.Local().Format(time.DateTime), r.Code, r.Error)
		if r.Hint != "" {
			fmt.Fprintf(page, "  %s\n", r.Hint)
		}
		fmt.Fprintf(page, "  More: %s\n\n", docOf(r.Code))
	case daemon.ReloadApplying:
		fmt.Fprint(page, "The configuration is being read again; pipelines that differ drain first.\n\n")
	case daemon.ReloadApplied:
	}
	if len(r.NeedsRestart) > 0 {
		fmt.Fprintf(page, "Takes effect only after a restart: %s\n\n", strings.Join(r.NeedsRestart, ", "))
	}
}
