package systemd

import (
	"context"
	"database/sql"
	"fmt"
	"maps"
	"testing"
	"time"

	"cdcbridge/integration/harness"
	"cdcbridge/integration/servers"
)

// shop is what the service works with: a table that is written all the time, and Kafka.
type shop struct {
	pg    *servers.Postgres
	kafka *servers.Kafka
	db    *sql.DB
	port  int // of the daemon's HTTP
	id    int // the last row
}

func openShop(t *testing.T) *shop {
	t.Helper()
	s := &shop{pg: servers.PostgresFor(t, servers.PostgresOptions{}), kafka: servers.KafkaFor(t, servers.KafkaOptions{})}
	var err error
	if s.db, err = s.pg.DB("shop"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.db.Close() })
	if s.port, err = servers.ReservePort(0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = servers.ReleasePort(s.port) })
	if _, err := s.db.Exec("CREATE TABLE orders (id INT PRIMARY KEY, n INT NOT NULL); CREATE TABLE later (id INT PRIMARY KEY, n INT NOT NULL); INSERT INTO later VALUES (1, 1)"); err != nil {
		t.Fatal(err)
	}
	return s
}

// config is the daemon's; password is a key of the source section with its value.
func (s *shop) config(password, tables string) string {
	return fmt.Sprintf(`kafka: {brokers: [%q]}
http: {listen: "127.0.0.1:%d"}
pipelines:
  - name: shop
    format: plain-json
    source: {type: postgres, host: %s, port: %d, database: shop, user: %s, %s, tables: [%s]}
`, s.kafka.Brokers()[0], s.port, s.pg.Host(), s.pg.Port(), s.pg.User(), password, tables)
}

// order writes one row, and changes an older one.
func (s *shop) order() error {
	s.id++
	_, err := s.db.Exec(fmt.Sprintf("INSERT INTO orders VALUES (%d, 0); UPDATE orders SET n = n + 1 WHERE id = %d", s.id, max(1, s.id-20)))
	return err
}

// open takes orders until closed is called, which tells of errors.
func (s *shop) open(t *testing.T) (closed func()) {
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		for ctx.Err() == nil {
			if err := s.order(); err != nil {
				done <- err
				return
			}
			time.Sleep(10 * time.Millisecond)
		}
		done <- nil
	}()
	return func() {
		t.Helper()
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

// arrives waits until one more order is in the topic: the service works.
func (s *shop) arrives(t *testing.T) {
	t.Helper()
	if err := s.order(); err != nil {
		t.Fatal(err)
	}
	s.holds(t, "orders")
}

// holds waits until the topic is the table, and verifies that no change is there twice.
func (s *shop) holds(t *testing.T, table string) {
	t.Helper()
	var records []harness.Record
	within(t, time.Minute, func() (err error) {
		if records, err = harness.ReadTopic(t.Context(), s.kafka.Brokers(), "shop.public."+table); err != nil {
			return err
		}
		want, err := s.rows(table)
		if err != nil {
			return err
		}
		got := map[string]string{}
		for _, r := range harness.Fold(records) {
			got[string(r.Value)] = ""
		}
		if !maps.Equal(got, want) {
			return fmt.Errorf("%d rows are in the topic, %d in the table, or they differ", len(got), len(want))
		}
		return nil
	})
	if err := harness.CheckOnce(records); err != nil {
		t.Fatal(err)
	}
}

// rows are those of a table as messages.
func (s *shop) rows(table string) (map[string]string, error) {
	found, err := s.db.Query("SELECT id, n FROM " + table)
	if err != nil {
		return nil, err
	}
	all, err := harness.Texts(found, []string{"id", "n"}, func(_ int, text string) string { return text })
	if err != nil {
		return nil, err
	}
	rows := map[string]string{}
	for _, r := range all {
		rows[fmt.Sprintf(`{"id":%s,"n":%s}`, r["id"], r["n"])] = ""
	}
	return rows, nil
}
