package shape

import (
	"fmt"
	"strconv"
	"unicode/utf8"
	"unsafe"

	"cdcbridge/changelog"
	"cdcbridge/internal/fault"
)

// Shaper makes of changes what a Shape says. It belongs to one worker, and what it gives is valid until its next call.
type Shaper struct {
	shape *Shape
	from  Source

	values        []changelog.Value // of the added columns
	before, after changelog.Row
	change        changelog.Change
	text          []byte // behind the values
	name, num     []byte // scratch of headers

	judged changelog.Change // what Judge gives
	keys   changelog.Row    // its before image
	masked []byte           // behind the values of masked columns
	plain  []byte           // a value while it is being hashed
}

// Source is where the changes of a run come from.
type Source struct {
	Txn    *changelog.Txn
	Record *changelog.Record // nil: no source that reads topics
}

// Begin goes to the next run. The error says what the record of it has no form for.
func (s *Shaper) Begin(shape *Shape, from Source) error {
	s.shape, s.from = shape, from
	s.values, s.text = s.values[:0], s.text[:0]
	for _, f := range shape.columns {
		v, err := s.value(f)
		if err != nil {
			return err
		}
		s.values = append(s.values, v)
	}
	return nil
}

// value is what a column has in all changes of the run; NULL where each has its own.
func (s *Shaper) value(f From) (changelog.Value, error) {
	t, r := s.shape.Table, s.from.Record
	switch f {
	case Database:
		return textOrNull(t.Database), nil
	case Schema:
		return textOrNull(t.Schema), nil
	case Table:
		return textOrNull(t.Name), nil
	case Time:
		return changelog.Timestamp(s.from.Txn.Commit), nil
	case Op, Position:
		return changelog.Null(), nil
	}
	if r == nil {
		return changelog.Null(), nil
	}
	switch f {
	case Topic:
		return textOrNull(r.Topic), nil
	case Partition:
		return changelog.Int(int64(r.Partition)), nil
	case Offset:
		return changelog.Int(r.Offset), nil
	case Timestamp:
		return changelog.Timestamp(r.Timestamp * 1000), nil
	case TimestampType:
		return textOrNull(timestampType(r)), nil
	case Headers:
		at := len(s.text)
		s.text = appendHeaders(s.text, r.Headers)
		return changelog.JSON(s.text[at:]), nil
	case Key:
		if r.Key == nil {
			return changelog.Null(), nil
		}
		if !utf8.Valid(r.Key) {
			return changelog.Value{}, fault.NewFinal(fault.UnsupportedType, "adding metadata", fmt.Errorf("the key of the record is no text: %.100x", r.Key),
				"Write the key of source records as a header, which takes any bytes.")
		}
		return changelog.String(r.Key), nil
	}
	return changelog.Value{}, fault.NewFinal(fault.Internal, "adding metadata", fmt.Errorf("unknown metadata %q", f), "Report this as a bug.")
}

func textOrNull(s string) changelog.Value {
	if s == "" {
		return changelog.Null()
	}
	return changelog.String(bytesOf(s))
}

// bytesOf gives the bytes of a text, which nobody may modify: that is so of all bytes of a Value.
func bytesOf(s string) []byte { return unsafe.Slice(unsafe.StringData(s), len(s)) }

// Names of the types of timestamps, as in Kafka's clients and in Flink.
const (
	createTime    = "CreateTime"
	logAppendTime = "LogAppendTime"
)

func timestampType(r *changelog.Record) string {
	if r.LogAppend {
		return logAppendTime
	}
	return createTime
}

// Extend gives a change of the run in its new form: columns that are left, hidden where that is wanted, and the added ones in each of
// its images. pos is where the change is. Both images have what is known of this change, as Flink has it. The columns made of Op are
// NULL until SetOp.
func (s *Shaper) Extend(ch *changelog.Change, pos []byte) *changelog.Change {
	for _, i := range s.shape.places {
		if s.shape.columns[i] == Position {
			s.values[i] = changelog.String(pos)
		}
	}
	s.masked = s.masked[:0]
	return s.extend(ch, s.shape.masks)
}

// Bare is Extend without what no key needs: nothing is hidden, and positions are NULL.
func (s *Shaper) Bare(ch *changelog.Change) *changelog.Change { return s.extend(ch, nil) }

func (s *Shaper) extend(ch *changelog.Change, masks []*Mask) *changelog.Change {
	s.change = *ch
	if ch.Before != nil {
		s.before = s.row(s.before[:0], ch.Before)
		s.hideIn(s.before, masks, false)
		s.change.Before = s.before
	}
	if ch.After != nil {
		s.after = s.row(s.after[:0], ch.After)
		s.hideIn(s.after, masks, true)
		s.change.After = s.after
	}
	return &s.change
}

// row appends a row in its new form, with nothing hidden.
func (s *Shaper) row(dst, row changelog.Row) changelog.Row {
	if s.shape.take == nil {
		dst = append(dst, row[:min(len(row), s.shape.own)]...)
	}
	for _, i := range s.shape.take {
		dst = append(dst, *at(row, i))
	}
	for len(dst) < s.shape.own {
		dst = append(dst, changelog.Unchanged()) // a key-only image may end early
	}
	return append(dst, s.values...)
}

func (s *Shaper) hideIn(row changelog.Row, masks []*Mask, after bool) {
	for i, m := range masks {
		if m != nil {
			row[i] = s.hide(m, row[i], after)
		}
	}
}

// SetOp says as what the change that Extend gave is written: one update may become a delete and an insert.
func (s *Shaper) SetOp(op string) {
	for _, i := range s.shape.places {
		if s.shape.columns[i] != Op {
			continue
		}
		v := changelog.String(bytesOf(op))
		at := s.shape.own + i
		if s.change.Before != nil {
			s.change.Before[at] = v
		}
		if s.change.After != nil {
			s.change.After[at] = v
		}
	}
}

// Headers hands each header to put and gives their number. What does not exist has none. pos and op are those of the change.
func (s *Shaper) Headers(pos []byte, op string, put func(name string, value []byte)) int {
	count := 0
	for i := range s.shape.headers {
		m := &s.shape.headers[i]
		if m.From == Headers {
			count += s.passOn(m.Name, put)
			continue
		}
		value := s.header(m.From, pos, op)
		if value != nil {
			put(m.Name, value)
			count++
		}
	}
	return count
}

// passOn hands over the headers of the record, each with prefix before its name.
func (s *Shaper) passOn(prefix string, put func(name string, value []byte)) int {
	if s.from.Record == nil {
		return 0
	}
	for _, h := range s.from.Record.Headers {
		s.name = append(append(s.name[:0], prefix...), h.Name...)
		put(unsafe.String(unsafe.SliceData(s.name), len(s.name)), h.Value)
	}
	return len(s.from.Record.Headers)
}

// header is a value as text; nil: there is none.
func (s *Shaper) header(f From, pos []byte, op string) []byte {
	t, r := s.shape.Table, s.from.Record
	switch f {
	case Database:
		return named(t.Database)
	case Schema:
		return named(t.Schema)
	case Table:
		return named(t.Name)
	case Time:
		s.num = strconv.AppendInt(s.num[:0], s.from.Txn.Commit, 10)
		return s.num
	case Op:
		return bytesOf(op)
	case Position:
		return pos
	}
	if r == nil {
		return nil
	}
	switch f {
	case Topic:
		return named(r.Topic)
	case Partition:
		s.num = strconv.AppendInt(s.num[:0], int64(r.Partition), 10)
	case Offset:
		s.num = strconv.AppendInt(s.num[:0], r.Offset, 10)
	case Timestamp:
		s.num = strconv.AppendInt(s.num[:0], r.Timestamp, 10)
	case TimestampType:
		return bytesOf(timestampType(r))
	case Key:
		return r.Key
	default:
		return nil
	}
	return s.num
}

func named(s string) []byte {
	if s == "" {
		return nil
	}
	return bytesOf(s)
}

// textOf is the inverse of bytesOf.
func textOf(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
