package mysql

import (
	"context"
	"errors"
	"fmt"
	"time"

	"cdcbridge/internal/fault"
)

// This file is about transactions that a log of MariaDB begins and does not finish. The server writes a transaction straight into
// its log; when it is killed meanwhile, the file ends within the transaction, which recovery takes back. MySQL cuts the file off
// there, MariaDB leaves it and goes on with the next one, in which the GTID may be used again. A dump that comes to such an end
// either goes over to the next file or ends with an error, according to where exactly the file ends.
//
// Nothing of such a transaction may leave. What stands before it is handed over, and when that is durable the attempt ends: for
// the position behind it the server begins with a later file.

// halfLogged is the error of such a transaction.
type halfLogged struct{ error }

// ackWait is how long what stands before an unfinished transaction may take to become durable.
const ackWait = 30 * time.Second

func unfinishedFault(err error) error {
	return fault.New(fault.Source, "reading the binlog stream", halfLogged{err},
		"A server of MariaDB that was killed while it wrote a transaction leaves its log so and takes the transaction back; the source goes on behind it by itself. If this comes again and again, the log file is damaged: the server's error log says more.")
}

// cutOff is the error of a file that ends within the current transaction.
func (s *stream) cutOff() error {
	if !s.src.facts.mariadb {
		return badEvent("reading the binlog stream", "the file ends within the transaction %s", s.txn.name())
	}
	return unfinishedFault(fmt.Errorf("the file %s ends within the transaction %s", s.file, s.txn.name()))
}

// finished looks, before a part of the current transaction leaves, whether the log has its end. It has in the file that the server
// writes now, of which it sends whole transactions only. Of an older file the beginning of the next one tells: when that knows of
// no more in the domain than was done before this transaction, the file ended within it.
func (s *stream) finished(ctx context.Context) error {
	before, ok := s.pos.gtids.(*domainState)
	if !ok || s.probe != nil {
		return nil
	}
	if s.past.reading != nil {
		before = s.past.reading
	}
	c, err := s.tables.connection(ctx)
	if err != nil {
		return err
	}
	defer s.tables.close()
	var then *domainState
	err = c.during(ctx, func() error {
		var f serverFacts
		if err := c.readLogs(&f); err != nil {
			return err
		}
		next := f.fileAfter(s.file)
		if next == "" {
			return nil
		}
		then, err = c.beginOf(next)
		return err
	})
	if err != nil || then == nil {
		return err
	}
	was, known := before.of(s.txn.gtid.maria.domain)
	if is, has := then.of(s.txn.gtid.maria.domain); has != known || is != was {
		return nil
	}
	return s.cutOff()
}

// fileAfter is the log file after one, "" when there is none.
func (f *serverFacts) fileAfter(name string) string {
	for i, l := range f.logs {
		if l.name == name && i+1 < len(f.logs) {
			return f.logs[i+1].name
		}
	}
	return ""
}

// leaveBehind makes what stands before an unfinished transaction durable, so that the next attempt begins behind it.
func (s *stream) leaveBehind(ctx context.Context, err error) error {
	var u halfLogged
	if !errors.As(err, &u) || s.file == "" {
		return err
	}
	t := &s.txn
	if t.active && t.split && !t.quiet {
		return fault.NewFinal(fault.Diverged, "reading the binlog stream", fmt.Errorf("the server took the transaction %s back, of which a part has left: %w", t.name(), err),
			"It lost its end when it was killed. Snapshot the tables again.")
	}
	if t.active {
		s.rewind(t.mark)
		t.active = false
	}
	if err := s.emit(ctx, true); err != nil {
		return err
	}
	want := string(s.text)
	for end := time.Now().Add(ackWait); time.Now().Before(end); {
		if acked := s.src.acked.Load(); acked != nil && string(*acked) == want {
			break
		}
		select {
		case <-s.done:
			return ctx.Err()
		case <-time.After(10 * time.Millisecond):
		}
	}
	return err
}
