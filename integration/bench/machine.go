package main

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// machine is where and with what the measurements were made.
type machine struct {
	Time       time.Time `json:"time"`
	Commit     string    `json:"commit"` // of the checkout; "+" when files differed from it
	CPU        string    `json:"cpu"`
	Cores      int       `json:"cores"`
	Memory     int64     `json:"memory"` // bytes
	Kernel     string    `json:"kernel"`
	Go         string    `json:"go"`
	MySQL      string    `json:"mysql"`
	Kafka      string    `json:"kafka"`
	LoadBefore string    `json:"load_before"` // load averages of 1, 5 and 15 minutes
	LoadAfter  string    `json:"load_after"`
}

func describeMachine(ctx context.Context, db *sql.DB) (machine, error) {
	m := machine{
		Time: time.Now().UTC().Truncate(time.Second), Cores: runtime.NumCPU(), Go: runtime.Version(),
		Kafka: "4.4.0, one broker, KRaft", LoadBefore: loadAverage(),
		CPU: field("/proc/cpuinfo", "model name\t: "), Kernel: strings.TrimSpace(content("/proc/sys/kernel/osrelease")),
	}
	kib, _ := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(field("/proc/meminfo", "MemTotal:")), " kB"), 10, 64)
	m.Memory = kib << 10
	m.Commit = git(ctx, "rev-parse", "--short=12", "HEAD")
	if git(ctx, "status", "--porcelain", "--untracked-files=no") != "" {
		m.Commit += "+"
	}
	if err := db.QueryRowContext(ctx, "SELECT VERSION()").Scan(&m.MySQL); err != nil {
		return m, fmt.Errorf("asking for the server's version: %w", err)
	}
	return m, nil
}

// checkout is the repository's directory.
func checkout() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Dir(filepath.Dir(filepath.Dir(file)))
}

// git is empty where the checkout is none.
func git(ctx context.Context, args ...string) string {
	out, err := exec.CommandContext(ctx, "git", append([]string{"-C", checkout()}, args...)...).Output()
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(out))
}

func loadAverage() string {
	return strings.Join(strings.Fields(content("/proc/loadavg"))[:3], " ")
}

// content is empty for a file that cannot be read.
func content(path string) string {
	data, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	return string(data)
}

// field is the rest of the first line that begins with prefix.
func field(path, prefix string) string {
	for line := range strings.Lines(content(path)) {
		if rest, ok := strings.CutPrefix(line, prefix); ok {
			return strings.TrimSpace(rest)
		}
	}
	return ""
}

// ticks of /proc's CPU times in a second.
const ticks = 100

// usage is CPU time in seconds at one moment.
type usage struct {
	at        time.Time
	processes map[int]float64 // our children's and our own
	busy      float64         // of the whole machine
	servers   map[int]string  // which process is which server
}

// shares says how many cores each party used on average.
type shares struct {
	Daemon float64 `json:"daemon"`
	MySQL  float64 `json:"mysql"`
	Kafka  float64 `json:"kafka"`
	Bench  float64 `json:"bench"`
	Others float64 `json:"others"` // processes that have nothing to do with the measurement
}

// usage reads the CPU times of the machine, of this process and of its children.
func (s *stand) usage() usage {
	u := usage{at: time.Now(), processes: map[int]float64{}, servers: map[int]string{}}
	for i, n := range strings.Fields(field("/proc/stat", "cpu ")) {
		if i != 3 && i != 4 && i < 8 { // idle and waiting for I/O; guests are in user already
			u.busy += seconds(n)
		}
	}
	dirs, _ := filepath.Glob("/proc/[0-9]*") // the pattern is valid
	for _, dir := range dirs {
		stat := content(filepath.Join(dir, "stat"))
		_, rest, _ := strings.Cut(stat, ") ") // the name before it may hold anything
		f := strings.Fields(rest)
		if len(f) < 13 {
			continue
		}
		pid, _ := strconv.Atoi(filepath.Base(dir))
		if parent, _ := strconv.Atoi(f[1]); parent != os.Getpid() && pid != os.Getpid() {
			continue
		}
		u.processes[pid] = seconds(f[11]) + seconds(f[12])
		switch command := []byte(content(filepath.Join(dir, "cmdline"))); {
		case bytes.Contains(command, []byte("kafka.Kafka")):
			u.servers[pid] = "kafka"
		case bytes.Contains(command, []byte("mysqld")):
			u.servers[pid] = "mysql"
		}
	}
	return u
}

func seconds(n string) float64 {
	v, _ := strconv.ParseFloat(n, 64)
	return v / ticks
}

// since gives the shares between two readings.
func (u usage) since(before usage, daemon int) shares {
	var s shares
	wall := u.at.Sub(before.at).Seconds()
	s.Others = (u.busy - before.busy) / wall
	for pid, total := range u.processes {
		cores := (total - before.processes[pid]) / wall
		s.Others -= cores
		switch {
		case pid == daemon:
			s.Daemon += cores
		case u.servers[pid] == "kafka":
			s.Kafka += cores
		case u.servers[pid] == "mysql":
			s.MySQL += cores
		case pid == os.Getpid():
			s.Bench += cores
		}
	}
	s.Others = max(0, s.Others)
	return s
}
