package kafka

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"cdcbridge/capture"
	"cdcbridge/changelog"
	"cdcbridge/formats"
	"cdcbridge/internal/kafkawire"
)

// sampler reads the newest records of topics, to find out what they are.
type sampler struct {
	wire     *kafkawire.Client
	reader   formats.Reader
	shapes   capture.Shapes
	readable readable
	topics   map[string]*sample
	filled   map[string]bool // topics that have offsets
}

// sample is what the newest records of one topic say.
type sample struct {
	records, bad int
	wrong        error // why the first of the bad ones cannot be read
	tables       map[string]*changelog.Table
}

// How much is read: the newest records of the first partitions of each topic, as far as that takes no longer.
const (
	sampledRecords    = 20
	sampledPartitions = 12
	sampledTime       = 10 * time.Second
	sampledBytes      = 256 << 10
)

func newSampler(cfg *Config, wire *kafkawire.Client) *sampler {
	s := &sampler{wire: wire, readable: readable{names: nameTable{}}, topics: map[string]*sample{}, filled: map[string]bool{}}
	s.reader = cfg.format.Reader(formats.ReaderOptions{Intern: s.shapes.Intern})
	return s
}

// read reads the newest records of the topics.
func (s *sampler) read(ctx context.Context, topics []kafkawire.Topic) error {
	var parts []kafkawire.TopicPartition
	for i := range topics {
		for n := range min(len(topics[i].Partitions), sampledPartitions) {
			parts = append(parts, kafkawire.TopicPartition{Topic: topics[i].Name, Partition: topics[i].Partitions[n].Index})
		}
	}
	firsts, ends, err := boundsOf(ctx, s.wire, parts, kafkawire.ReadCommitted)
	if err != nil {
		return err
	}
	var starts []kafkawire.Progress
	until := map[kafkawire.TopicPartition]int64{}
	for i, at := range parts {
		if first, end := firsts[i], ends[i]; first < end {
			starts = append(starts, kafkawire.Progress{TopicPartition: at, Offset: max(first, end-sampledRecords)})
			until[at], s.filled[at.Topic] = end, true
		}
	}
	if len(starts) == 0 {
		return nil
	}
	return s.fetch(ctx, starts, until)
}

func (s *sampler) fetch(ctx context.Context, starts []kafkawire.Progress, until map[kafkawire.TopicPartition]int64) error {
	f := s.wire.NewFetcher(kafkawire.FetcherConfig{PartitionBytes: sampledBytes}, starts...)
	ctx, cancel := context.WithTimeout(ctx, sampledTime)
	defer cancel()
	for {
		if err := f.Poll(ctx, s.record); err != nil {
			if errors.Is(ctx.Err(), context.DeadlineExceeded) && len(s.topics) > 0 {
				return nil // what was read says enough
			}
			return fmt.Errorf("reading the newest records: %w", err)
		}
		if !slices.ContainsFunc(f.Progress(), func(p kafkawire.Progress) bool { return p.Offset < until[p.TopicPartition] }) {
			return nil
		}
	}
}

// record reads one record. Tombstones are left out: what they are about was said before.
func (s *sampler) record(r *kafkawire.FetchedRecord) error {
	t := s.topics[r.Topic]
	if t == nil {
		t = &sample{tables: map[string]*changelog.Table{}}
		s.topics[strings.Clone(r.Topic)] = t
	}
	t.records++
	if r.Value == nil {
		return nil
	}
	b := changelog.NewBatch()
	defer b.Release()
	if err := s.reader.Read(b, s.readable.of(r)); err != nil {
		if t.bad++; t.wrong == nil {
			t.wrong = atRecord(r, err)
		}
		return nil
	}
	for i := range b.Runs {
		t.tables[b.Runs[i].Table.UniqueName()] = b.Runs[i].Table
	}
	return nil
}

var _ interface {
	capture.TableDescriber
	capture.TableLister
} = (*checker)(nil)

// Describe tells what the tables look like that the newest records of the topics are about. Those that only older records are about
// are not found. What Check has read is not read again.
func (c *checker) Describe(ctx context.Context) ([]*changelog.Table, error) {
	s := c.sampled
	if s == nil {
		var err error
		if s, err = c.sample(ctx); err != nil {
			return nil, err
		}
	}
	tables := map[string]*changelog.Table{}
	for _, name := range slices.Sorted(maps.Keys(s.topics)) {
		maps.Copy(tables, s.topics[name].tables)
	}
	all := make([]*changelog.Table, 0, len(tables))
	for _, name := range slices.Sorted(maps.Keys(tables)) {
		all = append(all, tables[name])
	}
	return all, nil
}

func (c *checker) sample(ctx context.Context) (*sampler, error) {
	wire := kafkawire.NewClient(c.cfg.wire())
	defer wire.Close()
	meta, err := wire.Metadata(ctx)
	if err != nil {
		return nil, fmt.Errorf("asking the cluster: %w", err)
	}
	topics, err := c.look(ctx, wire, meta.ClusterID)
	if err != nil {
		return nil, err
	}
	s := newSampler(c.cfg, wire)
	return s, s.read(ctx, topics)
}

// Tables implements capture.TableLister.
func (c *checker) Tables(ctx context.Context) ([]changelog.Table, error) {
	described, err := c.Describe(ctx)
	if err != nil {
		return nil, err
	}
	tables := make([]changelog.Table, len(described))
	for i, t := range described {
		tables[i] = *t
	}
	return tables, nil
}
