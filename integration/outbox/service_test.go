package outbox

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"

	"github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5/pgconn"
)

// message is what a service has committed to its outbox.
type message struct {
	id, kind string
	raw      []byte  // nil: NULL
	payload  *string // nil: NULL
}

// lane are the messages with one key in one topic, which must keep their order.
type lane struct {
	topic string
	key   int64
}

// ledger is what the services have committed, each key by one of them.
type ledger struct {
	mu     sync.Mutex
	lanes  map[lane][]message
	orders map[int64]int64
	sent   int
}

// service changes orders and says so, in transactions of which some are rolled back. Its orders are its own.
type service struct {
	db       *database
	ledger   *ledger
	number   int64
	pipeline string
	r        *rand.Rand
	made     int
	kinds    func() int // of how many kinds messages are by now, each of which has a topic
	large    bool       // some transactions have hundreds of messages
}

// run works until ctx ends. What the database rolls back because of others is as what the service itself rolls back.
func (s *service) run(ctx context.Context) error {
	for ctx.Err() == nil {
		if err := s.transaction(); err != nil && !deadlocked(err) {
			return err
		}
	}
	return nil
}

func deadlocked(err error) bool {
	var my *mysql.MySQLError
	var pg *pgconn.PgError
	return errors.As(err, &my) && my.Number == 1213 || errors.As(err, &pg) && pg.Code == "40P01"
}

// transaction is not interrupted: what was committed must be known.
func (s *service) transaction() error {
	tx, err := s.db.conn.Begin()
	if err != nil {
		return fmt.Errorf("beginning a transaction: %w", err)
	}
	defer func() { _ = tx.Rollback() }() // of nothing, once it is committed
	order := s.number*100 + s.r.Int64N(5)
	s.ledger.mu.Lock()
	n := s.ledger.orders[order] + 1
	s.ledger.mu.Unlock()
	q := "UPDATE orders SET n = ? WHERE id = ?"
	if n == 1 {
		q = "INSERT INTO orders (n, id) VALUES (?, ?)"
	}
	if err := s.exec(tx, q, n, order); err != nil {
		return err
	}
	count := 1 + s.r.IntN(3)
	if s.large && s.r.IntN(8) == 0 {
		count = 300
	}
	said := map[lane][]message{}
	for range count {
		if err := s.say(tx, said, order, n); err != nil {
			return err
		}
	}
	if err := s.tidy(tx); err != nil {
		return err
	}
	if s.r.IntN(8) == 0 {
		return nil
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("committing: %w", err)
	}
	s.ledger.mu.Lock()
	defer s.ledger.mu.Unlock()
	s.ledger.orders[order] = n
	for l, messages := range said {
		s.ledger.lanes[l] = append(s.ledger.lanes[l], messages...)
		s.ledger.sent += len(messages)
	}
	return nil
}

// say inserts one message.
func (s *service) say(tx *sql.Tx, said map[lane][]message, order, n int64) error {
	s.made++
	m := message{id: fmt.Sprintf("%d-%d", s.number, s.made), kind: []string{"made", "paid", "sent"}[s.r.IntN(3)]}
	if s.r.IntN(3) > 0 {
		m.raw = []byte{0, 255, byte(s.made)}
	}
	if s.r.IntN(6) > 0 {
		payload := fmt.Sprintf(`{"n": %d, "by": "service %d"}`, n, s.number)
		m.payload = &payload
	}
	kind := fmt.Sprintf("kind%d", s.r.IntN(s.kinds()))
	l := lane{topic: s.pipeline + "." + kind + ".v1", key: order}
	said[l] = append(said[l], m)
	return s.exec(tx, "INSERT INTO outbox (id, aggregatetype, aggregateid, kind, raw, payload, seen) VALUES (?, ?, ?, ?, ?, ?, 0)", m.id, kind, order, m.kind, m.raw, m.payload)
}

// tidy does what services do to rows that they have inserted, in this transaction or earlier.
func (s *service) tidy(tx *sql.Tx) error {
	own := fmt.Sprintf("%d-%%", s.number)
	switch s.r.IntN(4) {
	case 0:
		return s.exec(tx, "DELETE FROM outbox WHERE id LIKE ?", own)
	case 1:
		return s.exec(tx, "UPDATE outbox SET seen = seen + 1 WHERE id LIKE ?", own)
	}
	return nil
}

func (s *service) exec(tx *sql.Tx, q string, args ...any) error {
	if _, err := tx.Exec(s.db.statement(q), args...); err != nil {
		return fmt.Errorf("%s: %w", q, err)
	}
	return nil
}
