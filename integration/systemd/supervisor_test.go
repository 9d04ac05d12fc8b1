package systemd

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"cdcbridge/integration/harness"
	"cdcbridge/integration/servers"
)

// supervisor does with the daemon what the unit file says, as systemd does it: it starts it with a socket for its messages, aborts it when its
// watchdog is not served in time, and starts it again unless its exit code prevents that.
type supervisor struct {
	args     []string
	prevent  []string // exit codes
	watchdog time.Duration
	socket   *net.UnixConn
	ready    chan struct{}
	finished chan struct{}

	mu       sync.Mutex // guards what follows
	cmd      *exec.Cmd
	restarts int
	stopping bool
	said     []string // messages
	codes    []int    // exit codes so far
}

// superviseFor starts the unit with another configuration and another limit of the watchdog, and returns when the daemon is ready.
func superviseFor(t *testing.T, config string, watchdog time.Duration) *supervisor {
	t.Helper()
	bin, err := harness.Binary()
	if err != nil {
		t.Fatal(err)
	}
	unit, err := os.ReadFile("../../deploy/cdcbridge.service")
	if err != nil {
		t.Fatal(err)
	}
	s := &supervisor{watchdog: watchdog, ready: make(chan struct{}), finished: make(chan struct{})}
	for line := range strings.Lines(string(unit)) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		switch key {
		case "ExecStart":
			s.args = strings.Fields(value)
		case "RestartPreventExitStatus":
			s.prevent = strings.Fields(value)
		}
	}
	s.args[0], s.args[slices.Index(s.args, "--config")+1] = bin, harness.ConfigFile(t, config)
	path := filepath.Join(t.TempDir(), "notify")
	if s.socket, err = net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"}); err != nil {
		t.Fatal(err)
	}
	go s.supervise(path)
	t.Cleanup(func() { s.stop(t) })
	select {
	case <-s.ready:
	case <-s.finished:
		t.Fatalf("the daemon ended: %v", s.codes)
	}
	return s
}

// supervise runs the daemon until it must not be started again.
func (s *supervisor) supervise(path string) {
	runtime.LockOSThread() // the death signal is bound to the thread that starts the child
	defer close(s.finished)
	for {
		cmd := exec.Command(s.args[0], s.args[1:]...)
		cmd.Env = append(os.Environ(), "NOTIFY_SOCKET="+path, fmt.Sprintf("WATCHDOG_USEC=%d", s.watchdog.Microseconds()))
		cmd.SysProcAttr = &syscall.SysProcAttr{}
		servers.DieWithStarter(cmd.SysProcAttr)
		if cmd.Start() != nil {
			return
		}
		s.mu.Lock()
		s.cmd = cmd
		s.mu.Unlock()
		ended := make(chan struct{})
		listening := sync.WaitGroup{}
		listening.Go(func() { s.listen(cmd, ended) })
		_ = cmd.Wait() // its code is what counts
		close(ended)
		listening.Wait()
		code := cmd.ProcessState.ExitCode()
		s.mu.Lock()
		s.codes = append(s.codes, code)
		over := s.stopping || code == 0 || slices.Contains(s.prevent, fmt.Sprint(code))
		if !over {
			s.restarts++
		}
		s.mu.Unlock()
		if over {
			return
		}
	}
}

// listen hears what the daemon says, and aborts it when it says nothing for too long.
func (s *supervisor) listen(cmd *exec.Cmd, ended <-chan struct{}) {
	heard := time.Now()
	b := make([]byte, 1000)
	for {
		select {
		case <-ended:
			return
		default:
		}
		if s.socket.SetReadDeadline(time.Now().Add(50*time.Millisecond)) != nil {
			return
		}
		n, err := s.socket.Read(b)
		var timeout net.Error
		switch {
		case err == nil:
			text := string(b[:n])
			s.mu.Lock()
			if text == "READY=1" && !slices.Contains(s.said, text) {
				close(s.ready)
			}
			s.said = append(s.said, text)
			s.mu.Unlock()
			heard = time.Now()
		case !errors.As(err, &timeout) || !timeout.Timeout():
			return
		case time.Since(heard) > s.watchdog:
			_ = cmd.Process.Signal(syscall.SIGABRT)
			_ = cmd.Process.Signal(syscall.SIGCONT) // as systemd does
			heard = time.Now()
		}
	}
}

// freeze stops the process as it stands.
func (s *supervisor) freeze(t *testing.T) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
}

func (s *supervisor) restarted(*testing.T) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.restarts
}

// stop has the daemon drain. It is called twice at most.
func (s *supervisor) stop(t *testing.T) {
	s.mu.Lock()
	s.stopping = true
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	s.mu.Unlock()
	select {
	case <-s.finished:
	case <-time.After(45 * time.Second): // TimeoutStopSec of the unit
		_ = s.cmd.Process.Kill()
		t.Error("the daemon does not drain")
	}
	_ = s.socket.Close()
}
