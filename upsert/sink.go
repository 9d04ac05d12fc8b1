package upsert

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"

	"cdcbridge/changelog"
	"cdcbridge/internal/fault"
	"cdcbridge/internal/kafkawire"
)

// Identity says who writes.
type Identity struct {
	Pipeline string // names the checkpoint and the transactional id
	Instance string // random, one for the life of the process: tells our own restarts from a takeover
}

// Sink writes the chunks of one pipeline attempt and its checkpoint into Kafka.
//
//	Open ──▶ Claim ──▶ (Write … Commit)… ──▶ Close
//
// It is used for one attempt: whatever fails, the next attempt opens a new one, and what is committed by then is what counts.
// Open, Claim, Write, Commit, Abort and Close are called by one goroutine at a time; Topic by one other after Open; OpenSince
// and Stats by anybody.
type Sink struct {
	wire     *kafkawire.Client
	cfg      Config
	codec    kafkawire.Codec // of large checkpoints and of what Truncate writes; None when the setting is none of ours, which Validate has told
	id       Identity
	log      *slog.Logger
	counters counters

	state    *Topic
	reader   *stateReader
	seen     claimSeen // the newest claim when the sink was opened
	pos      changelog.Position
	pins     *pinBook
	openedAt int64 // offset up to which Open has read the state
	txn      *producer
	former   []int64              // producer ids of this attempt and the last one, when it was opened
	opened   kafkawire.ProducerID // of this attempt, then
	claimed  bool
	topics   map[string]*target // Topic's own
	ahead    map[string]known   // of topics that Topic will be asked for soon
	group    string             // whose offsets this attempt has committed
	progress *Topic             // nil: there is none
	report   *Progress          // what commits write there; nil: nothing was reported yet

	records, bytes, changes int       // that no commit covers yet
	began                   time.Time // when the first of them was written; zero: there are none
}

// NewSink makes a sink. It does no I/O.
func NewSink(wire kafkawire.Config, cfg Config, id Identity, log *slog.Logger) *Sink {
	codec, _ := kafkawire.ParseCodec(cfg.Compression)
	return &Sink{wire: kafkawire.NewClient(wire), cfg: cfg, codec: codec, id: id, log: log, topics: map[string]*target{}}
}

// Committed says what a commit has made readable.
type Committed struct {
	Began   time.Time // when the transaction was opened
	At      time.Time // when Kafka confirmed it
	Records int       // in the target topics
	Bytes   int       // of their batches
	Changes int       // row changes that they came from
}

// Claim commits a transaction that holds no row, only {instance, resolved start, pins}: from then on the pipeline is ours, and
// a start position such as "latest" is not resolved anew. No row may be written before it.
func (s *Sink) Claim(ctx context.Context, cp changelog.Checkpoint) error {
	if s.txn == nil || s.claimed {
		return misuse("claiming the pipeline", "the sink is not open, or has claimed already")
	}
	if cp.Pos == "" {
		return misuse("claiming the pipeline", "there is no start position")
	}
	s.pins.add(s.state.Name, s.state.pin())
	w := s.scribe()
	if err := w.claim(cp.Pos, s.seen.supersededBy(s.id.Instance)); err != nil {
		return err
	}
	known := s.reader.state.entries
	cp.State = slices.DeleteFunc(slices.Clone(cp.State), func(e changelog.State) bool {
		value, ok := known[e.Key]
		return ok && e.Value != nil && string(value) == string(e.Value)
	})
	if _, err := s.commit(ctx, w, cp, nil); err != nil {
		return s.judgeOwnership(ctx, err)
	}
	s.claimed = true
	return nil
}

// Write makes the chunk a part of the open transaction, which it begins if there is none. When it returns nil all parts are
// acknowledged by all in-sync replicas, and readable once Commit succeeds; with Config.AtLeastOnce they are in no transaction, and
// readable now. The chunk's bytes are the caller's again when it returns, whatever the outcome.
func (s *Sink) Write(ctx context.Context, c *Chunk) error {
	if !s.claimed {
		return misuse("writing rows", "the pipeline is not claimed")
	}
	if len(c.Parts) == 0 {
		return nil
	}
	write := s.txn.write
	if s.cfg.AtLeastOnce {
		if err := s.pinFirst(ctx); err != nil {
			return err
		}
		write = s.txn.append
	}
	s.add(c)
	if err := write(ctx, c.Parts); err != nil {
		return s.judgeOwnership(ctx, err)
	}
	return nil
}

// add counts a chunk that no commit covers yet.
func (s *Sink) add(c *Chunk) {
	if s.began.IsZero() {
		s.began = time.Now()
	}
	s.records += c.Records
	s.bytes += c.Bytes
	s.changes += c.Changes
}

// pinFirst makes the pins of new topics durable before a row is in them that no transaction holds back: after a crash the topics
// would else be filled ones that no checkpoint knows.
func (s *Sink) pinFirst(ctx context.Context) error {
	if !s.pins.waiting() {
		return nil
	}
	return s.between(ctx)
}

// Commit writes the checkpoint into the open transaction and ends it; without one it writes a transaction that holds only the
// checkpoint. cp.State and cp.Group have what changed since the last commit. last is written with it, as Write would, but by the same
// requests; nil: everything is written. On success rows and checkpoint are durable and readable. After an error it may or may not have been
// committed: the next Open tells.
func (s *Sink) Commit(ctx context.Context, cp changelog.Checkpoint, last *Chunk) (Committed, error) {
	if !s.claimed {
		return Committed{}, misuse("committing", "the pipeline is not claimed")
	}
	if last != nil && s.cfg.AtLeastOnce {
		if err := s.Write(ctx, last); err != nil {
			return Committed{}, err
		}
		last = nil
	}
	done, err := s.commit(ctx, s.scribe(), cp, last)
	if err != nil {
		return Committed{}, s.judgeOwnership(ctx, err)
	}
	return done, nil
}

// Settle waits until the last transaction has ended in all partitions, without which no other one begins. Rows outside of transactions do not
// wait for it.
func (s *Sink) Settle(ctx context.Context) error {
	if s.cfg.AtLeastOnce {
		return nil
	}
	if err := s.txn.awaitEnd(ctx); err != nil {
		return s.judgeOwnership(ctx, err)
	}
	return nil
}

func (s *Sink) scribe() *stateScribe {
	return &stateScribe{pipeline: s.id.Pipeline, instance: s.id.Instance, now: time.Now().UTC().Format(time.RFC3339Nano)}
}

// commit writes the last rows, w's records, the checkpoint and the new pins, and ends the transaction.
func (s *Sink) commit(ctx context.Context, w *stateScribe, cp changelog.Checkpoint, last *Chunk) (Committed, error) {
	start := time.Now()
	grouped := cp.Group != nil && len(cp.Group.Offsets) > 0
	if grouped {
		if err := s.joinGroup(ctx, cp.Group.Group); err != nil {
			return Committed{}, err
		}
	}
	pos, pins := s.pos, s.pins.take()
	if cp.Pos != "" {
		pos = cp.Pos
	}
	if err := w.position(pos); err != nil {
		return Committed{}, err
	}
	for _, e := range cp.State {
		if err := w.entry(e); err != nil {
			return Committed{}, err
		}
	}
	for _, n := range pins {
		if err := w.pin(n.topic, n.pin); err != nil {
			return Committed{}, err
		}
	}
	parts := stateParts(s.state, statePartition(s.id.Pipeline), w.recs, start.UnixMilli())
	if err := packState(parts, s.codec); err != nil {
		return Committed{}, err
	}
	if last != nil && len(last.Parts) > 0 {
		s.add(last)
		parts = slices.Concat(last.Parts, parts)
	}
	if s.progress != nil && s.report != nil {
		part, err := s.progressPart(string(pos), start.UnixMilli())
		if err != nil {
			return Committed{}, err
		}
		parts = append(parts, part)
	}
	if err := s.txn.write(ctx, parts); err != nil {
		return Committed{}, err
	}
	if grouped {
		if err := s.txn.commitOffsets(ctx, cp.Group); err != nil {
			return Committed{}, err
		}
	}
	done := Committed{Began: s.counters.openSince(), Records: s.records, Bytes: s.bytes, Changes: s.changes}
	if err := s.txn.commit(ctx); err != nil {
		return Committed{}, err
	}
	done.At = time.Now()
	s.pins.settle(pins)
	s.pos, s.records, s.bytes, s.changes, s.began = pos, 0, 0, 0, time.Time{}
	s.counters.committed.Add(1)
	s.counters.lastCommit.Store(int64(done.At.Sub(start)))
	return done, nil
}

// Abort rolls the open transaction back, so that readers do not wait for its timeout. The sink can only be closed afterwards.
// An error is of no consequence for the rows: Kafka or the next Open ends the transaction.
func (s *Sink) Abort(ctx context.Context) error {
	if s.txn == nil {
		return nil
	}
	return s.txn.rollback(ctx)
}

// closePatience is what Close gives to the abort of an open transaction.
const closePatience = 3 * time.Second

// Close aborts an open transaction if Kafka answers soon and closes the connections. Nothing that the sink started is left
// when it returns. An abort that fails is logged and no error: the rows do not depend on it, and its reason must not stand for
// that of the attempt's end.
func (s *Sink) Close(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, closePatience)
	defer cancel()
	if err := s.Abort(ctx); err != nil {
		s.log.Warn("aborting the open transaction failed, readers wait for its timeout", "error", err)
	}
	s.wire.Close()
	return nil
}

// OpenSince is when the open transaction began, the zero time if there is none. The pipeline commits at a third of
// Config.TransactionTimeout after it.
func (s *Sink) OpenSince() time.Time { return s.counters.openSince() }

// Stats returns a snapshot of the counters. It never blocks.
func (s *Sink) Stats() SinkStats { return s.counters.snapshot() }

func misuse(op, what string) error {
	return fault.NewFinal(fault.Internal, op, errors.New(what), "Report this as a bug.")
}
