package upsert

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"cdcbridge/changelog"
	"cdcbridge/internal/fault"
)

// This file says what an outbox is: an output whose tables hold messages, one a row, that an application has inserted in the
// transaction of what they tell about.
//
//	insert           one message: topic, key, value, headers and time from columns of the row
//	delete           nothing: rows may be removed at any time, in the transaction that inserts them too
//	update           an error, or nothing (OnUpdate)
//	snapshot read    nothing: the order of a read is that of the primary key, and a row that was inserted while the table is read
//	                 would be there twice, once as read and once as inserted
//
// Topics are found by the rows: outbox_topics.go. The messages are written in outbox_message.go.

// Outbox says which columns of an output's tables are what of a message.
type Outbox struct {
	Key       string         // column of the record's key; "": records without key
	Payload   string         // column of the record's value, written as it is; NULL makes a tombstone
	Timestamp string         // column of the record's timestamp; "": as of other records
	Headers   []OutboxHeader // in this order, behind the cdc headers
	OnUpdate  OnUpdate
}

// OutboxHeader is a header of each message.
type OutboxHeader struct {
	Column string
	Name   string // of the header
}

// OnUpdate says what is done about an update of a row that was a message.
type OnUpdate string

// What can be done about updates.
const (
	FailOnUpdate   OnUpdate = "fail"   // the pipeline stops: what was changed has been read already
	IgnoreOnUpdate OnUpdate = "ignore" // nothing: the application notes in the row what has become of it
)

// Validate returns every problem, each beginning with its key.
func (x *Outbox) Validate() []error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if x.Payload == "" {
		bad("payload: is required: the column of the message itself")
	}
	if x.OnUpdate != FailOnUpdate && x.OnUpdate != IgnoreOnUpdate {
		bad("on_update: must be fail or ignore, not %q", x.OnUpdate)
	}
	for i, h := range x.Headers {
		switch {
		case h.Column == "":
			bad("headers[%d].column: is required", i)
		case strings.HasPrefix(h.Name, "cdc."):
			bad("headers[%d].name: %q is one of cdcbridge's own; they begin with cdc.", i, h.Name)
		case slices.ContainsFunc(x.Headers[:i], func(o OutboxHeader) bool { return o.Name == h.Name }):
			bad("headers[%d].name: %q is there twice", i, h.Name)
		}
	}
	return errs
}

// outboxPlan is an Outbox for one table version. It is immutable.
type outboxPlan struct {
	topic    []topicPart // of topics that rows decide; nil: all messages go to Plan.Topic
	key      int         // column, -1: none
	payload  int
	stamp    int // column, -1: none
	headers  []outboxColumn
	ignore   bool           // updates
	fullName []byte         // what messages without key are spread by
	needed   []outboxColumn // all these columns, by their names in the table
}

type outboxColumn struct {
	name   string
	column int
}

// outboxPlan finds out which columns of a table are what of a message. It asks nobody. What rules of the tables section say about rows
// has no meaning for messages, and is not passed over.
func (p *Planner) outboxPlan(t *changelog.Table, o *Output) (*outboxPlan, error) {
	if rule := p.rule(t, o); len(rule.Key) > 0 || !rule.Shape.Empty() {
		return nil, fault.NewFinal(fault.Config, opOutbox, fmt.Errorf("the rule %s of the tables section is about the rows of %s, which are messages in output %s", rule.Name, t.FullName(), o.Name),
			"Let the rule name the outputs that it is about, or put a rule in front of it that has the name of the outbox table and nothing else.")
	}
	return newOutboxPlan(p.pipeline, t, o)
}

// newOutboxPlan finds the columns of an outbox in a table.
func newOutboxPlan(pipeline string, t *changelog.Table, o *Output) (*outboxPlan, error) {
	if len(t.Key) == 0 { // of a table without key a snapshot withholds changes, since it finds their rows later
		return nil, fault.NewFinal(fault.NoKey, opOutbox, fmt.Errorf("table %s has no primary key", t.FullName()), "Give the outbox table a primary key, usually the id of the message.")
	}
	f := outboxColumns{table: t, output: o.Name}
	x := &outboxPlan{key: -1, stamp: -1, ignore: o.Outbox.OnUpdate == IgnoreOnUpdate, fullName: []byte(t.FullName())}
	x.topic = f.topic(o.Topic, pipeline)
	if o.Outbox.Key != "" {
		x.key = f.text("outbox.key", o.Outbox.Key)
	}
	x.payload = f.text("outbox.payload", o.Outbox.Payload)
	if o.Outbox.Timestamp != "" {
		x.stamp = f.time(o.Outbox.Timestamp)
	}
	for _, h := range o.Outbox.Headers {
		x.headers = append(x.headers, outboxColumn{h.Name, f.text("outbox.headers", h.Column)})
	}
	for _, i := range f.found {
		x.needed = append(x.needed, outboxColumn{t.Columns[i].Name, i})
	}
	return x, f.err
}

const opOutbox = "making messages of rows"

// outboxColumns looks columns up and keeps the first problem.
type outboxColumns struct {
	table  *changelog.Table
	output string
	found  []int
	err    error
}

func (f *outboxColumns) fail(code fault.Code, err error, hint string) int {
	if f.err == nil {
		f.err = fault.NewFinal(code, opOutbox, err, hint)
	}
	return -1
}

// column finds the column that a key of the configuration names.
func (f *outboxColumns) column(key, name string) int {
	i := columnNamed(f.table, name)
	if i < 0 {
		return f.fail(fault.Config, fmt.Errorf("table %s has no column %q", f.table.FullName(), name),
			fmt.Sprintf("Correct %s of output %s, or let its tables name outbox tables only.", key, f.output))
	}
	if !slices.Contains(f.found, i) {
		f.found = append(f.found, i)
	}
	return i
}

// text finds a column whose values have a text, or are bytes.
func (f *outboxColumns) text(key, name string) int {
	i := f.column(key, name)
	if i >= 0 && !hasText(f.table.Columns[i].Type.Kind) {
		return f.fail(fault.UnsupportedType, fmt.Errorf("column %s of table %s has the type %s, which is no text", name, f.table.FullName(), f.table.Columns[i].SourceType),
			"Name a column of texts, JSON, bytes, numbers or times.")
	}
	return i
}

// time finds a column that holds a point in time.
func (f *outboxColumns) time(name string) int {
	i := f.column("outbox.timestamp", name)
	if i < 0 {
		return i
	}
	switch typ := &f.table.Columns[i].Type; {
	case typ.Kind == changelog.KindTimestamp, typ.Kind == changelog.KindDateTime:
	case (typ.Kind == changelog.KindInt || typ.Kind == changelog.KindUint) && typ.Bits == 64:
	default:
		return f.fail(fault.UnsupportedType, fmt.Errorf("column %s of table %s has the type %s, which is no time", name, f.table.FullName(), f.table.Columns[i].SourceType),
			"Name a column of a timestamp type, or a bigint of milliseconds since 1970.")
	}
	return i
}

// message reports whether a change is a message.
func (x *outboxPlan) message(ch *changelog.Change) (bool, error) {
	switch ch.Op {
	case changelog.Insert:
		return true, x.whole(ch.After)
	case changelog.Read, changelog.Delete:
		return false, nil
	case changelog.Update:
		if x.ignore {
			return false, nil
		}
		return false, outboxFault(errors.New("the row was updated, and a message that was read cannot be changed"),
			"Insert another row instead. If updates mean nothing, set outbox.on_update: ignore.")
	case changelog.Upsert:
		return false, outboxFault(errors.New("the source does not tell inserted rows from updated ones"), "Read the outbox from the database, or from topics that say what happened to a row.")
	}
	return false, fault.NewFinal(fault.Internal, opOutbox, fmt.Errorf("operation %d", ch.Op), "Please report this as a bug.")
}

// whole refuses a row that lacks a part of the message.
func (x *outboxPlan) whole(row changelog.Row) error {
	for _, c := range x.needed {
		if c.column >= len(row) || row[c.column].IsUnchanged() {
			return outboxFault(fmt.Errorf("the log does not carry column %s, which is a part of the message", c.name), "Let the server log whole rows (binlog_row_image=FULL).")
		}
	}
	return nil
}

func outboxFault(err error, hint string) error {
	return fault.NewFinal(fault.Outbox, opOutbox, err, hint)
}
