package kafka

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"cdcbridge/changelog"
	"cdcbridge/formats"
	"cdcbridge/internal/kafkawire"
)

// A message tells which table it is about and what its columns are; a tombstone, and many a delete, do not: they are about what was
// seen before. What was seen must therefore survive a restart. A lesson is a record after which a topic had a table, or a version of
// it, that it did not have before. At the next start the lessons are read again, in their order, into a batch that is thrown away.

// Of a table that somebody describes the newest record is enough. One that only JSON tells is made of several, and may have as many
// versions as there are sets of fields: the first ones tell as much of it as a tombstone needs.
const (
	maxLessons  = 4
	maxVersions = 16
)

// maxLesson is how many bytes the records of one table may have: they must fit into a record of the state topic.
const maxLesson = 512 << 10

// lessonState is the durable text of what is to be read again about one table in one topic.
type lessonState struct {
	stateHeader
	Records []lessonRecord `json:"records"`
}

// lessonRecord is one record as it was.
type lessonRecord struct {
	At        uint64         `json:"at"` // its place among all lessons
	Partition int32          `json:"partition"`
	Offset    int64          `json:"offset"`
	Timestamp int64          `json:"timestamp"`
	Key       []byte         `json:"key"` // null: none
	Value     []byte         `json:"value"`
	Headers   []lessonHeader `json:"headers,omitempty"`
}

type lessonHeader struct {
	Name  string `json:"name"`
	Value []byte `json:"value"`
}

// lessons are those of all topics.
type lessons struct {
	known map[lessonKey]*lesson
	last  *lesson // of the record before
	next  uint64
}

type lessonKey struct {
	topic string
	table int // Table.ID
}

// lesson is what is known of one table in one topic.
type lesson struct {
	key   lessonKey
	table *changelog.Table // its newest version; nil: not seen since the start
	seen  []*changelog.Table
	state lessonState
}

// isNew reports that the table has not been seen in this version.
func (l *lesson) isNew(t *changelog.Table) bool {
	if l.table = t; slices.Contains(l.seen, t) || t.Inferred && len(l.seen) >= maxVersions {
		return false
	}
	if len(l.seen) >= maxVersions {
		l.seen = l.seen[1:]
	}
	l.seen = append(l.seen, t)
	return true
}

// add keeps a record, and lets older ones go.
func (l *lesson) add(r lessonRecord) {
	most := 1
	if l.table.Inferred {
		most = maxLessons
	}
	rs := append(l.state.Records, r)
	rs = rs[max(0, len(rs)-most):]
	for size := sizeOf(rs); size > maxLesson && len(rs) > 1; size = sizeOf(rs) {
		rs = rs[1:]
	}
	l.state.Records = slices.Clone(rs)
}

func sizeOf(rs []lessonRecord) int {
	n := 0
	for i := range rs {
		n += len(rs[i].Key) + len(rs[i].Value)
	}
	return n
}

func newLessons() lessons { return lessons{known: map[lessonKey]*lesson{}, next: 1} }

// learn keeps the record as a lesson when it shows a table, or a version of it, for the first time.
func (s *stream) learn(p *partition, rec *kafkawire.FetchedRecord, from mark) error {
	b := s.batch
	for i := from.runs; i < len(b.Runs); i++ {
		t := b.Runs[i].Table
		if l := s.lessons.last; l != nil && l.table == t && l.key.topic == p.topic {
			continue
		}
		if err := s.lessons.see(p.topic, t, rec, &s.taught); err != nil {
			return err
		}
	}
	return nil
}

// of gives what is known of a table of a topic.
func (l *lessons) of(topic string, t *changelog.Table) *lesson {
	key := lessonKey{topic, t.ID}
	one := l.known[key]
	if one == nil {
		one = &lesson{key: key, state: lessonState{stateHeader: newStateHeader()}}
		l.known[key] = one
	}
	return one
}

// see looks whether a table of a topic is new, and then adds the state that keeps the record.
func (l *lessons) see(topic string, t *changelog.Table, rec *kafkawire.FetchedRecord, states *[]changelog.State) error {
	one := l.of(topic, t)
	l.last = one
	if one.table == t {
		return nil
	}
	if !one.isNew(t) || rec.Value == nil || len(rec.Key)+len(rec.Value) > maxLesson {
		return nil
	}
	l.next++
	one.add(newLessonRecord(rec, l.next))
	st, err := newState(lessonPrefix+topic+"/"+t.UniqueName(), one.state)
	if err != nil {
		return err
	}
	*states = slices.DeleteFunc(*states, func(o changelog.State) bool { return o.Key == st.Key })
	*states = append(*states, st)
	return nil
}

func newLessonRecord(rec *kafkawire.FetchedRecord, at uint64) lessonRecord {
	r := lessonRecord{
		At: at, Partition: rec.Partition, Offset: rec.Offset, Timestamp: rec.Timestamp, Key: slices.Clone(rec.Key), Value: slices.Clone(rec.Value),
	}
	rec.Headers.Each(func(name, value []byte) bool {
		r.Headers = append(r.Headers, lessonHeader{Name: string(name), Value: slices.Clone(value)})
		return true
	})
	return r
}

// past is a lesson that was learnt before the start.
type past struct {
	topic, table string
	record       lessonRecord
}

// restoreLessons reads the lessons of the topics again.
func restoreLessons(states []changelog.State, reader formats.Reader, reads func(topic string) bool) (lessons, error) {
	ls := newLessons()
	var all []past
	kept := map[string]*lessonState{}
	for _, s := range states {
		name, ok := strings.CutPrefix(s.Key, lessonPrefix)
		if !ok {
			continue
		}
		topic, table, ok := strings.Cut(name, "/")
		if !ok {
			return ls, badState(s.Key, fmt.Errorf("its key names no table"))
		}
		if !reads(topic) {
			continue
		}
		var st lessonState
		if err := readState(s, &st, &st.stateHeader); err != nil {
			return ls, err
		}
		kept[name] = &st
		for _, r := range st.Records {
			all = append(all, past{topic, table, r})
		}
	}
	slices.SortFunc(all, func(a, b past) int {
		return cmp.Or(cmp.Compare(a.record.At, b.record.At), strings.Compare(a.topic, b.topic))
	})
	for i := range all {
		if err := ls.readAgain(reader, &all[i]); err != nil {
			return ls, err
		}
	}
	ls.adopt(kept)
	return ls, nil
}

// readAgain reads one lesson into a batch that nobody gets, as a record of a partition that there is not: of a delete the reader
// remembers the key, for the tombstone behind it, and what follows in the partition is something else now.
func (l *lessons) readAgain(reader formats.Reader, p *past) error {
	b := changelog.NewBatch()
	defer b.Release()
	r := &p.record
	rec := formats.Record{Topic: p.topic, Partition: -1, Offset: r.Offset, Timestamp: r.Timestamp, Key: r.Key, Value: r.Value}
	for _, h := range r.Headers {
		rec.Headers = append(rec.Headers, formats.Header{Name: h.Name, Value: h.Value})
	}
	l.next = max(l.next, r.At)
	if err := reader.Read(b, &rec); err != nil {
		return fmt.Errorf("reading %s/%d@%d again, which shows what the table %s is: %w", p.topic, r.Partition, r.Offset, p.table, err)
	}
	for i := range b.Runs {
		t := b.Runs[i].Table
		l.of(p.topic, t).isNew(t)
	}
	return nil
}

// adopt gives the lessons the records that they were made of, so that those are not forgotten when another one comes.
func (l *lessons) adopt(kept map[string]*lessonState) {
	for key, one := range l.known {
		if st := kept[key.topic+"/"+one.table.UniqueName()]; st != nil {
			one.state = *st
		}
	}
}
