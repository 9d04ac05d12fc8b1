package harness

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// Long says that this is the long tier (make test-long).
var Long = os.Getenv("CDCBRIDGE_LONG") != ""

// Longer chooses between the size of a test in the ordinary tier and in the long one.
func Longer[T any](short, whole T) T {
	if Long {
		return whole
	}
	return short
}

// TB is the part of testing.TB that Evidence needs.
type TB interface {
	Helper()
	Name() string
	Failed() bool
	Fatal(args ...any)
}

// Evidence writes what a test of the long tier has seen into docs/evidence/, one file a test, with the commit that it saw.
// Tests run in their package's folder, two below the root.
func Evidence(tb TB, began time.Time, facts map[string]any) {
	tb.Helper()
	if !Long || tb.Failed() {
		return
	}
	facts["test"], facts["at"], facts["seconds"] = tb.Name(), began.UTC().Format(time.RFC3339), int(time.Since(began).Seconds())
	for name, args := range map[string][]string{"commit": {"rev-parse", "HEAD"}, "uncommitted": {"status", "--porcelain", "--untracked-files=no", "--", "..", ":!../../docs/evidence"}} {
		out, err := exec.Command("git", args...).Output()
		if err != nil {
			tb.Fatal(fmt.Errorf("running git %v: %w", args, err))
		}
		facts[name] = strings.TrimSpace(string(out))
	}
	text, err := json.MarshalIndent(facts, "", "  ")
	if err != nil {
		tb.Fatal(err)
	}
	file := filepath.Join("..", "..", "docs", "evidence", strings.NewReplacer("/", "-", " ", "-").Replace(tb.Name())+".json")
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		tb.Fatal(err)
	}
	if err := os.WriteFile(file, append(text, '\n'), 0o644); err != nil {
		tb.Fatal(err)
	}
}
