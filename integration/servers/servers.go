// Package servers runs real MySQL, MariaDB, PostgreSQL and Kafka servers and Flink SQL for the integration tests, the benchmark and the demo, on a bare Debian
// machine with no Docker engine.
//
//	provision.sh ── unpacks each version once ──▶ cache/mysql97, cache/maria118, cache/pg18, cache/kafka44, …
//	StartMySQL, StartPostgres, StartKafka ── a private data directory and a free port each ──▶ cache/run/…
//	Proxy ── cuts, delays or stops the bytes between a client and a server
//
// Servers listen on 127.0.0.1, run as nobody when we are root, die with the process that started them (whatever kills it)
// and lose their data directory when they are stopped. Different servers may be used from different goroutines; the control
// methods of one server (Kill, Restart, …) are to be called one after the other.
package servers

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
)

// What Provision can install.
const (
	MySQL97 = "mysql97" // MySQL 9.7 or a later 9.x
	MySQL80 = "mysql80" // MySQL 8.0.31
	MySQL57 = "mysql57" // MySQL 5.7.22

	MariaDB118  = "maria118"  // MariaDB 11.8.x
	MariaDB1011 = "maria1011" // MariaDB 10.11.x

	Kafka44 = "kafka44" // Apache Kafka 4.4.0
	Kafka39 = "kafka39" // Apache Kafka 3.9.2, the last line without transaction version 2

	Postgres18 = "pg18" // PostgreSQL 18.x
	Postgres17 = "pg17" // PostgreSQL 17.x, the first with failover slots; installed when it is asked for
	Postgres16 = "pg16" // PostgreSQL 16.x; installed when it is asked for
	Postgres15 = "pg15" // PostgreSQL 15.x, the oldest that the product takes

	Debezium36 = "debezium" // Kafka Connect with Debezium's connectors for MySQL, MariaDB and PostgreSQL

	Canal117 = "canal" // Alibaba Canal 1.1.7

	Chromium = "chromium" // the headless browser, as Debian 12 has it

	Systemd = "systemd" // a root directory of Debian 12 with systemd

	Flink120 = "flink" // Apache Flink 1.20.3 with SQL, JSON formats and the Kafka connectors
)

// CacheDir is where servers are unpacked and run; provision.sh decides in the same way.
func CacheDir() string {
	if dir := os.Getenv("CDCBRIDGE_CACHE"); dir != "" {
		return dir
	}
	if os.Getuid() == 0 {
		return "/var/cache/cdcbridge" // servers run as nobody then, who cannot enter /root
	}
	if dir := os.Getenv("XDG_CACHE_HOME"); dir != "" {
		return filepath.Join(dir, "cdcbridge")
	}
	return filepath.Join(os.Getenv("HOME"), ".cache", "cdcbridge")
}

// Provision installs what is not installed yet (nothing named: what the tests of every day need) by running integration/provision.sh, whose output
// goes to stderr. The starters below call it, so a test need not.
func Provision(ctx context.Context, what ...string) error {
	script, err := scriptPath()
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, "bash", append([]string{script}, what...)...)
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	cmd.Env = append(os.Environ(), "CDCBRIDGE_CACHE="+CacheDir())
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("installing %v with %s: %w", what, script, err)
	}
	return nil
}

// scriptPath finds provision.sh beside this package's source, or, in a binary built with -trimpath, above the working
// directory.
func scriptPath() (string, error) {
	if _, file, _, ok := runtime.Caller(0); ok {
		script := filepath.Join(filepath.Dir(filepath.Dir(file)), "provision.sh")
		if _, err := os.Stat(script); err == nil {
			return script, nil
		}
	}
	dir, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("finding provision.sh: %w", err)
	}
	for ; ; dir = filepath.Dir(dir) {
		for _, script := range []string{filepath.Join(dir, "provision.sh"), filepath.Join(dir, "integration", "provision.sh")} {
			if _, err := os.Stat(script); err == nil {
				return script, nil
			}
		}
		if dir == filepath.Dir(dir) {
			return "", errors.New("finding provision.sh: not beside the source of package servers and not above the working directory")
		}
	}
}

// installed remembers what this process need not look at again.
var installed = map[string]*struct {
	sync.Mutex // held while provision.sh works on the item, so that two items go on side by side
	done       bool
}{MySQL97: {}, MySQL80: {}, MySQL57: {}, MariaDB118: {}, MariaDB1011: {}, Kafka44: {}, Kafka39: {}, Postgres18: {}, Postgres17: {}, Postgres16: {}, Postgres15: {}, Flink120: {}, Debezium36: {}, Canal117: {}, Chromium: {}, Systemd: {}}

// ensure is Provision of one item, once a process.
func ensure(ctx context.Context, item string) error {
	state := installed[item]
	state.Lock()
	defer state.Unlock()
	if state.done {
		return nil
	}
	if err := Provision(ctx, item); err != nil {
		return err
	}
	state.done = true
	return nil
}
