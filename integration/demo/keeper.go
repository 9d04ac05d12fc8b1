package main

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	embedded "github.com/fergusstrange/embedded-postgres"
)

// The keeper is this program once more, in a process of its own that starts PostgreSQL and stops it when its standard input
// ends. That happens however the demo ends, kill -9 included, and without a signal, which would find the server in the
// middle of its start. It is also what another account runs when we are root (account.go).
//
//	keep-postgres HOME PORT REPOSITORY
//
// HOME keeps the downloaded archive; the server itself is unpacked into a directory there that is removed in the end. An
// archive is there whole or not at all, which would not hold for unpacked files.
const keeperArg = "keep-postgres"

// What the server is like. It is nobody's but the demo's, so no superuser's password is worth hiding.
const (
	pgVersion  = embedded.V18
	pgUser     = "postgres"
	pgPassword = "postgres"
	pgDatabase = "shop"
)

// ready is the line by which the keeper says that the server answers.
const ready = "ready"

func keeperMain(args []string) int {
	// A terminal's Ctrl-C is for the demo, and a demo that is gone is no reason to die before the server has been stopped. (Not
	// ignored: that would be handed down to the server.)
	signal.Notify(make(chan os.Signal, 1), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGPIPE)
	if err := keep(args, os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func keep(args []string, hold io.Reader, out io.Writer) (err error) {
	if len(args) != 3 {
		return fmt.Errorf("%s: three arguments are needed", keeperArg)
	}
	home, repository := args[0], args[2]
	port, err := strconv.ParseUint(args[1], 10, 16)
	if err != nil {
		return fmt.Errorf("reading the port: %w", err)
	}
	run, owner, err := ownedDir(home, "run-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(run), owner.Close()) }()
	if err := surroundings(run); err != nil {
		return err
	}
	http.DefaultClient.Timeout = 10 * time.Minute // the download's; it has none of its own
	db := embedded.NewDatabase(embedded.DefaultConfig().Version(pgVersion).Port(uint32(port)).
		Username(pgUser).Password(pgPassword).Database(pgDatabase).Encoding("UTF8").Locale("C").
		CachePath(home).RuntimePath(filepath.Join(run, "postgres")).BinaryRepositoryURL(repository).
		StartTimeout(time.Minute).Logger(io.Discard).StartParameters(map[string]string{
		"wal_level": "logical", "timezone": "UTC", "unix_socket_directories": "", "fsync": "off"}))

	released := make(chan struct{})
	go func() {
		_, _ = io.Copy(io.Discard, hold)
		close(released)
	}()
	started := make(chan error, 1)
	go func() { started <- db.Start() }()
	select {
	case err = <-started:
	case <-released:
		if archive(home) == "" {
			return nil // the download, which nobody waits for any more
		}
		err = <-started
	}
	if err != nil {
		return err // a server that did not start whole has been stopped
	}
	_, _ = fmt.Fprintln(out, ready) // whoever does not hear it will let go
	<-released
	return stop(db, filepath.Join(run, "postgres", "data", "postmaster.pid"))
}

// stop ends the server and waits until its process is gone, a moment after its pid file. It is no child of ours, so where
// nobody buries orphans, as in a container without an init, there is no more to wait for than its last breath.
func stop(db *embedded.EmbeddedPostgres, pidFile string) error {
	text, err := os.ReadFile(pidFile)
	if err != nil {
		return errors.Join(fmt.Errorf("reading the server's pid: %w", err), db.Stop())
	}
	first, _, _ := strings.Cut(string(text), "\n")
	pid, err := strconv.Atoi(first)
	if err != nil || pid <= 1 {
		return errors.Join(fmt.Errorf("reading the server's pid: %q", first), db.Stop())
	}
	if err := db.Stop(); err != nil {
		return err
	}
	for range 200 {
		if err := syscall.Kill(pid, 0); err != nil {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	return nil
}

// archive is the downloaded archive in home, "" before there is one.
func archive(home string) string {
	found, err := filepath.Glob(filepath.Join(home, "embedded-postgres-binaries-*-"+string(pgVersion)+".txz"))
	if err != nil || len(found) == 0 {
		return ""
	}
	return found[0]
}

// surroundings are what PostgreSQL's programs and the driver look at: a home and a temporary directory that go with the
// server, no locale of ours, and no PGHOST or PGDATA that is meant for another server.
func surroundings(run string) error {
	tmp := filepath.Join(run, "tmp")
	if err := os.Mkdir(tmp, 0o700); err != nil {
		return fmt.Errorf("making a temporary directory: %w", err)
	}
	for _, pair := range os.Environ() {
		name, _, _ := strings.Cut(pair, "=")
		if strings.HasPrefix(name, "PG") || strings.HasPrefix(name, "LC_") || name == "LANG" || name == "LANGUAGE" {
			if err := os.Unsetenv(name); err != nil {
				return err
			}
		}
	}
	return errors.Join(os.Setenv("HOME", run), os.Setenv("TMPDIR", tmp), os.Setenv("LC_ALL", "C"))
}

// ownedDir makes a directory in parent, ours until owner is closed, and removes those of the same prefix whose owner was
// killed. A server that such an owner left ends within a minute of losing its data directory.
func ownedDir(parent, prefix string) (path string, owner *os.File, err error) {
	const lock = "owner.lock"
	gate, err := lockFile(filepath.Join(parent, ".lock-"+strings.TrimSuffix(prefix, "-")), syscall.LOCK_EX)
	if err != nil {
		return "", nil, err
	}
	defer gate.Close()
	left, err := filepath.Glob(filepath.Join(parent, prefix+"*", lock))
	if err != nil {
		return "", nil, err
	}
	for _, path := range left {
		if f, err := lockFile(path, syscall.LOCK_EX|syscall.LOCK_NB); err == nil {
			_ = os.RemoveAll(filepath.Dir(path)) // or the next one does it
			_ = f.Close()
		}
	}
	if path, err = os.MkdirTemp(parent, prefix); err != nil {
		return "", nil, fmt.Errorf("making a directory of this run: %w", err)
	}
	owner, err = lockFile(filepath.Join(path, lock), syscall.LOCK_EX|syscall.LOCK_NB)
	return path, owner, err
}

// lockFile makes the file if needed and locks it until it is closed.
func lockFile(path string, how int) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening a lock: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), how); err != nil {
		return nil, errors.Join(fmt.Errorf("locking %s: %w", path, err), f.Close())
	}
	return f, nil
}
