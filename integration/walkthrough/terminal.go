package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
)

// terminal is where somebody types commands: a directory, a home and an environment of their own.
type terminal struct {
	dir     string
	env     []string
	exports []string // that were typed
}

// newTerminal gives one whose path begins with the directory of the binary. Of this process's environment it has the path only, and what
// says how this machine reaches others.
func newTerminal(dir, bin string) *terminal {
	t := &terminal{dir: dir, env: []string{"HOME=" + dir, "PATH=" + bin + ":" + os.Getenv("PATH"), "LANG=C.UTF-8", "TMPDIR=" + os.TempDir()}}
	for _, name := range []string{"SSL_CERT_FILE", "SSL_CERT_DIR", "HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY", "https_proxy", "http_proxy", "no_proxy"} {
		if value, ok := os.LookupEnv(name); ok {
			t.env = append(t.env, name+"="+value)
		}
	}
	return t
}

// modules has the terminal take Go's modules from where this machine takes them.
func (t *terminal) modules(ctx context.Context) error {
	for _, name := range []string{"GOPROXY", "GOSUMDB", "GONOSUMDB"} {
		value, err := exec.CommandContext(ctx, "go", "env", name).Output()
		if err != nil {
			return fmt.Errorf("asking Go for %s: %w", name, err)
		}
		t.env = append(t.env, name+"="+strings.TrimSpace(string(value)))
	}
	return nil
}

// typed is a command that runs.
type typed struct {
	*exec.Cmd
	mu   sync.Mutex
	text bytes.Buffer
	done chan struct{}
	err  error // how it ended, set before done is closed
}

// Write implements io.Writer: what the command prints.
func (c *typed) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.text.Write(p)
}

func (c *typed) printed() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.text.String()
}

// start types a line and does not wait for its end.
func (t *terminal) start(line string) (*typed, error) {
	script := strings.Join(append(append([]string{"set -eu"}, t.exports...), "exec "+line), "\n")
	c := &typed{Cmd: exec.Command("bash", "-c", script), done: make(chan struct{})}
	c.Dir, c.Env, c.Stdout, c.Stderr = t.dir, t.env, c, c
	c.WaitDelay = 10 * time.Second
	if err := c.Start(); err != nil {
		return nil, fmt.Errorf("running %s: %w", line, err)
	}
	go func() {
		c.err = c.Wait()
		close(c.done)
	}()
	return c, nil
}

// interrupt presses Ctrl-C and waits for the command's end.
func (c *typed) interrupt() error {
	if err := c.Process.Signal(syscall.SIGINT); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	select {
	case <-c.done:
	case <-time.After(time.Minute):
		return errors.Join(errors.New("it does not end after Ctrl-C"), c.Process.Kill())
	}
	return c.err
}

// run types a line, waits for its end, and gives what it printed; it must succeed.
func (t *terminal) run(ctx context.Context, line string) (string, error) {
	if strings.HasPrefix(line, "export ") {
		t.exports = append(t.exports, line)
		return "", nil
	}
	c, err := t.start(line)
	if err != nil {
		return "", err
	}
	select {
	case <-c.done:
	case <-ctx.Done():
		return "", errors.Join(ctx.Err(), c.Process.Kill())
	}
	if c.err != nil {
		return "", fmt.Errorf("running %s: %w\n%s", line, c.err, c.printed())
	}
	return c.printed(), nil
}

// sees types a line and waits until it has printed all of the texts; then it presses Ctrl-C. A command that ends before, because there is no
// topic yet, is typed again.
func (t *terminal) sees(ctx context.Context, line string, texts ...string) (string, error) {
	for {
		c, err := t.start(line)
		if err != nil {
			return "", err
		}
		got, ended := c.await(ctx, texts)
		if ended == nil {
			return got, c.interrupt()
		}
		if ctx.Err() != nil {
			return got, fmt.Errorf("waiting for %q from %s: %w\n%s", texts, line, errors.Join(ctx.Err(), c.interrupt()), got)
		}
		time.Sleep(200 * time.Millisecond)
	}
}

var errEnded = errors.New("it has ended")

func (c *typed) await(ctx context.Context, texts []string) (string, error) {
	for {
		got := c.printed()
		missing := false
		for _, text := range texts {
			missing = missing || !strings.Contains(got, text)
		}
		if !missing {
			return got, nil
		}
		select {
		case <-c.done:
			return got, errEnded
		case <-ctx.Done():
			return got, ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
}
