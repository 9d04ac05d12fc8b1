package endtoend

import (
	"database/sql/driver"
	"fmt"
	"strings"
	"testing"
	"time"

	"cdcbridge/integration/harness"
	"cdcbridge/integration/servers"
)

// TestPreparedWhileDown prepares XA transactions, kills the daemon, settles them while it is down, or after the server was started
// again, and lets another daemon go on: what was committed is in the topics, once and after the commit, and what was rolled back is not.
func TestPreparedWhileDown(t *testing.T) {
	t.Parallel()
	kafka := servers.KafkaFor(t, servers.KafkaOptions{})
	for _, version := range harness.Longer([]string{"97", "maria118"}, []string{"97", "80", "57", "maria1011", "maria118"}) {
		t.Run(version, func(t *testing.T) {
			my := servers.MySQLFor(t, servers.MySQLOptions{Version: version})
			b := newBench(t, my, "shop")
			s := setup{name: "prepared" + version, b: b, brokers: kafka.Brokers()}
			seed := harness.FreshSeed(t)
			write := func(connections, n int) {
				seed++
				b.write(t.Context(), t, seed, connections, n)
			}
			d := start(t, s.yaml())
			write(2, 20)
			for i := range 6 {
				id := fmt.Sprintf("'x%d'", i)
				b.once(t, "XA START "+id, insertNames(fmt.Sprintf("xa %d", i), 300), "XA END "+id, "XA PREPARE "+id)
				write(1, 5)
			}
			b.once(t, "XA COMMIT 'x0'")
			b.once(t, "XA ROLLBACK 'x1'")
			catchUp(t, d, time.Minute)
			b.settle(t, s.name, kafka.Brokers(), 10*time.Second)
			d.Kill()
			b.once(t, "XA COMMIT 'x2'")
			b.once(t, "XA ROLLBACK 'x3'")
			write(1, 5)
			d = start(t, s.yaml())
			catchUp(t, d, time.Minute)
			b.settle(t, s.name, kafka.Brokers(), 10*time.Second)
			d.Kill()
			if err := my.Restart(t.Context()); err != nil {
				t.Fatal(err)
			}
			d = start(t, s.yaml())
			b.once(t, "XA ROLLBACK 'x5'")
			b.once(t, "XA COMMIT 'x4'")
			write(2, 10)
			catchUp(t, d, time.Minute)
			b.settle(t, s.name, kafka.Brokers(), 10*time.Second)
			harness.StopFor(t, d)
			b.settle(t, s.name, kafka.Brokers(), 0)
		})
	}
}

// insertNames makes a statement that adds names which the writers have nothing to do with: a prepared transaction keeps its locks.
func insertNames(prefix string, n int) string {
	var rows []string
	for i := range n {
		rows = append(rows, fmt.Sprintf("('%s %d', %d)", prefix, i, i))
	}
	return "INSERT INTO shop.names VALUES " + strings.Join(rows, ",")
}

// once runs statements on a connection of their own.
func (b *bench) once(t *testing.T, statements ...string) {
	t.Helper()
	c, err := b.conn.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range statements {
		if _, err := c.ExecContext(t.Context(), s); err != nil {
			t.Fatalf("%.80s: %v", s, err)
		}
	}
	_ = c.Raw(func(any) error { return driver.ErrBadConn }) // a prepared transaction outlives its connection
	_ = c.Close()
}
