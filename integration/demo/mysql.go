package main

import (
	"context"
	"database/sql"
	"fmt"
	"strings"

	"cdcbridge/integration/servers"
)

// mysql is a MySQL server as the tests run it; provision.sh has unpacked it.
type mysql struct{ *servers.MySQL }

func startMySQL(ctx context.Context) (database, error) {
	m, err := servers.StartMySQL(ctx, servers.MySQLOptions{})
	if err != nil {
		return nil, err
	}
	return mysql{m}, nil
}

func (mysql) Name() string             { return "MySQL 9.x" }
func (m mysql) Open() (*sql.DB, error) { return m.DB("shop") }

func (m mysql) Source() string {
	return fmt.Sprintf("type: mysql\nhost: %s\nport: %d\nuser: %s\npassword: %s\ntables: [\"shop.*\"]", m.Host(), m.Port(), m.User(), m.Password())
}

func (m mysql) Login() string {
	return fmt.Sprintf("mysql -h %s -P %d -u %s -p%s shop", m.Host(), m.Port(), m.User(), m.Password())
}

func (mysql) Language() language {
	return language{
		schema: []string{
			`SET SESSION time_zone='+00:00'`,
			`CREATE TABLE customers (id INT PRIMARY KEY, name VARCHAR(60) NOT NULL, city VARCHAR(40), since DATE NOT NULL, points INT UNSIGNED NOT NULL DEFAULT 0)`,
			`CREATE TABLE orders (id BIGINT PRIMARY KEY, customer_id INT NOT NULL, status ENUM('new','paid','shipped','returned') NOT NULL,
				total DECIMAL(10,2) NOT NULL, placed DATETIME(3) NOT NULL, touched TIMESTAMP(3) NOT NULL)`,
			`CREATE TABLE order_items (order_id BIGINT, line SMALLINT, product VARCHAR(40) NOT NULL, quantity INT NOT NULL, price DECIMAL(8,2) NOT NULL, PRIMARY KEY (order_id, line))`,
		},
		statement: func(q string) string { return q },
		text:      func(column string) string { return column },
		// A GTID is a UUID and a number.
		transaction: func(id string) string { return id[strings.LastIndexByte(id, ':')+1:] },
	}
}
