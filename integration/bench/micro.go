package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
)

// microPackages have benchmarks of the 12-column row; their numbers add up to decode + encode.
var microPackages = []string{"./capture/mysql", "./formats/debezium", "./formats/canal", "./upsert"}

// measureMicro runs the packages' own benchmarks of the orders row, one after the other.
func measureMicro(ctx context.Context, s *stand) error {
	args := append([]string{"test", "-run", "^$", "-bench", "Orders", "-benchmem", "-count", "3", "-p", "1"}, microPackages...)
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir, cmd.Stderr = checkout(), os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("running the packages' benchmarks: %w\n%s", err, out)
	}
	pkg := ""
	for line := range strings.Lines(string(out)) {
		line = strings.TrimSpace(line)
		if name, ok := strings.CutPrefix(line, "pkg: "); ok {
			pkg = strings.TrimPrefix(name, "cdcbridge/")
		}
		if strings.HasPrefix(line, "Benchmark") && strings.Contains(line, "ns/op") {
			s.report.Micro = append(s.report.Micro, pkg+" "+strings.Join(strings.Fields(line), " "))
			progress("   %s %s", pkg, line)
		}
	}
	return nil
}
