package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// aim is how long the way from the README to the first record should take.
const aim = 5 * time.Minute

// options are the flags.
type options struct {
	checkout  string // of cdcbridge: what is cloned, and where the page is
	binary    string // as a package has installed it; "": one is built from a clone
	databases string
	inside    string // the database to walk with, in this process, as its parent says
}

func main() {
	var o options
	flag.StringVar(&o.checkout, "checkout", "..", "the checkout that is cloned, and whose docs/getting-started.md is followed")
	flag.StringVar(&o.binary, "binary", "", "a binary to walk with, as a package installs it, instead of a clone that is built")
	flag.StringVar(&o.databases, "databases", "mysql,postgres", "which ones to walk with")
	flag.StringVar(&o.inside, "inside", "", "used by the program itself")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, &o, os.Stdout); err != nil {
		_, _ = fmt.Fprintln(os.Stderr, "walkthrough:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o *options, out io.Writer) error {
	home, err := os.MkdirTemp("", "walkthrough-")
	if err != nil {
		return err
	}
	defer func() { _ = removeAll(home) }()
	if o.inside != "" {
		return walkWith(ctx, o, home, out)
	}
	bin := filepath.Join(home, "bin")
	if err := os.Mkdir(bin, 0o755); err != nil {
		return err
	}
	took := time.Duration(0)
	if o.binary == "" {
		if took, err = build(ctx, o.checkout, home, out); err != nil {
			return err
		}
		o.binary = filepath.Join(home, "cdcbridge", "bin", "cdcbridge")
		o.checkout = filepath.Join(home, "cdcbridge")
	}
	for database := range strings.SplitSeq(o.databases, ",") {
		if err := apart(ctx, o, database, took, out); err != nil {
			return fmt.Errorf("%s: %w", database, err)
		}
	}
	return nil
}

// build clones and builds as somebody does who has neither the sources nor any module of Go yet.
func build(ctx context.Context, checkout, home string, out io.Writer) (time.Duration, error) {
	began := time.Now()
	_, _ = fmt.Fprintln(out, "From a clone to a binary, with nothing in Go's caches:")
	at := newTerminal(home, filepath.Join(home, "bin"))
	if err := at.modules(ctx); err != nil {
		return 0, err
	}
	from, err := filepath.Abs(checkout)
	if err != nil {
		return 0, err
	}
	for _, line := range []string{"git clone --quiet " + from + " cdcbridge", "make -C cdcbridge build"} {
		if _, err := at.run(ctx, line); err != nil {
			return 0, err
		}
		_, _ = fmt.Fprintf(out, "%7.1f s  %s\n", time.Since(began).Seconds(), line)
	}
	return time.Since(began), nil
}

// apart runs this program again for one database, in a network of its own where that can be had.
func apart(ctx context.Context, o *options, database string, built time.Duration, out io.Writer) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	binary, err := filepath.Abs(o.binary)
	if err != nil {
		return err
	}
	_, _ = fmt.Fprintf(out, "With %s, from its account to the first record:\n", database)
	var said strings.Builder
	one := func(attributes *syscall.SysProcAttr) error {
		cmd := exec.CommandContext(ctx, self, "-inside", database, "-binary", binary, "-checkout", o.checkout)
		cmd.Stdout, cmd.Stderr, cmd.SysProcAttr = io.MultiWriter(out, &said), os.Stderr, attributes
		if attributes != nil {
			cmd.Env = append(os.Environ(), inNamespace+"=1")
		}
		cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
		return cmd.Run()
	}
	err = one(ownNetwork())
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) && ctx.Err() == nil { // the kernel gives no namespace
		err = one(nil)
	}
	if err != nil {
		return err
	}
	_, text, _ := strings.Cut(said.String(), firstRecord)
	first, err := time.ParseDuration(strings.TrimSpace(text))
	if err != nil {
		return fmt.Errorf("reading the time of the walk: %w", err)
	}
	total := (built + first).Round(100 * time.Millisecond)
	verdict := "within"
	if total > aim {
		verdict = "more than"
	}
	_, _ = fmt.Fprintf(out, "README to first record with %s: %v, %s the aim of %v\n\n", database, total, verdict, aim)
	return nil
}

// inNamespace tells the child that the network is its own.
const inNamespace = "CDCBRIDGE_WALKTHROUGH_NETWORK"

// firstRecord is what a walk says before its time.
const firstRecord = "time to the first record: "

// walkWith is what the child does.
func walkWith(ctx context.Context, o *options, home string, out io.Writer) (err error) {
	if os.Getenv(inNamespace) != "" {
		if err := raiseLoopback(); err != nil {
			return err
		}
	}
	text, err := readPage(filepath.Join(o.checkout, "docs", "getting-started.md"))
	if err != nil {
		return err
	}
	world, err := newWorld(ctx, o.inside)
	if err != nil {
		return fmt.Errorf("starting the servers where the page says they are: %w", err)
	}
	defer func() { err = errors.Join(err, world.stop()) }()
	ctx, cancel := context.WithTimeout(ctx, aim)
	defer cancel()
	w := &walk{page: text, world: world, at: newTerminal(home, filepath.Dir(o.binary)), out: out}
	first, err := w.run(ctx)
	if err != nil {
		return err
	}
	_, _ = fmt.Fprintln(out, firstRecord+first.String())
	return nil
}

// removeAll removes Go's module cache, too, whose directories are not writable.
func removeAll(dir string) error {
	_ = filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			return os.Chmod(path, 0o755)
		}
		return nil
	})
	return os.RemoveAll(dir)
}
