package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
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
	Databases  []string  `json:"databases"`
	Kafka      string    `json:"kafka"`
	LoadBefore string    `json:"load_before"` // load averages of 1, 5 and 15 minutes
	LoadAfter  string    `json:"load_after"`
}

func describeMachine(ctx context.Context) machine {
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
	return m
}

func (m *machine) addDatabase(version string) {
	if !slices.Contains(m.Databases, version) {
		m.Databases = append(m.Databases, version)
	}
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
	processes map[int]float64 // our descendants' and our own
	busy      float64         // of the whole machine
	servers   map[int]string  // which process belongs to which server
}

// shares says how many cores each party used on average.
type shares struct {
	Daemon   float64 `json:"daemon"`
	Database float64 `json:"database"`
	Kafka    float64 `json:"kafka"`
	Bench    float64 `json:"bench"`
	Others   float64 `json:"others"` // processes that have nothing to do with the measurement
}

// readUsage reads the CPU times of the machine, of this process and of its descendants.
func readUsage() usage {
	u := usage{at: time.Now(), processes: map[int]float64{}, servers: map[int]string{}}
	parents, times := map[int]int{}, map[int]float64{}
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
		parents[pid], _ = strconv.Atoi(f[1])
		times[pid] = seconds(f[11]) + seconds(f[12])
	}
	for pid, t := range times {
		if child, ours := childAbove(pid, parents); ours {
			u.processes[pid], u.servers[pid] = t, serverOf(child)
		}
	}
	return u
}

// childAbove is the child of this process that pid is or descends from: PostgreSQL's walsenders are its grandchildren.
func childAbove(pid int, parents map[int]int) (child int, ours bool) {
	for at := pid; at > 1; at = parents[at] {
		if at == os.Getpid() || parents[at] == os.Getpid() {
			return at, true
		}
	}
	return 0, false
}

// serverOf says which server a process is, "" when it is none.
func serverOf(pid int) string {
	command := []byte(content(fmt.Sprintf("/proc/%d/cmdline", pid)))
	switch {
	case bytes.Contains(command, []byte("kafka.Kafka")):
		return "kafka"
	case bytes.Contains(command, []byte("mysqld")), bytes.Contains(command, []byte("bin/postgres")):
		return "database"
	}
	return ""
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
		case u.servers[pid] == "database":
			s.Database += cores
		case pid == os.Getpid():
			s.Bench += cores
		}
	}
	s.Others = max(0, s.Others)
	return s
}
