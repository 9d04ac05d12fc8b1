package mysql

import (
	"context"
	"errors"
	"fmt"
	"time"

	"cdcbridge/capture"
	"cdcbridge/changelog"
	"cdcbridge/internal/fault"
)

const (
	// idleMove is how often a position that moved without captured changes goes out.
	idleMove = time.Second
	// firstEvent is how long a server may look for the start position before its first event.
	firstEvent = 10 * time.Minute
)

// stream turns the events of one dump into batches. One goroutine reads, decodes and hands over.
type stream struct {
	src  *source
	cfg  *Config
	r    *eventReader
	out  chan<- *changelog.Batch
	done <-chan struct{}

	file  string // of the current event; a new string for each file, shared by all that came from it
	off   uint64 // where the current event begins, then where the next one does
	time  int64  // when the current statement ran, microseconds since the Unix epoch, at the log's resolution
	pos   position
	moved bool      // pos changed since the last batch
	sent  time.Time // when the last batch went out
	past  past      // transactions that come again and are done

	batch   *changelog.Batch
	txn     txn
	tables  registry
	xa      xaStore
	gaps    gaps // changes of the batch whose After is not whole
	values  completer
	pay     payloadReader
	inner   innerBody
	inflate inflater
	text    []byte // scratch for positions
	names   txnNames
	stats   capture.Stats
	shown   time.Time // when stats was last published
	queued  bool      // the server had more when last asked
	idle    bool      // the last event was a heartbeat: the server has nothing more. One that is slow to read its log also sends nothing for a while
	probe   *probe    // whom statements are shown to, instead of being judged; nil: nobody
}

func newStream(src *source, r *eventReader, out chan<- *changelog.Batch) *stream {
	s := &stream{src: src, cfg: src.cfg, r: r, out: out, batch: changelog.NewBatch(), pos: *src.from, sent: time.Now()}
	s.tables = registry{src: src, byName: map[tableName]*tableEntry{}, byID: map[uint64]*mappedTable{}, alike: map[likeness]*shape{}}
	s.stats = *src.stats.Load()
	s.values.src = src
	r.watches = &src.watches
	s.txn.resume = src.from.txn
	if s.pos.gtids != nil {
		s.pos.gtids = s.pos.gtids.fork()
	}
	s.past = pastOf(&s.pos)
	s.pos.server, s.pos.shapes = src.facts.uuid(), true
	return s
}

func (s *stream) close() {
	s.src.watches.forget()
	s.pay.close()
	s.values.close()
	s.tables.close()
	if s.batch != nil {
		s.batch.Release()
	}
}

func (s *stream) run(ctx context.Context) error {
	s.done = ctx.Done()
	return s.leaveBehind(ctx, s.loop(ctx))
}

func (s *stream) loop(ctx context.Context) error {
	for {
		h, err := s.next(ctx)
		if err != nil {
			return err
		}
		if err := s.event(ctx, h); err != nil {
			return s.located(err)
		}
		if err := s.answer(ctx); err != nil {
			return err
		}
	}
}

// located adds where in the log an event went wrong.
func (s *stream) located(err error) error {
	var f *fault.Fault
	if !errors.As(err, &f) {
		err = serverFault("reading the binlog stream", err)
	}
	return fmt.Errorf("at %s:%d: %w", s.file, s.off, err)
}

// next waits for an event. When none is there, what has been read goes out first.
func (s *stream) next(ctx context.Context) (*eventHeader, error) {
	if s.r.headed() {
		s.queued = true
		return s.await(s.r.next(time.Time{})) // which looks at no clock
	}
	ready, err := s.r.arrived()
	if err != nil {
		return nil, serverFault("reading the binlog stream", err)
	}
	s.queued = ready
	if ready {
		deadline := time.Now().Add(s.r.patience)
		h, err := s.r.next(deadline)
		for errors.Is(err, errNothing) && time.Now().Before(deadline) { // woken in the middle of a header
			h, err = s.r.next(deadline)
		}
		return s.await(h, err)
	}
	s.leave(func(tr *trail) { tr.passed(logPlace{s.file, s.off}, false) })
	if err := s.drained(ctx); err != nil {
		return nil, err
	}
	limit := 3 * s.cfg.HeartbeatInterval
	if s.stats.Events == 0 {
		limit = firstEvent
	}
	silent := time.Now().Add(limit)
	for {
		if err := s.answer(ctx); err != nil {
			return nil, err
		}
		deadline := silent
		if wake := time.Now().Add(idleMove); s.moved && wake.Before(deadline) {
			deadline = wake
		}
		h, err := s.r.next(deadline)
		if !errors.Is(err, errNothing) {
			return s.await(h, err)
		}
		if !time.Now().Before(silent) {
			return nil, fault.New(fault.Unreachable, "reading the binlog stream", fmt.Errorf("not even a heartbeat came for %v", limit),
				"The server hangs or the network drops packets. The source connects again by itself.")
		}
		if err := s.drained(ctx); err != nil {
			return nil, err
		}
	}
}

// await finishes a read of the next header.
func (s *stream) await(h *eventHeader, err error) (*eventHeader, error) {
	if err != nil {
		return nil, serverFault("reading the binlog stream", err)
	}
	s.stats.Events++
	return h, nil
}

// drained hands over what is there when the server has nothing more right now. Between the events of a transaction it waits:
// the server writes them together.
func (s *stream) drained(ctx context.Context) error {
	if s.txn.active {
		return nil
	}
	if len(s.batch.Txns) == 0 && (!s.moved || time.Since(s.sent) < idleMove) {
		if time.Since(s.shown) > 100*time.Millisecond { // the text of a position can be long
			s.publishStats()
		}
		return nil
	}
	return s.emit(ctx, true)
}

// emit gives the batch away with the position after it and begins a new one.
func (s *stream) emit(ctx context.Context, drained bool) error {
	if err := s.fillGaps(ctx); err != nil {
		return err
	}
	b := s.batch
	s.text = s.pos.appendText(s.text[:0])
	b.Next.Pos, b.Drained = changelog.Position(s.text), drained
	b.Next.State = append(b.Next.State, s.src.history.take(s.txn.active && s.txn.split)...)
	s.stats.Transactions += uint64(len(b.Txns))
	s.stats.Changes += uint64(len(b.Changes))
	if b.InTxn() {
		s.stats.Transactions--
	}
	s.batch, s.moved = nil, false
	s.publishStats()
	select {
	case s.out <- b:
	case <-s.done:
		b.Release()
		return ctx.Err()
	}
	s.batch, s.sent = changelog.NewBatch(), time.Now()
	return nil
}

func (s *stream) publishStats() {
	s.shown = time.Now()
	st := s.stats
	st.Bytes, st.Position, st.CaughtUp, st.LastEvent = s.r.bytes, s.pos.people(), s.idle && !s.queued, s.shown.UnixMicro()
	s.src.stats.Store(&st)
}

// event handles one event of the stream, the payload kind included.
func (s *stream) event(ctx context.Context, h *eventHeader) error {
	end, err := s.place(h)
	if err != nil {
		return s.r.blame(err)
	}
	if idle := h.Type == eventHeartbeat || h.Type == eventHeartbeatV2; idle != s.idle {
		if s.idle = idle; !idle {
			s.publishStats() // now: the event may wait for the catalogue
		}
	}
	switch h.Type {
	case eventFormatDescription:
		err = s.format()
	case eventRotate:
		return s.rotate()
	case eventHeartbeat, eventHeartbeatV2:
		return s.heartbeat(h)
	case eventTransactionPayload:
		err = s.payload(ctx)
	default:
		err = s.apply(ctx, h, s.r)
	}
	if err != nil {
		return s.r.blame(err)
	}
	s.off = end
	if s.txn.ended {
		return s.endTransaction(ctx)
	}
	return nil
}

// place finds where the event stands in its file and where the next one begins. Offsets have 64 bits and are summed from
// sizes; the 32 bits in the header confirm them. With GTIDs the server leaves out what we have, so the sum may jump.
func (s *stream) place(h *eventHeader) (end uint64, err error) {
	if h.Flags&flagArtificial != 0 || h.Type == eventHeartbeat || h.Type == eventHeartbeatV2 || h.NextPos == 0 && !s.txn.active {
		return s.off, nil
	}
	end = s.off + uint64(h.Size)
	if h.NextPos == 0 { // MariaDB from 11 on writes the rows of a transaction before it knows where
		return end, nil
	}
	if uint32(end) == h.NextPos {
		return end, nil
	}
	if s.pos.gtids == nil {
		return 0, badEvent("reading the binlog stream", "an event of %d bytes says that the next one is at %d", h.Size, h.NextPos)
	}
	jumped := end&^0xffffffff | uint64(h.NextPos)
	if jumped < end {
		jumped += 1 << 32
	}
	s.off = jumped - uint64(h.Size)
	return jumped, nil
}

// format takes the description that begins every file. It has a checksum also when it says that the events have none; then
// the server may have spoilt it by what it changes when it sends the description, and only a lie about that very thing counts.
func (s *stream) format() error {
	body, err := s.r.plain()
	if err != nil {
		return err
	}
	f, err := parseFormat(body)
	damaged := s.r.compare(body)
	if damaged == nil || err == nil && !f.Checksum && s.r.compare(claimingChecksums(body)) != nil {
		s.r.checksums = f.Checksum
		return err
	}
	return damaged
}

// rotate moves to another file, at the end of one or before the first event.
func (s *stream) rotate() error {
	body, err := s.r.body()
	if err != nil {
		return err
	}
	r, err := parseRotate(body)
	if err != nil {
		return err
	}
	if s.txn.active {
		return s.cutOff()
	}
	if s.file != string(r.File) {
		s.past.leave(s.file)
		s.file = string(r.File)
	}
	s.off = r.Pos
	if s.past.over() {
		s.moveTo(s.file, s.off)
	}
	return nil
}

// heartbeat learns where the server stands in the file. It says so after transactions that it left out because we have them,
// which may be more than 4 GiB; the next event's header alone would not tell. The position to resume from stays.
func (s *stream) heartbeat(h *eventHeader) error {
	body, err := s.r.body()
	if err != nil {
		return err
	}
	b, err := parseHeartbeat(h, body)
	if err != nil {
		return err
	}
	if s.pos.gtids == nil || s.txn.active || string(b.File) != s.file {
		return nil
	}
	if h.Type == eventHeartbeat {
		b.Pos |= s.off &^ 0xffffffff // it has 32 bits; a place that is too low does no harm
	}
	s.off = max(s.off, b.Pos)
	return nil
}

// moveTo is the position between two transactions.
func (s *stream) moveTo(file string, off uint64) {
	s.moved = s.moved || s.pos.file != file || s.pos.pos != off
	s.pos.file, s.pos.pos = file, off
}
