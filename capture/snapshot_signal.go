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
	} `json:"additional-conditions"` // the same expressions; they choose no tables
}

// take takes the changes of the signal table out of a batch and gives their requests.
func (s signalReader) take(b *changelog.Batch) []changelog.State {
	if s.table == "" {
		return nil
	}
	var out []changelog.State
	b.Runs = slices.DeleteFunc(b.Runs, func(r changelog.Run) bool {
		if r.Table.Name != s.table || r.Table.Namespace() != s.schema {
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
	request, err := readSignal(kind, data)
	if request == nil && err == nil {
		return nil
	}
	var value []byte
	if err == nil {
		request.By, request.Time = "signal "+id, time.Now().UTC()
		value, err = request.Encode()
	}
	if err != nil {
		value = wrongRequest(fmt.Sprintf("signal %s: %v", id, err))
	}
	return []changelog.State{{Key: key, Value: value}}
}

// wrongRequest is the text of a request that cannot be carried out, which says why.
func wrongRequest(why string) []byte {
	text, _ := json.Marshal(SnapshotRequest{Version: requestVersion, Action: SnapshotAction(why)}) // strings and numbers cannot fail
	return text
}

// readSignal gives what a signal asks for; of types that are not about snapshots nothing.
func readSignal(kind, data string) (*SnapshotRequest, error) {
	var r SnapshotRequest
	switch kind {
	case signalExecute:
		r.Action = SnapshotStart
	case signalStop:
		r.Action = SnapshotCancel
	case signalPause:
		r.Action = SnapshotPause
	case signalResume:
		r.Action = SnapshotResume
	default:
		return nil, nil
	}
	var d signalData
	if strings.TrimSpace(data) != "" {
		if err := json.Unmarshal([]byte(data), &d); err != nil {
			return nil, fmt.Errorf("reading the data of a signal: %w", err)
		}
	}
	r.Regexps = d.Collections
	if r.Action == SnapshotStart {
		for _, c := range d.Conditions {
			r.Conditions = append(r.Conditions, SnapshotCondition{Regexp: c.Collection, Where: c.Filter})
		}
	}
	return &r, nil
}
