package shaping

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// load writes transactions that take rows into the filters and out of them, move their keys, and leave large values as they are.
type load struct {
	s         *side
	r         *rand.Rand
	fresh     int // ids that were given out
	committed atomic.Int64
}

// during writes until stop is called.
func (l *load) during(t *testing.T) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			if err := l.transaction(context.WithoutCancel(ctx)); err != nil {
				t.Errorf("workload: %v", err)
				return
			}
			time.Sleep(5 * time.Millisecond)
		}
	}()
	return func() { cancel(); <-done }
}

func (l *load) transaction(ctx context.Context) error {
	tx, err := l.s.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }()
	for range 1 + l.r.IntN(5) {
		statement := l.statement()
		if _, err := tx.ExecContext(ctx, statement); err != nil {
			return fmt.Errorf("%.200s: %w", statement, err)
		}
	}
	if l.r.IntN(10) == 0 {
		return tx.Rollback()
	}
	l.committed.Add(1)
	return tx.Commit()
}

func (l *load) statement() string {
	r, id := l.r, 1
	if l.fresh > 0 {
		id = 1 + r.IntN(l.fresh)
	}
	text := func(none int, of ...string) string {
		if r.IntN(none) == 0 {
			return "NULL"
		}
		return "'" + of[r.IntN(len(of))] + "'"
	}
	status := func() string { return text(1<<30, "draft", "Draft", "new", "paid") }
	note := func() string { return text(3, "hello", "Zoë", "äöü", "") }
	doc := func() string { return text(2, strings.Repeat("x", 6000)+"a.b", strings.Repeat("y", 6000), "a_b") }
	switch r.IntN(10) {
	case 0, 1, 2:
		l.fresh++
		return fmt.Sprintf("INSERT INTO people VALUES (%d, %d, %s, %d, '%d@example.org', %s, %s, 'never to be seen')", l.fresh, r.IntN(3), status(), r.IntN(8), r.IntN(100), note(), doc())
	case 3:
		return fmt.Sprintf("DELETE FROM people WHERE id = %d", id)
	case 4:
		l.fresh++
		return fmt.Sprintf("UPDATE people SET id = %d, status = %s WHERE id = %d", l.fresh, status(), id)
	case 5:
		return fmt.Sprintf("UPDATE people SET qty = %s WHERE id BETWEEN %d AND %d", text(4, "1", "2", "3", "4", "5", "9"), id, id+3)
	case 6:
		return fmt.Sprintf("UPDATE people SET note = %s, mail = %s WHERE id = %d", note(), text(5, "a@b.c", "ü@b.c"), id)
	case 7:
		return fmt.Sprintf("UPDATE people SET doc = %s WHERE id = %d", doc(), id)
	case 8:
		return fmt.Sprintf("UPDATE people SET secret = '%d' WHERE id = %d", r.IntN(9), id)
	default:
		return fmt.Sprintf("UPDATE people SET status = %s WHERE id = %d", status(), id)
	}
}
