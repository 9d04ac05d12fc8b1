package capture

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"cdcbridge/changelog"
	"cdcbridge/internal/fault"
)

// This file knows what snapshots look like in a checkpoint: one entry a table, in the transaction of the rows that it speaks of,
// and one that says that the pipeline has them at all.
//
//	snapshot              {"v":1,"began":true}
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
	Keyless     bool           `json:"keyless,omitempty"` // there is none to read it by
	Key         []string       `json:"key,omitempty"`     // the columns that the cursors are about
	Ranges      []rangeRecord  `json:"ranges,omitempty"`  // none: not cut yet
	Rows        uint64         `json:"rows,omitempty"`    // read
	Written     uint64         `json:"written,omitempty"`
	Bytes       uint64         `json:"bytes,omitempty"`
	Began       *time.Time     `json:"began,omitempty"`
	Ended       *time.Time     `json:"ended,omitempty"`
	Request     string         `json:"request,omitempty"` // the key of the request that it comes from
	Then        []laterRead    `json:"then,omitempty"`    // what was asked for meanwhile
}

// laterRead is a part of a table that is to be read when what is being read now has ended.
type laterRead struct {
	Where   string `json:"where"`
	Request string `json:"request"`
}

// markerRecord is the entry that says that the pipeline has snapshots, and which edges of the first one have left.
type markerRecord struct {
	Version int  `json:"v"`
	Began   bool `json:"began,omitempty"` // its first row
	Ended   bool `json:"ended,omitempty"` // its last row
}

func (r markerRecord) entry() (changelog.State, error) {
	r.Version = snapshotVersion
	return stateEntry(snapshotMarker, r)
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

// wanted reports a table that is to be read now.
func (r *tableRecord) wanted() bool { return r.active() && r.Status != SnapshotPaused }

// end stops the reading for good, whatever was asked for meanwhile.
func (r *tableRecord) end(status SnapshotStatus) { r.Status, r.Ended, r.Then = status, now(), nil }

// finish notes that all rows have left, and goes over to what was asked for meanwhile.
func (r *tableRecord) finish() {
	if len(r.Then) == 0 {
		r.end(SnapshotDone)
		return
	}
	next := r.Then[0]
	*r = tableRecord{Status: SnapshotWaiting, Incremental: true, Where: next.Where, Request: next.Request, Then: r.Then[1:]}
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
	marked   bool // the pipeline has snapshots
	marker   markerRecord
	tables   map[string]*tableRecord // by full name
	texts    map[string]string       // all entries of snapshots as they are, by key
	requests []changelog.State
	others   []changelog.State // entries of the source below
}

func parseSnapshotState(entries []changelog.State) (*snapshotState, error) {
	s := &snapshotState{tables: map[string]*tableRecord{}, texts: map[string]string{}}
	for _, e := range entries {
		table, isTable := strings.CutPrefix(e.Key, snapshotPrefix)
		var err error
		switch {
		case strings.HasPrefix(e.Key, RequestPrefix):
			s.requests = append(s.requests, e)
			continue
		case e.Key == snapshotMarker:
			s.marked = true
			err = parseEntry(e, &s.marker)
		case isTable:
			r := &tableRecord{}
			err = parseEntry(e, r)
			s.tables[table] = r
		default:
			s.others = append(s.others, e)
			continue
		}
		if err != nil {
			return nil, err
		}
		s.texts[e.Key] = string(e.Value)
	}
	slices.SortStableFunc(s.requests, func(a, b changelog.State) int { return madeAt(a).Compare(madeAt(b)) })
	return s, nil
}

// madeAt is when a request was made: a checkpoint has its entries in another order.
func madeAt(e changelog.State) time.Time {
	r, err := ParseSnapshotRequest(e.Value)
	if err != nil {
		return time.Time{} // who takes it up says so
	}
	return r.Time
}

// renew forgets everything, because the position of the stream was lost, and gives the entries that remove what the source below had.
func (s *snapshotState) renew() (out []changelog.State) {
	for _, e := range s.others {
		out = append(out, changelog.State{Key: e.Key})
	}
	for name := range s.tables {
		s.tables[name] = nil
	}
	s.marker = markerRecord{}
	return out
}

// parseEntry reads an entry into the record r. The version is looked at first: the rest of another one may have another form.
func parseEntry(e changelog.State, r any) error {
	var head struct {
		Version int `json:"v"`
	}
	err := json.Unmarshal(e.Value, &head)
	if err == nil && head.Version > snapshotVersion {
		return fault.NewFinal(fault.StateNewer, "reading the checkpoint", fmt.Errorf("entry %s has the form %d, this release knows %d", e.Key, head.Version, snapshotVersion),
			"Run the release that wrote it, or a newer one.")
	}
	if err == nil && head.Version < 1 {
		err = errors.New("it has no version")
	}
	if err == nil {
		err = json.Unmarshal(e.Value, r)
	}
	if err != nil {
		return fault.NewFinal(fault.Decode, "reading the checkpoint", fmt.Errorf("entry %s: %w", e.Key, err),
			"Nothing but cdcbridge may write to the state topic. Remove the entry by a tombstone with the same key; the table is then read again.")
	}
	return nil
}

// now is a time for people, as records have it.
func now() *time.Time {
	t := time.Now().UTC().Truncate(time.Millisecond)
	return &t
}
