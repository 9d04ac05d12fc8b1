package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"golang.org/x/sync/errgroup"

	"cdcbridge/integration/harness"
)

// latencies of one rate, in milliseconds.
type latencies struct {
	Rate       float64 `json:"rate"` // rows a second that were reached
	Count      int     `json:"count"`
	P50        float64 `json:"p50"` // from the answer to the COMMIT until a read_committed consumer has the record
	P99        float64 `json:"p99"`
	Max        float64 `json:"max"`
	FromSend50 float64 `json:"from_send_p50"` // from before the statement is sent: holds the database's own time
	FromSend99 float64 `json:"from_send_p99"`
	CPU        float64 `json:"cpu"` // cores that the daemon used
	PeakMemory int64   `json:"peak_memory"`
	Commits    int64   `json:"commits"`
	Shares     shares  `json:"cores"`
}

// probe writes rows at a rate and notes when each was sent, committed and read. Index is the row's id.
type probe struct {
	began           time.Time
	each            int64          // rows of a transaction
	sent, done, got []atomic.Int64 // nanoseconds since began; 0: not yet
	left            atomic.Int64
	all             chan struct{} // closed when everything was read
}

// Rows before the measured ones.
const (
	firstWarm = 1_000_000
	warmRows  = 100
)

// pace is how rows are written: so many a second, in transactions of each.
type pace struct{ rate, each, seconds int }

// measureLatency measures at the rates of the project's aims and at a trickle. Before, half a minute of small transactions goes by unmeasured:
// warm has made the broker compile how it takes records, not how it ends transactions.
func measureLatency(ctx context.Context, s *stand) error {
	if _, err := s.latency(ctx, pace{500, 1, 30}); err != nil {
		return err
	}
	for range s.runs {
		for _, r := range []pace{{500, 1, 10}, {10, 1, 10}, {10_000, 10, 10}} {
			l, err := s.latency(ctx, r)
			if err != nil {
				return err
			}
			s.report.latency(s.db.name(), r.rate, l)
			progress("   %d/s: p50 %.1f ms, p99 %.1f ms, max %.1f ms", r.rate, l.P50, l.P99, l.Max)
		}
	}
	return nil
}

func (s *stand) latency(ctx context.Context, r pace) (l latencies, err error) {
	if err := s.db.fresh(ctx); err != nil {
		return l, err
	}
	ctx, cancel := context.WithTimeout(ctx, time.Duration(r.seconds)*time.Second+time.Minute)
	defer cancel()
	name, d, err := s.running(ctx)
	if err != nil {
		return l, err
	}
	defer d.Kill()
	p := newProbe(r)
	g, reading := errgroup.WithContext(ctx)
	reading, stopReading := context.WithCancel(reading)
	defer stopReading()
	// The first rows make the topic, and show when the consumer has found all of its partitions; they are not measured.
	if _, err := s.db.pool().ExecContext(ctx, s.db.thousand(firstWarm, warmRows)); err != nil {
		return l, err
	}
	topic := name + ".o0.orders"
	if err := s.waitTopic(ctx, topic); err != nil {
		return l, fmt.Errorf("%w\n%s", err, d.Log())
	}
	warm := make(chan struct{})
	g.Go(func() error { return p.read(reading, s, topic, warm) })
	select {
	case <-warm:
	case <-reading.Done():
		return l, errors.Join(fmt.Errorf("the first rows do not come\n%s", d.Log()), g.Wait())
	}
	before := readUsage()
	p.began = time.Now()
	if err := p.write(ctx, s, r.rate/r.each); err != nil {
		return l, err
	}
	took := time.Since(p.began)
	shares := readUsage().since(before, d.PID())
	select {
	case <-p.all:
	case <-time.After(15 * time.Second):
		return l, fmt.Errorf("%d rows were not read\n%s", p.left.Load(), d.Log())
	case <-reading.Done():
		return l, errors.Join(errors.New("reading ended early"), g.Wait())
	}
	stopReading()
	if err := g.Wait(); err != nil {
		return l, err
	}
	l = p.result()
	l.Rate, l.Shares, l.CPU = float64(l.Count)/took.Seconds(), shares, shares.Daemon
	if l.PeakMemory, err = d.PeakMemory(); err != nil {
		return l, err
	}
	_, c, err := readCounters(ctx, d)
	if err != nil {
		return l, err
	}
	l.Commits = c.Commits
	return l, d.Stop(ctx)
}

// running starts a daemon with default settings and waits until it reads the log.
func (s *stand) running(ctx context.Context) (pipeline string, d *harness.Daemon, err error) {
	pipeline, config, err := s.pipeline(ctx, variant{formats: []string{dbz}, defaults: true})
	if err != nil {
		return "", nil, err
	}
	if d, err = harness.Start(s.dir, config); err != nil {
		return "", nil, err
	}
	if _, err := d.WaitState(ctx, "running"); err != nil {
		d.Kill()
		return "", nil, err
	}
	return pipeline, d, nil
}

func newProbe(r pace) *probe {
	n := r.rate * r.seconds
	p := &probe{each: int64(r.each), sent: make([]atomic.Int64, n), done: make([]atomic.Int64, n), got: make([]atomic.Int64, n), all: make(chan struct{})}
	p.left.Store(int64(n))
	return p
}

func (s *stand) waitTopic(ctx context.Context, topic string) error {
	for {
		if _, err := s.topics(ctx, topic); err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for topic %s: %w", topic, ctx.Err())
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// write commits so many transactions a second on schedule over four connections: a slow one delays no other.
func (p *probe) write(ctx context.Context, s *stand, rate int) error {
	g, ctx := errgroup.WithContext(ctx)
	var next atomic.Int64
	for range 4 {
		g.Go(func() error {
			conn, err := s.db.pool().Conn(ctx)
			if err != nil {
				return err
			}
			defer conn.Close()
			insert, err := conn.PrepareContext(ctx, s.db.one())
			if err != nil {
				return err
			}
			defer insert.Close()
			for i := next.Add(1) - 1; (i+1)*p.each <= int64(len(p.sent)); i = next.Add(1) - 1 {
				time.Sleep(time.Until(p.began.Add(time.Duration(i) * time.Second / time.Duration(rate))))
				sent := int64(time.Since(p.began))
				if p.each == 1 {
					_, err = insert.ExecContext(ctx, i)
				} else {
					_, err = conn.ExecContext(ctx, s.db.thousand(i*p.each, p.each))
				}
				if err != nil {
					return err
				}
				done := int64(time.Since(p.began))
				for row := i * p.each; row < (i+1)*p.each; row++ {
					p.sent[row].Store(sent)
					p.done[row].Store(done)
				}
			}
			return nil
		})
	}
	return g.Wait()
}

// read notes the arrival of each row until ctx ends. It closes warm when the rows before the measured ones are there.
func (p *probe) read(ctx context.Context, s *stand, topic string, warm chan<- struct{}) error {
	cl, err := kgo.NewClient(kgo.SeedBrokers(s.kafka.Brokers()...), kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.FetchMinBytes(1),
		kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.MetadataMinAge(100*time.Millisecond))
	if err != nil {
		return err
	}
	defer cl.Close()
	before := 0
	for {
		fetches := cl.PollFetches(ctx)
		now := time.Now()
		if ctx.Err() != nil {
			return nil
		}
		if err := fetches.Err(); err != nil {
			return fmt.Errorf("reading %s: %w", topic, err)
		}
		for it := fetches.RecordIter(); !it.Done(); {
			var key struct{ ID int64 }
			if err := json.Unmarshal(it.Next().Key, &key); err != nil {
				return fmt.Errorf("reading a key: %w", err)
			}
			if key.ID >= firstWarm {
				if before++; before == warmRows {
					close(warm)
				}
				continue
			}
			if !p.got[key.ID].CompareAndSwap(0, int64(now.Sub(p.began))) {
				return fmt.Errorf("row %d came twice", key.ID)
			}
			if p.left.Add(-1) == 0 {
				close(p.all)
			}
		}
	}
}

// result sorts the waiting times. A record that came before the answer to its COMMIT waited for nothing.
func (p *probe) result() latencies {
	fromCommit, fromSend := make([]float64, len(p.got)), make([]float64, len(p.got))
	for i := range p.got {
		got := p.got[i].Load()
		fromCommit[i] = max(0, float64(got-p.done[i].Load())/1e6)
		fromSend[i] = float64(got-p.sent[i].Load()) / 1e6
	}
	slices.Sort(fromCommit)
	slices.Sort(fromSend)
	at := func(sorted []float64, q float64) float64 { return sorted[int(q*float64(len(sorted)-1))] }
	return latencies{
		Count: len(fromCommit), P50: at(fromCommit, 0.5), P99: at(fromCommit, 0.99), Max: at(fromCommit, 1),
		FromSend50: at(fromSend, 0.5), FromSend99: at(fromSend, 0.99),
	}
}
