package fleet

import (
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"time"
)

const keys = 12 // of a table

// table is one that a writer writes. Each write of a key, over deletes and inserts, has the next version, so that a record that is missing shows.
type table struct {
	schema, name string
	nth          int // of its tenant's later ones, from 1; 0: it is none
	version      [keys]int
	there        [keys]bool
}

func (t *table) full() string { return t.schema + "." + t.name }

// writer changes the tables of one server in small transactions, one after the other.
type writer struct {
	db     *sql.DB
	tables []*table
	r      *rand.Rand
	pause  time.Duration // between two transactions

	committed atomic.Int64
}

// add makes tables with rows. The schemas are there.
func (w *writer) add(ctx context.Context, t *testing.T, tables ...*table) {
	t.Helper()
	for _, tb := range tables {
		w.exec(ctx, t, w.db, "CREATE TABLE "+tb.full()+" (id INT PRIMARY KEY, version BIGINT NOT NULL, body VARCHAR(80))")
		for id := range keys / 2 {
			w.exec(ctx, t, w.db, w.change(tb, id))
		}
		w.tables = append(w.tables, tb)
	}
}

func (w *writer) exec(ctx context.Context, t *testing.T, on interface {
	ExecContext(context.Context, string, ...any) (sql.Result, error)
}, statement string) {
	t.Helper()
	if _, err := on.ExecContext(ctx, statement); err != nil {
		t.Errorf("%s: %v", statement, err)
	}
}

// change is the next statement for a key.
func (w *writer) change(t *table, id int) string {
	if t.there[id] && w.r.IntN(4) == 0 {
		t.there[id] = false
		return fmt.Sprintf("DELETE FROM %s WHERE id = %d", t.full(), id)
	}
	t.version[id]++
	body := fmt.Sprintf("'%x'", w.r.Uint64())
	if w.r.IntN(5) == 0 {
		body = "NULL"
	}
	if t.there[id] {
		return fmt.Sprintf("UPDATE %s SET version = %d, body = %s WHERE id = %d", t.full(), t.version[id], body, id)
	}
	t.there[id] = true
	return fmt.Sprintf("INSERT INTO %s VALUES (%d, %d, %s)", t.full(), id, t.version[id], body)
}

// run writes until ctx ends. What has been begun is committed.
func (w *writer) run(ctx context.Context, t *testing.T) {
	for ctx.Err() == nil && !t.Failed() {
		w.transaction(context.WithoutCancel(ctx), t)
		select {
		case <-ctx.Done():
		case <-time.After(w.pause):
		}
	}
}

func (w *writer) transaction(ctx context.Context, t *testing.T) {
	tx, err := w.db.BeginTx(ctx, nil)
	if err != nil {
		t.Error(err)
		return
	}
	for range 1 + w.r.IntN(6) {
		w.exec(ctx, t, tx, w.change(w.tables[w.r.IntN(len(w.tables))], w.r.IntN(keys)))
	}
	if err := tx.Commit(); err != nil {
		t.Error(err)
	}
	w.committed.Add(1)
}
