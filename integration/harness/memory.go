package harness

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
)

// PeakMemory is the largest resident memory that the daemon has had so far, in bytes. It must be running.
func (d *Daemon) PeakMemory() (int64, error) {
	path := fmt.Sprintf("/proc/%d/status", d.PID())
	data, err := os.ReadFile(path)
	if err != nil {
		return 0, fmt.Errorf("reading the daemon's memory: %w", err)
	}
	_, rest, _ := bytes.Cut(data, []byte("\nVmHWM:"))
	number, _, ok := bytes.Cut(rest, []byte(" kB"))
	kib, err := strconv.ParseInt(string(bytes.TrimSpace(number)), 10, 64)
	if !ok || err != nil {
		return 0, fmt.Errorf("reading the daemon's memory: no VmHWM in %s", path)
	}
	return kib << 10, nil
}
