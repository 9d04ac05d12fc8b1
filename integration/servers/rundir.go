package servers

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// runDir is the directory of one server: data, log, certificates. Unless the caller chose it, it lies in the cache's run/
// folder and is removed when the server is stopped; one whose owner was killed is removed by whoever starts the next server.
type runDir struct {
	path  string
	kept  bool     // the caller's own: never removed
	owner *os.File // locked as long as we live
}

const ownerFile = "owner.lock"

// newRunDir makes a directory whose name starts with prefix, or takes the one that the caller wants.
func newRunDir(prefix, wanted string) (*runDir, error) {
	if wanted != "" {
		path, err := filepath.Abs(wanted)
		if err != nil {
			return nil, fmt.Errorf("taking the directory %s: %w", wanted, err)
		}
		if err := os.MkdirAll(path, 0o755); err != nil {
			return nil, fmt.Errorf("making the directory of a server: %w", err)
		}
		return &runDir{path: path, kept: true}, giveToServer(path)
	}
	run := filepath.Join(CacheDir(), "run")
	if err := os.MkdirAll(run, 0o755); err != nil {
		return nil, fmt.Errorf("making the directory of servers: %w", err)
	}
	gate, err := lockFile(filepath.Join(run, ".lock"), syscall.LOCK_EX)
	if err != nil {
		return nil, err
	}
	defer gate.Close()
	sweep(run)
	path, err := os.MkdirTemp(run, prefix+"-")
	if err != nil {
		return nil, fmt.Errorf("making the directory of a server: %w", err)
	}
	owner, err := lockFile(filepath.Join(path, ownerFile), syscall.LOCK_EX|syscall.LOCK_NB)
	if err != nil {
		return nil, err
	}
	d := &runDir{path: path, owner: owner}
	if err := errors.Join(os.Chmod(path, 0o755), giveToServer(path)); err != nil {
		return nil, errors.Join(err, d.remove())
	}
	return d, nil
}

func (d *runDir) remove() error {
	if d.kept {
		return nil
	}
	err := os.RemoveAll(d.path)
	return errors.Join(err, d.owner.Close())
}

// sweep removes what killed processes left. Its servers may be dying this very moment, so what cannot be removed is left
// to the next sweep.
func sweep(run string) {
	owners, err := filepath.Glob(filepath.Join(run, "*", ownerFile))
	if err != nil {
		return
	}
	for _, path := range owners {
		f, err := lockFile(path, syscall.LOCK_EX|syscall.LOCK_NB)
		if err != nil {
			continue // its owner lives
		}
		_ = os.RemoveAll(filepath.Dir(path))
		_ = f.Close()
	}
}

func lockFile(path string, how int) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fmt.Errorf("opening a lock: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), how); err != nil {
		return nil, errors.Join(fmt.Errorf("locking %s: %w", path, err), f.Close())
	}
	return f, nil
}

// giveToServer makes the account that servers run as the owner of paths.
func giveToServer(paths ...string) error {
	cred, err := serverCredential()
	if err != nil || cred == nil {
		return err
	}
	for _, path := range paths {
		if err := os.Chown(path, int(cred.Uid), int(cred.Gid)); err != nil {
			return fmt.Errorf("giving a file to the server: %w", err)
		}
	}
	return nil
}
