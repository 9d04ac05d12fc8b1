package main

import (
	"context"
	"fmt"
	"hash/maphash"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"cdcbridge/integration/harness"
)

// topics lists the topics whose names begin with prefix.
func (s *stand) topics(ctx context.Context, prefix string) ([]string, error) {
	cl, err := kgo.NewClient(kgo.SeedBrokers(s.kafka.Brokers()...))
	if err != nil {
		return nil, err
	}
	defer cl.Close()
	all, err := kadm.NewClient(cl).ListTopics(ctx)
	if err != nil {
		return nil, fmt.Errorf("listing topics: %w", err)
	}
	names := slices.DeleteFunc(all.Names(), func(name string) bool { return !strings.HasPrefix(name, prefix) })
	if len(names) == 0 {
		return nil, fmt.Errorf("there is no topic %s*", prefix)
	}
	return names, nil
}

func (s *stand) deleteTopics(ctx context.Context, names ...string) error {
	cl, err := kgo.NewClient(kgo.SeedBrokers(s.kafka.Brokers()...))
	if err != nil {
		return err
	}
	defer cl.Close()
	res, err := kadm.NewClient(cl).DeleteTopics(ctx, names...)
	if err != nil {
		return fmt.Errorf("deleting topics: %w", err)
	}
	return res.Error()
}

// verify reads topics with an independent read_committed consumer: as many records as expected, none of them twice.
func (s *stand) verify(ctx context.Context, topics []string, want int64) error {
	seen := make(map[uint64]struct{}, want)
	seed := maphash.MakeSeed()
	var id []byte
	err := s.scan(ctx, func(r *kgo.Record) error {
		id = id[:0]
		for _, h := range r.Headers {
			if h.Key == "cdc.txn" || h.Key == "cdc.ord" || h.Key == "cdc.op" {
				id = append(append(id, h.Value...), 0)
			}
		}
		sum := maphash.Bytes(seed, id)
		if _, twice := seen[sum]; twice {
			return fmt.Errorf("%q is in %s again", id, r.Topic)
		}
		seen[sum] = struct{}{}
		return nil
	}, topics...)
	if err != nil {
		return err
	}
	if int64(len(seen)) != want {
		return fmt.Errorf("%d committed records in %d topics, want %d", len(seen), len(topics), want)
	}
	return nil
}

// scan calls f for each committed record of topics, up to their ends of this moment. Nobody may write meanwhile. A record is valid during
// the call.
func (s *stand) scan(ctx context.Context, f func(*kgo.Record) error, topics ...string) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Minute)
	defer cancel()
	cl, err := kgo.NewClient(kgo.SeedBrokers(s.kafka.Brokers()...), kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords(),
		kgo.ConsumeTopics(topics...), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchMaxBytes(64<<20), kgo.MetadataMinAge(100*time.Millisecond))
	if err != nil {
		return err
	}
	defer cl.Close()
	ends, err := harness.StableEnds(ctx, kadm.NewClient(cl), topics...)
	if err != nil {
		return err
	}
	type place struct {
		topic     string
		partition int32
	}
	left := map[place]int64{}
	ends.Each(func(o kadm.ListedOffset) {
		if o.Offset > 0 {
			left[place{o.Topic, o.Partition}] = o.Offset
		}
	})
	for len(left) > 0 {
		fetches := cl.PollFetches(ctx)
		if err := fetches.Err0(); err != nil {
			return fmt.Errorf("reading %v: %w", topics[:min(len(topics), 3)], err)
		}
		for it := fetches.RecordIter(); !it.Done(); {
			r := it.Next()
			if at := (place{r.Topic, r.Partition}); r.Offset+1 >= left[at] {
				delete(left, at)
			}
			if r.Attrs.IsControl() {
				continue
			}
			if err := f(r); err != nil {
				return err
			}
		}
	}
	return nil
}
