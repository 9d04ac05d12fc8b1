package endtoend

import (
	"context"
	"database/sql"
	"fmt"
	"testing"

	"cdcbridge/integration/servers"
)

// mysqlDatabase is one on a MySQL server, where a database is a schema.
type mysqlDatabase struct {
	my     *servers.MySQL
	db     *sql.DB
	name   string
	vector bool // the server has the type
}

// newBench makes the test schema on a MySQL server.
func newBench(t *testing.T, my *servers.MySQL, version, name string) *bench {
	t.Helper()
	conn, err := my.DB("")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	m := &mysqlDatabase{my, conn, name, version == "97"}
	for _, s := range m.schema() {
		if _, err := conn.ExecContext(t.Context(), s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
	return &bench{m, conn, name, &workload{db: conn, writer: m}}
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
