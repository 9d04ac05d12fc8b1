package postgres

import (
	"bufio"
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/jackc/pglogrepl"

	"cdcbridge/internal/fault"
)

// This file decides whether a server's history has the checkpoint in it. The server itself does not: it accepts a start
// beyond the end of its log and sends nothing of what is written until then.

const (
	opIdentity = "comparing the checkpoint with the server"

	wrongServerHint = "The checkpoint belongs to another database cluster: one that was restored by pg_dump or initialised anew is another one too. " +
		"Point the source at the right server, or start over as docs/operations.md says."
	divergedHint = "The server lacks changes that are in the target already: a failover or a restore lost them. " +
		"Point the source at the server that has them, or start over as docs/operations.md says. Synchronous replication, or failover slots with synchronized_standby_slots, prevent it."
)

// serves reports with a fault that the server cannot go on from p.
func (f *serverFacts) serves(ctx context.Context, repl *conn, p *position) error {
	if p.system != f.system {
		return fault.NewFinal(fault.WrongServer, opIdentity, fmt.Errorf("the checkpoint is of the system %s and this is %s", p.system, f.system), wrongServerHint)
	}
	published := p.published()
	if published > f.flushed {
		return fault.NewFinal(fault.Diverged, opIdentity, fmt.Errorf("the checkpoint is at %s and the server's log ends at %s", published, f.flushed), divergedHint)
	}
	if p.timeline == f.timeline {
		return nil
	}
	if p.timeline > f.timeline {
		return fault.NewFinal(fault.Diverged, opIdentity, fmt.Errorf("the checkpoint is on timeline %d and the server is on %d", p.timeline, f.timeline), divergedHint)
	}
	history, err := repl.timelineHistory(ctx, f.timeline)
	if err != nil {
		return err
	}
	return descends(history, p.timeline, f.timeline, published)
}

// descends checks that the history leads from timeline old, at lsn or later, to the server's.
func descends(history []timelineSwitch, old, now uint32, lsn pglogrepl.LSN) error {
	for _, t := range history {
		if t.timeline != old {
			continue
		}
		if lsn > t.end {
			return fault.NewFinal(fault.Diverged, opIdentity,
				fmt.Errorf("the checkpoint is at %s on timeline %d, which the server left at %s", lsn, old, t.end), divergedHint)
		}
		return nil
	}
	return fault.NewFinal(fault.Diverged, opIdentity, fmt.Errorf("the checkpoint is on timeline %d, which is no ancestor of the server's timeline %d", old, now), divergedHint)
}

// timelineSwitch is a line of a history file: the timeline and the place at which its successor branched off.
type timelineSwitch struct {
	timeline uint32
	end      pglogrepl.LSN
}

func (c *conn) timelineHistory(ctx context.Context, timeline uint32) ([]timelineSwitch, error) {
	rows, err := c.query(ctx, fmt.Sprintf("TIMELINE_HISTORY %d", timeline))
	if err != nil {
		return nil, err
	}
	if len(rows) != 1 || len(rows[0]) != 2 {
		return nil, fault.New(fault.Source, "reading the timeline's history", fmt.Errorf("TIMELINE_HISTORY gave %d rows", len(rows)), "")
	}
	return parseHistory(rows[0][1])
}

// parseHistory reads a history file: timeline, switch point and reason a line, # begins a comment.
func parseHistory(text string) ([]timelineSwitch, error) {
	var out []timelineSwitch
	lines := bufio.NewScanner(strings.NewReader(text))
	for lines.Scan() {
		line := strings.TrimSpace(lines.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		fields := strings.Fields(line)
		bad := func() error {
			return fault.New(fault.Source, "reading the timeline's history", fmt.Errorf("the line %q is not understood", abbreviate(line, 100)), "")
		}
		if len(fields) < 2 {
			return nil, bad()
		}
		id, err := strconv.ParseUint(fields[0], 10, 32)
		if err != nil {
			return nil, bad()
		}
		end, err := parseLSN(fields[1])
		if err != nil {
			return nil, bad()
		}
		out = append(out, timelineSwitch{uint32(id), end})
	}
	if err := lines.Err(); err != nil {
		return nil, fault.New(fault.Source, "reading the timeline's history", err, "")
	}
	return out, nil
}

// published is where the log must reach at least: the target has everything before it, or a part of a transaction whose
// commit record begins right before it.
func (p *position) published() pglogrepl.LSN {
	if p.txn == nil {
		return p.lsn
	}
	return max(p.lsn, p.txn.commit+1)
}
