package cli

import (
	"context"
	"fmt"
	"strings"
	"time"

	"cdcbridge/capture"
	"cdcbridge/internal/daemon"
)

const (
	maxBars   = 6  // tables that are shown one by one
	barWidth  = 24 // columns
	nameWidth = 32 // columns of a table's name, at least
	barsEvery = 500 * time.Millisecond
)

// bars draws a line for each table that is being read, and one for the others.
func bars(snapshots []daemon.SnapshotProgress) []string {
	var lines []string
	count := map[capture.SnapshotStatus]int{}
	more := 0
	for i := range snapshots {
		p := &snapshots[i]
		count[p.Status]++
		switch {
		case p.Status != capture.SnapshotReading && p.Status != capture.SnapshotPaused:
		case len(lines) == maxBars:
			more++
		default:
			lines = append(lines, bar(p))
		}
	}
	var rest []string
	for _, o := range []struct {
		n    int
		what string
	}{{more, "more being read"}, {count[capture.SnapshotWaiting], "waiting"}, {count[capture.SnapshotDone], "done"}} {
		if o.n > 0 {
			rest = append(rest, fmt.Sprintf("%d %s", o.n, o.what))
		}
	}
	if len(lines) > 0 && len(rest) > 0 || count[capture.SnapshotWaiting] > 0 {
		lines = append(lines, "tables: "+strings.Join(rest, ", "))
	}
	return lines
}

func bar(p *daemon.SnapshotProgress) string {
	full := 0
	if p.Percent != nil {
		full = int(*p.Percent * barWidth / 100)
	}
	return fmt.Sprintf("%-*s [%s%s] %s", nameWidth, p.Table, strings.Repeat("#", full), strings.Repeat("-", barWidth-full), p)
}

// allSnapshots are those of all pipelines.
func allSnapshots(s daemon.Status) []daemon.SnapshotProgress {
	var all []daemon.SnapshotProgress
	for i := range s.Pipelines {
		all = append(all, s.Pipelines[i].Snapshots...)
	}
	return all
}

// follow shows the daemon's snapshots until ctx ends, and nothing after that.
func (b *board) follow(ctx context.Context, status func() daemon.Status) {
	tick := time.NewTicker(barsEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			b.show(bars(allSnapshots(status())))
		case <-ctx.Done():
			b.show(nil)
			return
		}
	}
}
