package servers

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// process is one server process, leader of its own process group, so that a signal from a terminal does not reach it.
type process struct {
	name string
	cmd  *exec.Cmd
	log  string        // its stdout and stderr, appended to
	done chan struct{} // closed when it is gone
}

// spawn is what startProcess needs to know.
type spawn struct {
	name string   // for messages
	argv []string // argv[0] is a path
	dir  string   // working directory, owned by the account that servers run as
	log  string
	env  []string // added to a small fixed environment

	stdin, stdout *os.File // the process's ends of pipes; nil: nothing to read, and the log
}

// starter is the thread that forks all servers. A parent-death signal is sent when the *thread* that forked ends, not the
// process; a goroutine that is locked to its thread and never returns is a thread that ends with the process only.
var starter struct {
	once sync.Once
	jobs chan func()
}

func onStarterThread(f func()) {
	starter.once.Do(func() {
		starter.jobs = make(chan func())
		go func() {
			runtime.LockOSThread()
			for job := range starter.jobs {
				job()
			}
		}()
	})
	done := make(chan struct{})
	starter.jobs <- func() { defer close(done); f() }
	<-done
}

func startProcess(s spawn) (*process, error) {
	cred, err := serverCredential()
	if err != nil {
		return nil, err
	}
	log, err := os.OpenFile(s.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, fmt.Errorf("opening the log of %s: %w", s.name, err)
	}
	defer log.Close()
	cmd := exec.Command(s.argv[0], s.argv[1:]...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = s.dir, log, log
	if s.stdin != nil {
		cmd.Stdin, cmd.Stdout = s.stdin, s.stdout
	}
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + s.dir, "LANG=C.UTF-8", "TZ=UTC"}, s.env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Credential: cred}
	DieWithStarter(cmd.SysProcAttr)
	onStarterThread(func() { err = cmd.Start() })
	if err != nil {
		return nil, fmt.Errorf("starting %s: %w", s.name, err)
	}
	p := &process{name: s.name, cmd: cmd, log: s.log, done: make(chan struct{})}
	go func() {
		_ = cmd.Wait() // cmd.ProcessState says how it ended
		close(p.done)
	}()
	return p, nil
}

// serverCredential is nobody's for root (MySQL refuses to run as root), nil for everybody else.
func serverCredential() (*syscall.Credential, error) {
	if os.Getuid() != 0 {
		return nil, nil
	}
	u, err := user.Lookup("nobody")
	if err != nil {
		return nil, fmt.Errorf("looking up the account that servers run as: %w", err)
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return nil, fmt.Errorf("reading the user id %q of nobody: %w", u.Uid, err)
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		return nil, fmt.Errorf("reading the group id %q of nobody: %w", u.Gid, err)
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
}

// alive is false for a nil process too, that of a server that never started.
func (p *process) alive() bool {
	if p == nil {
		return false
	}
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// signal reaches the whole group; a process that is gone already is no error.
func (p *process) signal(sig syscall.Signal) error {
	if !p.alive() {
		return nil
	}
	if err := syscall.Kill(-p.cmd.Process.Pid, sig); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("sending %v to %s: %w", sig, p.name, err)
	}
	return nil
}

// pause freezes the process and returns when each of its threads stands still: SIGSTOP by itself takes effect a little later.
func (p *process) pause() error {
	if !p.alive() {
		return errors.New("freezing a server: it does not run")
	}
	if err := p.signal(syscall.SIGSTOP); err != nil {
		return err
	}
	for deadline := time.Now().Add(10 * time.Second); !p.frozen(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			return fmt.Errorf("freezing %s: some thread goes on", p.name)
		}
	}
	return nil
}

// frozen reports whether all threads are stopped.
func (p *process) frozen() bool {
	stats, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", p.cmd.Process.Pid))
	if err != nil || len(stats) == 0 {
		return false
	}
	for _, path := range stats {
		if taskState(path) != 'T' {
			return false
		}
	}
	return true
}

// taskState is the first letter of a task's state ('T' stopped, 'Z' dead and not waited for), 0 for one that is gone. It stands
// behind the command's name, which is in parentheses and may hold some itself (proc(5)).
func taskState(statFile string) byte {
	stat, err := os.ReadFile(statFile)
	if err != nil {
		return 0
	}
	_, state, ok := bytes.Cut(stat[max(0, bytes.LastIndexByte(stat, ')')):], []byte(" "))
	if !ok || len(state) == 0 {
		return 0
	}
	return state[0]
}

// kill ends the process at once and waits until it is gone.
func (p *process) kill() error {
	if err := p.signal(syscall.SIGKILL); err != nil {
		return err
	}
	if p != nil {
		<-p.done
	}
	return nil
}

// terminate asks the process to end in order and kills it when ctx or the patience for it is over, which is an error.
func (p *process) terminate(ctx context.Context, patience time.Duration) error {
	return p.end(ctx, syscall.SIGTERM, patience)
}

// end is terminate with the signal that this server takes for the wish.
func (p *process) end(ctx context.Context, sig syscall.Signal, patience time.Duration) error {
	if !p.alive() {
		return nil
	}
	if err := errors.Join(p.signal(sig), p.signal(syscall.SIGCONT)); err != nil {
		return err
	}
	timer := time.NewTimer(patience)
	defer timer.Stop()
	var cause error
	select {
	case <-p.done:
		return nil
	case <-ctx.Done():
		cause = ctx.Err()
	case <-timer.C:
		cause = fmt.Errorf("still running %v after signal %d", patience, sig)
	}
	return errors.Join(fmt.Errorf("stopping %s: %w%s", p.name, cause, logTail(p.log)), p.kill())
}

// until calls ready every few milliseconds until it returns nil. It fails, with the end of the log, when the process ends
// before that or when ctx is over.
func (p *process) until(ctx context.Context, ready func(context.Context) error) error {
	ticker := time.NewTicker(25 * time.Millisecond)
	defer ticker.Stop()
	for {
		attempt, cancel := context.WithTimeout(ctx, 5*time.Second)
		err := ready(attempt)
		cancel()
		if err == nil {
			return nil
		}
		select {
		case <-p.done:
			return fmt.Errorf("starting %s: it ended (%s)%s", p.name, p.cmd.ProcessState, logTail(p.log))
		case <-ctx.Done():
			return fmt.Errorf("waiting for %s: %w; last answer: %w%s", p.name, ctx.Err(), err, logTail(p.log))
		case <-ticker.C:
		}
	}
}

// logTail is the end of a server's log, fit to be appended to an error message.
func logTail(path string) string {
	const most = 4 << 10
	f, err := os.Open(path)
	if err != nil {
		return fmt.Sprintf("\n(no log: %v)", err)
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && info.Size() > most {
		if _, err := f.Seek(-most, io.SeekEnd); err != nil {
			return fmt.Sprintf("\n(no log: %v)", err)
		}
	}
	tail, err := io.ReadAll(f)
	if err != nil {
		return fmt.Sprintf("\n(no log: %v)", err)
	}
	return fmt.Sprintf("\n--- end of %s ---\n%s", path, bytes.TrimSpace(tail))
}
