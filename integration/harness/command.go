package harness

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"cdcbridge/integration/servers"
)

// Command runs a command of cdcbridge to its end, which must come within a minute.
func Command(tb servers.TB, args ...string) (exit int, stdout, stderr string) {
	tb.Helper()
	bin, err := Binary()
	if err != nil {
		tb.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(tb.Context(), time.Minute)
	defer cancel()
	var out, errs bytes.Buffer
	cmd := exec.CommandContext(ctx, bin, args...)
	cmd.Stdout, cmd.Stderr = &out, &errs
	var failed *exec.ExitError
	if err := cmd.Run(); err != nil && !errors.As(err, &failed) {
		tb.Fatal("running", args, err)
	}
	return cmd.ProcessState.ExitCode(), out.String(), errs.String()
}

// ConfigFile writes a configuration that no daemon runs.
func ConfigFile(tb servers.TB, config string) string {
	tb.Helper()
	file := filepath.Join(tb.TempDir(), "cdcbridge.yaml")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		tb.Fatal(err)
	}
	return file
}
