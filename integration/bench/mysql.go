package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/go-mysql-org/go-mysql/client"
	"github.com/go-mysql-org/go-mysql/mysql"

	"cdcbridge/integration/servers"
)

const onMySQL = "mysql"

// mysqlDB is MySQL with the settings of a small production machine: it fsyncs once a second.
type mysqlDB struct {
	server *servers.MySQL
	db     *sql.DB
}

func startMySQL(ctx context.Context) (_ *mysqlDB, err error) {
	m := &mysqlDB{}
	m.server, err = servers.StartMySQL(ctx, servers.MySQLOptions{Extra: []string{
		"--innodb-buffer-pool-size=256M", "--innodb-redo-log-capacity=512M", "--max-allowed-packet=64M", "--binlog-cache-size=1M",
	}})
	if err != nil {
		return nil, err
	}
	if m.db, err = m.server.DB(""); err != nil {
		return nil, errors.Join(err, m.server.Stop())
	}
	m.db.SetMaxIdleConns(0) // a load's session settings end with it
	return m, nil
}

func (m *mysqlDB) name() string                          { return onMySQL }
func (m *mysqlDB) session() []string                     { return []string{"SET SESSION sql_mode=''"} }
func (m *mysqlDB) pool() *sql.DB                         { return m.db }
func (m *mysqlDB) close() error                          { return errors.Join(m.db.Close(), m.server.Stop()) }
func (m *mysqlDB) prepare(context.Context, string) error { return nil } // the log has no readers of its own

func (m *mysqlDB) version(ctx context.Context) (v string, err error) {
	err = m.db.QueryRowContext(ctx, "SELECT VERSION()").Scan(&v)
	return "MySQL " + v, err
}

func (m *mysqlDB) source(_ string, defaults bool) string {
	tls := "disabled"
	if defaults {
		tls = "preferred"
	}
	return fmt.Sprintf(`type: mysql, host: %s, port: %d, user: %s, password: %s, tables: ["bench.*"], tls: {mode: %s}`,
		m.server.Host(), m.server.Port(), m.server.User(), m.server.Password(), tls)
}

func (m *mysqlDB) connector(name string) map[string]string {
	return map[string]string{
		"connector.class": "io.debezium.connector.mysql.MySqlConnector", "database.hostname": m.server.Host(), "database.port": strconv.Itoa(m.server.Port()),
		"database.user": m.server.User(), "database.password": m.server.Password(), "database.ssl.mode": "disabled", "database.include.list": "bench",
		"database.server.id": strconv.Itoa(5000 + len(name) + int(name[len(name)-1])),
	}
}

// begin logs one transaction: Debezium does not start where no GTID was ever given.
func (m *mysqlDB) begin(ctx context.Context) error {
	_, err := m.db.ExecContext(ctx, "CREATE TABLE benchload.begun (id INT PRIMARY KEY)")
	return err
}

func (m *mysqlDB) remembered() string { return `"gtids"` }

// mysqlOrders is the row that the project measures itself with: 12 columns, about 170 bytes in the binlog.
const mysqlOrders = `(
	id BIGINT NOT NULL PRIMARY KEY, customer_id BIGINT NOT NULL, product_id BIGINT NOT NULL,
	status VARCHAR(16) NOT NULL, currency VARCHAR(3) NOT NULL, note VARCHAR(255), region VARCHAR(32),
	amount DECIMAL(10,2) NOT NULL, quantity INT NOT NULL, ordered_at DATETIME(3) NOT NULL, updated_at TIMESTAMP(3) NOT NULL, priority TINYINT)`

// mysqlOrder computes a row from n.
const mysqlOrder = `n, 100000 + (n * 7919) % 900000, 4000 + n % 5000,
	ELT(1 + n % 5, 'new', 'paid', 'packed', 'shipped', 'returned'), ELT(1 + n % 3, 'EUR', 'USD', 'CHF'),
	CONCAT('please leave the parcel of order ', n, ' at the door of the neighbour, thank you'), ELT(1 + n % 4, 'eu-central-1', 'eu-west-1', 'us-east-1', 'ap-south-1'),
	(n * 37 % 1000000) / 100, 1 + n % 9, '2024-05-06 07:08:09.123' + INTERVAL n SECOND, '2024-05-06 09:08:10.456' + INTERVAL n SECOND, n % 6`

// mysqlSchema is made anew for each suite. The digits and the procedure live in another database, which is not captured.
var mysqlSchema = []string{
	"DROP DATABASE IF EXISTS bench", "DROP DATABASE IF EXISTS benchload", "CREATE DATABASE benchload", "CREATE DATABASE bench",
	"CREATE TABLE benchload.thousand (i INT PRIMARY KEY)",
	"INSERT INTO benchload.thousand WITH RECURSIVE t(i) AS (SELECT 0 UNION ALL SELECT i+1 FROM t WHERE i < 999) SELECT i FROM t",
	"CREATE TABLE bench.orders " + mysqlOrders,
	"CREATE TABLE bench.documents (id INT PRIMARY KEY, body LONGTEXT, scan LONGBLOB)",
	`CREATE PROCEDURE benchload.single(first BIGINT, count BIGINT)
	BEGIN
		DECLARE n BIGINT DEFAULT first;
		WHILE n < first + count DO
			INSERT INTO bench.orders VALUES (` + mysqlOrder + `);
			SET n = n + 1;
		END WHILE;
	END`,
	"RESET BINARY LOGS AND GTIDS",
}

func (m *mysqlDB) fresh(ctx context.Context) error { return m.unlogged(ctx, mysqlSchema...) }

func (m *mysqlDB) unloggedSession() []string { return []string{"SET SESSION sql_log_bin=0"} }

func (m *mysqlDB) forget(ctx context.Context) error {
	_, err := m.db.ExecContext(ctx, "RESET BINARY LOGS AND GTIDS")
	return err
}

// selectAll reads packets over a connection without TLS.
func (m *mysqlDB) selectAll(ctx context.Context) (ceiling, error) {
	c, err := client.ConnectWithContext(ctx, m.server.Addr(), m.server.User(), m.server.Password(), "", 10*time.Second)
	if err != nil {
		return ceiling{}, fmt.Errorf("connecting for a bare read: %w", err)
	}
	defer c.Close()
	var res ceiling
	before := readUsage()
	began := time.Now()
	var result mysql.Result
	err = c.ExecuteSelectStreaming("SELECT * FROM bench.orders ORDER BY id", &result, func([]mysql.FieldValue) error {
		res.Rows++
		return nil
	}, nil)
	res.Seconds, res.Shares = time.Since(began).Seconds(), readUsage().since(before, 0)
	return res, err
}

// unlogged runs statements that leave nothing in the binlog.
func (m *mysqlDB) unlogged(ctx context.Context, statements ...string) error {
	conn, err := m.db.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	for _, q := range append(append([]string{"SET SESSION sql_log_bin=0"}, statements...), "SET SESSION sql_log_bin=1") {
		if _, err := conn.ExecContext(ctx, q); err != nil {
			return fmt.Errorf("running %.80s: %w", q, err)
		}
	}
	return nil
}

func (m *mysqlDB) thousand(first, limit int64) string {
	return fmt.Sprintf("INSERT INTO bench.orders SELECT %s FROM (SELECT %d + i AS n FROM benchload.thousand WHERE i < %d) t", mysqlOrder, first, limit)
}

func (m *mysqlDB) one() string {
	return "INSERT INTO bench.orders SELECT " + mysqlOrder + " FROM (SELECT CAST(? AS SIGNED) AS n) t"
}
