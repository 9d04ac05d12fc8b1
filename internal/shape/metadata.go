// Package shape changes what an output writes of a table: columns are left out, hidden and renamed, rows that a filter does not want
// are left out, and what is known of a change beside its row is added, as columns behind the table's own or as headers of the record.
//
//	Rules, []Metadata ──Compile (once a table version)──▶ Shape ──Shaper (one a worker)──▶ Judge: what the filter makes of a change
//	                                                                                    └▶ Extend: its rows in their new form, and headers
//
// A Shape is all that depends on the table; nothing is looked up or allocated for a row.
package shape

import (
	"fmt"
	"slices"
	"strings"
)

// From is what metadata are made of, named as in Flink's METADATA columns where it has them.
type From string

// What there is. What is of a record exists only where a source reads topics.
const (
	Topic         From = "topic"            // of the record
	Partition     From = "partition"        // likewise
	Offset        From = "offset"           // likewise
	Timestamp     From = "timestamp"        // likewise
	TimestampType From = "timestamp-type"   // likewise: CreateTime or LogAppendTime
	Headers       From = "headers"          // likewise, as one JSON object, or each as a header of its own
	Key           From = "key"              // likewise, as text
	Database      From = "source.database"  // of the table
	Schema        From = "source.schema"    // likewise; NULL where there are none
	Table         From = "source.table"     // likewise, its name alone
	Time          From = "source.timestamp" // when the change was committed
	Position      From = "source.position"  // where in the log, or in which record, the change is: as the header cdc.pos
	Op            From = "op"               // as the header cdc.op
)

// sources are all of them, in the order in which people are told.
var sources = []From{Topic, Partition, Offset, Timestamp, TimestampType, Headers, Key, Database, Schema, Table, Time, Position, Op}

// OfRecord reports that it exists only where a source reads topics.
func (f From) OfRecord() bool {
	switch f {
	case Topic, Partition, Offset, Timestamp, TimestampType, Headers, Key:
		return true
	}
	return false
}

// tellsShards reports that it is the same for all rows of a table, and so can be a part of their keys.
func (f From) tellsShards() bool { return f == Topic || f == Database || f == Schema || f == Table }

// Places where metadata are written.
const (
	Field  = "field"
	Header = "header"
)

// Metadata is one thing that an output adds.
type Metadata struct {
	Name string // of the column or header; of the headers of a record what stands before their own names
	From From
	As   string // Field or Header
}

// Validate returns every problem of an output's metadata, each beginning with the key that it is about. prefix is the name of the
// column that keys begin with, empty for none.
func Validate(list []Metadata, prefix string) []error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	found := prefix == ""
	for i := range list {
		m := &list[i]
		if m.Name == "" {
			bad("metadata[%d].name: is required", i)
		} else if first := slices.IndexFunc(list, func(o Metadata) bool { return o.Name == m.Name && o.As == m.As }); first < i {
			bad("metadata[%d].name: %q is also the name of metadata[%d]", i, m.Name, first)
		}
		if !slices.Contains(sources, m.From) {
			bad("metadata[%d].from: %q is none of %s", i, m.From, names())
		}
		if m.As != Field && m.As != Header {
			bad("metadata[%d].as: %q is neither field nor header", i, m.As)
		}
		if prefix == "" || m.Name != prefix || m.As != Field {
			continue
		}
		found = true
		if !m.From.tellsShards() {
			bad("key_prefix: %q is made of %s, which is not the same for all changes of a row: name a column from topic, source.database, source.schema or source.table", prefix, m.From)
		}
	}
	if !found {
		bad("key_prefix: %q is no column of metadata", prefix)
	}
	return errs
}

func names() string {
	var all []string
	for _, f := range sources {
		all = append(all, string(f))
	}
	return strings.Join(all, ", ")
}
