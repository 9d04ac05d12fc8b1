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
	{"binlog dumps killed", killDumps},
	{"walsender ended", func(ctx context.Context, s *stand, _ *load) error {
		_, err := s.pg.EndWalsenders(ctx)
		return err
	}},
	{"table read again", readAgain},
	{"broker killed", func(ctx context.Context, s *stand, _ *load) error {
		if err := s.kafka.KillBroker(0); err != nil {
			return err
		}
		return s.kafka.StartBroker(ctx, 0)
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

// trouble takes the steps of all rounds, each at its time, until the time is over.
func trouble(ctx context.Context, s *stand, my *load, rounds int, each time.Duration, began time.Time) ([]event, error) {
	var events []event
	for i := range rounds * len(round) {
		at := each*time.Duration(i)/time.Duration(len(round)) + each/time.Duration(2*len(round))
		select {
		case <-ctx.Done():
			return events, nil
		case <-time.After(time.Until(began.Add(at))):
		}
		one := round[i%len(round)]
		events = append(events, event{time.Since(began), one.name})
		if err := one.do(context.WithoutCancel(ctx), s, my); err != nil {
			return events, fmt.Errorf("%s: %w", one.name, err)
		}
	}
	return events, nil
}
