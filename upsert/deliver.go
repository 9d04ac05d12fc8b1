package upsert

import (
	"context"
	"fmt"
	"sync"

	"cdcbridge/internal/fault"
	"cdcbridge/internal/kafkawire"
)

// maxRequest bounds the bytes of one Produce request; brokers refuse more than socket.request.max.bytes, 100 MiB by default.
// One larger batch travels alone.
const maxRequest = 32 << 20

// shipment is one Produce request and what became of it.
type shipment struct {
	broker  int32
	lanes   []*lane
	request kafkawire.ProduceRequest
	bytes   int
	results []kafkawire.ProduceResult
	err     error
}

// deliver sends the queues of all lanes, in rounds: the head of each, those of one leader in one request, the leaders in
// parallel. What failed in a way that may heal stays at the head of its queue.
func (p *producer) deliver(ctx context.Context, busy []*lane) error {
	var answered error
	for times := 0; len(busy) > 0; {
		shipments := p.load(busy)
		if len(shipments) == 0 { // nobody leads anything now
			err := fault.New(fault.Kafka, "writing to "+busy[0].at.Topic, kafkawire.LeaderNotAvailable, "A partition has no leader: start the brokers that hold its replicas.")
			if werr := p.rest(ctx, times, err); werr != nil {
				return werr
			}
			if rerr := p.refresh(ctx, err); rerr != nil {
				return rerr
			}
			times++
			continue
		}
		p.send(ctx, shipments)
		again, lost, err := p.judge(shipments)
		if err != nil {
			return err
		}
		if busy = pendingLanes(busy); again == nil {
			times = 0
			continue
		}
		if _, ok := codeOf(again); ok {
			answered = again
		}
		p.counters.repeated.Add(1)
		if werr := p.rest(ctx, times, reason(ctx, answered, again)); werr != nil {
			return werr
		}
		times++
		if lost {
			if rerr := p.refresh(ctx, again); rerr != nil {
				return rerr
			}
		}
	}
	return nil
}

// load seals the head of each lane and puts it into the request to its leader.
func (p *producer) load(busy []*lane) []*shipment {
	var shipments []*shipment
	txnID := "" // none outside of a transaction
	if p.phase == open {
		txnID = p.txnID
	}
	for _, l := range busy {
		if l.leader < 0 {
			continue
		}
		s := shipmentTo(shipments, l.leader)
		if s == nil {
			s = &shipment{broker: l.leader, request: kafkawire.ProduceRequest{Protocol: p.proto, TransactionalID: txnID, Timeout: p.attemptTime()}}
			shipments = append(shipments, s)
		}
		part := l.queue[0]
		if s.bytes > 0 && s.bytes+len(part.Batch) > maxRequest {
			continue // its turn comes in the next round
		}
		if !l.sealed {
			part.Header.Transactional, part.Header.Producer, part.Header.Sequence = p.phase == open, p.id, l.sequence
			kafkawire.SealBatch(part.Batch, &part.Header)
			l.sealed = true
		}
		s.bytes += len(part.Batch)
		s.lanes = append(s.lanes, l)
		s.request.Parts = append(s.request.Parts, kafkawire.ProducePart{Topic: l.at.Topic, Partition: l.at.Partition, Batch: part.Batch})
	}
	return shipments
}

func shipmentTo(shipments []*shipment, broker int32) *shipment {
	for _, s := range shipments {
		if s.broker == broker {
			return s
		}
	}
	return nil
}

// send makes the requests and returns when all are over.
func (p *producer) send(ctx context.Context, shipments []*shipment) {
	call := func(s *shipment) {
		attempt, cancel := context.WithTimeout(ctx, p.attemptTime())
		defer cancel()
		s.results, s.err = p.wire.Produce(attempt, s.broker, &s.request)
	}
	var wg sync.WaitGroup
	for _, s := range shipments[1:] {
		wg.Go(func() { call(s) })
	}
	call(shipments[0])
	wg.Wait()
}

// judge takes what was acknowledged off the queues. again is the reason why something has to be sent once more, lost says
// that leaders must be looked up for that.
func (p *producer) judge(shipments []*shipment) (again error, lost bool, err error) {
	for _, s := range shipments {
		if s.err != nil {
			if fault.IsFinal(s.err) {
				return nil, false, s.err
			}
			p.doubt(s.err)
			again, lost = s.err, true
			continue
		}
		for i, l := range s.lanes {
			code := s.results[i].Code
			verdict, _ := kafkawire.Judge(kafkawire.CallProduce, p.proto, code)
			switch verdict {
			case kafkawire.Done:
				p.acknowledge(l)
			case kafkawire.ResendSame, kafkawire.BackoffRepeat:
				again = produceFault(l, &s.results[i])
			case kafkawire.RefreshMetadata:
				again, lost = produceFault(l, &s.results[i]), true
			case kafkawire.Split:
				if err := p.split(l); err != nil {
					return nil, false, err
				}
			default:
				return nil, false, produceFault(l, &s.results[i])
			}
		}
	}
	return again, lost, nil
}

func (p *producer) acknowledge(l *lane) {
	part := l.queue[0]
	l.sequence = kafkawire.NextSequence(l.sequence, part.Header.Count)
	l.sealed = false
	if p.phase == open {
		l.txn = p.number
	}
	if l.queue = l.queue[1:]; len(l.queue) == 0 {
		l.queue = nil
	}
	p.counters.records.Add(uint64(part.Header.Count))
	p.counters.bytes.Add(uint64(len(part.Batch)))
}

func pendingLanes(busy []*lane) []*lane {
	left := busy[:0]
	for _, l := range busy {
		if len(l.queue) > 0 {
			left = append(left, l)
		}
	}
	return left
}

func produceFault(l *lane, r *kafkawire.ProduceResult) error {
	f := kafkawire.CodeFault(fmt.Sprintf("writing to %s/%d", l.at.Topic, l.at.Partition), r.Code)
	if r.Message != "" {
		f.Err = fmt.Errorf("%w: %s", r.Code, r.Message)
	}
	return f
}
