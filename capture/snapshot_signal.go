package capture

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"cdcbridge/changelog"
)

// signalReader makes requests of the rows that are inserted into the signal table, which has the columns id, type and data as
// Debezium's has (https://debezium.io/documentation/reference/stable/configuration/signalling.html). The requests become entries
// of the checkpoint that covers the row, so none is lost or carried out twice.
type signalReader struct {
	schema, table string
}

func newSignalReader(name string) signalReader {
	schema, table, _ := strings.Cut(name, ".")
	return signalReader{schema, table}
}

// Types of signals, Debezium's names.
const (
	signalExecute = "execute-snapshot"
	signalStop    = "stop-snapshot"
	signalPause   = "pause-snapshot"
	signalResume  = "resume-snapshot"
)

// signalData is the JSON in the column data.
type signalData struct {
	Collections []string `json:"data-collections"` // regular expressions over whole names
	Conditions  []struct {
		Collection string `json:"data-collection"`
		Filter     string `json:"filter"`
	} `json:"additional-conditions"`
}

// take takes the changes of the signal table out of a batch and gives their requests.
func (s signalReader) take(b *changelog.Batch) []changelog.State {
	if s.table == "" {
		return nil
	}
	var out []changelog.State
	b.Runs = slices.DeleteFunc(b.Runs, func(r changelog.Run) bool {
		schema := r.Table.Schema
		if schema == "" {
			schema = r.Table.Database
		}
		if r.Table.Name != s.table || schema != s.schema {
			return false
		}
		for i := r.From; i < r.To; i++ {
			if ch := &b.Changes[i]; ch.Op == changelog.Insert {
				out = append(out, s.requests(r.Table, ch, fmt.Sprintf("%ssignal/%s/%d", RequestPrefix, b.Txns[r.Txn].ID, ch.Index))...)
			}
		}
		return true
	})
	return out
}

// requests gives the requests of a row. One that cannot be read becomes a request that cannot be either: whoever takes it up
// says so.
func (s signalReader) requests(table *changelog.Table, ch *changelog.Change, key string) []changelog.State {
	text := func(name string, at int) string {
		if i := slices.IndexFunc(table.Columns, func(c changelog.Column) bool { return strings.EqualFold(c.Name, name) }); i >= 0 {
			at = i
		}
		if at >= len(ch.After) {
			return ""
		}
		return string(ch.After[at].Bytes())
	}
	id, kind, data := text("id", 0), text("type", 1), text("data", 2)
	requests, err := readSignal(kind, data)
	if err != nil {
		return []changelog.State{{Key: key, Value: fmt.Appendf(nil, `{"v":%d,"action":%q}`, requestVersion, "signal "+id+": "+err.Error())}}
	}
	var out []changelog.State
	for i, r := range requests {
		r.By, r.Time = "signal "+id, time.Now().UTC()
		value, err := r.Encode()
		if err != nil {
			value = fmt.Appendf(nil, `{"v":%d,"action":%q}`, requestVersion, "signal "+id+": "+err.Error())
		}
		out = append(out, changelog.State{Key: fmt.Sprintf("%s/%d", key, i), Value: value})
	}
	return out
}

// readSignal gives what a signal asks for; of types that are not about snapshots nothing.
func readSignal(kind, data string) ([]SnapshotRequest, error) {
	var d signalData
	if strings.TrimSpace(data) != "" {
		if err := json.Unmarshal([]byte(data), &d); err != nil {
			return nil, fmt.Errorf("reading the data of a signal: %w", err)
		}
	}
	switch kind {
	case signalExecute:
		var out []SnapshotRequest
		for _, c := range d.Collections {
			r := SnapshotRequest{Action: SnapshotStart, Regexps: []string{c}}
			for _, cond := range d.Conditions {
				if cond.Collection == c {
					r.Where = cond.Filter
				}
			}
			out = append(out, r)
		}
		return out, nil
	case signalStop:
		return []SnapshotRequest{{Action: SnapshotCancel, Regexps: d.Collections}}, nil
	case signalPause:
		return []SnapshotRequest{{Action: SnapshotPause, Regexps: d.Collections}}, nil
	case signalResume:
		return []SnapshotRequest{{Action: SnapshotResume, Regexps: d.Collections}}, nil
	}
	return nil, nil
}
