package main

import (
	"fmt"
	"io"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
)

// account is who keeps the database: nobody when we are root, as whom PostgreSQL refuses to run, else ourselves (nil).
func account() (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	u, err := user.Lookup("nobody")
	if err != nil {
		return nil, fmt.Errorf("looking up the account that PostgreSQL runs as, for it refuses root: %w", err)
	}
	var ids [2]uint32
	for i, text := range []string{u.Uid, u.Gid} {
		n, err := strconv.ParseInt(text, 10, 64) // macOS has -2 for nobody
		if err != nil {
			return nil, fmt.Errorf("reading the ids of nobody: %w", err)
		}
		ids[i] = uint32(n)
	}
	return &syscall.Credential{Uid: ids[0], Gid: ids[1]}, nil
}

// ownDir makes a directory that belongs to the account.
func ownDir(path string, as *syscall.Credential) error {
	if err := os.MkdirAll(path, 0o755); err != nil {
		return fmt.Errorf("making the cache: %w", err)
	}
	if as == nil {
		return nil
	}
	if err := os.Chown(path, int(as.Uid), int(as.Gid)); err != nil {
		return fmt.Errorf("giving %s to the account that PostgreSQL runs as: %w", path, err)
	}
	return nil
}

// program is this program's file where the account can run it: another account may not enter the directory in which the
// file is, so it gets a copy in the cache. remove is to be called as soon as the program runs.
func program(cache string, as *syscall.Credential) (path string, remove func(), err error) {
	self, err := os.Executable()
	if err != nil {
		return "", nil, fmt.Errorf("finding this program's file: %w", err)
	}
	if as == nil {
		return self, func() {}, nil
	}
	dir, owner, err := ownedDir(cache, "program-")
	if err != nil {
		return "", nil, err
	}
	remove = func() {
		_ = os.RemoveAll(dir) // or the next one does it
		_ = owner.Close()
	}
	path = filepath.Join(dir, "demo")
	err = os.Chmod(dir, 0o755)
	if err == nil {
		err = copyProgram(self, path)
	}
	if err != nil {
		remove()
		return "", nil, fmt.Errorf("copying this program for the account that PostgreSQL runs as: %w", err)
	}
	return path, remove, nil
}

func copyProgram(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o755)
	if err != nil {
		return err
	}
	if _, err := io.Copy(out, in); err != nil {
		_ = out.Close() // the copy is given up
		return err
	}
	return out.Close()
}
