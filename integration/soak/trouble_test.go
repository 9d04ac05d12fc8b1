package soak

import (
	"context"
	"fmt"
	"os/exec"
	"time"

	"cdcbridge/integration/harness"
	"cdcbridge/integration/servers"
)

// step is one thing that happens to the daemon or around it.
type step struct {
	name string
	do   func(context.Context, *stand, *load) error
}

// round are the steps of one round, at equal distances. Each round is like the others, so that quarters of the run can be compared.
var round = []step{
	{"connections to Kafka cut", func(_ context.Context, s *stand, _ *load) error { return s.kafka.Proxy(0).Cut() }},
	{"log level and a pipeline's setting changed", func(ctx context.Context, s *stand, _ *load) error {
		now := s.now
		now.level, now.interval = other(now.level, "info", "debug"), other(now.interval, "500ms", "300ms")
		return s.reload(ctx, now)
	}},
	{"binlog dumps killed", killDumps},
	{"walsender ended", func(ctx context.Context, s *stand, _ *load) error {
		_, err := s.pg.EndWalsenders(ctx)
		return err
	}},
	{"table read again", readAgain},
	{"pipeline removed", func(ctx context.Context, s *stand, _ *load) error {
		now := s.now
		now.audit = false
		return s.reload(ctx, now)
	}},
	{"broker killed", func(ctx context.Context, s *stand, _ *load) error {
		if err := s.kafka.KillBroker(0); err != nil {
			return err
		}
		return s.kafka.StartBroker(ctx, 0)
	}},
	{"pipeline and table added", func(ctx context.Context, s *stand, my *load) error {
		now := s.now
		now.audit, now.coupons = true, true // the table once; the pipeline in each round
		my.coupons.Store(true)
		return s.reload(ctx, now)
	}},
	{"MySQL killed", func(ctx context.Context, s *stand, _ *load) error {
		if err := s.my.Kill(); err != nil {
			return err
		}
		return s.my.Restart(ctx)
	}},
	{"PostgreSQL restarted", func(ctx context.Context, s *stand, _ *load) error {
		if err := s.pg.Shutdown(ctx, servers.Immediate); err != nil {
			return err
		}
		return s.pg.Start(ctx)
	}},
	{"broker restarted", func(ctx context.Context, s *stand, _ *load) error {
		if err := s.kafka.StopBroker(ctx, 0); err != nil {
			return err
		}
		return s.kafka.StartBroker(ctx, 0)
	}},
}

func other(now, a, b string) string {
	if now == a {
		return b
	}
	return a
}

// killDumps ends the connections over which the daemon reads the binary log.
func killDumps(ctx context.Context, _ *stand, l *load) error {
	rows, err := l.db.QueryContext(ctx, "SELECT id FROM information_schema.processlist WHERE command LIKE 'Binlog Dump%'")
	if err != nil {
		return err
	}
	all, err := harness.Texts(rows, []string{"id"}, func(_ int, text string) string { return text })
	if err != nil {
		return err
	}
	for _, row := range all {
		if _, err := l.db.ExecContext(ctx, "KILL "+row["id"]); err != nil {
			return err
		}
	}
	return nil
}

// readAgain asks for a snapshot of a table, by the command that people have.
func readAgain(ctx context.Context, s *stand, _ *load) error {
	bin, err := harness.Binary()
	if err != nil {
		return err
	}
	out, err := exec.CommandContext(ctx, bin, "snapshot", "-c", s.daemon.Config(), "--pipeline", "shop", "shop.orders").CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	return nil
}

// event is a step that was taken.
type event struct {
	at   time.Duration // since the beginning
	name string
}

// trouble takes the steps of all rounds, none before its time; on a slow machine they come later, and all of them come.
func trouble(ctx context.Context, s *stand, my *load, p plan) ([]event, error) {
	var events []event
	for i := range p.rounds * len(round) {
		one := round[i%len(round)]
		if !p.wait(ctx, p.at(i)) {
			return events, nil
		}
		events = append(events, event{time.Since(p.began), one.name})
		if err := one.do(ctx, s, my); err != nil {
			return events, fmt.Errorf("%s: %w", one.name, err)
		}
	}
	p.wait(ctx, p.duration)
	return events, nil
}

// plan is how long a run takes, and how many rounds there are in it.
type plan struct {
	duration time.Duration
	rounds   int
	began    time.Time
}

// at is when step i is due.
func (p plan) at(i int) time.Duration {
	steps := p.rounds * len(round)
	return p.duration/time.Duration(2*steps) + p.duration*time.Duration(i)/time.Duration(steps)
}

// wait waits for a moment of the run; false: ctx has ended before.
func (p plan) wait(ctx context.Context, at time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(time.Until(p.began.Add(at))):
		return true
	}
}
