package endtoend

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// long says that this is the long tier (make test-long).
var long = os.Getenv("CDCBRIDGE_LONG") != ""

// longer chooses between the size of a test in the ordinary tier and in the long one.
func longer[T any](short, whole T) T {
	if long {
		return whole
	}
	return short
}

// evidence writes what a test of the long tier has seen into docs/evidence/, one file a test, with the commit that it saw.
func evidence(t *testing.T, began time.Time, facts map[string]any) {
	t.Helper()
	if !long || t.Failed() {
		return
	}
	facts["test"], facts["at"], facts["seconds"] = t.Name(), began.UTC().Format(time.RFC3339), int(time.Since(began).Seconds())
	for name, args := range map[string][]string{"commit": {"rev-parse", "HEAD"}, "uncommitted": {"status", "--porcelain", "--untracked-files=no", "--", "..", ":!../../docs/evidence"}} {
		out, err := exec.Command("git", args...).Output()
		if err != nil {
			t.Fatalf("git %v: %v", args, err)
		}
		facts[name] = strings.TrimSpace(string(out))
	}
	text, err := json.MarshalIndent(facts, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join("..", "..", "docs", "evidence", strings.NewReplacer("/", "-", " ", "-").Replace(t.Name())+".json")
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, append(text, '\n'), 0o644); err != nil {
		t.Fatal(err)
	}
}
