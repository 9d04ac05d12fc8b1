package kafka

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"cdcbridge/capture"
	"cdcbridge/changelog"
	"cdcbridge/formats"
	"cdcbridge/internal/fault"
	"cdcbridge/internal/kafkawire"
)

// words is a format of a test's own: "insert orders 7", "delete orders 7", "update@2 orders 7" for a second version of the table,
// "update@i1 orders 7" for one that is inferred, "truncate orders", "heartbeat"; anything else cannot be read. As with real formats a tombstone does not name its table.
type words struct{}

func (w words) Reader(o formats.ReaderOptions) formats.Reader {
	return &wordReader{o: o, topics: map[string]*changelog.Table{}, deleted: map[int32]string{}}
}

type wordReader struct {
	o       formats.ReaderOptions
	topics  map[string]*changelog.Table
	deleted map[int32]string // key of the last record of a partition that was a delete
	table   *changelog.Table // the last one, so that nothing is made for each record
	name    string
}

var errWords = errors.New("no such words")

func (r *wordReader) Read(b *changelog.Batch, rec *formats.Record) error {
	last := r.deleted[rec.Partition]
	if last != "" {
		delete(r.deleted, rec.Partition)
	}
	if rec.Value == nil {
		if last != "" && last == string(rec.Key) {
			return nil
		}
		t := r.topics[rec.Topic]
		if t == nil {
			return fault.NewFinal(fault.Decode, "reading words", errors.New("a tombstone of an unknown table"), "Say more.")
		}
		return r.change(b, t, changelog.Delete, string(rec.Key))
	}
	verb, rest, _ := strings.Cut(string(rec.Value), " ")
	verb, version, _ := strings.Cut(verb, "@")
	name, id, _ := strings.Cut(rest, " ")
	var op changelog.Op
	switch verb {
	case "insert":
		op = changelog.Insert
	case "update":
		op = changelog.Update
	case "delete":
		op = changelog.Delete
		r.deleted[rec.Partition] = string(rec.Key)
	case "heartbeat":
		return nil
	case "begin":
		b.Txns = append(b.Txns, changelog.Txn{ID: "t", First: true})
		return nil
	case "truncate":
		b.Txns = append(b.Txns, changelog.Txn{First: true, Last: true})
		b.Notes = append(b.Notes, changelog.Note{Kind: changelog.Truncate, At: len(b.Changes), Txn: len(b.Txns) - 1, Table: r.of(name, version)})
		return nil
	default:
		return fault.NewFinal(fault.Decode, "reading words", errWords, "Use others.")
	}
	t := r.of(name, version)
	if r.topics[rec.Topic] != t {
		r.topics[rec.Topic] = t
	}
	return r.change(b, t, op, id)
}

func (r *wordReader) of(name, version string) *changelog.Table {
	if r.table != nil && r.name == name+version {
		return r.table
	}
	r.name = name + version
	r.table = r.o.Intern(&changelog.Table{Database: "shop", Name: name, Comment: version, Inferred: strings.HasPrefix(version, "i"), Key: []int{0}, Columns: []changelog.Column{{Name: "id", Type: changelog.Type{Kind: changelog.KindInt, Bits: 64}}}})
	return r.table
}

func (r *wordReader) change(b *changelog.Batch, t *changelog.Table, op changelog.Op, id string) error {
	n, err := strconv.ParseInt(id, 10, 64)
	if err != nil {
		return fault.NewFinal(fault.Decode, "reading words", err, "Use numbers.")
	}
	row := b.NewRow(1)
	row[0] = changelog.Int(n)
	ch := changelog.Change{Op: op, After: row}
	if op == changelog.Delete {
		ch.Before, ch.After = row, nil
	}
	b.Txns = append(b.Txns, changelog.Txn{First: true, Last: true, Commit: 1000})
	b.Changes = append(b.Changes, ch)
	at := len(b.Changes)
	b.Runs = append(b.Runs, changelog.Run{Table: t, Txn: len(b.Txns) - 1, From: at - 1, To: at, Time: 1000})
	return nil
}

// rec is a record to write; a value of "" is a tombstone.
type rec struct{ key, value string }

// written makes a batch of records as a broker answers it.
func written(offset int64, epoch int32, h kafkawire.BatchHeader, recs ...rec) []byte {
	batch := kafkawire.ReserveBatchHeader(nil)
	for i, r := range recs {
		record := kafkawire.Record{OffsetDelta: int32(i), Key: []byte(r.key)}
		if r.value != "" {
			record.Value = []byte(r.value)
		}
		if r.key == "" {
			record.Key = nil
		}
		record.Headers, record.HeaderCount = kafkawire.AppendRecordHeader(nil, "trace", []byte("x")), 1
		batch = kafkawire.AppendRecord(batch, &record)
	}
	h.Count = int32(len(recs))
	kafkawire.SealBatch(batch, &h)
	binary.BigEndian.PutUint64(batch, uint64(offset))
	binary.BigEndian.PutUint32(batch[12:], uint32(epoch))
	return batch
}

func plainBatch(offset int64, recs ...rec) []byte {
	return written(offset, 3, kafkawire.BatchHeader{BaseTimestamp: 5, MaxTimestamp: 5}, recs...)
}

// marker makes the control batch that ends a transaction.
func marker(offset, producer int64, commit bool) []byte {
	key := []byte{0, 0, 0, 0}
	if commit {
		key[3] = 1
	}
	batch := kafkawire.ReserveBatchHeader(nil)
	batch = kafkawire.AppendRecord(batch, &kafkawire.Record{Key: key, Value: make([]byte, 6)})
	kafkawire.SealBatch(batch, &kafkawire.BatchHeader{Count: 1, Transactional: true, Producer: kafkawire.ProducerID{ID: producer}})
	binary.BigEndian.PutUint64(batch, uint64(offset))
	binary.BigEndian.PutUint32(batch[12:], 3)
	batch[22] |= 0x20 // control
	return reseal(batch)
}

// stage is a stream over partitions of which the test says what is fetched.
type stage struct {
	*stream
	t   *testing.T
	out chan *changelog.Batch
}

// readAll reads what was fetched, and throws the batch away.
func (s *stage) readAll() {
	for {
		p, _, err := s.next()
		if err != nil {
			s.t.Fatal(err)
		}
		if p == nil {
			break
		}
		if err := s.read(p); err != nil {
			s.t.Fatal(err)
		}
	}
	s.batch.Release()
	s.batch = changelog.NewBatch()
}

func newStage(t *testing.T, edit func(*Config), states []changelog.State, parts ...*partition) *stage {
	t.Helper()
	cfg := NewConfig().(*Config)
	cfg.Topics, cfg.Format = []string{"orders"}, "words"
	if edit != nil {
		edit(cfg)
	}
	cfg.Read(words{}, kafkawire.Config{Brokers: []string{"k:1"}})
	if errs := cfg.Validate(); len(errs) > 0 {
		t.Fatal(errs)
	}
	src := newSource(cfg, capture.Env{Pipeline: "p"})
	src.reader = cfg.format.Reader(formats.ReaderOptions{Intern: src.shapes.Intern})
	src.offsets.own = true
	var err error
	if src.lessons, err = restoreLessons(states, src.reader, func(string) bool { return true }); err != nil {
		t.Fatal(err)
	}
	src.pos = position{Cluster: "c"}
	out := make(chan *changelog.Batch, 1000)
	s := newStream(src, out)
	s.add(parts...)
	src.numbers.listed(s.parts)
	src.offsets.began(0, s.parts)
	return &stage{stream: s, t: t, out: out}
}

// restored makes the partitions that the states of a batch describe.
func restored(t *testing.T, states []changelog.State) []*partition {
	t.Helper()
	known, err := readPartitions(states)
	if err != nil {
		t.Fatal(err)
	}
	var parts []*partition
	for _, p := range known {
		parts = append(parts, p)
	}
	return parts
}

// fetched gives the stream what a leader answered for a partition, which can be read up to stable.
func (s *stage) fetched(partition int, stable int64, aborted []kafkawire.AbortedTxn, batches ...[]byte) {
	got := kafkawire.Fetched{LastStable: stable, HighWatermark: stable, Aborted: aborted, DivergedAt: -1}
	for _, b := range batches {
		got.Records = append(got.Records, b...)
	}
	r := s.readers
	r.mu.Lock()
	defer r.mu.Unlock()
	r.received(s.parts[partition].lane, &got)
	nudge(r.ready)
}

// drained runs the stream until it has nothing to do, and gives the batches and how it ended: nil when it waits.
func (s *stage) drained() ([]*changelog.Batch, error) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), 200*time.Millisecond)
	defer cancel()
	err := s.run(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		err = nil
	}
	var batches []*changelog.Batch
	for len(s.out) > 0 {
		batches = append(batches, <-s.out)
	}
	return batches, err
}

// rows says what the changes of batches are, each with the place of its record.
func rows(batches []*changelog.Batch) string {
	var all []string
	for _, b := range batches {
		for i := range b.Runs {
			run := &b.Runs[i]
			r := b.Records[run.Record-1]
			for _, ch := range b.Changes[run.From:run.To] {
				row := ch.After
				if row == nil {
					row = ch.Before
				}
				all = append(all, fmt.Sprintf("%s %s %d @%d/%d", ch.Op, run.Table.Name, row[0].Int(), r.Partition, r.Offset))
			}
		}
	}
	return strings.Join(all, ", ")
}

// states folds the states of batches.
func states(batches []*changelog.Batch) []changelog.State {
	var all []changelog.State
next:
	for _, b := range batches {
		for _, st := range b.Next.State {
			for i := range all {
				if all[i].Key == st.Key {
					all[i] = st
					continue next
				}
			}
			all = append(all, st)
		}
	}
	return all
}

func onePartition() *partition {
	return newPartition(kafkawire.TopicPartition{Topic: "orders"}, kafkawire.TopicID{1})
}
