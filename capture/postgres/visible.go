package postgres

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// snapshot is what one read of the tables sees, as pg_current_snapshot prints it: "xmin:xmax:xip,xip".
type snapshot struct {
	min, max uint64   // every transaction below min has ended, none from max on has
	running  []uint64 // those between that have not; a commit that is in the log may be among them
}

func parseSnapshot(text string) (snapshot, error) {
	var s snapshot
	parts := strings.Split(text, ":")
	if len(parts) != 3 {
		return s, fmt.Errorf("%q is not a snapshot", text)
	}
	var err [2]error
	s.min, err[0] = strconv.ParseUint(parts[0], 10, 64)
	s.max, err[1] = strconv.ParseUint(parts[1], 10, 64)
	if err[0] != nil || err[1] != nil || s.min > s.max {
		return s, fmt.Errorf("%q is not a snapshot", text)
	}
	if parts[2] == "" {
		return s, nil
	}
	for _, p := range strings.Split(parts[2], ",") {
		xid, err := strconv.ParseUint(p, 10, 64)
		if err != nil {
			return s, fmt.Errorf("%q is not a snapshot", text)
		}
		s.running = append(s.running, xid)
	}
	return s, nil
}

// sees reports whether the read sees a transaction that is in the log as committed.
func (s snapshot) sees(xid uint32) bool { return s.ended(s.full(xid)) }

// ended reports that a transaction had ended when the snapshot was taken.
func (s snapshot) ended(xid uint64) bool { return xid < s.max && !slices.Contains(s.running, xid) }

// full is the number of a transaction of which the log, or a view, has the lower half. Numbers in use lie within 2³¹ of each other.
func (s snapshot) full(xid uint32) uint64 {
	full := s.max&^0xffffffff | uint64(xid)
	switch {
	case full > s.max+1<<31 && full >= 1<<32:
		full -= 1 << 32
	case full+1<<31 < s.max:
		full += 1 << 32
	}
	return full
}
