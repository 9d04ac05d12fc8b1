package mysql

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"cdcbridge/capture/mysql/schema"
	"cdcbridge/changelog"
	"cdcbridge/internal/fault"
)

// This file keeps what the history knows in the state of checkpoints.

const (
	schemaPrefix   = "mysql/schema/"
	databasePrefix = "mysql/database/"

	// schemaVersion is the form of records that this release writes, and schemaReader the oldest that understands them.
	schemaVersion = 1
	schemaReader  = 1

	keptAbsent = 256
)

// schemaRecord is one state record: a table, or a database.
type schemaRecord struct {
	Version   int           `json:"v"`
	MinReader int           `json:"min_reader"`
	Table     *schema.Table `json:"table,omitempty"`
	Sequence  *schema.Name  `json:"sequence,omitempty"`
	Absent    *schema.Name  `json:"absent,omitempty"`
	Copy      bool          `json:"copy,omitempty"`
	Database  string        `json:"database,omitempty"`
	Collation string        `json:"collation,omitempty"`
}

// owns reports a record of the history.
func (h *history) owns(e changelog.State) bool {
	return (strings.HasPrefix(e.Key, schemaPrefix) || strings.HasPrefix(e.Key, databasePrefix)) && len(e.Value) > 0
}

// load takes a record of the checkpoint in.
func (h *history) load(e changelog.State) error {
	var head struct {
		MinReader int `json:"min_reader"`
	}
	var r schemaRecord
	err := json.Unmarshal(e.Value, &head) // the rest of a newer one may have another form
	if err == nil && head.MinReader > schemaVersion {
		return fault.NewFinal(fault.StateNewer, "reading the checkpoint", fmt.Errorf("entry %s needs a reader of the form %d, this release knows %d", e.Key, head.MinReader, schemaVersion),
			"Run the release that wrote it, or a newer one.")
	}
	if err == nil {
		err = json.Unmarshal(e.Value, &r)
	}
	if err == nil && (head.MinReader < 1 || r.Table == nil && r.Sequence == nil && r.Absent == nil && r.Database == "") {
		err = errors.New("it describes nothing")
	}
	if err != nil {
		return fault.NewFinal(fault.Decode, "reading the checkpoint", fmt.Errorf("entry %s: %w", e.Key, err),
			"Nothing but cdcbridge may write to the state topic. Remove the entry by a tombstone with the same key; the table is then looked up again.")
	}
	switch {
	case r.Table != nil:
		h.cat.Put(r.Table)
		h.copies[r.Table.Name] = r.Copy
	case r.Sequence != nil:
		h.sequences[*r.Sequence] = true
	case r.Absent != nil:
		h.cat.PutAbsent(*r.Absent)
		h.absent = append(h.absent, *r.Absent)
	default:
		h.cat.PutDatabase(r.Database, r.Collation)
	}
	h.kept[e.Key] = string(e.Value)
	return nil
}

// save makes a record of what is known of a table now.
func (h *history) save(n schema.Name) error {
	r := schemaRecord{Version: schemaVersion, MinReader: schemaReader, Table: h.cat.Table(n)}
	switch {
	case r.Table != nil:
		n = r.Table.Name
		r.Copy = h.copies[n]
	case h.sequences[n]:
		r.Sequence = &n
	case h.cat.Absent(n):
		r.Absent = &n
	default:
		h.record(schemaPrefix+n.String(), nil)
		return nil
	}
	text, err := json.Marshal(r)
	if err != nil {
		return fault.NewFinal(fault.Internal, "writing the shape of "+n.String(), err, "Report this as a bug.")
	}
	h.record(schemaPrefix+n.String(), text)
	if r.Absent != nil {
		return h.bury(n)
	}
	return nil
}

// bury keeps the list of tables that are gone short. Of one that is not in it a CREATE TABLE IF NOT EXISTS does not tell what it
// looks like.
func (h *history) bury(n schema.Name) error {
	h.absent = append(slices.DeleteFunc(h.absent, func(a schema.Name) bool { return a == n || !h.cat.Absent(a) }), n)
	if len(h.absent) <= keptAbsent {
		return nil
	}
	oldest := h.absent[0]
	h.absent = h.absent[1:]
	h.cat.Forget(oldest)
	return h.save(oldest)
}

// saveDatabase makes a record of the default collation of a database.
func (h *history) saveDatabase(name string) error {
	collation := h.cat.Database(name)
	if collation == "" {
		h.record(databasePrefix+name, nil)
		return nil
	}
	text, err := json.Marshal(schemaRecord{Version: schemaVersion, MinReader: schemaReader, Database: name, Collation: collation})
	if err != nil {
		return fault.NewFinal(fault.Internal, "writing the database "+name, err, "Report this as a bug.")
	}
	h.record(databasePrefix+name, text)
	return nil
}

// record writes a record, nil to remove it, into the checkpoint of the transaction that the stream is in.
func (h *history) record(key string, value []byte) {
	if old, had := h.kept[key]; had == (value != nil) && old == string(value) {
		return
	}
	if value == nil {
		delete(h.kept, key)
	} else {
		h.kept[key] = string(value)
	}
	h.pending = slices.DeleteFunc(h.pending, func(e changelog.State) bool { return e.Key == key })
	h.pending = append(h.pending, changelog.State{Key: key, Value: value})
}

// settle says that the transaction has ended.
func (h *history) settle() {
	if len(h.pending) > 0 {
		h.ready = append(h.ready, h.pending...)
		h.pending = nil
	}
}

// take gives the records for a checkpoint; within a transaction of which a part leaves, those of the transaction too.
func (h *history) take(part bool) []changelog.State {
	if part {
		h.settle()
	}
	out := h.ready
	h.ready = nil
	return out
}
