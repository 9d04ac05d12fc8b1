package systemd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"cdcbridge/integration/servers"
)

// machine is a systemd that runs as the first process of namespaces of its own. It has this machine's network.
type machine struct {
	boot  *exec.Cmd
	ended chan struct{}
	pid   int // of systemd, outside
}

// allowed is why this machine does not let systemd run, or nil.
func allowed(ctx context.Context, root, dir string) error {
	if os.Getuid() != 0 {
		return errors.New("that needs root")
	}
	defer removeGroups(dir)
	if out, err := exec.CommandContext(ctx, "./boot.sh", root, dir, "probe").CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, bytes.TrimSpace(out))
	}
	return nil
}

// bootFor starts a machine that ends with the test; nil, with the reason in the test's log, where none can run.
func bootFor(t *testing.T) *machine {
	t.Helper()
	root, err := servers.SystemdRoot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := allowed(t.Context(), root, t.TempDir()); err != nil {
		t.Logf("systemd itself cannot run here: %v", err)
		return nil
	}
	dir := t.TempDir()
	m := &machine{boot: exec.Command("./boot.sh", root, dir), ended: make(chan struct{})}
	said := &bytes.Buffer{}
	m.boot.Stdout, m.boot.Stderr = said, said
	started := make(chan error)
	go func() {
		runtime.LockOSThread() // the death signal is bound to the thread that starts the child
		m.boot.SysProcAttr = &syscall.SysProcAttr{}
		servers.DieWithStarter(m.boot.SysProcAttr)
		err := m.boot.Start()
		started <- err
		if err == nil {
			_ = m.boot.Wait() // it is killed
			close(m.ended)
		}
	}()
	if err := <-started; err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Log("journal of the machine:\n" + m.must(t, "journalctl", "--no-pager", "-n", "200"))
		}
		_ = m.boot.Process.Kill()
		<-m.ended
		removeGroups(dir)
	})
	within(t, 30*time.Second, func() error {
		m.pid = childOf(m.boot.Process.Pid) // boot.sh has had others before systemd
		out, err := m.run("systemctl", "is-system-running")
		if strings.TrimSpace(out) == "running" {
			return nil
		}
		return fmt.Errorf("the machine is %q: %w %s", out, err, said)
	})
	return m
}

// childOf is the only child of a process, 0 while there is none.
func childOf(pid int) int {
	all, err := os.ReadDir("/proc")
	if err != nil {
		return 0
	}
	for _, e := range all {
		stat, err := os.ReadFile(filepath.Join("/proc", e.Name(), "stat"))
		if err != nil {
			continue // no process, or one that is gone
		}
		_, rest, _ := strings.Cut(string(stat), ") ")
		if fields := strings.Fields(rest); len(fields) > 1 && fields[1] == strconv.Itoa(pid) {
			child, err := strconv.Atoi(e.Name())
			if err == nil {
				return child
			}
		}
	}
	return 0
}

// removeGroups removes the control groups of the machine that had this folder. Those of processes that are just dying stay for a moment.
func removeGroups(dir string) {
	for _, at := range []string{"/sys/fs/cgroup", "/sys/fs/cgroup/unified"} {
		for range 50 {
			top := filepath.Join(at, "cdcbridge-"+strings.ReplaceAll(dir, "/", "-"))
			var all []string
			_ = filepath.WalkDir(top, func(path string, e os.DirEntry, err error) error {
				if err == nil && e.IsDir() {
					all = append([]string{path}, all...)
				}
				return nil
			})
			for _, path := range all {
				_ = syscall.Rmdir(path)
			}
			if _, err := os.Stat(top); err != nil {
				break
			}
			time.Sleep(20 * time.Millisecond)
		}
	}
}

// run runs a command in the machine and gives what it printed.
func (m *machine) run(args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, "nsenter", append([]string{"-t", strconv.Itoa(m.pid), "-m", "-p", "-u", "-i", "-C"}, args...)...).CombinedOutput()
	return string(out), err
}

// must is run of a command that has to succeed.
func (m *machine) must(t *testing.T, args ...string) string {
	t.Helper()
	out, err := m.run(args...)
	if err != nil {
		t.Errorf("%v: %v: %s", args, err, out)
	}
	return out
}

// write puts a file into the machine.
func (m *machine) write(t *testing.T, path, text string, mode os.FileMode) {
	t.Helper()
	path = filepath.Join("/proc", strconv.Itoa(m.pid), "root", path)
	err := os.MkdirAll(filepath.Dir(path), 0o755)
	if err == nil {
		err = os.WriteFile(path, []byte(text), mode)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// show is a property of the service.
func (m *machine) show(t *testing.T, property string) string {
	t.Helper()
	return strings.TrimSpace(m.must(t, "systemctl", "show", "--property", property, "--value", "cdcbridge"))
}

func within(t *testing.T, limit time.Duration, so func() error) {
	t.Helper()
	for deadline := time.Now().Add(limit); ; time.Sleep(50 * time.Millisecond) {
		err := so()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("after %v: %v", limit, err)
		}
	}
}
