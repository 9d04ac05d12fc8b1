package postgres

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pglogrepl"
	"github.com/jackc/pgx/v5/pgproto3"

	"cdcbridge/capture"
	"cdcbridge/changelog"
)

const (
	// idleMove is how often a position that moved without captured changes goes out.
	idleMove = time.Second
	// idleGrowth is how much log, in bytes, may pass before a position goes out at once and is to be committed soon: the
	// server keeps its log until then.
	idleGrowth = 16 << 20
	// silence is how long a server may say nothing. It is long, because a server that reads a large transaction of other
	// tables answers nobody for a while.
	silence = time.Minute
	// lookAgain is how often the publication is looked at: when it is dropped, a server only stops to send.
	lookAgain = 30 * time.Second
)

// stream turns the messages of one walsender into batches. One goroutine reads, decodes and hands over.
type stream struct {
	src *source
	cfg *Config
	log *slog.Logger
	r   *walReader
	out chan<- *changelog.Batch

	done  <-chan struct{}
	timer *time.Timer // of hand

	at         pglogrepl.LSN // of the current message
	lastCommit pglogrepl.LSN // where the transaction before ended
	lastTime   int64         // when it was committed, microseconds; 0: none was seen yet
	pos        position
	moved      bool          // pos changed since the last batch
	sent       time.Time     // when the last batch went out
	urged      pglogrepl.LSN // pos when a commit was last asked for
	urgent     bool          // the server waits for us, to shut down
	looked     time.Time     // when the publication was last looked at

	batch  *changelog.Batch
	gaps   []gap // changes of the batch whose After is not whole
	owed   int   // what they are taken to need, in bytes of memory
	filled int   // size of the batch after its last whole transaction
	usual  int   // size of the transaction before
	txn    txn
	tables registry
	spool  spool  // transactions that have not ended
	text   []byte // scratch for positions
	stats  capture.Stats
	shown  time.Time // when stats was last published
	queued bool      // something was there when last asked
	atEnd  bool      // the server has said that it has nothing more, and nothing came since
	held   time.Time // since when the batch waits for more; zero: it does not
	owing  bool      // the last batch did not say that there was nothing more
}

// Stream implements capture.Source.
func (s *source) Stream(ctx context.Context, out chan<- *changelog.Batch) error {
	const op = "starting the WAL stream"
	if s.cfg.Streaming {
		held := newSpool(s.cfg.SpoolDir, s.cfg.SpoolMemory)
		if err := held.try(); err != nil {
			return err
		}
	}
	beat := s.cfg.HeartbeatInterval
	timeout := time.Duration(s.facts.integer("wal_sender_timeout", 60_000)) * time.Millisecond
	if timeout > 0 {
		beat = min(beat, timeout/4)
	}
	r, err := newWALReader(s.repl.pg, &s.flushed, beat, max(3*beat, timeout, silence))
	if err != nil {
		return serverFault(op, err)
	}
	s.wal = r
	defer context.AfterFunc(ctx, r.interrupt)()
	s.watches.attach(r.nudge)
	defer s.watches.forget()
	if err := r.start(s.startCommand()); err != nil {
		return startFault(op, cause(ctx, err))
	}
	watching, stop := context.WithCancel(ctx)
	var watcher sync.WaitGroup
	watcher.Go(func() { s.watch(watching) })
	defer watcher.Wait()
	defer stop()
	st := newStream(s, r, out)
	defer st.close()
	err = st.run(ctx)
	r.broken = r.broken || ctx.Err() == nil
	return cause(ctx, err)
}

// startCommand asks for the log behind the position, as text, and for nothing that only newer servers send.
func (s *source) startCommand() string {
	options := []string{"proto_version '1'", "publication_names " + quote(identifier(s.cfg.Publication))}
	if s.cfg.Streaming {
		options[0] = "proto_version '2', streaming 'on'"
	}
	if s.cfg.Messages {
		options = append(options, "messages 'true'")
	}
	if s.cfg.Origin != originAny {
		options = append(options, "origin "+quote(s.cfg.Origin))
	}
	return fmt.Sprintf("START_REPLICATION SLOT %s LOGICAL %s (%s)", identifier(s.cfg.Slot), s.from.lsn, strings.Join(options, ", "))
}

func newStream(src *source, r *walReader, out chan<- *changelog.Batch) *stream {
	now := time.Now()
	s := &stream{src: src, cfg: src.cfg, log: src.env.Log, r: r, out: out, batch: changelog.NewBatch(), pos: *src.from, sent: now, looked: now, urged: src.from.lsn}
	s.tables = newRegistry(src, src)
	s.spool = newSpool(src.cfg.SpoolDir, src.cfg.SpoolMemory)
	s.stats = *src.stats.Load()
	s.txn.resume = src.from.txn
	s.pos.timeline = src.facts.timeline
	return s
}

func (s *stream) close() {
	if s.batch != nil {
		s.batch.Release()
	}
	s.spool.close()
}

func (s *stream) run(ctx context.Context) error {
	s.done = ctx.Done()
	s.timer = time.NewTimer(time.Hour)
	s.timer.Stop()
	for {
		f, err := s.next(ctx)
		if err != nil && state(err) == undefinedObject {
			err = errors.Join(s.checkPublications(ctx), err)
		}
		if err != nil {
			return err
		}
		if err := s.frame(ctx, f); err != nil {
			return s.located(err)
		}
		if s.due() {
			if err := s.emit(ctx, s.atEnd && !s.queued); err != nil {
				return err
			}
		}
	}
}

// undefinedObject is the SQLSTATE with which a server before PostgreSQL 18 meets a publication that is gone.
const undefinedObject = "42704"

// located adds where in the log a message went wrong.
func (s *stream) located(err error) error {
	if s.at == 0 {
		return serverFault("reading the WAL stream", err)
	}
	return fmt.Errorf("at %s: %w", s.at, serverFault("reading the WAL stream", err))
}

// next waits for a message. When none is there, what has been read may go out first.
func (s *stream) next(ctx context.Context) (frame, error) {
	for {
		ready, err := s.r.arrived(!s.atEnd)
		if err != nil {
			return frame{}, serverFault("reading the WAL stream", err)
		}
		s.queued = ready
		if !ready {
			if err := s.drained(ctx); err != nil {
				return frame{}, err
			}
		}
		wait, err := s.patience()
		if err != nil {
			return frame{}, err
		}
		f, err := s.r.next(wait)
		if err == nil {
			s.stats.Events++
			return f, nil
		}
		if !errors.Is(err, errNothing) {
			return frame{}, serverFault("reading the WAL stream", err)
		}
	}
}

// moveTo is the position between two transactions.
func (s *stream) moveTo(lsn pglogrepl.LSN) {
	if lsn > s.pos.lsn {
		s.pos.lsn, s.moved = lsn, true
	}
}

// frame handles one frame of the walsender.
func (s *stream) frame(ctx context.Context, f frame) error {
	switch f.kind {
	case 'k':
		return s.keepalive(f)
	case 'N':
		return s.notice(ctx)
	}
	s.at, s.atEnd = f.start, false
	head, err := s.r.peek(5)
	if err != nil {
		return err
	}
	if s.spool.block != nil {
		return s.inBlock(head)
	}
	switch t := messageType(head[0]); t {
	case messageInsert, messageUpdate, messageDelete:
		oid, err := relationOf(head)
		if err != nil {
			return err
		}
		return s.row(ctx, f, t, oid)
	}
	body, err := s.r.body()
	if err != nil {
		return err
	}
	return s.control(ctx, body)
}

// keepalive learns how far the server has read its log. Everything before was sent, so between two transactions that is
// where to resume. A server that has sent something sends one when it has read all of its log (WalSndWaitForWal); those that it sends for other
// reasons say it falsely, and then something goes out sooner than need be.
func (s *stream) keepalive(f frame) error {
	if s.txn.active {
		return nil
	}
	s.atEnd = s.spool.block == nil
	if p := s.txn.resume; p != nil {
		if f.end > p.commit {
			return p.missing()
		}
		return nil
	}
	s.moveTo(f.end)
	// A server asks when it has not heard from us for long, which our reports prevent, or when it shuts down and waits
	// until all that it sent is committed.
	s.urgent = s.urgent || f.reply && s.moved
	return nil
}

// notice makes sure that what the server warns of is not that it leaves out a publication.
func (s *stream) notice(ctx context.Context) error {
	body, err := s.r.body()
	if err != nil {
		return err
	}
	var n pgproto3.NoticeResponse
	if err := n.Decode(body); err != nil {
		return protocolFault("a notice that cannot be read: %w", err)
	}
	s.log.Warn("the server warns", "severity", n.SeverityUnlocalized, "message", n.Message, "detail", n.Detail, "code", n.Code)
	return s.checkPublications(ctx)
}

// row handles an Insert, Update or Delete.
func (s *stream) row(ctx context.Context, f frame, t messageType, oid uint32) error {
	if !s.txn.active {
		return badMessage(nil, "a row stands outside of a transaction")
	}
	m, err := s.related(ctx, oid)
	if err != nil {
		return err
	}
	if m.entry == nil {
		return s.r.skip()
	}
	if err := s.makeRoom(ctx, f.size); err != nil {
		return err
	}
	body, err := s.r.keep(s.batch)
	if err != nil {
		return err
	}
	return s.append(ctx, event{table: m.entry, shape: m.shape, kind: t, data: body, pos: f.start})
}

// control handles the messages that are no rows.
func (s *stream) control(ctx context.Context, body []byte) error {
	switch messageType(body[0]) {
	case messageBegin:
		b, err := parseBegin(body)
		if err != nil {
			return err
		}
		return s.begin(ctx, b)
	case messageCommit:
		c, err := parseCommit(body)
		if err != nil {
			return err
		}
		return s.end(ctx, c)
	case messageOrigin:
		o, err := parseOrigin(body)
		if err != nil {
			return err
		}
		s.txn.replica, s.txn.replicaLSN = append(s.txn.replica[:0], o.Name...), o.LSN
		return nil
	case messageRelation:
		return s.tables.relation(body)
	case messageTypeName:
		t, err := parseType(body)
		if err != nil {
			return err
		}
		s.tables.types.named(t.OID, string(t.Schema), string(t.Name))
		return nil
	case messageTruncate:
		return s.truncate(ctx, body)
	case messageLogical:
		return s.logical(ctx, body)
	case messageStreamAbort: // may come without streaming, too: see abortStreamed
		return s.streamed(ctx, body)
	case messageStreamStart, messageStreamStop, messageStreamCommit:
		if s.cfg.Streaming {
			return s.streamed(ctx, body)
		}
	}
	return refuseMessage(body)
}

// logical handles a message that somebody wrote into the log. One outside of a transaction is at its place between two.
func (s *stream) logical(ctx context.Context, body []byte) error {
	m, err := parseLogical(body)
	if err != nil || !s.cfg.Messages {
		return err
	}
	ev := event{table: &s.tables.messages, kind: messageLogical, data: s.batch.Copy(body), pos: s.at}
	switch {
	case m.Transactional != s.txn.active:
		return badMessage(body, "a logical message stands on the wrong side of a transaction's bounds")
	case !m.Transactional:
		s.moveTo(s.at) // where its record ends: from any place before, the server may send it again
		return s.note(ev)
	}
	return s.append(ctx, ev)
}
