package kafkawire

import (
	"context"
	"errors"
	"fmt"

	"cdcbridge/internal/fault"
)

// leaderGroup bounds the partitions of one request to a leader: what it answers about each may be long, and memory is counted.
const leaderGroup = 256

// led is one of the partitions that a leader is asked about.
type led struct {
	index int   // in the caller's list
	epoch int32 // of the leader
}

// question is what the leaders of some partitions are asked, or told.
type question struct {
	call Call   // judges the codes
	op   string // in the gerund
	once bool   // a call without an answer is not repeated
	// ask makes the call to one leader and returns a code for each partition of the group. An error is about all of them.
	ask func(ctx context.Context, leader int32, group []led) ([]Code, error)
}

// atLeaders asks the leaders of parts, and asks again about those partitions whose answer is retriable until ctx ends.
func (c *Client) atLeaders(ctx context.Context, parts []TopicPartition, q question) error {
	waiting := make([]int, len(parts))
	for i := range waiting {
		waiting[i] = i
	}
	for attempt := 0; len(waiting) > 0; attempt++ {
		r := round{q: q, parts: parts}
		if err := r.run(ctx, c, waiting); err != nil {
			return err
		}
		if waiting = r.again; len(waiting) > 0 && Pause(ctx, backoff(attempt)) != nil {
			return fmt.Errorf("%s: %w", q.op, r.last)
		}
	}
	return nil
}

// round asks each leader once.
type round struct {
	q     question
	parts []TopicPartition
	again []int // what must be asked again
	last  error // and why
}

// run returns what ends the whole.
func (r *round) run(ctx context.Context, c *Client, waiting []int) error {
	names := topicsOf(r.parts, waiting)
	meta, err := c.Metadata(ctx, names...)
	if err != nil {
		return r.failed(ctx, err, waiting...)
	}
	byLeader := map[int32][]led{}
	var order []int32 // requests must not depend on the order of a map
	for _, i := range waiting {
		leader, epoch, code := meta.Leader(r.parts[i])
		if code != OK {
			if err := r.failed(ctx, ReadFault("finding the leader of "+r.parts[i].String(), code), i); err != nil {
				return err
			}
			continue
		}
		if len(byLeader[leader]) == 0 {
			order = append(order, leader)
		}
		byLeader[leader] = append(byLeader[leader], led{i, epoch})
	}
	for _, leader := range order {
		for all := byLeader[leader]; len(all) > 0; {
			group := all[:min(len(all), leaderGroup)]
			all = all[len(group):]
			if err := r.ask(ctx, leader, group); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r *round) ask(ctx context.Context, leader int32, group []led) error {
	codes, err := r.q.ask(ctx, leader, group)
	if err != nil {
		indexes := make([]int, len(group))
		for k := range group {
			indexes[k] = group[k].index
		}
		if r.q.once && !IsUnsent(err) {
			return err
		}
		return r.failed(ctx, err, indexes...)
	}
	for k, code := range codes {
		if code == OK {
			continue
		}
		f, verdict := judged(r.q.call, r.q.op+" of "+r.parts[group[k].index].String(), code)
		if verdict == Final || verdict == Reopen || verdict == Split {
			return f
		}
		if err := r.failed(ctx, f, group[k].index); err != nil {
			return err
		}
	}
	return nil
}

// failed notes that partitions must be asked about again, and returns the error when that is of no use.
func (r *round) failed(ctx context.Context, err error, indexes ...int) error {
	if r.again, r.last = append(r.again, indexes...), err; fault.IsFinal(err) || errors.Is(ctx.Err(), context.Canceled) {
		return err
	}
	return nil
}

// topicsOf returns the names of the topics of parts[which...], each once.
func topicsOf(parts []TopicPartition, which []int) []string {
	groups := groupByTopic(len(which), func(i int) string { return parts[which[i]].Topic })
	names := make([]string, len(groups))
	for i, g := range groups {
		names[i] = parts[which[g[0]]].Topic
	}
	return names
}
