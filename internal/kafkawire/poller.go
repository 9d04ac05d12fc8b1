package kafkawire

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"cdcbridge/internal/fault"
)

// Limits of the fetch requests that readers make.
const (
	defaultFetchWait      = 500 * time.Millisecond
	defaultFetchBytes     = 16 << 20
	defaultPartitionBytes = 2 << 20
	fetchPatience         = 30 * time.Second // how long a partition may stay unreadable before that is an error
)

// cursor is where a poller stands in one partition.
type cursor struct {
	Progress
	id            TopicID   // of the topic, once looked up
	leader, epoch int32     // -1 until looked up
	lastEpoch     int32     // leader epoch of the batch before Offset, -1: not known
	failing       time.Time // since when it cannot be read, zero if it can
	why           error     // and why
}

// poller fetches some partitions from their leaders, following them as they move. Fetcher and UndecidedReader give what it
// reads a meaning. It is for one goroutine.
type poller struct {
	client    *Client
	isolation Isolation
	wait      time.Duration
	maxBytes  int32
	partBytes int32
	cursors   []cursor
	turn      int // rotates the order of partitions: a broker answers the first ones of a request fully
	failures  int // polls in a row in which some partition failed
}

// leaderAnswer is what one leader answered, or why it did not.
type leaderAnswer struct {
	group   []int
	fetched []Fetched
	err     error
}

// poll makes one round: a request to each leader, all at once. handle is called for each partition that has news, from the
// calling goroutine. Failures that heal by themselves are waited out in further rounds for fetchPatience.
func (p *poller) poll(ctx context.Context, handle func(*cursor, *Fetched) error) error {
	if err := p.findLeaders(ctx); err != nil {
		return err
	}
	groups := p.groups()
	answers := make(chan leaderAnswer, len(groups))
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var fetches sync.WaitGroup
	for leader, group := range groups {
		fetches.Go(func() { answers <- p.fetch(ctx, leader, group) })
	}
	failed := len(groups) == 0
	var first error
	for range len(groups) {
		a := <-answers
		if first != nil {
			continue // ending: the others have been cancelled
		}
		bad, err := p.handleAnswer(&a, handle)
		failed = failed || bad
		if err != nil {
			first = err
			cancel()
		}
	}
	fetches.Wait()
	if first != nil || !failed {
		p.failures = 0
		return first
	}
	p.failures++
	if err := Pause(ctx, backoff(p.failures)); err != nil {
		return cmp.Or(p.trouble(), err)
	}
	return nil
}

// trouble is why some partition cannot be read now, nil if all can.
func (p *poller) trouble() error {
	for i := range p.cursors {
		if err := p.cursors[i].why; err != nil {
			return err
		}
	}
	return nil
}

// findLeaders looks up the leaders of partitions that have none.
func (p *poller) findLeaders(ctx context.Context) error {
	var missing []int
	for i := range p.cursors {
		if p.cursors[i].leader < 0 {
			missing = append(missing, i)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	groups := groupByTopic(len(missing), func(i int) string { return p.cursors[missing[i]].Topic })
	names := make([]string, len(groups))
	for i, g := range groups {
		names[i] = p.cursors[missing[g[0]]].Topic
	}
	meta, err := p.client.Metadata(ctx, names...)
	for _, i := range missing {
		cur := &p.cursors[i]
		why := err
		if why == nil {
			var code Code
			if cur.leader, cur.epoch, code = meta.Leader(cur.TopicPartition); code != OK {
				why = ReadFault("finding the leader of "+cur.String(), code)
			} else {
				why = cur.identify(meta.Topic(cur.Topic).ID)
			}
		}
		if why != nil {
			if err := cur.fail(why); err != nil {
				return err
			}
		}
	}
	return nil
}

// identify makes sure that the topic is the one that was read before.
func (c *cursor) identify(id TopicID) error {
	if c.id != (TopicID{}) && c.id != id {
		return fault.NewFinal(fault.TopicReplaced, "reading "+c.String(), fmt.Errorf("the topic had the id %s and has %s now", c.id, id), "The topic was deleted and created again.")
	}
	c.id = id
	return nil
}

// fail notes that the partition cannot be read, and returns why once that is final or has lasted too long.
func (c *cursor) fail(why error) error {
	c.leader, c.why = -1, why
	if c.failing.IsZero() {
		c.failing = time.Now()
	}
	if fault.IsFinal(why) || errors.Is(why, context.Canceled) || time.Since(c.failing) > fetchPatience {
		return why
	}
	return nil
}

func (p *poller) groups() map[int32][]int {
	groups := map[int32][]int{}
	p.turn++
	for k := range p.cursors {
		i := (k + p.turn) % len(p.cursors)
		if leader := p.cursors[i].leader; leader >= 0 {
			groups[leader] = append(groups[leader], i)
		}
	}
	return groups
}

func (p *poller) fetch(ctx context.Context, leader int32, group []int) leaderAnswer {
	req := FetchRequest{Isolation: p.isolation, MaxWait: p.wait, MinBytes: 1, MaxBytes: p.maxBytes, Parts: make([]FetchPart, len(group))}
	for k, i := range group {
		cur := &p.cursors[i]
		req.Parts[k] = FetchPart{TopicPartition: cur.TopicPartition, ID: cur.id, Offset: cur.Offset, LeaderEpoch: cur.epoch, LastEpoch: cur.lastEpoch, MaxBytes: p.partBytes}
	}
	fetched, err := p.client.Fetch(ctx, leader, &req)
	return leaderAnswer{group: group, fetched: fetched, err: err}
}

// handleAnswer passes what was fetched on. bad says that some partition must be tried again later.
func (p *poller) handleAnswer(a *leaderAnswer, handle func(*cursor, *Fetched) error) (bad bool, err error) {
	for k, i := range a.group {
		cur := &p.cursors[i]
		why := a.err
		if why == nil && a.fetched[k].Code != OK {
			why = ReadFault("reading "+cur.String(), a.fetched[k].Code)
		}
		if why == nil && a.fetched[k].DivergedAt >= 0 {
			why = a.fetched[k].diverged(cur.TopicPartition, cur.Offset)
		}
		if why != nil {
			bad = true
			if err := cur.fail(why); err != nil {
				return bad, err
			}
			continue
		}
		got := &a.fetched[k]
		cur.failing, cur.why = time.Time{}, nil
		cur.HighWatermark, cur.LastStable, cur.LogStart = got.HighWatermark, got.LastStable, got.LogStart
		if err := handle(cur, got); err != nil {
			return bad, err
		}
	}
	return bad, nil
}
