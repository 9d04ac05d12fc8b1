package upsert

import (
	"context"
	"errors"
	"fmt"
	"time"

	"cdcbridge/changelog"
	"cdcbridge/internal/fault"
	"cdcbridge/internal/kafkawire"
)

// PutEntry writes one entry into the committed state of a pipeline from outside: of a pipeline that runs somewhere, whose Tail
// then has it, or of one that is stopped, whose next Open has it. It writes outside transactions and disturbs nobody. When it
// returns nil all in-sync replicas have the entry; after an error it may or may not be there, and the same call may be made
// again. A pipeline without a checkpoint is a state_missing fault.
func PutEntry(ctx context.Context, wire kafkawire.Config, cfg Config, pipeline string, e changelog.State) error {
	w := newEntryWriter(wire, cfg, pipeline)
	defer w.wire.Close()
	if _, err := w.mustRead(ctx); err != nil {
		return err
	}
	return w.put(ctx, e)
}

// ReadCheckpoint returns the committed checkpoint of a pipeline, whether it runs or not. It changes nothing and disturbs nobody. A
// pipeline without a checkpoint is a state_missing fault.
func ReadCheckpoint(ctx context.Context, wire kafkawire.Config, cfg Config, pipeline string) (changelog.Checkpoint, error) {
	w := newEntryWriter(wire, cfg, pipeline)
	defer w.wire.Close()
	reader, err := w.mustRead(ctx)
	if err != nil {
		return changelog.Checkpoint{}, err
	}
	return reader.state.checkpoint(), nil
}

const (
	opPutEntry  = "writing to the state of a pipeline"
	opReadState = "reading the state of a pipeline"
)

type entryWriter struct {
	wire     *kafkawire.Client
	cfg      Config
	pipeline string
	at       kafkawire.TopicPartition
}

func newEntryWriter(wire kafkawire.Config, cfg Config, pipeline string) *entryWriter {
	at := kafkawire.TopicPartition{Topic: cfg.StateTopic, Partition: statePartition(pipeline)}
	return &entryWriter{wire: kafkawire.NewClient(wire), cfg: cfg, pipeline: pipeline, at: at}
}

// mustRead reads the state and makes sure that the pipeline has a committed checkpoint, so that a wrong name is no request into the void.
func (w *entryWriter) mustRead(ctx context.Context) (*stateReader, error) {
	missing := func(what string) (*stateReader, error) {
		return nil, fault.NewFinal(fault.StateMissing, opReadState, errors.New(what),
			"Check kafka.state_topic, kafka.brokers and the pipeline's name: it must have run once with this configuration.")
	}
	ctx, cancel := context.WithTimeoutCause(ctx, createPatience, errTooLate)
	defer cancel()
	finder := Sink{wire: w.wire, cfg: w.cfg}
	meta, err := finder.findTopic(ctx, w.cfg.StateTopic, false)
	switch {
	case err != nil:
		return nil, err
	case meta == nil:
		return missing("the state topic " + w.cfg.StateTopic + " does not exist")
	case len(meta.Partitions) != statePartitions:
		return missing(fmt.Sprintf("the topic %s has %d partitions: it is no state topic", w.cfg.StateTopic, len(meta.Partitions)))
	}
	reader := newStateReader(w.wire, w.at, w.pipeline)
	if err := reader.readToEnd(ctx); err != nil {
		return nil, err
	}
	if reader.state.pos == "" {
		return missing(fmt.Sprintf("the pipeline %s has no checkpoint in %s", w.pipeline, w.cfg.StateTopic))
	}
	return reader, nil
}

// put writes the entry. The same entry twice is the same as once, so it is sent again after any doubt.
func (w *entryWriter) put(ctx context.Context, e changelog.State) error {
	scribe := stateScribe{pipeline: w.pipeline}
	if err := scribe.entry(e); err != nil {
		return err
	}
	features, err := w.wire.Features(ctx)
	if err != nil {
		return err
	}
	part := stateParts(&Topic{Name: w.at.Topic}, w.at.Partition, scribe.recs, time.Now().UnixMilli())[0]
	part.Header.Producer, part.Header.Sequence = kafkawire.NoProducer, -1
	kafkawire.SealBatch(part.Batch, &part.Header)
	ctx, cancel := context.WithTimeoutCause(ctx, createPatience, errTooLate)
	defer cancel()
	for times := 0; ; times++ {
		err := w.produce(ctx, features.Protocol(), part.Batch)
		if err == nil || fault.IsFinal(err) {
			return err
		}
		if werr := kafkawire.Pause(ctx, min(shortPause<<min(times, 8), longPause)); werr != nil {
			return tooLate(werr, err)
		}
	}
}

// produce makes one attempt. An error that is not final heals.
func (w *entryWriter) produce(ctx context.Context, proto kafkawire.Protocol, batch []byte) error {
	meta, err := w.wire.Metadata(ctx, w.at.Topic)
	if err != nil {
		return err
	}
	leader, _, code := meta.Leader(w.at)
	if code == kafkawire.OK {
		results, err := w.wire.Produce(ctx, leader, &kafkawire.ProduceRequest{
			Protocol: proto, Timeout: entryTimeout,
			Parts: []kafkawire.ProducePart{{Topic: w.at.Topic, Partition: w.at.Partition, Batch: batch}},
		})
		if err != nil {
			return err
		}
		code = results[0].Code
	}
	switch verdict, _ := kafkawire.Judge(kafkawire.CallProduce, proto, code); verdict {
	case kafkawire.Done:
		return nil
	case kafkawire.ResendSame, kafkawire.BackoffRepeat, kafkawire.RefreshMetadata:
		return kafkawire.CodeFault(opPutEntry, code)
	}
	f := kafkawire.CodeFault(opPutEntry, code)
	f.Final = true
	return f
}

// entryTimeout is how long a broker waits for the replicas of an entry.
const entryTimeout = 10 * time.Second

// AwaitRemoval waits until the committed state of a pipeline has no entry with that key: until the pipeline has done what a
// request asks for. It looks about every interval until ctx ends.
func AwaitRemoval(ctx context.Context, wire kafkawire.Config, cfg Config, at EntryAt) error {
	client := kafkawire.NewClient(wire)
	defer client.Close()
	reader := newStateReader(client, kafkawire.TopicPartition{Topic: cfg.StateTopic, Partition: statePartition(at.Pipeline)}, at.Pipeline)
	for {
		if err := reader.readToEnd(ctx); err != nil {
			return err
		}
		if _, there := reader.state.entries[at.Key]; !there {
			return nil
		}
		if err := kafkawire.Pause(ctx, at.Every); err != nil {
			return err
		}
	}
}

// EntryAt names an entry and says how often it is looked at.
type EntryAt struct {
	Pipeline, Key string
	Every         time.Duration
}
