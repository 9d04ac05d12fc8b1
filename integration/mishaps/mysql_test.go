package mishaps

import (
	"fmt"
	"strings"

	"cdcbridge/integration/servers"
)

// mysql is a source section for the scene's database.
func (s *scene) mysql(m *servers.MySQL, more ...string) string {
	return fmt.Sprintf("type: mysql, host: %s, port: %d, user: %s, password: %s, tables: [%q]%s", m.Host(), m.Port(), m.User(), m.Password(), s.database()+".*",
		strings.Join(append([]string{""}, more...), ", "))
}

// database is that of the scene.
func (s *scene) database() string { return strings.ReplaceAll(s.name, "-", "_") }

// exec runs statements in the scene's database of a MySQL, all in one session.
func (s *scene) exec(m *servers.MySQL, statements ...string) {
	s.Helper()
	db, err := m.DB(s.database())
	if err != nil {
		s.Fatal(err)
	}
	defer db.Close()
	conn, err := db.Conn(s.Context())
	if err != nil {
		s.Fatal(err)
	}
	defer conn.Close()
	for _, q := range statements {
		if _, err := conn.ExecContext(s.Context(), q); err != nil {
			s.Fatalf("%s: %v", q, err)
		}
	}
}

// ask is the first column of the first row of a query.
func (s *scene) ask(m *servers.MySQL, query string) (text string) {
	s.Helper()
	db, err := m.DB("")
	if err != nil {
		s.Fatal(err)
	}
	defer db.Close()
	if err := db.QueryRowContext(s.Context(), query).Scan(&text); err != nil {
		s.Fatalf("%s: %v", query, err)
	}
	return text
}

// rows makes the table t with so many rows.
func (s *scene) rows(m *servers.MySQL, n int) {
	s.Helper()
	statements := []string{"CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(2000))"}
	for i := range n {
		statements = append(statements, fmt.Sprintf("INSERT INTO t VALUES (%d, 'row')", i+1))
	}
	s.exec(m, statements...)
}
