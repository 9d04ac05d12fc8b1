package upgrade

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"cdcbridge/integration/servers"
)

// before is the release before this one: its tag, or the commit that stands for it. With a new one testdata is recorded anew (-update).
const before = "16b8a65624ee03aa97072cfa0d48f0c2091e7be3"

// buildBefore builds the release before from the history of this clone, or takes what was built of it before from the cache. A clone without
// it (a shallow one) has none, which known says.
func buildBefore(t *testing.T) (bin string, known bool) {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	if exec.Command("git", "-C", root, "cat-file", "-e", before+"^{commit}").Run() != nil {
		return "", false
	}
	cached := filepath.Join(servers.CacheDir(), "release-"+before[:12])
	if _, err := os.Stat(cached); err == nil {
		return cached, true
	}
	dir := t.TempDir()
	archive := filepath.Join(dir, "before.tar")
	for _, args := range [][]string{{"git", "-C", root, "archive", "--output", archive, before}, {"tar", "-xf", archive, "-C", dir}} {
		if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
	bin = fmt.Sprintf("%s.%d", cached, os.Getpid()) // beside its last place, where it is moved whole
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags", "-X main.version="+before[:12], "-o", bin, ".")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("building %s: %v\n%s", before, err, out)
	}
	if err := os.Rename(bin, cached); err != nil {
		t.Fatal(err)
	}
	return cached, true
}

// ask runs a command of a release, which must succeed, and gives what it prints.
func ask(t *testing.T, bin string, args ...string) []byte {
	t.Helper()
	var out, errs bytes.Buffer
	cmd := exec.CommandContext(t.Context(), bin, args...)
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		t.Fatal(fmt.Errorf("%s: %w\n%s%s", strings.Join(args, " "), err, &out, &errs))
	}
	return out.Bytes()
}
