package endtoend

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"time"
)

// writer makes the statements of one kind of database.
type writer interface {
	session() string                 // settings of each connection
	statement(r *rand.Rand) string   // one that changes a few rows
	sweep(r *rand.Rand) string       // one that changes every row of a table
	retryable(err error) (ok bool)   // what concurrent random writers do to each other: deadlocks, lock waits, duplicate keys
	interrupted(err error) (ok bool) // the connection is gone, because the test has stopped the server
}

// workload writes random transactions into one database.
type workload struct {
	db        *sql.DB
	writer    writer
	large     bool          // many transactions change every row of a table
	pause     time.Duration // between two transactions of a connection
	reconnect int           // a connection is given up after so many transactions on average; 0: never
	committed atomic.Int64

	each func(ctx context.Context, conn *sql.Conn, r *rand.Rand) error // a transaction; nil: of statements of the writer
}

// run writes until ctx ends or n transactions are committed (n < 0: no limit), over one connection.
func (w *workload) run(ctx context.Context, seed uint64, n int) error {
	r := rand.New(rand.NewPCG(seed, 7))
	conn, err := w.connect(ctx)
	if err != nil && ctx.Err() != nil {
		return nil
	}
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	for done := 0; n < 0 || done < n; {
		err := w.transaction(ctx, conn, r)
		renew := false
		switch {
		case err == nil:
			done++
			w.committed.Add(1)
			time.Sleep(w.pause)
			renew = w.reconnect > 0 && r.IntN(w.reconnect) == 0
		case ctx.Err() != nil:
			return nil
		case w.writer.interrupted(err):
			renew = true
		case !w.writer.retryable(err):
			return err
		}
		if !renew {
			continue
		}
		_ = conn.Raw(func(any) error { return driver.ErrBadConn }) // the pool must not keep it
		next, err := w.connect(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		conn = next
	}
	return nil
}

// connect waits for a server that is down.
func (w *workload) connect(ctx context.Context) (*sql.Conn, error) {
	for {
		conn, err := w.db.Conn(ctx)
		if err == nil {
			if _, err = conn.ExecContext(ctx, w.writer.session()); err == nil {
				return conn, nil
			}
			_ = conn.Close()
		}
		if !w.writer.interrupted(err) || ctx.Err() != nil {
			return nil, err
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func (w *workload) transaction(ctx context.Context, conn *sql.Conn, r *rand.Rand) error {
	if w.each != nil {
		return w.each(ctx, conn, r)
	}
	if w.large && r.IntN(8) == 0 {
		return w.largeTransaction(ctx, conn, r)
	}
	if r.IntN(4) == 0 { // autocommit: one statement, one transaction
		_, err := conn.ExecContext(ctx, w.writer.statement(r))
		return err
	}
	tx, err := conn.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }()
	for i := range 1 + r.IntN(6) {
		if r.IntN(8) == 0 {
			if err := w.savepoint(ctx, tx, r, i); err != nil {
				return err
			}
		}
		if _, err := tx.ExecContext(ctx, w.writer.statement(r)); err != nil {
			return err
		}
	}
	if r.IntN(10) == 0 {
		return tx.Rollback()
	}
	return tx.Commit()
}

// largeTransaction changes every row of a table; now and then after it has undone that once, and in vain.
func (w *workload) largeTransaction(ctx context.Context, conn *sql.Conn, r *rand.Rand) error {
	if r.IntN(3) > 0 {
		_, err := conn.ExecContext(ctx, w.writer.sweep(r))
		return err
	}
	tx, err := conn.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }()
	for _, s := range []string{w.writer.statement(r), "SAVEPOINT large", w.writer.sweep(r), "ROLLBACK TO SAVEPOINT large", w.writer.statement(r), w.writer.sweep(r)} {
		if _, err := tx.ExecContext(ctx, s); err != nil {
			return err
		}
	}
	if r.IntN(4) == 0 {
		return tx.Rollback()
	}
	return tx.Commit()
}

func (w *workload) savepoint(ctx context.Context, tx *sql.Tx, r *rand.Rand, i int) error {
	name := fmt.Sprintf("s%d", i)
	for _, s := range []string{"SAVEPOINT " + name, w.writer.statement(r), "ROLLBACK TO SAVEPOINT " + name} {
		if _, err := tx.ExecContext(ctx, s); err != nil {
			return err
		}
	}
	return nil
}
