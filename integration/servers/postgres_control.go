package servers

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// ownSettings are written behind PostgreSQL's own, those of the options behind them. They are no command line, so ALTER
// SYSTEM wins over all.
func (p *Postgres) ownSettings() map[string]string {
	settings := map[string]string{
		"listen_addresses": "127.0.0.1", "port": strconv.Itoa(p.port), "unix_socket_directories": "",
		"wal_level": "logical", "max_wal_senders": "20", "max_replication_slots": "20", "hot_standby": "on", "wal_log_hints": "on",
		// Shared memory that outlives a killed server is a file in its own directory.
		"dynamic_shared_memory_type": "mmap",
		"shared_buffers":             "32MB", "max_connections": "100", "wal_sender_timeout": "60s", "timezone": "UTC", "log_timezone": "UTC",
		"log_line_prefix": "%m [%p] %b %q%u@%d %a ", "log_replication_commands": "on", "checkpoint_timeout": "15min",
	}
	if !p.options.Durable {
		// What a process wrote is in the kernel's hands and survives a kill.
		settings["fsync"] = "off"
	}
	if p.ca != nil {
		pair := p.ca.pair("server")
		settings["ssl"], settings["ssl_ca_file"], settings["ssl_cert_file"], settings["ssl_key_file"] = "on", p.ca.File, pair.Cert, pair.Key
	}
	maps.Copy(settings, p.options.Settings)
	return settings
}

const (
	ownConf    = "cdcbridge.conf"
	ownInclude = "\ninclude '" + ownConf + "'\n"
	ownHBA     = "cdcbridge_hba.conf"
)

// configure writes the configuration anew, and only that.
func (p *Postgres) configure() error {
	settings := p.ownSettings()
	settings["hba_file"] = filepath.Join(p.DataDir(), ownHBA)
	var conf strings.Builder
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		fmt.Fprintf(&conf, "%s = '%s'\n", name, strings.ReplaceAll(settings[name], "'", "''"))
	}
	hba := append(slices.Clone(p.options.HBA), "host all all 127.0.0.1/32 scram-sha-256", "host replication all 127.0.0.1/32 scram-sha-256")
	if err := errors.Join(p.writeData(ownConf, conf.String()), p.writeData(ownHBA, strings.Join(hba, "\n")+"\n")); err != nil {
		return err
	}
	main := filepath.Join(p.DataDir(), "postgresql.conf")
	text, err := os.ReadFile(main)
	if err != nil {
		return fmt.Errorf("reading the configuration of PostgreSQL: %w", err)
	}
	if strings.HasSuffix(string(text), ownInclude) {
		return nil
	}
	return p.writeData("postgresql.conf", string(text)+ownInclude)
}

// writeData writes a file of the data directory.
func (p *Postgres) writeData(name, text string) error {
	path := filepath.Join(p.DataDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		return fmt.Errorf("configuring PostgreSQL: %w", err)
	}
	return giveToServer(path)
}

// Stop ends the server at once and removes its directory, unless the caller chose that one.
func (p *Postgres) Stop() error {
	return errors.Join(p.Kill(), p.freeSegment(), ReleasePort(p.port), p.dir.remove())
}

// freeSegment removes the segment of System V shared memory that a killed server leaves behind for its next start. Line 7 of
// postmaster.pid has its key and id.
func (p *Postgres) freeSegment() error {
	text, err := os.ReadFile(filepath.Join(p.DataDir(), "postmaster.pid"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil // it ended in order, or never started
	}
	if err != nil {
		return fmt.Errorf("reading what a killed server left: %w", err)
	}
	lines := strings.Split(string(text), "\n")
	if len(lines) < 7 {
		return nil // it was killed before it had a segment
	}
	var key, id uintptr
	if _, err := fmt.Sscan(lines[6], &key, &id); err != nil {
		return fmt.Errorf("reading line 7 of postmaster.pid: %w", err)
	}
	const remove = 0 // IPC_RMID
	if _, _, errno := syscall.Syscall(syscall.SYS_SHMCTL, id, remove, 0); errno != 0 && errno != syscall.EINVAL && errno != syscall.EIDRM {
		return fmt.Errorf("removing the shared memory of a killed server: %w", errno)
	}
	return nil
}

// Shutdown ends the server in that way and keeps its data for Start. Fast waits for walsenders whose clients do not read; after
// 30 seconds, or when ctx ends, the server is killed and that is an error.
func (p *Postgres) Shutdown(ctx context.Context, how Shutdown) error {
	return p.process().end(ctx, syscall.Signal(how), 30*time.Second)
}

// Restart stops the server fast when it runs and starts it on the same data and port, from now on with these settings too.
func (p *Postgres) Restart(ctx context.Context, settings map[string]string) error {
	if err := p.Shutdown(ctx, Fast); err != nil {
		return err
	}
	p.options.Settings = merged(p.options.Settings, settings)
	return p.Start(ctx)
}

// Kill is kill -9 of every process of the server at one instant, as the death of its machine would be except for what
// the kernel has; Start recovers.
func (p *Postgres) Kill() error {
	proc := p.process()
	if !proc.alive() {
		return nil
	}
	// Frozen, the server makes no more children while we look for them. They have process groups of their own.
	if err := proc.pause(); err != nil {
		return err
	}
	children, err := proc.children()
	if err != nil {
		return errors.Join(err, proc.kill())
	}
	for _, pid := range children {
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("killing a process of %s: %w", proc.name, err)
		}
	}
	if err := proc.kill(); err != nil {
		return err
	}
	return waitGone(children)
}

// KillPostmaster is kill -9 of the server's first process alone. The others notice and end by themselves, some only when
// they have finished what they do; it returns when all are gone.
func (p *Postgres) KillPostmaster() error {
	proc := p.process()
	children, err := proc.children()
	if err != nil {
		return err
	}
	if err := proc.kill(); err != nil {
		return err
	}
	return waitGone(children)
}

// Pause freezes the server with all its sessions (SIGSTOP): connections stay open and nothing is answered.
func (p *Postgres) Pause() error {
	proc := p.process()
	if err := proc.pause(); err != nil {
		return err
	}
	return p.signalChildren(syscall.SIGSTOP)
}

// Continue undoes Pause.
func (p *Postgres) Continue() error {
	return errors.Join(p.signalChildren(syscall.SIGCONT), p.process().signal(syscall.SIGCONT))
}

func (p *Postgres) signalChildren(sig syscall.Signal) error {
	children, err := p.process().children()
	if err != nil {
		return err
	}
	for _, pid := range children {
		if err := syscall.Kill(pid, sig); err != nil && !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("sending signal %d to a process of PostgreSQL: %w", sig, err)
		}
	}
	return nil
}

// EndWalsenders ends the connections of all replication clients of this moment (pg_terminate_backend) and says how many
// there were.
func (p *Postgres) EndWalsenders(ctx context.Context) (int, error) {
	db, err := p.connect("")
	if err != nil {
		return 0, err
	}
	defer db.Close()
	var n int
	err = db.QueryRowContext(ctx, "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE backend_type = 'walsender'").Scan(&n)
	if err != nil {
		return 0, fmt.Errorf("ending walsenders: %w", err)
	}
	return n, nil
}

func (p *Postgres) process() *process {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.proc
}

// children are the processes whose parent is p at this moment.
func (p *process) children() ([]int, error) {
	if !p.alive() {
		return nil, nil
	}
	lists, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", p.cmd.Process.Pid))
	if err != nil {
		return nil, err
	}
	var pids []int
	for _, path := range lists {
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("listing the processes of %s: %w", p.name, err)
		}
		for word := range strings.FieldsSeq(string(text)) {
			pid, err := strconv.Atoi(word)
			if err != nil {
				return nil, fmt.Errorf("reading %s: %w", path, err)
			}
			pids = append(pids, pid)
		}
	}
	return pids, nil
}

// waitGone returns when none of the processes runs. Their parent is gone, and who inherited them may leave them unburied.
func waitGone(pids []int) error {
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(2 * time.Millisecond) {
		pids = slices.DeleteFunc(pids, func(pid int) bool {
			state := taskState(fmt.Sprintf("/proc/%d/stat", pid))
			return state == 0 || state == 'Z' || state == 'X'
		})
		if len(pids) == 0 {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("processes %v of a killed server live on", pids)
		}
	}
}

// merged is a new map; b wins.
func merged(a, b map[string]string) map[string]string {
	m := maps.Clone(a)
	if m == nil {
		m = make(map[string]string)
	}
	maps.Copy(m, b)
	return m
}
