package capture

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"cdcbridge/changelog"
	"cdcbridge/internal/fault"
)

// This file knows what snapshots look like in a checkpoint: one entry a table, in the transaction of the rows that it speaks of,
// and one that says that the pipeline has them at all.
//
//	snapshot              {"v":1}
//	snapshot/shop.orders  {"v":1,"status":"reading","key":["id"],"ranges":[{"after":"…","up_to":"…"}],"rows":12000,…}

const (
	snapshotMarker  = "snapshot"
	snapshotPrefix  = "snapshot/"
	snapshotVersion = 1
)

// tableRecord is the entry of one table.
type tableRecord struct {
	Version     int            `json:"v"`
	Status      SnapshotStatus `json:"status"`
	Incremental bool           `json:"incremental,omitempty"` // asked for, not the first one
	Where       string         `json:"where,omitempty"`
	Key         []string       `json:"key,omitempty"`    // the columns that the cursors are about
	Ranges      []rangeRecord  `json:"ranges,omitempty"` // none: not cut yet
	Rows        uint64         `json:"rows,omitempty"`   // read
	Written     uint64         `json:"written,omitempty"`
	Bytes       uint64         `json:"bytes,omitempty"`
	Began       *time.Time     `json:"began,omitempty"`
	Ended       *time.Time     `json:"ended,omitempty"`
	Request     string         `json:"request,omitempty"` // the key of the request that it comes from
}

// rangeRecord is a stretch of a table's key and how far it was read.
type rangeRecord struct {
	After Cursor `json:"after,omitempty"` // the last key whose row has left, at first the bound below; empty: from the first row
	UpTo  Cursor `json:"up_to,omitempty"` // empty: to the last row
	Done  bool   `json:"done,omitempty"`
}

// active reports a table that has rows to be read.
func (r *tableRecord) active() bool {
	return r.Status == SnapshotWaiting || r.Status == SnapshotReading || r.Status == SnapshotPaused
}

func (r *tableRecord) complete() bool {
	for i := range r.Ranges {
		if !r.Ranges[i].Done {
			return false
		}
	}
	return len(r.Ranges) > 0
}

// lastRange reports whether every other range was read to its end.
func (r *tableRecord) lastRange(index int) bool {
	for i := range r.Ranges {
		if i != index && !r.Ranges[i].Done {
			return false
		}
	}
	return true
}

// entry is the record as a part of a checkpoint.
func (r *tableRecord) entry(table string) (changelog.State, error) {
	r.Version = snapshotVersion
	return stateEntry(snapshotPrefix+table, r)
}

func stateEntry(key string, value any) (changelog.State, error) {
	text, err := json.Marshal(value)
	if err != nil {
		return changelog.State{}, fault.NewFinal(fault.Internal, "writing the snapshot's state", err, "Report this as a bug.")
	}
	return changelog.State{Key: key, Value: text}, nil
}

// snapshotState is what a checkpoint says of snapshots.
type snapshotState struct {
	marked   bool
	tables   map[string]*tableRecord // by full name
	requests []changelog.State
	others   []changelog.State // entries of the source below
}

func parseSnapshotState(entries []changelog.State) (*snapshotState, error) {
	s := &snapshotState{tables: map[string]*tableRecord{}}
	for _, e := range entries {
		table, isTable := strings.CutPrefix(e.Key, snapshotPrefix)
		switch {
		case strings.HasPrefix(e.Key, RequestPrefix):
			s.requests = append(s.requests, e)
		case e.Key == snapshotMarker:
			var r tableRecord
			if err := r.parse(e); err != nil {
				return nil, err
			}
			s.marked = true
		case isTable:
			r := &tableRecord{}
			if err := r.parse(e); err != nil {
				return nil, err
			}
			s.tables[table] = r
		default:
			s.others = append(s.others, e)
		}
	}
	return s, nil
}

func (r *tableRecord) parse(e changelog.State) error {
	if err := json.Unmarshal(e.Value, r); err != nil {
		return fault.NewFinal(fault.Decode, "reading the checkpoint", fmt.Errorf("entry %s: %w", e.Key, err),
			"Nothing but cdcbridge may write to the state topic. Remove the entry by a tombstone with the same key; the table is then read again.")
	}
	if r.Version != snapshotVersion {
		return fault.NewFinal(fault.StateNewer, "reading the checkpoint", fmt.Errorf("entry %s has the form %d, this release knows %d", e.Key, r.Version, snapshotVersion),
			"Run the release that wrote it, or a newer one.")
	}
	return nil
}

// now is a time for people, as records have it.
func now() *time.Time {
	t := time.Now().UTC().Truncate(time.Millisecond)
	return &t
}
