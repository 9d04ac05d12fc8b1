package endtoend

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"log"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"cdcbridge/integration/harness"
	"cdcbridge/integration/servers"
)

// pair is a primary and its replica, which change places: the primary is killed, the replica takes over, and a new server at the
// old one's address becomes its replica. The database is where the primary is.
type pair struct {
	*mysqlDatabase
	version          string
	primary, replica *servers.MySQL
	ports            string // hosts of the source section
}

func newPair(t *testing.T, version string) (*pair, *bench) {
	t.Helper()
	p := &pair{version: version}
	t.Cleanup(func() {
		for _, m := range []*servers.MySQL{p.primary, p.replica} {
			if m == nil {
				continue
			}
			if err := m.Stop(); err != nil {
				t.Error(err)
			}
		}
	})
	p.primary = p.server(t, 0)
	b := newBench(t, p.primary, "shop")
	p.mysqlDatabase = b.database.(*mysqlDatabase)
	p.replica = p.server(t, 0)
	p.ports = fmt.Sprintf("[%s, %s]", p.primary.Addr(), p.replica.Addr())
	p.follow(t)
	pool := sql.OpenDB(toPrimary{p})
	t.Cleanup(func() { _ = pool.Close() })
	p.db, b.conn, b.database = pool, pool, p
	b.load = &workload{db: pool, writer: p, pause: 5 * time.Millisecond}
	return p, b
}

// server starts an empty server, which the pair stops.
func (p *pair) server(t *testing.T, port int) *servers.MySQL {
	t.Helper()
	m, err := servers.StartMySQL(t.Context(), servers.MySQLOptions{Version: p.version, Port: port})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// follow makes the replica one of the primary and waits until it has everything.
func (p *pair) follow(t *testing.T) {
	t.Helper()
	if err := p.replica.Replicate(t.Context(), p.primary); err != nil {
		t.Fatal(err)
	}
	p.catchUp(t)
}

func (p *pair) catchUp(t *testing.T) {
	t.Helper()
	if err := p.replica.CatchUp(t.Context(), p.primary); err != nil {
		t.Fatal(err)
	}
}

// fail kills the primary and promotes the replica.
func (p *pair) fail(t *testing.T) {
	t.Helper()
	if err := p.primary.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := p.replica.StopReplicating(t.Context()); err != nil {
		t.Fatal(err)
	}
	p.primary, p.replica, p.my = p.replica, p.primary, p.replica
}

// mend puts an empty server where the dead one was and lets it follow.
func (p *pair) mend(t *testing.T) {
	t.Helper()
	port := p.replica.Port()
	if err := p.replica.Stop(); err != nil {
		t.Fatal(err)
	}
	p.replica = nil
	p.replica = p.server(t, port)
	p.follow(t)
}

func (p *pair) source() string {
	return fmt.Sprintf("type: mysql, hosts: %s, user: %s, password: %s", p.ports, p.my.User(), p.my.Password())
}

func (p *pair) changes(context.Context) (map[string][]change, error) {
	return loggedChanges(p.my, p.tables())
}

// interrupted is every error that the server did not make: it is dead, or dies.
func (p *pair) interrupted(err error) bool {
	var e *mysql.MySQLError
	return !errors.Is(err, context.Canceled) && (!errors.As(err, &e) || e.Number == 1053)
}

// toPrimary connects to whichever server is the primary.
type toPrimary struct{ *pair }

func (c toPrimary) Connect(ctx context.Context) (driver.Conn, error) {
	cfg, err := mysql.ParseDSN(c.my.DSN(""))
	if err != nil {
		return nil, err
	}
	cfg.Logger = log.New(io.Discard, "", 0)
	connector, err := mysql.NewConnector(cfg)
	if err != nil {
		return nil, err
	}
	return connector.Connect(ctx)
}

func (toPrimary) Driver() driver.Driver { return mysql.MySQLDriver{} }

// TestFailover kills primaries and promotes replicas, and lets the daemon follow by GTID: in the middle of a large transaction,
// which the replica logs with other cuts, and under load, when transactions are lost that nobody had seen.
func TestFailover(t *testing.T) {
	t.Parallel()
	kafka := servers.KafkaFor(t, servers.KafkaOptions{})
	for _, version := range harness.Longer([]string{"97", "maria118"}, []string{"97", "80", "57", "maria1011", "maria118"}) {
		t.Run(version, func(t *testing.T) { failover(t, kafka, version, harness.Longer(1, 10)) })
	}
}

func failover(t *testing.T, kafka *servers.Kafka, version string, rounds int) {
	began, seed := time.Now(), harness.FreshSeed(t)
	p, b := newPair(t, version)
	s := setup{name: "failover" + version, b: b, brokers: kafka.Brokers(), source: ", batch_bytes: 4KiB", commit: "{max_bytes: 1KiB}"}
	for i := range 4 {
		var rows []string
		for j := range 500 {
			rows = append(rows, fmt.Sprintf("(%d,1,2,'open','a note','sku','city',1.25,3,NOW(3),NOW(3),1)", 10_000+500*i+j))
		}
		if _, err := b.conn.ExecContext(t.Context(), "INSERT INTO shop.orders VALUES "+strings.Join(rows, ",")); err != nil {
			t.Fatal(err)
		}
	}
	d := start(t, s.yaml())
	for round := range rounds {
		seed := seed + 100*uint64(round)
		b.write(t.Context(), t, seed, 2, 20)
		catchUp(t, d, harness.Longer(time.Minute, 5*time.Minute))
		p.inside(t, d, b)
		catchUp(t, d, harness.Longer(time.Minute, 5*time.Minute))
		b.settle(t, s.name, kafka.Brokers(), 10*time.Second)
		p.mend(t)

		// Both are killed under load. What the daemon has read the replica has; of the rest it may lack some.
		quiet := b.during(t, seed)
		time.Sleep(time.Second)
		d.Kill()
		p.catchUp(t)
		time.Sleep(500 * time.Millisecond)
		p.fail(t)
		d = start(t, s.yaml())
		time.Sleep(time.Second)
		quiet()
		catchUp(t, d, harness.Longer(time.Minute, 5*time.Minute))
		b.settle(t, s.name, kafka.Brokers(), 10*time.Second)
		p.mend(t)
	}
	harness.StopFor(t, d)
	records := b.settle(t, s.name, kafka.Brokers(), 0)
	b.complete(t, s.name, kafka.Brokers())
	evidence(t, began, map[string]any{"seed": seed, "failovers": 2 * rounds, "records": records, "transactions": b.load.committed.Load(),
		"checked": "fold of both formats == SELECT * on the promoted server; every change in its log is in the topics; half of the failovers within a transaction of thousands of rows"})
}

// inside lets the primary die when the daemon has written a part of a large transaction, and waits until it reads from the other one.
func (p *pair) inside(t *testing.T, d *harness.Daemon, b *bench) {
	t.Helper()
	if _, err := b.conn.ExecContext(t.Context(), "UPDATE shop.orders SET qty = qty + 1, note = CONCAT('n', qty)"); err != nil {
		t.Fatal(err)
	}
	p.catchUp(t)
	within := func() bool {
		all, err := d.Status(t.Context())
		return err == nil && len(all) > 0 && strings.Contains(all[0].Position, `"txn"`)
	}
	for end := time.Now().Add(30 * time.Second); !within(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the daemon was never seen within the transaction")
		}
	}
	p.fail(t)
	if !within() {
		t.Fatal("the daemon had the whole transaction when the primary died: the test proves nothing")
	}
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		all, err := d.Status(t.Context())
		if err == nil && len(all) > 0 && all[0].Server == p.primary.Addr() {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("the daemon does not read from %s: %+v", p.primary.Addr(), all)
		}
	}
}
