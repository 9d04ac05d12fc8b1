package upsert

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"cdcbridge/changelog"
	"cdcbridge/formats"
	"cdcbridge/internal/fault"
	"cdcbridge/internal/kafkawire"
	"cdcbridge/internal/shape"
)

// Plan is how one output writes one table version: everything that need not be decided per row.
type Plan struct {
	Output  *Output
	Table   *changelog.Table // as the output writes it
	Topic   *Topic
	Key     []int        // columns of the record key, in key order; empty: records without key
	shape   *shape.Shape // what becomes of its rows; nil: nothing
	sharded bool         // keys begin with what tells tables of several shards apart
	shard   string       // that, where it is not the topic of the record
	encoder formats.Encoder
	headers []byte // constant record headers, see headers.go
	lsns    bool   // each record has a position of its own
	links   keyLinks
	more    extraHeaders // of the format
	bare    bool         // a delete is the tombstone alone
	counts  bool         // the format numbers changes, and not each one leaves as one; see moves.go
	quiet   bool         // no record shows a statement
	outbox  *outboxPlan  // the rows are messages, and nothing of what is about keys and formats holds; nil: they are rows
	keyless int32        // partition of records without key: one per table, so that a table keeps its order
}

// keyLinks are how the halves of a key change refer to each other; without linker not at all.
type keyLinks struct {
	newKey, oldKey string
	linker         formats.KeyLinker
}

// TopicFunc finds, checks or creates a topic; Sink.Topic is the one.
type TopicFunc func(ctx context.Context, name string, o *Output) (*Topic, error)

// Planner compiles the plans of a pipeline's outputs. It belongs to one goroutine, the feeder, which may do I/O.
type Planner struct {
	pipeline string
	outputs  []Output
	rules    []TableRule
	topic    TopicFunc
	compiled [][]compiled     // by changelog.Table.ID, the newest first
	owners   map[place]string // the tables that keys of upsert outputs belong to
	sides    []*sideWriter
	like     map[likeness]formats.Encoder // one of each
	rows     map[string]bool              // topics that rows go to
	besides  map[string]*Output           // topics of records beside the rows → the output that writes them
	parking  *Output                      // of the dead-letter topic
	counting bool                         // some plan counts moves
	moves    moveCounter
	messages map[string]*Topic // topics of outboxes
	text     []byte            // scratch: what is to become the name of a topic, and that name
	name     []byte
}

type compiled struct {
	table *changelog.Table
	plans []*Plan
}

// place is where keys must be of one table: a topic, and what they begin with there.
type place struct{ topic, shard string }

// likeness is what an encoder depends on beside the name of its table.
type likeness struct {
	output   *Output
	columns  *changelog.Column // the first one; equal columns are the same for whole sources, see capture.Shapes
	count    int
	key      string
	origin   string
	inferred bool
}

// NewPlanner makes a planner.
func NewPlanner(pipeline string, outputs []Output, rules []TableRule, topic TopicFunc) *Planner {
	p := &Planner{
		pipeline: pipeline, outputs: outputs, topic: topic, rules: rules, owners: map[place]string{}, like: map[likeness]formats.Encoder{},
		rows: map[string]bool{}, besides: map[string]*Output{}, messages: map[string]*Topic{}, parking: deadLetter(outputs),
	}
	p.sides = p.newSideWriters()
	return p
}

// Plans gives the plans of every output that writes this table, compiling them when the table or its version is new.
func (p *Planner) Plans(ctx context.Context, t *changelog.Table) ([]*Plan, error) {
	for t.ID >= len(p.compiled) {
		p.compiled = append(p.compiled, nil)
	}
	for i := range p.compiled[t.ID] {
		if c := &p.compiled[t.ID][i]; c.table == t {
			return c.plans, nil
		}
	}
	var plans []*Plan
	for i := range p.outputs {
		o := &p.outputs[i]
		if !o.takes(t) {
			continue
		}
		plan, err := p.compile(ctx, t, o)
		if err != nil {
			return nil, fmt.Errorf("planning output %s of table %s: %w", o.Name, t.FullName(), err)
		}
		plans = append(plans, plan)
	}
	versions := slices.Insert(p.compiled[t.ID], 0, compiled{t, plans})
	p.compiled[t.ID] = versions[:min(len(versions), keptVersions)]
	return plans, nil
}

// keptVersions is how many versions of a table have their plans ready. A source that reads several topics may have several in turn.
const keptVersions = 8

func (p *Planner) compile(ctx context.Context, t *changelog.Table, o *Output) (*Plan, error) {
	if o.Outbox != nil {
		return p.compileOutbox(ctx, t, o)
	}
	w, err := p.written(t, o)
	if err != nil {
		return nil, err
	}
	topic, err := p.topic(ctx, w.topic, o)
	if err != nil {
		return nil, err
	}
	enc, err := p.encoder(w, o, topic)
	if err != nil {
		return nil, err
	}
	plan := &Plan{Output: o, Table: w.table, Topic: topic, Key: w.key, shape: w.shape, encoder: enc, headers: tableHeaders(p.pipeline, t), lsns: hasLSNs(t), sharded: o.KeyPrefix != "", shard: w.shard}
	plan.quiet = p.hides(o)
	plan.keyless = keylessPartition(t, topic)
	if l, ok := enc.(formats.KeyLinker); ok {
		plan.links.linker = l
		plan.links.newKey, plan.links.oldKey = l.KeyLinkHeaders()
	}
	if w, ok := enc.(formats.HeaderWriter); ok {
		plan.more = renderHeaders(w.RecordHeaders())
	}
	if c, ok := enc.(formats.MoveCounter); ok && (o.Mode == Upsert && len(plan.Key) > 0 || plan.shape.Filters()) {
		plan.counts = c.CountsMoves()
		p.counting = p.counting || plan.counts
	}
	if _, plan.bare = enc.(formats.TombstoneOnly); plan.bare && o.NoTombstones && o.Mode == Upsert {
		return nil, fault.NewFinal(fault.Config, "planning tombstones", errors.New("the format has no other record for a delete"),
			"Deletes would be lost: set tombstones_on_delete of the output to true.")
	}
	return plan, nil
}

// encoder compiles the encoder of a table, out of that of a table that is alike if there was one.
func (p *Planner) encoder(w written, o *Output, topic *Topic) (formats.Encoder, error) {
	t := w.table
	like := likeness{output: o, count: len(t.Columns), key: fmt.Sprint(w.key), origin: t.Origin, inferred: t.Inferred}
	if like.count > 0 {
		like.columns = &t.Columns[0]
	}
	enc, err := o.Format.Compile(t, formats.Options{Key: w.key, Topic: topic.Name, Upsert: o.Mode == Upsert, Like: p.like[like]})
	if err == nil && p.like[like] == nil {
		if len(p.like) >= keptLikes {
			clear(p.like)
		}
		p.like[like] = enc
	}
	return enc, err
}

// keptLikes bounds the memory of encoders for definitions that no table may have any more.
const keptLikes = 4096

// written is what becomes of a table in an output.
type written struct {
	table *changelog.Table // as the output writes it
	shape *shape.Shape
	key   []int
	topic string
	shard string // what its keys begin with; "": nothing, or the topic of the record
}

// written decides what becomes of a table in an output. It asks nobody.
func (p *Planner) written(t *changelog.Table, o *Output) (written, error) {
	rule := p.rule(t, o)
	key, err := rule.key(t, o)
	if err != nil {
		return written{}, err
	}
	w := written{table: t, key: key, topic: TopicName(o.Topic, p.pipeline, t)}
	if err := p.place(&w, t, o, &rule.Shape); err != nil {
		return written{}, err
	}
	return w, nil
}

// place gives a table the form that the output wants, and makes sure that its keys meet no others.
func (p *Planner) place(w *written, t *changelog.Table, o *Output, rules *shape.Rules) error {
	var err error
	if w.shape, err = shape.Compile(t, shape.Want{Key: w.key, Rules: rules, Metadata: o.Metadata, Upsert: o.Mode == Upsert}); err != nil {
		return err
	}
	if w.shape != nil {
		w.table, w.key = w.shape.Table, w.shape.Key
	}
	if o.KeyPrefix != "" {
		column, value, err := w.shape.Prefix(o.KeyPrefix)
		if err != nil {
			return err
		}
		if w.shard = value; len(w.key) > 0 { // a table without key has records without key
			w.key = append([]int{column}, w.key...)
		}
	}
	return p.own(w.topic, w.shard, t, o)
}

func keylessPartition(t *changelog.Table, topic *Topic) int32 {
	return kafkawire.PartitionOf([]byte(t.FullName()), topic.Partitions)
}

// own refuses that rows of two tables meet in one compacted topic, where equal keys would overwrite each other unless they begin
// with what tells the tables apart, shard; and that rows meet what is none.
func (p *Planner) own(topic, shard string, t *changelog.Table, o *Output) error {
	if p.besides[topic] != nil {
		return mixedFault(topic, t.FullName())
	}
	p.rows[topic] = true
	if o.Mode != Upsert {
		return nil
	}
	at, name := place{topic, shard}, t.UniqueName()
	if other, ok := p.owners[at]; ok && other != name {
		return fault.NewFinal(fault.Config, "routing tables to topics", fmt.Errorf("tables %s and %s would both be written to topic %s", other, name, topic),
			"Equal keys of two tables would overwrite each other: make the topic template tell them apart, begin the keys with what does (key_prefix), or use mode: changelog.")
	}
	p.owners[at] = name
	return nil
}

// ownSide refuses that rows meet what is none, and that two outputs write the same beside their rows.
func (p *Planner) ownSide(topic string, o *Output) error {
	if p.rows[topic] {
		return mixedFault(topic, "a table")
	}
	if other := p.besides[topic]; other != nil && other != o {
		return fault.NewFinal(fault.Config, "routing records beside the rows", fmt.Errorf("outputs %s and %s would both write them to topic %s", other.Name, o.Name, topic),
			"Each would be there twice: switch them off in one of the outputs, or give it another topic_prefix.")
	}
	p.besides[topic] = o
	return nil
}

func mixedFault(topic, table string) error {
	return fault.NewFinal(fault.Config, "routing tables to topics", fmt.Errorf("rows of %s would be written to topic %s, which holds records beside the rows", table, topic),
		"Readers of the rows would fail at the other records: make the output's topic template, or the options that name the other topic, tell them apart.")
}
