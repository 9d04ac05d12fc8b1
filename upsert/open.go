package upsert

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"cdcbridge/changelog"
	"cdcbridge/internal/fault"
	"cdcbridge/internal/kafkawire"
)

// Open takes the pipeline over and returns its committed checkpoint; an empty Pos means that there is none.
//
// The order matters: a successor of ours is left alone (a first look at the state), then what Kafka has decided and not ended
// is ended, then InitProducerID fences and aborts whoever wrote before, then the state partition is read to its end, so that
// nothing of the old writer can come after what we have read. The pins are checked before anything is touched, and once more
// with those that the old writer may have added.
func (s *Sink) Open(ctx context.Context) (changelog.Checkpoint, error) {
	if s.txn != nil {
		return changelog.Checkpoint{}, misuse("opening the sink", "it was opened before")
	}
	features, err := s.wire.Features(ctx)
	if err != nil {
		return changelog.Checkpoint{}, err
	}
	if s.state, err = s.openStateTopic(ctx); err != nil {
		return changelog.Checkpoint{}, err
	}
	s.reader = newStateReader(s.wire, s.stateAt(), s.id.Pipeline)
	if err := s.refuseSuccessor(ctx); err != nil {
		return changelog.Checkpoint{}, err
	}
	if err := s.checkPins(ctx); err != nil {
		return changelog.Checkpoint{}, err
	}
	txn := &producer{
		wire: s.wire, txnID: s.transactionalID(), timeout: s.cfg.TransactionTimeout, proto: features.Protocol(), counters: &s.counters,
	}
	newest, err := txn.takeOver(ctx, s.endLost)
	if err != nil {
		return changelog.Checkpoint{}, err
	}
	// Nothing is left open now, but if the old writer and Kafka have brought it about between two requests of ours.
	if err := s.endLost(ctx, txn, kafkawire.TransactionState{State: "Empty", Producer: txn.id}); err != nil {
		return changelog.Checkpoint{}, err
	}
	s.former, s.opened = append(s.producers(newest), txn.id.ID), txn.id
	state := s.reader.state
	s.seen, s.pos, s.openedAt = state.claim, state.pos, s.reader.reader.Offset()
	txn.routes = newRoutes(s.wire, s.pins)
	if txn.state, err = txn.routes.lane(s.state, s.stateAt().Partition); err != nil {
		return changelog.Checkpoint{}, err
	}
	s.counters.protocol.Store(txn.proto.String())
	s.txn = txn
	return state.checkpoint(), nil
}

func (s *Sink) transactionalID() string { return s.cfg.TransactionalIDPrefix + s.id.Pipeline }

func (s *Sink) stateAt() kafkawire.TopicPartition {
	return kafkawire.TopicPartition{Topic: s.cfg.StateTopic, Partition: statePartition(s.id.Pipeline)}
}

// refuseSuccessor reads the state to its end and stops for good when another instance has taken the pipeline over from this
// process. Without it a daemon that was frozen or cut off would, when it comes back, fence the one that replaced it.
func (s *Sink) refuseSuccessor(ctx context.Context) error {
	if err := s.reader.readToEnd(ctx); err != nil {
		return err
	}
	if claim := s.reader.state.claim; claim.supersedes(s.id.Instance) {
		return fencedFault("opening the checkpoint", claim, nil)
	}
	return nil
}

// checkPins holds every durable pin of the state that was read against what the cluster has now.
func (s *Sink) checkPins(ctx context.Context) error {
	s.pins = newPinBook(s.reader.state.pins)
	pins := s.pins.all()
	if len(pins) == 0 {
		return nil
	}
	names := make([]string, len(pins))
	for i := range pins {
		names[i] = pins[i].topic
	}
	meta, err := s.wire.Rights(ctx, names...)
	if err != nil {
		return err
	}
	for _, n := range pins {
		if n.Group != "" { // its loss ends nothing: see group.go
			if found := meta.Topic(n.topic); !mayWatch(found) || n.check(n.topic, found) != nil {
				s.pins.forget(n.topic)
			}
			continue
		}
		if err := confirmed(ctx, s.wire, n.topic, n.pin, meta.Topic(n.topic)); err != nil {
			return err
		}
	}
	return nil
}

// stateReader keeps the newest committed record of each key and can be asked again for what has come since. Only the newest
// ones are interpreted: an older one may be from another release, or damaged and since removed.
type stateReader struct {
	reader   *kafkawire.UndecidedReader
	pipeline string
	newest   map[string]heldState // by key
	state    *pipelineState
}

type heldState struct {
	offset int64
	value  []byte // nil: a tombstone
}

func newStateReader(wire *kafkawire.Client, at kafkawire.TopicPartition, pipeline string) *stateReader {
	// Other pipelines' records are dropped unread; a key that is not ours at all is kept, for apply to complain.
	ours := func(key []byte) bool {
		var k stateKey
		return json.Unmarshal(key, &k) != nil || k.Pipeline == pipeline || k.Pipeline == ""
	}
	return &stateReader{reader: wire.NewUndecidedReader(at, ours), pipeline: pipeline, newest: map[string]heldState{}}
}

// readToEnd reads what has been committed since the last call and interprets the whole anew.
func (r *stateReader) readToEnd(ctx context.Context) error {
	err := r.reader.ReadToEnd(ctx, func(rec *kafkawire.FetchedRecord) error {
		if old, ok := r.newest[string(rec.Key)]; !ok || rec.Offset > old.offset { // they come as they are decided
			r.newest[string(rec.Key)] = heldState{rec.Offset, bytes.Clone(rec.Value)}
		}
		return nil
	})
	if err != nil && fault.As(err) == nil {
		return fmt.Errorf("reading the state topic: %w", err)
	}
	if err != nil {
		return err
	}
	keys := slices.SortedFunc(maps.Keys(r.newest), func(a, b string) int { return cmp.Compare(r.newest[a].offset, r.newest[b].offset) })
	r.state = newPipelineState()
	for _, key := range keys {
		held := r.newest[key]
		if err := r.state.apply(r.pipeline, held.offset, []byte(key), held.value); err != nil {
			return err
		}
	}
	return nil
}
