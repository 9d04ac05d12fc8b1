package upsert

// This file is the one place that ends all keys of a table: what a truncation of it means for compacted topics, where its
// rows would stay for ever.
//
// The keys are those that the topics hold. So everything before the truncation is committed first; then each partition is read
// to its end, twice: once for which keys have a value, of which only hashes are kept, and once for these keys themselves, each of
// which gets its end. What is written is committed now and then with the checkpoint from before the truncation: after a crash
// the same is done again, for the keys that are left, so that each gets one end. The last of them are in the transaction with the
// position behind the truncation.

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"strings"
	"time"

	"cdcbridge/changelog"
	"cdcbridge/formats"
	"cdcbridge/internal/fault"
	"cdcbridge/internal/kafkawire"
)

// PolicyTombstone is the policy of a changelog.Truncate note that wants all keys of the table to be ended.
const PolicyTombstone = "tombstone"

// Truncation is one table in one compacted topic whose keys end. It borrows nothing from a batch.
type Truncation struct {
	plan       *Plan
	ender      formats.Ender // makes the records of the deletes; nil: the format has none, or nothing is known of the table
	deletes    extraHeaders
	tombstones extraHeaders
	ctx        formats.Context
	shard      string // of a topic that others are in too: only keys that begin with it, which HeaderShard says
}

// Truncations finds the keys that a batch ends. Such a note comes before all changes of its batch: what is before it is then
// in the checkpoint that is committed before the keys are looked for. seq is the number of the batch in this attempt.
func (p *Planner) Truncations(ctx context.Context, b *changelog.Batch, seq uint64) ([]Truncation, error) {
	var list []Truncation
	for i := range b.Notes {
		n := &b.Notes[i]
		if n.Kind != changelog.Truncate || n.Policy != PolicyTombstone {
			continue
		}
		if n.At != 0 || n.Table == nil {
			return nil, fault.NewFinal(fault.Internal, "planning a truncation", errors.New("changes come before it in its batch, or it names no table"), "Report this with the daemon's log.")
		}
		for k := range p.outputs {
			o := &p.outputs[k]
			if o.Mode != Upsert {
				continue
			}
			plan, err := p.tableOf(ctx, o, n.Table)
			if err != nil {
				return nil, fmt.Errorf("planning a truncation for output %s: %w", o.Name, err)
			}
			if plan == nil {
				continue
			}
			t := newTruncation(p.pipeline, plan, b, n)
			if t.ender, err = enderOf(plan); err != nil {
				return nil, fmt.Errorf("planning a truncation for output %s: %w", o.Name, err)
			}
			t.ctx.Seq = seq
			list = append(list, t)
		}
	}
	return list, nil
}

func newTruncation(pipeline string, plan *Plan, b *changelog.Batch, n *changelog.Note) Truncation {
	r := recordOf(b, n.Record)
	t := Truncation{plan: plan, shard: strings.Clone(plan.shardOf(r))}
	txn := changelog.Txn{Commit: n.Time}
	if n.Txn >= 0 {
		txn = b.Txns[n.Txn]
		txn.ID, txn.Origin, txn.Done, txn.Snapshot = strings.Clone(txn.ID), txn.Origin.Clone(), nil, false
	}
	t.ctx = formats.Context{Txn: &txn, Run: &changelog.Run{Table: plan.Table, Pos: n.Pos, File: strings.Clone(n.File), Time: n.Time}}
	t.deletes, t.tombstones = endHeaders(pipeline, plan, r, "d"), endHeaders(pipeline, plan, r, opTombstone)
	return t
}

// enderOf finds what makes the deletes of a table; nil: the format has no record for them. A format that has one needs no more of a table
// than its name.
func enderOf(plan *Plan) (formats.Ender, error) {
	enc := plan.encoder
	if enc == nil {
		var err error
		enc, err = plan.Output.Format.Compile(plan.Table, formats.Options{Topic: plan.Topic.Name, Upsert: true, Ends: true})
		if fault.Is(err, fault.SchemaUnknown) && !plan.Output.NoTombstones {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
	}
	ender, _ := enc.(formats.Ender)
	return ender, nil
}

// endHeaders are those of the records that end a key. They have no transaction and number, for they are no changes of a log.
func endHeaders(pipeline string, plan *Plan, r *changelog.Record, op string) extraHeaders {
	h := extraHeaders{bytes: tableHeaders(pipeline, plan.Table), count: 3 + plan.more.count}
	if plan.sharded {
		h.bytes = kafkawire.AppendRecordHeader(h.bytes, HeaderShard, []byte(plan.shardOf(r)))
		h.count++
	}
	if r != nil {
		h.bytes = kafkawire.AppendRecordHeader(h.bytes, HeaderPos, appendRecordPlace(nil, r))
		h.count++
	}
	h.bytes = append(kafkawire.AppendRecordHeader(h.bytes, HeaderOp, []byte(op)), plan.more.bytes...)
	return h
}

// Truncate ends all keys of tables, each as a delete would, in the open transaction and in others before it. Nothing that is not
// committed may have been written. It returns when the first record was written that no commit covers, the zero time if none was.
func (s *Sink) Truncate(ctx context.Context, list []Truncation) (began time.Time, err error) {
	if !s.claimed || !s.began.IsZero() {
		return time.Time{}, misuse("ending the keys of a table", "the pipeline is not claimed, or there is something to commit")
	}
	if err := s.txn.awaitEnd(ctx); err != nil {
		return time.Time{}, s.judgeOwnership(ctx, err)
	}
	keys := make([][]keysOf, len(list))
	for i := range list {
		if keys[i], err = s.keysOf(ctx, &list[i]); err != nil {
			return time.Time{}, err
		}
	}
	for i := range list {
		for k := range keys[i] {
			if err := keys[i][k].endAll(ctx); err != nil {
				return time.Time{}, fmt.Errorf("ending the keys of %s in %s: %w", list[i].plan.Table.FullName(), list[i].plan.Topic.Name, err)
			}
		}
	}
	return s.began, nil
}

// keysOf finds out which records of which partitions must be read.
func (s *Sink) keysOf(ctx context.Context, t *Truncation) ([]keysOf, error) {
	at := partitionsOf(t.plan.Topic.Name, t.plan.Topic.Partitions)
	first, err := s.wire.ListOffsets(ctx, at, kafkawire.ReadUncommitted, kafkawire.EarliestOffset)
	if err != nil {
		return nil, err
	}
	ends, err := s.settledEnds(ctx, at)
	if err != nil {
		return nil, err
	}
	var keys []keysOf
	for i := range at {
		if first[i].Offset < ends[i] {
			keys = append(keys, keysOf{sink: s, t: t, start: kafkawire.Progress{TopicPartition: at[i], Offset: first[i].Offset}, end: ends[i]})
		}
	}
	return keys, nil
}

// between commits what is written, with the checkpoint that was committed last.
func (s *Sink) between(ctx context.Context) error {
	if _, err := s.commit(ctx, s.scribe(), changelog.Checkpoint{}, nil); err != nil {
		return s.judgeOwnership(ctx, err)
	}
	return nil
}

// settledEnds gives the ends of partitions in which nothing is undecided: all that we have committed can be read then.
func (s *Sink) settledEnds(ctx context.Context, at []kafkawire.TopicPartition) ([]int64, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, createPatience, errTooLate)
	defer cancel()
	for {
		stable, err := s.wire.ListOffsets(ctx, at, kafkawire.ReadCommitted, kafkawire.LatestOffset)
		if err != nil {
			return nil, err
		}
		last, err := s.wire.ListOffsets(ctx, at, kafkawire.ReadUncommitted, kafkawire.LatestOffset)
		if err != nil {
			return nil, err
		}
		ends, open := make([]int64, len(at)), -1
		for i := range at {
			if ends[i] = stable[i].Offset; stable[i].Offset < last[i].Offset {
				open = i
			}
		}
		if open < 0 {
			return ends, nil
		}
		if werr := kafkawire.Pause(ctx, confirmPause); werr != nil {
			return nil, tooLate(werr, fault.New(fault.TransactionsDown, "reading the keys of "+at[open].String(), errors.New("somebody else has an open transaction there"),
				"Nothing but this pipeline should write to the topic. The pipeline tries again."))
		}
	}
}

// keysOf are the keys of one partition that have a value.
type keysOf struct {
	sink  *Sink
	t     *Truncation
	start kafkawire.Progress
	end   int64
	live  map[keyHash]int64 // offset of the newest record
	parts partSet
	chunk Chunk
	value []byte
}

// keyHash stands for a key. Two keys have the same with a probability of 2^-128, as both halves are of seeds of their own.
type keyHash [2]uint64

var keySeeds = [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}

func hashOf(key []byte) keyHash {
	return keyHash{maphash.Bytes(keySeeds[0], key), maphash.Bytes(keySeeds[1], key)}
}

func (k *keysOf) endAll(ctx context.Context) error {
	defer func() { k.live = nil }()
	if err := k.find(ctx); err != nil {
		return err
	}
	return k.finish(ctx)
}

// find reads the partition for which keys have a value.
func (k *keysOf) find(ctx context.Context) error {
	k.live = map[keyHash]int64{}
	return k.read(ctx, func(r *kafkawire.FetchedRecord) error {
		switch {
		case !k.ours(r):
		case r.Value == nil:
			delete(k.live, hashOf(r.Key))
		default:
			k.live[hashOf(r.Key)] = r.Offset
		}
		return nil
	})
}

// ours reports a record of the table. In a topic that is the table's alone all are, whoever wrote them.
func (k *keysOf) ours(r *kafkawire.FetchedRecord) bool {
	if r.Key == nil || !k.t.plan.sharded {
		return r.Key != nil
	}
	shard, ok := r.Headers.Get(HeaderShard)
	return ok && string(shard) == k.t.shard
}

// finish reads the partition again and ends the keys that have a value.
func (k *keysOf) finish(ctx context.Context) error {
	if len(k.live) == 0 {
		return nil
	}
	k.parts.begin(&k.chunk, k.sink.codec)
	defer k.parts.drop()
	err := k.read(ctx, func(r *kafkawire.FetchedRecord) error {
		h := hashOf(r.Key)
		if newest, ok := k.live[h]; !ok || newest != r.Offset {
			return nil
		}
		delete(k.live, h)
		if err := k.finishKey(r); err != nil {
			return err
		}
		return k.write(ctx)
	})
	if err != nil {
		return err
	}
	if len(k.live) > 0 {
		return fault.New(fault.Kafka, "reading the keys of "+k.start.String(), fmt.Errorf("%d of them are no longer there", len(k.live)),
			"Records were deleted while the partition was read. The pipeline tries again.")
	}
	if err := k.parts.finish(); err != nil {
		return err
	}
	return k.write(ctx)
}

// read hands over the records of the partition up to its end.
func (k *keysOf) read(ctx context.Context, do func(*kafkawire.FetchedRecord) error) error {
	fetcher := k.sink.wire.NewFetcher(kafkawire.FetcherConfig{}, k.start)
	for {
		err := fetcher.Poll(ctx, func(r *kafkawire.FetchedRecord) error {
			if r.Offset >= k.end {
				return nil
			}
			return do(r)
		})
		if err != nil {
			return err
		}
		if fetcher.Progress()[0].Offset >= k.end {
			return nil
		}
		if err := k.rest(ctx); err != nil {
			return err
		}
	}
}

// rest ends a transaction that has become old: Kafka would end it otherwise.
func (k *keysOf) rest(ctx context.Context) error {
	if since := k.sink.OpenSince(); !since.IsZero() && time.Since(since) > k.sink.cfg.TransactionTimeout/3 {
		return k.sink.between(ctx)
	}
	return nil
}

// finishKey writes what ends the key of its newest record: the delete of the format, which says what the row was, and the tombstone.
func (k *keysOf) finishKey(r *kafkawire.FetchedRecord) error {
	t, now := k.t, time.Now()
	at := now.UnixMilli()
	if !t.plan.Topic.WallClock {
		at = min(at, t.ctx.Txn.Commit/1000)
	}
	add := func(value []byte, h *extraHeaders) error {
		rec := kafkawire.Record{Key: r.Key, Value: value, Headers: h.bytes, HeaderCount: h.count}
		return k.parts.add(t.plan.Topic, r.Partition, &rec, at)
	}
	if t.ender != nil {
		t.ctx.Now = now.UnixMicro()
		value, ok, err := t.ender.AppendEnd(k.value[:0], &t.ctx, r.Value)
		if err != nil {
			return fmt.Errorf("%s@%d: %w", k.start.String(), r.Offset, err)
		}
		if k.value = value; ok {
			if err := add(value, &t.deletes); err != nil {
				return err
			}
		}
	}
	if t.plan.Output.NoTombstones {
		return nil
	}
	return add(nil, &t.tombstones)
}

// write sends the parts that are full.
func (k *keysOf) write(ctx context.Context) error {
	if len(k.chunk.Parts) == 0 {
		return nil
	}
	if err := k.sink.Write(ctx, &k.chunk); err != nil {
		return err
	}
	k.chunk.Parts, k.chunk.Records, k.chunk.Bytes = k.chunk.Parts[:0], 0, 0
	return k.rest(ctx)
}
