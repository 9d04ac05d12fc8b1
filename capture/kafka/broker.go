package kafka

import (
	"context"
	"time"

	"cdcbridge/internal/kafkawire"
)

// brokerReader is the goroutine of one broker.
type brokerReader struct {
	readers *readers
	id      int32
	wake    chan struct{}
	turn    int       // rotates the order of partitions: a broker answers the first ones of a request fully
	freed   time.Time // when something was last taken of its lanes
}

func (b *brokerReader) run(ctx context.Context) error {
	for ctx.Err() == nil {
		req, lanes := b.request()
		if len(lanes) == 0 {
			select {
			case <-b.wake:
			case <-ctx.Done():
			}
			continue
		}
		fetched, err := b.readers.wire.Fetch(ctx, b.id, req)
		if ctx.Err() != nil {
			return nil
		}
		if err := b.readers.answered(ctx, lanes, fetched, err); err != nil {
			return err
		}
	}
	return nil
}

// request asks for the lanes of the broker that have room. What is full is asked for again as soon as something of it was taken, so the
// others must not be waited for at the broker for long; but the longer nothing was, the longer.
func (b *brokerReader) request() (*kafkawire.FetchRequest, []*lane) {
	r := b.readers
	r.mu.Lock()
	defer r.mu.Unlock()
	req := &kafkawire.FetchRequest{Isolation: kafkawire.ReadCommitted, MaxWait: fetchWait, MinBytes: 1, MaxBytes: maxAnswer}
	var lanes []*lane
	full := false
	b.turn++
	for k := range r.lanes {
		l := r.lanes[(k+b.turn)%len(r.lanes)]
		if l.leader != b.id || l.held || l.dropped {
			continue
		}
		room := r.room(l)
		if l.asked || room == 0 {
			full = true
			continue
		}
		l.asked = true
		lanes = append(lanes, l)
		req.Parts = append(req.Parts, kafkawire.FetchPart{
			TopicPartition: l.at, ID: l.id, Offset: l.next, LeaderEpoch: l.leaderEpoch, LastEpoch: l.epoch, MaxBytes: room,
		})
	}
	if full {
		req.MaxWait = min(max(time.Since(b.freed), hurriedWait), fetchWait)
	}
	return req, lanes
}
