package endtoend

import (
	"context"
	"database/sql"
	"fmt"
	"testing"

	"cdcbridge/integration/servers"
)

// mysqlDatabase is one on a MySQL or MariaDB server, where a database is a schema.
type mysqlDatabase struct {
	my   *servers.MySQL
	db   *sql.DB
	name string
}

// newBench makes the test schema on a MySQL or MariaDB server.
func newBench(t *testing.T, my *servers.MySQL, name string) *bench {
	t.Helper()
	m := newMySQLDatabase(t, my, name)
	b := &bench{database: m, conn: m.db, name: name, load: &workload{db: m.db, writer: m}}
	b.exec(t, m.schema()...)
	return b
}

func newMySQLDatabase(t *testing.T, my *servers.MySQL, name string) *mysqlDatabase {
	t.Helper()
	conn, err := my.DB("")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return &mysqlDatabase{my, conn, name}
}

func (m *mysqlDatabase) source() string {
	return fmt.Sprintf("type: mysql, host: %s, port: %d, user: %s, password: %s", m.my.Host(), m.my.Port(), m.my.User(), m.my.Password())
}

func (m *mysqlDatabase) tables() []table {
	return []table{{m.name, "everything"}, {m.name, "orders"}, {m.name, "items"}, {m.name, "names"}}
}

func (m *mysqlDatabase) pattern(table string) string { return m.name + "." + table }
func (m *mysqlDatabase) topic(t table) string        { return t.name }
func (m *mysqlDatabase) template() string            { return "{table}" }

func (m *mysqlDatabase) transaction(id string) string { return id }

func (m *mysqlDatabase) changes(context.Context) (map[string][]change, error) {
	return loggedChanges(m.my, m.tables())
}
