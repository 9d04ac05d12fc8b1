package main

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"cdcbridge/integration/harness"
	"cdcbridge/integration/servers"
)

// house is where the demo runs in a test: a home, a cache and a temporary directory of its own, by whose path whatever it
// leaves behind is found.
type house struct {
	dir        string
	program    string
	as         *syscall.Credential
	repository string // "": not to be asked, the archive is there
}

// demoProgram builds the demo, once for all tests.
var demoProgram = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "demo-program-") // TestMain removes it
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "demo")
	if out, err := exec.Command("go", "build", "-o", path, ".").CombinedOutput(); err != nil {
		return "", fmt.Errorf("building the demo: %w\n%s", err, out)
	}
	return path, nil
})

// newHouse furnishes one for an account (nil: ours).
func newHouse(t *testing.T, as *syscall.Credential) *house {
	t.Helper()
	dir, err := os.MkdirTemp("", "demo-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	h := &house{dir: dir, program: filepath.Join(dir, "demo"), as: as}
	demo, err := demoProgram()
	if err == nil {
		err = copyProgram(demo, h.program)
	}
	if err != nil {
		t.Fatal(err)
	}
	bin, err := harness.Binary()
	if err == nil {
		err = copyProgram(bin, h.path("cdcbridge"))
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"cache", "tmp", "home"} {
		if err := os.Mkdir(h.path(name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if as != nil {
		for _, name := range []string{"cache", "tmp", "home"} {
			if err := os.Chown(h.path(name), int(as.Uid), int(as.Gid)); err != nil {
				t.Fatal(err)
			}
		}
	}
	return h
}

func (h *house) path(name string) string { return filepath.Join(h.dir, name) }

// stock puts the downloaded archive into the house's cache.
func (h *house) stock(t *testing.T, archive string) {
	t.Helper()
	data, err := os.ReadFile(archive)
	if err != nil {
		t.Fatal(err)
	}
	as := h.as
	if as == nil {
		if as, err = account(); err != nil {
			t.Fatal(err)
		}
	}
	if err := ownDir(h.path("cache/demo"), as); err != nil {
		t.Fatal(err)
	}
	to := filepath.Join(h.path("cache/demo"), filepath.Base(archive))
	if err := os.WriteFile(to, data, 0o644); err != nil {
		t.Fatal(err)
	}
}

// trial is a demo that runs.
type trial struct {
	*exec.Cmd
	mu   sync.Mutex
	text bytes.Buffer
}

func (r *trial) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.Write(p)
}

func (r *trial) output() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.String()
}

func (h *house) start(t *testing.T, args ...string) *trial {
	t.Helper()
	r := &trial{Cmd: exec.Command(h.program, args...)}
	r.Dir, r.Stdout, r.Stderr = h.dir, r, r
	r.Env = append(os.Environ(), "CDCBRIDGE_BINARY="+h.path("cdcbridge"), "CDCBRIDGE_CACHE="+h.path("cache"), "TMPDIR="+h.path("tmp"), "HOME="+h.path("home"),
		"PGHOST=/nowhere", "LANG=xx_XX", repositoryVariable+"="+h.repository)
	r.SysProcAttr = &syscall.SysProcAttr{Credential: h.as, Setpgid: true} // a group of its own, to be signalled as a terminal does it
	if err := r.Start(); err != nil {
		t.Fatal(err)
	}
	return r
}

// signal reaches the group, as Ctrl-C does.
func (r *trial) signal(t *testing.T, s syscall.Signal) {
	t.Helper()
	if err := syscall.Kill(-r.Process.Pid, s); err != nil && !errors.Is(err, syscall.ESRCH) {
		t.Fatal(err)
	}
}

// end waits for the demo and returns its exit code, -1 after a signal.
func (r *trial) end(t *testing.T, patience time.Duration) int {
	t.Helper()
	timer := time.AfterFunc(patience, func() { _ = r.Process.Kill() })
	err := r.Wait()
	if !timer.Stop() {
		t.Errorf("the demo had not ended after %v", patience)
	}
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return r.ProcessState.ExitCode()
}

// clean fails the test when a process or a file is left.
func (h *house) clean(t *testing.T) {
	t.Helper()
	if left := append(h.processes(t), h.files(t)...); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}

// processes are those whose program or arguments are in the house.
func (h *house) processes(t *testing.T) (left []string) {
	t.Helper()
	all, err := filepath.Glob("/proc/[0-9]*")
	if err != nil || len(all) == 0 {
		t.Fatal("no processes in /proc:", err)
	}
	for _, p := range all {
		exe, _ := os.Readlink(p + "/exe") // a process may end under our eyes
		args, _ := os.ReadFile(p + "/cmdline")
		if strings.HasPrefix(exe, h.dir) || bytes.Contains(args, []byte(h.dir)) {
			left = append(left, fmt.Sprintf("%s %s %s", p, exe, bytes.ReplaceAll(args, []byte{0}, []byte(" "))))
		}
	}
	return left
}

// files are those that a demo removes in its end.
func (h *house) files(t *testing.T) (left []string) {
	t.Helper()
	for _, pattern := range []string{"tmp/*", "cache/program-*", "cache/demo/run-*", "cache/demo/temp_*"} {
		files, err := filepath.Glob(h.path(pattern))
		if err != nil {
			t.Fatal(err)
		}
		left = append(left, files...)
	}
	return left
}

// accounts are those that the demo is to be tried as: ours, and, when we are root, somebody else.
func accounts(t *testing.T) map[string]*syscall.Credential {
	t.Helper()
	nobody, err := account()
	if err != nil {
		t.Fatal(err)
	}
	if nobody == nil {
		return map[string]*syscall.Credential{"unprivileged": nil}
	}
	return map[string]*syscall.Credential{"root": nil, "unprivileged": nobody}
}

// downloaded is the path of PostgreSQL's archive, which the demo fetches when it is not in the cache.
func downloaded(t *testing.T) string {
	t.Helper()
	home := filepath.Join(servers.CacheDir(), "demo")
	if archive(home) == "" {
		db, err := startPostgres(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := db.Stop(); err != nil {
			t.Fatal(err)
		}
	}
	return archive(home)
}

// The keeper of a test that calls startPostgres is the test's own program.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == keeperArg {
		os.Exit(keeperMain(os.Args[2:]))
	}
	code := m.Run()
	if path, err := demoProgram(); err == nil {
		_ = os.RemoveAll(filepath.Dir(path))
	}
	os.Exit(code)
}

func TestEmbedded(t *testing.T) {
	from := downloaded(t)
	for name, as := range accounts(t) {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t, as)
			h.stock(t, from)
			r := h.start(t, "-for", "4s")
			code := r.end(t, 2*time.Minute)
			out := r.output()
			if code != 0 {
				t.Errorf("exit code %d", code)
			}
			for _, mark := range []string{
				"PostgreSQL 18", "type: postgres", "/status", "inspect --config", "psql '", "  + customers   id=1", "  ~ orders ", "readable ",
				"✓ demo.shop.customers ", "✓ demo.shop.orders ", "✓ demo.shop.order_items ", "transactions written; seen: ",
			} {
				if !strings.Contains(out, mark) {
					t.Errorf("%q is missing", mark)
				}
			}
			if t.Failed() {
				t.Log(out)
			}
			h.clean(t)
		})
	}
}

// until waits for a text in the output.
func (r *trial) until(t *testing.T, mark string) {
	t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); !strings.Contains(r.output(), mark); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			r.signal(t, syscall.SIGKILL)
			t.Fatalf("no %q in\n%s", mark, r.output())
		}
	}
}

// TestInterrupted presses Ctrl-C in each part of the start, of the writing and of the proof, sometimes twice. In the ordinary
// tier the accounts take turns.
func TestInterrupted(t *testing.T) {
	from, all := downloaded(t), accounts(t)
	for name, as := range all {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t, as)
			h.stock(t, from)
			for i, mark := range []string{"", "", "are running", "whole configuration", "Ctrl-C ends it", "transaction ", "Writing has ended", "✓ demo.shop.orders"} {
				if !harness.Long && len(all) > 1 && (i%2 == 0) == (as == nil) {
					continue
				}
				r := h.start(t, "-for", "1s")
				r.until(t, mark)
				time.Sleep(time.Duration(rand.N([]int{50, 1500, 50, 500, 500, 500, 20, 20}[i])) * time.Millisecond)
				r.signal(t, syscall.SIGINT)
				again := rand.N(3) == 0
				if again {
					time.Sleep(rand.N(50 * time.Millisecond))
					r.signal(t, syscall.SIGINT)
				}
				code := r.end(t, 45*time.Second)
				unheard := code == -1 && r.output() == "" // the signal came before the first line of the program
				if !unheard && code != 0 && code != interrupted || code == 0 && !strings.Contains(r.output(), "✓ demo.shop.order_items") {
					t.Errorf("interrupted after %q (again: %v): exit code %d\n%s", mark, again, code, r.output())
				}
				h.clean(t)
			}
		})
	}
}

// TestKilled ends the demo in the way that leaves it no word: during the start, and while it writes. The keeper sees to the
// processes, the next demo to the files.
func TestKilled(t *testing.T) {
	h := newHouse(t, nil)
	h.stock(t, downloaded(t))
	for _, mark := range []string{"", "Ctrl-C ends it"} {
		r := h.start(t, "-forever")
		r.until(t, mark)
		time.Sleep(rand.N(time.Second))
		r.signal(t, syscall.SIGKILL)
		if code := r.end(t, 10*time.Second); code != -1 {
			t.Errorf("exit code %d\n%s", code, r.output())
		}
		for deadline := time.Now().Add(45 * time.Second); len(h.processes(t)) > 0; time.Sleep(20 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("left behind: %q", h.processes(t))
			}
		}
	}
	if err := os.RemoveAll(h.path("tmp")); err != nil { // not the demo's business
		t.Fatal(err)
	}
	if err := os.Mkdir(h.path("tmp"), 0o755); err != nil {
		t.Fatal(err)
	}
	r := h.start(t)
	r.until(t, "are running")
	r.signal(t, syscall.SIGINT)
	if code := r.end(t, 45*time.Second); code != 0 && code != interrupted {
		t.Errorf("exit code %d\n%s", code, r.output())
	}
	h.clean(t)
}

// TestRepository has a mirror that has nothing, and one that never answers.
func TestRepository(t *testing.T) {
	asked := make(chan string, 10)
	hang := make(chan struct{})
	mirror := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked <- r.URL.Path
		if strings.HasPrefix(r.URL.Path, "/hangs/") {
			<-hang
		}
		http.NotFound(w, r)
	}))
	defer mirror.Close()
	defer close(hang)

	h := newHouse(t, nil)
	h.repository = mirror.URL + "/empty/"
	r := h.start(t)
	if code := r.end(t, 30*time.Second); code != 1 || !strings.Contains(r.output(), repositoryVariable) {
		t.Errorf("exit code %d\n%s", code, r.output())
	}
	if path := <-asked; !strings.HasPrefix(path, "/empty/io/zonky/test/postgres/") {
		t.Errorf("asked for %s", path)
	}
	h.clean(t)

	h.repository = mirror.URL + "/hangs"
	r = h.start(t)
	<-asked
	r.signal(t, syscall.SIGINT)
	if code := r.end(t, 10*time.Second); code != interrupted {
		t.Errorf("exit code %d\n%s", code, r.output())
	}
	h.clean(t)
}
