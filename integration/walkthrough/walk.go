package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
)

// walk is one way through the page, with one database.
type walk struct {
	page  page
	world *world
	at    *terminal
	out   io.Writer
	began time.Time

	daemon *typed
}

// step prints what was done and how long it took since the walk began.
func (w *walk) step(what string) {
	_, _ = fmt.Fprintf(w.out, "%7.1f s  %s\n", time.Since(w.began).Seconds(), what)
}

// run walks from the account to the first record, then looks whether what the page says about it is so. It gives the time to the first record.
func (w *walk) run(ctx context.Context) (_ time.Duration, err error) {
	section, err := w.page.section(w.world.heading)
	if err != nil {
		return 0, err
	}
	w.began = time.Now()
	if err := w.world.prepare(ctx, section); err != nil {
		return 0, err
	}
	w.step("the account is made, by the page's SQL")
	defer func() {
		if w.daemon != nil {
			if failed := w.daemon.interrupt(); failed != nil {
				err = errors.Join(err, fmt.Errorf("stopping the daemon: %w\n%s", failed, w.daemon.printed()))
			}
		}
	}()
	for _, line := range section.commands() {
		if err := w.do(ctx, line); err != nil {
			return 0, err
		}
	}
	if w.daemon == nil {
		return 0, errors.New("the section does not run the daemon")
	}
	took, err := w.look(ctx)
	if err != nil {
		return 0, fmt.Errorf("%w\nlog of the daemon:\n%s", err, w.daemon.printed())
	}
	return took, nil
}

// do types one line of the section. The daemon gets a terminal of its own.
func (w *walk) do(ctx context.Context, line string) (err error) {
	if line == "cdcbridge run" {
		w.daemon, err = w.at.start(line)
		w.step(line)
		return err
	}
	said, err := w.at.run(ctx, line)
	if err != nil {
		return err
	}
	if strings.HasPrefix(line, "cdcbridge validate") && !strings.Contains(said, " 0 problems") {
		return fmt.Errorf("validate says\n%s", said)
	}
	w.step(line)
	return nil
}

// look reads the topic as the page says, changes a row, and asks whether all is well.
func (w *walk) look(ctx context.Context) (time.Duration, error) {
	reading, err := w.page.section("Look at the topic")
	if err != nil {
		return 0, err
	}
	inspect := strings.ReplaceAll(reading.commands()[0], "cdc.shop.orders", w.world.topic)
	if _, err := w.at.sees(ctx, inspect, "+I "+w.world.topic+"/", `"customer":"Ada"`); err != nil {
		return 0, err
	}
	first := time.Since(w.began)
	w.step(inspect + ": the first record is there")
	if err := w.world.execute(ctx, "UPDATE orders SET amount = 13 WHERE id = 1"); err != nil {
		return 0, err
	}
	said, err := w.at.sees(ctx, inspect, "\n+U "+w.world.topic+"/")
	if err != nil {
		return 0, err
	}
	if n := strings.Count(said, "+I "); n != 2 {
		return 0, fmt.Errorf("the topic has %d new rows, not 2:\n%s", n, said)
	}
	w.step("a changed row comes")
	asking, err := w.page.section("Is it well?")
	if err != nil {
		return 0, err
	}
	for _, line := range asking.commands() {
		said, err := w.at.run(ctx, line)
		if err != nil {
			return 0, err
		}
		if !strings.Contains(said, "running") && !strings.Contains(said, `"ready": true`) {
			return 0, fmt.Errorf("%s says\n%s", line, said)
		}
		w.step(line)
	}
	return first, nil
}
