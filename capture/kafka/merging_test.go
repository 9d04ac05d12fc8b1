package kafka

import (
	"encoding/binary"
	"fmt"
	"time"

	"cdcbridge/capture"
	"cdcbridge/changelog"
	"cdcbridge/formats"
	"cdcbridge/internal/fault"
	"cdcbridge/internal/kafkawire"
)

// event is a message of one change, as a writer like Canal makes it: made at that time, in a batch with that number.
type event struct {
	built, batch int64
	old, now     int64 // keys; 0: no row
	was, is      string
	lane         int
	place        bool
	executed     int64 // transactions
}

func (e event) String() string {
	return fmt.Sprintf("%d %d %d %d %q %q %v %d", e.built, e.batch, e.old, e.now, e.was, e.is, e.place, e.executed)
}

// eventReader reads events. Its table has the key first.
type eventReader struct{ table *changelog.Table }

func parseEvent(value []byte) (e event, err error) {
	_, err = fmt.Sscanf(string(value), "%d %d %d %d %q %q %t %d", &e.built, &e.batch, &e.old, &e.now, &e.was, &e.is, &e.place, &e.executed)
	return e, err
}

func (r *eventReader) Locate(rec *formats.Record) formats.Place {
	e, err := parseEvent(rec.Value)
	if err != nil || !e.place {
		return formats.Place{}
	}
	return formats.Place{Log: "canal", Major: uint64(e.built), Minor: uint64(e.batch), Time: e.built * 1000, Bunched: true}
}

func (r *eventReader) Read(b *changelog.Batch, rec *formats.Record) error {
	e, err := parseEvent(rec.Value)
	if err != nil {
		return fault.NewFinal(fault.Decode, "reading an event", err, "")
	}
	ch := changelog.Change{Op: changelog.Update}
	if ch.Before = rowOf(e.old, e.was); e.old == 0 {
		ch.Op, ch.Before = changelog.Insert, nil
	}
	if ch.After = rowOf(e.now, e.is); e.now == 0 {
		ch.Op, ch.After = changelog.Delete, nil
	}
	b.Txns = append(b.Txns, changelog.Txn{Commit: 1, First: true, Last: true, Origin: changelog.Origin{Built: e.built, Executed: uint64(e.executed)}})
	b.Runs = append(b.Runs, changelog.Run{Table: r.table, Txn: len(b.Txns) - 1, From: len(b.Changes), To: len(b.Changes) + 1})
	b.Changes = append(b.Changes, ch)
	return nil
}

// merging is a stream that merges partitions which are filled by hand.
type merging struct {
	*stream
	lanes  [][]event // what was written
	sent   []int     // of it, what has been fetched
	table  map[int64]string
	folded int
	txns   []string
}

func newMerging(lanes int, order *orderState, sent []int) *merging {
	cfg := NewConfig().(*Config)
	cfg.Order, cfg.OrderIdleTimeout = orderSource, time.Second
	src := newSource(cfg, capture.Env{Pipeline: "p"})
	src.reader = &eventReader{keyed("t")}
	src.lessons = newLessons()
	for i := range lanes {
		p := partitionAt(int32(i))
		if sent != nil {
			p.offset = int64(sent[i])
		}
		src.parts = append(src.parts, p)
	}
	src.order = order
	m := &merging{stream: newStream(src, nil), lanes: make([][]event, lanes), sent: make([]int, lanes), table: map[int64]string{}}
	copy(m.sent, sent)
	m.add(src.parts...)
	m.topics["t"].count = max(lanes, 2)
	if err := src.beginOrder(m.stream); err != nil {
		panic(err)
	}
	m.clock = time.Unix(1000, 0)
	return m
}

// write puts events into their partitions, of which nothing is fetched yet.
func (m *merging) write(events ...event) {
	for _, e := range events {
		m.lanes[e.lane] = append(m.lanes[e.lane], e)
		m.parts[e.lane].lane.end.Store(int64(len(m.lanes[e.lane])))
	}
}

// fetch brings the next n events of a partition.
func (m *merging) fetch(lane, n int) {
	l := m.parts[lane].lane
	if l.end.Load() < 0 {
		l.end.Store(int64(len(m.lanes[lane])))
	}
	if n = min(n, len(m.lanes[lane])-m.sent[lane]); n == 0 {
		return
	}
	batch := kafkawire.ReserveBatchHeader(nil)
	for i := range n {
		batch = kafkawire.AppendRecord(batch, &kafkawire.Record{OffsetDelta: int32(i), Value: []byte(m.lanes[lane][m.sent[lane]+i].String())})
	}
	kafkawire.SealBatch(batch, &kafkawire.BatchHeader{Count: int32(n), Producer: kafkawire.NoProducer, Sequence: -1})
	binary.BigEndian.PutUint64(batch, uint64(m.sent[lane]))
	m.sent[lane] += n
	end := l.end.Load()
	m.readers.mu.Lock()
	l.queue = append(l.queue, chunk{got: kafkawire.Fetched{Records: batch, LastStable: end, DivergedAt: -1}, size: len(batch), at: m.clock})
	l.next += int64(n)
	m.readers.line(l)
	m.readers.mu.Unlock()
}

// drain reads all that can be read now, and folds it.
func (m *merging) drain() (wait time.Duration, err error) {
	for {
		p, wait, err := m.next()
		if err != nil {
			return 0, err
		}
		if p == nil {
			if !m.merger.together() {
				m.fold()
			}
			return wait, nil
		}
		if err := m.read(p); err != nil {
			return 0, err
		}
	}
}

func (m *merging) fold() {
	for i := range m.batch.Changes {
		ch := &m.batch.Changes[i]
		if ch.Before != nil {
			delete(m.table, ch.Before[0].Int())
		}
		if ch.After != nil {
			m.table[ch.After[0].Int()] = string(ch.After[1].Bytes())
			m.txns = append(m.txns, string(ch.After[1].Bytes()))
		}
		m.folded++
	}
	m.batch.Release()
	m.batch = changelog.NewBatch()
}
